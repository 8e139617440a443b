// GitLab's API v4 and Gitea's v1 by their documented contracts: a server replays recorded answers and checks that what is asked is what the
// documentation says to ask. (tests/clients/test_review.py drives a real Gitea.)
#include "review/forge.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <thread>

#include "base/json_read.h"

namespace tarn::review {
namespace {

struct Exchange {
  std::string request;  // METHOD path?query
  int status = 200;
  std::string answer;
  std::string body{};  // expected, as JSON
};

/// Answers each request with the next exchange of its method and path, the last one again and again; a request that nobody recorded is a failure and
/// gets 599.
class Recorded {
 public:
  Recorded(std::string credential, std::vector<Exchange> exchanges) : credential_(std::move(credential)), exchanges_(std::move(exchanges)) {
    listening_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in at{.sin_family = AF_INET, .sin_port = 0, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof at;
    EXPECT_EQ(::bind(listening_, reinterpret_cast<sockaddr*>(&at), size), 0);
    EXPECT_EQ(::listen(listening_, 16), 0);
    ::getsockname(listening_, reinterpret_cast<sockaddr*>(&at), &size);
    url = fmt::format("http://127.0.0.1:{}", ntohs(at.sin_port));
    thread_ = std::thread([this] { serve(); });
  }
  ~Recorded() {
    ::shutdown(listening_, SHUT_RDWR);
    thread_.join();
    ::close(listening_);
    for (std::size_t i = 0; i < exchanges_.size(); ++i)
      if (!used_.contains(i)) ADD_FAILURE() << "never asked: " << exchanges_[i].request;
  }
  std::string url;

 private:
  void serve() {
    for (;;) {
      const int fd = ::accept4(listening_, nullptr, nullptr, SOCK_CLOEXEC);
      if (fd < 0) return;
      answer(fd);
      ::close(fd);
    }
  }
  void answer(int fd) {
    std::string in;
    char block[4096];
    std::size_t head = 0, length = 0;
    for (;;) {
      pollfd p{fd, POLLIN, 0};
      if (::poll(&p, 1, 5000) <= 0) return;
      const auto n = ::recv(fd, block, sizeof block, 0);
      if (n <= 0) return;
      in.append(block, static_cast<std::size_t>(n));
      if ((head = in.find("\r\n\r\n")) == in.npos) continue;
      if (const auto at = in.find("Content-Length: "); at != in.npos && at < head) length = std::stoul(in.substr(at + 16));
      if (in.size() >= head + 4 + length) break;
    }
    const std::string line = in.substr(0, in.find(" HTTP/1.1")), body = in.substr(head + 4);
    if (in.find("\r\n" + credential_ + "\r\n") > head) ADD_FAILURE() << "without its credential: " << line;
    std::string reply = "HTTP/1.1 599 Unrecorded\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    const Exchange* found = nullptr;
    for (std::size_t i = 0; i < exchanges_.size(); ++i) {
      if (exchanges_[i].request != line) continue;
      found = &exchanges_[i];
      if (used_.insert(i).second) break;
    }
    if (!found) {
      ADD_FAILURE() << "nobody recorded: " << line;
    } else {
      if (!found->body.empty()) {
        EXPECT_EQ(json::parse(body).value(), json::parse(found->body).value()) << line;
      }
      reply = fmt::format("HTTP/1.1 {} X\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{}", found->status,
                          found->answer.size(), found->answer);
    }
    ::send(fd, reply.data(), reply.size(), MSG_NOSIGNAL);
  }
  std::string credential_;
  std::vector<Exchange> exchanges_;
  std::set<std::size_t> used_;
  int listening_ = -1;
  std::thread thread_;
};

constexpr const char* kProject = "/api/v4/projects/acme%2Fdata%2Fplatform";

struct GitLabs : testing::Test {
  std::unique_ptr<Recorded> server;
  std::unique_ptr<Forge> forge;
  void replay(std::vector<Exchange> exchanges) {
    for (auto& e : exchanges)
      if (const auto at = e.request.find("{p}"); at != e.request.npos) e.request.replace(at, 3, kProject);
    server = std::make_unique<Recorded>("PRIVATE-TOKEN: glpat-of-the-bot", std::move(exchanges));
    forge = make_gitlab({.forge = ForgeKind::gitlab, .url = server->url, .repository = "acme/data/platform"}, "glpat-of-the-bot");
  }
};

constexpr const char* kMergeRequest =
    R"({"id":155016530,"iid":133,"project_id":15513260,"title":"Manual job rules","state":"opened","author":{"id":4155490,"username":"marcel.amirault"},
  "source_project_id":15513260,"target_project_id":15513260,"target_branch":"main","draft":false,"work_in_progress":false,"sha":"e82eb4a098e32c796079ca3915e07487fc4db24c",
  "merge_commit_sha":null,"squash_commit_sha":null,"web_url":"https://gitlab.example/x/-/merge_requests/133"})";

// Answers as the API's pages show them, shortened to the fields that could be taken for one another.
constexpr const char* kNote =
    R"({"id":305,"body":"the plan","attachment":null,"author":{"id":9,"username":"bot","name":"Bot","state":"active"},"created_at":"2026-10-02T09:22:45Z",
  "updated_at":"2026-10-02T10:22:45Z","system":false,"noteable_id":377,"noteable_type":"MergeRequest","project_id":5,"noteable_iid":11,"resolvable":false,
  "confidential":false,"internal":false})";
