// What really runs: the git program, bounded children, and the sandbox with its proxy.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <fstream>

#include "review/git.h"
#include "review/sandbox.h"
#include "review/testing.h"

// The sandbox is this very program, started again.
int main(int argc, char** argv) {
  if (argc > 1 && std::string_view(argv[1]) == "review-sandbox") return tarn::review::sandbox_main(argc - 1, argv + 1);
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}

namespace tarn::review {
namespace {

using test::Folder;
namespace fs = std::filesystem;

ChildResult shell(const std::string& script, int seconds = 10, std::size_t most = 1u << 20) {
  return run({.command = {"sh", "-c", script}, .environment = {"PATH=/usr/bin:/bin", "X=1"}, .seconds = seconds, .most_output = most});
}

TEST(Children, GiveTheirOutputAndTheirCode) {
  const auto r = shell("echo out; echo err >&2; exit 3");
  EXPECT_EQ(r.exit_code, 3);
  EXPECT_EQ(r.out, "out\n");
  EXPECT_EQ(r.err, "err\n");
}

TEST(Children, AreBoundedInTimeEvenIfTheyIgnoreIt) {
  const auto begin = std::chrono::steady_clock::now();
  const auto r = shell("trap '' TERM; sleep 60 & sleep 60", 1);
  EXPECT_TRUE(r.timed_out);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(8));
}

TEST(Children, AreBoundedInOutput) {
  const auto r = shell("yes | head -c 3000000; echo end >&2", 20, 10000);
  EXPECT_EQ(r.exit_code, 0);
  EXPECT_EQ(r.out.size(), 10000u);
  EXPECT_TRUE(r.out_cut);
  EXPECT_EQ(r.err, "end\n");
}

TEST(Children, ThatDoNotExistSaySo) {
  const auto r = run({.command = {"no-such-program"}, .environment = {"PATH=/usr/bin"}});
  EXPECT_EQ(r.exit_code, -1);
  EXPECT_NE(r.err.find("no-such-program"), std::string::npos);
}

struct Repository : testing::Test {
  Folder folder;
  std::string origin = folder.path + "/origin.git", work = folder.path + "/work";
  std::unique_ptr<Git> git;

