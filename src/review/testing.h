#pragma once
// What the room's tests share: a forge, a repository and a platform that are made up, and a reviewer over them on a scratch store.
#include <gtest/gtest.h>

#include <filesystem>

#include "review/reviewer.h"
#include "store/sqlite_store.h"

namespace tarn::review::test {

struct FakeForge final : Forge {
  struct Data {
    std::map<std::int64_t, MergeRequest> requests;
    std::map<std::string, Permission> people{{"ada", Permission::write}, {"emil", Permission::write}, {"nora", Permission::read}};
    std::map<std::int64_t, std::vector<Approval>> approvals;
    std::map<std::int64_t, Comment> comments;
    std::map<std::int64_t, std::pair<std::string, bool>> issues;  // body, open
    std::vector<std::string> checks;
    std::vector<std::int64_t> merged;
    std::int64_t next = 100;
    bool down = false;
  };
  Data& d;
  explicit FakeForge(Data& data) : d(data) {}
  template <class T>
  ForgeResult<T> up(T v) {
    if (d.down) return fail(ForgeError{0, "No answer from the forge"});
    return v;
  }
  ForgeResult<void> fine() {
    if (d.down) return fail(ForgeError{0, "No answer from the forge"});
    return {};
  }
  ForgeResult<std::string> me() override { return up(std::string("tarn-bot")); }
  ForgeResult<std::vector<std::int64_t>> open_requests() override {
    std::vector<std::int64_t> out;
    for (const auto& [n, r] : d.requests)
      if (r.state == MergeState::open) out.push_back(n);
    return up(out);
  }
  ForgeResult<MergeRequest> merge_request(std::int64_t n) override {
    if (!d.requests.contains(n)) return fail(ForgeError{404, "no such request"});
    return up(d.requests[n]);
  }
  ForgeResult<Permission> permission(const std::string& user) override { return up(d.people.contains(user) ? d.people[user] : Permission::none); }
  ForgeResult<std::vector<Approval>> approvals(const MergeRequest& mr) override { return up(d.approvals[mr.number]); }
  ForgeResult<Comment> comment(std::int64_t, std::int64_t id) override {
    if (!d.comments.contains(id)) return fail(ForgeError{404, "gone"});
    return up(d.comments[id]);
  }
  ForgeResult<std::int64_t> find_comment(std::int64_t, const std::string& author, const std::string& marker) override {
    for (const auto& [id, c] : d.comments)
      if (c.author == author && c.body.starts_with(marker)) return up(id);
    return up(std::int64_t{0});
  }
  ForgeResult<std::int64_t> create_comment(std::int64_t, const std::string& body) override {
    if (d.down) return fail(ForgeError{0, "No answer from the forge"});
    const auto id = ++d.next;
    d.comments[id] = {id, "tarn-bot", body};
    return id;
  }
  ForgeResult<void> update_comment(std::int64_t, std::int64_t id, const std::string& body) override {
    if (!d.down && !d.comments.contains(id)) return fail(ForgeError{404, "gone"});
    d.comments[id].body = body;
    return fine();
  }
  ForgeResult<std::int64_t> create_issue(const std::string&, const std::string& body) override {
    const auto id = ++d.next;
    d.issues[id] = {body, true};
    return up(id);
  }
  ForgeResult<void> update_issue(std::int64_t n, const std::string& body, bool open) override {
    d.issues[n] = {body, open};
    return fine();
  }
  ForgeResult<void> create_issue_comment(std::int64_t n, const std::string& body) override {
    d.issues[n].first += body;
    return fine();
  }
  ForgeResult<void> set_check(const std::string&, Check state, const std::string& what) override {
    d.checks.push_back((state == Check::pending ? "pending " : state == Check::success ? "success " : "failure ") + what);
    return fine();
  }
  ForgeResult<void> merge(const MergeRequest& mr) override {
    d.merged.push_back(mr.number);
    return fine();
  }
  std::string git_credentials() const override { return "x:y"; }
};

/// Commits are words; the tree of merging `h` into `b` is "b+h".
struct FakeGit final : Git {
  struct Data {
    std::string main = "m1";
    std::map<std::string, std::string> trees;                 // commit -> tree, where it is not its own
    std::map<std::string, std::vector<std::string>> touched;  // head -> paths
    std::set<std::string> conflicts;
  };
  Data& d;
  explicit FakeGit(Data& data) : d(data) {}
  Expected<std::string, std::string> fetch(const std::string&, std::int64_t, const std::string&) override { return d.main; }
  Expected<Merged, std::string> merge(const std::string& base, const std::string& head) override {
    return Merged{base + "+" + head, d.conflicts.contains(head)};
  }
  Expected<std::string, std::string> tree_of(const std::string& c) override { return d.trees.contains(c) ? d.trees[c] : c; }
  Expected<bool, std::string> descends(const std::string&, const std::string&) override { return true; }
  Expected<std::vector<std::string>, std::string> changed(const std::string&, const std::string& to) override {
    return d.touched[to.substr(to.find('+') + 1)];
  }
  Expected<void, std::string> checkout(const std::string& tree, const std::string& folder) override {
    std::filesystem::create_directories(folder);
    last = tree;
    return {};
  }
  std::string last;
};

struct FakeRunner final : Runner {
  UnitPlan next{.ok = true,
                .changes = true,
                .summary = "1 to create, 0 to change, 0 to delete",
                .text = "+ catalog.gold\n",
                .artifact = "the plan",
                .digest = "d1"};
  UnitPlan found{.ok = true};
  UnitApply outcome{.ok = true, .summary = "1 done, 0 held already", .text = "+ catalog.gold\n"};
  std::vector<std::string> planned, applied;
  std::function<void()> during;
  UnitPlan plan(const UnitSpec& u, const std::string&) override {
    planned.push_back(u.name);
    if (during) during();
    return next;
  }
  UnitApply apply(const UnitSpec& u, const std::string&, const std::string& artifact, const std::string&) override {
    applied.push_back(u.name + ":" + artifact);
    if (during) during();
    return outcome;
  }
  UnitPlan drift(const UnitSpec&, const std::string&) override { return found; }
};

struct Folder {
  std::string path = (std::filesystem::temp_directory_path() / "tarn-review-XXXXXX").string();
  Folder() { EXPECT_NE(::mkdtemp(path.data()), nullptr); }
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path, ignored);
  }
};

