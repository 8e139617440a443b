// The contract as the SQL room uses it: planning and making tables, views, replacing, dropping, definer's rights, lineage, audit, retention.
#include <gmock/gmock.h>

#include <filesystem>

#include "base/ids.h"
#include "catalog/testing.h"

namespace tarn::catalog::testing {
namespace {

using enum Privilege;
using enum SecurableType;

class Contract : public CatalogTest {};

TEST_F(Contract, PlansAManagedPlaceUnderTheNearestRoot) {
  own_catalog();
  ok(uc.create_catalog(as(automation), "lakecat", std::nullopt, "s3://lake/data/cat", false));
  ok(uc.create_schema(as(automation), "lakecat", "own", std::nullopt, "s3://lake/data/schema", false));
  const auto in_catalog = uc.plan_table(as(automation), table_of("lakecat.default.x"));
  const auto in_schema = uc.plan_table(as(automation), table_of("lakecat.own.x"));
  ASSERT_TRUE(in_catalog && in_schema);
  EXPECT_TRUE(in_catalog->starts_with("s3://lake/data/cat/__unitystorage/catalogs/")) << *in_catalog;
  EXPECT_TRUE(in_schema->starts_with("s3://lake/data/schema/__unitystorage/schemas/")) << *in_schema;
  EXPECT_THAT(*uc.tables(as(automation), "lakecat", "own"), ::testing::IsEmpty());  // a plan makes nothing
  refused(uc.create_table(as(automation), table_of("lakecat.own.x"), *in_catalog, false), Errc::invalid);
  refused(uc.create_table(as(automation), table_of("lakecat.own.x"), *in_schema + "/../y", false), Errc::invalid);
  ok(uc.create_table(as(automation), table_of("lakecat.own.x"), *in_schema, false));
  refused(uc.create_table(as(automation), table_of("lakecat.own.y"), *in_schema, false), Errc::invalid);  // nobody else gets the same place
  refused(uc.plan_table(as(ana), table_of("lakecat.own.z")), Errc::permission_denied, "User does not have USE CATALOG on Catalog 'lakecat'.");
  refused(uc.plan_table(as(automation), table_of("lakecat.own.a/b")), Errc::invalid);
}

TEST_F(Contract, WithoutAnyRootACatalogSaysWhatToDo) {
  auto m = uc.metastores().create(account(automation), {.name = "bare", .region = "us-east-1"});
  ok(uc.metastores().assign(account(automation), 1, m->metastore_id, std::nullopt, false));
  const auto r = uc.create_catalog(as(automation), "c", std::nullopt, std::nullopt, false);
  refused(r, Errc::conflict);
  EXPECT_THAT(r.error().message, ::testing::StartsWith("Metastore storage root URL does not exist."));
  refused(uc.table(as(ana, 2), {"c", "d", "e"}), Errc::no_metastore, "No metastore assigned for the current workspace.");
}

TEST_F(Contract, ReplacingKeepsTheSecurableAndItsGrants) {
  own_catalog();
  const auto before = *uc.table(as(automation), {"main", "s", "t"});
  grant(CATALOG, "main", "analysts", {USE_CATALOG, USE_SCHEMA});
  grant(TABLE, "main.s.t", "analysts", {SELECT});
  directory.join(ana, analysts);
  auto wider = table_of("main.s.t");
  wider.columns.push_back({.name = "b", .type_text = "string", .type_name = "STRING"});
  const auto place = uc.plan_table(as(automation), wider);
  refused(uc.create_table(as(automation), wider, *place, false), Errc::already_exists, "Table 'main.s.t' already exists");
  const auto after = uc.create_table(as(automation), wider, *place, true);
  ASSERT_TRUE(after);
  EXPECT_EQ(after->table_id, before.table_id);
  EXPECT_NE(after->storage_location, before.storage_location);
  EXPECT_EQ(after->columns.size(), 2u);
  ok(uc.require(as(ana), SELECT, TABLE, "main.s.t"));
  grant(SCHEMA, "main.s", "analysts", {CREATE_TABLE});
  const auto theirs = uc.plan_table(as(ana), wider);
  refused(uc.create_table(as(ana), wider, *theirs, true), Errc::permission_denied, "User does not have MANAGE on Table 'main.s.t'.");
  auto view = table_of("main.s.t", TableType::VIEW);
  refused(uc.create_table(as(automation), view, "", true), Errc::invalid);
  refused(uc.drop_table(as(automation), {"main", "s", "t"}, true, false), Errc::invalid, "'main.s.t' is a table, not a view: use DROP TABLE");
}

TEST_F(Contract, ColumnsAreChecked) {
  own_catalog();
  auto t = table_of("main.s.bad");
  t.columns.push_back({.name = "A", .type_text = "string", .type_name = "STRING"});
  const auto place = uc.plan_table(as(automation), t);
  refused(uc.create_table(as(automation), t, *place, false), Errc::invalid);
  refused(uc.update_columns(as(ana), {"main", "s", "t"}, {}), Errc::permission_denied);
  make_function("mask", {{"v", "bigint", {}}}, "bigint");
  ok(uc.set_column_mask(as(automation), {"main", "s", "t"}, "a", ColumnMask{.function_name = "main.s.mask"}));
  ok(uc.update_columns(as(automation), {"main", "s", "t"},
                       {{.name = "A", .type_text = "int", .type_name = "INT"}, {.name = "b", .type_text = "string", .type_name = "STRING"}}));
  const auto now = uc.table(as(automation), {"main", "s", "t"});
  EXPECT_EQ(now->columns.size(), 2u);
  ASSERT_TRUE(now->columns[0].mask);  // changing a column does not take its mask off
  EXPECT_EQ(now->columns[0].mask->function_name, "main.s.mask");
}

TEST_F(Contract, FiltersAndMasksAreCheckedWhenTheyAreSet) {
  own_catalog();
  const TableName table{"main", "s", "t"};
  const auto filter = [](std::string function, std::vector<std::string> columns) {
    return RowFilter{.function_name = std::move(function), .input_column_names = std::move(columns)};
  };
  refused(uc.set_row_filter(as(automation), table, filter("main.s.none", {"a"})), Errc::not_found, "Routine or Model 'main.s.none' does not exist.");
  make_function("keep", {{"v", "bigint", {}}}, "boolean");
  make_function("hide", {{"v", "bigint", {}}}, "bigint");
  refused(uc.set_row_filter(as(automation), table, filter("main.s.hide", {"a"})), Errc::invalid,
          "Function 'main.s.hide' cannot filter rows: it must return BOOLEAN");
  refused(uc.set_row_filter(as(automation), table, filter("main.s.keep", {})), Errc::invalid,
          "Function 'main.s.keep' takes 1 parameters, and 0 columns are given to it");
  refused(uc.set_row_filter(as(automation), table, filter("main.s.keep", {"b"})), Errc::invalid, "Table 't' has no column 'b'");
  refused(uc.set_column_mask(as(automation), table, "b", ColumnMask{.function_name = "main.s.hide"}), Errc::invalid,
          "Table 'main.s.t' has no column 'b'");
  grant(CATALOG, "main", "ana@acme.test", {USE_CATALOG, USE_SCHEMA, SELECT, MODIFY});
  refused(uc.set_row_filter(as(ana), table, filter("main.s.keep", {"a"})), Errc::permission_denied, "User does not have MANAGE on Table 'main.s.t'.");
  refused(uc.set_row_filter(as(ana), table, std::nullopt), Errc::permission_denied);
  grant(TABLE, "main.s.t", "ana@acme.test", {MANAGE});
  refused(uc.set_row_filter(as(ana), table, filter("main.s.keep", {"a"})), Errc::permission_denied,
          "User does not have EXECUTE on Routine or Model 'main.s.keep'.");
  ok(uc.set_row_filter(as(automation), table, filter("MAIN.s.keep", {"A"})));
  EXPECT_EQ(uc.table(as(automation), table)->row_filter->input_column_names, std::vector<std::string>{"a"});
  EXPECT_TRUE(uc.table(as(automation), table)->governed());
  // A function that only the one who sets it may run would close the table for good.
  ok(uc.create_function(as(automation),
                        {.catalog = "main", .schema = "s", .name = "own", .returns = "boolean", .body = "true", .parameters = {{"v", "bigint", {}}}},
                        false));
  ok(uc.set_owner(as(automation), TABLE, "main.s.t", "bob@acme.test"));
  refused(uc.set_row_filter(as(automation), table, filter("main.s.own", {"a"})), Errc::permission_denied,
          "The owner 'bob@acme.test' of Table 'main.s.t' does not have EXECUTE on 'main.s.own': the function runs in the owner's name.");
  // Replaced, a function is the same securable; dropped and made again, it is not.
  const auto id = uc.function(as(automation), "main.s.keep")->function_id;
  ok(uc.create_function(
      as(automation), {.catalog = "main", .schema = "s", .name = "keep", .returns = "boolean", .body = "false", .parameters = {{"v", "bigint", {}}}},
      true));
  EXPECT_EQ(uc.function(as(automation), "main.s.keep")->function_id, id);
  refused(uc.create_function(as(automation), {.catalog = "main", .schema = "s", .name = "keep", .returns = "boolean", .body = "true"}, false),
          Errc::already_exists);
  ok(uc.drop_function(as(automation), "main.s.keep", false));
  refused(uc.drop_function(as(automation), "main.s.keep", false), Errc::not_found);
  ok(uc.drop_function(as(automation), "main.s.keep", true));
  refused(uc.function(as(automation), "main.s.keep"), Errc::not_found);
}

TEST_F(Contract, ViewsRunWithTheirOwnersRights) {
  own_catalog();
  grant(CATALOG, "main", "bob@acme.test", {USE_CATALOG, USE_SCHEMA});
  grant(SCHEMA, "main.s", "bob@acme.test", {CREATE_TABLE});
  auto view = table_of("main.s.v", TableType::VIEW);
  view.view_definition = "select a from main.s.t";
  ok(uc.create_table(as(bob), view, *uc.plan_table(as(bob), view), false));
  const auto v = uc.table(as(bob), {"main", "s", "v"});
  EXPECT_EQ(v->owner, "bob@acme.test");
  EXPECT_FALSE(v->storage_location);
  refused(uc.require_as_owner(as(ana), v->owner, SELECT, TABLE, "main.s.t"), Errc::permission_denied,
          "Owner 'bob@acme.test' does not have SELECT on Table 'main.s.t'.");
  grant(TABLE, "main.s.t", "engineers", {SELECT});
  directory.join(bob, engineers);
  ok(uc.schema_service().update(as(automation), "main.s",
                                {.comment = {json::Patch<std::string>::State::present, "x"}}));  // anything: the directory is asked anew
  ok(uc.require_as_owner(as(ana), v->owner, SELECT, TABLE, "main.s.t"));
  // Owned by a group: what the group itself was granted.
  refused(uc.require_as_owner(as(ana), "engineers", SELECT, TABLE, "main.s.t"), Errc::permission_denied,
          "Owner 'engineers' does not have USE CATALOG on Catalog 'main'.");
  grant(CATALOG, "main", "engineers", {USE_CATALOG, USE_SCHEMA});
  ok(uc.require_as_owner(as(ana), "engineers", SELECT, TABLE, "main.s.t"));
  directory.forget(bob);
  refused(uc.require_as_owner(as(ana), v->owner, SELECT, TABLE, "main.s.t"), Errc::permission_denied);
  refused(uc.grant(as(automation), TABLE, "main.s.v", "engineers", {MODIFY}), Errc::invalid,
          "Privilege MODIFY is not applicable to this entity [main.s.v:TABLE/TABLE_VIEW]. If this seems unexpected, please check the privilege "
          "version of the metastore in use [1.0].");
}

TEST_F(Contract, IfExistsAndIfNotExists) {
  own_catalog();
  ok(uc.create_catalog(as(automation), "MAIN", std::nullopt, std::nullopt, true));
  refused(uc.create_catalog(as(automation), "main", std::nullopt, std::nullopt, false), Errc::already_exists);
  ok(uc.create_schema(as(automation), "main", "S", std::nullopt, std::nullopt, true));
  ok(uc.drop_catalog(as(automation), "none", false, true));
  refused(uc.drop_catalog(as(automation), "none", false, false), Errc::not_found);
  ok(uc.drop_schema(as(automation), "main", "none", false, true));
  ok(uc.drop_table(as(automation), {"main", "s", "none"}, false, true));
  refused(uc.drop_table(as(ana), {"main", "s", "none"}, false, true), Errc::permission_denied);
  refused(uc.drop_catalog(as(automation), "system", true, false), Errc::unsupported);
}

TEST_F(Contract, ExternalUseIsTheCatalogOwnersToGive) {
  own_catalog();
  grant(CATALOG, "main", "bob@acme.test", {USE_CATALOG, MANAGE});
  refused(uc.grant(as(bob), CATALOG, "main", "ana@acme.test", {EXTERNAL_USE_SCHEMA}), Errc::permission_denied,
          "Only the owner of Catalog 'main' can grant EXTERNAL USE SCHEMA.");
  ok(uc.grant(as(bob), CATALOG, "main", "ana@acme.test", {SELECT}));
  ok(uc.grant(as(automation), SCHEMA, "main.s", "ana@acme.test", {EXTERNAL_USE_SCHEMA}));
}

TEST_F(Contract, AccountUsersMeansEverybody) {
  own_catalog();
  grant(CATALOG, "main", "account users", {USE_CATALOG, USE_SCHEMA, SELECT});
  ok(uc.require(as(eve), SELECT, TABLE, "main.s.t"));
  const auto rows = uc.grants(as(automation), CATALOG, "main", "account users");
  ASSERT_TRUE(rows);
  EXPECT_EQ(rows->size(), 3u);
}

TEST_F(Contract, LineageIsRecordedAcrossWorkspacesAndFiltered) {
  own_catalog();
  make_table("main.s.silver");
  make_table("main.s.gold");
  uc.record_lineage(
      as(automation, 1),
      {.statement_id = "st-1", .read_tables = {"main.s.t"}, .written_table = "main.s.silver", .columns = {{"main.s.t", "a", "main.s.silver", "a"}}});
  clock.advance(1000);
  uc.record_lineage(as(automation, 2), {.statement_id = "st-2",
                                        .read_tables = {"main.s.silver"},
                                        .written_table = "main.s.gold",
                                        .columns = {{"main.s.silver", "a", "main.s.gold", "a"}}});
  uc.record_lineage(as(automation, 2), {.statement_id = "st-3", .read_tables = {"main.s.gold"}});
  const auto tables = uc.lineage_rows(as(automation), false);
  ASSERT_TRUE(tables);
  ASSERT_EQ(tables->size(), 3u);
  const auto row = std::find_if(tables->begin(), tables->end(), [](const auto& r) { return r.statement_id == "st-2"; });
  ASSERT_NE(row, tables->end());
  EXPECT_EQ(row->edge.source_table, "main.s.silver");
  EXPECT_EQ(row->edge.target_table, "main.s.gold");
  EXPECT_EQ(row->workspace_id, 2);
  EXPECT_EQ(tables->back().statement_id, "st-1");  // newest first
  EXPECT_EQ(uc.lineage_rows(as(automation), true)->size(), 2u);
  const auto silver = uc.lineage().table(as(automation), "main.s.silver");
  ASSERT_TRUE(silver);
  ASSERT_EQ(silver->upstreams.size(), 1u);
  EXPECT_EQ(silver->upstreams[0].name, "t");
  EXPECT_EQ(silver->downstreams[0].name, "gold");
  const auto column = uc.lineage().column(as(automation), "main.s.gold", "A");
  ASSERT_TRUE(column);
  ASSERT_EQ(column->upstreams.size(), 1u);
  EXPECT_EQ(column->upstreams[0].table_name, "silver");
  EXPECT_TRUE(column->downstreams.empty());
  refused(uc.lineage().column(as(automation), "main.s.gold", "nothing"), Errc::not_found);
  refused(uc.lineage().table(as(ana), "main.s.silver"), Errc::permission_denied);
  // Whoever may see silver but not its neighbours sees no neighbours.
  grant(CATALOG, "main", "ana@acme.test", {USE_CATALOG, USE_SCHEMA});
  grant(TABLE, "main.s.silver", "ana@acme.test", {SELECT});
  const auto hers = uc.lineage().table(as(ana), "main.s.silver");
  ASSERT_TRUE(hers);
  EXPECT_TRUE(hers->upstreams.empty() && hers->downstreams.empty());
  refused(uc.lineage_rows(as(ana), false), Errc::permission_denied, "User does not have USE CATALOG on Catalog 'system'.");
  grant(CATALOG, "system", "ana@acme.test", {USE_CATALOG, USE_SCHEMA, SELECT});
  EXPECT_TRUE(uc.lineage_rows(as(ana), false)->empty());  // the table is readable, its rows are filtered
  grant(TABLE, "main.s.t", "ana@acme.test", {SELECT});
  EXPECT_EQ(uc.lineage_rows(as(ana), false)->size(), 1u);
}

TEST_F(Contract, AuditTellsWhoDidWhatToThoseWhoMayRead) {
  own_catalog();
  refused(uc.require(as(ana), SELECT, TABLE, "main.s.t"), Errc::permission_denied);
  refused(uc.create_schema(as(ana), "main", "mine", std::nullopt, std::nullopt, false), Errc::permission_denied);
  refused(uc.audit_rows(as(ana), {}, 100), Errc::permission_denied, "User does not have USE CATALOG on Catalog 'system'.");
  const auto rows = uc.audit_rows(as(automation), {.principal = "ana@acme.test"}, 100);
  ASSERT_TRUE(rows);
  ASSERT_EQ(rows->size(), 1u);
  EXPECT_EQ(rows->front().event.action, "createSchema");
  EXPECT_EQ(rows->front().event.service, "unityCatalog");
  EXPECT_EQ(rows->front().event.outcome, store::Outcome::denied);
  EXPECT_EQ(rows->front().event.status, 403);
  EXPECT_EQ(rows->front().event.params.at("name"), "mine");
  const auto made = uc.audit_rows(as(automation), {.action = "createTable"}, 100);
  ASSERT_EQ(made->size(), 1u);
  EXPECT_EQ(made->front().event.outcome, store::Outcome::success);
  grant(CATALOG, "system", "ana@acme.test", {USE_CATALOG, USE_SCHEMA, SELECT});
  ok(uc.audit_rows(as(ana), {}, 100));
}

TEST_F(Contract, StorageOfADroppedManagedTableGoesAfterItsRetention) {
  own_catalog();
  const auto location = *uc.table(as(automation), {"main", "s", "t"})->storage_location;
  ok(uc.locations().get(as(automation), "lake", false));
  auto external = table_of("main.s.e", TableType::EXTERNAL);
  external.storage_location = "s3://lake/data/e";
  ok(uc.create_table(as(automation), external, *uc.plan_table(as(automation), external), false));
  ok(uc.drop_schema(as(automation), "main", "s", true, false));
  EXPECT_EQ(uc.remove_expired_storage(), 0u);
  clock.advance(7LL * 24 * 3600 * 1000 - 1);
  EXPECT_EQ(uc.remove_expired_storage(), 0u);
  clock.advance(1);
  EXPECT_EQ(uc.remove_expired_storage(), 1u);
  EXPECT_THAT(objects.removed, ::testing::ElementsAre(location + "/"));  // the external table's files are not ours to remove
  EXPECT_EQ(uc.remove_expired_storage(), 0u);
}

TEST_F(Contract, ARecreatedTableDoesNotInheritOldGrants) {
  own_catalog();
  grant(CATALOG, "main", "ana@acme.test", {USE_CATALOG, USE_SCHEMA});
  grant(TABLE, "main.s.t", "ana@acme.test", {SELECT});
  ok(uc.drop_table(as(automation), {"main", "s", "t"}, false, false));
  make_table("main.s.t");
  refused(uc.require(as(ana), SELECT, TABLE, "main.s.t"), Errc::permission_denied);
}

TEST_F(Contract, ANamesakeOfADeletedUserHasNoneOfTheirGrants) {
  own_catalog();
  grant(CATALOG, "main", "eve@acme.test", {USE_CATALOG, USE_SCHEMA, SELECT});
  ok(uc.require(as(eve), SELECT, TABLE, "main.s.t"));
  directory.forget(eve);
  const auto again = directory.add(identity::Kind::user, "eve@acme.test");
  ASSERT_NE(again, eve);
  refused(uc.require(as(again), SELECT, TABLE, "main.s.t"), Errc::permission_denied);
}

/// On a file, as the server runs: readers beside the writer.
class OnDisk : public CatalogTest {
 protected:
  OnDisk() : OnDisk(::testing::TempDir() + "catalog-" + new_hex(8)) {}
  ~OnDisk() override {
    for (const char* end : {"", "-wal", "-shm", ".lock"}) std::filesystem::remove(path_ + end);
  }

 private:
  explicit OnDisk(const std::string& path) : CatalogTest("sqlite:" + path), path_(path) {}
  std::string path_;
};

TEST_F(OnDisk, ConcurrentGrantsAndReadsNeverShowAStaleRight) {
  own_catalog();
  grant(CATALOG, "main", "ana@acme.test", {USE_CATALOG, USE_SCHEMA});
  std::atomic<bool> stop{false};
  std::thread reader([&] {
    const auto ctx = as(ana);
    while (!stop) (void)uc.require(ctx, SELECT, TABLE, "main.s.t");
  });
  for (int i = 0; i < 100; ++i) {
    ok(uc.grant(as(automation), TABLE, "main.s.t", "ana@acme.test", {SELECT}));
    EXPECT_TRUE(uc.require(as(ana), SELECT, TABLE, "main.s.t"));
    ok(uc.revoke(as(automation), TABLE, "main.s.t", "ana@acme.test", {SELECT}));
    EXPECT_FALSE(uc.require(as(ana), SELECT, TABLE, "main.s.t"));
  }
  stop = true;
  reader.join();
}

}  // namespace
}  // namespace tarn::catalog::testing
