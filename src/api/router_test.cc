#include <gtest/gtest.h>

#include "api/api.h"

namespace tarn::api {
namespace {

Handler answer(std::string text) {
  return [text](const Request&) -> Result { return Reply{.body = text}; };
}

struct RouterTest : testing::Test {
  Router router;
  RouterTest() {
    router.add(Route{Method::GET, "/api/2.1/things/{name}", Surface::workspace, Auth::authenticated, "things", answer("one")});
    router.add(Route{Method::GET, "/api/2.1/things/special", Surface::workspace, Auth::authenticated, "things", answer("special")});
    router.add(Route{Method::GET, "/files/{path*}", Surface::both, Auth::authenticated, "files", answer("file")});
  }
};

TEST_F(RouterTest, LiteralsWinAndCapturesAreDecoded) {
  EXPECT_EQ(router.match(Method::GET, Surface::workspace, "/api/2.1/things/special").route->pattern, "/api/2.1/things/special");
  EXPECT_EQ(router.match(Method::GET, Surface::workspace, "/api/2.1/things/a%20b/").captures.at("name"), "a b");
  EXPECT_EQ(router.match(Method::GET, Surface::account, "/files/Volumes/a/b.txt").captures.at("path"), "Volumes/a/b.txt");
}

TEST_F(RouterTest, RefusesPathTricks) {
  EXPECT_EQ(router.match(Method::GET, Surface::workspace, "/api/2.1/things/%2e%2e").route, nullptr);
  EXPECT_EQ(router.match(Method::GET, Surface::workspace, "/api/2.1/things/%zz").route, nullptr);
  EXPECT_EQ(router.match(Method::GET, Surface::both, "/files/a/%2e%2e/b").route, nullptr);
  EXPECT_EQ(router.match(Method::GET, Surface::both, "/files/a//b").route, nullptr);
}

TEST_F(RouterTest, TellsAnUnknownPathFromAnUnknownMethod) {
  EXPECT_TRUE(router.match(Method::DELETE, Surface::workspace, "/api/2.1/things/x").path_known);
  EXPECT_FALSE(router.match(Method::GET, Surface::workspace, "/api/2.1/nothing").path_known);
  EXPECT_EQ(router.match(Method::GET, Surface::account, "/api/2.1/things/x").route, nullptr);
}

TEST_F(RouterTest, RefusesASecondRoomOnTheSameRoute) {
  EXPECT_THROW(router.add(Route{Method::GET, "/api/2.1/things/{other}", Surface::both, Auth::open, "x", answer("")}), std::logic_error);
}

TEST(Authorise, DeniesByDefault) {
  EXPECT_EQ(authorise(Auth::authenticated, std::nullopt)->status, 401);
  EXPECT_EQ(authorise(Auth::account_admin, access::Caller{.workspace_admin = true})->message,
            "This API is disabled for users without account admin status.");
  EXPECT_EQ(authorise(Auth::workspace_admin, access::Caller{})->status, 403);
  EXPECT_FALSE(authorise(Auth::account_admin, access::Caller{.account_admin = true}));
}

TEST(PageToken, IsRefusedByAnotherListing) {
  const auto token = page_token("catalogs", "zebra");
  EXPECT_EQ(*page_after("catalogs", token), "zebra");
  EXPECT_EQ(page_after("schemas", token).error().status, 400);
  EXPECT_EQ(page_after("catalogs", "%%%").error().status, 400);
}

}  // namespace
}  // namespace tarn::api
