#include "base/json.h"

#include <gtest/gtest.h>

namespace tarn::json {
namespace {

enum class Mode { OPEN, ISOLATED };
BOOST_DESCRIBE_ENUM(Mode, OPEN, ISOLATED)
struct Inner {
  std::string principal;
  std::vector<std::string> privileges;
};
BOOST_DESCRIBE_STRUCT(Inner, (), (principal, privileges))
struct Outer {
  std::string name;
  std::int64_t id = 0;
  std::optional<Mode> mode;
  Patch<std::string> comment;
  std::vector<Inner> grants;
  std::optional<bool> default_;
};
BOOST_DESCRIBE_STRUCT(Outer, (), (name, id, mode, comment, grants, default_))

TEST(Json, TellsAbsentNullAndEmptyApart) {
  EXPECT_TRUE(decode_text<Outer>(R"({"name":"a","id":1})")->comment.absent());
  EXPECT_TRUE(decode_text<Outer>(R"({"name":"a","id":1,"comment":null})")->comment.null());
  const auto empty = decode_text<Outer>(R"({"name":"a","id":1,"comment":""})");
  EXPECT_TRUE(empty->comment.present());
  EXPECT_EQ(empty->comment.content, "");
}

TEST(Json, NamesTheFieldThatIsWrong) {
  EXPECT_EQ(decode_text<Outer>(R"({"id":1})").error().message(), "Field 'name' is required");
  EXPECT_EQ(decode_text<Outer>(R"({"name":7,"id":1})").error().message(), "Field 'name' must be a string, got 7");
  EXPECT_EQ(decode_text<Outer>(R"({"name":"a","id":1.5})").error().message(), "Field 'id' must be a whole number, got 1.5E0");
  EXPECT_EQ(decode_text<Outer>(R"({"name":"a","id":1,"grants":[{"principal":"x"},{"principal":3}]})").error().field, "grants[1].principal");
  EXPECT_EQ(decode_text<Outer>(R"({"name":"a","id":1,"mode":"SHUT"})").error().message(), "Field 'mode' must be one of OPEN, ISOLATED; got \"SHUT\"");
  EXPECT_EQ(decode_text<Outer>("[]").error().message(), "must be an object, got []");
  EXPECT_FALSE(decode_text<Outer>("{\"name\":\"\xff\",\"id\":1}"));
  EXPECT_FALSE(parse(std::string(100, '[')));
}

TEST(Json, AcceptsNumbersAsStringsOfDigits) {
  EXPECT_EQ(decode_text<Outer>(R"({"name":"a","id":"9007199254740991"})")->id, 9007199254740991);
  EXPECT_FALSE(decode_text<Outer>(R"({"name":"a","id":"12x"})"));
  EXPECT_FALSE(decode_text<Outer>(R"({"name":"a","id":""})"));
}

TEST(Json, CountsOrRefusesUnknownFields) {
  int unknown = 0;
  EXPECT_TRUE(decode_text<Outer>(R"({"name":"a","id":1,"newer":2})", {.unknown_count = &unknown}));
  EXPECT_EQ(unknown, 1);
  EXPECT_EQ(decode_text<Outer>(R"({"name":"a","id":1,"newer":2})", {.unknown = Unknown::refuse}).error().field, "newer");
}

TEST(Json, RoundTripsAndLeavesEmptyOut) {
  Outer o{.name = "a", .id = 3, .mode = Mode::ISOLATED, .default_ = true};
  EXPECT_EQ(encode_text(o), R"({"name":"a","id":3,"mode":"ISOLATED","default":true})");
  EXPECT_EQ(decode<Outer>(encode(o))->mode, Mode::ISOLATED);
}

}  // namespace
}  // namespace tarn::json
