#include "engine/types.h"

#include <gtest/gtest.h>

namespace tarn::engine {
namespace {

TEST(ParseType, TakesNestedTypesApart) {
  const auto t = parse_type("STRUCT(a INTEGER, \"b \"\"c\" DECIMAL(3,1)[3][])");
  ASSERT_TRUE(t);
  EXPECT_EQ(t->name, "STRUCT");
  EXPECT_EQ(t->fields, (std::vector<std::string>{"a", "b \"c"}));
  EXPECT_EQ(t->children[1].name, "LIST");
  EXPECT_EQ(t->children[1].children[0].name, "ARRAY");
  EXPECT_EQ(t->children[1].children[0].children[0].precision, 3);
  EXPECT_EQ(parse_type("TIMESTAMP WITH TIME ZONE")->name, "TIMESTAMPTZ");
  EXPECT_EQ(parse_type("ENUM('a', 'it''s, (b)')")->fields.size(), 2u);
  EXPECT_EQ(parse_type("MAP(VARCHAR, DATE)")->children[1].name, "DATE");
}

TEST(ParseType, RefusesWhatIsNoType) {
  for (const char* text : {"", "INTEGER)", "STRUCT(", "STRUCT(a)", "MAP(VARCHAR)", "DECIMAL(3)", "INTEGER[", "ENUM(a)", "TIMESTAMP WITH"})
    EXPECT_FALSE(parse_type(text)) << text;
  std::string deep;
  for (int i = 0; i < 10'000; ++i) deep += "STRUCT(a ";
  EXPECT_FALSE(parse_type(deep));
}

}  // namespace
}  // namespace tarn::engine
