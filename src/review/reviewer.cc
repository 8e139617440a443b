#include "review/reviewer.h"

#include <filesystem>

#include "base/ids.h"
#include "base/log.h"
#include "review/render.h"

namespace tarn::review {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kMarker = "<!-- tarn review -->";

template <class T>
Expected<T, TryAgain> need(ForgeResult<T> answer) {
  if (answer) {
    if constexpr (std::is_void_v<T>)
      return {};
    else
      return *std::move(answer);
  }
  return fail(TryAgain{answer.error().message});
}
template <class T>
Expected<T, TryAgain> need(Expected<T, std::string> answer) {
  if (answer) {
    if constexpr (std::is_void_v<T>)
      return {};
    else
      return *std::move(answer);
  }
  return fail(TryAgain{answer.error()});
}

/// A checkout, gone with the object.
struct Checkout {
  std::string path;
  ~Checkout() {
    std::error_code ignored;
    fs::remove_all(path, ignored);
  }
};

bool is_done(const UnitRecord& u) { return u.status == UnitStatus::applied || u.status == UnitStatus::clean; }

}  // namespace

Reviewer::Reviewer(const Config& config, store::Store& store, const store::Secrets& secrets, const Clock& clock, Runner& runner, Mask& mask,
                   std::map<std::string, Place> places, std::string work, std::function<bool()> stopping)
    : config_(config),
      store_(store),
      secrets_(secrets),
      clock_(clock),
      runner_(runner),
      mask_(mask),
      places_(std::move(places)),
      work_(std::move(work)),
      stopping_(std::move(stopping)) {}

std::string Reviewer::folder() const { return work_ + "/" + new_hex(8); }

// Plans.

Reviewer::Done Reviewer::plan(Place& at, const JobRecord& job, bool anew) {
  TARN_TRY(mr, need(at.forge->merge_request(job.number)));
  auto r = load(at, job.number).value_or(RequestRecord{.repository = at.spec->repository, .number = job.number});
  const bool known = r.updated_at != 0;
  if (mr.base_branch != at.spec->main()) {
    if (known && mr.state == MergeState::open) return closed(at, r);  // it was retargeted
    return {};
  }
  if (mr.state == MergeState::closed) return known && r.state == MergeState::open ? closed(at, r) : Done{};
  if (mr.state == MergeState::merged) {
    if (!known) return {};
    if (r.state != MergeState::merged) return merged(at, mr, r);
    // A delivery that comes after all is done, as one that the forge held back while the service was away, must not replace what became of it. Only
    // an order plans it anew, an apply that was refused (it says why), or a kill in the middle of a plan.
    const bool cut_off = std::any_of(r.units.begin(), r.units.end(), [](const UnitRecord& u) { return u.status == UnitStatus::planning; });
    if (!anew && job.note.empty() && !cut_off) return {};
  }
  r.title = mr.title;
  r.author = mr.author;
  r.url = mr.url;
  if (r.state == MergeState::closed) r.state = MergeState::open, r.base.clear();  // reopened
  if (mr.from_fork)
    return say(at, r,
               "Not planned: the branch is in another repository. A plan runs code of the branch, so only branches of this repository are planned.");
  TARN_TRY(may, need(at.forge->permission(mr.author)));
  if (may != Permission::write)
    return say(at, r, "Not planned: " + mr.author + " may not write to this repository, and a plan runs code of the request.");
  TARN_TRY(main, need(at.git->fetch(at.spec->main(), mr.number, mr.state == MergeState::open ? mr.head : "")));
  const bool unsettled = std::any_of(r.units.begin(), r.units.end(), [](const UnitRecord& u) {
    return u.status == UnitStatus::planning || u.status == UnitStatus::locked || u.status == UnitStatus::discarded || u.status == UnitStatus::refused;
  });
  if (!anew && known && r.head == mr.head && r.base == main && !unsettled) return {};
  std::vector<const UnitSpec*> units;
  if (mr.state == MergeState::merged) {  // what was not carried out, now as main says it
    TARN_TRY(approvals, count_approvals(at, mr));
    if (approvals < at.spec->approvals.value_or(1)) return say(at, r, "Not planned: it was merged without the approvals that an apply takes.");
    TARN_TRY(tree, need(at.git->tree_of(main)));
    for (const auto& spec : at.spec->units)
      if (r.unit(spec.name)) units.push_back(&spec);
    r.tree = tree;
  } else {
    TARN_TRY(merge, need(at.git->merge(main, mr.head)));
    if (merge.conflict) {
      r.head = mr.head;
      r.base = main;
      r.tree.clear();
      release(r);
      forget_artifacts(r);
      r.units.clear();
      return say(at, r, "Not planned: the branch conflicts with " + at.spec->main() + ".");
    }
    TARN_TRY(paths, need(at.git->changed(main, merge.tree)));
    for (const auto& spec : at.spec->units)
      if (std::any_of(paths.begin(), paths.end(), [&](const std::string& p) { return touches(spec, p); })) units.push_back(&spec);
    r.tree = merge.tree;
  }
  if (r.head != mr.head) {
    r.plan_changed = false;
    forget_artifacts(r);
    r.units.clear();
  }
  r.head = mr.head;
  r.base = main;
  r.notice = job.note;
  return plan_units(at, r, units);
}

