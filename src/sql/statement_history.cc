// The part of Statements that looks back: the query history. Ids sort by time, so that what is asked for is read and no more: the newest window of
// time first, and larger ones until there is enough.
#include <charconv>
#include <set>

#include "base/ids_in_time.h"
#include "sql/profile.h"
#include "sql/secret_text.h"
#include "sql/statements.h"
#include "sql/wire.h"

namespace tarn::sql {
namespace {

constexpr Millis kFirstWindow = 10 * 60'000;
constexpr int kWindowGrows = 8;
constexpr std::size_t kPage = 2'000;

/// Newest first; a page goes on after one of these.
std::string place(const StatementRecord& r) { return store::sortable(r.started_at) + r.id; }

bool newer(const StatementRecord& a, const StatementRecord& b) { return place(a) > place(b); }

}  // namespace

std::vector<StatementRecord> Statements::started_between(store::ReadTxn& t, std::int64_t workspace_id, Millis from, Millis until) const {
  const auto prefix = store::prefix({store::sortable(workspace_id)});
  std::vector<StatementRecord> out;
  for (auto after = prefix + first_uuid_at(std::max<Millis>(0, from));;) {
    auto page = statements_table.scan(t, prefix, after, kPage);
    const bool more = page.size() == kPage;
    if (more) after = page.back().store_key();
    for (auto& r : page) {
      if (r.started_at > until) return out;
      if (r.started_at >= from) out.push_back(std::move(r));
    }
    if (!more) return out;
  }
}

HistoryPage Statements::history(const access::Context& ctx, const HistoryFilter& filter) {
  const auto workspace = ctx.workspace_id.value_or(0);
  std::vector<StatementRecord> live;  // what may not be in the store yet
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [id, s] : live_)
      if (s->session.ctx.workspace_id == ctx.workspace_id) {
        live.push_back(record_of(*s));
        if (s->done()) live.back().text = without_secrets(s->text).substr(0, kMostTextKept);
      }
  }
  std::map<std::string, bool> managed;
  const auto has = [](const auto& list, const auto& value) { return list.empty() || std::ranges::find(list, value) != list.end(); };
  const auto shown = [&](const StatementRecord& r) {
    if (!has(filter.user_ids, r.user_id) || !has(filter.warehouse_ids, r.warehouse_id) || !has(filter.statement_ids, r.id) ||
        !has(filter.statuses, std::string(history_status(r.state))))
      return false;
    if ((filter.from && r.started_at < filter.from) || (filter.until && r.started_at > filter.until)) return false;
    if (!filter.after.empty() && place(r) >= filter.after) return false;
    if (r.user_id == ctx.caller.id) return true;
    const auto [i, fresh] = managed.try_emplace(r.warehouse_id, false);
    if (fresh) i->second = warehouses_.monitors(ctx, r.warehouse_id);
    return i->second;
  };
  const Millis oldest = std::max(filter.from, clock_.now() - options_.history);
  Millis newest = filter.until ? filter.until : clock_.now();
  if (Millis at = 0; filter.after.size() > 19 && std::from_chars(filter.after.data(), filter.after.data() + 19, at).ec == std::errc())
    newest = std::min(newest, at);
  HistoryPage out;
  for (Millis window = kFirstWindow;; window *= kWindowGrows) {
    const auto from = std::max(oldest, newest - window);
    auto found = store_.read_as([&](store::ReadTxn& t) { return started_between(t, workspace, from, newest); });
    std::set<std::string> ended;
    for (const auto& r : found)
      if (r.ended_at != 0) ended.insert(r.id);
    std::erase_if(found,
                  [&](const StatementRecord& r) { return r.ended_at == 0 && std::ranges::find(live, r.id, &StatementRecord::id) != live.end(); });
    for (const auto& r : live)
      if (r.started_at >= from && !ended.contains(r.id)) found.push_back(r);
    std::erase_if(found, [&](const StatementRecord& r) { return !shown(r); });
    if (found.size() <= filter.limit && from > oldest) continue;
    std::ranges::sort(found, newer);
    if (found.size() > filter.limit) {
      found.resize(filter.limit);
      out.next = place(found.back());
    }
    out.records = std::move(found);
    return out;
  }
}

std::vector<StatementRecord> Statements::all_history(std::size_t limit) {
  const auto now = clock_.now(), oldest = now - options_.history;
  return store_.read_as([&](store::ReadTxn& t) {
    std::vector<StatementRecord> all;
    // From workspace to workspace: the next key after all of one's.
    for (auto next = statements_table.scan(t, {}, {}, 1); !next.empty();
         next = statements_table.scan(t, {}, store::sortable(next[0].workspace_id) + '\x20', 1)) {
      for (Millis window = kFirstWindow;; window *= kWindowGrows) {
        const auto from = std::max(oldest, now - window);
        auto found = started_between(t, next[0].workspace_id, from, now);
        if (found.size() < limit && from > oldest) continue;
        std::ranges::move(found, std::back_inserter(all));
        break;
      }
    }
    std::ranges::sort(all, newer);
    if (all.size() > limit) all.resize(limit);
    return all;
  });
}

