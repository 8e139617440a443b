#include <gmock/gmock.h>

#include "catalog/testing.h"

namespace tarn::catalog::testing {
namespace {

using enum Privilege;
using enum SecurableType;

class Namespace : public CatalogTest {};

TEST_F(Namespace, SquatterTakesTheRegionUntilItIsDetachedAndDeletedByForce) {
  store->write(access::system_context().event("accounts", "createWorkspace"), [&](store::WriteTxn& t) {
    uc.metastores().on_workspace_running(t, 1, "landing", "us-east-1");
    uc.metastores().on_workspace_running(t, 2, "pipeline", "us-east-1");
    return true;
  });
  const auto all = uc.metastores().list(account(automation));
  ASSERT_EQ(all->size(), 1u);
  const auto squatter = all->front();
  EXPECT_EQ(squatter.owner, "System-User");
  EXPECT_FALSE(squatter.storage_root);
  EXPECT_EQ(squatter.name, "metastore_aws_us_east_1");
  EXPECT_EQ(uc.metastores().assignment(as(ana), 1)->metastore_id, squatter.metastore_id);
  refused(uc.metastores().create(account(automation), {.name = "main", .region = "us-east-1"}), Errc::limit_reached,
          "This account with id " + std::string(kAccount) + " has reached the limit for metastores in region us-east-1");
  // Its workspace catalog is bound to its workspace: users of that one see it, nobody else.
  EXPECT_THAT(*uc.catalogs(as(ana, 1)), ::testing::ElementsAre("landing"));
  EXPECT_THAT(*uc.catalogs(as(ana, 2)), ::testing::ElementsAre("pipeline"));
  refused(uc.schema_service().create(as(ana, 2), {.name = "x", .catalog_name = "landing"}), Errc::permission_denied,
          "Catalog 'landing' is not accessible in current workspace");
  refused(uc.metastores().remove(account(automation), squatter.metastore_id, false), Errc::not_empty);
  for (const std::int64_t w : {1, 2}) ok(uc.metastores().unassign(account(automation), w, squatter.metastore_id));
  refused(uc.metastores().remove(account(automation), squatter.metastore_id, false), Errc::not_empty);
  ok(uc.metastores().remove(account(automation), squatter.metastore_id, true));
  own_metastore();
  EXPECT_EQ(uc.metastores().summary(as(ana))->metastore_id, metastore_id);
  EXPECT_EQ(uc.metastores().summary(as(ana))->storage_root, "s3://meta/root/" + metastore_id);
}

TEST_F(Namespace, RegionWithAMetastoreOfYoursIsLeftAlone) {
  own_metastore();
  store->write(access::system_context().event("accounts", "createWorkspace"), [&](store::WriteTxn& t) {
    uc.metastores().on_workspace_running(t, 9, "late", "us-east-1");
    return true;
  });
  EXPECT_EQ(uc.metastores().list(account(automation))->size(), 1u);
  EXPECT_EQ(uc.metastores().workspaces(account(automation), metastore_id)->size(), 2u);
}

TEST_F(Namespace, ATableIsAtOnceReadableFromTheOtherWorkspaceWithAGrantAndOnlyThen) {
  own_catalog();
  refused(uc.table(as(ana, 2), {"main", "s", "t"}), Errc::permission_denied, "User does not have USE CATALOG on Catalog 'main'.");
  grant(CATALOG, "main", "ana@acme.test", {USE_CATALOG});
  refused(uc.table(as(ana, 2), {"main", "s", "t"}), Errc::permission_denied, "User does not have USE SCHEMA on Schema 'main.s'.");
  refused(uc.table(as(ana, 2), {"main", "s", "nothing"}), Errc::permission_denied, "User does not have USE SCHEMA on Schema 'main.s'.");
  grant(SCHEMA, "main.s", "ana@acme.test", {USE_SCHEMA});
  refused(uc.table(as(ana, 2), {"main", "s", "t"}), Errc::permission_denied, "User does not have SELECT on Table 'main.s.t'.");
  refused(uc.table(as(ana, 2), {"main", "s", "nothing"}), Errc::not_found, "Table 'main.s.nothing' does not exist.");
  grant(TABLE, "main.s.t", "ana@acme.test", {SELECT});
  const auto t = uc.table(as(ana, 2), {"MAIN", "S", "T"});
  ASSERT_TRUE(t);
  EXPECT_EQ(t->full_name, "main.s.t");
  EXPECT_TRUE(t->storage_location->starts_with("s3://meta/root/" + metastore_id + "/tables/"));
  ok(uc.require(as(ana, 2), SELECT, TABLE, "main.s.t"));
  refused(uc.require(as(ana, 2), MODIFY, TABLE, "main.s.t"), Errc::permission_denied, "User does not have MODIFY on Table 'main.s.t'.");
  ok(uc.revoke(as(automation), TABLE, "main.s.t", "ana@acme.test", {SELECT}));
  refused(uc.require(as(ana, 2), SELECT, TABLE, "main.s.t"), Errc::permission_denied);
}

TEST_F(Namespace, GrantsNameAccountPrincipalsOnly) {
  own_catalog();
  refused(uc.grant(as(automation), CATALOG, "main", "admins", {USE_CATALOG}), Errc::principal_not_found, "Could not find principal with name admins");
  refused(uc.grant(as(automation), TABLE, "main.s.t", "ana@acme.test", {USE_CATALOG}), Errc::invalid,
          "Privilege USE CATALOG is not applicable to this entity [main.s.t:TABLE/TABLE_STANDARD]. If this seems unexpected, please check the "
          "privilege version of the metastore in use [1.0].");
  EXPECT_TRUE(uc.grants(as(automation), CATALOG, "main", std::nullopt)->empty());
}

}  // namespace
}  // namespace tarn::catalog::testing
