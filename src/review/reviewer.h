#pragma once
// The state machine of merge requests: what a plan, an apply, a merge, a close does, and when it is refused. It knows no HTTP, no git program and no
// sandbox: these are Forge, Git and Runner. State is in the store, so that a restart goes on where a kill stopped.
//
// Rules, in the order in which they are checked:
//   plan     the request is open and into main, its branch is of this very repository, its author may write; main + head merge without conflict.
//            Each touched unit is locked for this request until it is merged and applied, closed, or unlocked.
//   apply    whoever orders it may write; the plan is of this head; enough people other than the author, who may write, approve this head; not a
//   draft;
//            main is where it was when the plan was made; the unit's lock is this request's.
//   merged   the same, where "main is where it was" becomes: main is the merge, and its files are exactly those that were planned.
// Thread-safe for different repositories; one repository's jobs are run one after another by the caller.
#include <functional>
#include <map>
#include <memory>
#include <set>

#include "base/clock.h"
#include "review/git.h"
#include "review/mask.h"
#include "review/records.h"
#include "review/runner.h"
#include "review/webhook.h"
#include "store/secrets.h"

namespace tarn::review {

/// One repository's helpers.
struct Place {
  const RepositorySpec* spec = nullptr;
  std::unique_ptr<Forge> forge;
  std::unique_ptr<Git> git;
};

/// A job that may be tried again: the forge or the network failed.
struct TryAgain {
  std::string cause;
};

class Reviewer {
 public:
  /// All references must outlive this. `work`: a folder for checkouts, of this object alone.
  Reviewer(const Config& config, store::Store& store, const store::Secrets& secrets, const Clock& clock, Runner& runner, Mask& mask,
           std::map<std::string, Place> places, std::string work, std::function<bool()> stopping);

  /// Takes a verified event: what has to be done because of it is in the store when this returns. True if there is anything.
  bool take(const Event& event);
  /// The same for what the owner or the clock asks. Returns false if an equal job waits already.
  bool enqueue(JobRecord job);

  /// The next job that is due for none of the `busy` repositories, marked as tried once more; or when the next is due.
  std::optional<JobRecord> next(const std::set<std::string>& busy, Millis& due);
  /// Runs it and removes it, or puts it back for later. Never throws for what a forge, a repository or the platform does.
  void work_on(const JobRecord& job);
  /// After a start: applies that were cut off get a job that finishes them or says so.
  void recover();

  std::vector<RequestRecord> requests() const;
  std::vector<LockRecord> locks() const;
  std::vector<JobRecord> jobs() const;
  std::vector<DriftRecord> drifts() const;
  std::optional<RequestRecord> request(const std::string& repository, std::int64_t number) const;

 private:
  using Done = Expected<void, TryAgain>;
  Done plan(Place& at, const JobRecord& job, bool anew);
  Done order(Place& at, const JobRecord& job);
  Done apply(Place& at, const MergeRequest& mr, RequestRecord& r, const std::string& unit);
  Done merged(Place& at, const MergeRequest& mr, RequestRecord& r);
  Done closed(Place& at, RequestRecord& r);
  Done unlock(Place& at, RequestRecord& r);
  Done main_moved(Place& at);
  Done drift(Place& at, const JobRecord& job);
  Done resume(Place& at, const JobRecord& job);
  Done scan(Place& at);

  /// Plans `tree` (what `base` would become) for these units, as far as their locks are this request's.
  Done plan_units(Place& at, RequestRecord& r, const std::vector<const UnitSpec*>& units);
  /// Why the plans may not be carried out; nothing if they may. `main`: its tip.
  Expected<std::optional<std::string>, TryAgain> refusal(Place& at, const MergeRequest& mr, const RequestRecord& r, const std::string& main);
  Expected<std::int64_t, TryAgain> count_approvals(Place& at, const MergeRequest& mr);
  Done carry_out(Place& at, const MergeRequest& mr, RequestRecord& r, const std::string& unit);
  Done say(Place& at, RequestRecord& r, std::string notice);
  Done show(Place& at, RequestRecord& r);
  void mark(Place& at, const RequestRecord& r);
  void report(Place& at, const std::string& unit, const std::string& main, const UnitPlan& found);

  std::optional<RequestRecord> load(const Place& at, std::int64_t number) const;
  void save(RequestRecord& r, const char* action);
  void keep_artifact(const RequestRecord& r, const std::string& unit, const std::string& artifact);
  void forget_artifacts(const RequestRecord& r);
  std::int64_t lock(const RequestRecord& r, const std::string& unit);  // who holds it now
  void release(const RequestRecord& r, const std::set<std::string>& keep = {});
  std::string folder() const;
  store::AuditEvent event(const char* action, const std::string& repository, std::int64_t number) const;

  const Config& config_;
  store::Store& store_;
  const store::Secrets& secrets_;
  const Clock& clock_;
  Runner& runner_;
  Mask& mask_;
  std::map<std::string, Place> places_;
  std::string work_;
  std::function<bool()> stopping_;
};

}  // namespace tarn::review