bool Statements::sees(const access::Context& ctx, const StatementRecord& record) {
  return record.user_id == ctx.caller.id || warehouses_.monitors(ctx, record.warehouse_id);
}

Result<json::object> Statements::profile(const access::Context& ctx, const std::string& id) {
  std::optional<StatementRecord> record;
  std::string kept;
  {
    const std::lock_guard lock(mutex_);
    if (const auto i = live_.find(id); i != live_.end() && i->second->session.ctx.workspace_id == ctx.workspace_id) {
      record = record_of(*i->second);
      const std::lock_guard inner(i->second->mutex_);
      kept = i->second->metrics_.profile;
    }
  }
  if (!record) {
    const auto key = store::key({store::sortable(ctx.workspace_id.value_or(0)), id});
    store_.read([&](store::ReadTxn& t) {
      if (auto found = statements_table.get(t, key)) record = std::move(found->value);
      if (auto found = profiles_table.get(t, key)) kept = std::move(found->value.profile);
    });
  }
  if (!record || !sees(ctx, *record)) return refuse(Errc::not_found, "The query " + id + " was not found");
  if (record->ended_at == 0) return refuse(Errc::not_found, "The query " + id + " has not ended: it has a profile when it has");
  json::object out{{"query_id", record->id}, {"status", history_status(record->state)}, {"metrics", metrics_json(*record)}};
  if (!kept.empty()) {
    const auto shown = shown_profile(kept, record->user_id == ctx.caller.id);
    for (const auto& [key, value] : shown.as_object()) out[key] = value;
  } else if (record->state != StatementState::SUCCEEDED) {
    out["message"] = "The query did not succeed.";
  } else if (record->from_cache) {
    out["message"] = "The result came from the cache: nothing was run.";
  } else {
    out["message"] = fmt::format("Nothing is kept: the query read no table, or it took less than {} ms and its result is gone.", kProfileKeptFromMs);
  }
  return out;
}

std::vector<std::string> Statements::surplus_profiles(store::ReadTxn& t) {
  std::vector<std::string> out;
  for (auto next = profiles_table.scan(t, {}, {}, 1); !next.empty();
       next = profiles_table.scan(t, {}, store::sortable(next[0].workspace_id) + '\x20', 1)) {
    std::deque<std::string> newest;  // keys sort by time
    const auto prefix = store::prefix({store::sortable(next[0].workspace_id)});
    for (std::string after;;) {
      const auto page = profiles_table.scan(t, prefix, after, 500);
      for (const auto& r : page) {
        newest.push_back(r.store_key());
        if (newest.size() <= kMostProfilesKept) continue;
        out.push_back(std::move(newest.front()));
        newest.pop_front();
      }
      if (page.size() < 500) break;
      after = newest.back();
    }
  }
  return out;
}

void Statements::forget_history() {
  const auto until = clock_.now() - options_.history;
  for (bool more = true; more;) {
    more = false;
    std::vector<std::string> old;
    store_.read([&](store::ReadTxn& t) {
      for (auto next = statements_table.scan(t, {}, {}, 1); !next.empty();
           next = statements_table.scan(t, {}, store::sortable(next[0].workspace_id) + '\x20', 1)) {
        const auto page = statements_table.scan(t, store::prefix({store::sortable(next[0].workspace_id)}), {}, kPage);
        for (const auto& r : page) {
          if (r.started_at > until) break;
          old.push_back(r.store_key());
        }
        more = more || (page.size() == kPage && page.back().started_at <= until);
      }
    });
    if (old.empty()) break;
    store_.write(access::system_context().event("databrickssql", "forgetStatements", {{"count", std::to_string(old.size())}}),
                 [&](store::WriteTxn& t) {
                   for (const auto& key : old) {
                     statements_table.erase(t, key);
                     profiles_table.erase(t, key);
                   }
                   return true;
                 });
  }
  const auto surplus = store_.read_as([&](store::ReadTxn& t) { return surplus_profiles(t); });
  if (surplus.empty()) return;
  store_.write(access::system_context().event("databrickssql", "forgetProfiles", {{"count", std::to_string(surplus.size())}}),
               [&](store::WriteTxn& t) {
                 for (const auto& key : surplus) profiles_table.erase(t, key);
                 return true;
               });
}

}  // namespace tarn::sql