constexpr const char* kIssue =
    R"({"id":84,"iid":14,"project_id":4,"title":"Drift: platform","description":"text","state":"opened","labels":[],"author":{"id":9,"username":"bot","state":"active"},
  "assignees":[],"user_notes_count":0,"web_url":"https://gitlab.example/x/-/issues/14","references":{"short":"#14","relative":"#14","full":"acme/data/platform#14"}})";
constexpr const char* kStatus =
    R"({"id":93,"sha":"18f3e63d05582537db6d183d9d557be09e1f90c8","ref":"main","status":"success","name":"tarn/review","target_url":null,"description":"Planned",
  "created_at":"2026-01-19T09:05:50.355Z","started_at":null,"finished_at":"2026-01-19T09:05:50.365Z","allow_failure":false,"coverage":null,
  "author":{"id":9,"username":"bot","state":"active"}})";

TEST_F(GitLabs, AMergeRequestIsRead) {
  replay({{"GET {p}/merge_requests/133", 200, kMergeRequest}});
  const auto mr = forge->merge_request(133);
  ASSERT_TRUE(mr) << mr.error().message;
  EXPECT_EQ(mr->author, "marcel.amirault");
  EXPECT_EQ(mr->head, "e82eb4a098e32c796079ca3915e07487fc4db24c");
  EXPECT_EQ(mr->base_branch, "main");
  EXPECT_EQ(mr->state, MergeState::open);
  EXPECT_FALSE(mr->from_fork);
  EXPECT_FALSE(mr->draft);
}

TEST_F(GitLabs, AMergedOneOfAForkToo) {
  replay({{"GET {p}/merge_requests/4", 200,
           R"({"iid":4,"state":"merged","source_project_id":1,"target_project_id":2,"sha":"aa","merge_commit_sha":null,"squash_commit_sha":"bb"})"}});
  const auto mr = forge->merge_request(4);
  ASSERT_TRUE(mr);
  EXPECT_EQ(mr->state, MergeState::merged);
  EXPECT_EQ(mr->merge_commit, "bb");
  EXPECT_TRUE(mr->from_fork);
}

TEST_F(GitLabs, WhatIsMissingIsAnErrorWithItsText) {
  replay({{"GET {p}/merge_requests/9", 404, R"({"message":"404 Not found"})"}});
  const auto mr = forge->merge_request(9);
  ASSERT_FALSE(mr);
  EXPECT_EQ(mr.error().status, 404);
  EXPECT_NE(mr.error().message.find("404 Not found"), std::string::npos);
}

