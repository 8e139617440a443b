#include "permissions/service.h"

#include <gmock/gmock.h>

#include "permissions/testing.h"

namespace tarn::permissions {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::kLanding;
using testing::kPipeline;
using testing::PermissionsTest;

TEST_F(PermissionsTest, MakerOwnsAndAdminsInheritAndNobodyElseMayAnything) {
  make(kLanding, {"jobs", "7"}, ana);
  EXPECT_TRUE(service.allows(as(ana, kLanding), {"jobs", "7"}, "IS_OWNER"));
  EXPECT_TRUE(service.allows(as(ana, kLanding), {"jobs", "7"}, "CAN_VIEW"));
  EXPECT_TRUE(service.allows(as(admin, kLanding), {"jobs", "7"}, "CAN_MANAGE"));
  EXPECT_FALSE(service.allows(as(bob, kLanding), {"jobs", "7"}, "CAN_VIEW"));
  EXPECT_EQ(service.level_of(as(bob, kLanding), {"jobs", "7"}), "");
  EXPECT_EQ(service.level_of(as(ana, kLanding), {"jobs", "7"}), "IS_OWNER");
  EXPECT_EQ(service.owner_of(kLanding, {"jobs", "7"}), "ana@acme.example");
  EXPECT_FALSE(service.allows(as(ana, kPipeline), {"jobs", "7"}, "CAN_VIEW"));  // another workspace's job 7
  EXPECT_FALSE(service.allows(as(admin, kLanding), {"jobs", "7"}, "CAN_RESTART"));
  EXPECT_FALSE(service.allows(as(admin, kLanding), {"dreams", "7"}, "CAN_VIEW"));

  const auto list = service.get(as(ana, kLanding), "jobs", "7");
  ASSERT_TRUE(list) << list.error().message;
  EXPECT_EQ(json::encode_text(*list),
            R"({"object_id":"/jobs/7","object_type":"job","access_control_list":[{"user_name":"ana@acme.example","display_name":"ana@acme.example",)"
            R"("all_permissions":[{"permission_level":"IS_OWNER","inherited":false}]},{"group_name":"admins","all_permissions":[)"
            R"({"permission_level":"CAN_MANAGE","inherited":true,"inherited_from_object":["/jobs/"]}]}]})");
}

TEST_F(PermissionsTest, ListOfAJobIsItsManagersAlone) {
  make(kLanding, {"jobs", "7"}, ana);
  const auto refused = service.get(as(bob, kLanding), "jobs", "7");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::permission_denied);
  EXPECT_EQ(refused.error().message,
            "bob@acme.example does not have Manage permissions on Job with ID: ElasticJobId(7). Please contact the owner or an administrator for "
            "access.");
  EXPECT_EQ(code(set(bob, "jobs", "7", {user("bob@acme.example", "CAN_MANAGE")}, Change::add)), Errc::permission_denied);
  EXPECT_EQ(code(service.levels(as(bob, kLanding), "jobs", "7")), Errc::permission_denied);
  const auto denied = audit("changeJobAcl");
  ASSERT_EQ(denied.size(), 1u);
  EXPECT_EQ(denied[0].event.outcome, store::Outcome::denied);
  EXPECT_EQ(code(service.get(as(admin, kLanding), "jobs", "8")), Errc::not_found);
  EXPECT_EQ(service.get(as(admin, kLanding), "jobs", "8").error().message, "Job 8 does not exist.");
  EXPECT_EQ(code(service.get(as(admin, kLanding), "genie", "8")), Errc::not_enabled);
  EXPECT_EQ(code(service.get(as(admin, kLanding), "dreams", "8")), Errc::unknown_type);
}

