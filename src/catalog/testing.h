#pragma once
// The rooms that the catalog asks, as simple models for its tests: people, groups, two workspaces, buckets and a credential vendor in memory.
#include <gtest/gtest.h>

#include "catalog/service.h"
#include "store/store_for_tests.h"

namespace tarn::catalog::testing {

class FakeDirectory final : public identity::Directory {
 public:
  std::int64_t add(identity::Kind kind, std::string name) {
    const std::int64_t id = 1000 + static_cast<std::int64_t>(all_.size());
    all_[id] = {.id = id, .kind = kind, .name = name, .display_name = name};
    return id;
  }
  void join(std::int64_t member, std::int64_t group) { groups_[member].insert(group); }
  void rename(std::int64_t id, std::string name) { all_[id].name = std::move(name); }
  void forget(std::int64_t id) { all_.erase(id); }
  std::set<std::int64_t> groups_of(std::int64_t id) const {
    const auto it = groups_.find(id);
    return it == groups_.end() ? std::set<std::int64_t>() : it->second;
  }

  std::optional<identity::PrincipalRef> find_principal(std::string_view name) override {
    for (const auto& [id, p] : all_)
      if (p.name == name) return p;
    return std::nullopt;
  }
  std::optional<identity::PrincipalRef> get_principal(std::int64_t id) override {
    const auto it = all_.find(id);
    return it == all_.end() ? std::nullopt : std::optional(it->second);
  }
  /// Every workspace has `users` and `admins`, and no other local groups.
  std::optional<identity::PrincipalRef> find_local_group(std::int64_t workspace, std::string_view name) override {
    return name == "users" ? get_local_group(workspace, 10) : name == "admins" ? get_local_group(workspace, 11) : std::nullopt;
  }
  std::optional<identity::PrincipalRef> get_local_group(std::int64_t, std::int64_t id) override {
    if (id != 10 && id != 11) return std::nullopt;
    const std::string name = id == 10 ? "users" : "admins";
    return identity::PrincipalRef{.id = id, .kind = identity::Kind::group, .name = name, .display_name = name};
  }
  std::optional<access::Caller> caller(std::int64_t id, std::optional<std::int64_t>) override {
    const auto it = all_.find(id);
    if (it == all_.end() || it->second.kind == identity::Kind::group) return std::nullopt;
    return access::Caller{.id = id, .name = it->second.name, .group_ids = groups_of(id)};
  }
  Expected<access::Caller, Refusal> authenticate(std::string_view, std::optional<std::int64_t>) override { return fail(Refusal{}); }
  bool is_assigned(std::int64_t, std::int64_t) override { return true; }
  bool holds_role(const access::Caller&, std::int64_t, std::string_view) override { return false; }

 private:
  std::map<std::int64_t, identity::PrincipalRef> all_;
  std::map<std::int64_t, std::set<std::int64_t>> groups_;
};

class FakeWorkspaces final : public account::WorkspaceDirectory {
 public:
  std::vector<account::WorkspaceRef> list{{.id = 1, .name = "landing", .deployment_name = "landing", .region = "us-east-1", .running = true},
                                          {.id = 2, .name = "pipeline", .deployment_name = "pipeline", .region = "us-east-1", .running = true},
                                          {.id = 3, .name = "far", .deployment_name = "far", .region = "eu-west-1", .running = true}};
  std::optional<account::WorkspaceRef> by_deployment(std::string_view name) override {
    for (const auto& w : list)
      if (w.deployment_name == name) return w;
    return std::nullopt;
  }
  std::optional<account::WorkspaceRef> by_id(std::int64_t id) override {
    for (const auto& w : list)
      if (w.id == id) return w;
    return std::nullopt;
  }
  std::vector<account::WorkspaceRef> all() override { return list; }
};

class FakeVendor final : public objects::CredentialVendor {
 public:
  std::vector<objects::Scope> scopes;
  objects::Result<objects::Credentials> vend(const objects::Scope& scope, Millis lifetime) override {
    scopes.push_back(scope);
    return objects::Credentials{
        .access_key_id = "AKIATEST", .secret_access_key = "secret", .session_token = "token", .expires_at = 1'700'000'000'000 + lifetime};
  }
  std::string presign(std::string_view, const objects::Url& url, Millis) override { return url.text(); }
};

class FakeObjects final : public objects::ObjectStore {
 public:
  std::set<std::string> buckets{"lake", "raw", "meta"};
  std::set<std::string> keys, removed;
  std::map<std::string, std::string> contents;  // what get() finds; all else is empty
  objects::Result<void> create_bucket(std::string_view b) override { return buckets.emplace(b), objects::Result<void>(); }
  bool bucket_exists(std::string_view b) override { return buckets.contains(std::string(b)); }
  objects::Result<std::string> get(const objects::Url& u, std::uint64_t, std::optional<std::uint64_t>) override {
    const auto found = contents.find(u.text());
    return found == contents.end() ? std::string() : found->second;
  }
  objects::Result<objects::ObjectInfo> head(const objects::Url& u) override { return objects::ObjectInfo{.key = u.key}; }
  objects::Result<objects::ObjectInfo> put(const objects::Url& u, std::string_view, bool) override {
    if (!bucket_exists(u.bucket)) return fail(objects::Error{objects::Errc::no_such_bucket, "no bucket"});
    keys.insert(u.text());
    return objects::ObjectInfo{.key = u.key};
  }
  objects::Result<void> remove(const objects::Url& u) override { return keys.erase(u.text()), objects::Result<void>(); }
  objects::Result<objects::Listing> list(std::string_view b, std::string_view, std::string_view, std::size_t, std::string_view) override {
    if (!bucket_exists(b)) return fail(objects::Error{objects::Errc::no_such_bucket, "no bucket"});
    return objects::Listing{};
  }
  objects::Result<void> remove_all(const objects::Url& u) override { return removed.insert(u.text()), objects::Result<void>(); }
  std::optional<std::string> local_path(const objects::Url&) override { return std::nullopt; }
};

inline constexpr std::string_view kAccount = "0d26daa6-5e44-4c97-a497-ef015f91254a";

/// An account with principals, and a metastore of its own in us-east-1 assigned to workspaces 1 and 2 once own_metastore() was called.
class CatalogTest : public ::testing::Test {
 protected:
  explicit CatalogTest(const std::string& url = store::url_for_tests()) : store(store::open_store(url, clock)) {}

