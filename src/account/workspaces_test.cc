#include "account/fixtures.h"

namespace tarn::account::testing {
namespace {

constexpr const char* kNoPrefix =
    "Failed parameter validation checks: Deployment name cannot be used until a deployment name prefix is defined. Please contact your Databricks "
    "representative";

TEST_F(AccountTest, AWorkspaceIsProvisionedStepByStep) {
  auto request = workspace_request();
  request.network_id = network("landing", "a");
  const auto made = room.workspaces.create(admin, request);
  ASSERT_TRUE(made) << made.error().message;
  EXPECT_EQ(made->workspace_status, WorkspaceStatus::PROVISIONING);
  EXPECT_GT(made->workspace_id, 0);
  EXPECT_TRUE(room.metastore.running.empty());
  ASSERT_TRUE(room.directory.by_id(made->workspace_id));
  EXPECT_FALSE(room.directory.by_id(made->workspace_id)->running);

  room.settle();
  const auto w = *room.workspaces.get(admin, made->workspace_id);
  EXPECT_EQ(w.workspace_status, WorkspaceStatus::RUNNING);
  EXPECT_EQ(w.workspace_status_message, "Workspace is running.");
  EXPECT_EQ(room.principals.created, (std::vector<std::pair<std::int64_t, std::int64_t>>{{w.workspace_id, 7001}}));
  EXPECT_EQ(room.metastore.running, (std::vector<std::pair<std::int64_t, std::string>>{{w.workspace_id, "us-east-1"}}));
  const auto n = *room.networks.get(admin, *request.network_id);
  EXPECT_EQ(n.vpc_status, VpcStatus::VALID);
  EXPECT_EQ(n.workspace_id, w.workspace_id);
  const auto ref = room.directory.by_deployment(w.deployment_name);
  ASSERT_TRUE(ref);
  EXPECT_TRUE(ref->running);
  EXPECT_EQ(ref->id, w.workspace_id);
  EXPECT_EQ(audited("provisionWorkspace").size(), 3u) << "each step is a transaction of its own";
}

TEST_F(AccountTest, TheThreadTakesTheSteps) {
  FileStore file(clock);
  Room r(*file.store, clock);
  r.provisioner.start();
  const auto id = create_in(r);
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (!r.directory.by_id(id)->running && std::chrono::steady_clock::now() < deadline) std::this_thread::yield();
  r.provisioner.stop();
  EXPECT_EQ(r.workspaces.get(admin, id)->workspace_status, WorkspaceStatus::RUNNING);
}

TEST_F(AccountTest, AKilledServersWorkIsResumed) {
  FileStore file(clock);
  std::int64_t id = 0;
  {
    Room before(*file.store, clock);
    id = create_in(before);
    ASSERT_TRUE(before.provisioner.step());
    ASSERT_TRUE(before.principals.created.empty());
  }
  file.reopen();
  Room after(*file.store, clock);
  after.settle();
  EXPECT_EQ(after.workspaces.get(admin, id)->workspace_status, WorkspaceStatus::RUNNING);
  EXPECT_EQ(after.principals.created.size(), 1u);
}

TEST_F(AccountTest, TwoServersLaunchAWorkspaceOnce) {
  Room other(*store, clock);
  const auto made = room.workspaces.create(admin, workspace_request());
  ASSERT_TRUE(made);
  while (room.provisioner.step() || other.provisioner.step()) {
  }
  EXPECT_EQ(room.principals.created.size() + other.principals.created.size(), 1u);
  EXPECT_EQ(other.workspaces.get(admin, made->workspace_id)->workspace_status, WorkspaceStatus::RUNNING);
  EXPECT_TRUE(other.directory.by_id(made->workspace_id)->running);
}

TEST_F(AccountTest, OneOfManyGetsANetworkAndAName) {
  FileStore file(clock);
  Room r(*file.store, clock);
  ASSERT_TRUE(r.prefixes.register_prefix({"root", "v1"}, "acme"));
  CreateWorkspace request;
  request.workspace_name = "landing", request.aws_region = "us-east-1";
  request.credentials_id = r.configurations.create_credential(admin, {"c", {{kRole, std::nullopt}}})->credentials_id;
  request.storage_configuration_id = r.configurations.create_storage(admin, {"s", {"acme-root"}, std::nullopt})->storage_configuration_id;
  r.provisioner.start();
  std::atomic<int> named = 0, attached = 0, plain = 0;
  const auto network_id = r.networks.create(admin, network_request("landing", "a"))->network_id;
  {
    std::vector<std::jthread> clients;
    for (int i = 0; i < 6; ++i)
      clients.emplace_back([&] {
        auto a = request, b = request;
        a.deployment_name = "landing";
        b.network_id = network_id;
        named += r.workspaces.create(admin, a).has_value();
        attached += r.workspaces.create(admin, b).has_value();
        plain += r.workspaces.create(admin, request).has_value();
      });
  }
  EXPECT_EQ(named, 1);
  EXPECT_EQ(attached, 1);
  EXPECT_EQ(plain, 6);
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  const auto all_running = [&] {
    const auto all = r.directory.all();
    return std::all_of(all.begin(), all.end(), [](const WorkspaceRef& w) { return w.running; });
  };
  while (!all_running() && std::chrono::steady_clock::now() < deadline) std::this_thread::yield();
  r.provisioner.stop();
  EXPECT_EQ(r.directory.all().size(), 8u);
  EXPECT_TRUE(all_running());
  EXPECT_EQ(r.principals.created.size(), 8u);
}

TEST_F(AccountTest, ADeploymentNameNeedsThePrefix) {
  auto request = workspace_request();
  request.deployment_name = "landing";
  const auto refused = room.workspaces.create(admin, request);
  EXPECT_EQ(code_of(refused), Errc::prefix_missing);
  EXPECT_EQ(message_of(refused), kNoPrefix);
  EXPECT_TRUE(room.workspaces.list(admin).empty());
  EXPECT_EQ(audited("createWorkspaceConfiguration").back().event.error, kNoPrefix);

  prefix();
  EXPECT_EQ(room.workspaces.create(admin, request)->deployment_name, "acme-landing");
  request.deployment_name = "EMPTY";
  EXPECT_EQ(room.workspaces.create(admin, request)->deployment_name, "acme");
  const auto taken = room.workspaces.create(admin, request);
  EXPECT_EQ(code_of(taken), Errc::already_exists);
  EXPECT_NE(message_of(taken).find("Deployment name acme is already in use"), std::string::npos);
}

TEST_F(AccountTest, WithoutADeploymentNameOneIsGenerated) {
  const auto name = room.workspaces.create(admin, workspace_request())->deployment_name;
  ASSERT_EQ(name.size(), 17u) << name;
  EXPECT_TRUE(name.starts_with("dbc-"));
  EXPECT_EQ(name[12], '-');
}

TEST_F(AccountTest, DeploymentNamesAreHostLabels) {
  prefix();
  auto request = workspace_request();
  for (const std::string& name : std::vector<std::string>{"", "Landing", "-x", "x-", "a.b", "a_b", "\xc3\xa9", std::string(59, 'x')}) {
    request.deployment_name = name;
    const auto made = room.workspaces.create(admin, request);
    EXPECT_EQ(code_of(made), Errc::invalid) << name;
    EXPECT_NE(message_of(made).find("Field 'deployment_name'"), std::string::npos);
  }
  EXPECT_TRUE(room.workspaces.list(admin).empty());
}

TEST_F(AccountTest, PrefixesAreTheVendorsAndAudited) {
  EXPECT_FALSE(room.prefixes.current());
  EXPECT_EQ(code_of(room.prefixes.register_prefix({"root", "v1"}, "Not a label")), Errc::invalid);
  EXPECT_EQ(code_of(room.prefixes.register_prefix({"root", "v1"}, "accounts")), Errc::invalid);
  EXPECT_FALSE(room.prefixes.current());
  prefix("acme");
  prefix("acme");
  prefix("other");
  EXPECT_EQ(room.prefixes.current(), "other");
  const auto log = audited("registerDeploymentPrefix");
  ASSERT_EQ(log.size(), 5u);
  EXPECT_EQ(log[0].event.outcome, store::Outcome::failed);
  EXPECT_EQ(log[4].event.principal, "vendor:root");
  EXPECT_EQ(log[4].event.params.at("replaces"), "acme");
}

TEST_F(AccountTest, EveryPartMustExist) {
  const auto refused = [&](auto change) {
    auto r = workspace_request();
    change(r);
    return code_of(room.workspaces.create(admin, r));
  };
  EXPECT_EQ(refused([](auto& r) { r.credentials_id = "nowhere"; }), Errc::not_found);
  EXPECT_EQ(refused([](auto& r) { r.storage_configuration_id = "nowhere"; }), Errc::not_found);
  EXPECT_EQ(refused([](auto& r) { r.network_id = "nowhere"; }), Errc::not_found);
  EXPECT_EQ(refused([](auto& r) { r.private_access_settings_id = "nowhere"; }), Errc::not_found);
  EXPECT_EQ(refused([](auto& r) { r.storage_customer_managed_key_id = "nowhere"; }), Errc::not_found);
  EXPECT_EQ(refused([](auto& r) { r.credentials_id.reset(); }), Errc::invalid);
  EXPECT_EQ(refused([](auto& r) { r.storage_configuration_id.reset(); }), Errc::invalid);
  EXPECT_EQ(refused([](auto& r) { r.aws_region.reset(); }), Errc::invalid);
  EXPECT_EQ(refused([](auto& r) { r.aws_region = "mars-north-1"; }), Errc::invalid);
  EXPECT_EQ(refused([](auto& r) { r.workspace_name = " "; }), Errc::invalid);
  EXPECT_EQ(refused([](auto& r) { r.pricing_tier = "GOLD"; }), Errc::invalid);
  EXPECT_EQ(refused([](auto& r) { r.custom_tags = {{"", "x"}}; }), Errc::invalid);
  EXPECT_EQ(refused([](auto& r) { r.custom_tags = {{std::string(128, 'k'), "x"}}; }), Errc::invalid);
  EXPECT_EQ(refused([](auto& r) { r.cloud = "gcp"; }), Errc::invalid);
  EXPECT_EQ(refused([](auto& r) { r.location = "us-east4"; }), Errc::invalid);
  EXPECT_EQ(refused([](auto& r) { r.compute_mode = "SERVERLESS"; }), Errc::not_enabled);
  EXPECT_EQ(refused([](auto& r) { r.network_connectivity_config_id = "ncc"; }), Errc::not_enabled);
  EXPECT_TRUE(room.workspaces.list(admin).empty());
}

TEST_F(AccountTest, PartsMustBeOfTheRegionAndUse) {
  auto r = workspace_request();
  r.private_access_settings_id = room.networks.create_private_access(admin, {"p", "eu-west-1", true, std::nullopt, {}})->private_access_settings_id;
  EXPECT_EQ(code_of(room.workspaces.create(admin, r)), Errc::malformed);
  r.private_access_settings_id.reset();
  const auto key = [&](const std::string& region, KeyUseCase use) {
    const auto arn = "arn:aws:kms:" + region + ":123456789012:key/1234abcd";
    return room.configurations.create_key(admin, {{arn, std::nullopt, std::nullopt, std::nullopt}, {use}})->customer_managed_key_id;
  };
  r.storage_customer_managed_key_id = key("eu-west-1", KeyUseCase::STORAGE);
  EXPECT_EQ(code_of(room.workspaces.create(admin, r)), Errc::malformed);
  r.storage_customer_managed_key_id = key("us-east-1", KeyUseCase::MANAGED_SERVICES);
  EXPECT_EQ(code_of(room.workspaces.create(admin, r)), Errc::malformed);
  r.storage_customer_managed_key_id = key("us-east-1", KeyUseCase::STORAGE);
  EXPECT_TRUE(room.workspaces.create(admin, r));
  EXPECT_EQ(code_of(room.configurations.delete_key(admin, *r.storage_customer_managed_key_id)), Errc::in_use);
}

TEST_F(AccountTest, ANetworkServesOneWorkspace) {
  auto r = workspace_request("landing");
  r.network_id = network("landing", "a");
  const auto first = running(r);
  const auto second = room.workspaces.create(admin, r);
  EXPECT_EQ(code_of(second), Errc::malformed);
  EXPECT_NE(message_of(second).find(fmt::format("Network {} is already in use by workspace {}", *r.network_id, first.workspace_id)),
            std::string::npos)
      << message_of(second);
  const auto kept = room.networks.remove(admin, *r.network_id);
  EXPECT_EQ(message_of(kept), fmt::format("Unable to delete, Network is being used by active workspace {}", first.workspace_id));
  EXPECT_EQ(room.workspaces.list(admin).size(), 1u);
}

TEST_F(AccountTest, PrivateLinkNeedsPrivateAccessSettings) {
  const auto rest = room.networks.create_endpoint(admin, {"rest", "vpce-01", "us-east-1"})->vpc_endpoint_id;
  const auto relay = room.networks.create_endpoint(admin, {"relay", "vpce-02", "us-east-1"})->vpc_endpoint_id;
  auto n = network_request("landing", "a");
  n.vpc_endpoints = {{rest}, {relay}};
  auto r = workspace_request();
  r.network_id = room.networks.create(admin, n)->network_id;
  EXPECT_EQ(code_of(room.workspaces.create(admin, r)), Errc::malformed);
  r.private_access_settings_id = room.networks.create_private_access(admin, {"p", "us-east-1", true, std::nullopt, {}})->private_access_settings_id;
  EXPECT_EQ(running(r).workspace_status, WorkspaceStatus::RUNNING);
  EXPECT_EQ(code_of(room.networks.delete_private_access(admin, *r.private_access_settings_id)), Errc::in_use);
  EXPECT_EQ(code_of(room.networks.replace_private_access(admin, *r.private_access_settings_id, {"p", "eu-west-1", true, std::nullopt, {}})),
            Errc::invalid);
}

TEST_F(AccountTest, ABrokenNetworkFailsTheWorkspaceAndAnotherCuresIt) {
  inventory.vpcs["vpc-good"] = {.id = "vpc-good",
                                .region = "us-east-1",
                                .subnets = {{"subnet-b1", "us-east-1a", 24}, {"subnet-b2", "us-east-1b", 24}},
                                .security_groups = {{"sg-b", true, true}}};
  Room r2(*store, clock, &inventory);
  auto r = workspace_request();
  r.network_id = network("lost", "a");
  const auto made = r2.workspaces.create(admin, r);
  ASSERT_TRUE(made);
  r2.settle();
  const auto failed = *r2.workspaces.get(admin, made->workspace_id);
  EXPECT_EQ(failed.workspace_status, WorkspaceStatus::FAILED);
  EXPECT_NE(failed.workspace_status_message.find("VPC vpc-0a1b2c3d was not found."), std::string::npos);
  const auto broken = *r2.networks.get(admin, *r.network_id);
  EXPECT_EQ(broken.vpc_status, VpcStatus::BROKEN);
  ASSERT_EQ(broken.error_messages.size(), 1u);
  EXPECT_EQ(broken.error_messages[0].error_type, ErrorType::vpc);
  EXPECT_TRUE(r2.principals.created.empty());
  EXPECT_FALSE(r2.directory.by_id(made->workspace_id)->running);

  auto good = network_request("good", "b");
  good.vpc_id = "vpc-good";
  UpdateWorkspace change;
  change.network_id = r2.networks.create(admin, good)->network_id;
  const auto patched = r2.workspaces.update(admin, made->workspace_id, change, "network_id");
  ASSERT_TRUE(patched) << patched.error().message;
  EXPECT_EQ(patched->workspace_status, WorkspaceStatus::PROVISIONING);
  r2.settle();
  EXPECT_EQ(r2.workspaces.get(admin, made->workspace_id)->workspace_status, WorkspaceStatus::RUNNING);
  EXPECT_EQ(r2.networks.get(admin, *r.network_id)->vpc_status, VpcStatus::UNATTACHED);
  EXPECT_TRUE(r2.networks.remove(admin, *r.network_id));
}

TEST_F(AccountTest, ASharedSecurityGroupIsAWarning) {
  auto a = workspace_request("landing"), b = workspace_request("pipeline");
  a.network_id = network("landing", "a");
  auto n = network_request("pipeline", "b");
  n.security_group_ids = {"sg-a"};
  b.network_id = room.networks.create(admin, n)->network_id;
  running(a);
  EXPECT_EQ(running(b).workspace_status, WorkspaceStatus::RUNNING);
  const auto warned = *room.networks.get(admin, *b.network_id);
  EXPECT_EQ(warned.vpc_status, VpcStatus::WARNED);
  EXPECT_EQ(warned.warning_messages.size(), 1u);
  EXPECT_EQ(room.networks.get(admin, *a.network_id)->vpc_status, VpcStatus::VALID);
}

TEST_F(AccountTest, AMissingRootBucketFailsTheWorkspace) {
  room.root_storage.missing = {"acme-root"};
  const auto w = running(workspace_request());
  EXPECT_EQ(w.workspace_status, WorkspaceStatus::FAILED);
  EXPECT_EQ(w.workspace_status_message, "Root bucket acme-root cannot be used: the bucket does not exist");
  EXPECT_TRUE(room.metastore.running.empty());

  room.root_storage.missing.clear();
  UpdateWorkspace again;
  again.storage_configuration_id = w.storage_configuration_id;
  ASSERT_TRUE(room.workspaces.update(admin, w.workspace_id, again, "storage_configuration_id"));
  room.settle();
  EXPECT_EQ(room.workspaces.get(admin, w.workspace_id)->workspace_status, WorkspaceStatus::RUNNING) << "naming a part again is another try";
}

TEST_F(AccountTest, AnUnexpectedFailureIsRetriedThenReported) {
  room.principals.failures = 2;
  const auto w = running(workspace_request());
  EXPECT_EQ(w.workspace_status, WorkspaceStatus::PROVISIONING) << "the step stays due";
  EXPECT_TRUE(room.metastore.running.empty()) << "the failed launch left nothing";
  room.settle();
  room.settle();
  EXPECT_EQ(room.workspaces.get(admin, w.workspace_id)->workspace_status, WorkspaceStatus::RUNNING);
  room.principals.failures = 100;
  const auto lost = running(workspace_request("lost"));
  for (int i = 0; i < 5; ++i) room.settle();
  const auto reported = *room.workspaces.get(admin, lost.workspace_id);
  EXPECT_EQ(reported.workspace_status, WorkspaceStatus::FAILED);
  EXPECT_NE(reported.workspace_status_message.find("step launch"), std::string::npos);
}

TEST_F(AccountTest, ARunningWorkspaceChangesTagsAtOnceAndPartsByProvisioning) {
  const auto w = running(workspace_request());
  UpdateWorkspace tags;
  tags.custom_tags = std::map<std::string, std::string>{{"team", "data"}};
  const auto tagged = room.workspaces.update(admin, w.workspace_id, tags, "custom_tags");
  ASSERT_TRUE(tagged) << tagged.error().message;
  EXPECT_EQ(tagged->workspace_status, WorkspaceStatus::RUNNING);
  EXPECT_EQ(tagged->custom_tags.at("team"), "data");

  UpdateWorkspace parts;
  parts.credentials_id = credentials("second");
  const auto changed = room.workspaces.update(admin, w.workspace_id, parts, std::nullopt);
  ASSERT_TRUE(changed) << changed.error().message;
  EXPECT_EQ(changed->workspace_status, WorkspaceStatus::PROVISIONING);
  EXPECT_TRUE(room.directory.by_id(w.workspace_id)->running) << "it keeps answering while it is updated";
  EXPECT_EQ(code_of(room.workspaces.update(admin, w.workspace_id, tags, std::nullopt)), Errc::invalid_state);
  room.settle();
  EXPECT_EQ(room.workspaces.get(admin, w.workspace_id)->workspace_status, WorkspaceStatus::RUNNING);
  EXPECT_EQ(room.principals.created.size(), 1u) << "an update does not launch it again";
  EXPECT_TRUE(room.configurations.delete_credential(admin, w.credentials_id));
}

TEST_F(AccountTest, TheMaskNarrowsAnUpdate) {
  const auto w = running(workspace_request());
  UpdateWorkspace change;
  change.workspace_name = "renamed";
  change.custom_tags = std::map<std::string, std::string>{{"a", "b"}};
  EXPECT_EQ(code_of(room.workspaces.update(admin, w.workspace_id, change, std::nullopt)), Errc::invalid);
  ASSERT_TRUE(room.workspaces.update(admin, w.workspace_id, change, "custom_tags,expected_workspace_status"));
  EXPECT_EQ(code_of(room.workspaces.update(admin, w.workspace_id, change, "nonsense")), Errc::invalid);
  EXPECT_EQ(code_of(room.workspaces.update(admin, w.workspace_id, {}, "private_access_settings_id")), Errc::invalid)
      << "named but absent: it cannot be removed";
  change.workspace_name = w.workspace_name;
  EXPECT_TRUE(room.workspaces.update(admin, w.workspace_id, change, "*")) << "an unchanged fixed field is no change";
  EXPECT_EQ(code_of(room.workspaces.update(admin, 1, change, std::nullopt)), Errc::not_found);
  UpdateWorkspace first_network;
  first_network.network_id = network("late", "a");
  EXPECT_EQ(code_of(room.workspaces.update(admin, w.workspace_id, first_network, std::nullopt)), Errc::invalid);
  EXPECT_FALSE(room.networks.get(admin, first_network.network_id.content)->workspace_id);
}

TEST_F(AccountTest, ADeletedWorkspaceIsReleasedInOrder) {
  prefix();
  auto r = workspace_request();
  r.deployment_name = "landing";
  r.network_id = network("landing", "a");
  const auto w = running(r);
  const auto cancelling = room.workspaces.remove(admin, w.workspace_id);
  ASSERT_TRUE(cancelling);
  EXPECT_EQ(cancelling->workspace_status, WorkspaceStatus::CANCELLING);
  EXPECT_FALSE(room.directory.by_deployment("acme-landing")->running);
  EXPECT_EQ(code_of(room.workspaces.remove(admin, w.workspace_id)), Errc::invalid_state);
  EXPECT_EQ(code_of(room.workspaces.create(admin, r)), Errc::already_exists) << "the name is free when it is gone";
  room.settle();
  EXPECT_EQ(code_of(room.workspaces.get(admin, w.workspace_id)), Errc::not_found);
  EXPECT_EQ(code_of(room.workspaces.remove(admin, w.workspace_id)), Errc::not_found);
  EXPECT_EQ(room.principals.deleted, std::vector<std::int64_t>{w.workspace_id});
  EXPECT_EQ(room.metastore.deleted, std::vector<std::int64_t>{w.workspace_id});
  EXPECT_EQ(room.networks.get(admin, *r.network_id)->vpc_status, VpcStatus::UNATTACHED);
  EXPECT_FALSE(room.directory.by_deployment("acme-landing"));
  EXPECT_EQ(running(r).workspace_status, WorkspaceStatus::RUNNING);
}

TEST_F(AccountTest, AWorkspaceThatNeverRanIsReleasedWithoutHooks) {
  const auto made = room.workspaces.create(admin, workspace_request());
  ASSERT_TRUE(room.workspaces.remove(admin, made->workspace_id));
  room.settle();
  EXPECT_TRUE(room.workspaces.list(admin).empty());
  EXPECT_TRUE(room.principals.deleted.empty());
  EXPECT_TRUE(room.metastore.running.empty());
}

}  // namespace
}  // namespace tarn::account::testing