TEST_F(PermissionsTest, JobHasExactlyOneOwnerWhoIsNoGroup) {
  make(kLanding, {"jobs", "7"}, ana);
  EXPECT_EQ(set(ana, "jobs", "7", {group("engineers", "CAN_VIEW")}).error().message, "The job must have exactly one owner.");
  EXPECT_EQ(set(ana, "jobs", "7", {user("ana@acme.example", "IS_OWNER"), user("bob@acme.example", "IS_OWNER")}).error().message,
            "The job must have exactly one owner.");
  EXPECT_EQ(set(ana, "jobs", "7", {user("bob@acme.example", "IS_OWNER")}, Change::add).error().message, "The job must have exactly one owner.");
  EXPECT_EQ(set(ana, "jobs", "7", {user("ana@acme.example", "CAN_VIEW")}, Change::add).error().message, "The job must have exactly one owner.");
  EXPECT_EQ(code(set(admin, "jobs", "7", {group("engineers", "IS_OWNER")})), Errc::invalid);
  // Only administrators hand a job on.
  EXPECT_EQ(code(set(ana, "jobs", "7", {user("bob@acme.example", "IS_OWNER")})), Errc::permission_denied);
  ASSERT_TRUE(set(admin, "jobs", "7", {user("bob@acme.example", "IS_OWNER"), user("ana@acme.example", "CAN_VIEW")}));
  EXPECT_EQ(service.owner_of(kLanding, {"jobs", "7"}), "bob@acme.example");
  EXPECT_EQ(service.level_of(as(ana, kLanding), {"jobs", "7"}), "CAN_VIEW");
  ASSERT_TRUE(set(bob, "jobs", "7", {user("bob@acme.example", "IS_OWNER"), group("engineers", "CAN_MANAGE_RUN")}));
  EXPECT_EQ(service.level_of(as(ana, kLanding), {"jobs", "7"}), "CAN_MANAGE_RUN");  // through engineers
}

TEST_F(PermissionsTest, PutReplacesAndPatchAddsAndGroupsCount) {
  make(kLanding, {"clusters", "c"}, ana);
  ASSERT_TRUE(set(ana, "clusters", "c", {group("engineers", "CAN_RESTART"), user("ana@acme.example", "CAN_MANAGE")}));
  EXPECT_FALSE(service.allows(as(bob, kLanding), {"clusters", "c"}, "CAN_ATTACH_TO"));
  put(engineers, bob);  // a new member holds it with the next request
  EXPECT_TRUE(service.allows(as(bob, kLanding), {"clusters", "c"}, "CAN_RESTART"));
  EXPECT_FALSE(service.allows(as(bob, kLanding), {"clusters", "c"}, "CAN_MANAGE"));
  ASSERT_TRUE(set(ana, "clusters", "c", {group("users", "CAN_ATTACH_TO")}, Change::add));
  EXPECT_TRUE(service.allows(as(eve, kLanding), {"clusters", "c"}, "CAN_ATTACH_TO"));
  ASSERT_TRUE(set(ana, "clusters", "c", {user("ana@acme.example", "CAN_MANAGE")}));
  EXPECT_EQ(service.level_of(as(bob, kLanding), {"clusters", "c"}), "");
  EXPECT_EQ(service.level_of(as(eve, kLanding), {"clusters", "c"}), "");
  const auto events = audit("changeClusterAcl");
  ASSERT_EQ(events.size(), 3u);
  EXPECT_EQ(events[0].event.params.at("aclPermissionSet"), "engineers:CAN_RESTART, ana@acme.example:CAN_MANAGE");
  EXPECT_EQ(events[0].event.params.at("resourceId"), "/clusters/c");
}

