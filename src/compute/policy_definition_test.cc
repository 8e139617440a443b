#include "compute/policy_definition.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "compute/node_types.h"
#include "compute/policies.h"

namespace tarn::compute {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

PolicyDefinition parsed(std::string_view text) {
  auto p = PolicyDefinition::parse(text);
  EXPECT_TRUE(p.has_value()) << (p ? "" : p.error().front());
  return p ? *p : PolicyDefinition{};
}

std::vector<std::string> problems(std::string_view text) {
  auto p = PolicyDefinition::parse(text);
  return p ? std::vector<std::string>{} : p.error();
}

std::vector<std::string> violations(std::string_view policy, std::string_view spec, VirtualAttributes v = {}) {
  std::vector<std::string> out;
  for (const auto& one : parsed(policy).check(json::parse(spec)->as_object(), v)) out.push_back(one.message);
  return out;
}

TEST(PolicyLanguage, EachTypeJudgesAValueInTheVendorsWords) {
  EXPECT_THAT(violations(R"({"node_type_id":{"type":"fixed","value":"i3.2xlarge"}})", R"({"node_type_id":"i3.xlarge"})"),
              ElementsAre(R"(Validation failed for node_type_id, the value must be i3.2xlarge (is "i3.xlarge"))"));
  EXPECT_THAT(violations(R"({"enable_elastic_disk":{"type":"fixed","value":true}})", R"({"enable_elastic_disk":false})"),
              ElementsAre(R"(Validation failed for enable_elastic_disk, the value must be true (is "false"))"));
  EXPECT_THAT(violations(R"({"aws_attributes.first_on_demand":{"type":"range","minValue":1}})", R"({"aws_attributes":{"first_on_demand":0}})"),
              ElementsAre(R"(Validation failed for aws_attributes.first_on_demand, the value cannot be less than 1 (is "0"))"));
  EXPECT_THAT(violations(R"({"num_workers":{"type":"range","maxValue":10}})", R"({"num_workers":64})"),
              ElementsAre(R"(Validation failed for num_workers, the value cannot be greater than 10 (is "64"))"));
  EXPECT_THAT(violations(R"({"node_type_id":{"type":"allowlist","values":["a","b"]}})", R"({"node_type_id":"c"})"),
              ElementsAre(R"(Validation failed for node_type_id, the value must be one of a, b (is "c"))"));
  EXPECT_THAT(violations(R"({"node_type_id":{"type":"blocklist","values":["c"]}})", R"({"node_type_id":"c"})"),
              ElementsAre(R"(Validation failed for node_type_id, the value must not be one of c (is "c"))"));
  EXPECT_THAT(violations(R"({"spark_version":{"type":"regex","pattern":"15\\.[0-9]+\\.x-.*"}})", R"({"spark_version":"14.3.x-scala2.12"})"),
              ElementsAre(HasSubstr("must match regular expression")));
  EXPECT_THAT(violations(R"({"instance_pool_id":{"type":"forbidden"}})", R"({"instance_pool_id":"p"})"),
              ElementsAre(R"(Validation failed for instance_pool_id, the value must not be present (is "p"))"));
  EXPECT_THAT(violations(R"({"instance_pool_id":{"type":"forbidden"}})", "{}"), IsEmpty());
  EXPECT_THAT(violations(R"({"spark_version":{"type":"regex","pattern":"15.*"}})", R"({"spark_version":"15.4"})"), IsEmpty());
}

TEST(PolicyLanguage, WhatIsLimitedMustBePresentUnlessOptional) {
  EXPECT_THAT(violations(R"({"custom_tags.environment":{"type":"unlimited"}})", "{}"),
              ElementsAre("Validation failed for custom_tags, environment must be present"));
  EXPECT_THAT(violations(R"({"spark_conf.spark.a.b":{"type":"fixed","value":"x"}})", "{}"),
              ElementsAre("Validation failed for spark_conf, spark.a.b must be present"));
  EXPECT_THAT(violations(R"({"num_workers":{"type":"range","maxValue":3,"isOptional":true}})", "{}"), IsEmpty());
  EXPECT_THAT(violations(R"({"node_type_id":{"type":"blocklist","values":["c"]}})", "{}"), IsEmpty());
  EXPECT_EQ(violations(R"({"num_workers":{"type":"range","maxValue":3,"isOptional":true}})", R"({"num_workers":4})").size(), 1u);
}

TEST(PolicyLanguage, VirtualAttributesLimitWhatAClusterCostsAndWhoMakesIt) {
  EXPECT_THAT(violations(R"({"dbus_per_hour":{"type":"range","maxValue":10}})", "{}", {.dbus_per_hour = 10.5}),
              ElementsAre(R"(Validation failed for dbus_per_hour, the value cannot be greater than 10 (is "10.5"))"));
  EXPECT_THAT(violations(R"({"cluster_type":{"type":"fixed","value":"job"}})", "{}"),
              ElementsAre(R"(Validation failed for cluster_type, the value must be job (is "all-purpose"))"));
  EXPECT_THAT(violations(R"({"cluster_type":{"type":"fixed","value":"job"}})", "{}", {.cluster_type = "job"}), IsEmpty());
}

TEST(PolicyLanguage, ListsTakeAnIndexAndAStarForTheRest) {
  const auto policy =
      R"({"init_scripts.0.volumes.destination":{"type":"fixed","value":"/Volumes/a/b/c/one.sh"},"init_scripts.*.volumes.destination":{"type":"forbidden"}})";
  EXPECT_THAT(violations(policy, R"({"init_scripts":[{"volumes":{"destination":"/Volumes/a/b/c/one.sh"}}]})"), IsEmpty());
  EXPECT_THAT(violations(policy, R"({"init_scripts":[{"volumes":{"destination":"/Volumes/a/b/c/one.sh"}},{"volumes":{"destination":"/x"}}]})"),
              ElementsAre(HasSubstr("init_scripts.1.volumes.destination, the value must not be present")));
}

TEST(PolicyLanguage, FixedValuesAreSuppliedDefaultsOnlyWhenAskedFor) {
  const auto p = parsed(R"({"spark_version":{"type":"fixed","value":"15.4.x-scala2.12"},"custom_tags.Team":{"type":"fixed","value":"ml"},
    "node_type_id":{"type":"unlimited","defaultValue":"m6g.large"},"autoscale.max_workers":{"type":"range","maxValue":4,"defaultValue":2},
    "cluster_log_conf.type":{"type":"fixed","value":"S3"},"cluster_log_conf.path":{"type":"fixed","value":"s3://logs/x"},
    "init_scripts.0.workspace.destination":{"type":"fixed","value":"/Shared/i.sh"},"num_workers":{"type":"unlimited","isOptional":true}})");
  EXPECT_EQ(boost::json::serialize(p.completed(json::object{{"custom_tags", {{"Mine", "yes"}}}}, false)),
            R"({"custom_tags":{"Mine":"yes","Team":"ml"},"spark_version":"15.4.x-scala2.12","cluster_log_conf":{"s3":{"destination":"s3://logs/x"}},)"
            R"("init_scripts":[{"workspace":{"destination":"/Shared/i.sh"}}]})");
  const auto full = p.completed({}, true);
  EXPECT_EQ(full.at("node_type_id").as_string(), "m6g.large");
  EXPECT_EQ(full.at("autoscale").at("max_workers").to_number<int>(), 2);
  EXPECT_EQ(p.completed(json::object{{"node_type_id", "i3.xlarge"}}, true).at("node_type_id").as_string(), "i3.xlarge");
}

