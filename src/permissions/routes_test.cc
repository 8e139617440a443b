#include <gmock/gmock.h>

#include "permissions/testing.h"

namespace tarn::permissions {
namespace {

using api::Method;
using ::testing::HasSubstr;
using testing::kLanding;
using testing::PermissionsTest;

TEST_F(PermissionsTest, RoutesAnswerAsClientsExpect) {
  make(kLanding, {"sql/warehouses", "w"}, ana);
  const std::string long_form = "/api/2.0/permissions/sql/warehouses/w", short_form = "/api/2.0/permissions/warehouses/w";
  for (const auto& path : {long_form, short_form, std::string("/api/2.0/preview/permissions/warehouses/w")}) {
    const auto answer = call(Method::GET, path, ana, kLanding);
    EXPECT_EQ(answer.status, 200) << answer.text;
    EXPECT_EQ(answer.at("object_id"), "/sql/warehouses/w");
    EXPECT_EQ(answer.at("object_type"), "warehouses");
    const auto levels = call(Method::GET, path + "/permissionLevels", ana, kLanding);
    EXPECT_EQ(levels.status, 200);
    EXPECT_THAT(levels.text, HasSubstr(R"({"permission_levels":[{"permission_level":"CAN_VIEW","description":"view"})"));
  }
  EXPECT_EQ(call(Method::PUT, long_form, ana, kLanding, R"({"access_control_list":[{"group_name":"users","permission_level":"CAN_USE"}]})").status,
            200);
  EXPECT_THAT(
      call(Method::PATCH, short_form, ana, kLanding, R"({"access_control_list":[{"user_name":"bob@acme.example","permission_level":"CAN_MANAGE"}]})")
          .text,
      HasSubstr("bob@acme.example"));
  EXPECT_TRUE(service.allows(as(eve, kLanding), {"warehouses", "w"}, "CAN_USE"));
}

TEST_F(PermissionsTest, RoutesRefuseWithTheVendorsCodes) {
  make(kLanding, {"clusters", "c"}, ana);
  const auto error = [&](Method m, const std::string& path, std::int64_t who, const std::string& body = "") {
    const auto a = call(m, "/api/2.0/permissions/" + path, who, kLanding, body);
    return std::to_string(a.status) + " " + a.at("error_code");
  };
  EXPECT_EQ(error(Method::GET, "clusters/c", eve), "403 PERMISSION_DENIED");
  EXPECT_EQ(error(Method::GET, "clusters/d", ana), "404 RESOURCE_DOES_NOT_EXIST");
  EXPECT_EQ(error(Method::GET, "dreams/d", ana), "400 INVALID_PARAMETER_VALUE");
  EXPECT_EQ(error(Method::GET, "authorization/passwords", admin), "404 FEATURE_DISABLED");
  EXPECT_EQ(error(Method::PUT, "clusters/c", ana, R"({"access_control_list":{}})"), "400 INVALID_PARAMETER_VALUE");
  EXPECT_EQ(error(Method::PUT, "clusters/c", ana, "{"), "400 MALFORMED_REQUEST");
  EXPECT_EQ(error(Method::PATCH, "clusters/c", ana, R"({"access_control_list":[{"group_name":"ghosts","permission_level":"CAN_MANAGE"}]})"),
            "404 RESOURCE_DOES_NOT_EXIST");
  EXPECT_EQ(error(Method::PATCH, "clusters/c", ana, R"({"access_control_list":[{"group_name":"users","permission_level":"CAN_FLY"}]})"),
            "400 INVALID_PARAMETER_VALUE");
  EXPECT_EQ(call(Method::GET, "/api/2.0/permissions/clusters/c", 0, kLanding).status, 401);
}

}  // namespace
}  // namespace tarn::permissions