/// One repository with two units: `platform` (folder platform/) and `infra` (folder infra/live, workflow terragrunt).
struct Bench : testing::Test {
  Folder folder;
  Config config;
  FakeClock clock;
  store::SqliteStore store{":memory:", clock};
  crypto::Keyring keys{std::string(32, 'k')};
  store::Secrets secrets{keys};
  Mask mask;
  FakeRunner runner;
  FakeForge::Data forge;
  FakeGit::Data git;
  bool stopping = false;
  std::unique_ptr<Reviewer> reviewer;

  Bench() {
    config.state = folder.path;
    config.workflows.push_back({.name = "terragrunt", .plan = {"p"}, .show = {"s"}, .show_json = {"j"}, .apply = {"a"}});
    config.repositories.push_back(
        {.url = "https://git.acme.example",
         .repository = "acme/platform",
         .units = {{.name = "platform", .path = "platform"}, {.name = "infra", .path = "infra/live", .workflow = "terragrunt"}}});
    git.touched["h1"] = {"platform/grants.yaml"};
    forge.requests[7] = {.number = 7, .title = "gold", .author = "emil", .head = "h1", .base_branch = "main"};
    start();
  }
  void start() {
    std::map<std::string, Place> places;
    places.emplace("acme/platform", Place{&config.repositories[0], std::make_unique<FakeForge>(forge), std::make_unique<FakeGit>(git)});
    reviewer = std::make_unique<Reviewer>(config, store, secrets, clock, runner, mask, std::move(places), folder.path, [this] { return stopping; });
  }
  /// Runs what is due, until nothing is.
  void work() {
    for (int i = 0; i < 50; ++i) {
      Millis due = 0;
      const auto job = reviewer->next({}, due);
      if (!job) return;
      reviewer->work_on(*job);
    }
    FAIL() << "the queue does not come to rest";
  }
  void happens(EventKind kind, std::int64_t number = 7) {
    reviewer->take({.kind = kind, .repository = "acme/platform", .number = number, .branch = "main"});
    work();
  }
  void comments(const std::string& who, const std::string& text, std::int64_t number = 7) {
    const auto id = ++forge.next;
    forge.comments[id] = {id, who, text};
    reviewer->take({.kind = EventKind::comment, .repository = "acme/platform", .number = number, .comment_id = id});
    work();
  }
  void approve(const std::string& who = "ada", std::int64_t number = 7) { forge.approvals[number].push_back({who, true}); }
  /// The service's comments: all of them, since there should be one.
  std::string said(std::int64_t number = 7) {
    const auto r = reviewer->request("acme/platform", number);
    if (!r || !r->comment_id) return "";
    return forge.comments[r->comment_id].body;
  }
  int own_comments() {
    int n = 0;
    for (const auto& [id, c] : forge.comments) n += c.author == "tarn-bot";
    return n;
  }
  UnitStatus status(std::string_view unit = "platform", std::int64_t number = 7) {
    auto r = reviewer->request("acme/platform", number);
    const auto* u = r ? r->unit(unit) : nullptr;
    EXPECT_NE(u, nullptr) << unit;
    return u ? u->status : UnitStatus::discarded;
  }
};

}  // namespace tarn::review::test