TEST_F(GitLabs, PermissionIsTheAccessLevelOfTheMember) {
  replay({{"GET /api/v4/users?username=ada", 200, R"([{"id":1,"username":"ada","state":"active"}])"},
          {"GET {p}/members/all/1", 200, R"({"id":1,"username":"ada","state":"active","access_level":30})"},
          {"GET /api/v4/users?username=nora", 200, R"([{"id":2,"username":"nora"}])"},
          {"GET {p}/members/all/2", 200, R"({"id":2,"username":"nora","state":"active","access_level":20})"},
          {"GET /api/v4/users?username=gone", 200, R"([{"id":3,"username":"gone"}])"},
          {"GET {p}/members/all/3", 200, R"({"id":3,"username":"gone","state":"blocked","access_level":50})"},
          {"GET /api/v4/users?username=stranger", 200, R"([{"id":4}])"},
          {"GET {p}/members/all/4", 404, R"({"message":"404 Not found"})"},
          {"GET /api/v4/users?username=nobody%20at%20all", 200, "[]"}});
  EXPECT_EQ(forge->permission("ada").value(), Permission::write);
  EXPECT_EQ(forge->permission("nora").value(), Permission::read);
  EXPECT_EQ(forge->permission("gone").value(), Permission::none);
  EXPECT_EQ(forge->permission("stranger").value(), Permission::none);
  EXPECT_EQ(forge->permission("nobody at all").value(), Permission::none);
}

TEST_F(GitLabs, ApprovalsAreOfTheHeadIfTheyCameAfterIt) {
  replay({{"GET {p}/merge_requests/5/approvals", 200,
           R"({"id":5,"iid":5,"approvals_required":2,"approvals_left":1,"approved_by":[
               {"user":{"id":1,"username":"early"},"approved_at":"2026-11-20T10:00:00.000Z"},
               {"user":{"id":2,"username":"late"},"approved_at":"2026-11-22T10:00:00.000Z"},
               {"user":{"id":3,"username":"old-server"}}]})"},
          {"GET {p}/merge_requests/5/versions?page=1&per_page=50", 200,
           R"([{"id":110,"head_commit_sha":"33e2ee8579fda5bc36accc9c6fbd0b4fefda9e30","created_at":"2026-11-21T14:44:48.926Z"},
               {"id":108,"head_commit_sha":"3eed087b29835c48015768f839d76e5ea8f07a24","created_at":"2026-11-19T14:21:33.028Z"}])"}});
  const auto approvals = forge->approvals({.number = 5, .head = "33e2ee8579fda5bc36accc9c6fbd0b4fefda9e30"});
  ASSERT_TRUE(approvals) << approvals.error().message;
  ASSERT_EQ(approvals->size(), 3u);
  EXPECT_EQ((*approvals)[0].current, false);
  EXPECT_EQ((*approvals)[1].current, true);
  EXPECT_EQ((*approvals)[2].current, std::nullopt);
}

TEST_F(GitLabs, NotesAreReadWrittenUpdatedAndFound) {
  replay({{"GET {p}/merge_requests/11/notes/302", 200, R"({"id":302,"body":"apply","author":{"username":"pipin"},"system":false,"noteable_iid":11})"},
          {"GET {p}/merge_requests/11/notes/303", 200, R"({"id":303,"body":"changed the description","author":{"username":"pipin"},"system":true})"},
          {"POST {p}/merge_requests/11/notes", 201, kNote, R"({"body":"the plan"})"},
          {"PUT {p}/merge_requests/11/notes/305", 200, kNote, R"({"body":"the new plan"})"},
          {"GET {p}/merge_requests/11/notes?sort=asc&order_by=created_at&page=1&per_page=50", 200,
           R"([{"id":300,"body":"<!-- m --> mine","author":{"username":"pipin"}},{"id":305,"body":"<!-- m --> x","author":{"username":"bot"}}])"}});
  EXPECT_EQ(forge->comment(11, 302)->body, "apply");
  EXPECT_EQ(forge->comment(11, 302)->author, "pipin");
  EXPECT_EQ(forge->comment(11, 303)->body, "") << "what GitLab says itself is no order";
  EXPECT_EQ(forge->create_comment(11, "the plan").value(), 305);
  EXPECT_TRUE(forge->update_comment(11, 305, "the new plan"));
  EXPECT_EQ(forge->find_comment(11, "bot", "<!-- m -->").value(), 305);
}