TEST_F(PermissionsTest, RenamedGroupKeepsItsRightsAndADeletedOneIsGone) {
  make(kLanding, {"clusters", "c"}, ana);
  const auto local = group_of(kLanding, "night-shift", {bob});
  ASSERT_TRUE(set(ana, "clusters", "c", {group("night-shift", "CAN_RESTART"), group("engineers", "CAN_RESTART")}, Change::add));
  EXPECT_TRUE(service.allows(as(bob, kLanding), {"clusters", "c"}, "CAN_RESTART"));
  EXPECT_TRUE(service.allows(as(ana, kLanding), {"clusters", "c"}, "CAN_RESTART"));
  rename(local, "day-shift");
  EXPECT_TRUE(service.allows(as(bob, kLanding), {"clusters", "c"}, "CAN_RESTART"));
  EXPECT_THAT(json::encode_text(*service.get(as(ana, kLanding), "clusters", "c")), HasSubstr("day-shift"));
  erase(local);
  EXPECT_FALSE(service.allows(as(bob, kLanding), {"clusters", "c"}, "CAN_RESTART"));
  EXPECT_THAT(json::encode_text(*service.get(as(ana, kLanding), "clusters", "c")), ::testing::Not(HasSubstr("day-shift")));
}

TEST_F(PermissionsTest, NamesMustBePrincipalsOfThisWorkspace) {
  make(kLanding, {"clusters", "c"}, ana);
  const auto text = [&](AccessRequest line) { return set(ana, "clusters", "c", {std::move(line)}, Change::add).error().message; };
  EXPECT_EQ(text(user("nobody@acme.example", "CAN_RESTART")), "Principal: UserName(nobody@acme.example) does not exist");
  EXPECT_EQ(text(group("nobody", "CAN_RESTART")), "Principal: GroupName(nobody) does not exist");
  EXPECT_EQ(text(group("account users", "CAN_RESTART")), "Principal: GroupName(account users) does not exist");
  EXPECT_EQ(text(group("strangers", "CAN_RESTART")), "Principal: GroupName(strangers) does not exist");  // of the account, not assigned here
  EXPECT_EQ(text(user("stranger@acme.example", "CAN_RESTART")), "Principal: UserName(stranger@acme.example) does not exist");
  EXPECT_EQ(text({.service_principal_name = "ana@acme.example", .permission_level = "CAN_RESTART"}),
            "Principal: ServicePrincipalName(ana@acme.example) does not exist");
  EXPECT_EQ(code(set(ana, "clusters", "c", {user("nobody@acme.example", "CAN_RESTART")}, Change::add)), Errc::principal_not_found);
  EXPECT_THAT(text(user("bob@acme.example", "CAN_VIEW")), HasSubstr("CAN_ATTACH_TO, CAN_RESTART, CAN_MANAGE for cluster; got 'CAN_VIEW'"));
  EXPECT_THAT(text({.user_name = "bob@acme.example", .group_name = "engineers", .permission_level = "CAN_RESTART"}), HasSubstr("exactly one of"));
  EXPECT_THAT(text({.user_name = "bob@acme.example"}), HasSubstr("'access_control_list.permission_level' is required"));
  // The provider sends the caller's own name as user_name, whatever it is.
  ASSERT_TRUE(set(ana, "clusters", "c", {user(name_of(robot), "CAN_RESTART"), user("BOB@acme.example", "CAN_RESTART")}, Change::add));
  EXPECT_TRUE(service.allows(as(robot, kLanding), {"clusters", "c"}, "CAN_RESTART"));
  EXPECT_THAT(json::encode_text(*service.get(as(ana, kLanding), "clusters", "c")), HasSubstr("\"service_principal_name\":\"" + name_of(robot)));
}