  Repository() {
    sh("git init -q --bare -b main '" + origin + "' && git init -q -b main '" + work + "'");
    commit("a.txt", "one\n", "main");
    // As Gitea keeps them: a request's head under refs/pull.
    branch("feature", "b.txt", "two\n", 1);
    git = make_git("file://" + origin, folder.path + "/mirror.git", "", "", PullRefs::gitea);
  }
  std::string sh(const std::string& script) {
    const auto r = run({.command = {"sh", "-c", script},
                        .environment = {"PATH=/usr/bin:/bin", "HOME=" + folder.path, "GIT_AUTHOR_NAME=t", "GIT_AUTHOR_EMAIL=t@t",
                                        "GIT_COMMITTER_NAME=t", "GIT_COMMITTER_EMAIL=t@t"},
                        .seconds = 30});
    EXPECT_EQ(r.exit_code, 0) << script << "\n" << r.err;
    return r.out.substr(0, r.out.find('\n'));
  }
  std::string commit(const std::string& file, const std::string& text, const std::string& branch) {
    std::ofstream(work + "/" + file) << text;
    return sh("cd '" + work + "' && git add -A && git commit -q -m x && git push -q '" + origin + "' HEAD:refs/heads/" + branch +
              " && git rev-parse HEAD");
  }
  std::string branch(const std::string& name, const std::string& file, const std::string& text, int number) {
    sh("cd '" + work + "' && git checkout -q -b " + name + " main");
    const auto head = commit(file, text, name);
    sh("git -C '" + origin + "' update-ref refs/pull/" + std::to_string(number) + "/head " + head + " && git -C '" + work + "' checkout -q main");
    return head;
  }
};

TEST_F(Repository, WhatAMergeWouldMakeIsKnownAndCheckedOutClean) {
  const auto head = sh("git -C '" + origin + "' rev-parse feature");
  commit("c.txt", "main moved\n", "main");
  const auto main = git->fetch("main", 1, head);
  ASSERT_TRUE(main) << main.error();
  const auto merged = git->merge(*main, head);
  ASSERT_TRUE(merged) << merged.error();
  EXPECT_FALSE(merged->conflict);
  EXPECT_EQ(git->changed(*main, merged->tree).value(), std::vector<std::string>{"b.txt"});
  const auto out = git->checkout(merged->tree, folder.path + "/out");
  ASSERT_TRUE(out) << out.error();
  for (const char* name : {"a.txt", "b.txt", "c.txt", ".git"}) EXPECT_TRUE(fs::exists(folder.path + "/out/" + name)) << name;
  EXPECT_EQ(sh("git -C '" + folder.path + "/out' remote"), "");
  // Merged for real, main's tree is that tree.
  sh("cd '" + work + "' && git merge -q --no-edit feature && git push -q '" + origin + "' main");
  const auto after = git->fetch("main", 1, "");
  ASSERT_TRUE(after);
  EXPECT_EQ(git->tree_of(*after).value(), merged->tree);
  EXPECT_TRUE(git->descends(*after, *main).value());
  EXPECT_FALSE(git->descends(*main, *after).value());
}

TEST_F(Repository, AConflictIsOne) {
  const auto head = branch("other", "a.txt", "theirs\n", 2);
  commit("a.txt", "ours\n", "main");
  const auto main = git->fetch("main", 2, head);
  ASSERT_TRUE(main) << main.error();
  const auto merged = git->merge(*main, head);
  ASSERT_TRUE(merged) << merged.error();
  EXPECT_TRUE(merged->conflict);
}

TEST_F(Repository, ACommitThatIsNotThereIsAnErrorAndNoneIsTakenForAnOption) {
  EXPECT_FALSE(git->fetch("main", 1, std::string(40, 'a')));
  EXPECT_FALSE(git->fetch("main", 1, "--upload-pack=touch /tmp/x"));
  EXPECT_FALSE(git->fetch("nowhere", 0, ""));
}

TEST_F(Repository, HooksAndFiltersOfARepositoryDoNotRun) {
  const std::string proof = folder.path + "/ran";
  std::ofstream(work + "/.gitattributes") << "* filter=evil\n";
  std::ofstream(work + "/.gitmodules") << "[submodule \"x\"]\n\tpath = x\n\turl = file://" << origin << "\n";
  const auto head = commit("d.txt", "d\n", "main");
  ASSERT_TRUE(git->fetch("main", 0, ""));
  ASSERT_TRUE(git->checkout(git->tree_of(head).value(), folder.path + "/out"));
  EXPECT_FALSE(fs::exists(proof));
  EXPECT_FALSE(fs::exists(folder.path + "/out/x"));
}

TEST(OwnPrograms, AreProgramsAndLibrariesOnly) {
  // A store maps its shared memory: that is not a program.
  FakeClock clock;
  Folder folder;
  store::SqliteStore store(folder.path + "/review.db", clock);
  store.read([](store::ReadTxn& t) { t.get("x", "y"); });
  for (const auto& m : own_program()) {
    EXPECT_EQ(m.source.find(".db"), m.source.npos) << m.source;
    EXPECT_FALSE(m.writable);
  }
  EXPECT_FALSE(own_program().empty());
}

struct Sandboxes : testing::Test {
  Folder folder;
  SandboxRun order;
  Sandboxes() {
    fs::permissions(folder.path, fs::perms::owner_all);
    for (const char* name : {"root", "repo", "out"}) fs::create_directories(folder.path + "/" + name);
    if (::geteuid() == 0) {
      for (const char* name : {"repo", "out"}) EXPECT_EQ(::chown((folder.path + "/" + name).c_str(), 65534, 65534), 0);
    }
    std::ofstream(folder.path + "/secret") << "root.key";
    order = {.root = folder.path + "/root", .environment = {"PATH=/usr/bin:/bin", "HELLO=world"}};
    order.mounts = {{folder.path + "/repo", "/repo", true}, {folder.path + "/out", "/out", true}};
  }
  ChildResult in(const std::string& script, int seconds = 20) {
    order.command = {"sh", "-c", script};
    return run_sandboxed(order, seconds, 1u << 20, [](int fd) { ::close(fd); });
  }
};

TEST_F(Sandboxes, RunACommandInTheCheckoutAndGiveItsResults) {
  const auto r = in("pwd; echo $HELLO; env | wc -l; echo made > /out/file; exit 7");
  EXPECT_EQ(r.exit_code, 7) << r.err;
  EXPECT_TRUE(r.out.starts_with("/repo\nworld\n")) << r.out;
  std::ifstream made(folder.path + "/out/file");
  std::string line;
  std::getline(made, line);
  EXPECT_EQ(line, "made");
}

TEST_F(Sandboxes, SeeNothingOfTheHost) {
  const auto r =
      in("ls '" + folder.path + "' /root /home /var /etc/shadow 2>/dev/null; ls /; ls /proc | grep -c '^[0-9]'; id -u; ls /sys 2>/dev/null");
  EXPECT_EQ(r.out.find("secret"), r.out.npos) << r.out;
  EXPECT_EQ(r.out.find("root\n"), r.out.npos) << r.out;
  if (::geteuid() == 0) {
    EXPECT_NE(r.out.find("65534"), r.out.npos) << r.out;
  }
}

TEST_F(Sandboxes, HaveNoRightsAndNoNetwork) {
  EXPECT_NE(in("echo x > /usr/evil").exit_code, 0);
  EXPECT_NE(in("echo x > /etc/passwd").exit_code, 0);
  EXPECT_NE(in("echo x > /evil").exit_code, 0);
  EXPECT_NE(in("mount -t tmpfs none /tmp").exit_code, 0);
  EXPECT_NE(in("unshare -Ur true").exit_code, 0);
  EXPECT_NE(in("chroot / true").exit_code, 0);
  const auto links = in("cat /proc/net/dev | tail -n +3 | cut -d: -f1");
  EXPECT_EQ(links.out, "    lo\n") << links.err;
  const auto caps = in("grep Cap /proc/self/status | grep -v 0000000000000000");
  EXPECT_EQ(caps.out, "") << "no capability of any kind";
  EXPECT_EQ(in("grep -c 'NoNewPrivs:.1' /proc/self/status").out, "1\n");
}

TEST_F(Sandboxes, CannotSignalOrSeeOtherProcesses) {
  EXPECT_NE(in(fmt::format("kill -0 {}", ::getpid())).exit_code, 0);
  EXPECT_EQ(in("ls /proc | grep -c '^[0-9]*$'").out.size(), 2u) << "a handful of its own";
}

TEST_F(Sandboxes, EndWithAllTheirProcessesWhenTheTimeIsOver) {
  const auto r = in("(setsid sleep 3177 & ) ; setsid sh -c 'sleep 3177' & sleep 3177", 2);
  EXPECT_TRUE(r.timed_out);
  const auto left = shell("ps -eo args | grep -c '[s]leep 300'");
  EXPECT_EQ(left.out, "0\n");
}

TEST_F(Sandboxes, ReachTheOneSocketThatTheCallerServes) {
  order.command = {"bash", "-c", fmt::format("exec 5<>/dev/tcp/127.0.0.1/{}; echo hello >&5; cat <&5", kSandboxProxyPort)};
  std::thread serving;
  const auto r = run_sandboxed(order, 20, 1u << 20, [&](int listening) {
    serving = std::thread([listening] {
      pollfd waiting{listening, POLLIN, 0};
      const int fd = ::poll(&waiting, 1, 15'000) == 1 ? ::accept(listening, nullptr, nullptr) : -1;
      char block[16] = {};
      [[maybe_unused]] auto n = ::read(fd, block, sizeof block - 1);
      const std::string answer = std::string("you said ") + block;
      n = ::write(fd, answer.data(), answer.size());
      ::close(fd);
      ::close(listening);
    });
  });
  if (serving.joinable()) serving.join();
  EXPECT_EQ(r.out, "you said hello\n") << r.err;
}

TEST_F(Sandboxes, ThatCannotBeMadeDoNotRun) {
  order.mounts.push_back({"/no/such/folder", "/x", false});
  const auto r = in("echo ran");
  EXPECT_EQ(r.exit_code, kSandboxFailed);
  EXPECT_EQ(r.out, "");
  EXPECT_NE(r.err.find("/no/such/folder"), std::string::npos) << r.err;
}

}  // namespace
}  // namespace tarn::review
