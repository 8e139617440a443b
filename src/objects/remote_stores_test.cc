// Routing, the engine's copies and the token service, against the S3 endpoint in a process of its own.
#include "objects/remote_stores.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include "objects/local_objects.h"
#include "objects/mirror.h"
#include "objects/s3_test_client.h"

namespace tarn::objects {
namespace {

namespace fs = std::filesystem;

struct RemoteStoresTest : testing::Test {
  RemoteStoresTest() {
    std::string t = (fs::temp_directory_path() / "stores-XXXXXX").string();
    folder = ::mkdtemp(t.data());
    give_keys("s3://root-bucket/");
    config_file = folder + "/objects.json";
    write(config_file, config("[\"root-*\"]"));
  }
  ~RemoteStoresTest() override { fs::remove_all(folder); }

  static void write(const std::string& path, const std::string& text) { std::ofstream(path, std::ios::trunc) << text; }
  std::string config(const std::string& buckets, const std::string& more = "") const {
    return R"({"stores": [{"name": "far", "endpoint": ")" + server.endpoint + R"(/", "region": "us-east-1", "sts_endpoint": ")" + server.endpoint +
           R"(", "role_arn": "arn:aws:iam::123456789012:role/far", "credentials_file": ")" + folder + R"(/keys", "buckets": )" + buckets + "}]" +
           more + "}";
  }
  void give_keys(const std::string& prefix, const std::string& access = "read_write") {
    const auto o = server.options(prefix, access);
    write(folder + "/keys", "# made by a test\n[other]\naws_access_key_id = no\n\n[default]\naws_access_key_id = " + o.access_key_id +
                                "\naws_secret_access_key=" + o.secret_access_key + "\naws_session_token = " + o.session_token + "\n");
  }
  RemoteStores stores(const std::string& buckets = "[\"root-*\"]") {
    write(config_file, config(buckets));
    auto read = read_remote_config(config_file);
    if (!read) throw std::runtime_error(read.error());
    return RemoteStores(*read, {"root-results"}, clock);
  }
  std::string refusal(const std::string& text) {
    write(config_file, text);
    auto read = read_remote_config(config_file);
    return read ? "accepted" : read.error();
  }
  Url url(std::string key) { return {"root-bucket", std::move(key)}; }

  SystemClock clock;
  S3TestServer server;
  std::string folder, config_file;
};

TEST_F(RemoteStoresTest, BucketsGoWhereTheFileSays) {
  const auto remote = stores();
  LocalObjects local(folder + "/local");
  RoutedObjects all(local, remote);
  EXPECT_TRUE(all.is_remote("root-bucket"));
  EXPECT_FALSE(all.is_remote("lake"));
  EXPECT_FALSE(all.is_remote("root-results")) << "the server's own bucket stays";
  EXPECT_TRUE(all.provide_bucket("lake"));
  EXPECT_TRUE(all.provide_bucket("root-bucket"));
  EXPECT_FALSE(all.provide_bucket("root-nothing")) << "a remote bucket is made by its owner";
  ASSERT_TRUE(all.put(url("t/a"), "far"));
  ASSERT_TRUE(all.put({"lake", "t/a"}, "near"));
  EXPECT_EQ(*all.get(url("t/a")), "far");
  EXPECT_EQ(*all.get({"lake", "t/a"}), "near");
  EXPECT_TRUE(fs::exists(folder + "/local/lake/t/a"));
  EXPECT_FALSE(fs::exists(folder + "/local/root-bucket"));
  EXPECT_FALSE(all.local_path(url("t/a")));
  ASSERT_TRUE(all.put(url("t/_delta_log/00000000000000000000.json"), "first"));
  EXPECT_EQ(all.put(url("t/_delta_log/00000000000000000000.json"), "second").error().code, Errc::already_exists);
}

TEST_F(RemoteStoresTest, AFileThatSaysTooLittleIsRefusedByField) {
  EXPECT_NE(refusal("{").find("--objects"), std::string::npos);
  EXPECT_NE(refusal(R"({"stores": [{"name": "x"}]})").find("stores[0].endpoint"), std::string::npos);
  EXPECT_NE(refusal(R"({"stores": [], "surprise": 1, "cache_bytes": 5})").find("cache_bytes"), std::string::npos);
  EXPECT_NE(refusal(config("[]")).find("stores[0].buckets"), std::string::npos);
  EXPECT_NE(refusal(config("[\"No_Bucket\"]")).find("No_Bucket"), std::string::npos);
  auto text = config("[\"root-*\"]");
  text.replace(text.find("http://"), 7, "gopher://");
  EXPECT_NE(refusal(text).find("stores[0].endpoint"), std::string::npos);
  fs::remove(folder + "/keys");
  EXPECT_NE(refusal(config("[\"root-*\"]")).find("credentials_file"), std::string::npos);
  EXPECT_NE(read_remote_config(folder + "/none").error().find("cannot be read"), std::string::npos);
}

