#include <gmock/gmock.h>

#include "compute/fixtures.h"

namespace tarn::compute::testing {
namespace {

using ::testing::HasSubstr;
using enum api::Method;

std::string made(const Answer& a, const char* field) {
  EXPECT_EQ(a.status, 200) << a.body;
  return a.text(field);
}

TEST_F(CatalogueTest, APoolIsMadeReadEditedAndDeleted) {
  const auto id =
      made(call(ada, POST, "/api/2.0/instance-pools/create",
                R"({"instance_pool_name":"ip_cpu_small","node_type_id":"m6g.large","max_capacity":10,"idle_instance_autotermination_minutes":10,)"
                R"("custom_tags":{"team":"data"},"aws_attributes":{"availability":"ON_DEMAND","zone_id":"eu-central-1a"}})"),
           "instance_pool_id");
  auto got = call(ada, GET, "/api/2.0/instance-pools/get?instance_pool_id=" + id);
  EXPECT_EQ(got.text("instance_pool_name"), "ip_cpu_small");
  EXPECT_EQ(got.body.at("max_capacity").to_number<int>(), 10);
  EXPECT_EQ(got.body.at("aws_attributes").at("availability").as_string(), "ON_DEMAND");
  EXPECT_EQ(got.body.at("state").as_string(), "ACTIVE");
  EXPECT_EQ(got.body.at("default_tags").at("DatabricksInstancePoolId").as_string(), id);
  EXPECT_EQ(call(ada, POST, "/api/2.0/instance-pools/edit",
                 R"({"instance_pool_id":")" + id + R"(","instance_pool_name":"ip2","node_type_id":"m6g.large","max_capacity":4})")
                .status,
            200);
  got = call(ada, GET, "/api/2.0/instance-pools/get?instance_pool_id=" + id);
  EXPECT_EQ(got.body.at("max_capacity").to_number<int>(), 4);
  EXPECT_EQ(got.body.at("aws_attributes").at("availability").as_string(), "ON_DEMAND");  // an edit cannot change it
  EXPECT_EQ(call(ada, GET, "/api/2.0/instance-pools/list").body.at("instance_pools").as_array().size(), 1u);
  EXPECT_EQ(call(ada, POST, "/api/2.0/instance-pools/delete", R"({"instance_pool_id":")" + id + "\"}").status, 200);
  const auto gone = call(ada, GET, "/api/2.0/instance-pools/get?instance_pool_id=" + id);
  EXPECT_EQ(gone.status, 404);
  EXPECT_EQ(gone.code(), "RESOURCE_DOES_NOT_EXIST");
  EXPECT_THAT(gone.message(), HasSubstr("Can't find an instance pool with id: " + id));
}

TEST_F(CatalogueTest, APoolThatCannotBeIsRefusedByItsField) {
  const auto refused = [&](const std::string& body) { return call(ada, POST, "/api/2.0/instance-pools/create", body).message(); };
  EXPECT_THAT(refused("{}"), HasSubstr("instance_pool_name"));
  EXPECT_THAT(refused(R"({"instance_pool_name":"p"})"), HasSubstr("node_type_id"));
  EXPECT_THAT(refused(R"({"instance_pool_name":"p","node_type_id":"z9.huge"})"), HasSubstr("z9.huge"));
  EXPECT_THAT(refused(R"({"instance_pool_name":"p","node_type_id":"m6g.large","min_idle_instances":5,"max_capacity":2})"),
              HasSubstr("min_idle_instances"));
  EXPECT_THAT(refused(R"({"instance_pool_name":"p","node_type_id":"m6g.large","max_capacity":"many"})"), HasSubstr("max_capacity"));
  EXPECT_THAT(refused(R"({"instance_pool_name":"p","node_type_id":"m6g.large","aws_attributes":{"availability":"SPOT_WITH_FALLBACK"}})"),
              HasSubstr("aws_attributes.availability"));
  EXPECT_THAT(refused(R"({"instance_pool_name":"p","node_type_id":"m6g.large","preloaded_spark_versions":["1.0"]})"), HasSubstr("Spark version 1.0"));
  EXPECT_THAT(
      refused(
          R"({"instance_pool_name":"p","node_type_id":"m6g.large","aws_attributes":{"instance_profile_arn":"arn:aws:iam::123456789012:instance-profile/x"}})"),
      HasSubstr("is not registered"));
}

TEST_F(CatalogueTest, PoolsObeyEntitlementsAndLists) {
  const std::string body = R"({"instance_pool_name":"p","node_type_id":"m6g.large"})";
  const auto refused = call(nora, POST, "/api/2.0/instance-pools/create", body);
  EXPECT_EQ(refused.status, 403);
  EXPECT_EQ(refused.code(), "PERMISSION_DENIED");
  const auto maker = person("pat@acme.example", {"allow-instance-pool-create"});
  const auto id = made(call(maker, POST, "/api/2.0/instance-pools/create", body), "instance_pool_id");
  const auto get = "/api/2.0/instance-pools/get?instance_pool_id=" + id;
  EXPECT_EQ(call(maker, GET, get).status, 200);
  EXPECT_EQ(call(nora, GET, get).status, 403);
  EXPECT_TRUE(call(nora, GET, "/api/2.0/instance-pools/list").body.at("instance_pools").as_array().empty());
  permissions.grant(kWorkspace, {"instance-pools", id}, nora.name, "CAN_ATTACH_TO");
  EXPECT_EQ(call(nora, GET, get).status, 200);
  EXPECT_EQ(call(nora, POST, "/api/2.0/instance-pools/delete", R"({"instance_pool_id":")" + id + "\"}").status, 403);
  EXPECT_EQ(call(maker, POST, "/api/2.0/instance-pools/create", body).status, 400);  // the name is taken
}

