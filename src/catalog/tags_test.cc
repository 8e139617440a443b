#include "catalog/testing.h"

namespace tarn::catalog::testing {
namespace {

using enum Privilege;
using enum SecurableType;

class TagsTest : public CatalogTest {
 protected:
  Result<TagAssignment> create(std::int64_t who, const std::string& type, const std::string& name, const std::string& key,
                               const std::string& value = "v") {
    return uc.tag_service().create(as(who), {.entity_type = type, .entity_name = name, .tag_key = key, .tag_value = value});
  }
  std::vector<std::string> all(std::int64_t who) {
    std::vector<std::string> out;
    const auto tags = uc.tags(as(who), "main");
    EXPECT_TRUE(tags);
    for (const auto& t : *tags) out.push_back(t.entity_type + " " + t.entity_name + " " + t.key + "=" + t.value);
    return out;
  }
};

TEST_F(TagsTest, AreForWhoMayApplyThem) {
  own_catalog();
  refused(create(ana, "tables", "main.s.t", "k"), Errc::permission_denied, "User does not have USE CATALOG on Catalog 'main'.");
  grant(CATALOG, "main", "ana@acme.test", {USE_CATALOG, USE_SCHEMA, SELECT});
  refused(create(ana, "tables", "main.s.t", "k"), Errc::permission_denied, "User does not have APPLY TAG on Table 'main.s.t'.");
  grant(TABLE, "main.s.t", "ana@acme.test", {APPLY_TAG});
  const auto made = create(ana, "tables", "main.s.t", "k");
  ASSERT_TRUE(made) << made.error().message;
  EXPECT_EQ(made->updated_by, "ana@acme.test");
  refused(create(ana, "tables", "main.s.t", "k"), Errc::already_exists, "Tag assignment with tag key 'k' already exists on 'main.s.t'");
  ok(create(ana, "columns", "main.s.t.A", "pii"));
  refused(create(ana, "columns", "main.s.t.none", "pii"), Errc::not_found, "Table 'main.s.t' has no column 'none'");
  refused(create(ana, "schemas", "main.s", "k"), Errc::permission_denied, "User does not have APPLY TAG on Schema 'main.s'.");
  ok(create(automation, "catalogs", "main", "k"));
  ok(create(automation, "schemas", "main.s", "k"));
  refused(create(automation, "models", "main.s.t", "k"), Errc::invalid);
  for (const char* bad : {"", "a.b", "a=b", " a", "a/b"}) refused(create(automation, "tables", "main.s.t", bad), Errc::invalid);
  EXPECT_EQ(all(ana), (std::vector<std::string>{"catalogs main k=v", "schemas main.s k=v", "tables main.s.t k=v", "columns main.s.t.a pii=v"}));
  // Reading is for who may see it.
  EXPECT_TRUE(uc.tag_service().get(as(ana), "tables", "main.s.t", "k"));
  refused(uc.tag_service().get(as(eve), "tables", "main.s.t", "k"), Errc::permission_denied);
  refused(uc.tag_service().get(as(ana), "tables", "main.s.t", "none"), Errc::not_found);
  grant(CATALOG, "main", "eve@acme.test", {BROWSE});
  EXPECT_EQ(uc.tag_service().list(as(eve), "tables", "main.s.t", {})->items.size(), 1u);
  refused(uc.tag_service().remove(as(eve), "tables", "main.s.t", "k"), Errc::permission_denied);
  EXPECT_EQ(uc.tag_service().update(as(ana), "tables", "main.s.t", "k", "w")->tag_value, "w");
  ok(uc.tag_service().remove(as(ana), "tables", "main.s.t", "k"));
  refused(uc.tag_service().remove(as(ana), "tables", "main.s.t", "k"), Errc::not_found);
}

TEST_F(TagsTest, FollowTheSecurableAndEndWithIt) {
  own_catalog();
  ok(create(automation, "tables", "main.s.t", "k"));
  ok(uc.alter_table(as(automation), {"main", "s", "t"}, {.new_name = "u"}));
  EXPECT_EQ(all(automation), std::vector<std::string>{"tables main.s.u k=v"});
  make_table("main.s.t");
  EXPECT_EQ(uc.tag_service().list(as(automation), "tables", "main.s.t", {})->items.size(), 0u);
  ok(uc.drop_table(as(automation), {"main", "s", "u"}, false, false));
  EXPECT_TRUE(all(automation).empty());
  for (int i = 0; i < 50; ++i) ok(create(automation, "tables", "main.s.t", "k" + std::to_string(i)));
  refused(create(automation, "tables", "main.s.t", "one-more"), Errc::invalid);
  refused(create(automation, "tables", "main.s.t", "one_more"), Errc::limit_reached);
}

}  // namespace
}  // namespace tarn::catalog::testing
