#pragma once
// Private to the room's tests: kinds as the vendor has them, objects by name alone, people of identity's fixture.
#include "identity/fixtures.h"
#include "permissions/routes.h"

namespace tarn::permissions::testing {

using identity::testing::kLanding;
using identity::testing::kPipeline;

struct PermissionsTest : identity::testing::IdentityTest {
  Service service{*store, directory};
  std::int64_t admin = user_of("admin@acme.example"), ana = user_of("ana@acme.example"), bob = user_of("bob@acme.example"),
               eve = user_of("eve@acme.example"), carl = user_of("carl@acme.example"), robot = sp("robot");
  std::int64_t engineers = IdentityTest::group("engineers", {ana, carl}), strangers = IdentityTest::group("strangers");
  std::set<std::pair<std::int64_t, std::string>> objects;  // workspace, "type/id"

  PermissionsTest() {
    workspace(kLanding, admin);
    workspace(kPipeline, admin);
    user_of("stranger@acme.example");
    for (const auto p : {ana, bob, eve, carl, robot, engineers}) assign(kLanding, p);
    assign(kPipeline, ana);
    for (auto& k : kinds()) service.add_kind(std::move(k));
    router.add(routes(service));
  }

  std::int64_t user_of(const std::string& name) { return IdentityTest::user(name); }
  std::int64_t group_of(std::int64_t workspace, const std::string& name, std::vector<std::int64_t> members) {
    return IdentityTest::group(name, std::move(members), workspace);
  }
  void change(std::int64_t id, const std::function<void(store::WriteTxn&, identity::PrincipalRecord&)>& body) {
    store->write({}, [&](store::WriteTxn& t) {
      auto p = identity::roster::get(t, id);
      body(t, *p);
      return identity::roster::changed(t), true;
    });
  }
  void rename(std::int64_t id, const std::string& name) {
    change(id, [&](store::WriteTxn& t, identity::PrincipalRecord& p) {
      p.name = p.display_name = name;
      EXPECT_TRUE(identity::kPrincipals.update(t, p));
    });
  }
  void erase(std::int64_t id) {
    change(id, [&](store::WriteTxn& t, identity::PrincipalRecord& p) { identity::roster::erase(t, p); });
  }

  void make(std::int64_t workspace, const access::ObjectRef& o, std::int64_t creator) {
    objects.emplace(workspace, o.type + "/" + o.id);
    store->write({}, [&](store::WriteTxn& t) { return service.on_created(t, workspace, o, as(creator, workspace).caller), true; });
  }
  Result<ObjectAccess> set(std::int64_t who, const std::string& type, const std::string& id, const std::vector<AccessRequest>& lines,
                           Change change = Change::replace) {
    return service.set(as(who, kLanding), type, id, lines, change);
  }
  static AccessRequest user(const std::string& name, const std::string& level) { return {.user_name = name, .permission_level = level}; }
  static AccessRequest group(const std::string& name, const std::string& level) { return {.group_name = name, .permission_level = level}; }
  template <class T>
  static std::optional<Errc> code(const Result<T>& r) {
    return r ? std::nullopt : std::optional(r.error().code);
  }

  std::vector<access::ObjectKind> kinds() {
    const auto here = [this](std::string type, access::FoundObject found = {}) {
      return [this, type = std::move(type), found = std::move(found)](std::int64_t ws, const std::string& id) -> std::optional<access::FoundObject> {
        if (!objects.contains({ws, type + "/" + id})) return std::nullopt;
        auto out = found;
        if (type == "jobs") out.shown = "Job with ID: ElasticJobId(" + id + ")";
        return out;
      };
    };
    const std::vector<access::ObjectLevel> folder{{"CAN_READ", "read"}, {"CAN_RUN", "run"}, {"CAN_EDIT", "edit"}, {"CAN_MANAGE", "manage"}};
    const access::FoundObject below{.parents = {{"directories", "20"}, {"directories", "0"}}};
    return {
        {.type = "jobs",
         .levels = {{"CAN_VIEW", "view"}, {"CAN_MANAGE_RUN", "run"}, {"CAN_MANAGE", "manage"}, {"IS_OWNER", "own"}},
         .creator_level = "IS_OWNER",
         .find = here("jobs"),
         .object_type = "job",
         .ownership = access::Ownership::exactly_one,
         .missing = "Job {} does not exist.",
         .audit_service = "jobs",
         .audit_action = "changeJobAcl"},
        {.type = "clusters",
         .levels = {{"CAN_ATTACH_TO", "attach"}, {"CAN_RESTART", "restart"}, {"CAN_MANAGE", "manage"}},
         .creator_level = "CAN_MANAGE",
         .find = here("clusters"),
         .object_type = "cluster",
         .audit_service = "clusters",
         .audit_action = "changeClusterAcl"},
        {.type = "cluster-policies",
         .levels = {{"CAN_USE", "use"}},
         .admin_level = "CAN_USE",
         .find = here("cluster-policies"),
         .object_type = "cluster-policy"},
        {.type = "sql/warehouses",
         .aliases = {"warehouses"},
         .levels = {{"CAN_VIEW", "view"},
                    {"CAN_USE", "use", std::vector<std::string>{}},
                    {"CAN_MONITOR", "monitor"},
                    {"CAN_MANAGE", "manage"},
                    {"IS_OWNER", "own"}},
         .creator_level = "IS_OWNER",
         .find = here("sql/warehouses"),
         .object_type = "warehouses",
         .ownership = access::Ownership::kept,
         .refuse_owner = [](const access::Caller& c) { return c.name.starts_with("eve") ? std::optional<std::string>("not eve") : std::nullopt; }},
        {.type = "directories",
         .levels = folder,
         .creator_level = "CAN_MANAGE",
         .find = here("directories"),
         .object_type = "directory",
         .roots = {"0"}},
        {.type = "notebooks", .levels = folder, .creator_level = "CAN_MANAGE", .find = here("notebooks", below), .object_type = "notebook"},
        {.type = "experiments",
         .levels = {{"CAN_READ", "read"}, {"CAN_EDIT", "edit"}, {"CAN_MANAGE", "manage"}},
         .creator_level = "CAN_MANAGE",
         .find = [below](std::int64_t, const std::string&) { return std::optional(below); },
         .object_type = "mlflowExperiment"},
        {.type = "authorization",
         .levels = {{"CAN_USE", "use"}, {"CAN_MANAGE", "manage"}},
         .find = [](std::int64_t, const std::string&) { return std::optional<access::FoundObject>(); },
         .object_type = "tokens",
         .roots = {"tokens"},
         .root_defaults = {{"users", "CAN_USE"}}},
    };
  }
};

}  // namespace tarn::permissions::testing