TEST_F(GitLabs, IssuesStatusesAndMerges) {
  replay(
      {{"POST {p}/issues", 201, kIssue, R"({"title":"Drift: platform","description":"text"})"},
       {"PUT {p}/issues/14", 200, kIssue, R"({"description":"over","state_event":"close"})"},
       {"PUT {p}/issues/14", 200, kIssue, R"({"description":"again","state_event":"reopen"})"},
       {"POST {p}/issues/3/notes", 201, kNote, R"({"body":"text"})"},
       {"POST {p}/statuses/18f3e63d05582537db6d183d9d557be09e1f90c8", 201, kStatus,
        R"({"name":"tarn/review","state":"success","description":"Planned"})"},
       {"POST {p}/statuses/18f3e63d05582537db6d183d9d557be09e1f90c8", 201, kStatus, R"({"name":"tarn/review","state":"failed","description":"No"})"},
       {"PUT {p}/merge_requests/5/merge", 200, kMergeRequest, R"({"sha":"aa"})"},
       {"GET {p}/merge_requests?state=opened&page=1&per_page=50", 200, R"([{"id":1,"iid":5,"state":"opened"},{"id":2,"iid":6,"state":"opened"}])"},
       {"GET /api/v4/user", 200, R"({"id":1,"username":"bot","name":"Bot","state":"active","is_admin":false})"}});
  EXPECT_EQ(forge->create_issue("Drift: platform", "text").value(), 14);
  EXPECT_TRUE(forge->update_issue(14, "over", false));
  EXPECT_TRUE(forge->update_issue(14, "again", true));
  EXPECT_TRUE(forge->create_issue_comment(3, "text"));
  EXPECT_TRUE(forge->set_check("18f3e63d05582537db6d183d9d557be09e1f90c8", Check::success, "Planned"));
  EXPECT_TRUE(forge->set_check("18f3e63d05582537db6d183d9d557be09e1f90c8", Check::failure, "No"));
  EXPECT_TRUE(forge->merge({.number = 5, .head = "aa"}));
  EXPECT_EQ(forge->open_requests().value(), (std::vector<std::int64_t>{5, 6}));
  EXPECT_EQ(forge->me().value(), "bot");
}

