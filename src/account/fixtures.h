#pragma once
// Private to account's tests: a room on an in-memory store, with fakes of the rooms that it asks.
#include <gtest/gtest.h>

#include <filesystem>

#include "account/configurations.h"
#include "account/directory.h"
#include "account/networks.h"
#include "account/prefixes.h"
#include "account/workspace_service.h"
#include "store/store_for_tests.h"

namespace tarn::account::testing {

struct FakePrincipals final : identity::WorkspacePrincipals {
  std::vector<std::pair<std::int64_t, std::int64_t>> created;  // workspace, creator
  std::vector<std::int64_t> deleted;
  int failures = 0;  // how many calls throw first
  void on_workspace_created(store::WriteTxn&, std::int64_t workspace_id, std::int64_t creator_id) override {
    if (failures > 0) throw std::logic_error(fmt::format("made to fail, {} left", --failures));
    created.emplace_back(workspace_id, creator_id);
  }
  void on_workspace_deleted(store::WriteTxn&, std::int64_t workspace_id) override { deleted.push_back(workspace_id); }
};

struct FakeMetastore final : RegionMetastore {
  std::vector<std::pair<std::int64_t, std::string>> running;  // workspace, region
  std::vector<std::int64_t> deleted;
  void on_workspace_running(store::WriteTxn&, std::int64_t workspace_id, std::string_view, std::string_view region) override {
    running.emplace_back(workspace_id, region);
  }
  void on_workspace_deleted(store::WriteTxn&, std::int64_t workspace_id) override { deleted.push_back(workspace_id); }
};

struct FakeStorage final : RootStorage {
  std::set<std::string> missing;
  Expected<void, std::string> prepare(const std::string& bucket, std::int64_t) override {
    if (missing.contains(bucket)) return fail(std::string("the bucket does not exist"));
    return {};
  }
};

struct FakeInventory final : VpcInventory {
  std::map<std::string, Vpc, std::less<>> vpcs;
  std::map<std::string, Endpoint, std::less<>> endpoints;
  std::optional<Vpc> vpc(std::string_view id) override { return look(vpcs, id); }
  std::optional<Endpoint> endpoint(std::string_view id, std::string_view) override { return look(endpoints, id); }
  template <class M>
  static std::optional<typename M::mapped_type> look(const M& all, std::string_view id) {
    const auto i = all.find(id);
    return i == all.end() ? std::nullopt : std::optional(i->second);
  }
};

inline const std::string kAccount = "8c2ab5d1-0f43-4b1e-9d5e-6f7a3c1b2d4e";
inline const std::string kRole = "arn:aws:iam::123456789012:role/cross-account";

inline access::Context admin_context() {
  access::Context c;
  c.caller = {.id = 7001, .kind = access::PrincipalKind::service_principal, .name = "automation", .account_admin = true};
  c.request_id = "r1";
  return c;
}

/// The services over one store; several Rooms on one store stand for several servers, or one before and after a restart.
struct Room {
  FakePrincipals principals;
  FakeMetastore metastore;
  FakeStorage root_storage;
  Settings settings{.account_id = kAccount};
  Provisioner provisioner;
  Configurations configurations;
  Networks networks;
  WorkspaceService workspaces;
  DeploymentPrefixes prefixes;
  CachedWorkspaceDirectory directory;

  Room(store::Store& store, const Clock& clock, VpcInventory* inventory = nullptr)
      : provisioner({store, principals, metastore, &root_storage, inventory}, settings),
        configurations(store, clock, settings),
        networks(store, clock, settings, inventory),
        workspaces(store, clock, settings, provisioner),
        prefixes(store, clock, settings),
        directory(store) {}

  void settle() {
    while (provisioner.step()) {
    }
  }
};

struct AccountTest : ::testing::Test {
  FakeClock clock;
  std::unique_ptr<store::Store> store = store::store_for_tests(clock);
  FakeInventory inventory;
  access::Context admin = admin_context();
  Room room{*store, clock};

  /// The least that brings up a workspace in any room.
  static std::int64_t create_in(Room& r) {
    const auto ctx = admin_context();
    CreateWorkspace w;
    w.workspace_name = "landing", w.aws_region = "us-east-1";
    w.credentials_id = r.configurations.create_credential(ctx, {"c", {{kRole, std::nullopt}}})->credentials_id;
    w.storage_configuration_id = r.configurations.create_storage(ctx, {"s", {"acme-root"}, std::nullopt})->storage_configuration_id;
    return r.workspaces.create(ctx, w)->workspace_id;
  }

  std::string credentials(const std::string& name = "cross-account") {
    return room.configurations.create_credential(admin, {name, {{kRole, std::nullopt}}})->credentials_id;
  }
  std::string storage(const std::string& name = "root", const std::string& bucket = "acme-root") {
    return room.configurations.create_storage(admin, {name, {bucket}, std::nullopt})->storage_configuration_id;
  }
  static CreateNetwork network_request(const std::string& name, const std::string& n) {
    return {name, "vpc-0a1b2c3d", {"subnet-" + n + "1", "subnet-" + n + "2"}, {"sg-" + n}, std::nullopt};
  }
  std::string network(const std::string& name, const std::string& n) { return room.networks.create(admin, network_request(name, n))->network_id; }
  void prefix(const std::string& p = "acme") { ASSERT_TRUE(room.prefixes.register_prefix({"root", "v1"}, p)); }

  /// A request that works, with fresh credentials and storage if there are none yet.
  CreateWorkspace workspace_request(const std::string& name = "landing") {
    const auto c = room.configurations.list_credentials(admin);
    const auto s = room.configurations.list_storage(admin);
    CreateWorkspace r;
    r.workspace_name = name;
    r.aws_region = "us-east-1";
    r.credentials_id = c.empty() ? credentials() : c.front().credentials_id;
    r.storage_configuration_id = s.empty() ? storage() : s.front().storage_configuration_id;
    return r;
  }
  Workspace running(const CreateWorkspace& r) {
    const auto made = room.workspaces.create(admin, r);
    EXPECT_TRUE(made) << made.error().message;
    room.settle();
    return *room.workspaces.get(admin, made->workspace_id);
  }

  std::vector<store::AuditRecord> audited(const std::string& action) {
    store->flush_audit();
    return store->audit_log({.action = action}, 1000);
  }
};

/// A store in a file of its own, for tests with threads or restarts (an in-memory one refuses readers beside a writer).
struct FileStore {
  const Clock& clock;
  std::filesystem::path folder;
  std::unique_ptr<store::Store> store;
  explicit FileStore(const Clock& c) : clock(c) {
    std::string pattern = (std::filesystem::temp_directory_path() / "tarn-account-XXXXXX").string();
    if (!::mkdtemp(pattern.data())) throw std::runtime_error("no temporary folder");
    folder = pattern;
    reopen();
  }
  /// As a new process after a kill would find it.
  void reopen() {
    store.reset();
    store = store::open_store("sqlite:" + (folder / "tarn.db").string(), clock);
  }
  ~FileStore() {
    store.reset();
    std::filesystem::remove_all(folder);
  }
};

/// The refusal's code, or nothing where the call succeeded.
template <class T>
std::optional<Errc> code_of(const Result<T>& r) {
  return r ? std::nullopt : std::optional(r.error().code);
}
template <class T>
std::string message_of(const Result<T>& r) {
  return r ? "(it succeeded)" : r.error().message;
}

}  // namespace tarn::account::testing
