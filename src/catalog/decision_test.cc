#include "catalog/decision.h"

#include <random>

#include "catalog/testing.h"

namespace tarn::catalog::testing {
namespace {

using enum Privilege;
using enum SecurableType;

/// One world, as the docs' examples build them, and what they say each person may do in it.
class Decisions : public CatalogTest {
 protected:
  std::int64_t carl = directory.add(identity::Kind::user, "carl@acme.test");  // owns the catalog
  std::int64_t sue = directory.add(identity::Kind::user, "sue@acme.test");    // owns the schema, may use the catalog
  std::int64_t tom = directory.add(identity::Kind::user, "tom@acme.test");    // owns the table through a group, may use what is above
  std::int64_t mia = directory.add(identity::Kind::user, "mia@acme.test");    // MANAGE on the schema, may use the catalog and schema
  std::int64_t max = directory.add(identity::Kind::user, "max@acme.test");    // MANAGE on the catalog, nothing else
  std::int64_t all = directory.add(identity::Kind::user, "all@acme.test");    // ALL PRIVILEGES on the catalog
  std::int64_t low = directory.add(identity::Kind::user, "low@acme.test");    // SELECT on the table, USE CATALOG only
  std::int64_t owners = directory.add(identity::Kind::group, "table owners");

  void build() {
    own_catalog();
    directory.join(ana, analysts);
    directory.join(tom, owners);
    grant(CATALOG, "main", "analysts", {USE_CATALOG, USE_SCHEMA, SELECT});
    grant(CATALOG, "main", "sue@acme.test", {USE_CATALOG});
    grant(CATALOG, "main", "table owners", {USE_CATALOG, USE_SCHEMA});
    grant(CATALOG, "main", "mia@acme.test", {USE_CATALOG});
    grant(SCHEMA, "main.s", "mia@acme.test", {USE_SCHEMA, MANAGE});
    grant(CATALOG, "main", "max@acme.test", {MANAGE});
    grant(CATALOG, "main", "all@acme.test", {ALL_PRIVILEGES});
    grant(CATALOG, "main", "low@acme.test", {USE_CATALOG});
    grant(TABLE, "main.s.t", "low@acme.test", {SELECT});
    make_table("main.s.other");
    ok(uc.table_service().set_owner(as(automation), "main.s.t", "table owners"));
    ok(uc.schema_service().update(as(automation), "main.s", {.owner = "sue@acme.test"}));
    ok(uc.catalog_service().update(as(automation), "main", {.owner = "carl@acme.test"}));
  }
};

TEST_F(Decisions, FollowTheDocs) {
  build();
  struct Row {
    std::int64_t who;
    Privilege what;
    SecurableType type;
    const char* name;
    const char* missing;  // "" if allowed, else what the refusal names
  };
  const std::vector<Row> rows{
      // A reader by inheritance from the catalog, through a group.
      {ana, SELECT, TABLE, "main.s.t", ""},
      {ana, SELECT, TABLE, "main.s.other", ""},
      {ana, USE_SCHEMA, SCHEMA, "main.s", ""},
      {ana, USE_SCHEMA, SCHEMA, "main.default", ""},
      {ana, MODIFY, TABLE, "main.s.t", "MODIFY on Table 'main.s.t'"},
      {ana, CREATE_TABLE, SCHEMA, "main.s", "CREATE TABLE on Schema 'main.s'"},
      {ana, CREATE_SCHEMA, CATALOG, "main", "CREATE SCHEMA on Catalog 'main'"},
      {ana, MANAGE, TABLE, "main.s.t", "MANAGE on Table 'main.s.t'"},
      {ana, CREATE_CATALOG, METASTORE, "", "CREATE CATALOG on Metastore 'main'"},
      {ana, EXTERNAL_USE_SCHEMA, SCHEMA, "main.s", "EXTERNAL USE SCHEMA on Schema 'main.s'"},
      // Nobody in particular.
      {eve, USE_CATALOG, CATALOG, "main", "USE CATALOG on Catalog 'main'"},
      {eve, SELECT, TABLE, "main.s.t", "USE CATALOG on Catalog 'main'"},
      {eve, SELECT, TABLE, "main.s.missing", "USE CATALOG on Catalog 'main'"},
      {eve, MANAGE, CATALOG, "main", "MANAGE on Catalog 'main'"},
      // A metastore admin governs but has no data by that; here the admin owns only `other`.
      {automation, MANAGE, CATALOG, "main", ""},
      {automation, MANAGE, TABLE, "main.s.t", ""},
      {automation, CREATE_CATALOG, METASTORE, "", ""},
      {automation, SELECT, TABLE, "main.s.t", "USE CATALOG on Catalog 'main'"},
      {automation, SELECT, TABLE, "main.s.other", "USE CATALOG on Catalog 'main'"},
      // The catalog's owner: everything on the catalog, rule over what is in it, no data of it.
      {carl, USE_CATALOG, CATALOG, "main", ""},
      {carl, CREATE_SCHEMA, CATALOG, "main", ""},
      {carl, MANAGE, SCHEMA, "main.s", ""},
      {carl, MANAGE, TABLE, "main.s.t", ""},
      {carl, USE_SCHEMA, SCHEMA, "main.s", "USE SCHEMA on Schema 'main.s'"},
      {carl, SELECT, TABLE, "main.s.t", "USE SCHEMA on Schema 'main.s'"},
      {carl, EXTERNAL_USE_SCHEMA, SCHEMA, "main.s", "USE SCHEMA on Schema 'main.s'"},
      {carl, CREATE_CATALOG, METASTORE, "", "CREATE CATALOG on Metastore 'main'"},
      // The schema's owner, likewise one level down.
      {sue, USE_SCHEMA, SCHEMA, "main.s", ""},
      {sue, CREATE_TABLE, SCHEMA, "main.s", ""},
      {sue, CREATE_VOLUME, SCHEMA, "main.s", ""},
      {sue, MANAGE, TABLE, "main.s.t", ""},
      {sue, SELECT, TABLE, "main.s.t", "SELECT on Table 'main.s.t'"},
      {sue, MANAGE, CATALOG, "main", "MANAGE on Catalog 'main'"},
      {sue, EXTERNAL_USE_SCHEMA, SCHEMA, "main.s", "EXTERNAL USE SCHEMA on Schema 'main.s'"},
      {sue, USE_SCHEMA, SCHEMA, "main.default", "USE SCHEMA on Schema 'main.default'"},
      // The table's owner is a group: its members act as the owner.
      {tom, SELECT, TABLE, "main.s.t", ""},
      {tom, MODIFY, TABLE, "main.s.t", ""},
      {tom, MANAGE, TABLE, "main.s.t", ""},
      {tom, SELECT, TABLE, "main.s.other", "SELECT on Table 'main.s.other'"},
      {tom, MANAGE, SCHEMA, "main.s", "MANAGE on Schema 'main.s'"},
      // MANAGE is inherited, wants the way to the object, and is no privilege on data.
      {mia, MANAGE, SCHEMA, "main.s", ""},
      {mia, MANAGE, TABLE, "main.s.t", ""},
      {mia, SELECT, TABLE, "main.s.t", "SELECT on Table 'main.s.t'"},
      {mia, MANAGE, CATALOG, "main", "MANAGE on Catalog 'main'"},
      {max, MANAGE, CATALOG, "main", ""},
      {max, MANAGE, SCHEMA, "main.s", "USE CATALOG on Catalog 'main'"},
      {max, SELECT, TABLE, "main.s.t", "USE CATALOG on Catalog 'main'"},
      // ALL PRIVILEGES is everything but MANAGE and the external-use privileges.
      {all, SELECT, TABLE, "main.s.t", ""},
      {all, MODIFY, TABLE, "main.s.t", ""},
      {all, CREATE_SCHEMA, CATALOG, "main", ""},
      {all, CREATE_TABLE, SCHEMA, "main.s", ""},
      {all, MANAGE, TABLE, "main.s.t", "MANAGE on Table 'main.s.t'"},
      {all, EXTERNAL_USE_SCHEMA, SCHEMA, "main.s", "EXTERNAL USE SCHEMA on Schema 'main.s'"},
      // A grant on the table alone is worth nothing without the way to it.
      {low, SELECT, TABLE, "main.s.t", "USE SCHEMA on Schema 'main.s'"},
      // information_schema is open to whoever may use the catalog; the system catalog to admins.
      {low, USE_SCHEMA, SCHEMA, "main.information_schema", ""},
      {eve, USE_SCHEMA, SCHEMA, "main.information_schema", "USE CATALOG on Catalog 'main'"},
      {automation, SELECT, TABLE, "system.access.audit", ""},
      {automation, MODIFY, TABLE, "system.access.audit", "MODIFY on Table 'system.access.audit'"},
      {carl, SELECT, TABLE, "system.access.audit", "USE CATALOG on Catalog 'system'"},
  };
  for (const auto& row : rows) {
    const auto name = row.type == METASTORE ? metastore_id : std::string(row.name);
    const auto r = uc.require(as(row.who), row.what, row.type, name);
    const std::string what = as(row.who).caller.name + " " + spelled(row.what) + " " + name;
    if (std::string_view(row.missing).empty()) {
      EXPECT_TRUE(r) << what << ": " << (r ? "" : r.error().message);
    } else {
      EXPECT_FALSE(r) << what << " was allowed";
      if (!r) {
        EXPECT_EQ(r.error().message, "User does not have " + std::string(row.missing) + ".") << what;
      }
    }
    EXPECT_EQ(uc.require(as(row.who), row.what, row.type, name).has_value(), r.has_value()) << "from the cache: " << what;
  }
}

/// The rules again, said in another way: sets of facts, no inheritance walk.
struct Model {
  std::set<std::string> me;
  std::string owner[4];  // 0 metastore, 1 catalog, 2 schema, 3 table
  std::set<std::pair<std::string, Privilege>> grants[4];

