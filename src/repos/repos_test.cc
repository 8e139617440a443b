#include <sys/wait.h>

#include <cstdio>
#include <fstream>

#include "base/crypto.h"
#include "repos/routes.h"
#include "workspace/routes.h"
#include "workspace/testing.h"

namespace tarn::repos {
namespace {

using enum api::Method;

/// A real remote: a bare repository behind git's own HTTP server.
struct Remote {
  std::string folder;
  FILE* out = nullptr;
  pid_t pid = -1;
  std::string url;

  Remote(std::string at, const std::string& login = "") : folder(std::move(at)) {
    std::filesystem::create_directories(folder);
    sh("git init -q --bare -b main repo.git && git init -q -b main work");
    int fds[2];
    EXPECT_EQ(::pipe(fds), 0);
    const std::string script = std::string(TARN_SOURCE_DIR) + "/tests/git_server.py";
    pid = ::fork();
    if (pid == 0) {
      ::dup2(fds[1], 1);
      ::execlp("python3", "python3", script.c_str(), folder.c_str(), login.empty() ? nullptr : login.c_str(), nullptr);
      ::_exit(127);
    }
    ::close(fds[1]);
    out = ::fdopen(fds[0], "r");
    int port = 0;
    EXPECT_EQ(std::fscanf(out, "%d", &port), 1);
    host = "127.0.0.1:" + std::to_string(port);
    url = "http://" + host + "/repo.git";
  }
  ~Remote() {
    ::kill(pid, SIGKILL);
    ::waitpid(pid, nullptr, 0);
    std::fclose(out);
  }
  std::string host;
  void sh(const std::string& command) const {
    const std::string quiet =
        "cd '" + folder +
        "' && export GIT_CONFIG_GLOBAL=/dev/null GIT_AUTHOR_NAME=t GIT_AUTHOR_EMAIL=t@t GIT_COMMITTER_NAME=t GIT_COMMITTER_EMAIL=t@t && " + command;
    ASSERT_EQ(std::system(("{ " + quiet + "; } >/dev/null 2>&1").c_str()), 0) << command;
  }
  void write(const std::string& path, const std::string& text) const {
    const auto full = std::filesystem::path(folder) / "work" / path;
    std::filesystem::create_directories(full.parent_path());
    std::ofstream(full, std::ios::binary) << text;
  }
  void push(const std::string& branch = "main") const {
    sh("cd work && git add -A && git commit -qm change && git push -q ../repo.git HEAD:refs/heads/" + branch);
  }
};

struct ReposTest : workspace::testing::TreeTest {
  Remote remote{scratch.path + "/remote"};
  crypto::Keyring keys{std::string(32, 'k')};
  Credentials credentials{*store, directory, keys};
  Targets targets{{remote.host}};
  Git git{scratch.path, ""};
  Repos repos{*store, tree, credentials, targets, git};
  ReposTest() {
    router.add(routes(repos, credentials));
    router.add(workspace::routes(tree));
    remote.write("README.md", "hello");
    remote.write("etl/load.py", "# Databricks notebook source\nprint(1)");
    remote.write("etl/lib.py", "x = 1");
    remote.write("ml/train.py", "y = 2");
    remote.push();
  }
  Answer make(const std::string& more = "", const std::string& who = kAnn) {
    return call(POST, "repos", R"({"url":")" + remote.url + R"(","provider":"gitHub")" + more + "}", who);
  }
  Answer status(const std::string& path) { return call(GET, "workspace/get-status?path=" + api::percent_encode(path)); }
  std::string text(const std::string& path) {
    const auto a = call(GET, "workspace/export?format=AUTO&path=" + api::percent_encode(path));
    return a.status == 200 ? *crypto::from_base64(a.at("content")) : a.text;
  }
  Answer update(const std::string& id, const std::string& body) { return call(PATCH, "repos/" + id, body); }
  const std::string root = "/Repos/" + std::string(kAnn) + "/repo";
};

TEST_F(ReposTest, ARepositoryIsClonedIntoTheTree) {
  const auto r = make();
  ASSERT_EQ(r.status, 200) << r.text;
  EXPECT_EQ(r.at("path"), root);
  EXPECT_EQ(r.at("branch"), "main");
  EXPECT_EQ(r.at("head_commit_id").size(), 40u);
  EXPECT_EQ(status(root).at("object_type"), "REPO");
  EXPECT_EQ(status(root).at("object_id"), r.at("id"));
  EXPECT_EQ(status(root + "/etl/load").at("object_type"), "NOTEBOOK") << "a notebook loses its extension";
  EXPECT_EQ(status(root + "/etl/lib.py").at("object_type"), "FILE");
  EXPECT_EQ(text(root + "/README.md"), "hello");
  EXPECT_EQ(call(GET, "repos/" + r.at("id")).text, r.text);
  EXPECT_EQ(call(GET, "repos").body.at("repos").as_array().size(), 1u);
  EXPECT_EQ(call(GET, "repos?path_prefix=/Repos/other").text, "{}");
  EXPECT_EQ(call(GET, "workspace/get-status?return_git_info=true&path=" + api::percent_encode(root + "/README.md")).at({"git_info", "branch"}),
            "main");
}

TEST_F(ReposTest, BranchesTagsAndNewCommitsAreCheckedOut) {
  const auto id = make().at("id");
  remote.sh("cd work && git tag -a v1 -m v1 && git push -q ../repo.git v1");
  remote.write("README.md", "newer");
  remote.write("new/file.txt", "n");
  remote.sh("cd work && git rm -rq ml");
  remote.push();
  auto u = update(id, "{}");
  ASSERT_EQ(u.status, 200) << u.text;
  EXPECT_EQ(text(root + "/README.md"), "newer");
  EXPECT_EQ(text(root + "/new/file.txt"), "n");
  EXPECT_EQ(status(root + "/ml").status, 404) << "an emptied folder goes, too";
  const auto objects_now = stored();
  u = update(id, R"({"tag":"v1"})");
  EXPECT_EQ(u.at("branch"), "") << "a tag detaches";
  EXPECT_EQ(text(root + "/README.md"), "hello");
  EXPECT_EQ(status(root + "/new").status, 404);
  remote.write("README.md", "on a branch");
  remote.push("feature/x");
  EXPECT_EQ(update(id, R"({"branch":"feature/x"})").at("branch"), "feature/x");
  EXPECT_EQ(text(root + "/README.md"), "on a branch");
  EXPECT_EQ(stored(), objects_now) << "what was replaced is gone from storage";
  const auto none = update(id, R"({"branch":"none"})");
  EXPECT_EQ(none.status, 404);
  EXPECT_EQ(none.message(), "Branch none does not exist in the remote Git repository.");
  EXPECT_EQ(update(id, R"({"branch":"--upload-pack=id"})").status, 400);
  EXPECT_EQ(update(id, R"({"branch":"main","tag":"v1"})").status, 400);
}

TEST_F(ReposTest, AnEditedFileIsNeverOverwritten) {
  const auto id = make().at("id");
  const auto edit = [&](const std::string& path, const std::string& content) {
    return call(POST, "workspace/import",
                R"({"path":")" + root + "/" + path + R"(","format":"RAW","overwrite":true,"content":")" + crypto::base64(content) + "\"}")
        .status;
  };
  ASSERT_EQ(edit("README.md", "mine"), 200);
  ASSERT_EQ(edit("notes.txt", "own"), 200);
  remote.write("etl/lib.py", "x = 2");
  remote.push();
  ASSERT_EQ(update(id, "{}").status, 200) << "other files may move on";
  EXPECT_EQ(text(root + "/README.md"), "mine");
  EXPECT_EQ(text(root + "/etl/lib.py"), "x = 2");
  remote.write("README.md", "theirs");
  remote.write("etl/lib.py", "x = 3");
  remote.push();
  const auto before = stored();
  const auto u = update(id, "{}");
  EXPECT_EQ(u.status, 409) << u.text;
  EXPECT_NE(u.message().find("README.md"), std::string::npos);
  EXPECT_EQ(text(root + "/README.md"), "mine");
  EXPECT_EQ(text(root + "/etl/lib.py"), "x = 2") << "all or nothing";
  EXPECT_EQ(stored(), before);
  EXPECT_EQ(text(root + "/notes.txt"), "own");
}

TEST_F(ReposTest, SparseCheckoutsHoldTheirConeOnly) {
  const auto r = make(R"(,"sparse_checkout":{"patterns":["etl"]})");
  ASSERT_EQ(r.status, 200) << r.text;
  EXPECT_EQ(text(root + "/README.md"), "hello");
  EXPECT_EQ(text(root + "/etl/lib.py"), "x = 1");
  EXPECT_EQ(status(root + "/ml").status, 404);
  EXPECT_EQ(update(r.at("id"), R"({"sparse_checkout":{"patterns":["ml"]}})").status, 200);
  EXPECT_EQ(status(root + "/etl").status, 404);
  EXPECT_EQ(text(root + "/ml/train.py"), "y = 2");
  EXPECT_EQ(make(R"(,"path":"/Repos/ann@acme.example/other","sparse_checkout":{"patterns":["*.py"]})").status, 400);
}

TEST_F(ReposTest, PlacesAndNames) {
  ASSERT_EQ(make().status, 200);
  const auto again = make();
  EXPECT_EQ(again.code(), "RESOURCE_ALREADY_EXISTS");
  EXPECT_TRUE(again.message().starts_with("Repo " + root + " already exists.")) << again.message();
  const auto missing = make(R"(,"path":"/Repos/Client-Repo/x")", kRoot);
  EXPECT_EQ(missing.status, 404);
  EXPECT_EQ(missing.message(), "Parent directory /Repos/Client-Repo does not exist.");
  for (const auto* path : {"/Repos/x", "/Repos/a/b/c", "/", "/Users/ann@acme.example", "/Shared", "relative"})
    EXPECT_EQ(make(R"(,"path":")" + std::string(path) + "\"", kRoot).status, 400) << path;
  EXPECT_EQ(make(R"(,"path":")" + root + R"(/inner")").status, 400);
  EXPECT_EQ(make(R"(,"path":"/Users/ann@acme.example/folder")").status, 200) << "Git folders may lie in a home";
  EXPECT_EQ(make(R"(,"path":"/Users/bob@acme.example/folder")").status, 404);
  EXPECT_EQ(call(POST, "repos", R"({"url":")" + remote.url + R"(","provider":"sourceForge"})").status, 400);
  EXPECT_EQ(call(POST, "repos", "{}").status, 400);
}

