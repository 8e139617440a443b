// The state machine's memory and its queue.
#include "base/log.h"
#include "review/reviewer.h"

namespace tarn::review {
namespace {

constexpr std::int64_t kMostAttempts = 6;
constexpr Millis kBackoff[] = {2'000, 10'000, 60'000, 300'000, 900'000, 900'000};
constexpr Millis kSeenFor = 14ll * 24 * 3600 * 1000;

bool same(const JobRecord& a, const JobRecord& b) {
  return a.kind == b.kind && a.repository == b.repository && a.number == b.number && a.comment_id == b.comment_id && a.unit == b.unit;
}

bool add_job(store::WriteTxn& t, JobRecord job) {
  for (const auto& other : kJobs.scan(t))
    if (other.attempts == 0 && same(other, job)) return false;  // one that began may have looked already
  auto counter = kCounters.get(t, "job");
  CounterRecord next{"job", (counter ? counter->value.value : 0) + 1};
  job.id = next.value;
  return kCounters.put(t, next) && kJobs.insert(t, job);
}

}  // namespace

store::AuditEvent Reviewer::event(const char* action, const std::string& repository, std::int64_t number) const {
  store::AuditEvent e{.service = "review", .action = action, .principal = "tarn review"};
  e.params["repository"] = repository;
  if (number) e.params["request"] = std::to_string(number);
  return e;
}

bool Reviewer::take(const Event& event_) {
  if (event_.kind == EventKind::none) return false;
  const auto found = places_.find(event_.repository);
  if (found == places_.end()) return false;
  JobRecord job{.repository = event_.repository, .number = event_.number};
  switch (event_.kind) {
    case EventKind::none:
    case EventKind::approval:
      break;
    case EventKind::opened:
      job.kind = JobKind::plan;
      break;
    case EventKind::closed:
      job.kind = JobKind::closed;
      break;
    case EventKind::merged:
      job.kind = JobKind::merged;
      break;
    case EventKind::comment:
      job.kind = JobKind::order;
      job.comment_id = event_.comment_id;
      break;
    case EventKind::push:
      if (event_.branch != found->second.spec->main()) return false;
      job.kind = JobKind::main_moved;
      break;
  }
  bool added = false;
  auto audit = event("webhook", event_.repository, event_.number);
  audit.params["kind"] = std::string(json::name_of(event_.kind));
  store_.write(std::move(audit), [&](store::WriteTxn& t) {
    added = false;
    const auto once = [&](const std::string& what) { return kSeen.insert(t, {what, clock_.now()}).has_value(); };
    if (!event_.delivery.empty() && !once(store::key({"delivery", event_.repository, event_.delivery}))) return true;
    if (event_.kind == EventKind::comment && !once(store::key({"comment", event_.repository, std::to_string(event_.comment_id)}))) return true;
    if (event_.kind == EventKind::approval) return kApprovals.put(t, {event_.repository, event_.number, event_.user, event_.head}).has_value();
    added = add_job(t, job);
    return true;
  });
  return added;
}

bool Reviewer::enqueue(JobRecord job) {
  bool added = false;
  auto audit = event("enqueue", job.repository, job.number);
  audit.params["kind"] = std::string(json::name_of(job.kind));
  store_.write(std::move(audit), [&](store::WriteTxn& t) {
    added = add_job(t, job);
    return true;
  });
  return added;
}

std::optional<JobRecord> Reviewer::next(const std::set<std::string>& busy, Millis& due) {
  const auto now = clock_.now();
  due = now + 3600'000;
  const auto waiting = jobs();
  for (const auto& job : waiting) {
    if (busy.contains(job.repository)) continue;
    if (job.not_before > now) {
      due = std::min(due, job.not_before);
      continue;
    }
    JobRecord begun = job;
    ++begun.attempts;
    begun.not_before = 0;
    store_.write(event("jobBegins", job.repository, job.number), [&](store::WriteTxn& t) { return kJobs.update(t, begun).has_value(); });
    return begun;
  }
  return std::nullopt;
}

void Reviewer::work_on(const JobRecord& job) {
  const auto found = places_.find(job.repository);
  Done done;
  if (found != places_.end()) {
    Place& at = found->second;
    try {
      switch (job.kind) {
        case JobKind::plan:
          done = plan(at, job, false);
          break;
        case JobKind::order:
          done = order(at, job);
          break;
        case JobKind::merged:
        case JobKind::closed:
          done = plan(at, job, false);  // which looks what the request has become
          break;
        case JobKind::main_moved:
          done = main_moved(at);
          break;
        case JobKind::drift:
          done = drift(at, job);
          break;
        case JobKind::resume:
          done = resume(at, job);
          break;
        case JobKind::scan:
          done = scan(at);
          break;
      }
    } catch (const std::exception& e) {
      done = fail(TryAgain{e.what()});
    }
  }
  JobRecord later = job;
  const bool again = !done && (job.attempts < kMostAttempts || stopping_());
  if (!done) {
    spdlog::warn("job kind={} repository={} request={} attempt={} {} cause=\"{}\"", json::name_of(job.kind), job.repository, job.number, job.attempts,
                 again ? "later" : "given up", mask_.text(done.error().cause));
    later.not_before = clock_.now() + kBackoff[std::clamp<std::int64_t>(job.attempts - 1, 0, 5)];
    if (stopping_()) later.attempts = std::max<std::int64_t>(0, job.attempts - 1), later.not_before = 0;
  }
  store_.write(event(done ? "jobDone" : "jobFailed", job.repository, job.number), [&](store::WriteTxn& t) {
    if (again) return kJobs.update(t, later).has_value();
    kJobs.erase(t, job.store_key());
    return true;
  });
}

void Reviewer::recover() {
  for (const auto& r : requests())
    if (std::any_of(r.units.begin(), r.units.end(), [](const UnitRecord& u) { return u.status == UnitStatus::applying; }))
      enqueue({.kind = JobKind::resume, .repository = r.repository, .number = r.number});
  for (const auto& [name, place] : places_) enqueue({.kind = JobKind::scan, .repository = name});
  const auto old = clock_.now() - kSeenFor;
  store_.write(event("forgetDeliveries", "", 0), [&](store::WriteTxn& t) {
    for (const auto& seen : kSeen.scan(t))
      if (seen.at < old) kSeen.erase(t, seen.store_key());
    return true;
  });
}

std::vector<RequestRecord> Reviewer::requests() const {
  return store_.read_as([](store::ReadTxn& t) { return kRequests.scan(t); });
}
std::vector<LockRecord> Reviewer::locks() const {
  return store_.read_as([](store::ReadTxn& t) { return kLocks.scan(t); });
}
std::vector<JobRecord> Reviewer::jobs() const {
  return store_.read_as([](store::ReadTxn& t) { return kJobs.scan(t); });
}
std::vector<DriftRecord> Reviewer::drifts() const {
  return store_.read_as([](store::ReadTxn& t) { return kDrift.scan(t); });
}

std::optional<RequestRecord> Reviewer::request(const std::string& repository, std::int64_t number) const {
  auto found = store_.read_as([&](store::ReadTxn& t) { return kRequests.get(t, store::key({repository, store::sortable(number)})); });
  return found ? std::optional(std::move(found->value)) : std::nullopt;
}

std::optional<RequestRecord> Reviewer::load(const Place& at, std::int64_t number) const { return request(at.spec->repository, number); }

void Reviewer::save(RequestRecord& r, const char* action) {
  r.updated_at = clock_.now();
  store_.write(event(action, r.repository, r.number), [&](store::WriteTxn& t) { return kRequests.put(t, r).has_value(); });
}

void Reviewer::keep_artifact(const RequestRecord& r, const std::string& unit, const std::string& artifact) {
  store_.write(event("keepPlan", r.repository, r.number), [&](store::WriteTxn& t) {
    secrets_.put(t, artifact_name(r.repository, r.number, unit), artifact);
    return true;
  });
}

void Reviewer::forget_artifacts(const RequestRecord& r) {
  store_.write(event("forgetPlans", r.repository, r.number), [&](store::WriteTxn& t) {
    for (const auto& u : r.units) secrets_.erase(t, artifact_name(r.repository, r.number, u.name));
    return true;
  });
}

std::int64_t Reviewer::lock(const RequestRecord& r, const std::string& unit) {
  std::int64_t holder = r.number;
  store_.write(event("lockUnit", r.repository, r.number), [&](store::WriteTxn& t) {
    const auto held = kLocks.get(t, store::key({r.repository, unit}));
    holder = held ? held->value.number : r.number;
    t.audit().params["unit"] = unit;
    return held || kLocks.insert(t, {r.repository, unit, r.number, clock_.now()});
  });
  return holder;
}

void Reviewer::release(const RequestRecord& r, const std::set<std::string>& keep) {
  std::set<std::int64_t> waiting;
  store_.write(event("releaseUnits", r.repository, r.number), [&](store::WriteTxn& t) {
    waiting.clear();
    for (const auto& held : kLocks.scan_index(t, "request", store::key({r.repository, store::sortable(r.number)})))
      if (!keep.contains(held.unit)) {
        kLocks.erase(t, held.store_key());
        for (const auto& other : kRequests.scan(t, store::prefix({r.repository})))
          for (const auto& u : other.units)
            if (other.state == MergeState::open && u.name == held.unit && u.status == UnitStatus::locked) waiting.insert(other.number);
      }
    return true;
  });
  for (const auto number : waiting) enqueue({.kind = JobKind::plan, .repository = r.repository, .number = number});
}

}  // namespace tarn::review