  bool given(int level, Privilege p) const {
    for (const auto& name : me)
      if (grants[level].contains({name, p})) return true;
    return false;
  }
  bool mine(int level) const { return me.contains(owner[level]); }
  bool has(int level, Privilege p) const {
    const bool shy = p == EXTERNAL_USE_SCHEMA;
    if (mine(level) && !shy) return true;
    for (int l = 1; l <= level; ++l)
      if (given(l, p) || (!shy && p != MANAGE && given(l, ALL_PRIVILEGES))) return true;
    return false;
  }
  bool way(int level) const { return (level < 2 || has(1, USE_CATALOG)) && (level < 3 || has(2, USE_SCHEMA)); }
  bool may(int level, Privilege p) const {
    if (level == 1 && p != USE_CATALOG && !has(1, USE_CATALOG)) return false;
    if (level == 2 && p != USE_SCHEMA && !has(2, USE_SCHEMA)) return false;
    return way(level) && has(level, p);
  }
  bool rules(int level) const {
    if (mine(0)) return true;
    if (level > 1 && mine(1)) return true;
    if (level > 2 && mine(2) && has(1, USE_CATALOG)) return true;
    return way(level) && (mine(level) || has(level, MANAGE));
  }
};

TEST(DecisionModel, AgreesOnTensOfThousandsOfRandomWorlds) {
  std::mt19937 random(20260131);
  const auto dice = [&](int n) { return static_cast<int>(random() % static_cast<unsigned>(n)); };
  const std::vector<std::pair<std::string, std::int64_t>> people{{"me", 1}, {"group", 2}, {"other", 3}};
  const std::vector<Privilege> pool{USE_CATALOG, USE_SCHEMA, SELECT, MODIFY, MANAGE, ALL_PRIVILEGES, EXTERNAL_USE_SCHEMA, CREATE_TABLE};
  int allowed_count = 0, refused_count = 0;
  for (int world = 0; world < 20000; ++world) {
    access::Caller caller{.id = 1, .name = "me", .group_ids = {2}};
    Model model{.me = {"me", "group"}};
    Access access[4];
    for (int level = 0; level < 4; ++level) {
      const auto& [owner, owner_id] = people[static_cast<std::size_t>(dice(6) < 4 ? 2 : dice(2))];
      model.owner[level] = owner;
      access[level].owner = {PrincipalKind::account, owner_id, owner};
      if (level == 0) continue;
      for (int n = dice(4); n > 0; --n) {
        const auto& [name, id] = people[static_cast<std::size_t>(dice(3))];
        const Privilege p = pool[static_cast<std::size_t>(dice(static_cast<int>(pool.size())))];
        model.grants[level].insert({name, p});
        access[level].grants.push_back({{PrincipalKind::account, id, name}, {p}});
      }
    }
    const Level levels[4]{{METASTORE, "m", &access[0]}, {CATALOG, "c", &access[1]}, {SCHEMA, "c.s", &access[2]}, {TABLE, "c.s.t", &access[3]}};
    const Subject who{caller, 1};
    for (int level = 1; level < 4; ++level) {
      Path path;
      for (int l = level; l >= 0; --l) path.push_back(levels[l]);
      for (const Privilege p : pool) {
        if (p == MANAGE || p == ALL_PRIVILEGES) continue;
        const bool decided = !check(path, who, p).has_value();
        ASSERT_EQ(decided, model.may(level, p)) << "world " << world << " level " << level << " " << json::name_of(p);
        ++(decided ? allowed_count : refused_count);
      }
      ASSERT_EQ(!check_manage(path, who).has_value(), model.rules(level)) << "world " << world << " level " << level << " manage";
    }
  }
  EXPECT_GT(allowed_count, 10000);
  EXPECT_GT(refused_count, 10000);
}

TEST(DecisionModel, PrivilegesApplyWhereTheDocsSay) {
  for (const auto t : {METASTORE, CATALOG, SCHEMA, TABLE, VOLUME, FUNCTION, STORAGE_CREDENTIAL, EXTERNAL_LOCATION}) {
    EXPECT_EQ(applies(SELECT, t), t == CATALOG || t == SCHEMA || t == TABLE) << label(t);
    EXPECT_EQ(applies(USE_CATALOG, t), t == CATALOG) << label(t);
    EXPECT_EQ(applies(CREATE_CATALOG, t), t == METASTORE) << label(t);
    EXPECT_EQ(applies(MANAGE, t), t != METASTORE) << label(t);
    EXPECT_EQ(applies(READ_VOLUME, t), t == CATALOG || t == SCHEMA || t == VOLUME) << label(t);
    EXPECT_EQ(applies(EXTERNAL_USE_SCHEMA, t), t == CATALOG || t == SCHEMA) << label(t);
    EXPECT_EQ(applies(EXTERNAL_USE_LOCATION, t), t == EXTERNAL_LOCATION) << label(t);
    EXPECT_EQ(applies(CREATE_EXTERNAL_LOCATION, t), t == METASTORE || t == STORAGE_CREDENTIAL) << label(t);
    EXPECT_FALSE(applies(CREATE_VIEW, t)) << label(t);
  }
  EXPECT_EQ(parse_privilege("use catalog"), USE_CATALOG);
  EXPECT_EQ(parse_privilege("SELECT "), std::nullopt);
}

}  // namespace
}  // namespace tarn::catalog::testing
