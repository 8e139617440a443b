// tests/sql/*.test: statements and what they must answer, as text. A block is
//     as NAME              who runs what follows
//     file s3://…          an object; its content follows
//     ok / query / error TEXT…   then the statement; a query has its rows after `----`, columns joined by `|`
// In a row, <time> stands for any moment and <id> for any UUID.
// Blocks end with an empty line; lines that begin with # are comments.
#include <fstream>
#include <regex>

#include "sql/testing.h"

namespace tarn::sql::testing {
namespace {

class Script : public ::testing::TestWithParam<std::filesystem::path> {};

std::vector<std::filesystem::path> scripts() {
  std::vector<std::filesystem::path> out;
  for (const auto& e : std::filesystem::directory_iterator(std::filesystem::path(TARN_SOURCE_DIR) / "tests/sql"))
    if (e.path().extension() == ".test") out.push_back(e.path());
  std::ranges::sort(out);
  return out;
}

/// The row with what the expected one leaves open.
std::string shown(const std::string& row, const std::string& expected) {
  static const std::regex moment(R"(\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?Z)"), id("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}");
  std::string out = row;
  if (expected.find("<time>") != expected.npos) out = std::regex_replace(out, moment, "<time>");
  if (expected.find("<id>") != expected.npos) out = std::regex_replace(out, id, "<id>");
  return out;
}

TEST_P(Script, AnswersAsWritten) {
  World world;
  std::ifstream in(GetParam());
  ASSERT_TRUE(in) << GetParam();
  std::string who = "automation", line;
  int number = 0, blocks = 0;
  while (std::getline(in, line)) {
    ++number;
    if (line.empty() || line[0] == '#') continue;
    if (line.starts_with("as ")) {
      who = line.substr(3);
      continue;
    }
    const int at = number;
    const std::string head = line;
    std::string body;
    std::vector<std::string> expected;
    bool rows = false;
    while (std::getline(in, line) && !line.empty()) {
      ++number;
      if (line == "----")
        rows = true;
      else if (rows)
        expected.push_back(line);
      else
        body += line + "\n";
    }
    ++number;
    ++blocks;
    SCOPED_TRACE(GetParam().filename().string() + ":" + std::to_string(at) + " " + head + " as " + who + "\n" + body);
    if (head.starts_with("file ")) {
      const auto url = objects::Url::parse(head.substr(5));
      ASSERT_TRUE(url && world.objects->put(*url, body));
      continue;
    }
    Collector sink;
    const auto done = world.run(world.as(who), body, sink);
    if (head.starts_with("error ")) {
      ASSERT_FALSE(done) << "was answered";
      EXPECT_NE(done.error().message.find(head.substr(6)), std::string::npos) << done.error().message;
    } else {
      ASSERT_TRUE(head == "ok" || head == "query") << "unknown block";
      ASSERT_TRUE(done) << done.error().message;
      if (head == "query") {
        for (std::size_t i = 0; i < sink.rows.size() && i < expected.size(); ++i) sink.rows[i] = shown(sink.rows[i], expected[i]);
        EXPECT_EQ(sink.rows, expected);
      }
    }
  }
  EXPECT_GT(blocks, 0);
}

INSTANTIATE_TEST_SUITE_P(Sql, Script, ::testing::ValuesIn(scripts()), [](const auto& info) {
  auto name = info.param.stem().string();
  std::ranges::replace(name, '-', '_');
  return name;
});

}  // namespace
}  // namespace tarn::sql::testing
