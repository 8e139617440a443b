// Files are left out only where the log proves that they hold no such row.
#include "delta/file_skipping.h"

#include <random>

#include "delta/stats.h"
#include "delta/test_table.h"
#include "objects/local_objects.h"

namespace tarn::delta {
namespace {

using namespace testing;
using Op = ColumnBound::Op;

using Columns = std::vector<std::pair<std::string, std::string>>;

/// A table in memory: one file for each text of statistics, or each set of partition values.
struct Shape {
  Snapshot snapshot;
  DataFiles files;

  explicit Shape(const Columns& columns, std::vector<std::string> partitions = {}) {
    for (const auto& [name, type] : columns) {
      Field f{name, *delta_type(type.starts_with("char(") ? "string" : type), true, {}};
      if (type.starts_with("char(")) f.metadata["__CHAR_VARCHAR_TYPE_STRING"] = type;
      snapshot.metadata.schema.fields.push_back(std::move(f));
    }
    snapshot.metadata.partition_columns = std::move(partitions);
    files.columns = data_columns(snapshot.metadata);
  }
  Shape& add(std::string stats, std::map<std::string, std::optional<std::string>> partition = {}) {
    auto f = std::make_shared<AddFile>();
    f->path = std::to_string(files.files.size()) + ".parquet";
    f->stats = std::move(stats);
    f->partition_values = partition;
    snapshot.files.entries.push_back({0, f});
    files.files.push_back({.path = f->path, .location = f->path, .partition_values = std::move(partition)});
    return *this;
  }
  /// The places kept, as text.
  std::string kept(std::vector<ColumnBound> bounds) const {
    const auto found = files_that_may_hold(snapshot, files, bounds);
    if (!found) return "all";
    std::string out;
    for (const auto i : *found) out += (out.empty() ? "" : " ") + std::to_string(i);
    return out;
  }
};

std::string between(const std::string& column, const std::string& low, const std::string& high, int nulls = 0, int rows = 10) {
  return fmt::format(R"({{"numRecords":{},"minValues":{{"{}":{}}},"maxValues":{{"{}":{}}},"nullCount":{{"{}":{}}}}})", rows, column, low, column,
                     high, column, nulls);
}

TEST(FileSkipping, WholeNumbers) {
  Shape t(Columns{{"id", "bigint"}});
  t.add(between("id", "0", "9")).add(between("id", "10", "19")).add(between("id", "9223372036854775800", "9223372036854775807")).add("");
  const auto d = [](const char* text) { return BoundValue{text, "decimal"}; };
  EXPECT_EQ(t.kept({{"id", Op::equal, {d("12")}}}), "1 3");  // a file without statistics may hold anything
  EXPECT_EQ(t.kept({{"id", Op::equal, {d("9")}}}), "0 3");
  EXPECT_EQ(t.kept({{"id", Op::equal, {d("3"), d("9223372036854775806")}}}), "0 2 3");
  EXPECT_EQ(t.kept({{"id", Op::less, {d("10")}}}), "0 3");
  EXPECT_EQ(t.kept({{"id", Op::less_equal, {d("10")}}}), "0 1 3");
  EXPECT_EQ(t.kept({{"id", Op::greater, {d("19")}}}), "2 3");
  EXPECT_EQ(t.kept({{"id", Op::greater_equal, {d("19")}}}), "1 2 3");
  EXPECT_EQ(t.kept({{"id", Op::greater, {d("3")}}, {"id", Op::less, {d("11")}}}), "0 1 3");
  EXPECT_EQ(t.kept({{"id", Op::equal, {d("-1")}}}), "3");
  EXPECT_EQ(t.kept({{"id", Op::equal, {d("9223372036854775808")}}}), "all");  // not a value of the column: the engine says what becomes of it
  EXPECT_EQ(t.kept({{"id", Op::equal, {{"12", "string"}}}}), "all");
  EXPECT_EQ(t.kept({{"id", Op::equal, {d("12.5")}}}), "all");
  EXPECT_EQ(t.kept({{"other", Op::equal, {d("12")}}}), "all");
  EXPECT_EQ(t.kept({}), "all");
}

TEST(FileSkipping, NullsAreNoValue) {
  Shape t(Columns{{"id", "int"}});
  t.add(R"({"numRecords":5,"nullCount":{"id":5}})").add(between("id", "1", "2", 3, 5)).add(R"({"numRecords":5})");
  EXPECT_EQ(t.kept({{"id", Op::not_null, {}}}), "1 2");
  EXPECT_EQ(t.kept({{"id", Op::equal, {{"1", "decimal"}}}}), "1 2");
}

TEST(FileSkipping, TextByItsBytesThoughBoundsAreCut) {
  Shape t(Columns{{"s", "string"}, {"c", "char(5)"}});
  t.add(between("s", "\"a\"", "\"m\""))
      .add(between("s", "\"n\"", "\"n\\u007f\""))
      .add(between("s", "\"é\"", "\"ü\""))
      .add(between("c", "\"a\"", "\"b\""));
  const auto s = [](const char* text) { return BoundValue{text, "string"}; };
  EXPECT_EQ(t.kept({{"s", Op::equal, {s("nz")}}}), "1 3");
  EXPECT_EQ(t.kept({{"s", Op::greater, {s("z")}}}), "2 3");
  EXPECT_EQ(t.kept({{"s", Op::equal, {s("ê")}}}), "2 3");
  EXPECT_EQ(t.kept({{"s", Op::equal, {{"5", "decimal"}}}}), "all");  // the column is what would be converted
  EXPECT_EQ(t.kept({{"c", Op::equal, {s("z")}}}), "all");            // compared as if filled up with blanks
}

TEST(FileSkipping, MomentsOfWhichMillisecondsAreKept) {
  Shape t(Columns{{"at", "timestamp"}, {"day", "date"}, {"here", "timestamp_ntz"}});
  t.add(between("at", "\"2024-01-01T00:00:00.000Z\"", "\"2024-01-31T23:59:59.999Z\""))
      .add(between("at", "\"2024-02-01T00:00:00.000Z\"", "\"2024-02-29T00:00:00.000Z\""));
  EXPECT_EQ(t.kept({{"at", Op::greater_equal, {{"2024-01-31 23:59:59.999999", "timestamp"}}}}), "all");  // the last one may be cut
  EXPECT_EQ(t.kept({{"at", Op::greater_equal, {{"2024-02-01", "date"}}}}), "1");
  EXPECT_EQ(t.kept({{"at", Op::less, {{"2024-01-31T12:00:00", "string"}}}}), "0");
  EXPECT_EQ(t.kept({{"at", Op::less, {{"2024-01-31 12:00:00", "timestamp_ntz"}}}}), "all");
  EXPECT_EQ(t.kept({{"at", Op::less, {{"2024-01-31T12:00:00+02:00", "string"}}}}), "all");
  EXPECT_EQ(t.kept({{"at", Op::less, {{"2024-02-30", "string"}}}}), "all");
  Shape days(Columns{{"day", "date"}});
  days.add(between("day", "\"2024-01-01\"", "\"2024-01-31\""))
      .add(between("day", "\"2024-02-01\"", "\"2024-02-29\""))
      .add(between("day", "\"+12024-02-01\"", "\"+12024-02-01\""));
  EXPECT_EQ(days.kept({{"day", Op::equal, {{"2024-02-03", "date"}}}}), "1 2");
  EXPECT_EQ(days.kept({{"day", Op::equal, {{"2024-02-03", "string"}}}}), "1 2");
  EXPECT_EQ(days.kept({{"day", Op::equal, {{"2024-02-03 10:00:00", "timestamp"}}}}), "all");
}

TEST(FileSkipping, DecimalsBeyondADoubleAndFloatingPointThatMayHideANaN) {
  Shape t(Columns{{"d", "decimal(38,2)"}});
  t.add(between("d", "12345678901234567890123456789012345.67", "12345678901234567890123456789012345.67")).add(between("d", "1.10", "1.20"));
  EXPECT_EQ(t.kept({{"d", Op::equal, {{"12345678901234567890123456789012345.66", "decimal"}}}}), "0");  // too near to tell
  EXPECT_EQ(t.kept({{"d", Op::equal, {{"1.20", "decimal"}}}}), "1");
  EXPECT_EQ(t.kept({{"d", Op::less, {{"1.1", "decimal"}}}}), "1");  // so near that it is looked at
  EXPECT_EQ(t.kept({{"d", Op::less, {{"1.0", "decimal"}}}}), "");
  Shape x(Columns{{"x", "double"}});
  x.add(between("x", "1.0", "2.0")).add(between("x", "5.0", "\"NaN\""));
  EXPECT_EQ(x.kept({{"x", Op::greater, {{"3", "decimal"}}}}), "all");
  EXPECT_EQ(x.kept({{"x", Op::less, {{"3", "decimal"}}}}), "0");
  EXPECT_EQ(x.kept({{"x", Op::equal, {{"6", "decimal"}}}}), "1");
}

TEST(FileSkipping, PartitionsAreWhatTheLogSays) {
  Shape t(Columns{{"id", "int"}, {"day", "date"}, {"k", "string"}}, {"day", "k"});
  t.add("", {{"day", "2024-01-01"}, {"k", "a"}}).add("", {{"day", "2024-01-02"}, {"k", "b"}}).add("", {{"day", std::nullopt}, {"k", ""}});
  EXPECT_EQ(t.kept({{"day", Op::greater, {{"2024-01-01", "date"}}}}), "1");
  EXPECT_EQ(t.kept({{"k", Op::equal, {{"a", "string"}, {"z", "string"}}}}), "0");
  EXPECT_EQ(t.kept({{"k", Op::not_null, {}}}), "0 1");
}

TEST(FileSkipping, DamagedStatisticsLeaveNothingOut) {
  Shape t(Columns{{"id", "int"}});
  for (const char* stats :
       {"{", "[]", "null", R"({"minValues":5,"maxValues":[]})", R"({"numRecords":"x","minValues":{"id":"a"},"maxValues":{"id":{}}})",
        R"({"minValues":{"id":1.5},"maxValues":{"id":1e99}})"})
    t.add(stats);
  EXPECT_EQ(t.kept({{"id", Op::equal, {{"7", "decimal"}}}}), "all");
}

TEST(FileSkipping, NoRowIsLostWhateverTheValues) {
  std::mt19937 random(7);
  const auto pick = [&](int n) { return static_cast<int>(random() % static_cast<unsigned>(n)); };
  const auto value = [&](const std::string& type) -> std::string {
    if (type == "int") return std::to_string(pick(200) - 100);
    if (type == "date") return fmt::format("2024-{:02}-{:02}", pick(12) + 1, pick(28) + 1);
    std::string out;
    for (int n = pick(40); n >= 0; --n) out += "abyzäÿ"[pick(4)];
    return out;
  };
  std::size_t skipped = 0;
  for (int round = 0; round < 400; ++round) {
    const std::string type = std::vector<std::string>{"int", "string", "date"}[static_cast<std::size_t>(pick(3))];
    const auto less = [&](const std::string& a, const std::string& b) { return type == "int" ? std::stoi(a) < std::stoi(b) : a < b; };
    Shape t(Columns{{"v", type}});
    std::vector<std::vector<std::string>> held;
    for (int f = 0; f < 6; ++f) {
      auto& rows = held.emplace_back();
      for (int n = pick(3); n >= 0; --n) rows.push_back(value(type));
      const auto [low, high] = std::ranges::minmax_element(rows, less);
      t.add(stats_json(t.snapshot.metadata, static_cast<std::int64_t>(rows.size()), {{.path = {"v"}, .min = *low, .max = *high, .null_count = 0}}));
    }
    const auto wanted = value(type);
    const auto op = std::vector<Op>{Op::equal, Op::less, Op::less_equal, Op::greater, Op::greater_equal}[static_cast<std::size_t>(pick(5))];
    const ColumnBound bound{"v", op, {{wanted, type == "int" ? "decimal" : type == "date" ? "date" : "string"}}};
    const auto kept = files_that_may_hold(t.snapshot, t.files, std::span(&bound, 1));
    if (!kept) continue;
    skipped += held.size() - kept->size();
    for (std::size_t f = 0; f < held.size(); ++f)
      for (const auto& row : held[f]) {
        const bool meets = op == Op::equal        ? row == wanted
                           : op == Op::less       ? less(row, wanted)
                           : op == Op::less_equal ? !less(wanted, row)
                           : op == Op::greater    ? less(wanted, row)
                                                  : !less(row, wanted);
        EXPECT_TRUE(!meets || std::ranges::find(*kept, f) != kept->end()) << type << " " << row << " against " << wanted;
      }
  }
  EXPECT_GT(skipped, 200u);
}

}  // namespace
}  // namespace tarn::delta
