#include "objects/local_objects.h"

#include <gtest/gtest.h>

#include <barrier>
#include <filesystem>
#include <fstream>
#include <thread>

#include "objects/keys.h"

namespace tarn::objects {
namespace {

namespace fs = std::filesystem;

struct LocalObjectsTest : testing::Test {
  LocalObjectsTest() { EXPECT_TRUE(store.create_bucket("root")); }
  ~LocalObjectsTest() override { fs::remove_all(dir); }
  static std::string fresh() {
    std::string t = (fs::temp_directory_path() / "objects-XXXXXX").string();
    return ::mkdtemp(t.data());
  }
  Url url(std::string key) { return {"root", std::move(key)}; }
  void put(std::string key, std::string content = "x") {
    const auto done = store.put(url(key), content);
    ASSERT_TRUE(done) << key << ": " << done.error().message;
  }
  std::vector<std::string> keys(std::string prefix = "", std::string after = "", std::size_t limit = 1000, std::string delimiter = "") {
    auto l = store.list("root", prefix, after, limit, delimiter);
    EXPECT_TRUE(l);
    std::vector<std::string> out;
    for (auto& o : l->objects) out.push_back(o.key);
    for (auto& p : l->common_prefixes) out.push_back("<" + p + ">");
    return out;
  }
  std::string dir = fresh();
  LocalObjects store{dir};
};
using V = std::vector<std::string>;

TEST_F(LocalObjectsTest, KeepsObjectsAsPlainFilesOfTheirOwnName) {
  const auto done = store.put(url("t/part-0.parquet"), "hello");
  ASSERT_TRUE(done);
  EXPECT_EQ(done->etag, "\"5d41402abc4b2a76b9719d911017c592\"");
  std::ifstream file(dir + "/root/t/part-0.parquet");
  EXPECT_EQ(std::string(std::istreambuf_iterator<char>(file), {}), "hello");
  EXPECT_EQ(*store.get(url("t/part-0.parquet"), 1, 3), "ell");
  EXPECT_EQ(*store.get(url("t/part-0.parquet"), 5), "");
  EXPECT_EQ(store.get(url("t/part-0.parquet"), 6).error().code, Errc::range_not_satisfiable);
  EXPECT_EQ(store.head(url("t/part-0.parquet"))->etag, done->etag);
  EXPECT_EQ(store.head(url("t/none")).error().code, Errc::no_such_key);
  EXPECT_EQ(store.head({"nosuch", "a"}).error().code, Errc::no_such_bucket);
  EXPECT_EQ(store.put({"nosuch", "a"}, "x").error().code, Errc::no_such_bucket);
}

TEST_F(LocalObjectsTest, AFileThatTheEngineWroteHasAnEtagThatFollowsItsContent) {
  put("t/a", "one");
  const auto stored = store.head(url("t/a"))->etag;
  std::ofstream(dir + "/root/t/a") << "other";
  const auto computed = store.head(url("t/a"))->etag;
  EXPECT_NE(computed, stored);
  EXPECT_TRUE(computed.ends_with("-1\"")) << computed;
  EXPECT_EQ(store.head(url("t/a"))->etag, computed);
}

TEST_F(LocalObjectsTest, OneWriterWinsTheKeyThatMustBeAbsent) {
  constexpr int kThreads = 8;
  std::barrier start(kThreads);
  std::atomic<int> won = 0, lost = 0;
  std::vector<std::jthread> threads;
  for (int i = 0; i < kThreads; ++i)
    threads.emplace_back([&, i] {
      start.arrive_and_wait();
      const auto r = store.put(url("t/once"), std::to_string(i), true);
      if (r)
        ++won;
      else if (r.error().code == Errc::already_exists)
        ++lost;
    });
  threads.clear();
  EXPECT_EQ(won, 1);
  EXPECT_EQ(lost, kThreads - 1);
}

TEST_F(LocalObjectsTest, ACommitIsNeverReplacedEvenByAPlainPut) {
  const std::string commit = "t/_delta_log/00000000000000000000.json";
  put(commit, "first");
  EXPECT_EQ(store.put(url(commit), "second").error().code, Errc::already_exists);
  EXPECT_EQ(*store.get(url(commit)), "first");
  EXPECT_EQ(store.put(url(commit + "/x"), "").error().code, Errc::invalid_name);
  EXPECT_TRUE(is_delta_commit("_delta_log/00000000000000000001.json"));
  EXPECT_FALSE(is_delta_commit("t/x_delta_log/00000000000000000001.json"));
  EXPECT_FALSE(is_delta_commit("t/_delta_log/00000000000000000001.checkpoint.parquet"));
  EXPECT_FALSE(is_delta_commit("t/_delta_log/0000000000000000001.json"));
  EXPECT_TRUE(store.remove(url(commit)));  // Tarn's own log cleanup
}

TEST_F(LocalObjectsTest, ConditionalReplacementSeesTheCurrentObject) {
  put("a", "one");
  const auto etag = store.head(url("a"))->etag;
  auto stage = [&](std::string_view text) {
    auto s = store.stage();
    EXPECT_TRUE(s && write_all(s->fd(), text));
    return *std::move(s);
  };
  EXPECT_EQ(store.publish(stage("two"), url("a"), {.etag = "\"2\""}, {.if_match = "\"other\""}).error().code, Errc::precondition_failed);
  EXPECT_TRUE(store.publish(stage("two"), url("a"), {.etag = "\"2\""}, {.if_match = etag}));
  EXPECT_EQ(*store.get(url("a")), "two");
  EXPECT_EQ(store.publish(stage("x"), url("none"), {.etag = "\"2\""}, {.if_match = etag}).error().code, Errc::no_such_key);
  EXPECT_TRUE(fs::is_empty(dir + "/.tarn/staged"));
}

TEST_F(LocalObjectsTest, AKeyMayAlsoBeAPrefix) {
  put("a/b", "below");
  put("a", "beside");
  put("c", "first");
  put("c/d", "later");
  put("m/", "");
  put("c/d/e", "deep");
  EXPECT_EQ(*store.get(url("a")), "beside");
  EXPECT_EQ(*store.get(url("c")), "first");
  EXPECT_EQ(*store.get(url("c/d")), "later");
  EXPECT_EQ(store.put(url("c"), "again", true).error().code, Errc::already_exists);
  EXPECT_EQ(keys(), (V{"a", "a/b", "c", "c/d", "c/d/e", "m/"}));
  EXPECT_EQ(keys("", "", 100, "/"), (V{"a", "c", "<a/>", "<c/>", "<m/>"}));
  ASSERT_TRUE(store.remove(url("c")));
  EXPECT_EQ(store.head(url("c")).error().code, Errc::no_such_key);
  EXPECT_EQ(keys("c/"), (V{"c/d", "c/d/e"}));
  ASSERT_TRUE(store.remove(url("a/b")));
  ASSERT_TRUE(store.remove(url("a")));
  put("a", "a file again");
  EXPECT_EQ(*store.get(url("a")), "a file again");
}

TEST_F(LocalObjectsTest, ListsInByteOrderOfTheWholeKeyPageByPage) {
  const V all{"a", "a-b", "a.b", "a/b", "a/b-c", "a/b/c", "a0", "b/x/1", "b/x/2", "b/y", "\xc3\xa9"};
  for (auto i = all.rbegin(); i != all.rend(); ++i) put(*i);
  ASSERT_TRUE(std::is_sorted(all.begin(), all.end()));
  EXPECT_EQ(keys(), all);
  for (std::size_t limit : {1u, 2u, 3u, 11u}) {
    for (const char* delimiter : {"", "/", "b"}) {
      V whole, paged;
      const auto once = store.list("root", "", "", 1000, delimiter);
      for (auto& o : once->objects) whole.push_back(o.key);
      for (auto& p : once->common_prefixes) whole.push_back("<" + p);
      std::string after;
      for (int page = 0; page < 50; ++page) {
        const auto l = store.list("root", "", after, limit, delimiter);
        ASSERT_TRUE(l);
        EXPECT_LE(l->objects.size() + l->common_prefixes.size(), limit);
        for (auto& o : l->objects) paged.push_back(o.key);
        for (auto& p : l->common_prefixes) paged.push_back("<" + p);
        if (!l->truncated) break;
        after = l->next;
      }
      std::sort(whole.begin(), whole.end());
      std::sort(paged.begin(), paged.end());
      EXPECT_EQ(paged, whole) << limit << delimiter;
    }
  }
  EXPECT_EQ(keys("a/b"), (V{"a/b", "a/b-c", "a/b/c"}));
  EXPECT_EQ(keys("b/", "", 100, "/"), (V{"b/y", "<b/x/>"}));
  EXPECT_EQ(keys("b/", "b/x/1"), (V{"b/x/2", "b/y"}));
  EXPECT_EQ(keys("none/"), V{});
}

TEST_F(LocalObjectsTest, RemovesATreeAndNothingElse) {
  put("t/a");
  put("t/_delta_log/00000000000000000000.json");
  put("t2/a");
  ASSERT_TRUE(store.remove_all(url("t/")));
  ASSERT_TRUE(store.remove_all(url("t/")));
  EXPECT_EQ(keys(), V{"t2/a"});
  EXPECT_FALSE(store.remove_all(url("")));
}

TEST_F(LocalObjectsTest, RefusesNamesThatLeaveTheBucket) {
  for (const char* key : {"", "../x", "a/../x", "./x", "a//b", "/a", "a\nb", "\xff", ".tarn.object", "a/.tarn.marker"})
    EXPECT_EQ(store.put(url(key), "x").error().code, Errc::invalid_name) << key;
  EXPECT_FALSE(store.put(url(std::string(256, 'a')), "x"));
  EXPECT_FALSE(store.create_bucket(".tarn"));
  EXPECT_FALSE(store.create_bucket("A"));
  EXPECT_FALSE(Url::parse("s3:///x"));
  EXPECT_FALSE(Url::parse("file:///etc/passwd"));
  EXPECT_FALSE(Url::parse("s3://root/a/../b"));
  EXPECT_EQ(Url::parse("s3a://root/a/b/")->text(), "s3://root/a/b/");
  EXPECT_EQ(Url::parse("s3://root")->key, "");
}

TEST_F(LocalObjectsTest, AGrantCoversAPathAndNotItsNamesakes) {
  const auto grant = *Url::parse("s3://root/t/a");
  EXPECT_TRUE(covers(grant, "root", "t/a/x"));
  EXPECT_TRUE(covers(grant, "root", "t/a"));
  EXPECT_FALSE(covers(grant, "root", "t/ab"));
  EXPECT_FALSE(covers(grant, "other", "t/a/x"));
  EXPECT_TRUE(covers_listing(grant, "root", "t/a/"));
  EXPECT_FALSE(covers_listing(grant, "root", "t/a"));
  EXPECT_FALSE(covers_listing(grant, "root", ""));
  EXPECT_TRUE(covers_listing(*Url::parse("s3://root/"), "root", ""));
}

TEST_F(LocalObjectsTest, PutsPartsTogetherInOrder) {
  const auto id = store.start_upload(url("big"), {.content_type = "text/plain"});
  ASSERT_TRUE(id);
  EXPECT_FALSE(store.upload(url("other"), *id));
  EXPECT_FALSE(store.upload(url("big"), "../../x"));
  const auto up = *store.upload(url("big"), *id);
  auto part = [&](int n, std::string text, std::string etag) {
    auto s = *store.stage();
    EXPECT_TRUE(write_all(s.fd(), text));
    EXPECT_TRUE(store.put_part(up, n, std::move(s), {.etag = etag}));
  };
  part(2, "world", "\"b\"");
  part(1, "wrong", "\"x\"");
  part(1, "hello ", "\"a\"");
  EXPECT_EQ(keys(), V{});
  EXPECT_EQ(store.uploads("root", "b").size(), 1u);
  const auto parts = *store.parts(up);
  ASSERT_EQ(parts.size(), 2u);
  EXPECT_EQ(parts[0].etag, "\"a\"");
  auto whole = store.assemble(up, parts);
  ASSERT_TRUE(whole);
  ASSERT_TRUE(store.publish(*std::move(whole), url("big"), up.meta));
  store.end_upload(up);
  EXPECT_EQ(*store.get(url("big")), "hello world");
  EXPECT_FALSE(store.upload(url("big"), *id));
  EXPECT_EQ(store.find(url("big"))->meta.content_type, "text/plain");
}

}  // namespace
}  // namespace tarn::objects