TEST_F(ReposTest, RightsAreTheFolders) {
  const auto id = make().at("id");
  EXPECT_EQ(call(GET, "repos/" + id, "", kBob).status, 404);
  EXPECT_EQ(call(GET, "repos", "", kBob).text, "{}");
  grant("repos", id, kBob, "CAN_EDIT");
  EXPECT_EQ(call(GET, "repos/" + id, "", kBob).status, 200);
  EXPECT_EQ(call(PATCH, "repos/" + id, "{}", kBob).status, 403);
  EXPECT_EQ(call(DELETE, "repos/" + id, "", kBob).status, 403);
  grant("repos", id, kBob, "CAN_MANAGE");
  EXPECT_EQ(call(DELETE, "repos/" + id, "", kBob).status, 200);
  EXPECT_EQ(call(GET, "repos/" + id).status, 404);
  EXPECT_EQ(status(root).status, 404);
  EXPECT_EQ(stored(), 0u);
}

TEST_F(ReposTest, DeletingTheFolderDeletesTheRepo) {
  const auto id = make().at("id");
  EXPECT_EQ(call(POST, "workspace/delete", R"({"path":")" + root + R"(","recursive":true})").status, 200);
  EXPECT_EQ(call(GET, "repos/" + id).status, 404);
  EXPECT_EQ(make().status, 200);
}