TEST_F(PermissionsTest, WarehouseKeepsItsOwnerAndItsLevelsAreNotAllInOneLine) {
  make(kLanding, {"sql/warehouses", "w"}, ana);
  // By either spelling of the type; the caller twice, as the provider sends it.
  ASSERT_TRUE(set(admin, "warehouses", "w", {group("engineers", "CAN_USE"), user("bob@acme.example", "CAN_VIEW")}));
  EXPECT_EQ(service.owner_of(kLanding, {"warehouses", "w"}), "ana@acme.example");
  EXPECT_TRUE(service.allows(as(bob, kLanding), {"warehouses", "w"}, "CAN_VIEW"));
  EXPECT_FALSE(service.allows(as(bob, kLanding), {"warehouses", "w"}, "CAN_USE"));
  put(engineers, eve);
  EXPECT_TRUE(service.allows(as(eve, kLanding), {"warehouses", "w"}, "CAN_USE"));
  EXPECT_FALSE(service.allows(as(eve, kLanding), {"warehouses", "w"}, "CAN_VIEW"));
  const auto twice = set(ana, "sql/warehouses", "w", {user("bob@acme.example", "CAN_MANAGE"), user("bob@acme.example", "IS_OWNER")});
  ASSERT_TRUE(twice) << twice.error().message;
  EXPECT_EQ(service.owner_of(kLanding, {"warehouses", "w"}), "bob@acme.example");
  EXPECT_EQ(service.level_of(as(ana, kLanding), {"warehouses", "w"}), "");
  EXPECT_EQ(twice->object_id, "/sql/warehouses/w");
  ASSERT_TRUE(set(bob, "warehouses", "w", {user("ana@acme.example", "IS_OWNER")}, Change::add));
  EXPECT_EQ(service.owner_of(kLanding, {"warehouses", "w"}), "ana@acme.example");
  EXPECT_EQ(service.level_of(as(bob, kLanding), {"warehouses", "w"}), "");
  erase(ana);
  EXPECT_EQ(set(admin, "warehouses", "w", {group("engineers", "CAN_USE")}).error().message,
            "PUT requests for warehouse w with no existing owner must provide a new owner.");
  EXPECT_TRUE(set(admin, "warehouses", "w", {group("engineers", "CAN_USE")}, Change::add));
  EXPECT_EQ(code(set(admin, "warehouses", "w", {user("eve@acme.example", "IS_OWNER")})), Errc::invalid);  // refuse_owner
}

TEST_F(PermissionsTest, FolderGivesToWhatIsBelowAndTheRootKeepsItsAdmins) {
  make(kLanding, {"directories", "20"}, ana);
  make(kLanding, {"notebooks", "21"}, bob);
  ASSERT_TRUE(set(ana, "directories", "20", {group("engineers", "CAN_RUN")}, Change::add));
  ASSERT_TRUE(set(admin, "directories", "0", {group("users", "CAN_READ")}, Change::add));
  EXPECT_TRUE(service.allows(as(ana, kLanding), {"notebooks", "21"}, "CAN_MANAGE"));
  EXPECT_TRUE(service.allows(as(eve, kLanding), {"notebooks", "21"}, "CAN_READ"));
  EXPECT_FALSE(service.allows(as(eve, kLanding), {"notebooks", "21"}, "CAN_RUN"));
  // An experiment has no CAN_RUN: what CAN_RUN implies there is reading.
  EXPECT_EQ(service.level_of(as(carl, kLanding), {"experiments", "22"}), "CAN_READ");
  EXPECT_EQ(service.level_of(as(carl, kLanding), {"notebooks", "21"}), "CAN_RUN");
  const auto list = service.get(as(ana, kLanding), "notebooks", "21");
  ASSERT_TRUE(list);
  EXPECT_EQ(
      json::encode_text(*list),
      R"({"object_id":"/notebooks/21","object_type":"notebook","access_control_list":[)"
      R"({"user_name":"bob@acme.example","display_name":"bob@acme.example","all_permissions":[{"permission_level":"CAN_MANAGE","inherited":false}]},)"
      R"({"user_name":"ana@acme.example","display_name":"ana@acme.example","all_permissions":[{"permission_level":"CAN_MANAGE","inherited":true,"inherited_from_object":["/directories/20"]}]},)"
      R"({"group_name":"engineers","all_permissions":[{"permission_level":"CAN_RUN","inherited":true,"inherited_from_object":["/directories/20"]}]},)"
      R"({"group_name":"admins","all_permissions":[{"permission_level":"CAN_MANAGE","inherited":true,"inherited_from_object":["/directories/"]}]},)"
      R"({"group_name":"users","all_permissions":[{"permission_level":"CAN_READ","inherited":true,"inherited_from_object":["/directories/"]}]}]})");
  EXPECT_EQ(set(admin, "directories", "0", {group("users", "CAN_READ")}).error().message, "Cannot remove admins's CAN_MANAGE permission on 0");
  ASSERT_TRUE(set(admin, "directories", "0", {group("admins", "CAN_MANAGE")}));
  EXPECT_EQ(
      json::encode_text(*service.get(as(admin, kLanding), "directories", "0")),
      R"({"object_id":"/directories/0","object_type":"directory","access_control_list":[{"group_name":"admins","all_permissions":[{"permission_level":"CAN_MANAGE","inherited":false}]}]})");
  EXPECT_FALSE(service.allows(as(eve, kLanding), {"notebooks", "21"}, "CAN_READ"));
}

