// Metric histories and logged models in the tracking database.
#include "base/ids.h"
#include "ml/sql_pieces.h"
#include "ml/tracking_store.h"

namespace tarn::ml {

namespace {
constexpr auto kLeast = std::numeric_limits<std::int64_t>::min(), kMost = std::numeric_limits<std::int64_t>::max();
}

Page<Metric> TrackingStore::history(const RunRef& ref, const std::string& key, std::size_t limit, const std::string& after) {
  Page<Metric> out;
  std::string sql = kHistory;
  std::vector<Value> values{ref.rid, key, bucket_of(kLeast), bucket_of(kMost)};
  if (const auto from = json::parse(after.empty() ? "null" : after); from && from->is_array() && from->as_array().size() == 4) {
    const auto& a = from->as_array();
    sql += " AND (at, step, value, is_nan) > ($5, $6, $7, $8)";
    values.insert(values.end(),
                  {a[0].to_number<std::int64_t>(), a[1].to_number<std::int64_t>(), a[2].to_number<double>(), a[3].to_number<std::int64_t>()});
  }
  sql += fmt::format(" ORDER BY at, step, value, is_nan LIMIT {}", limit + 1);
  db_.read([&](Connection& c) {
    c.query(sql, values, [&](const Row& r) {
      if (out.items.size() == limit) {
        const Metric& last = out.items.back();
        const bool nan = std::isnan(last.value);
        out.next = boost::json::serialize(json::array{last.timestamp, last.step, nan ? 0.0 : last.value, nan ? 1 : 0});
      } else {
        out.items.push_back(metric_of(r, 0));
      }
    });
  });
  return out;
}

std::vector<Metric> TrackingStore::sampled_history(const std::vector<RunRef>& runs, const std::string& key, std::optional<std::int64_t> from,
                                                   std::optional<std::int64_t> until, std::size_t most) {
  std::vector<Metric> all;
  std::set<std::int64_t> steps, kept;
  db_.read([&](Connection& c) {
    for (const auto& ref : runs) {
      const std::size_t before = all.size();
      const auto first = from.value_or(kLeast), last = until.value_or(kMost);
      c.query(std::string(kHistory) + " AND step >= $5 AND step <= $6 ORDER BY step, at",
              {ref.rid, key, bucket_of(first), bucket_of(last), first, last}, [&](const Row& r) {
                all.push_back(metric_of(r, 0));
                all.back().run_id = ref.run_id;
                steps.insert(all.back().step);
              });
      if (all.size() > before) {
        kept.insert(all[before].step);
        kept.insert(all.back().step);
      }
    }
  });
  if (steps.size() <= most) return all;
  const std::vector<std::int64_t> sorted(steps.begin(), steps.end());
  for (std::size_t i = 0; i < most; ++i) kept.insert(sorted[i * sorted.size() / most]);
  std::erase_if(all, [&](const Metric& m) { return !kept.contains(m.step); });
  return all;
}

std::optional<ModelRef> TrackingStore::find_model(const std::string& model_id) {
  std::optional<ModelRef> out;
  db_.read([&](Connection& c) {
    c.query("SELECT workspace, experiment, deleted_at FROM ml_model WHERE model_id = $1", {model_id}, [&](const Row& r) {
      out = ModelRef{model_id, r.number(0), r.number(1), !r.null(2)};
    });
  });
  return out;
}

LoggedModel TrackingStore::load_model(Connection& c, const std::string& model_id) {
  LoggedModel m;
  c.query(
      "SELECT experiment, name, artifact_uri, status, created_at, updated_at, creator, model_type, source_run_id, status_message, registrations "
      "FROM ml_model WHERE model_id = $1",
      {model_id}, [&](const Row& r) {
        m.info = {.model_id = model_id,
                  .experiment_id = r.text(0),
                  .name = r.text(1),
                  .artifact_uri = r.text(2),
                  .status = r.text(3),
                  .creation_timestamp_ms = r.number(4),
                  .last_updated_timestamp_ms = r.number(5),
                  .creator_id = r.number(6),
                  .model_type = r.maybe_text(7),
                  .source_run_id = r.maybe_text(8),
                  .status_message = r.maybe_text(9)};
        if (auto list = json::decode_text<std::vector<ModelRegistration>>(r.text(10))) m.info.registrations = *std::move(list);
      });
  c.query("SELECT key, value FROM ml_model_tag WHERE model_id = $1 ORDER BY key", {model_id}, [&](const Row& r) {
    m.info.tags.push_back({r.text(0), r.text(1)});
  });
  c.query("SELECT key, value FROM ml_model_param WHERE model_id = $1 ORDER BY key", {model_id}, [&](const Row& r) {
    m.params.push_back({r.text(0), r.text(1)});
  });
  c.query(
      "SELECT key, value, is_nan, at, step, model_id, nullif(dataset_name, ''), nullif(dataset_digest, ''), run_id FROM ml_model_metric "
      "WHERE model_id = $1 ORDER BY key, dataset_name, dataset_digest, run_id",
      {model_id}, [&](const Row& r) {
        m.metrics.push_back(metric_of(r, 0));
        m.metrics.back().run_id = r.text(8);
      });
  return m;
}

namespace {

template <class F>
void always(Database& db, F&& body) {
  const auto done = db.write([&](Connection& c) -> Result<void> {
    body(c);
    return {};
  });
  if (!done) throw std::logic_error("a write that nothing refuses was refused");
}

void touch(Connection& c, const std::string& model_id, Millis now) {
  c.change("UPDATE ml_model SET updated_at = $2 WHERE model_id = $1", {model_id, now});
}

}  // namespace

LoggedModel TrackingStore::create_model(const NewLoggedModel& n) {
  const std::string id = "m-" + new_hex(16);
  const Millis now = clock_.now();
  LoggedModel out;
  always(db_, [&](Connection& c) {
    c.change(
        "INSERT INTO ml_model (model_id, workspace, experiment, name, model_type, source_run_id, status, creator, created_at, updated_at, "
        "artifact_uri, registrations) VALUES ($1, $2, $3, $4, $5, $6, 'LOGGED_MODEL_PENDING', $7, $8, $8, $9, '[]')",
        {id, n.workspace, n.experiment, n.name, maybe(n.model_type), maybe(n.source_run_id), n.creator, now,
         n.artifact_root + "/logged_models/" + id + "/artifacts"});
    for (const auto& p : n.params) c.change("INSERT INTO ml_model_param (model_id, key, value) VALUES ($1, $2, $3)", {id, p.key, p.value});
    for (const auto& t : n.tags) c.change("INSERT INTO ml_model_tag (model_id, key, value) VALUES ($1, $2, $3)", {id, t.key, t.value});
    out = load_model(c, id);
  });
  return out;
}

LoggedModel TrackingStore::model(const std::string& model_id) {
  LoggedModel out;
  db_.read([&](Connection& c) { out = load_model(c, model_id); });
  return out;
}

void TrackingStore::finalize_model(const std::string& model_id, LoggedModelStatus status) {
  always(db_, [&](Connection& c) {
    c.change("UPDATE ml_model SET status = $2, updated_at = $3 WHERE model_id = $1", {model_id, std::string(json::name_of(status)), clock_.now()});
  });
}

void TrackingStore::delete_model(const std::string& model_id) {
  always(db_, [&](Connection& c) { c.change("UPDATE ml_model SET deleted_at = $2 WHERE model_id = $1", {model_id, clock_.now()}); });
}

Result<void> TrackingStore::log_model_params(const std::string& model_id, const std::vector<KeyValue>& params) {
  return db_.write([&](Connection& c) -> Result<void> {
    for (const auto& p : params) {
      if (c.change("INSERT INTO ml_model_param (model_id, key, value) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING", {model_id, p.key, p.value}) == 1)
        continue;
      bool same = false;
      c.query("SELECT 1 FROM ml_model_param WHERE model_id = $1 AND key = $2 AND value = $3", {model_id, p.key, p.value},
              [&](const Row&) { same = true; });
      if (!same)
        return refuse(Errc::invalid, fmt::format("Changing param values is not allowed. Param with key='{}' was already logged for logged model with "
                                                 "ID='{}'.",
                                                 p.key, model_id));
    }
    touch(c, model_id, clock_.now());
    return {};
  });
}

void TrackingStore::set_model_tags(const std::string& model_id, const std::vector<KeyValue>& tags) {
  always(db_, [&](Connection& c) {
    for (const auto& t : tags)
      c.change("INSERT INTO ml_model_tag (model_id, key, value) VALUES ($1, $2, $3) ON CONFLICT (model_id, key) DO UPDATE SET value = excluded.value",
               {model_id, t.key, t.value});
    touch(c, model_id, clock_.now());
  });
}

Result<void> TrackingStore::delete_model_tag(const std::string& model_id, const std::string& key) {
  return db_.write([&](Connection& c) -> Result<void> {
    if (c.change("DELETE FROM ml_model_tag WHERE model_id = $1 AND key = $2", {model_id, key}) == 0)
      return refuse(Errc::not_found, fmt::format("No tag with key {} found for model with ID '{}'.", key, model_id));
    touch(c, model_id, clock_.now());
    return {};
  });
}

void TrackingStore::add_registration(const std::string& model_id, const ModelRegistration& registration) {
  always(db_, [&](Connection& c) {
    std::vector<ModelRegistration> list;
    c.query("SELECT registrations FROM ml_model WHERE model_id = $1", {model_id}, [&](const Row& r) {
      if (auto old = json::decode_text<std::vector<ModelRegistration>>(r.text(0))) list = *std::move(old);
    });
    list.push_back(registration);
    c.change("UPDATE ml_model SET registrations = $2 WHERE model_id = $1", {model_id, json::encode_text(list)});
  });
}

}  // namespace tarn::ml