Reviewer::Done Reviewer::plan_units(Place& at, RequestRecord& r, const std::vector<const UnitSpec*>& units) {
  std::set<std::string> names;
  std::map<std::string, std::string> before;  // what the units of this very head would have done
  for (const auto* spec : units) names.insert(spec->name);
  for (const auto& u : r.units)
    if (u.status == UnitStatus::planned || u.status == UnitStatus::clean) before[u.name] = u.digest;
  release(r, names);
  forget_artifacts(r);
  r.units.clear();
  for (const auto* spec : units) {
    UnitRecord u{.name = spec->name};
    const auto holder = lock(r, spec->name);
    if (holder != r.number) u.status = UnitStatus::locked, u.locked_by = holder;
    r.units.push_back(std::move(u));
  }
  save(r, "planRequest");
  if (units.empty()) {
    if (r.comment_id == 0) return {};  // nothing to say, nothing said
    return say(at, r, "No unit is touched.");
  }
  TARN_CHECK(show(at, r));
  mark(at, r);
  for (const auto* spec : units) {
    auto* u = r.unit(spec->name);
    if (u->status == UnitStatus::locked) continue;
    Checkout checkout{folder()};
    TARN_CHECK(need(at.git->checkout(r.tree, checkout.path)));
    auto made = runner_.plan(*spec, checkout.path);
    if (stopping_()) return fail(TryAgain{"the service stops"});
    u->summary = made.summary;
    u->text = made.text;
    u->digest = made.digest;
    u->status = !made.ok ? UnitStatus::failed : made.changes ? UnitStatus::planned : UnitStatus::clean;
    if (made.ok && made.changes) {
      keep_artifact(r, u->name, made.artifact);
      if (const auto was = before.find(u->name); !before.empty() && (was == before.end() || was->second != made.digest)) r.plan_changed = true;
    }
  }
  save(r, "planned");
  TARN_CHECK(show(at, r));
  mark(at, r);
  return {};
}

// Orders.

Reviewer::Done Reviewer::order(Place& at, const JobRecord& job) {
  auto comment = at.forge->comment(job.number, job.comment_id);
  if (!comment && comment.error().status == 404) return {};  // taken back
  if (!comment) return fail(TryAgain{comment.error().message});
  const auto command = parse_command(comment->body);
  if (!command || comment->author.empty()) return {};
  if (!command->unit.empty() &&
      std::none_of(at.spec->units.begin(), at.spec->units.end(), [&](const UnitSpec& u) { return u.name == command->unit; }))
    return {};  // talk
  TARN_TRY(me, need(at.forge->me()));
  if (comment->author == me) return {};
  TARN_TRY(may, need(at.forge->permission(comment->author)));
  TARN_TRY(mr, need(at.forge->merge_request(job.number)));
  if (mr.base_branch != at.spec->main()) return {};
  auto r = load(at, job.number);
  if (may != Permission::write) {
    if (!r) return {};
    return say(at, *r, fmt::format("Refused: {} may not write to this repository.", comment->author));
  }
  if (command->verb == Command::Verb::plan) return plan(at, job, true);
  if (!r) return {};
  if (mr.state == MergeState::merged && r->state == MergeState::open) {
    TARN_CHECK(merged(at, mr, *r));  // its own webhook is still on its way, or lost
    r = load(at, job.number);
    if (std::all_of(r->units.begin(), r->units.end(), is_done)) return {};
  }
  if (command->verb == Command::Verb::unlock) return unlock(at, *r);
  return apply(at, mr, *r, command->unit);
}

