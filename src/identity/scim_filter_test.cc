#include "identity/scim_filter.h"

#include <gtest/gtest.h>

namespace tarn::identity::scim {
namespace {

const std::function<bool(std::string_view)> kAny = [](std::string_view a) { return a != "nosuch"; };

bool match(std::string_view filter, std::map<std::string, std::vector<std::string>> values) {
  const auto f = parse_filter(filter, kAny);
  EXPECT_TRUE(f) << filter << ": " << (f ? "" : f.error().message);
  const auto get = [&](std::string_view a) { return values[std::string(a)]; };
  const auto elements = [&](std::string_view a) {
    std::vector<Values> out;
    for (const auto& v : values[std::string(a)])
      out.push_back([v](std::string_view part) { return part.ends_with("value") ? std::vector<std::string>{v} : std::vector<std::string>{}; });
    return out;
  };
  return f && matches(*f, get, elements);
}

TEST(ScimFilter, ComparesWithoutCase) {
  EXPECT_TRUE(match(R"(userName eq "ANN@x.com")", {{"username", {"ann@x.com"}}}));
  EXPECT_FALSE(match(R"(userName eq "ann")", {{"username", {"ann@x.com"}}}));
  EXPECT_TRUE(match(R"(userName SW "ann")", {{"username", {"ann@x.com"}}}));
  EXPECT_TRUE(match(R"(userName co "@X")", {{"username", {"ann@x.com"}}}));
  EXPECT_TRUE(match(R"(displayName ne "x")", {}));
  EXPECT_FALSE(match("externalId pr", {{"externalid", {""}}}));
  EXPECT_TRUE(match("active eq true", {{"active", {"true"}}}));
  EXPECT_TRUE(match("id gt 9", {{"id", {"10"}}}));
}

TEST(ScimFilter, BindsAndBeforeOrAndHonoursParentheses) {
  const std::map<std::string, std::vector<std::string>> v{{"a", {"1"}}, {"b", {"2"}}, {"c", {"3"}}};
  EXPECT_TRUE(match(R"(a eq "1" or b eq "x" and c eq "x")", v));
  EXPECT_FALSE(match(R"((a eq "1" or b eq "x") and c eq "x")", v));
  EXPECT_TRUE(match(R"(not (a eq "2") and b pr)", v));
}

TEST(ScimFilter, ReadsEscapesUrnsAndElementFilters) {
  EXPECT_TRUE(match(R"(displayName eq "say \"hi\" \u00e9")", {{"displayname", {"say \"hi\" é"}}}));
  EXPECT_TRUE(match(R"(urn:ietf:params:scim:schemas:core:2.0:User:userName eq "a")", {{"username", {"a"}}}));
  EXPECT_TRUE(match(R"(members[value eq "7"])", {{"members", {"6", "7"}}}));
  EXPECT_FALSE(match(R"(members[value eq "8"])", {{"members", {"6", "7"}}}));
}

TEST(ScimFilter, RefusesWhatItCannotRead) {
  for (const char* bad : {"", "a", "a eq", "a eq \"x", "a zz \"x\"", "(a pr", "a pr)", "a pr b pr", "nosuch eq \"1\"", "not", "a[b pr", "eq",
                          "and a pr", "\"x\" eq a"}) {
    const auto f = parse_filter(bad, kAny);
    ASSERT_FALSE(f) << bad;
    EXPECT_EQ(f.error().code, Errc::invalid_filter);
  }
  EXPECT_FALSE(parse_filter(std::string(5000, '('), kAny)) << "deep nesting is refused, not a crash";
  std::string nots;
  for (int i = 0; i < 5000; ++i) nots += "not ";
  EXPECT_FALSE(parse_filter(nots + "a pr", kAny));
}

TEST(ScimPath, ReadsTheFormsOfAPatch) {
  EXPECT_EQ(parse_path("displayName")->attribute, "displayname");
  EXPECT_EQ(parse_path("name.givenName")->part, "givenname");
  const auto p = parse_path(R"(members[value eq "12"])");
  EXPECT_EQ(p->attribute, "members");
  EXPECT_EQ(only_equals(*p->selector, "value"), "12");
  EXPECT_EQ(parse_path(R"(emails[type eq "work"].value)")->part, "value");
  EXPECT_EQ(parse_path("urn:ietf:params:scim:schemas:core:2.0:User:active")->attribute, "active");
  for (const char* bad : {"", "members[value eq", "members[value eq \"1\"]x", "[value eq \"1\"]"}) EXPECT_FALSE(parse_path(bad)) << bad;
}

}  // namespace
}  // namespace tarn::identity::scim
