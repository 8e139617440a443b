#pragma once
// For the tests of rooms whose objects live in a workspace's tree: people, object permissions, storage in a scratch folder.
#include <filesystem>

#include "access/testing.h"
#include "base/ids.h"
#include "identity/testing.h"
#include "objects/local_objects.h"
#include "store/store_for_tests.h"
#include "workspace/tree.h"

namespace tarn::workspace::testing {

/// A tree over a scratch folder, with ann, bob and an administrator.
struct TreeTest : ::testing::Test {
  static constexpr const char *kAnn = "ann@acme.example", *kBob = "bob@acme.example", *kRoot = "root@acme.example";
  FakeClock clock;
  std::unique_ptr<store::Store> store = store::store_for_tests(clock);
  identity::testing::FakeDirectory directory;
  access::testing::FakePermissions permissions;
  struct Scratch {
    std::string path = (std::filesystem::temp_directory_path() / ("tarn-tree-" + new_hex(8))).string();
    Scratch() { std::filesystem::create_directories(path); }
    ~Scratch() { std::filesystem::remove_all(path); }
  } scratch;
  objects::LocalObjects objects{scratch.path + "/objects"};
  Content content{objects, [](std::int64_t) { return std::optional<std::string>("root-bucket"); }};
  Tree tree{*store, permissions, directory, content, clock};
  api::Router router;

  TreeTest() {
    EXPECT_TRUE(objects.create_bucket("root-bucket"));
    for (const auto* name : {kAnn, kBob, kRoot}) directory.add(identity::Kind::user, name);
    directory.add(identity::Kind::group, "engineers");
    directory.make_admin(kRoot);
  }
  using Answer = identity::testing::Answer;
  Answer call(api::Method m, const std::string& path, const std::string& body = "", const std::string& who = kAnn,
              std::map<std::string, std::string> headers = {}) {
    return identity::testing::call(router, m, "/api/2.0/" + path, directory.as(who), body, std::move(headers));
  }
  void grant(const std::string& type, const std::string& id, const std::string& principal, const std::string& level) {
    permissions.grant(1, {type, id}, principal, level);
  }
  /// Objects in storage, whoever owns them.
  std::size_t stored(const std::string& prefix = "") { return objects.list("root-bucket", prefix, "", 10000)->objects.size(); }
};

}  // namespace tarn::workspace::testing
