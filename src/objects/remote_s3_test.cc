// RemoteS3 against the S3 endpoint in a process of its own.
#include "objects/remote_s3.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <thread>

#include "base/json.h"

extern char** environ;

namespace tarn::objects {
namespace {

namespace fs = std::filesystem;

/// s3_test_server (see its head for the commands). Ends when its standard input closes.
class Server {
 public:
  Server() {
    std::string t = (fs::temp_directory_path() / "remote-XXXXXX").string();
    folder = ::mkdtemp(t.data());
    int in[2], out[2];
    if (::pipe2(in, O_CLOEXEC) != 0 || ::pipe2(out, O_CLOEXEC) != 0) throw std::runtime_error("pipe");
    posix_spawn_file_actions_t files;
    ::posix_spawn_file_actions_init(&files);
    ::posix_spawn_file_actions_adddup2(&files, in[0], 0);
    ::posix_spawn_file_actions_adddup2(&files, out[1], 1);
    std::string binary = S3_TEST_SERVER;
    char* argv[] = {binary.data(), folder.data(), nullptr};
    if (::posix_spawn(&pid_, binary.c_str(), &files, nullptr, argv, environ) != 0) throw std::runtime_error("spawn " + binary);
    ::posix_spawn_file_actions_destroy(&files);
    ::close(in[0]);
    ::close(out[1]);
    to_ = ::fdopen(in[1], "w");
    from_ = ::fdopen(out[0], "r");
    endpoint = text(answer(), "endpoint");
  }
  ~Server() {
    ::fclose(to_);
    ::fclose(from_);
    ::waitpid(pid_, nullptr, 0);
    fs::remove_all(folder);
  }
  json::value ask(const json::value& command) {
    const std::string line = boost::json::serialize(command) + "\n";
    ::fputs(line.c_str(), to_);
    ::fflush(to_);
    return answer();
  }
  RemoteS3::Options options(std::string prefix, std::string access = "read_write") {
    const auto c = ask({{"vend", {{"prefixes", json::array{prefix}}, {"access", access}, {"lifetime_ms", 3'600'000}}}});
    return {endpoint, "us-east-1", text(c, "access_key_id"), text(c, "secret_access_key"), text(c, "session_token")};
  }
  static std::string text(const json::value& v, const char* name) { return std::string(v.at(name).as_string()); }
  std::string folder, endpoint;

 private:
  json::value answer() {
    std::string line;
    for (int c = 0; (c = ::fgetc(from_)) != EOF && c != '\n';) line += static_cast<char>(c);
    return boost::json::parse(line);
  }
  pid_t pid_ = 0;
  FILE *to_ = nullptr, *from_ = nullptr;
};

struct RemoteS3Test : testing::Test {
  Url url(std::string key) { return {"root-bucket", std::move(key)}; }
  SystemClock clock;
  Server server;
  RemoteS3 store{server.options("s3://root-bucket/"), clock};
};

TEST_F(RemoteS3Test, PutsGetsAndRemoves) {
  const std::string odd = "t/a b+\xc3\xbc&=#%.txt";
  ASSERT_TRUE(store.put(url(odd), "hello"));
  EXPECT_EQ(*store.get(url(odd)), "hello");
  EXPECT_EQ(*store.get(url(odd), 1, 3), "ell");
  EXPECT_EQ(*store.get(url(odd), 5), "");
  EXPECT_EQ(*store.get(url(odd), 2, 0), "");
  EXPECT_EQ(store.get(url(odd), 6).error().code, Errc::range_not_satisfiable);
  const auto info = store.head(url(odd));
  ASSERT_TRUE(info);
  EXPECT_EQ(info->size, 5u);
  EXPECT_EQ(info->etag, "\"5d41402abc4b2a76b9719d911017c592\"");
  EXPECT_GT(info->modified, 1'600'000'000'000);
  ASSERT_TRUE(store.put(url("t/empty"), ""));
  EXPECT_EQ(*store.get(url("t/empty")), "");
  ASSERT_TRUE(store.remove(url(odd)));
  ASSERT_TRUE(store.remove(url(odd)));
  EXPECT_EQ(store.get(url(odd)).error().code, Errc::no_such_key);
  EXPECT_EQ(store.head(url(odd)).error().code, Errc::no_such_key);
  const std::string large(3 << 20, 'z');
  ASSERT_TRUE(store.put(url("t/large"), large));
  EXPECT_EQ(*store.get(url("t/large")), large);
  EXPECT_TRUE(store.bucket_exists("root-bucket"));
  EXPECT_TRUE(store.create_bucket("root-bucket"));
  EXPECT_FALSE(store.bucket_exists("nosuch-bucket"));
  EXPECT_EQ(store.create_bucket("nosuch-bucket").error().code, Errc::denied);
}

TEST_F(RemoteS3Test, OneWriterWinsTheAbsentKeyAndACommitStays) {
  std::atomic<int> won = 0, lost = 0;
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 4; ++i)
      threads.emplace_back([&] {
        const auto r = store.put(url("t/once"), "x", true);
        if (r)
          ++won;
        else if (r.error().code == Errc::already_exists)
          ++lost;
      });
  }
  EXPECT_EQ(won, 1);
  EXPECT_EQ(lost, 3);
  const auto commit = url("t/_delta_log/00000000000000000000.json");
  ASSERT_TRUE(store.put(commit, "first"));
  EXPECT_EQ(store.put(commit, "second").error().code, Errc::already_exists);
  EXPECT_EQ(*store.get(commit), "first");
}