TEST_F(ReposTest, ServersThatAreNotListedAreNotReached) {
  const auto a = call(POST, "repos", R"({"url":"https://127.0.0.1/repo.git","provider":"gitHub"})");
  EXPECT_EQ(a.status, 403) << a.text;
  EXPECT_NE(a.message().find("disallowed"), std::string::npos);
  const auto redirected = call(POST, "repos", R"({"url":"http://)" + remote.host + R"(/redirect/repo.git","provider":"gitHub"})");
  EXPECT_EQ(redirected.status, 404) << "a redirect is not followed: " << redirected.text;
  const auto none = call(POST, "repos", R"({"url":"http://)" + remote.host + R"(/none.git","provider":"gitHub"})");
  EXPECT_EQ(none.status, 404);
  EXPECT_TRUE(none.message().starts_with("Remote repo not found.")) << none.message();
  EXPECT_EQ(stored(), 0u);
}

TEST_F(ReposTest, ARemoteThatHangsIsGivenUp) {
  Git hasty(scratch.path, "", {.patience = std::chrono::seconds(1)});
  const auto r = hasty.fetch({.url = "http://" + remote.host + "/hang/repo.git", .host = "127.0.0.1", .port = 1, .address = "127.0.0.1"},
                             std::nullopt, "main", "", [](const std::string&) { return true; });
  EXPECT_EQ(r.error().code, Errc::unavailable);
  for (const auto& left : std::filesystem::directory_iterator(scratch.path))
    EXPECT_FALSE(left.path().filename().string().starts_with("git-")) << left.path();
}

TEST_F(ReposTest, NoMoreRemotesAreAskedAtOnceThanTheServerAllowsItself) {
  Git one(scratch.path, "", {.patience = std::chrono::seconds(20), .at_once = 0});
  const auto r = one.fetch({.url = remote.url, .host = "127.0.0.1", .port = 1, .address = "127.0.0.1"}, std::nullopt, "main", "",
                           [](const std::string&) { return true; });
  EXPECT_EQ(r.error().code, Errc::busy);
  EXPECT_EQ(wire(r.error()).status, 429);
}

TEST_F(ReposTest, LinksOfTheRepositoryAreNotFollowed) {
  remote.sh("cd work && ln -s /etc/passwd link && ln -s .. up");
  remote.push();
  ASSERT_EQ(make().status, 200);
  EXPECT_EQ(status(root + "/link").status, 404);
  EXPECT_EQ(text(root + "/README.md"), "hello");
}

TEST_F(ReposTest, AnEmptyRepositoryIsAnEmptyFolder) {
  remote.sh("git init -q --bare -b main empty.git");
  const auto r = call(POST, "repos", R"({"url":"http://)" + remote.host + R"(/empty.git","provider":"gitHub"})");
  ASSERT_EQ(r.status, 200) << r.text;
  EXPECT_EQ(r.at("head_commit_id"), "");
}

struct PrivateReposTest : ReposTest {
  Remote locked{scratch.path + "/locked", "bot:s3cr3t-token"};
  Targets reach{{locked.host}};
  Repos theirs{*store, tree, credentials, reach, git};
  api::Router second;
  PrivateReposTest() {
    second.add(routes(theirs, credentials));
    locked.write("a.txt", "private");
    locked.push();
  }
  Answer clone() {
    return identity::testing::call(
        second, POST, "/api/2.0/repos", directory.as(kAnn),
        R"({"url":"http://)" + locked.host + R"(/repo.git","provider":"GitHub","path":"/Users/ann@acme.example/private"})");
  }
};

TEST_F(PrivateReposTest, CredentialsOpenPrivateRemotesAndAreNeverShown) {
  auto a = clone();
  EXPECT_EQ(a.status, 403);
  EXPECT_EQ(a.message(), "Missing Git provider credentials. Go to User Settings > Git Integration to add your personal access token.");
  const auto made = call(POST, "git-credentials", R"({"git_provider":"github","git_username":"bot","personal_access_token":"wrong"})");
  ASSERT_EQ(made.status, 200) << made.text;
  EXPECT_EQ(made.at("git_provider"), "gitHub");
  EXPECT_EQ(made.at("is_default_for_provider"), "true");
  a = clone();
  EXPECT_EQ(a.status, 403);
  EXPECT_TRUE(a.message().starts_with("Invalid Git provider credentials.")) << a.message();
  const auto one = "git-credentials/" + made.at("credential_id");
  EXPECT_EQ(call(PATCH, one, R"({"git_provider":"gitHub","git_username":"bot","personal_access_token":"s3cr3t-token"})").status, 200);
  a = clone();
  ASSERT_EQ(a.status, 200) << a.text;
  EXPECT_EQ(call(GET, one).text.find("s3cr3t"), std::string::npos);
  struct Sink final : store::DumpSink {
    std::string all;
    void record(const store::DumpedRecord& r) override { all += r.body; }
    void audit(const store::AuditRecord& r) override { all += json::encode_text(r.event); }
    void generation(std::int64_t) override {}
  } sink;
  store->flush_audit();
  store->dump(sink);
  EXPECT_EQ(sink.all.find("s3cr3t-token"), std::string::npos);
  EXPECT_EQ(call(GET, one, "", kBob).status, 404) << "a credential is its owner's";
  EXPECT_EQ(call(GET, "git-credentials", "", kBob).text, "{}");
  EXPECT_EQ(call(DELETE, one).status, 200);
  EXPECT_EQ(call(GET, one).status, 404);
  EXPECT_EQ(call(DELETE, one).status, 404);
}

TEST_F(ReposTest, ServicePrincipalsHaveOneCredentialAProviderThatAdministratorsManage) {
  const auto sp = std::to_string(directory.add(identity::Kind::service_principal, "robot"));
  const auto body = [&](const std::string& id) {
    return R"({"git_provider":"gitLab","git_username":"r","personal_access_token":"t","principal_id":)" + id + "}";
  };
  EXPECT_EQ(call(POST, "git-credentials", body(sp)).status, 403);
  const auto made = call(POST, "git-credentials", body(sp), kRoot);
  ASSERT_EQ(made.status, 200) << made.text;
  const auto again = call(POST, "git-credentials", body(sp), kRoot);
  EXPECT_EQ(again.status, 409);
  EXPECT_EQ(again.message(),
            "A Git credential already exists for provider gitLab. Only one credential per provider is allowed for service principals.");
  EXPECT_EQ(call(GET, "git-credentials/" + made.at("credential_id") + "?principal_id=" + sp, "", kRoot).status, 200);
  EXPECT_EQ(call(POST, "git-credentials", body("99"), kRoot).status, 404);
  for (const auto* bad : {"{}", R"({"git_provider":"x","personal_access_token":"t"})", R"({"git_provider":"gitLab"})",
                          R"({"git_provider":"gitLab","git_username":"a:b","personal_access_token":"t"})",
                          R"({"git_provider":"gitLab","personal_access_token":"a\nb"})"})
    EXPECT_EQ(call(POST, "git-credentials", bad).status, 400) << bad;
  EXPECT_EQ(call(GET, "git-credentials/abc").status, 400);
}

}  // namespace
}  // namespace tarn::repos
