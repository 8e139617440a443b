#include "catalog/tag_policies.h"

#include "catalog/tag_conditions.h"
#include "catalog/testing.h"

namespace tarn::catalog::testing {
namespace {

using enum Privilege;
using enum SecurableType;

bool met(std::string_view condition, const std::map<std::string, std::string>& tags) {
  const auto c = tag_condition(condition);
  EXPECT_TRUE(c) << (c ? "" : c.error().message);
  return c && holds(*c, tags);
}

TEST(TagCondition, ReadsWhatPoliciesSay) {
  const std::map<std::string, std::string> tags{{"pii", "ssn"}, {"it's", ""}};
  EXPECT_TRUE(met("has_tag('pii')", tags));
  EXPECT_FALSE(met("has_tag('PII')", tags));
  EXPECT_TRUE(met("HASTAGVALUE( 'pii' , \"ssn\" )", tags));
  EXPECT_FALSE(met("has_tag_value('pii', 'name')", tags));
  EXPECT_TRUE(met("has_tag('none') OR NOT has_tag('none') AND has_tag('pii')", tags));
  EXPECT_FALSE(met("(has_tag('none') OR NOT has_tag('none')) AND has_tag('none')", tags));
  EXPECT_TRUE(met("has_tag('it''s') and has_tag('it\\'s')", tags));
  EXPECT_TRUE(met("true", {}));
  EXPECT_FALSE(met("false", tags));
  for (const char* bad : {"", "has_tag", "has_tag(pii)", "has_tag('a', 'b')", "has_tag_value('a')", "has_tag('a') has_tag('b')", "has_tag('a",
                          "1 = 1", "has_tag('a') AND", "(has_tag('a')", "current_user() = 'x'", "trueish"})
    EXPECT_FALSE(tag_condition(bad)) << bad;
  EXPECT_FALSE(tag_condition(std::string(40, '(') + "true" + std::string(40, ')')));
  EXPECT_FALSE(tag_condition(std::string(5000, ' ') + "true"));
}

class TagPoliciesTest : public CatalogTest {
 protected:
  void SetUp() override {
    own_catalog();
    make_function("odd", {{"n", "bigint", {}}}, "boolean");
    make_function("hide", {{"n", "bigint", {}}}, "bigint");
    make_function("hide2", {{"n", "bigint", {}}, {"how", "string", {}}}, "bigint");
    grant(CATALOG, "main", "account users", {USE_CATALOG, USE_SCHEMA, SELECT});
  }
  static PolicyInfo filter(const std::string& name, const std::string& on_type, const std::string& on, std::vector<std::string> to) {
    PolicyInfo p{.id = {}, .name = name};
    p.on_securable_type = on_type;
    p.on_securable_fullname = on;
    p.for_securable_type = "TABLE";
    p.policy_type = PolicyType::POLICY_TYPE_ROW_FILTER;
    p.to_principals = std::move(to);
    p.match_columns = {{"n", "has_tag('key')"}};
    p.row_filter = RowFilterOptions{"main.s.odd", {{"n", std::nullopt}}};
    return p;
  }
  static PolicyInfo mask(const std::string& name, const std::string& on_type, const std::string& on, std::vector<std::string> to) {
    auto p = filter(name, on_type, on, std::move(to));
    p.policy_type = PolicyType::POLICY_TYPE_COLUMN_MASK;
    p.row_filter.reset();
    p.column_mask = ColumnMaskOptions{"main.s.hide", "n", {}};
    return p;
  }
  void tag(const std::string& type, const std::string& name, const std::string& key, const std::string& value = "v") {
    ok(uc.set_tags(as(automation), type, name, {{key, value}}));
  }
  TableInfo seen(std::int64_t who) {
    const auto info = uc.table(as(who), {"main", "s", "t"});
    EXPECT_TRUE(info);
    return info ? *info : TableInfo{};
  }
};

TEST_F(TagPoliciesTest, AreInForceByTagsAndReader) {
  ok(uc.create_policy(as(automation), filter("p", "CATALOG", "main", {"engineers", "ana@acme.test"}), false));
  EXPECT_FALSE(seen(ana).governed());  // no column has the tag
  tag("columns", "main.s.t.a", "key");
  ASSERT_EQ(seen(ana).policies.size(), 1u);
  EXPECT_EQ(seen(ana).policies[0].function_name, "main.s.odd");
  EXPECT_EQ(seen(ana).policies[0].definer, "11111111-2222-3333-4444-555555555555");
  EXPECT_EQ(seen(ana).policies[0].arguments[0].text, "a");
  EXPECT_FALSE(seen(bob).governed());
  directory.join(bob, engineers);
  EXPECT_TRUE(seen(bob).governed());
  // Through a view, whose owner is another, it is still the reader who is asked.
  ASSERT_TRUE(uc.table_as_owner(as(bob), "eve@acme.test", {"main", "s", "t"}));
  EXPECT_TRUE(uc.table_as_owner(as(bob), "eve@acme.test", {"main", "s", "t"})->governed());
  EXPECT_FALSE(uc.table_as_owner(as(eve), "ana@acme.test", {"main", "s", "t"})->governed());
  ok(uc.tag_policies().update(as(automation), "catalog", "main", "p",
                              [] {
                                PolicyInfo change{.id = {}, .name = ""};
                                change.except_principals = {"bob@acme.test"};
                                change.when_condition = "has_tag_value('zone', 'eu')";
                                return change;
                              }(),
                              {"except_principals", "when_condition"}));
  EXPECT_FALSE(seen(ana).governed());
  tag("catalogs", "main", "zone", "eu");  // tables have the tags of what they lie in
  EXPECT_TRUE(seen(ana).governed());
  EXPECT_FALSE(seen(bob).governed());
  tag("tables", "main.s.t", "zone", "us");  // and their own instead
  EXPECT_FALSE(seen(ana).governed());
  ok(uc.set_tags(as(automation), "tables", "main.s.t", {{"zone", std::nullopt}}));
  EXPECT_TRUE(seen(ana).governed());
  ok(uc.drop_policy(as(automation), CATALOG, "main", "P"));
  EXPECT_FALSE(seen(ana).governed());
}

TEST_F(TagPoliciesTest, ExcludeEachOtherOnlyWhereTheyDiffer) {
  tag("columns", "main.s.t.a", "key");
  ok(uc.create_policy(as(automation), mask("p", "CATALOG", "main", {"account users"}), false));
  ok(uc.create_policy(as(automation), mask("p", "SCHEMA", "main.s", {"account users"}), false));
  EXPECT_FALSE(seen(ana).conflict);
  EXPECT_EQ(seen(ana).policies.size(), 1u);
  auto other = mask("q", "TABLE", "main.s.t", {"ana@acme.test"});
  other.column_mask = ColumnMaskOptions{"main.s.hide2", "n", {{std::nullopt, "x"}}};
  ok(uc.create_policy(as(automation), other, false));
  EXPECT_TRUE(seen(ana).conflict);
  EXPECT_FALSE(seen(bob).conflict);
  ok(uc.drop_policy(as(automation), TABLE, "main.s.t", "q"));
  ok(uc.set_column_mask(as(automation), {"main", "s", "t"}, "a", ColumnMask{"main.s.hide2", {"a"}, {}}));
  EXPECT_TRUE(seen(ana).conflict);
  ok(uc.set_column_mask(as(automation), {"main", "s", "t"}, "a", ColumnMask{"main.s.hide", {}, {}}));
  EXPECT_TRUE(seen(ana).conflict || seen(ana).policies.size() == 1u);
}

TEST_F(TagPoliciesTest, KeepFilesFromBeingHandedOut) {
  tag("columns", "main.s.t.a", "key");
  const auto id = seen(automation).table_id;
  ok(uc.temporary().for_table(as(automation), id, TableOperation::READ, Holder::cluster));
  // Also from whom it does not mean.
  ok(uc.create_policy(as(automation), filter("p", "SCHEMA", "main.s", {"eve@acme.test"}), false));
  refused(uc.temporary().for_table(as(automation), id, TableOperation::READ, Holder::cluster), Errc::permission_denied,
          "A policy over tags is in force on Table 'main.s.t': its files are never handed out. Read it through a warehouse.");
}

TEST_F(TagPoliciesTest, AreForWhoManages) {
  const auto p = filter("p", "SCHEMA", "main.s", {"account users"});
  refused(uc.create_policy(as(ana), p, false), Errc::permission_denied);
  grant(SCHEMA, "main.s", "ana@acme.test", {MANAGE});
  refused(uc.create_policy(as(ana), p, false), Errc::permission_denied, "User does not have EXECUTE on Routine or Model 'main.s.odd'.");
  grant(FUNCTION, "main.s.odd", "ana@acme.test", {EXECUTE});
  ok(uc.create_policy(as(ana), p, false));
  refused(uc.create_policy(as(ana), p, false), Errc::already_exists, "[POLICY_ALREADY_EXISTS] Policy 'p' already exists on 'main.s'");
  ok(uc.create_policy(as(ana), p, true));
  refused(uc.policies(as(bob), SCHEMA, "main.s", false), Errc::permission_denied);
  EXPECT_EQ(uc.policies(as(ana), SCHEMA, "main.s", false)->size(), 1u);
  EXPECT_EQ(uc.policies(as(ana), TABLE, "main.s.t", true)->size(), 1u);
  ok(uc.create_policy(as(automation), filter("above", "CATALOG", "main", {"account users"}), false));
  EXPECT_EQ(uc.policies(as(ana), TABLE, "main.s.t", true)->size(), 1u);  // she manages the schema, not the catalog
  EXPECT_EQ(uc.policies(as(automation), TABLE, "main.s.t", true)->size(), 2u);
  EXPECT_EQ(uc.all_policies(as(ana), "main")->size(), 1u);
  EXPECT_EQ(uc.all_policies(as(bob), "main")->size(), 0u);
  refused(uc.drop_policy(as(bob), SCHEMA, "main.s", "p"), Errc::permission_denied);
  ok(uc.drop_policy(as(ana), SCHEMA, "main.s", "p"));
  refused(uc.drop_policy(as(ana), SCHEMA, "main.s", "p"), Errc::not_found, "[POLICY_NOT_FOUND] Policy 'p' does not exist on 'main.s'");
}

TEST_F(TagPoliciesTest, AreRefusedWhereTheyMakeNoSense) {
  const auto bad = [&](auto change, Errc code = Errc::invalid) {
    auto p = mask("p", "TABLE", "main.s.t", {"account users"});
    change(p);
    refused(uc.create_policy(as(automation), p, false), code);
  };
  bad([](auto& p) { p.name = "a.b"; });
  bad([](auto& p) { p.to_principals = {}; });
  bad([](auto& p) { p.to_principals = {"nobody@acme.test"}; }, Errc::principal_not_found);
  bad([](auto& p) { p.to_principals.assign(21, "account users"); });
  bad([](auto& p) { p.for_securable_type = "MODEL"; });
  bad([](auto& p) { p.on_securable_type = "VOLUME"; });
  bad([](auto& p) { p.on_securable_fullname = "main.s.none"; }, Errc::not_found);
  bad([](auto& p) { p.when_condition = "1 = 1"; });
  bad([](auto& p) { p.match_columns = {}; });
  bad([](auto& p) { p.match_columns = {{"n", "has_tag(key)"}}; });
  bad([](auto& p) { p.match_columns = {{"n", "true"}, {"N", "true"}}; });
  bad([](auto& p) { p.column_mask->on_column = "m"; });
  bad([](auto& p) { p.column_mask->using_ = {{"m", std::nullopt}}; });
  bad([](auto& p) { p.column_mask->using_ = {{std::nullopt, "one too many"}}; });
  bad([](auto& p) { p.column_mask->using_ = {{"n", "both"}}; });
  bad([](auto& p) { p.column_mask.reset(); });
  bad([](auto& p) { p.row_filter = RowFilterOptions{"main.s.odd", {}}; });
  bad([](auto& p) { p.column_mask->function_name = "main.s.none"; }, Errc::not_found);
  bad([](auto& p) {
    p.policy_type = PolicyType::POLICY_TYPE_ROW_FILTER;
    p.column_mask.reset();
    p.row_filter = RowFilterOptions{"main.s.hide", {{"n", std::nullopt}}};
  });
}

TEST_F(TagPoliciesTest, EndWithTheirSecurableAndOutliveItsReplacement) {
  tag("columns", "main.s.t.a", "key");
  ok(uc.create_policy(as(automation), filter("p", "TABLE", "main.s.t", {"account users"}), false));
  const auto wanted = table_of("main.s.t");
  const auto location = uc.plan_table(as(automation), wanted);
  ok(location);
  ok(uc.create_table(as(automation), wanted, *location, true));
  EXPECT_TRUE(seen(ana).governed());
  ok(uc.drop_table(as(automation), {"main", "s", "t"}, false, false));
  make_table("main.s.t");
  EXPECT_FALSE(seen(ana).governed());
}

}  // namespace
}  // namespace tarn::catalog::testing