TEST_F(RemoteS3Test, ListsPageByPageAndRemovesTrees) {
  for (const char* k : {"t/a", "t/a-b", "t/a/b", "t/a/c/d", "t/b", "t2/x"}) ASSERT_TRUE(store.put(url(k), k));
  const std::vector<std::string> all{"t/a", "t/a-b", "t/a/b", "t/a/c/d", "t/b"};
  for (std::size_t limit : {1u, 2u, 5u}) {
    std::vector<std::string> seen, folded;
    std::string after;
    for (int page = 0; page < 20; ++page) {
      const auto l = store.list("root-bucket", "t/", after, limit);
      ASSERT_TRUE(l);
      for (const auto& o : l->objects) seen.push_back(o.key);
      if (!l->truncated) break;
      after = l->next;
    }
    EXPECT_EQ(seen, all) << limit;
    after.clear();
    for (int page = 0; page < 20; ++page) {
      const auto l = store.list("root-bucket", "t/", after, limit, "/");
      ASSERT_TRUE(l);
      for (const auto& o : l->objects) folded.push_back(o.key);
      for (const auto& p : l->common_prefixes) folded.push_back(p);
      if (!l->truncated) break;
      after = l->next;
    }
    std::sort(folded.begin(), folded.end());
    EXPECT_EQ(folded, (std::vector<std::string>{"t/a", "t/a-b", "t/a/", "t/b"})) << limit;
  }
  ASSERT_TRUE(store.remove_all(url("t/")));
  EXPECT_TRUE(store.list("root-bucket", "t/", "", 10)->objects.empty());
  EXPECT_TRUE(store.head(url("t2/x")));
}

TEST_F(RemoteS3Test, SaysDeniedAndUnavailableApart) {
  RemoteS3 reader(server.options("s3://root-bucket/t/", "read"), clock);
  EXPECT_EQ(reader.put(url("t/a"), "x").error().code, Errc::denied);
  EXPECT_EQ(reader.get(url("u/a")).error().code, Errc::denied);
  EXPECT_EQ(reader.list("root-bucket", "", "", 10).error().code, Errc::denied);
  RemoteS3 nowhere({.endpoint = "http://127.0.0.1:1", .region = "us-east-1", .access_key_id = "a", .secret_access_key = "b"}, clock);
  EXPECT_EQ(nowhere.get(url("t/a")).error().code, Errc::unavailable);
  EXPECT_EQ(nowhere.put(url("t/a"), "x").error().code, Errc::unavailable);
}

}  // namespace
}  // namespace tarn::objects
