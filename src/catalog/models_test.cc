// Registered models, versions, aliases, tags, credentials and functions: rights, states and both spellings of the API.
#include <gmock/gmock.h>

#include "catalog/routes.h"
#include "catalog/testing.h"

namespace tarn::catalog::testing {
namespace {

using api::Method;
using enum Privilege;
using enum SecurableType;

constexpr const char* kSigned =
    "flavors:\n  sklearn: {}\nsignature:\n  inputs: '[{\"type\": \"double\"}]'\n  outputs: '[{\"type\": \"double\"}]'\n  params: null\nmodel_uuid: "
    "x\n";

class FakeRuns final : public RunSources {
 public:
  std::vector<std::string> tables;
  std::vector<std::string> registrations;
  std::vector<std::string> tables_of(const access::Context&, const std::string&) override { return tables; }
  void registered(const access::Context&, const std::string& id, const std::string& name, const std::string& version) override {
    registrations.push_back(id + " " + name + " " + version);
  }
};

class ModelsTest : public CatalogTest {
 protected:
  ModelsTest() {
    uc.models().set_run_sources(&runs);
    router.add(routes(uc));
    own_catalog();
    grant(CATALOG, "main", "analysts", {USE_CATALOG, USE_SCHEMA});
    directory.join(ana, analysts);
    ok(uc.models().create(as(automation), {.name = "delay", .catalog_name = "main", .schema_name = "s"}));
  }
  VersionInfo ready() {
    auto v = uc.models().create_version(as(automation), {.full_name = "main.s.delay", .source = "runs:/x/model", .logged_model_id = "m-1"});
    ok(v);
    objects.contents[v->storage_location + "/MLmodel"] = kSigned;
    auto done = uc.models().finalize(as(automation), "main.s.delay", v->version);
    ok(done);
    return *done;
  }
  struct Answer {
    int status = 0;
    json::value body;
    std::string code() const { return status < 400 ? "" : std::string(body.at("error_code").as_string()); }
  };
  Answer call(Method method, const std::string& target, std::int64_t who, const std::string& body = "", std::int64_t workspace = 1) {
    api::Request r;
    r.method = method;
    r.path = target.substr(0, target.find('?'));
    r.raw_query = target.find('?') == target.npos ? "" : target.substr(target.find('?') + 1);
    r.query = api::parse_query(r.raw_query);
    r.surface = api::Surface::workspace;
    r.body = body;
    r.context = as(who, workspace);
    auto match = router.match(method, r.surface, r.path);
    if (!match.route) return {404, json::object{{"error_code", "ENDPOINT_NOT_FOUND"}}};
    r.captures = match.captures;
    const auto reply = std::get<api::Handler>(match.route->handler)(r);
    if (!reply) return {reply.error().status, boost::json::parse(reply.error().body())};
    return {reply->status, boost::json::parse(reply->body)};
  }
  FakeRuns runs;
  api::Router router;
};

TEST_F(ModelsTest, MakingModelsTakesTheRightAndAFreeName) {
  refused(uc.models().create(as(ana), {.name = "x", .catalog_name = "main", .schema_name = "s"}), Errc::permission_denied,
          "User does not have CREATE MODEL on Schema 'main.s'.");
  grant(SCHEMA, "main.s", "analysts", {CREATE_MODEL});
  const auto made = uc.models().create(as(ana), {.name = "X", .catalog_name = "main", .schema_name = "s", .comment = "mine"});
  ok(made);
  EXPECT_EQ(made->full_name, "main.s.x");
  EXPECT_EQ(made->owner, "ana@acme.test");
  EXPECT_THAT(made->storage_location, ::testing::StartsWith("s3://meta/root/"));
  refused(uc.models().create(as(ana), {.name = "x", .catalog_name = "main", .schema_name = "s"}), Errc::already_exists);
  refused(uc.models().create(as(ana), {.name = "a.b", .catalog_name = "main", .schema_name = "s"}), Errc::invalid);
  refused(uc.models().get(as(automation), "main.s.none", false), Errc::not_found, "RoutineOrModel 'main.s.none' does not exist.");
  refused(uc.schema_service().remove(as(automation), "main.s", false, false), Errc::not_empty,
          "Schema 'main.s' is not empty. The schema has 1 tables(s), 2 functions(s), 0 volumes(s)");
}

TEST_F(ModelsTest, ExecuteSeesAndLoadsAndNothingMore) {
  const auto v = ready();
  refused(uc.models().get(as(ana), "main.s.delay", false), Errc::permission_denied, "User does not have EXECUTE on Routine or Model 'main.s.delay'.");
  refused(uc.models().credentials(as(ana), "main.s.delay", 1, VersionOperation::READ_MODEL_VERSION), Errc::permission_denied);
  EXPECT_TRUE(uc.models().list(as(ana), "main", "s", {}, false)->items.empty());
  grant(FUNCTION, "main.s.delay", "analysts", {EXECUTE});
  ok(uc.models().version(as(ana), "main.s.delay", 1));
  EXPECT_EQ(uc.models().list(as(ana, 2), std::nullopt, std::nullopt, {}, false)->items.size(), 1u);  // from the other workspace, too
  const auto c = uc.models().credentials(as(ana), "main.s.delay", 1, VersionOperation::READ_MODEL_VERSION);
  ok(c);
  EXPECT_EQ(vendor.scopes.back().prefixes, std::vector<std::string>{v.storage_location + "/"});
  EXPECT_EQ(vendor.scopes.back().access, objects::Access::read);
  refused(uc.models().credentials(as(ana), "main.s.delay", 1, VersionOperation::READ_WRITE_MODEL_VERSION), Errc::permission_denied);
  refused(uc.models().create_version(as(ana), {.full_name = "main.s.delay", .source = "s"}), Errc::permission_denied);
  refused(uc.models().set_alias(as(ana), "main.s.delay", "champion", 1), Errc::permission_denied);
  refused(uc.models().set_tags(as(ana), "main.s.delay", {{"a", "b"}}, {}), Errc::permission_denied);
  refused(uc.models().remove(as(ana), "main.s.delay"), Errc::permission_denied);
  grant(FUNCTION, "main.s.delay", "analysts", {APPLY_TAG, CREATE_MODEL_VERSION});
  ok(uc.models().set_tags(as(ana), "main.s.delay", {{"a", "b"}}, {}));
  ok(uc.models().create_version(as(ana), {.full_name = "main.s.delay", .source = "s"}));
  refused(uc.grant(as(automation), FUNCTION, "main.s.delay", "analysts", {SELECT}), Errc::invalid);
}

TEST_F(ModelsTest, AVersionIsWrittenWhilePendingAndReadWhenReady) {
  auto v = uc.models().create_version(as(automation), {.full_name = "main.s.delay", .source = "runs:/x/model"});
  ok(v);
  EXPECT_EQ(v->status, VersionStatus::PENDING_REGISTRATION);
  refused(uc.models().credentials(as(automation), "main.s.delay", 1, VersionOperation::READ_MODEL_VERSION), Errc::conflict);
  ok(uc.models().credentials(as(automation), "main.s.delay", 1, VersionOperation::READ_WRITE_MODEL_VERSION));
  refused(uc.models().finalize(as(automation), "main.s.delay", 1), Errc::invalid);  // no signature
  for (const char* bad :
       {"signature:\n  inputs: 'x'\n", "signature:\n  inputs: 'x'\n  outputs: null\n", "signature: null\nother:\n  inputs: 'x'\n  outputs: 'y'\n"}) {
    objects.contents[v->storage_location + "/MLmodel"] = bad;
    refused(uc.models().finalize(as(automation), "main.s.delay", 1), Errc::invalid);
  }
  objects.contents[v->storage_location + "/MLmodel"] = kSigned;
  EXPECT_EQ(uc.models().finalize(as(automation), "main.s.delay", 1)->status, VersionStatus::READY);
  refused(uc.models().finalize(as(automation), "main.s.delay", 1), Errc::conflict);
  refused(uc.models().credentials(as(automation), "main.s.delay", 1, VersionOperation::READ_WRITE_MODEL_VERSION), Errc::conflict);
}

TEST_F(ModelsTest, NumbersAreNotUsedTwiceAndAliasesGoWithTheirVersion) {
  ready();
  ready();
  ok(uc.models().set_alias(as(automation), "main.s.delay", "champion", 2));
  EXPECT_EQ(uc.models().version_by_alias(as(automation), "main.s.delay", "Champion")->version, 2);
  ok(uc.models().set_alias(as(automation), "main.s.delay", "champion", 1));  // moves
  EXPECT_EQ(uc.models().get(as(automation), "main.s.delay", false)->aliases.size(), 1u);
  EXPECT_EQ(uc.models().version(as(automation), "main.s.delay", 1)->aliases.at(0).alias_name, "champion");
  for (const char* bad : {"latest", "v1", "", "a b"}) refused(uc.models().set_alias(as(automation), "main.s.delay", bad, 1), Errc::invalid);
  refused(uc.models().set_alias(as(automation), "main.s.delay", "x", 9), Errc::not_found);
  ok(uc.models().remove_version(as(automation), "main.s.delay", 2));
  ok(uc.models().remove_version(as(automation), "main.s.delay", 1));
  refused(uc.models().version_by_alias(as(automation), "main.s.delay", "champion"), Errc::not_found,
          "Registered model alias 'champion' does not exist.");
  EXPECT_EQ(ready().version, 3);
  EXPECT_EQ(runs.registrations.back(), "m-1 main.s.delay 3");
}

TEST_F(ModelsTest, BindingsHoldForModelsAsForTables) {
  ready();
  ok(uc.bindings().update(as(automation), CATALOG, "main", {{.workspace_id = 1}}, {}));
  CatalogChange isolated;
  isolated.isolation_mode = CatalogIsolation::ISOLATED;
  ok(uc.catalog_service().update(as(automation), "main", isolated));
  ok(uc.models().version(as(automation), "main.s.delay", 1));
  refused(uc.models().version(as(automation, 2), "main.s.delay", 1), Errc::permission_denied,
          "Catalog 'main' is not accessible in current workspace");
}

TEST_F(ModelsTest, LineageRunsFromTheTablesOfTheRunToTheVersion) {
  runs.tables = {"main.s.t"};
  ok(uc.models().create_version(as(automation), {.full_name = "main.s.delay", .source = "s", .run_id = "r1"}));
  const auto edges = store->read_as([&](store::ReadTxn& t) { return kLineage.scan(t, store::prefix({metastore_id, "t"})); });
  ASSERT_EQ(edges.size(), 1u);
  EXPECT_EQ(edges[0].source_table, "main.s.t");
  EXPECT_EQ(edges[0].target_table, "main.s.delay/1");
  EXPECT_EQ(edges[0].statement_id, "r1");
}

TEST_F(ModelsTest, LineageOfAModelIsSeenByWhoSeesTheModel) {
  runs.tables = {"main.s.t"};
  ok(uc.models().create_version(as(automation), {.full_name = "main.s.delay", .source = "s", .run_id = "r1"}));
  grant(CATALOG, "system", "ana@acme.test", {USE_CATALOG, USE_SCHEMA, SELECT});
  grant(TABLE, "main.s.t", "ana@acme.test", {SELECT});
  EXPECT_TRUE(uc.lineage_rows(as(ana), false)->empty());
  grant(FUNCTION, "main.s.delay", "ana@acme.test", {EXECUTE});
  const auto hers = uc.lineage_rows(as(ana), false);
  ASSERT_EQ(hers->size(), 1u);
  EXPECT_EQ(hers->front().edge.target_table, "main.s.delay/1");
  EXPECT_TRUE(uc.lineage().table(as(ana), "main.s.t")->downstreams.empty());  // which tells of tables only
}

TEST_F(ModelsTest, MlflowsClientSpeaksItsOwnDialect) {
  const std::string base = "/api/2.0/mlflow/unity-catalog";
  EXPECT_EQ(call(Method::POST, base + "/registered-models/create", automation, R"({"name":"flat"})").code(), "INVALID_PARAMETER_VALUE");
  EXPECT_EQ(call(Method::POST, base + "/registered-models/create", automation, R"({"name":"main.s.delay"})").code(), "RESOURCE_ALREADY_EXISTS");
  EXPECT_EQ(call(Method::GET, base + "/registered-models/get?name=main.s.none", automation).code(), "RESOURCE_DOES_NOT_EXIST");
  EXPECT_EQ(call(Method::GET, base + "/registered-models/get?name=main.s.delay", ana).code(), "PERMISSION_DENIED");
  const auto v = call(
      Method::POST, base + "/model-versions/create", automation,
      R"({"name":"main.s.delay","source":"dbfs:/x","run_id":"r","run_tracking_server_id":"7","description":"d","tags":[{"key":"k","value":"v"}]})");
  ASSERT_EQ(v.status, 200) << boost::json::serialize(v.body);
  EXPECT_EQ(v.body.at("model_version").at("version"), "1");
  EXPECT_EQ(v.body.at("model_version").at("run_tracking_server_id"), "7");
  EXPECT_EQ(call(Method::POST, base + "/model-versions/finalize", automation, R"({"name":"main.s.delay","version":"1"})").code(),
            "INVALID_PARAMETER_VALUE");
  objects.contents[std::string(v.body.at("model_version").at("storage_location").as_string()) + "/MLmodel"] = kSigned;
  EXPECT_EQ(call(Method::POST, base + "/model-versions/finalize", automation, R"({"name":"main.s.delay","version":"1"})").status, 200);
  EXPECT_EQ(call(Method::POST, base + "/registered-models/alias", automation, R"({"name":"main.s.delay","alias":"a1","version":"1"})").status, 200);
  EXPECT_EQ(call(Method::GET, base + "/registered-models/alias?name=main.s.delay&alias=a1", automation).body.at("model_version").at("version"), "1");
  EXPECT_EQ(call(Method::DELETE, base + "/registered-models/alias?name=main.s.delay&alias=a1", automation).status, 200);
  EXPECT_EQ(call(Method::GET, base + "/model-versions/search?filter=name%3D'main.s.delay'", automation).body.at("model_versions").as_array().size(),
            1u);
  EXPECT_EQ(call(Method::GET, base + "/model-versions/search?filter=run_id%3D'x'", automation).code(), "INVALID_PARAMETER_VALUE");
  EXPECT_EQ(call(Method::GET, base + "/model-versions/get?name=main.s.delay&version=x", automation).code(), "INVALID_PARAMETER_VALUE");
  EXPECT_EQ(call(Method::DELETE, base + "/registered-models/delete", automation, R"({"name":"main.s.delay"})").status, 200);
  EXPECT_EQ(call(Method::GET, "/api/2.1/unity-catalog/models/main.s.delay", automation).code(), "RESOURCE_DOES_NOT_EXIST");
}

TEST_F(ModelsTest, TheCatalogsDialectAgrees) {
  ready();
  const std::string base = "/api/2.1/unity-catalog/models";
  EXPECT_EQ(call(Method::PUT, base + "/main.s.delay/aliases/champion", automation, R"({"version_num":1})").body.at("version_num"), 1);
  EXPECT_EQ(call(Method::GET, base + "/main.s.delay/versions/1", automation).body.at("status"), "READY");
  EXPECT_EQ(call(Method::GET, base + "/main.s.delay/versions/one", automation).code(), "INVALID_PARAMETER_VALUE");
  EXPECT_EQ(call(Method::PATCH, base + "/main.s.delay", automation, R"({"comment":"c","owner":"engineers"})").body.at("owner"), "engineers");
  EXPECT_EQ(call(Method::PATCH, base + "/main.s.delay", automation, R"({"new_name":"late"})").body.at("full_name"), "main.s.late");
  EXPECT_EQ(call(Method::GET, base + "?catalog_name=main", automation).code(), "INVALID_PARAMETER_VALUE");
  EXPECT_EQ(call(Method::GET, base + "?catalog_name=main&schema_name=s", automation).body.at("registered_models").as_array().size(), 1u);
  EXPECT_EQ(call(Method::POST, "/api/2.1/unity-catalog/models", automation, R"({"catalog_name":"main","schema_name":"s"})").code(),
            "INVALID_PARAMETER_VALUE");
}

TEST_F(ModelsTest, FunctionsAreSecurablesBesideModels) {
  const std::string base = "/api/2.1/unity-catalog/functions";
  const std::string fn =
      R"({"function_info":{"name":"plus","catalog_name":"main","schema_name":"s","input_params":{"parameters":[]},"data_type":"INT","full_data_type":"INT",)"
      R"("routine_body":"SQL","routine_definition":"1","parameter_style":"S","is_deterministic":true,"sql_data_access":"CONTAINS_SQL","is_null_call":true,)"
      R"("security_type":"DEFINER","specific_name":"plus","comment":"adds"}})";
  EXPECT_EQ(call(Method::POST, base, ana, fn).code(), "PERMISSION_DENIED");
  const auto made = call(Method::POST, base, automation, fn);
  ASSERT_EQ(made.status, 200) << boost::json::serialize(made.body);
  EXPECT_EQ(made.body.at("full_name"), "main.s.plus");
  EXPECT_EQ(call(Method::POST, base, automation, fn).code(), "FUNCTION_ALREADY_EXISTS");
  EXPECT_EQ(call(Method::POST, base, automation, R"({"function_info":{"name":"q","catalog_name":"main","schema_name":"s"}})").code(),
            "INVALID_PARAMETER_VALUE");
  EXPECT_EQ(call(Method::GET, base + "/main.s.plus", ana).code(), "PERMISSION_DENIED");
  grant(FUNCTION, "main.s.plus", "analysts", {EXECUTE});
  EXPECT_EQ(call(Method::GET, base + "/main.s.plus", ana).body.at("comment"), "adds");
  EXPECT_EQ(call(Method::GET, base + "/main.s.delay", automation).code(), "FUNCTION_DOES_NOT_EXIST");
  EXPECT_EQ(call(Method::GET, "/api/2.1/unity-catalog/models/main.s.plus", automation).code(), "RESOURCE_DOES_NOT_EXIST");
  EXPECT_EQ(call(Method::GET, base + "?catalog_name=main&schema_name=s", automation).body.at("functions").as_array().size(), 1u);
  EXPECT_EQ(call(Method::PATCH, base + "/main.s.plus", automation, R"({"owner":"engineers"})").body.at("owner"), "engineers");
  EXPECT_EQ(call(Method::DELETE, base + "/main.s.plus", ana).code(), "PERMISSION_DENIED");
  EXPECT_EQ(call(Method::DELETE, base + "/main.s.plus", automation).status, 200);
}

}  // namespace
}  // namespace tarn::catalog::testing
