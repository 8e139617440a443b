// Tables that come back: who may, as what, and until when.
#include <gmock/gmock.h>

#include "catalog/testing.h"

namespace tarn::catalog::testing {
namespace {

using enum Privilege;
using enum SecurableType;

constexpr Millis kDay = 24LL * 3600 * 1000;

class Undrop : public CatalogTest {
 protected:
  Undrop() { own_catalog(); }
  const TableName t{"main", "s", "t"};
  Tables& tables = uc.table_service();
  void drop(const TableName& name) { ok(uc.drop_table(as(automation), name, false, false)); }
  std::vector<std::string> dropped(std::int64_t who) {
    std::vector<std::string> out;
    const auto all = tables.dropped(as(who), "main", "s");
    EXPECT_TRUE(all) << all.error().message;
    if (all)
      for (const auto& d : *all) out.push_back(d.info.name);
    return out;
  }
};

TEST_F(Undrop, ATableComesBackAsItWas) {
  grant(CATALOG, "main", "ana@acme.test", {USE_CATALOG, USE_SCHEMA});
  grant(TABLE, "main.s.t", "ana@acme.test", {SELECT});
  ok(uc.set_tags(as(automation), "tables", "main.s.t", {{"zone", "gold"}}));
  ok(uc.set_tags(as(automation), "columns", "main.s.t.a", {{"pii", "high"}}));
  const auto before = *uc.table(as(automation), t);
  drop(t);
  EXPECT_TRUE(uc.tags(as(automation), "main")->empty());
  refused(uc.table(as(ana), t), Errc::not_found);
  EXPECT_THAT(dropped(automation), ::testing::ElementsAre("t"));
  const auto back = tables.undrop(as(automation), t);
  ok(back);
  EXPECT_EQ(back->table_id, before.table_id);
  EXPECT_EQ(back->storage_location, before.storage_location);
  EXPECT_EQ(back->created_at, before.created_at);
  ok(uc.require(as(ana), SELECT, TABLE, "main.s.t"));
  EXPECT_EQ(uc.tags(as(automation), "main")->size(), 2u);
  EXPECT_THAT(dropped(automation), ::testing::IsEmpty());
  refused(tables.undrop(as(automation), t), Errc::not_found);
  // Its files are its own again.
  clock.advance(8 * kDay);
  EXPECT_EQ(uc.remove_expired_storage(), 0u);
  EXPECT_THAT(objects.removed, ::testing::IsEmpty());
}

TEST_F(Undrop, TheLastOneOfANameOrTheOneWithAnId) {
  const auto first = uc.table(as(automation), t)->table_id;
  drop(t);
  clock.advance(1000);
  const auto second = make_table("main.s.t").table_id;
  drop(t);
  make_table("main.s.t");
  refused(tables.undrop(as(automation), t), Errc::already_exists);
  ok(uc.alter_table(as(automation), t, {.new_name = "other"}));
  EXPECT_EQ(tables.undrop(as(automation), t)->table_id, second);
  refused(tables.undrop_id(as(automation), first), Errc::already_exists);
  ok(uc.alter_table(as(automation), t, {.new_name = "newer"}));
  EXPECT_EQ(tables.undrop_id(as(automation), first)->table_id, first);
  refused(tables.undrop_id(as(automation), first), Errc::not_found);
  refused(tables.undrop_id(as(automation), "none"), Errc::not_found, "No dropped table 'none' can be brought back.");
}

TEST_F(Undrop, ReplacementsAndViewsAreNoDrops) {
  auto again = table_of("main.s.t");
  ok(uc.create_table(as(automation), again, *uc.plan_table(as(automation), again), true));
  auto view = table_of("main.s.v", TableType::VIEW);
  view.view_definition = "SELECT 1";
  ok(uc.create_table(as(automation), view, *uc.plan_table(as(automation), view), false));
  ok(uc.drop_table(as(automation), {"main", "s", "v"}, true, false));
  EXPECT_THAT(dropped(automation), ::testing::IsEmpty());
  EXPECT_EQ(uc.remove_expired_storage(), 0u);
}

TEST_F(Undrop, IsForWhoManagesItAndMayMakeTables) {
  drop(t);
  refused(tables.dropped(as(ana), "main", "s"), Errc::permission_denied);
  refused(tables.undrop(as(ana), t), Errc::permission_denied, "User does not have USE CATALOG on Catalog 'main'.");
  grant(CATALOG, "main", "ana@acme.test", {USE_CATALOG, USE_SCHEMA, SELECT});
  EXPECT_THAT(dropped(ana), ::testing::IsEmpty());
  refused(tables.undrop(as(ana), t), Errc::not_found);  // not of hers
  ok(tables.undrop(as(automation), t));
  ok(uc.set_owner(as(automation), TABLE, "main.s.t", "ana@acme.test"));
  ok(uc.drop_table(as(ana), t, false, false));
  EXPECT_THAT(dropped(ana), ::testing::ElementsAre("t"));
  refused(tables.undrop(as(ana), t), Errc::permission_denied, "User does not have CREATE TABLE on Schema 'main.s'.");
  grant(SCHEMA, "main.s", "ana@acme.test", {CREATE_TABLE});
  EXPECT_EQ(tables.undrop(as(ana), t)->owner, "ana@acme.test");
}

TEST_F(Undrop, AnExternalTableNeedsItsPlaceAgain) {
  auto e = table_of("main.s.e", TableType::EXTERNAL), f = table_of("main.s.f", TableType::EXTERNAL);
  e.storage_location = "s3://lake/data/e", f.storage_location = "s3://lake/data/e/below";
  const auto make = [&](const NewTable& table) { ok(uc.create_table(as(automation), table, *uc.plan_table(as(automation), table), false)); };
  make(e);
  drop(e.name);
  make(f);
  refused(tables.undrop(as(automation), e.name), Errc::location_overlap);
  drop(f.name);
  ok(tables.undrop(as(automation), e.name));
  refused(tables.undrop(as(automation), f.name), Errc::location_overlap);
  // The place is claimed again.
  refused(uc.plan_table(as(automation), f), Errc::location_overlap);
}

TEST_F(Undrop, EndsWithTheRetentionAndWithTheSchema) {
  ok(uc.set_tags(as(automation), "tables", "main.s.t", {{"zone", "gold"}}));
  const auto id = uc.table(as(automation), t)->table_id;
  const auto tags = [&] { return store->read_as([&](store::ReadTxn& r) { return kTags.scan(r, store::prefix({id})).size(); }); };
  drop(t);
  clock.advance(7 * kDay - 11 * 60 * 1000);
  EXPECT_THAT(dropped(automation), ::testing::ElementsAre("t"));
  clock.advance(2 * 60 * 1000);  // too near to the end: another server's clock may be ahead
  EXPECT_THAT(dropped(automation), ::testing::IsEmpty());
  refused(tables.undrop(as(automation), t), Errc::not_found);
  refused(tables.undrop_id(as(automation), id), Errc::not_found);
  EXPECT_EQ(tags(), 1u);
  clock.advance(kDay);
  EXPECT_EQ(uc.remove_expired_storage(), 1u);
  EXPECT_EQ(tags(), 0u);
  make_table("main.s.t");
  ok(uc.drop_schema(as(automation), "main", "s", true, false));
  ok(uc.schema_service().create(as(automation), {.name = "s", .catalog_name = "main"}));
  EXPECT_THAT(dropped(automation), ::testing::IsEmpty());
  EXPECT_EQ(store->read_as([&](store::ReadTxn& r) { return kDropped.scan(r, {}).size(); }), 0u);
}

}  // namespace
}  // namespace tarn::catalog::testing