Expected<std::int64_t, TryAgain> Reviewer::count_approvals(Place& at, const MergeRequest& mr) {
  TARN_TRY(given, need(at.forge->approvals(mr)));
  std::int64_t count = 0;
  for (const auto& a : given) {
    if (a.user == mr.author) continue;
    bool current = a.current.value_or(false);
    if (!current && a.current != false) {  // the forge does not say: what its signed webhook said then
      const auto seen = store_.read_as([&](store::ReadTxn& t) {
        return kApprovals.get(t, store::key({at.spec->repository, store::sortable(mr.number), a.user}));
      });
      current = seen && seen->value.head == mr.head;
    }
    if (!current) continue;
    TARN_TRY(may, need(at.forge->permission(a.user)));
    if (may == Permission::write) ++count;
  }
  return count;
}

Expected<std::optional<std::string>, TryAgain> Reviewer::refusal(Place& at, const MergeRequest& mr, const RequestRecord& r, const std::string& main) {
  const auto no = [](std::string why) { return Expected<std::optional<std::string>, TryAgain>(std::move(why)); };
  if (mr.state == MergeState::closed) return no("the request is closed.");
  if (r.head != mr.head) return no("there is a newer commit; it is planned first.");
  for (const auto& u : r.units) {
    if (u.status == UnitStatus::locked) return no(fmt::format("{} is locked by request {}.", u.name, u.locked_by));
    if (u.status == UnitStatus::failed) return no("the plan of " + u.name + " failed.");
    if (u.status == UnitStatus::discarded || u.status == UnitStatus::planning || u.status == UnitStatus::refused)
      return no(u.name + " has no plan; comment plan.");
  }
  const auto wanted = at.spec->approvals.value_or(1);
  TARN_TRY(approvals, count_approvals(at, mr));
  if (approvals < wanted)
    return no(fmt::format("{} of {} approvals. It takes people other than the author, who may write, and who approved this very commit.", approvals,
                          wanted));
  if (mr.state == MergeState::open) {
    if (mr.draft) return no("the request is a draft.");
    if (main != r.base) return no(at.spec->main() + " moved since the plan was made; the request is planned anew.");
    return std::nullopt;
  }
  if (main == r.base) return std::nullopt;  // planned after the merge
  TARN_TRY(tree, need(at.git->tree_of(main)));
  TARN_TRY(after, need(at.git->descends(main, r.base)));
  if (tree != r.tree || !after)
    return no(at.spec->main() + " is not what was planned: it moved before the merge. It is planned anew; read the plan and comment apply.");
  return std::nullopt;
}

Reviewer::Done Reviewer::apply(Place& at, const MergeRequest& mr, RequestRecord& r, const std::string& unit) {
  const bool waits =
      std::any_of(r.units.begin(), r.units.end(), [&](const UnitRecord& u) { return !is_done(u) && (unit.empty() || u.name == unit); });
  if (!waits) return say(at, r, r.units.empty() ? "Nothing is planned." : "Nothing is left to apply.");
  TARN_TRY(main, need(at.git->fetch(at.spec->main(), mr.number, "")));
  TARN_TRY(why, refusal(at, mr, r, main));
  if (why) {
    TARN_CHECK(say(at, r, "Not applied: " + *why));
    if (r.head != mr.head || main != r.base) enqueue({.kind = JobKind::plan, .repository = r.repository, .number = r.number, .note = r.notice});
    return {};
  }
  return carry_out(at, mr, r, unit);
}

