// RemoteS3 against the S3 endpoint in a process of its own.
#include "objects/remote_s3.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <thread>

#include "objects/s3_test_client.h"

namespace tarn::objects {
namespace {

namespace fs = std::filesystem;

struct RemoteS3Test : testing::Test {
  Url url(std::string key) { return {"root-bucket", std::move(key)}; }
  SystemClock clock;
  S3TestServer server;
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