  FakeClock clock;
  std::unique_ptr<store::Store> store;
  FakeDirectory directory;
  FakeWorkspaces workspaces;
  FakeVendor vendor;
  FakeObjects objects;
  UnityCatalog uc{*store, directory, vendor, objects, workspaces, clock, std::string(kAccount), "us-east-1"};

  std::int64_t automation = directory.add(identity::Kind::service_principal, "11111111-2222-3333-4444-555555555555");
  std::int64_t ana = directory.add(identity::Kind::user, "ana@acme.test");
  std::int64_t bob = directory.add(identity::Kind::user, "bob@acme.test");
  std::int64_t eve = directory.add(identity::Kind::user, "eve@acme.test");
  std::int64_t engineers = directory.add(identity::Kind::group, "engineers");
  std::int64_t analysts = directory.add(identity::Kind::group, "analysts");
  std::string metastore_id;

  access::Context as(std::int64_t who, std::optional<std::int64_t> workspace = 1) {
    access::Context c{.caller = *directory.caller(who, workspace), .workspace_id = workspace, .request_id = "req"};
    c.caller.account_admin = who == automation;
    return c;
  }
  access::Context account(std::int64_t who) { return as(who, std::nullopt); }

  void own_metastore() {
    auto m = uc.metastores().create(account(automation), {.name = "main", .region = "us-east-1", .storage_root = "s3://meta/root"});
    ASSERT_TRUE(m) << m.error().message;
    metastore_id = m->metastore_id;
    for (const std::int64_t w : {1, 2}) ok(uc.metastores().assign(account(automation), w, metastore_id, std::nullopt, false));
  }
  /// A credential and a location over s3://lake, and a catalog `main` with schema `s` and table `t` (a: bigint), all of the automation principal.
  void own_catalog() {
    own_metastore();
    ok(uc.credentials().create(as(automation), std::nullopt,
                               {.name = "cred", .aws_iam_role = AwsIamRoleRequest{"arn:aws:iam::123456789012:role/lake"}}));
    ok(uc.locations().create(as(automation), {.name = "lake", .url = "s3://lake/data", .credential_name = "cred"}));
    ok(uc.catalog_service().create(as(automation), {.name = "main"}));
    ok(uc.schema_service().create(as(automation), {.name = "s", .catalog_name = "main"}));
    make_table("main.s.t");
  }
  NewTable table_of(const std::string& full_name, TableType type = TableType::MANAGED) {
    const auto a = full_name.find('.'), b = full_name.rfind('.');
    NewTable t{.name = {full_name.substr(0, a), full_name.substr(a + 1, b - a - 1), full_name.substr(b + 1)}, .type = type};
    t.columns = {{.name = "a", .type_text = "bigint", .type_json = "", .type_name = "LONG"}};
    return t;
  }
  TableInfo make_table(const std::string& full_name, std::optional<std::int64_t> who = {}) {
    const auto ctx = as(who.value_or(automation));
    const auto t = table_of(full_name);
    auto location = uc.plan_table(ctx, t);
    EXPECT_TRUE(location) << (location ? "" : location.error().message);
    if (!location) return {};
    auto made = uc.create_table(ctx, t, *location, false);
    EXPECT_TRUE(made) << (made ? "" : made.error().message);
    return made ? *made : TableInfo{};
  }
  /// A SQL function of these parameters (name, type), of the automation principal.
  void make_function(const std::string& name, std::vector<FunctionInfo::Parameter> parameters, const std::string& returns) {
    ok(uc.create_function(as(automation),
                          {.catalog = "main", .schema = "s", .name = name, .returns = returns, .body = "true", .parameters = std::move(parameters)},
                          false));
  }
  void grant(SecurableType type, const std::string& name, const std::string& principal, std::vector<Privilege> p) {
    ok(uc.grant(as(automation), type, name, principal, p));
  }

  template <class T>
  static void ok(const Result<T>& r) {
    EXPECT_TRUE(r) << (r ? "" : r.error().message);
  }
  template <class T>
  static void refused(const Result<T>& r, Errc code, std::string_view message = {}) {
    ASSERT_FALSE(r) << "was allowed, wanted: " << message;
    EXPECT_EQ(static_cast<int>(r.error().code), static_cast<int>(code)) << r.error().message;
    if (!message.empty()) {
      EXPECT_EQ(r.error().message, message);
    }
  }
};

}  // namespace tarn::catalog::testing