TEST(PolicyLanguage, AVersionMayBeSaidByWhatItIsToday) {
  const auto newest = resolve_runtime("auto:latest-lts");
  EXPECT_TRUE(find_runtime(newest)->lts);
  EXPECT_THAT(violations(R"({"spark_version":{"type":"fixed","value":"auto:latest-lts"}})", "{\"spark_version\":\"" + newest + "\"}"), IsEmpty());
  EXPECT_TRUE(find_runtime(resolve_runtime("auto:prev-lts-ml"))->ml);
  EXPECT_EQ(resolve_runtime("auto:whatever"), "auto:whatever");
}

TEST(PolicyLanguage, ADefinitionThatIsNoneOrContradictsItselfIsRefusedWithEveryProblem) {
  EXPECT_THAT(problems("nonsense"), ElementsAre(HasSubstr("is not JSON")));
  EXPECT_THAT(problems(R"([{"foo":"bar"}])"), ElementsAre(HasSubstr("must be a JSON object")));
  EXPECT_THAT(problems(R"({"num_workers":5})"), ElementsAre("num_workers: must be an object with a 'type'"));
  EXPECT_THAT(problems(R"({"spark_conf.spark.sql.extensions":{"value":"x"}})"), ElementsAre(HasSubstr("'type' is required")));
  EXPECT_THAT(problems(R"({"num_wokers":{"type":"fixed","value":1}})"), ElementsAre("num_wokers: is not an attribute that a policy can limit"));
  EXPECT_THAT(problems(R"({"num_workers":{"type":"range","minValue":9,"maxValue":3}})"),
              ElementsAre("num_workers: 'minValue' 9 is above 'maxValue' 3"));
  EXPECT_THAT(problems(R"({"num_workers":{"type":"range"}})"), ElementsAre(HasSubstr("needs 'minValue' or 'maxValue'")));
  EXPECT_THAT(problems(R"({"node_type_id":{"type":"range","maxValue":3}})"), ElementsAre(HasSubstr("limits numbers only")));
  EXPECT_THAT(problems(R"({"num_workers":{"type":"range","maxValue":3,"defaultValue":4}})"),
              ElementsAre("num_workers: contradicts itself: 'defaultValue' 4 cannot be greater than 3"));
  EXPECT_THAT(problems(R"({"node_type_id":{"type":"allowlist","values":["a"],"defaultValue":"b"}})"), ElementsAre(HasSubstr("contradicts itself")));
  EXPECT_THAT(problems(R"({"node_type_id":{"type":"allowlist","values":[]}})"), ElementsAre(HasSubstr("at least one entry")));
  EXPECT_THAT(problems(R"({"spark_version":{"type":"regex","pattern":"(("}})"), ElementsAre(HasSubstr("is not a regular expression")));
  EXPECT_THAT(problems(R"({"num_workers":{"type":"fixed","value":"many"}})"), ElementsAre(HasSubstr("'value' must be a number")));
  EXPECT_THAT(problems(R"({"num_workers":{"type":"fixed","value":1,"hidden":"yes"}})"), ElementsAre(HasSubstr("'hidden' must be true or false")));
  EXPECT_THAT(problems(R"({"num_workers":{"type":"forbidden","maxValue":1}})"), ElementsAre(HasSubstr("does not belong to type 'forbidden'")));
  EXPECT_THAT(problems(R"({"num_workers":{"type":"fixed","value":1,"isOptinal":true}})"),
              ElementsAre(HasSubstr("'isOptinal' is not part of a policy rule")));
  EXPECT_THAT(problems(R"({"instance_pool_id":{"type":"fixed","value":"p"},"node_type_id":{"type":"fixed","value":"m"}})"),
              ElementsAre(HasSubstr("instance_pool_id and node_type_id contradict each other")));
  EXPECT_THAT(problems(R"({"autoscale.min_workers":{"type":"range","minValue":5},"autoscale.max_workers":{"type":"range","maxValue":4}})"),
              ElementsAre(HasSubstr("at least 5 but at most 4")));
  EXPECT_EQ(problems(R"({"a":{"type":"fixed","value":1},"b":{"type":"fixed","value":1}})").size(), 2u);
}

TEST(PolicyLanguage, NoPatternMakesMatchingExponential) {
  const auto p = parsed(R"({"cluster_name":{"type":"regex","pattern":"(a+)+b"}})");
  EXPECT_EQ(p.check(json::object{{"cluster_name", std::string(5000, 'a')}}, {}).size(), 1u);  // without a bound this would not end
}

TEST(PolicyFamilies, TheirDefinitionsArePolicies) {
  for (const auto& f : policy_families()) EXPECT_THAT(problems(f.definition), IsEmpty()) << f.policy_family_id;
  const auto merged =
      PolicyDefinition::merged(find_policy_family("personal-vm")->definition, R"({"node_type_id":{"type":"fixed","value":"m6g.large"}})");
  EXPECT_THAT(problems(merged), IsEmpty());
  EXPECT_THAT(violations(merged, R"({"node_type_id":"i3.xlarge"})"), Contains(HasSubstr("must be m6g.large")));
}

}  // namespace
}  // namespace tarn::compute