TEST_F(GitLabs, AStatusThatIsSetAlreadyIsFine) {
  replay({{"POST {p}/statuses/aa", 400,
           R"j({"message":"Cannot transition status via :run from :running (Reason(s): Status cannot transition via \"run\")"})j"}});
  EXPECT_TRUE(forge->set_check("aa", Check::pending, "Planning"));
}

TEST_F(GitLabs, ListsAreReadToTheirEnd) {
  std::string fifty = "[";
  for (int i = 1; i <= 50; ++i) fifty += (i == 1 ? "" : ",") + fmt::format(R"({{"id":{0},"iid":{0}}})", i);
  replay({{"GET {p}/merge_requests?state=opened&page=1&per_page=50", 200, fifty + "]"},
          {"GET {p}/merge_requests?state=opened&page=2&per_page=50", 200, R"([{"id":51,"iid":51}])"}});
  EXPECT_EQ(forge->open_requests().value().size(), 51u);
}

TEST_F(GitLabs, ClosedLockedAndDraftRequestsAreWhatTheySay) {
  const auto one = [](const std::string& state, const std::string& more) {
    return R"({"iid":7,"source_project_id":1,"target_project_id":1,"sha":"aa","state":")" + state + "\"" + more + "}";
  };
  replay({{"GET {p}/merge_requests/7", 200, one("closed", "")},
          {"GET {p}/merge_requests/7", 200, one("locked", R"(,"merge_commit_sha":"bb")")},
          {"GET {p}/merge_requests/7", 200, one("opened", R"(,"draft":true)")},
          {"GET {p}/merge_requests/7", 200, one("merged", R"(,"merge_commit_sha":"bb","squash_commit_sha":"cc")")}});
  EXPECT_EQ(forge->merge_request(7)->state, MergeState::closed);
  const auto locked = forge->merge_request(7);
  EXPECT_EQ(locked->state, MergeState::closed);
  EXPECT_EQ(locked->merge_commit, "") << "only a merged one has made main anything";
  EXPECT_TRUE(forge->merge_request(7)->draft);
  EXPECT_EQ(forge->merge_request(7)->merge_commit, "bb");
}

TEST_F(GitLabs, WhatCannotBeMergedOrAskedIsAnErrorWithItsText) {
  replay({{"PUT {p}/merge_requests/5/merge", 405, R"({"message":"405 Method Not Allowed"})"},
          {"PUT {p}/merge_requests/5/merge", 422, R"({"message":"Branch cannot be merged"})"},
          {"GET {p}/merge_requests/5/approvals", 401, R"({"message":"401 Unauthorized"})"},
          {"POST {p}/issues", 403, R"({"message":"403 Forbidden"})"}});
  EXPECT_EQ(forge->merge({.number = 5, .head = "aa"}).error().status, 405);
  const auto unmergeable = forge->merge({.number = 5, .head = "aa"});
  EXPECT_NE(unmergeable.error().message.find("Branch cannot be merged"), std::string::npos);
  EXPECT_EQ(forge->approvals({.number = 5, .head = "aa"}).error().status, 401) << "no approvals are read out of a refusal";
  EXPECT_EQ(forge->create_issue("t", "b").error().status, 403);
}

TEST_F(GitLabs, AMovedHeadIsNotMerged) {
  replay({{"PUT {p}/merge_requests/5/merge", 409, R"({"message":"SHA does not match HEAD of source branch: bb"})"}});
  const auto merged = forge->merge({.number = 5, .head = "aa"});
  ASSERT_FALSE(merged);
  EXPECT_EQ(merged.error().status, 409);
}

TEST(Giteas, ReviewsCountByTheirLastWordOnTheHead) {
  Recorded server("Authorization: token t", {{"GET /api/v1/repos/acme/platform/pulls/3/reviews?page=1&limit=50", 200, R"([
      {"id":1,"user":{"login":"ada"},"state":"APPROVED","commit_id":"old","stale":true,"dismissed":false},
      {"id":2,"user":{"login":"ada"},"state":"APPROVED","commit_id":"head","stale":false,"dismissed":false},
      {"id":3,"user":{"login":"emil"},"state":"APPROVED","commit_id":"head","stale":false,"dismissed":false},
      {"id":4,"user":{"login":"emil"},"state":"REQUEST_CHANGES","commit_id":"head","stale":false,"dismissed":false},
      {"id":5,"user":{"login":"nora"},"state":"APPROVED","commit_id":"head","stale":false,"dismissed":true},
      {"id":6,"user":{"login":"ada"},"state":"COMMENT","commit_id":"head"},
      {"id":7,"user":{"login":"otto"},"state":"APPROVED","commit_id":"old","stale":true,"dismissed":false}])"}});
  const auto forge = make_gitea({.url = server.url, .repository = "acme/platform"}, "t");
  const auto approvals = forge->approvals({.number = 3, .head = "head"});
  ASSERT_TRUE(approvals) << approvals.error().message;
  ASSERT_EQ(approvals->size(), 2u);
  EXPECT_EQ((*approvals)[0].user, "ada");
  EXPECT_EQ((*approvals)[0].current, true);
  EXPECT_EQ((*approvals)[1].user, "otto");
  EXPECT_EQ((*approvals)[1].current, false);
}

TEST(Giteas, ACommentElsewhereIsNoWordAboutThisRequest) {
  Recorded server("Authorization: token t",
                  {{"GET /api/v1/repos/acme/platform/issues/comments/8", 200,
                    R"({"id":8,"body":"apply","user":{"login":"ada"},"pull_request_url":"http://x/acme/platform/pulls/30"})"}});
  const auto forge = make_gitea({.url = server.url, .repository = "acme/platform"}, "t");
  EXPECT_EQ(forge->comment(30, 8)->body, "apply");
  EXPECT_FALSE(forge->comment(3, 8));
}

}  // namespace
}  // namespace tarn::review