TEST_F(PermissionsTest, TokensStartWithUsersAndAdminsStay) {
  EXPECT_TRUE(service.allows(as(eve, kLanding), {"authorization", "tokens"}, "CAN_USE"));
  const auto first = set(admin, "authorization", "tokens", {group("engineers", "CAN_USE")}, Change::add);
  ASSERT_TRUE(first);
  EXPECT_EQ(first->object_id, "/authorization/tokens");
  EXPECT_EQ(first->access_control_list.size(), 3u);
  EXPECT_EQ(set(admin, "authorization", "tokens", {group("engineers", "CAN_USE")}).error().message,
            "Cannot change permissions for group 'admins' to None.");
  ASSERT_TRUE(set(admin, "authorization", "tokens", {group("engineers", "CAN_USE"), group("admins", "CAN_MANAGE")}));
  EXPECT_FALSE(service.allows(as(eve, kLanding), {"authorization", "tokens"}, "CAN_USE"));
  EXPECT_EQ(code(service.get(as(admin, kLanding), "authorization", "passwords")), Errc::not_enabled);
  EXPECT_EQ(code(service.get(as(admin, kLanding), "authorization", "else")), Errc::not_found);
}

TEST_F(PermissionsTest, PolicyIsManagedByAdministratorsAlone) {
  make(kLanding, {"cluster-policies", "p"}, admin);
  ASSERT_TRUE(set(admin, "cluster-policies", "p", {user("ana@acme.example", "CAN_USE")}));
  EXPECT_TRUE(service.allows(as(ana, kLanding), {"cluster-policies", "p"}, "CAN_USE"));
  EXPECT_EQ(code(set(ana, "cluster-policies", "p", {user("bob@acme.example", "CAN_USE")}, Change::add)), Errc::permission_denied);
  EXPECT_EQ(service.levels(as(ana, kLanding), "cluster-policies", "p")->size(), 1u);
  EXPECT_EQ(set(admin, "clusters-policies", "p", {}).error().code, Errc::unknown_type);
}

TEST_F(PermissionsTest, RemovedObjectTakesItsListAlong) {
  make(kLanding, {"clusters", "c"}, ana);
  store->write({}, [&](store::WriteTxn& t) { return service.on_deleted(t, kLanding, {"clusters", "c"}), true; });
  EXPECT_FALSE(service.allows(as(ana, kLanding), {"clusters", "c"}, "CAN_ATTACH_TO"));  // an object of that id without a list
  EXPECT_TRUE(service.allows(as(admin, kLanding), {"clusters", "c"}, "CAN_ATTACH_TO"));
}

TEST_F(PermissionsTest, ADeletedWorkspaceTakesItsListsAlong) {
  make(kLanding, {"clusters", "c"}, ana);
  make(kPipeline, {"clusters", "c"}, ana);
  store->write({}, [&](store::WriteTxn& t) { return service.on_workspace_deleted(t, kLanding), true; });
  EXPECT_FALSE(service.allows(as(ana, kLanding), {"clusters", "c"}, "CAN_ATTACH_TO"));
  EXPECT_TRUE(service.allows(as(ana, kPipeline), {"clusters", "c"}, "CAN_ATTACH_TO"));
}

}  // namespace
}  // namespace tarn::permissions