Reviewer::Done Reviewer::carry_out(Place& at, const MergeRequest& mr, RequestRecord& r, const std::string& unit) {
  r.notice.clear();
  bool anew = false;
  for (const auto& spec : at.spec->units) {
    auto* u = r.unit(spec.name);
    if (!u || (u->status != UnitStatus::planned && u->status != UnitStatus::apply_failed) || (!unit.empty() && u->name != unit)) continue;
    if (lock(r, u->name) != r.number) {
      u->status = UnitStatus::refused;
      u->summary = "its lock was released; comment plan";
      break;
    }
    const auto artifact = store_.read_as([&](store::ReadTxn& t) { return secrets_.get(t, artifact_name(r.repository, r.number, u->name)); });
    if (!artifact) {
      u->status = UnitStatus::refused;
      u->summary = "its plan is gone; comment plan";
      break;
    }
    u->status = UnitStatus::applying;
    save(r, "applyBegins");  // before the first change: a kill from here on is known
    if (auto shown = show(at, r); !shown)
      spdlog::warn("comment repository={} request={} cause=\"{}\"", r.repository, r.number, mask_.text(shown.error().cause));
    mark(at, r);
    Checkout checkout{folder()};
    UnitApply done;
    if (auto out = at.git->checkout(r.tree, checkout.path); !out)
      done.text = mask_.text(out.error()), done.summary = "failed";
    else
      done = runner_.apply(spec, checkout.path, *artifact, u->digest);
    if (stopping_() && !done.ok) return fail(TryAgain{"the service stops"});  // still `applying`: recover() goes on
    u->applied_text = done.text;
    u->applied_summary = done.summary;
    if (done.another_plan) {
      u->status = UnitStatus::refused;
      u->summary = done.summary;
      anew = true;
    } else {
      u->status = done.ok ? UnitStatus::applied : UnitStatus::apply_failed;
    }
    save(r, done.ok ? "applied" : "applyFailed");
    if (!done.ok) break;
  }
  const bool all = std::all_of(r.units.begin(), r.units.end(), is_done);
  if (anew) {
    r.notice = "Not applied: the platform changed since the plan was made. This is the plan of now.";
    enqueue({.kind = JobKind::plan, .repository = r.repository, .number = r.number, .note = r.notice});
  }
  if (all && mr.state == MergeState::open && at.spec->automerge.value_or(false)) {
    if (auto merge = at.forge->merge(mr); !merge) r.notice = "Applied, but it could not be merged: " + mask_.text(merge.error().message);
  }
  if (all && r.state == MergeState::merged) release(r), forget_artifacts(r);
  save(r, "requestUpdated");
  TARN_CHECK(show(at, r));
  mark(at, r);
  return {};
}

// What happens to requests and to main.

Reviewer::Done Reviewer::merged(Place& at, const MergeRequest& mr, RequestRecord& r) {
  if (r.state == MergeState::closed) return {};
  TARN_TRY(main, need(at.git->fetch(at.spec->main(), mr.number, "")));
  const bool done = std::all_of(r.units.begin(), r.units.end(), is_done);
  std::optional<std::string> why;
  if (!done) {
    TARN_TRY(approvals, count_approvals(at, mr));
    const auto wanted = at.spec->approvals.value_or(1);
    if (approvals < wanted) {  // for good: no forge takes an approval of what is merged
      r.state = MergeState::merged;
      for (auto& u : r.units)
        if (!is_done(u)) u.status = UnitStatus::discarded;
      release(r);
      forget_artifacts(r);
      return say(at, r,
                 fmt::format("Merged, but not applied: {} of {} approvals. The next request that touches these units plans this too; or revert it.",
                             approvals, wanted));
    }
    TARN_TRY(refused, refusal(at, mr, r, main));
    why = refused;
    if (!why && r.plan_changed)
      why = "the plan became another one when " + at.spec->main() + " moved, after it may have been approved. Read it and comment apply.";
  }
  r.state = MergeState::merged;
  save(r, "requestMerged");
  if (done) {
    release(r);
    forget_artifacts(r);
    return r.comment_id ? show(at, r) : Done{};
  }
  if (!why) return carry_out(at, mr, r, "");
  TARN_CHECK(say(at, r, "Merged, but not applied: " + *why));
  if (main != r.base) {
    TARN_TRY(tree, need(at.git->tree_of(main)));
    if (tree != r.tree) {
      // What main says now, so that an `apply` comment has something exact to carry out.
      std::vector<const UnitSpec*> units;
      for (const auto& spec : at.spec->units)
        if (const auto* u = r.unit(spec.name); u && !is_done(*u)) units.push_back(&spec);
      r.head = mr.head;
      r.base = main;
      r.tree = tree;
      return plan_units(at, r, units);
    }
  }
  return {};
}

