#include "catalog/lineage.h"

#include "base/ids.h"
#include "base/log.h"
#include "catalog/names.h"

namespace tarn::catalog {
namespace {

constexpr std::size_t kMostPending = 20'000;

/// A model's version stands in an edge as catalog.schema.model/VERSION.
bool is_model_version(std::string_view name) { return name.find('/') != name.npos; }

/// Whether the caller may see a table, or the model of a version, of a lineage edge; each is asked once.
class Seen {
 public:
  Seen(store::ReadTxn& t, const access::Context& ctx) : t_(t), ctx_(ctx) {}
  bool operator()(const std::string& full_name) {
    if (full_name.empty()) return true;
    const auto known = known_.find(full_name);
    if (known != known_.end()) return known->second;
    const auto type = is_model_version(full_name) ? SecurableType::FUNCTION : SecurableType::TABLE;
    return known_[full_name] = locate_to_see(t_, ctx_, type, full_name.substr(0, full_name.find('/')), true).has_value();
  }

 private:
  store::ReadTxn& t_;
  const access::Context& ctx_;
  std::map<std::string, bool> known_;
};

}  // namespace

Lineage::Lineage(const Core& core) : core_(core), thread_([this] { run(); }) {}

Lineage::~Lineage() {
  {
    std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake_.notify_all();
  thread_.join();
}

std::vector<LineageEdgeRecord> Lineage::edges_of(const access::Context& ctx, const LineageRecord& record, const std::string& metastore_id) const {
  std::vector<LineageEdgeRecord> out;
  const Millis now = core_.clock.now();
  const auto add = [&](const LineageEdge& e) {
    out.push_back({.metastore_id = metastore_id,
                   .id = new_uuid(),
                   .statement_id = record.statement_id,
                   .entity_type = record.entity_type,
                   .created_by = ctx.caller.name,
                   .source_table = folded(e.source_table),
                   .source_column = e.source_column,
                   .target_table = folded(e.target_table),
                   .target_column = e.target_column,
                   .workspace_id = ctx.workspace_id,
                   .event_time = now});
  };
  for (const auto& read : record.read_tables) add({read, "", record.written_table, ""});
  if (record.read_tables.empty() && !record.written_table.empty()) add({"", "", record.written_table, ""});
  for (const auto& e : record.columns) add(e);
  return out;
}

void Lineage::record(const access::Context& ctx, const LineageRecord& record) {
  const auto m = core_.store.read_as([&](store::ReadTxn& t) { return current_metastore(t, ctx); });
  if (!m) return;  // no metastore, no lineage: the statement touched none of its tables
  Pending p{.event = ctx.event("unityCatalog", "recordLineage", {{"statement_id", record.statement_id}, {"target", record.written_table}}),
            .edges = edges_of(ctx, record, m->info.metastore_id)};
  if (p.edges.empty()) return;
  if (!record.written_table.empty()) {
    std::vector<Pending> one;
    one.push_back(std::move(p));
    write(std::move(one));
    return;
  }
  std::unique_lock lock(mutex_);
  done_.wait(lock, [&] { return pending_.size() < kMostPending || stop_; });
  pending_.push_back(std::move(p));
  ++posted_;
  if (pending_.size() == 1) wake_.notify_one();
}

void Lineage::write(std::vector<Pending> batch) {
  core_.store.write(batch.front().event, [&](store::WriteTxn& t) {
    for (const auto& p : batch)
      for (const auto& e : p.edges)
        if (!kLineage.insert(t, e)) throw std::logic_error("two lineage edges with one id");
    for (std::size_t i = 1; i < batch.size(); ++i) t.audit_also(batch[i].event);
    return true;
  });
}

void Lineage::flush() {
  std::unique_lock lock(mutex_);
  const auto target = posted_;
  hurry_ = true;
  wake_.notify_one();
  done_.wait(lock, [&] { return written_ >= target || stop_; });
}

void Lineage::run() {
  std::unique_lock lock(mutex_);
  while (true) {
    wake_.wait(lock, [&] { return stop_ || hurry_ || !pending_.empty(); });
    if (!stop_ && !hurry_) wake_.wait_for(lock, std::chrono::milliseconds(100), [&] { return stop_ || hurry_; });
    hurry_ = false;
    auto batch = std::exchange(pending_, {});
    const auto count = batch.size();
    lock.unlock();
    if (!batch.empty()) {
      try {
        write(std::move(batch));
      } catch (const store::StoreUnavailable& e) {
        spdlog::error("lineage of {} reads was lost: {}", count, e.what());
      }
    }
    lock.lock();
    written_ += count;
    done_.notify_all();
    if (stop_ && pending_.empty()) return;
  }
}

Result<std::vector<Catalog::LineageRow>> Lineage::rows(const access::Context& ctx, bool column_level) {
  flush();
  return core_.store.read_as([&](store::ReadTxn& t) -> Result<std::vector<Catalog::LineageRow>> {
    const std::string_view table = column_level ? "system.access.column_lineage" : "system.access.table_lineage";
    TARN_TRY(place, locate_for(t, ctx, SecurableType::TABLE, table, Privilege::SELECT));
    const MetastoreRecord& m = place.metastore;
    Seen seen(t, ctx);
    std::vector<Catalog::LineageRow> out;
    for (const auto& e : kLineage.scan(t, store::prefix({m.info.metastore_id, column_level ? "c" : "t"}))) {
      if (!seen(e.source_table) || !seen(e.target_table)) continue;
      out.push_back({.edge = {e.source_table, e.source_column, e.target_table, e.target_column},
                     .statement_id = e.statement_id,
                     .created_by = e.created_by,
                     .entity_type = e.entity_type,
                     .workspace_id = e.workspace_id,
                     .event_time = e.event_time});
    }
    std::reverse(out.begin(), out.end());
    return out;
  });
}

template <class N, class Make>
Result<Neighbours<N>> Lineage::neighbours(const access::Context& ctx, std::string_view full_name, std::string_view column, Make&& make) {
  flush();
  const std::string table = folded(full_name);
  return look(core_, ctx, column.empty() ? "getTableLineage" : "getColumnLineage", {{"table_name", table}, {"column_name", std::string(column)}},
              [&](store::ReadTxn& t) -> Result<Neighbours<N>> {
                TARN_TRY(place, locate_to_see(t, ctx, SecurableType::TABLE, table, true));
                if (!column.empty()) {
                  const auto& columns = place.table->info.columns;
                  if (std::none_of(columns.begin(), columns.end(), [&](const ColumnInfo& c) { return folded(c.name) == folded(column); }))
                    return fail(Error{Errc::not_found, fmt::format("Column '{}' does not exist in Table '{}'.", column, place.full_name())});
                }
                Seen seen(t, ctx);
                Neighbours<N> out;
                const std::string key = store::key({place.metastore.info.metastore_id, table});
                const auto collect = [&](std::string_view index, bool upstream, std::vector<N>& into) {
                  std::map<std::string, LineageEdgeRecord> latest;
                  for (const auto& e : kLineage.scan_index(t, index, key)) {
                    const auto& [here, there] = upstream ? std::tie(e.target_column, e.source_table) : std::tie(e.source_column, e.target_table);
                    if (there.empty() || is_model_version(there) || (!column.empty() && folded(here) != folded(column)) || !seen(there)) continue;
                    auto& slot = latest[there + '\x1f' + (upstream ? e.source_column : e.target_column)];
                    if (slot.id.empty() || e.event_time >= slot.event_time) slot = e;
                  }
                  for (const auto& [k, e] : latest) into.push_back(make(e, upstream));
                };
                collect(column.empty() ? "target" : "column_target", true, out.upstreams);
                collect(column.empty() ? "source" : "column_source", false, out.downstreams);
                return out;
              });
}

namespace {

std::vector<std::string> parts_of(const std::string& full_name) {
  auto parts = split_name(full_name, 3, "Table");
  return parts ? *parts : std::vector<std::string>{"", "", full_name};
}

}  // namespace

Result<Neighbours<TableNeighbour>> Lineage::table(const access::Context& ctx, std::string_view full_name) {
  return neighbours<TableNeighbour>(ctx, full_name, "", [](const LineageEdgeRecord& e, bool upstream) {
    const auto p = parts_of(upstream ? e.source_table : e.target_table);
    return TableNeighbour{.name = p[2], .catalog_name = p[0], .schema_name = p[1], .lineage_timestamp = to_rfc3339(e.event_time)};
  });
}

Result<Neighbours<ColumnNeighbour>> Lineage::column(const access::Context& ctx, std::string_view full_name, std::string_view column) {
  if (column.empty()) return fail(invalid("Field 'column_name' is required"));
  return neighbours<ColumnNeighbour>(ctx, full_name, column, [](const LineageEdgeRecord& e, bool upstream) {
    const auto p = parts_of(upstream ? e.source_table : e.target_table);
    return ColumnNeighbour{.name = upstream ? e.source_column : e.target_column,
                           .catalog_name = p[0],
                           .schema_name = p[1],
                           .table_name = p[2],
                           .lineage_timestamp = to_rfc3339(e.event_time),
                           .workspace_id = e.workspace_id};
  });
}

Result<std::vector<store::AuditRecord>> Lineage::audit_rows(const access::Context& ctx, const store::AuditFilter& filter, std::size_t limit) {
  const auto may =
      core_.store.read_as([&](store::ReadTxn& t) { return locate_for(t, ctx, SecurableType::TABLE, "system.access.audit", Privilege::SELECT); });
  if (!may) return fail(may.error());
  core_.store.flush_audit();
  return core_.store.audit_log(filter, limit);
}

}  // namespace tarn::catalog