TEST_F(CatalogueTest, APolicyIsMadeReadEditedAndDeletedByAdmins) {
  const std::string definition = R"({\"num_workers\":{\"type\":\"range\",\"maxValue\":4}})";
  EXPECT_EQ(call(nora, POST, "/api/2.0/policies/clusters/create", R"({"name":"p","definition":"{}"})").status, 403);
  const auto id =
      made(call(ada, POST, "/api/2.0/policies/clusters/create", R"({"name":"small","max_clusters_per_user":2,"definition":")" + definition + "\"}"),
           "policy_id");
  auto got = call(ada, GET, "/api/2.0/policies/clusters/get?policy_id=" + id);
  EXPECT_EQ(got.text("definition"), R"({"num_workers":{"type":"range","maxValue":4}})");
  EXPECT_EQ(got.body.at("max_clusters_per_user").to_number<int>(), 2);
  EXPECT_EQ(call(nora, GET, "/api/2.0/policies/clusters/get?policy_id=" + id).status, 403);
  permissions.grant(kWorkspace, {"cluster-policies", id}, nora.name, "CAN_USE");
  EXPECT_EQ(call(nora, GET, "/api/2.0/policies/clusters/get?policy_id=" + id).status, 200);
  EXPECT_EQ(call(nora, GET, "/api/2.0/policies/clusters/list").body.at("policies").as_array().size(), 1u);
  EXPECT_EQ(call(ada, POST, "/api/2.0/policies/clusters/edit", R"({"policy_id":")" + id + R"(","name":"smaller","definition":"{}"})").status, 200);
  got = call(ada, GET, "/api/2.0/policies/clusters/get?policy_id=" + id);
  EXPECT_EQ(got.text("name"), "smaller");
  EXPECT_FALSE(got.body.as_object().contains("max_clusters_per_user"));
  EXPECT_EQ(call(ada, POST, "/api/2.0/policies/clusters/delete", R"({"policy_id":")" + id + "\"}").status, 200);
  EXPECT_EQ(call(ada, GET, "/api/2.0/policies/clusters/get?policy_id=" + id).message(), "Can't find a cluster policy with id: " + id + ".");
}

TEST_F(CatalogueTest, APolicyThatCannotBeIsRefused) {
  const auto refused = [&](const std::string& body) {
    const auto a = call(ada, POST, "/api/2.0/policies/clusters/create", body);
    EXPECT_GE(a.status, 400);
    return a.message();
  };
  EXPECT_THAT(refused("{}"), HasSubstr("name"));
  EXPECT_THAT(refused(R"({"name":"p"})"), HasSubstr("definition"));
  EXPECT_THAT(refused(R"({"name":"p","definition":"[]"})"), HasSubstr("JSON object"));
  EXPECT_THAT(refused(R"({"name":"p","definition":"{}","max_clusters_per_user":0})"), HasSubstr("max_clusters_per_user must be greater than 0"));
  EXPECT_THAT(refused(R"({"name":"p","definition":"{}","policy_family_id":"personal-vm"})"), HasSubstr("cannot be used with"));
  EXPECT_THAT(refused(R"({"name":"p","policy_family_id":"none"})"), HasSubstr("Can't find a policy family with id: none"));
  EXPECT_THAT(refused(R"({"name":"p","policy_family_definition_overrides":"{}"})"), HasSubstr("policy_family_id"));
  EXPECT_THAT(refused(R"({"name":"Personal Compute","definition":"{}"})"), HasSubstr("already exists"));
  EXPECT_THAT(refused(R"({"name":"p","definition":"{}","libraries":[{"npm":"x"}]})"), HasSubstr("libraries"));
}