Reviewer::Done Reviewer::closed(Place& at, RequestRecord& r) {
  r.state = MergeState::closed;
  for (auto& u : r.units)
    if (u.status != UnitStatus::applied && u.status != UnitStatus::apply_failed) u.status = UnitStatus::discarded;
  const bool changed = std::any_of(r.units.begin(), r.units.end(), [](const UnitRecord& u) { return u.status != UnitStatus::discarded; });
  release(r);
  forget_artifacts(r);
  return say(at, r,
             changed ? "Closed without a merge, after an apply: what was applied is not in " + at.spec->main() + " and will be reported as drift."
                     : "Closed without a merge: the plans are discarded.");
}

Reviewer::Done Reviewer::unlock(Place& at, RequestRecord& r) {
  for (auto& u : r.units)
    if (!is_done(u)) u.status = UnitStatus::discarded;
  release(r);
  forget_artifacts(r);
  return say(at, r, "Unlocked: other requests may plan these units. Comment plan to plan here again.");
}

Reviewer::Done Reviewer::main_moved(Place& at) {
  TARN_TRY(main, need(at.git->fetch(at.spec->main(), 0, "")));
  for (const auto& r : requests())
    if (r.repository == at.spec->repository && r.state == MergeState::open && r.base != main)
      enqueue({.kind = JobKind::plan, .repository = r.repository, .number = r.number});
  return {};
}

Reviewer::Done Reviewer::scan(Place& at) {
  TARN_TRY(open, need(at.forge->open_requests()));
  std::set<std::int64_t> numbers(open.begin(), open.end());
  for (const auto& r : requests())
    if (r.repository == at.spec->repository && r.state == MergeState::open) numbers.insert(r.number);
  for (const auto number : numbers) enqueue({.kind = JobKind::plan, .repository = at.spec->repository, .number = number});
  return {};
}

Reviewer::Done Reviewer::resume(Place& at, const JobRecord& job) {
  auto r = load(at, job.number);
  if (!r) return {};
  TARN_TRY(mr, need(at.forge->merge_request(job.number)));
  bool again = false;
  for (auto& u : r->units) {
    if (u.status != UnitStatus::applying) continue;
    const auto spec = std::find_if(at.spec->units.begin(), at.spec->units.end(), [&](const UnitSpec& s) { return s.name == u.name; });
    if (spec != at.spec->units.end() && !spec->workflow) {
      u.status = UnitStatus::planned;  // a plan of Tarn's goes on where it stopped: what holds already is skipped
      again = true;
    } else {
      u.status = UnitStatus::apply_failed;
      u.applied_summary = "the service was stopped in the middle";
      u.applied_text = "What was done stays. Comment plan to see what is left.\n";
    }
  }
  save(*r, "applyResumed");
  if (again) return carry_out(at, mr, *r, "");
  TARN_CHECK(show(at, *r));
  mark(at, *r);
  return {};
}

// Drift.

Reviewer::Done Reviewer::drift(Place& at, const JobRecord& job) {
  TARN_TRY(main, need(at.git->fetch(at.spec->main(), 0, "")));
  TARN_TRY(tree, need(at.git->tree_of(main)));
  for (const auto& spec : at.spec->units) {
    if (!job.unit.empty() && spec.name != job.unit) continue;
    // Applied and not merged yet: the platform is ahead of main on purpose.
    const auto holder = store_.read_as([&](store::ReadTxn& t) { return kLocks.get(t, store::key({at.spec->repository, spec.name})); });
    if (holder) {
      auto r = load(at, holder->value.number);
      if (const auto* u = r ? r->unit(spec.name) : nullptr;
          u && (u->status == UnitStatus::applied || u->status == UnitStatus::applying || u->status == UnitStatus::apply_failed))
        continue;
    }
    Checkout checkout{folder()};
    TARN_CHECK(need(at.git->checkout(tree, checkout.path)));
    const auto found = runner_.drift(spec, checkout.path);
    if (stopping_()) return fail(TryAgain{"the service stops"});
    report(at, spec.name, main, found);
  }
  return {};
}

