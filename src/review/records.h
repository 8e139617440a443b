#pragma once
// What the service remembers, in a store of its own: nothing that a restart may forget lives only in memory.
#include "review/forge.h"
#include "store/store.h"

namespace tarn::review {

enum class UnitStatus { planning, planned, clean, failed, locked, applying, applied, apply_failed, refused, discarded };
BOOST_DESCRIBE_ENUM(UnitStatus, planning, planned, clean, failed, locked, applying, applied, apply_failed, refused, discarded)

/// One unit of one merge request.
struct UnitRecord {
  std::string name;
  UnitStatus status = UnitStatus::planning;
  std::string summary, text, digest;  // masked; the plan itself is a sealed secret (artifact_name)
  std::string applied_text, applied_summary;
  std::int64_t locked_by = 0;
};
BOOST_DESCRIBE_STRUCT(UnitRecord, (), (name, status, summary, text, digest, applied_text, applied_summary, locked_by))

struct RequestRecord {
  std::string repository;
  std::int64_t number = 0;
  std::string title, author, url;
  std::string head, base, tree;  // what the plans are of: `tree` is `head` merged into `base`
  MergeState state = MergeState::open;
  bool plan_changed = false;  // since this head was planned first: who approved it may have seen another plan
  std::string notice;         // what happened last, or why nothing did; one line
  std::vector<UnitRecord> units;
  std::int64_t comment_id = 0;
  Millis updated_at = 0;

  std::string store_key() const { return store::key({repository, store::sortable(number)}); }
  std::vector<store::IndexEntry> store_indexes() const { return {}; }
  UnitRecord* unit(std::string_view unit_name) {
    for (auto& u : units)
      if (u.name == unit_name) return &u;
    return nullptr;
  }
};
BOOST_DESCRIBE_STRUCT(RequestRecord, (),
                      (repository, number, title, author, url, head, base, tree, state, plan_changed, notice, units, comment_id, updated_at))

/// Who may plan and apply a unit until merged or closed.
struct LockRecord {
  std::string repository, unit;
  std::int64_t number = 0;
  Millis since = 0;
  std::string store_key() const { return store::key({repository, unit}); }
  std::vector<store::IndexEntry> store_indexes() const { return {{"request", store::key({repository, store::sortable(number)})}}; }
};
BOOST_DESCRIBE_STRUCT(LockRecord, (), (repository, unit, number, since))

/// `order`: a comment that may be one. `scan`: what happened while the service was away.
enum class JobKind { plan, order, merged, closed, main_moved, drift, resume, scan };
BOOST_DESCRIBE_ENUM(JobKind, plan, order, merged, closed, main_moved, drift, resume, scan)

struct JobRecord {
  std::int64_t id = 0;
  JobKind kind = JobKind::plan;
  std::string repository;
  std::int64_t number = 0;
  std::int64_t comment_id = 0;  // the order, to be read from the forge
  std::string unit;             // empty: all
  std::string note;             // plan: why, if people should read it above the plan
  std::int64_t attempts = 0;
  Millis not_before = 0;
  std::string store_key() const { return store::sortable(id); }
  std::vector<store::IndexEntry> store_indexes() const { return {}; }
};
BOOST_DESCRIBE_STRUCT(JobRecord, (), (id, kind, repository, number, comment_id, unit, note, attempts, not_before))

/// A delivery or an order that was taken: it counts once.
struct SeenRecord {
  std::string what;
  Millis at = 0;
  std::string store_key() const { return what; }
  std::vector<store::IndexEntry> store_indexes() const { return {}; }
};
BOOST_DESCRIBE_STRUCT(SeenRecord, (), (what, at))

/// That somebody approved a certain head, as a signed webhook said when it happened.
struct ApprovalRecord {
  std::string repository;
  std::int64_t number = 0;
  std::string user, head;
  std::string store_key() const { return store::key({repository, store::sortable(number), user}); }
  std::vector<store::IndexEntry> store_indexes() const { return {}; }
};
BOOST_DESCRIBE_STRUCT(ApprovalRecord, (), (repository, number, user, head))

struct DriftRecord {
  std::string repository, unit;
  std::int64_t issue = 0;
  std::string digest, summary;
  bool open = false;
  Millis checked_at = 0;
  std::string store_key() const { return store::key({repository, unit}); }
  std::vector<store::IndexEntry> store_indexes() const { return {}; }
};
BOOST_DESCRIBE_STRUCT(DriftRecord, (), (repository, unit, issue, digest, summary, open, checked_at))

struct CounterRecord {
  std::string name;
  std::int64_t value = 0;
  std::string store_key() const { return name; }
  std::vector<store::IndexEntry> store_indexes() const { return {}; }
};
BOOST_DESCRIBE_STRUCT(CounterRecord, (), (name, value))

inline constexpr store::Collection<RequestRecord> kRequests{"review_request"};
inline constexpr store::Collection<LockRecord> kLocks{"review_lock"};
inline constexpr store::Collection<JobRecord> kJobs{"review_job"};
inline constexpr store::Collection<SeenRecord> kSeen{"review_seen"};
inline constexpr store::Collection<ApprovalRecord> kApprovals{"review_approval"};
inline constexpr store::Collection<DriftRecord> kDrift{"review_drift"};
inline constexpr store::Collection<CounterRecord> kCounters{"review_counter"};

inline std::string artifact_name(const std::string& repository, std::int64_t number, const std::string& unit) {
  return store::key({"review", repository, store::sortable(number), unit});
}

}  // namespace tarn::review
