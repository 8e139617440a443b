#include "init_scripts/scripts.h"

#include "base/crypto.h"
#include "identity/testing.h"
#include "init_scripts/routes.h"
#include "store/store_for_tests.h"

namespace tarn::init_scripts {
namespace {

using enum api::Method;
using identity::testing::Answer;

struct InitScriptsTest : ::testing::Test {
  FakeClock clock;
  std::unique_ptr<store::Store> store = store::store_for_tests(clock);
  identity::testing::FakeDirectory directory;
  Scripts scripts{*store, clock};
  api::Router router;
  InitScriptsTest() {
    router.add(routes(scripts));
    directory.add(identity::Kind::user, "root");
    directory.add(identity::Kind::user, "ann");
    directory.make_admin("root");
  }
  Answer call(api::Method m, const std::string& path = "", const std::string& body = "", const std::string& who = "root",
              std::int64_t workspace = 1) {
    return identity::testing::call(router, m, "/api/2.0/global-init-scripts" + path, directory.as(who, workspace), body);
  }
  static std::string body(const std::string& name, const std::string& more = "") {
    return R"({"name":")" + name + R"(","script":")" + crypto::base64("echo " + name) + "\"" + more + "}";
  }
  std::string add(const std::string& name, const std::string& more = "") { return call(POST, "", body(name, more)).at("script_id"); }
  std::string order() {
    std::string out;
    std::int64_t expected = 0;
    for (const auto& s : scripts.list(directory.as("root"))) {
      EXPECT_EQ(s.position, expected++);
      out += s.name;
    }
    return out;
  }
};

TEST_F(InitScriptsTest, AScriptIsMadeShownChangedAndDeleted) {
  const auto id = add("a", R"(,"enabled":true)");
  const auto s = call(GET, "/" + id);
  EXPECT_EQ(s.at("script"), crypto::base64("echo a"));
  EXPECT_EQ(s.at("created_by"), "root");
  EXPECT_EQ(call(GET).text.find("\"script\""), std::string::npos) << "the list has no contents";
  clock.advance(5);
  EXPECT_EQ(call(PATCH, "/" + id, body("b")).status, 200);
  EXPECT_EQ(call(GET, "/" + id).at("name"), "b");
  EXPECT_EQ(call(GET, "/" + id).at("enabled"), "true") << "what is left out stays";
  EXPECT_EQ(call(DELETE, "/" + id).status, 200);
  EXPECT_EQ(call(GET, "/" + id).status, 404);
  EXPECT_EQ(call(DELETE, "/" + id).status, 404);
  EXPECT_EQ(call(PATCH, "/" + id, body("b")).status, 404);
}

TEST_F(InitScriptsTest, PositionsHaveNoGaps) {
  add("a"), add("b"), add("c");
  EXPECT_EQ(order(), "abc");
  const auto d = add("d", R"(,"position":1)");
  EXPECT_EQ(order(), "adbc");
  const auto e = add("e", R"(,"position":10000)");
  EXPECT_EQ(order(), "adbce");
  call(PATCH, "/" + e, body("e", R"(,"position":0)"));
  EXPECT_EQ(order(), "eadbc");
  call(PATCH, "/" + e, body("e", R"(,"position":2)"));
  EXPECT_EQ(order(), "adebc");
  call(DELETE, "/" + d);
  EXPECT_EQ(order(), "aebc");
}

TEST_F(InitScriptsTest, OnlyEnabledOnesRunInOrder) {
  add("a", R"(,"enabled":true)"), add("b"), add("c", R"(,"enabled":true,"position":0)");
  const auto run = scripts.to_run(1);
  ASSERT_EQ(run.size(), 2u);
  EXPECT_EQ(run[0], (std::pair<std::string, std::string>{"c", "echo c"}));
  EXPECT_EQ(run[1].first, "a");
  EXPECT_TRUE(scripts.to_run(2).empty()) << "each workspace has its own";
}

TEST_F(InitScriptsTest, OnlyAdministratorsReachThem) {
  EXPECT_EQ(call(GET, "", "", "ann").status, 403);
  EXPECT_EQ(call(POST, "", body("x"), "ann").status, 403);
}

TEST_F(InitScriptsTest, MalformedRequestsNameTheField) {
  EXPECT_NE(call(POST, "", "{}").message().find("name"), std::string::npos);
  EXPECT_NE(call(POST, "", R"({"name":"a/b","script":"ZQ=="})").message().find("name"), std::string::npos);
  EXPECT_NE(call(POST, "", R"({"name":"a","script":"%"})").message().find("script"), std::string::npos);
  EXPECT_NE(call(POST, "", R"({"name":"a","script":""})").message().find("script"), std::string::npos);
  EXPECT_NE(call(POST, "", body("a", R"(,"position":-1)")).message().find("position"), std::string::npos);
  EXPECT_EQ(call(POST, "", R"({"name":"a","script":")" + crypto::base64(std::string(Scripts::kMostBytes + 1, 'x')) + "\"}").status, 400);
}

}  // namespace
}  // namespace tarn::init_scripts