void Reviewer::report(Place& at, const std::string& unit, const std::string& main, const UnitPlan& found) {
  const auto key = store::key({at.spec->repository, unit});
  const auto stored = store_.read_as([&](store::ReadTxn& t) { return kDrift.get(t, key); });
  DriftRecord d = stored ? stored->value : DriftRecord{.repository = at.spec->repository, .unit = unit};
  d.checked_at = clock_.now();
  d.summary = found.ok ? found.summary : "could not be checked: " + found.text.substr(0, 500);
  if (!found.ok) {
    spdlog::warn("drift repository={} unit={} could not be checked", d.repository, unit);
  } else {
    const auto standing = at.spec->drift ? at.spec->drift->comment_on : std::nullopt;
    const auto body = mask_.text(drift_report(unit, main, found.summary, found.text));
    ForgeResult<void> told;
    if (found.changes && !(d.open && d.digest == found.digest)) {
      if (standing) {
        told = at.forge->create_issue_comment(*standing, body);
      } else if (d.open && d.issue) {
        told = at.forge->update_issue(d.issue, body, true);
      } else if (auto made = at.forge->create_issue("Drift: " + unit, body)) {
        d.issue = *made;
      } else {
        told = fail(made.error());
      }
      if (told) d.open = true, d.digest = found.digest;
    } else if (!found.changes && d.open) {
      const std::string over = fmt::format("`{}` is again what `{}` says.\n", unit, at.spec->main());
      told = standing ? at.forge->create_issue_comment(*standing, over) : at.forge->update_issue(d.issue, over, false);
      if (told) d.open = false, d.digest.clear();
    }
    if (!told) spdlog::warn("drift repository={} unit={} cause=\"{}\"", d.repository, unit, mask_.text(told.error().message));
  }
  store_.write(event("driftChecked", d.repository, 0), [&](store::WriteTxn& t) { return kDrift.put(t, d).has_value(); });
}

// Telling people.

Reviewer::Done Reviewer::say(Place& at, RequestRecord& r, std::string notice) {
  r.notice = mask_.text(notice);
  save(r, "requestUpdated");
  TARN_CHECK(show(at, r));
  mark(at, r);
  return {};
}

Reviewer::Done Reviewer::show(Place& at, RequestRecord& r) {
  const auto body = mask_.text(comment_of(r));
  if (r.comment_id) {
    auto updated = at.forge->update_comment(r.number, r.comment_id, body);
    if (updated) return {};
    if (updated.error().status != 404) return fail(TryAgain{updated.error().message});
    r.comment_id = 0;  // somebody deleted it
  } else {
    // A kill between writing the comment and noting its number must not make a second one.
    TARN_TRY(me, need(at.forge->me()));
    TARN_TRY(found, need(at.forge->find_comment(r.number, me, std::string(kMarker))));
    if (found) {
      r.comment_id = found;
      save(r, "commentFound");
      return need(at.forge->update_comment(r.number, found, body));
    }
  }
  TARN_TRY(id, need(at.forge->create_comment(r.number, body)));
  r.comment_id = id;
  save(r, "commentCreated");
  return {};
}

void Reviewer::mark(Place& at, const RequestRecord& r) {
  if (r.head.empty()) return;
  const auto any = [&](UnitStatus s) { return std::any_of(r.units.begin(), r.units.end(), [&](const UnitRecord& u) { return u.status == s; }); };
  Check check = Check::success;
  std::string what = "No changes";
  if (any(UnitStatus::failed) || any(UnitStatus::apply_failed) || any(UnitStatus::refused) || r.tree.empty())
    check = Check::failure, what = any(UnitStatus::apply_failed) ? "Apply failed" : "Plan failed";
  else if (any(UnitStatus::planning) || any(UnitStatus::applying) || any(UnitStatus::locked))
    check = Check::pending, what = any(UnitStatus::locked) ? "Waits for another request" : any(UnitStatus::planning) ? "Planning" : "Applying";
  else if (any(UnitStatus::planned))
    what = "Planned";
  else if (any(UnitStatus::applied))
    what = "Applied";
  if (auto set = at.forge->set_check(r.head, check, what); !set)
    spdlog::warn("check repository={} request={} cause=\"{}\"", r.repository, r.number, mask_.text(set.error().message));
}

}  // namespace tarn::review