TEST_F(CatalogueTest, ABuiltInPolicyTakesOverridesAndComesBackToItsFamily) {
  const auto all = call(ada, GET, "/api/2.0/policies/clusters/list?sort_column=POLICY_NAME&sort_order=ASC").body.at("policies").as_array();
  ASSERT_EQ(all.size(), policy_families().size());
  EXPECT_EQ(all[1].at("name").as_string(), "Personal Compute");
  const std::string id(all[1].at("policy_id").as_string());
  const std::string head = R"({"policy_id":")" + id + R"(","name":"Personal Compute","policy_family_id":"personal-vm")";
  EXPECT_EQ(call(ada, POST, "/api/2.0/policies/clusters/edit",
                 head + R"(,"policy_family_definition_overrides":"{\"node_type_id\":{\"type\":\"fixed\",\"value\":\"m6g.large\"}}"})")
                .status,
            200);
  auto got = call(ada, GET, "/api/2.0/policies/clusters/get?policy_id=" + id);
  EXPECT_THAT(got.text("definition"), HasSubstr(R"("node_type_id":{"type":"fixed","value":"m6g.large"})"));
  EXPECT_TRUE(got.body.at("is_default").as_bool());
  EXPECT_EQ(call(ada, POST, "/api/2.0/policies/clusters/edit", head + R"(,"policy_family_definition_overrides":""})").status, 200);
  EXPECT_EQ(call(ada, GET, "/api/2.0/policies/clusters/get?policy_id=" + id).text("definition"), find_policy_family("personal-vm")->definition);
  EXPECT_EQ(call(ada, POST, "/api/2.0/policies/clusters/delete", R"({"policy_id":")" + id + "\"}").status, 400);
}

TEST_F(CatalogueTest, InstanceProfilesAreRegisteredByAdmins) {
  const std::string arn = "arn:aws:iam::123456789012:instance-profile/data";
  const std::string body = R"({"instance_profile_arn":")" + arn + R"(","skip_validation":true})";
  EXPECT_EQ(call(nora, POST, "/api/2.0/instance-profiles/add", body).status, 403);
  EXPECT_EQ(call(ada, POST, "/api/2.0/instance-profiles/add", R"({"instance_profile_arn":"data"})").status, 400);
  EXPECT_EQ(call(ada, POST, "/api/2.0/instance-profiles/add", body).status, 200);
  EXPECT_EQ(call(ada, POST, "/api/2.0/instance-profiles/add", body).status, 400);
  EXPECT_EQ(call(ada, POST, "/api/2.0/instance-profiles/edit",
                 R"({"instance_profile_arn":")" + arn + R"(","iam_role_arn":"arn:aws:iam::123456789012:role/data"})")
                .status,
            200);
  const auto list = call(nora, GET, "/api/2.0/instance-profiles/list").body.at("instance_profiles").as_array();
  ASSERT_EQ(list.size(), 1u);
  EXPECT_EQ(list[0].at("iam_role_arn").as_string(), "arn:aws:iam::123456789012:role/data");
  EXPECT_EQ(call(ada, POST, "/api/2.0/instance-profiles/remove", body).status, 200);
  EXPECT_EQ(call(ada, POST, "/api/2.0/instance-profiles/remove", body).status, 404);
}

TEST_F(CatalogueTest, WhatClustersAreMadeOfIsListed) {
  for (const std::string v : {"2.0", "2.1"}) {
    EXPECT_GT(call(nora, GET, "/api/" + v + "/clusters/list-node-types").body.at("node_types").as_array().size(), 10u);
    EXPECT_GT(call(nora, GET, "/api/" + v + "/clusters/spark-versions").body.at("versions").as_array().size(), 5u);
    EXPECT_EQ(call(nora, GET, "/api/" + v + "/clusters/list-zones").body.at("default_zone").as_string(), "eu-central-1a");
  }
  const auto first = call(nora, GET, "/api/2.0/policy-families?max_results=1");
  EXPECT_EQ(first.body.at("policy_families").as_array().size(), 1u);
  const auto rest = call(nora, GET, "/api/2.0/policy-families?page_token=" + api::percent_encode(first.text("next_page_token")));
  EXPECT_EQ(rest.body.at("policy_families").as_array().size(), policy_families().size() - 1);
  EXPECT_EQ(call(nora, GET, "/api/2.0/policy-families/job-cluster").text("name"), "Job Compute");
  EXPECT_EQ(call(nora, GET, "/api/2.0/policy-families/none").status, 404);
}

}  // namespace
}  // namespace tarn::compute::testing
