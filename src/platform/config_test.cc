#include "platform/config.h"

#include <gmock/gmock.h>

#include <fstream>
#include <random>
#include <sstream>

namespace tarn::platform {
namespace {

std::vector<std::string> problems(const std::string& yaml) {
  std::vector<std::string> out;
  for (const auto& p : load_texts({{"p.yaml", yaml}}).problems) out.push_back(p.text());
  return out;
}
using Texts = std::vector<std::string>;

TEST(Config, NamesFileAndLineOfATypo) {
  EXPECT_EQ(problems("groups:\n  - name: a\n    membres: [b]\n"),
            (Texts{"p.yaml:3: 'groups[0].membres' is not a known field; did you mean 'members'?"}));
  EXPECT_EQ(problems("gruops: []\n"), (Texts{"p.yaml:1: 'gruops' is not a known section; did you mean 'groups'?"}));
  EXPECT_EQ(problems("groups:\n  - {name: 7}\n"), (Texts{"p.yaml:2: 'groups[0].name' must be a string, got 7"}));
  EXPECT_EQ(problems("groups:\n  - {members: []}\n"), (Texts{"p.yaml:2: 'groups[0].name' is required"}));
  EXPECT_EQ(problems("groups: {a: b}\n"), (Texts{"p.yaml:1: 'groups' must be a list"}));
  EXPECT_EQ(problems("a: [1\n").size(), 1u);
  EXPECT_EQ(problems("groups:\n  - name: a\n    name: b\n"), (Texts{"p.yaml:3: 'name' is given twice"}));
}

TEST(Config, ASmallFileOfAliasesStaysSmall) {
  std::string yaml = "a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n";
  for (int i = 1; i < 12; ++i) yaml += fmt::format("a{0}: &a{0} [*a{1}, *a{1}, *a{1}, *a{1}, *a{1}, *a{1}, *a{1}, *a{1}, *a{1}, *a{1}]\n", i, i - 1);
  EXPECT_THAT(problems(yaml), ::testing::Contains(::testing::HasSubstr("holds more than 200000 entries")));
}

/// Damaged at random: read or refused, never more than that.
TEST(Config, DamagedFilesAreReadOrRefused) {
  std::ifstream in(TARN_SOURCE_DIR "/platform/network.yaml");
  std::vector<std::string> good;
  for (std::string line; std::getline(in, line);) good.push_back(line);
  ASSERT_GT(good.size(), 50u);
  std::mt19937 random(7);
  int refused = 0, read = 0;
  for (int round = 0; round < 150; ++round) {
    auto lines = good;
    for (int n = 1 + static_cast<int>(random() % 3); n > 0; --n) {
      auto& line = lines[random() % lines.size()];
      switch (random() % 5) {
        case 0:
          line = lines[random() % lines.size()];
          break;
        case 1:
          line.clear();
          break;
        case 2:
          if (!line.empty()) line[random() % line.size()] = static_cast<char>(random() % 256);
          break;
        case 3:
          line = line.substr(0, line.size() / 2);
          break;
        case 4:
          line = " " + line;
          break;
      }
    }
    std::string text;
    for (const auto& l : lines) text += l + "\n";
    const auto loaded = load_texts({{"network.yaml", text}});
    ++(loaded.ok() ? read : refused);
    for (const auto& p : loaded.problems) EXPECT_FALSE(p.message.empty());
  }
  EXPECT_GT(refused, 20);
  EXPECT_GT(read, 5);
}

TEST(Config, CollectsAllProblems) { EXPECT_EQ(problems("groups:\n  - {nam: a}\n  - {name: 3}\nusers:\n  - {}\n").size(), 3u); }

TEST(Config, ChecksReferencesCyclesAndGrants) {
  EXPECT_EQ(problems("groups:\n  - {name: gold_read, members: [ai_analist]}\n  - {name: ai_analyst}\n"),
            (Texts{"p.yaml:2: user or group 'ai_analist' is not defined; did you mean 'ai_analyst'?"}));
  EXPECT_EQ(problems("groups:\n  - {name: a, members: [b]}\n  - {name: b, members: [a]}\n"),
            (Texts{"p.yaml:2: group 'a' is, through its members, a member of itself"}));
  EXPECT_EQ(problems("groups:\n  - {name: a}\n  - {name: a}\n"), (Texts{"p.yaml:3: groups 'a' is defined twice"}));
  EXPECT_EQ(problems("grants:\n  - {on: catalog gold, to: \"account users\", allow: [SELECT]}\n"),
            (Texts{"p.yaml:2: catalog 'gold' is not defined"}));
  EXPECT_EQ(problems("grants:\n  - {on: catlog gold, to: \"account users\", allow: [SELECT]}\n").size(), 1u);
  EXPECT_EQ(
      problems(
          "credentials: [{name: c, role_arn: r}]\nstorage: [{name: s, bucket: b}]\nnetworks: [{name: n, vpc_id: v}]\nworkspaces:\n"
          "  - {name: x, credentials: c, storage: s, network: n, region: r}\n  - {name: y, credentials: c, storage: s, network: n, region: r}\n"),
      (Texts{"p.yaml:6: network 'n' already serves workspace 'x': one network configuration serves one workspace"}));
}

TEST(Config, MergesFilesAndKeepsPlaces) {
  const auto loaded =
      load_texts({{"a.yaml", "groups:\n  - {name: a}\n"}, {"b.yaml", "users:\n  - {name: u@x}\ngroups:\n  - {name: b, members: [a, u@x]}\n"}});
  ASSERT_TRUE(loaded.ok()) << loaded.problems[0].text();
  EXPECT_EQ(loaded.config.groups.size(), 2u);
  EXPECT_EQ(loaded.place("groups[1]"), "b.yaml:4");
}

TEST(Config, TheSchemaNamesRequiredFieldsAndRefusesOthers) {
  const auto schema = json_schema();
  const auto& group = schema.at("properties").at("groups").at("items");
  EXPECT_EQ(group.at("required"), (json::array{"name"}));
  EXPECT_EQ(group.at("additionalProperties"), json::value(false));
  EXPECT_TRUE(schema.at("properties").as_object().contains("budgets"));
}

TEST(Config, ThePublishedSchemaIsFresh) {
  std::ifstream in(TARN_SOURCE_DIR "/docs/platform.schema.json");
  std::stringstream text;
  text << in.rdbuf();
  const auto published = json::parse(text.str());
  ASSERT_TRUE(published) << "make it with:  build/tarn schema | python3 -m json.tool > docs/platform.schema.json";
  EXPECT_EQ(*published, json_schema());
}

TEST(Config, TheArticlesPlatformIsWithoutProblems) {
  const auto loaded = load(TARN_SOURCE_DIR "/platform");
  EXPECT_TRUE(loaded.ok()) << loaded.problems[0].text();
  EXPECT_EQ(loaded.config.workspaces.size(), 2u);
}

}  // namespace
}  // namespace tarn::platform