TEST_F(RemoteStoresTest, KeysAreReadAgainWhenTheFileChanges) {
  SharedCredentials keys(folder + "/keys", "default");
  const auto first = keys.keys();
  ASSERT_TRUE(first);
  give_keys("s3://root-bucket/elsewhere/");
  EXPECT_NE(keys.keys()->access_key_id, first->access_key_id);
  fs::remove(folder + "/keys");
  EXPECT_TRUE(keys.keys()) << "while the file is being replaced the old keys hold";
  EXPECT_FALSE(SharedCredentials(folder + "/keys", "default").keys());
}

TEST_F(RemoteStoresTest, VendedCredentialsReachTheirPrefixOnly) {
  const auto remote = stores();
  LocalObjects local(folder + "/local");
  RoutedObjects all(local, remote);
  ASSERT_TRUE(all.put(url("t/one/a"), "mine"));
  ASSERT_TRUE(all.put(url("t/one-neighbour/a"), "not mine"));
  ASSERT_TRUE(all.put(url("t/one/_delta_log/00000000000000000000.json"), "commit"));
  const auto as = [&](const Credentials& c) {
    return std::make_unique<RemoteS3>(
        RemoteS3::Options{server.endpoint, "us-east-1", c.access_key_id, c.secret_access_key, c.session_token, "", 60, nullptr}, clock);
  };
  const auto c = remote.vend({.prefixes = {"s3://root-bucket/t/one/"}, .access = Access::read, .principal = "ann b"}, 3'600'000);
  ASSERT_TRUE(c) << c.error().message;
  EXPECT_GT(c->expires_at, clock.now());
  auto reader = as(*c);
  EXPECT_EQ(*reader->get(url("t/one/a")), "mine");
  EXPECT_EQ(reader->get(url("t/one-neighbour/a")).error().code, Errc::denied);
  EXPECT_EQ(reader->put(url("t/one/b"), "x").error().code, Errc::denied);
  EXPECT_EQ(reader->list("root-bucket", "t/one/", "", 10)->objects.size(), 2u);
  EXPECT_EQ(reader->list("root-bucket", "t/", "", 10).error().code, Errc::denied);
  const auto w = remote.vend({.prefixes = {"s3://root-bucket/t/one/"}, .access = Access::read_write, .principal = "ann"}, 3'600'000);
  ASSERT_TRUE(w) << w.error().message;
  auto writer = as(*w);
  EXPECT_TRUE(writer->put(url("t/one/b"), "x"));
  EXPECT_EQ(writer->put(url("t/one-neighbour/b"), "x").error().code, Errc::denied);
  EXPECT_EQ(writer->put(url("t/one/_delta_log/00000000000000000000.json"), "other").error().code, Errc::already_exists);
  EXPECT_FALSE(writer->remove(url("t/one/_delta_log/00000000000000000000.json")));

  // A platform that holds less cannot hand out more: its own keys bound what it vends.
  give_keys("s3://root-bucket/t/one/", "read");
  const auto less = remote.vend({.prefixes = {"s3://root-bucket/t/one/"}, .access = Access::read_write, .principal = "ann"}, 3'600'000);
  ASSERT_TRUE(less) << less.error().message;
  EXPECT_EQ(as(*less)->put(url("t/one/c"), "x").error().code, Errc::denied);
  const auto beyond = remote.vend({.prefixes = {"s3://root-bucket/t/"}, .access = Access::read, .principal = "ann"}, 3'600'000);
  ASSERT_FALSE(beyond);
  EXPECT_EQ(beyond.error().code, Errc::denied);
}

