#include "review/reviewer.h"

#include "review/testing.h"

namespace tarn::review {
namespace {

using test::Bench;

bool has(const std::string& text, std::string_view part) { return text.find(part) != text.npos; }

struct Plans : Bench {};

TEST_F(Plans, AnOpenedRequestGetsOneCommentWithThePlanOfWhatItTouches) {
  happens(EventKind::opened);
  EXPECT_EQ(runner.planned, std::vector<std::string>{"platform"});
  EXPECT_EQ(status(), UnitStatus::planned);
  EXPECT_EQ(own_comments(), 1);
  EXPECT_TRUE(has(said(), "+ catalog.gold"));
  EXPECT_EQ(forge.checks.back(), "success Planned");
}

TEST_F(Plans, AnUpdatePlansAnewInTheSameComment) {
  happens(EventKind::opened);
  forge.requests[7].head = "h2";
  git.touched["h2"] = {"platform/a.yaml", "infra/live/x.hcl"};
  runner.next.text = "+ catalog.silver\n";
  happens(EventKind::opened);
  EXPECT_EQ(own_comments(), 1);
  EXPECT_TRUE(has(said(), "catalog.silver"));
  EXPECT_FALSE(has(said(), "catalog.gold"));
  EXPECT_EQ(status("infra"), UnitStatus::planned);
}

TEST_F(Plans, TheSameHeadOnTheSameMainIsNotPlannedTwice) {
  happens(EventKind::opened);
  happens(EventKind::opened);
  EXPECT_EQ(runner.planned.size(), 1u);
}

TEST_F(Plans, ADeliveryCountsOnce) {
  const Event e{.kind = EventKind::opened, .repository = "acme/platform", .number = 7, .delivery = "id-1"};
  EXPECT_TRUE(reviewer->take(e));
  work();
  EXPECT_FALSE(reviewer->take(e));
}

TEST_F(Plans, OnlyAuthorsWhoMayWriteArePlanned) {
  forge.requests[7].author = "nora";
  happens(EventKind::opened);
  EXPECT_TRUE(runner.planned.empty());
  EXPECT_TRUE(has(said(), "nora may not write"));
  EXPECT_TRUE(reviewer->locks().empty());
}

TEST_F(Plans, ABranchOfAnotherRepositoryIsNotPlanned) {
  forge.requests[7].from_fork = true;
  happens(EventKind::opened);
  EXPECT_TRUE(runner.planned.empty());
  EXPECT_TRUE(has(said(), "another repository"));
}

TEST_F(Plans, AConflictIsSaid) {
  git.conflicts.insert("h1");
  happens(EventKind::opened);
  EXPECT_TRUE(runner.planned.empty());
  EXPECT_TRUE(has(said(), "conflicts with main"));
  EXPECT_EQ(forge.checks.back(), "failure Plan failed");
}

TEST_F(Plans, WhatTouchesNoUnitGetsNoComment) {
  git.touched["h1"] = {"README.md"};
  happens(EventKind::opened);
  EXPECT_EQ(own_comments(), 0);
}

TEST_F(Plans, AnotherBranchThanMainIsNoneOfOurs) {
  forge.requests[7].base_branch = "release";
  happens(EventKind::opened);
  EXPECT_TRUE(runner.planned.empty());
  EXPECT_EQ(own_comments(), 0);
}

TEST_F(Plans, AFailedPlanIsShownAndCannotBeApplied) {
  runner.next = {.ok = false, .summary = "failed", .text = "x.yaml:3: 'membres' is not a known field"};
  happens(EventKind::opened);
  EXPECT_EQ(status(), UnitStatus::failed);
  approve();
  comments("emil", "apply");
  EXPECT_TRUE(runner.applied.empty());
  EXPECT_TRUE(has(said(), "the plan of platform failed"));
}

TEST_F(Plans, ADeletedCommentIsWrittenAgainAndAKillBeforeNotingItMakesNoSecond) {
  happens(EventKind::opened);
  const auto id = reviewer->request("acme/platform", 7)->comment_id;
  forge.comments.erase(id);
  comments("emil", "plan");
  EXPECT_EQ(own_comments(), 1);
  // The store as if the kill came between the forge's answer and the note.
  auto r = *reviewer->request("acme/platform", 7);
  const auto kept = std::exchange(r.comment_id, 0);
  store.write({.service = "test"}, [&](store::WriteTxn& t) { return kRequests.put(t, r).has_value(); });
  comments("emil", "plan");
  EXPECT_EQ(own_comments(), 1);
  EXPECT_EQ(reviewer->request("acme/platform", 7)->comment_id, kept);
}

TEST_F(Plans, AForgeThatDoesNotAnswerIsAskedAgainLaterAndNothingIsLost) {
  forge.down = true;
  happens(EventKind::opened);
  ASSERT_EQ(reviewer->jobs().size(), 1u);
  EXPECT_GT(reviewer->jobs()[0].not_before, clock.now());
  forge.down = false;
  work();
  EXPECT_TRUE(runner.planned.empty()) << "not before its time";
  clock.advance(3'000);
  work();
  EXPECT_EQ(status(), UnitStatus::planned);
  EXPECT_TRUE(reviewer->jobs().empty());
}

TEST_F(Plans, AJobThatNeverSucceedsIsGivenUp) {
  forge.down = true;
  happens(EventKind::opened);
  for (int i = 0; i < 10; ++i) {
    clock.advance(1'000'000);
    work();
  }
  EXPECT_TRUE(reviewer->jobs().empty());
}

struct Locks : Bench {
  Locks() {
    git.touched["h9"] = {"platform/other.yaml"};
    forge.requests[9] = {.number = 9, .title = "other", .author = "ada", .head = "h9", .base_branch = "main"};
    happens(EventKind::opened, 7);
    happens(EventKind::opened, 9);
  }
};

TEST_F(Locks, TheSecondRequestWaitsForTheFirst) {
  EXPECT_EQ(status("platform", 7), UnitStatus::planned);
  EXPECT_EQ(status("platform", 9), UnitStatus::locked);
  EXPECT_TRUE(has(said(9), "by request 7"));
  EXPECT_EQ(runner.planned.size(), 1u);
}

TEST_F(Locks, AClosedRequestLetsTheNextPlan) {
  forge.requests[7].state = MergeState::closed;
  happens(EventKind::closed, 7);
  EXPECT_EQ(status("platform", 7), UnitStatus::discarded);
  EXPECT_EQ(status("platform", 9), UnitStatus::planned);
  ASSERT_EQ(reviewer->locks().size(), 1u);
  EXPECT_EQ(reviewer->locks()[0].number, 9);
}

TEST_F(Locks, UnlockDoesSoByHandAndThePlanIsNoLongerApplied) {
  comments("emil", "unlock");
  EXPECT_EQ(status("platform", 9), UnitStatus::planned);
  approve();
  comments("emil", "apply", 7);
  EXPECT_TRUE(runner.applied.empty());
  comments("nora", "unlock", 9);
  EXPECT_EQ(reviewer->locks().size(), 1u) << "a reader unlocks nothing";
}

TEST_F(Locks, ALockedUnitIsNotApplied) {
  approve("emil", 9);
  comments("ada", "apply", 9);
  EXPECT_TRUE(runner.applied.empty());
  EXPECT_TRUE(has(said(9), "locked by request 7"));
}

struct Applies : Bench {
  Applies() { happens(EventKind::opened); }
  void merge(const std::string& main, const std::string& tree) {
    git.main = main;
    git.trees[main] = tree;
    forge.requests[7].state = MergeState::merged;
    forge.requests[7].merge_commit = main;
    happens(EventKind::merged);
  }
};

TEST_F(Applies, AnApprovedPlanIsCarriedOutExactly) {
  approve();
  comments("emil", "apply");
  EXPECT_EQ(runner.applied, std::vector<std::string>{"platform:the plan"});
  EXPECT_EQ(status(), UnitStatus::applied);
  EXPECT_TRUE(has(said(), "**applied**"));
  EXPECT_EQ(own_comments(), 1);
  comments("emil", "apply");
  EXPECT_EQ(runner.applied.size(), 1u) << "once is enough";
}

TEST_F(Applies, NotWithoutApproval) {
  comments("emil", "apply");
  EXPECT_TRUE(runner.applied.empty());
  EXPECT_TRUE(has(said(), "0 of 1 approvals"));
}

TEST_F(Applies, TheAuthorsOwnApprovalAReadersAndOneOfAnotherCommitDoNotCount) {
  forge.approvals[7] = {{"emil", true}, {"nora", true}, {"ada", false}, {"stranger", true}};
  comments("emil", "apply");
  EXPECT_TRUE(runner.applied.empty());
}

TEST_F(Applies, WhereTheForgeDoesNotSayWhatWasApprovedItsWebhookCounts) {
  forge.approvals[7] = {{"ada", std::nullopt}};
  comments("emil", "apply");
  EXPECT_TRUE(runner.applied.empty());
  reviewer->take({.kind = EventKind::approval, .repository = "acme/platform", .number = 7, .user = "ada", .head = "h0"});
  comments("emil", "apply");
  EXPECT_TRUE(runner.applied.empty()) << "of another head";
  reviewer->take({.kind = EventKind::approval, .repository = "acme/platform", .number = 7, .user = "ada", .head = "h1"});
  comments("emil", "apply");
  EXPECT_EQ(runner.applied.size(), 1u);
}

TEST_F(Applies, NotForSomebodyWhoMayNotWrite) {
  approve();
  comments("nora", "apply");
  EXPECT_TRUE(runner.applied.empty());
  EXPECT_TRUE(has(said(), "Refused: nora may not write"));
}

TEST_F(Applies, NotADraft) {
  approve();
  forge.requests[7].draft = true;
  comments("emil", "apply");
  EXPECT_TRUE(runner.applied.empty());
}

TEST_F(Applies, NotIfMainMovedAndThenItIsPlannedAnew) {
  approve();
  git.main = "m2";
  runner.next.text = "+ catalog.bronze\n";
  comments("emil", "apply");
  EXPECT_TRUE(runner.applied.empty());
  EXPECT_EQ(reviewer->request("acme/platform", 7)->base, "m2");
  EXPECT_TRUE(has(said(), "catalog.bronze"));
  comments("emil", "apply");
  EXPECT_EQ(runner.applied.size(), 1u);
}

TEST_F(Applies, NotAnOlderCommitThanTheHead) {
  approve();
  forge.requests[7].head = "h2";
  git.touched["h2"] = {"platform/x.yaml"};
  comments("emil", "apply");
  EXPECT_TRUE(runner.applied.empty());
  EXPECT_EQ(reviewer->request("acme/platform", 7)->head, "h2");
}

TEST_F(Applies, TalkIsNoOrder) {
  approve();
  comments("emil", "apply this tomorrow?");
  comments("emil", "I would apply");
  comments("emil", "apply soon");
  comments("tarn-bot", "apply");
  EXPECT_TRUE(runner.applied.empty());
}

TEST_F(Applies, ACommentCountsOnceAndATakenBackOneNotAtAll) {
  approve();
  const Event e{.kind = EventKind::comment, .repository = "acme/platform", .number = 7, .comment_id = 5000};
  EXPECT_TRUE(reviewer->take(e));
  work();
  EXPECT_TRUE(runner.applied.empty()) << "there is no such comment";
  EXPECT_FALSE(reviewer->take(e));
}

TEST_F(Applies, AMergeOfExactlyThatIsApplied) {
  approve();
  merge("m2", "m1+h1");
  EXPECT_EQ(runner.applied.size(), 1u);
  EXPECT_EQ(status(), UnitStatus::applied);
  EXPECT_TRUE(reviewer->locks().empty());
}

TEST_F(Applies, ALateDeliveryDoesNotReplaceWhatBecameOfAMerge) {
  approve();
  merge("m2", "m1+h1");
  runner.next = {.ok = true, .summary = "no changes"};
  for (const auto late : {EventKind::merged, EventKind::closed, EventKind::opened}) happens(late);
  EXPECT_EQ(status(), UnitStatus::applied);
  EXPECT_TRUE(has(said(), "**applied**"));
  EXPECT_EQ(runner.planned.size(), 1u);
  comments("emil", "plan");
  EXPECT_EQ(status(), UnitStatus::clean) << "an order does";
}

TEST_F(Applies, ALateDeliveryDoesNotReplaceAFailure) {
  runner.outcome = {.ok = false, .summary = "failed", .text = "- error: catalog gold: it is there already"};
  approve();
  merge("m2", "m1+h1");
  EXPECT_EQ(status(), UnitStatus::apply_failed);
  happens(EventKind::merged);
  EXPECT_EQ(status(), UnitStatus::apply_failed);
  EXPECT_TRUE(has(said(), "it is there already"));
}

TEST_F(Applies, AMergeWithoutApprovalIsNotAndHoldsUpNobody) {
  merge("m2", "m1+h1");
  EXPECT_TRUE(runner.applied.empty());
  EXPECT_TRUE(has(said(), "Merged, but not applied: 0 of 1 approvals"));
  EXPECT_TRUE(reviewer->locks().empty());
  comments("emil", "plan");
  comments("emil", "apply");
  EXPECT_TRUE(runner.applied.empty());
  EXPECT_TRUE(reviewer->locks().empty());
}

TEST_F(Applies, AMergeIntoAMainThatMovedIsPlannedAnewAndWaitsForAnOrder) {
  approve();
  runner.next.artifact = "the new plan";
  merge("m3", "something else");
  EXPECT_TRUE(runner.applied.empty());
  EXPECT_TRUE(has(said(), "Comment `apply`"));
  EXPECT_EQ(reviewer->request("acme/platform", 7)->base, "m3");
  comments("emil", "apply");
  EXPECT_EQ(runner.applied, std::vector<std::string>{"platform:the new plan"});
  EXPECT_TRUE(reviewer->locks().empty());
}

TEST_F(Applies, WhatWasAppliedIsNotAppliedAgainByTheMerge) {
  approve();
  comments("emil", "apply");
  merge("m2", "m1+h1");
  EXPECT_EQ(runner.applied.size(), 1u);
  EXPECT_TRUE(reviewer->locks().empty());
}

TEST_F(Applies, AutomergeMergesOnceAllIsApplied) {
  config.repositories[0].automerge = true;
  approve();
  comments("emil", "apply");
  EXPECT_EQ(forge.merged, std::vector<std::int64_t>{7});
}

TEST_F(Applies, AFailureIsShownAndDoesNotMerge) {
  config.repositories[0].automerge = true;
  runner.outcome = {.ok = false, .summary = "failed", .text = "- error: grants.catalog gold: changed since the plan was made"};
  approve();
  comments("emil", "apply");
  EXPECT_EQ(status(), UnitStatus::apply_failed);
  EXPECT_TRUE(forge.merged.empty());
  EXPECT_TRUE(has(said(), "changed since the plan was made"));
  EXPECT_EQ(forge.checks.back(), "failure Apply failed");
}

TEST_F(Applies, AnotherPlanThanTheReviewedOneIsRefusedAndPlannedAnew) {
  runner.outcome = {.ok = false, .another_plan = true, .summary = "the platform changed since the plan was made"};
  approve();
  const auto before = runner.planned.size();
  comments("emil", "apply");
  EXPECT_EQ(runner.planned.size(), before + 1);
  EXPECT_EQ(status(), UnitStatus::planned);
  EXPECT_TRUE(has(said(), "the platform changed since the plan was made"));
}

TEST_F(Applies, AKillInTheMiddleGoesOnAfterTheStart) {
  approve();
  runner.during = [&] { stopping = true; };
  runner.outcome.ok = false;
  comments("emil", "apply");
  EXPECT_EQ(status(), UnitStatus::applying);
  runner.during = nullptr;
  runner.outcome.ok = true;
  stopping = false;
  start();  // another process on the same store
  reviewer->recover();
  work();
  EXPECT_EQ(status(), UnitStatus::applied);
  EXPECT_EQ(runner.applied, (std::vector<std::string>{"platform:the plan", "platform:the plan"})) << "the very plan again, which skips what holds";
}

TEST_F(Applies, WhatHappenedWhileItWasAwayIsFound) {
  approve();
  forge.requests[8] = {.number = 8, .title = "new", .author = "ada", .head = "h8", .base_branch = "main"};
  git.touched["h8"] = {"infra/live/a.hcl"};
  git.main = "m2";
  git.trees["m2"] = "m1+h1";
  forge.requests[7].state = MergeState::merged;
  start();
  reviewer->recover();
  work();
  EXPECT_EQ(status("platform", 7), UnitStatus::applied);
  EXPECT_EQ(status("infra", 8), UnitStatus::planned);
}

TEST_F(Applies, APlanThatChangedAfterItMayHaveBeenApprovedIsNotAppliedByTheMergeAlone) {
  approve();
  git.main = "m2";
  runner.next.digest = "d2";
  happens(EventKind::push);
  merge("m3", "m2+h1");
  EXPECT_TRUE(runner.applied.empty());
  EXPECT_TRUE(has(said(), "became another one"));
  comments("emil", "apply");
  EXPECT_EQ(runner.applied.size(), 1u);
}

TEST_F(Applies, TheSamePlanOnAMainThatMovedIs) {
  approve();
  git.main = "m2";
  happens(EventKind::push);
  merge("m3", "m2+h1");
  EXPECT_EQ(runner.applied.size(), 1u);
}

TEST_F(Applies, APushToMainPlansOpenRequestsAnew) {
  git.main = "m2";
  happens(EventKind::push);
  EXPECT_EQ(reviewer->request("acme/platform", 7)->base, "m2");
  EXPECT_EQ(own_comments(), 1);
}

TEST_F(Applies, PlansAreSealedInTheStoreAndGoWithTheRequest) {
  const auto artifact = [&] {
    return store.read_as([&](store::ReadTxn& t) { return secrets.get(t, artifact_name("acme/platform", 7, "platform")); });
  };
  EXPECT_EQ(artifact(), "the plan");
  forge.requests[7].state = MergeState::closed;
  happens(EventKind::closed);
  EXPECT_EQ(artifact(), std::nullopt);
}

struct Drift : Bench {
  void look() {
    reviewer->enqueue({.kind = JobKind::drift, .repository = "acme/platform", .unit = "platform"});
    work();
  }
};

TEST_F(Drift, IsOneIssueThatIsKeptUpToDateAndClosed) {
  look();
  EXPECT_TRUE(forge.issues.empty());
  runner.found = {.ok = true, .changes = true, .summary = "1 not in the code", .text = "# group.shadow\n", .digest = "a"};
  look();
  look();
  ASSERT_EQ(forge.issues.size(), 1u);
  EXPECT_TRUE(has(forge.issues.begin()->second.first, "group.shadow"));
  runner.found.digest = "b";
  runner.found.text = "# group.other\n";
  look();
  ASSERT_EQ(forge.issues.size(), 1u);
  EXPECT_TRUE(has(forge.issues.begin()->second.first, "group.other"));
  runner.found = {.ok = true};
  look();
  EXPECT_FALSE(forge.issues.begin()->second.second);
}

TEST_F(Drift, CanBeACommentOnAStandingIssue) {
  config.repositories[0].drift = DriftSpec{.every_minutes = 60, .comment_on = 3};
  runner.found = {.ok = true, .changes = true, .summary = "1 not in the code", .text = "# group.shadow\n", .digest = "a"};
  look();
  EXPECT_TRUE(has(forge.issues[3].first, "group.shadow"));
  EXPECT_EQ(forge.issues.size(), 1u);
}

TEST_F(Drift, WhatIsAppliedAndNotMergedYetIsNone) {
  happens(EventKind::opened);
  approve();
  comments("emil", "apply");
  runner.found = {.ok = true, .changes = true, .summary = "1 not in the code", .digest = "a"};
  look();
  EXPECT_TRUE(forge.issues.empty());
}

TEST_F(Drift, AFailedLookIsNoDrift) {
  runner.found = {.ok = false, .text = "no access"};
  look();
  EXPECT_TRUE(forge.issues.empty());
  ASSERT_EQ(reviewer->drifts().size(), 1u);
  EXPECT_TRUE(has(reviewer->drifts()[0].summary, "could not be checked"));
}

}  // namespace
}  // namespace tarn::review