TEST_F(RemoteStoresTest, PresignedLinksWork) {
  const auto remote = stores();
  const auto* s3 = remote.store_of("root-bucket");
  ASSERT_TRUE(const_cast<RemoteS3*>(s3)->put(url("r/x y"), "content"));
  HttpClient http("");
  const auto link = s3->presign("GET", url("r/x y"), 60'000);
  ASSERT_TRUE(link);
  EXPECT_EQ(http.send({.method = "GET", .url = *link})->body, "content");
  auto other = *link;
  other.replace(other.find("x%20y"), 5, "x%20z");
  EXPECT_EQ(http.send({.method = "GET", .url = other})->status, 403);
}

TEST_F(RemoteStoresTest, SessionPoliciesSayTheScopeAndNothingElse) {
  const Scope scope{.prefixes = {"s3://lake/a*b/t/"}, .access = Access::read_write};
  const auto text = session_policy(scope);
  ASSERT_TRUE(text);
  const auto back = scope_of_policy(*text);
  ASSERT_TRUE(back) << back.error().message;
  EXPECT_EQ(back->prefixes, scope.prefixes);
  EXPECT_EQ(back->access, Access::read_write);
  EXPECT_NE(text->find(R"("Null":{"s3:if-none-match":"true"})"), std::string::npos) << "no writer replaces a commit, on AWS either";
  EXPECT_EQ(scope_of_policy(*session_policy({.prefixes = {"s3://lake/t/"}, .access = Access::read}))->access, Access::read);
  for (const char* bad : {"", "[]", R"({"Statement": []})", R"({"Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]})",
                          R"({"Statement": {"Effect": "Allow", "NotAction": "s3:GetObject", "Resource": "arn:aws:s3:::b/*"}})",
                          R"({"Statement": {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*/x"}})",
                          R"({"Statement": {"Effect": "Deny", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/x"}})",
                          R"({"Statement": {"Effect": "Allow", "Action": "s3:PutObject", "Resource": "arn:aws:s3:::b/x/*"}})"})
    EXPECT_FALSE(scope_of_policy(bad)) << bad;
}

TEST_F(RemoteStoresTest, TheEngineFindsCopiesAndTheLimitIsKept) {
  const auto remote = stores();
  LocalObjects local(folder + "/local");
  RoutedObjects all(local, remote);
  Mirror mirror(all, folder + "/mirror", 250'000);
  const std::string big(100'000, 'x');
  std::vector<ObjectStore::Wanted> wanted;
  for (int i = 0; i < 5; ++i) {
    const auto key = "t/part-" + std::to_string(i);
    ASSERT_TRUE(all.put(url(key), big + std::to_string(i)));
    wanted.push_back({url(key), big.size() + 1, ""});
  }
  const auto content = [&](int i) {
    std::ifstream in(*mirror.local_path(wanted[static_cast<std::size_t>(i)].url));
    return std::string(std::istreambuf_iterator<char>(in), {});
  };
  {
    auto held = mirror.hold(wanted);
    ASSERT_TRUE(held) << held.error().message;
    for (int i = 0; i < 5; ++i) EXPECT_EQ(content(i), big + std::to_string(i)) << "what a statement holds stays, whatever the limit";
    EXPECT_EQ(mirror.stats().fetched, 5u);
  }
  EXPECT_LE(mirror.stats().bytes, 250'000u);
  EXPECT_GE(mirror.stats().evicted, 3u);
  // The same file for many at once is fetched once.
  const auto before = mirror.stats().fetched;
  ASSERT_TRUE(mirror.hold({wanted[0]}));
  {
    std::vector<std::jthread> many;
    for (int i = 0; i < 8; ++i)
      many.emplace_back([&] {
        auto held = mirror.hold({wanted[0]});
        EXPECT_TRUE(held && *held);
      });
  }
  EXPECT_LE(mirror.stats().fetched, before + 1);
  EXPECT_EQ(mirror.hold({{url("t/none"), 5, ""}}).error().code, Errc::no_such_key);
  EXPECT_EQ(mirror.hold({{url("t/../../x"), 5, ""}}).error().code, Errc::invalid_name);
  // A file outside tables may change: another ETag is another content.
  ASSERT_TRUE(mirror.hold({{url("t/part-1"), big.size() + 1, "\"old\""}}));
  ASSERT_TRUE(all.put(url("t/part-1"), "new"));
  {
    auto held = mirror.hold({{url("t/part-1"), 3, "\"new\""}});
    ASSERT_TRUE(held);
    EXPECT_EQ(content(1), "new");
  }
  // What the engine wrote becomes the object, once.
  std::ofstream(*mirror.local_path(url("t/written"))) << "rows";
  ASSERT_TRUE(mirror.publish_file(url("t/written")));
  EXPECT_EQ(*all.get(url("t/written")), "rows");
  EXPECT_EQ(mirror.publish_file(url("t/written")).error().code, Errc::already_exists);
  ASSERT_TRUE(mirror.remove(url("t/written")));
  EXPECT_FALSE(all.head(url("t/written")));
  EXPECT_FALSE(fs::exists(*mirror.local_path(url("t/written"))));
}

}  // namespace
}  // namespace tarn::objects
