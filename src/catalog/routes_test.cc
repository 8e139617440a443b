#include "catalog/routes.h"

#include <gmock/gmock.h>

#include "catalog/testing.h"

namespace tarn::catalog::testing {
namespace {

using api::Method;
using enum Privilege;
using enum SecurableType;

constexpr const char* kUc = "/api/2.1/unity-catalog";

class Routes : public CatalogTest {
 protected:
  Routes() { router.add(routes(uc)); }

  struct Answer {
    int status = 0;
    json::value body;
    std::string code() const {
      return body.is_object() && body.as_object().contains("error_code") ? std::string(body.at("error_code").as_string()) : "";
    }
    std::string message() const { return std::string(body.at("message").as_string()); }
  };

  /// Through the declared table, as the gateway does it.
  Answer call(Method method, const std::string& target, const access::Context& ctx, const std::string& body = "") {
    api::Request r;
    r.method = method;
    r.path = target.substr(0, target.find('?'));
    r.raw_query = target.find('?') == target.npos ? "" : target.substr(target.find('?') + 1);
    r.query = api::parse_query(r.raw_query);
    r.surface = ctx.workspace_id ? api::Surface::workspace : api::Surface::account;
    r.body = body;
    r.account_id = kAccount;
    r.context = ctx;
    auto match = router.match(method, r.surface, r.path);
    if (!match.route) return {404, json::object{{"error_code", "ENDPOINT_NOT_FOUND"}, {"message", r.path}}};
    r.captures = match.captures;
    if (auto e = api::authorise(match.route->auth, ctx.caller)) return {e->status, boost::json::parse(e->body())};
    const auto reply = std::get<api::Handler>(match.route->handler)(r);
    if (!reply) return {reply.error().status, boost::json::parse(reply.error().body())};
    return {reply->status, boost::json::parse(reply->body)};
  }
  Answer admin(Method m, const std::string& path, const std::string& body = "") {
    return call(m, "/api/2.0/accounts/" + std::string(kAccount) + path, account(automation), body);
  }
  Answer work(Method m, const std::string& path, std::int64_t who, const std::string& body = "", std::int64_t workspace = 1) {
    return call(m, kUc + path, as(who, workspace), body);
  }

  void expect(const Answer& a, int status, const std::string& code = "", const std::string& message = "") {
    EXPECT_EQ(a.status, status) << boost::json::serialize(a.body);
    EXPECT_EQ(a.code(), code) << boost::json::serialize(a.body);
    if (!message.empty()) {
      EXPECT_EQ(a.message(), message);
    }
  }

  api::Router router;
};

TEST_F(Routes, AccountMetastoreLifeAsTheProviderCallsIt) {
  const auto made = admin(Method::POST, "/metastores", R"({"metastore_info":{"name":"primary","region":"us-east-1","storage_root":"s3://meta/x"}})");
  expect(made, 200);
  const std::string id(made.body.at("metastore_info").at("metastore_id").as_string());
  EXPECT_EQ(made.body.at("metastore_info").at("external_access_enabled"), false);
  expect(admin(Method::POST, "/metastores", R"({"metastore_info":{"name":"second","region":"us-east-1"}})"), 400, "INVALID_STATE",
         "This account with id " + std::string(kAccount) + " has reached the limit for metastores in region us-east-1");
  expect(admin(Method::POST, "/metastores", R"({"metastore_info":{"region":"us-east-1"}})"), 400, "INVALID_PARAMETER_VALUE",
         "Field 'metastore_info.name' is required");
  expect(admin(Method::POST, "/metastores", "{"), 400, "MALFORMED_REQUEST");
  expect(admin(Method::GET, "/metastores/nothing"), 404, "METASTORE_DOES_NOT_EXIST");
  expect(call(Method::GET, "/api/2.0/accounts/other/metastores", account(automation)), 404, "RESOURCE_DOES_NOT_EXIST");
  expect(call(Method::GET, "/api/2.0/accounts/" + std::string(kAccount) + "/metastores", account(ana)), 403, "PERMISSION_DENIED",
         "This API is disabled for users without account admin status.");

  expect(admin(Method::PUT, "/metastores/" + id,
               R"({"metastore_info":{"owner":"engineers","external_access_enabled":true,"delta_sharing_scope":"INTERNAL"}})"),
         200);
  expect(admin(Method::PUT, "/metastores/" + id, R"({"metastore_info":{"owner":"admins"}})"), 404, "PRINCIPAL_DOES_NOT_EXIST",
         "Could not find principal with name admins");
  EXPECT_EQ(admin(Method::GET, "/metastores/" + id).body.at("metastore_info").at("owner"), "engineers");

  expect(admin(Method::GET, "/workspaces/1/metastore"), 404, "METASTORE_DOES_NOT_EXIST");
  expect(admin(Method::POST, "/workspaces/1/metastores/" + id, R"({"metastore_assignment":{"default_catalog_name":"main"}})"), 200);
  expect(admin(Method::POST, "/workspaces/77/metastores/" + id, "{}"), 404, "RESOURCE_DOES_NOT_EXIST");
  expect(admin(Method::POST, "/workspaces/3/metastores/" + id, "{}"), 400, "INVALID_PARAMETER_VALUE");
  expect(admin(Method::POST, "/workspaces/x/metastores/" + id, "{}"), 400, "INVALID_PARAMETER_VALUE");
  EXPECT_EQ(admin(Method::GET, "/workspaces/1/metastore").body.at("metastore_assignment").at("metastore_id").as_string(), id);
  EXPECT_EQ(admin(Method::GET, "/metastores/" + id + "/workspaces").body.at("workspace_ids").as_array().size(), 1u);

  expect(admin(Method::POST, "/metastores/" + id + "/storage-credentials",
               R"({"credential_info":{"name":"root","aws_iam_role":{"role_arn":"arn:aws:iam::123456789012:role/root"}}})"),
         200);
  const auto credential = admin(Method::GET, "/metastores/" + id + "/storage-credentials/root");
  const std::string credential_id(credential.body.at("credential_info").at("id").as_string());
  expect(admin(Method::PUT, "/metastores/" + id, R"({"metastore_info":{"storage_root_credential_id":")" + credential_id + R"("}})"), 200);
  EXPECT_EQ(admin(Method::GET, "/metastores/" + id).body.at("metastore_info").at("storage_root_credential_name"), "root");
  EXPECT_EQ(
      admin(Method::GET, "/metastores/" + id + "/storage-credentials").body.at("storage_credentials").as_array().at(0).at("used_for_managed_storage"),
      true);
  for (const char* how : {"", "?force=true"})
    expect(admin(Method::DELETE, "/metastores/" + id + "/storage-credentials/root" + how), 400, "INVALID_STATE",
           "Storage credential 'root' cannot be deleted because it is configured as this metastore's root credential. Please update the metastore's "
           "root credential before attempting deletion.");
  expect(admin(Method::DELETE, "/metastores/" + id), 400, "INVALID_STATE");
  expect(admin(Method::DELETE, "/workspaces/1/metastores/" + id), 200);
  expect(admin(Method::DELETE, "/metastores/" + id + "?force=true"), 200);
  EXPECT_TRUE(admin(Method::GET, "/metastores").body.at("metastores").as_array().empty());
}

TEST_F(Routes, WorkspaceMetastoreViews) {
  expect(work(Method::GET, "/current-metastore-assignment", ana), 404, "METASTORE_DOES_NOT_EXIST",
         "No metastore assigned for the current workspace.");
  expect(work(Method::GET, "/catalogs", ana), 404, "METASTORE_DOES_NOT_EXIST");
  own_metastore();
  EXPECT_EQ(work(Method::GET, "/current-metastore-assignment", ana).body.at("workspace_id"), 1);
  EXPECT_EQ(work(Method::GET, "/metastore_summary", ana).body.at("global_metastore_id").as_string(), "aws:us-east-1:" + metastore_id);
  expect(work(Method::GET, "/metastores/" + metastore_id, ana), 403, "PERMISSION_DENIED");
  expect(work(Method::PATCH, "/metastores/" + metastore_id, ana, R"({"external_access_enabled":true})"), 403, "PERMISSION_DENIED");
  EXPECT_EQ(work(Method::GET, "/metastores/" + metastore_id + "/systemschemas", automation).body.at("schemas").as_array().size(), 1u);
  expect(work(Method::GET, "/metastores/" + metastore_id + "/systemschemas", ana), 403, "PERMISSION_DENIED");
  expect(work(Method::PUT, "/metastores/" + metastore_id + "/systemschemas/access", automation), 200);
  expect(work(Method::PUT, "/metastores/" + metastore_id + "/systemschemas/billing", automation), 404, "FEATURE_DISABLED");
  expect(work(Method::PUT, "/workspaces/1/metastore", ana, R"({"metastore_id":")" + metastore_id + R"("})"), 403, "PERMISSION_DENIED");
  expect(work(Method::DELETE, "/workspaces/2/metastore?metastore_id=" + metastore_id, automation), 200);
  expect(work(Method::PUT, "/workspaces/2/metastore", automation, R"({"metastore_id":")" + metastore_id + R"("})"), 200);
}

TEST_F(Routes, CredentialsAndLocations) {
  own_metastore();
  const std::string role = R"("aws_iam_role":{"role_arn":"arn:aws:iam::123456789012:role/lake"})";
  expect(work(Method::POST, "/storage-credentials", ana, R"({"name":"c",)" + role + "}"), 403, "PERMISSION_DENIED",
         "User does not have CREATE STORAGE CREDENTIAL on Metastore 'main'.");
  expect(work(Method::POST, "/storage-credentials", automation, R"({"name":"c","aws_iam_role":{"role_arn":"lake"}})"), 400,
         "INVALID_PARAMETER_VALUE");
  expect(work(Method::POST, "/storage-credentials", automation, R"({"name":"c","azure_managed_identity":{}})"), 400, "INVALID_PARAMETER_VALUE");
  const auto made = work(Method::POST, "/storage-credentials", automation, R"({"name":"C",)" + role + "}");
  expect(made, 200);
  EXPECT_EQ(made.body.at("name"), "c");
  EXPECT_EQ(made.body.at("aws_iam_role").at("external_id").as_string(), kAccount);
  expect(work(Method::POST, "/storage-credentials", automation, R"({"name":"c",)" + role + "}"), 400, "STORAGE_CREDENTIAL_ALREADY_EXISTS");
  expect(work(Method::GET, "/storage-credentials/none", automation), 404, "STORAGE_CREDENTIAL_DOES_NOT_EXIST");
  expect(work(Method::GET, "/storage-credentials/c", ana), 403, "PERMISSION_DENIED");

  expect(work(Method::POST, "/external-locations", ana, R"({"name":"l","url":"s3://lake/a","credential_name":"c"})"), 403, "PERMISSION_DENIED",
         "User does not have CREATE EXTERNAL LOCATION on Metastore 'main'.");
  expect(work(Method::POST, "/external-locations", automation, R"({"name":"l","url":"s3://lake/a","credential_name":"none"})"), 404,
         "STORAGE_CREDENTIAL_DOES_NOT_EXIST");
  expect(work(Method::POST, "/external-locations", automation, R"({"name":"l","url":"s3://lake/a/../b","credential_name":"c"})"), 400,
         "INVALID_PARAMETER_VALUE");
  expect(work(Method::POST, "/external-locations", automation, R"({"name":"l","url":"s3://nowhere/a","credential_name":"c"})"), 403,
         "PERMISSION_DENIED");
  expect(
      work(Method::POST, "/external-locations", automation, R"({"name":"far","url":"s3://nowhere/a","credential_name":"c","skip_validation":true})"),
      200);
  expect(work(Method::POST, "/external-locations", automation, R"({"name":"l","url":"s3://lake/a/","credential_name":"c"})"), 200);
  EXPECT_EQ(work(Method::GET, "/external-locations/l", automation).body.at("url"), "s3://lake/a/");
  for (const char* url : {"s3://lake/a", "s3://lake/a/b", "s3://lake", "s3a://lake/a"}) {
    const auto a = work(Method::POST, "/external-locations", automation, std::string(R"({"name":"m","credential_name":"c","url":")") + url + R"("})");
    expect(a, 400, "INVALID_PARAMETER_VALUE");
    EXPECT_THAT(a.message(), ::testing::HasSubstr("ErrorClass=INVALID_PARAMETER_VALUE.LOCATION_OVERLAP] Input path url 's3://lake")) << url;
    EXPECT_THAT(a.message(),
                ::testing::HasSubstr("overlaps with an existing external location within 'CreateExternalLocation' call. Conflicting location: l."))
        << url;
  }
  EXPECT_THAT(work(Method::POST, "/external-locations", automation, R"({"name":"m","url":"s3://meta","credential_name":"c"})").message(),
              ::testing::HasSubstr("overlaps with managed storage"));
  expect(work(Method::POST, "/external-locations", automation, R"({"name":"ab","url":"s3://lake/ab","credential_name":"c","read_only":true})"),
         200);  // a neighbour, not a child
  expect(work(Method::DELETE, "/storage-credentials/c", automation), 400, "INVALID_STATE");
  expect(work(Method::PATCH, "/storage-credentials/c", automation, R"({"new_name":"renamed","comment":"x"})"), 200);
  EXPECT_EQ(work(Method::GET, "/external-locations/l", automation).body.at("credential_name"), "renamed");
  expect(work(Method::PATCH, "/external-locations/l", automation, R"({"url":"s3://lake/ab/c"})"), 400, "INVALID_PARAMETER_VALUE");
  expect(work(Method::POST, "/catalogs", automation, R"({"name":"ro","storage_root":"s3://lake/ab/x"})"), 403, "PERMISSION_DENIED");
  expect(work(Method::POST, "/catalogs", automation, R"({"name":"rw","storage_root":"s3://lake/a/x"})"), 200);
  expect(work(Method::DELETE, "/external-locations/l", automation), 400, "INVALID_STATE",
         "External Location has dependent catalogs, schemas, managed or external tables/volumes; use force option to delete anyway");
  expect(work(Method::DELETE, "/external-locations/ab", ana), 403, "PERMISSION_DENIED");
  expect(work(Method::DELETE, "/external-locations/ab", automation), 200);
  expect(work(Method::DELETE, "/external-locations/ab", automation), 404, "EXTERNAL_LOCATION_DOES_NOT_EXIST");
  EXPECT_EQ(work(Method::GET, "/external-locations", automation).body.at("external_locations").as_array().size(), 2u);
  EXPECT_FALSE(work(Method::GET, "/external-locations", ana).body.as_object().contains("external_locations"));
  const auto valid =
      work(Method::POST, "/validate-storage-credentials", automation, R"({"storage_credential_name":"renamed","url":"s3://lake/free"})");
  expect(valid, 200);
  for (const auto& one : valid.body.at("results").as_array()) EXPECT_EQ(one.at("result"), "PASS") << one;
  EXPECT_TRUE(objects.keys.empty());
}

TEST_F(Routes, CatalogsAndSchemas) {
  own_catalog();
  expect(work(Method::POST, "/catalogs", ana, R"({"name":"x"})"), 403, "PERMISSION_DENIED", "User does not have CREATE CATALOG on Metastore 'main'.");
  expect(work(Method::POST, "/catalogs", automation, R"({"name":"MAIN"})"), 400, "CATALOG_ALREADY_EXISTS", "Catalog 'main' already exists");
  for (const char* bad : {"a.b", "a/b", "a b", "", R"(a\u0000b)", R"(a\nb)"})
    expect(work(Method::POST, "/catalogs", automation, std::string(R"({"name":")") + bad + R"("})"), 400, "INVALID_PARAMETER_VALUE");
  expect(work(Method::POST, "/catalogs", automation, R"({"name":7})"), 400, "INVALID_PARAMETER_VALUE", "Field 'name' must be a string, got 7");
  expect(work(Method::POST, "/catalogs", automation, R"({"name":"s","share_name":"x"})"), 403, "FEATURE_DISABLED");
  for (const char* odd : {R"(it's)", R"(q\"uote)", "ÜBER", "数据"})
    expect(work(Method::POST, "/catalogs", automation, std::string(R"({"name":")") + odd + R"("})"), 200);
  EXPECT_EQ(work(Method::GET, "/catalogs/%C3%9CBER", automation).body.at("name"), "über");
  expect(work(Method::GET, "/catalogs/none", ana), 404, "CATALOG_DOES_NOT_EXIST", "Catalog 'none' does not exist.");
  expect(work(Method::GET, "/catalogs/main", ana), 403, "PERMISSION_DENIED", "User does not have USE CATALOG on Catalog 'main'.");
  grant(CATALOG, "main", "ana@acme.test", {BROWSE});
  expect(work(Method::GET, "/catalogs/main", ana), 403, "PERMISSION_DENIED");
  EXPECT_EQ(work(Method::GET, "/catalogs/main?include_browse=true", ana).body.at("browse_only"), true);

  expect(work(Method::POST, "/schemas", ana, R"({"name":"x","catalog_name":"main"})"), 403, "PERMISSION_DENIED",
         "User does not have USE CATALOG on Catalog 'main'.");
  grant(CATALOG, "main", "ana@acme.test", {USE_CATALOG});
  expect(work(Method::POST, "/schemas", ana, R"({"name":"x","catalog_name":"main"})"), 403, "PERMISSION_DENIED",
         "User does not have CREATE SCHEMA on Catalog 'main'.");
  expect(work(Method::POST, "/schemas", automation, R"({"name":"s","catalog_name":"main"})"), 400, "SCHEMA_ALREADY_EXISTS",
         "Schema 'main.s' already exists");
  expect(work(Method::POST, "/schemas", automation, R"({"name":"information_schema","catalog_name":"main"})"), 400, "SCHEMA_ALREADY_EXISTS");
  expect(work(Method::POST, "/schemas", automation, R"({"name":"x","catalog_name":"none"})"), 404, "CATALOG_DOES_NOT_EXIST");
  expect(work(Method::GET, "/schemas/main", automation), 400, "INVALID_PARAMETER_VALUE");
  expect(work(Method::GET, "/schemas/main.none", automation), 404, "SCHEMA_DOES_NOT_EXIST");
  expect(work(Method::GET, "/schemas/main.none", eve), 403, "PERMISSION_DENIED", "User does not have USE CATALOG on Catalog 'main'.");
  expect(work(Method::GET, "/schemas?catalog_name=main&max_results=-1", automation), 400, "INVALID_PARAMETER_VALUE");
  expect(work(Method::GET, "/schemas?catalog_name=main&page_token=zzz", automation), 400, "INVALID_PARAMETER_VALUE");
  std::vector<std::string> names;
  for (std::string token;;) {
    const auto page = work(Method::GET, "/schemas?catalog_name=main&max_results=1&page_token=" + token, automation);
    for (const auto& s : page.body.at("schemas").as_array()) names.emplace_back(s.at("name").as_string());
    if (!page.body.as_object().contains("next_page_token")) break;
    token = std::string(page.body.at("next_page_token").as_string());
  }
  EXPECT_THAT(names, ::testing::ElementsAre("default", "information_schema", "s"));
  expect(work(Method::DELETE, "/schemas/main.s", automation), 400, "INVALID_STATE",
         "Schema 'main.s' is not empty. The schema has 1 tables(s), 0 functions(s), 0 volumes(s)");
  expect(work(Method::DELETE, "/schemas/main.default", automation), 200);
  expect(work(Method::DELETE, "/schemas/main.information_schema?force=true", automation), 400, "INVALID_PARAMETER_VALUE");
  expect(work(Method::DELETE, "/catalogs/main", automation), 400, "INVALID_STATE", "Catalog 'main' is not empty. The catalog has 1 schemas(s)");
  expect(work(Method::PATCH, "/catalogs/main", ana, R"({"comment":"mine"})"), 403, "PERMISSION_DENIED",
         "User does not have MANAGE on Catalog 'main'.");
  expect(work(Method::PATCH, "/catalogs/main", automation, R"({"new_name":"gold","comment":"x","owner":"engineers"})"), 200);
  EXPECT_EQ(work(Method::GET, "/tables/gold.s.t", automation).body.at("full_name"), "gold.s.t");
  expect(work(Method::DELETE, "/catalogs/gold?force=perhaps", automation), 400, "INVALID_PARAMETER_VALUE");
  expect(work(Method::DELETE, "/catalogs/gold?force=true", automation), 200);
  expect(work(Method::GET, "/catalogs/gold", automation), 404, "CATALOG_DOES_NOT_EXIST");
}

TEST_F(Routes, TablesOverRest) {
  own_catalog();
  const std::string columns = R"("columns":[{"name":"a","type_text":"bigint","type_name":"LONG","position":0}])";
  const auto create = [&](const std::string& name, const std::string& url) {
    return R"({"catalog_name":"main","schema_name":"s","table_type":"EXTERNAL","data_source_format":"DELTA","name":")" + name +
           R"(","storage_location":")" + url + "\"," + columns + "}";
  };
  expect(work(Method::POST, "/tables", automation, create("e", "s3://elsewhere/x")), 403, "PERMISSION_DENIED");
  expect(work(Method::POST, "/tables", automation, create("e", "s3://lake/data/e")), 200);
  expect(work(Method::POST, "/tables", automation, create("e", "s3://lake/data/e2")), 400, "TABLE_ALREADY_EXISTS");
  const auto clash = work(Method::POST, "/tables", automation, create("f", "s3://lake/data/e/part"));
  expect(clash, 400, "INVALID_PARAMETER_VALUE");
  EXPECT_THAT(
      clash.message(),
      ::testing::HasSubstr("overlaps with other external tables or volumes within 'CreateTable' call. Conflicting tables/volumes: main.s.e."));
  expect(work(Method::POST, "/tables", ana, create("g", "s3://lake/data/g")), 403, "PERMISSION_DENIED",
         "User does not have USE CATALOG on Catalog 'main'.");
  expect(work(Method::POST, "/tables", automation,
              R"({"catalog_name":"main","schema_name":"s","name":"m","table_type":"MANAGED","data_source_format":"DELTA"})"),
         400, "INVALID_PARAMETER_VALUE");
  expect(work(Method::POST, "/tables", automation,
              R"({"catalog_name":"main","schema_name":"s","name":"m","table_type":"SHEET","data_source_format":"DELTA"})"),
         400, "INVALID_PARAMETER_VALUE");
  expect(work(Method::GET, "/tables/main.s", automation), 400, "INVALID_PARAMETER_VALUE");
  expect(work(Method::GET, "/tables/main.s.none", automation), 404, "TABLE_DOES_NOT_EXIST", "Table 'main.s.none' does not exist.");
  EXPECT_EQ(work(Method::GET, "/tables/main.s.none/exists", automation).body.at("table_exists"), false);
  EXPECT_EQ(work(Method::GET, "/tables/main.s.e/exists", automation).body.at("table_exists"), true);
  expect(work(Method::GET, "/tables/main.s.e/exists", ana), 403, "PERMISSION_DENIED");
  const auto list = work(Method::GET, "/tables?catalog_name=main&schema_name=s&max_results=1&omit_columns=true", automation);
  ASSERT_EQ(list.body.at("tables").as_array().size(), 1u);
  EXPECT_FALSE(list.body.at("tables").as_array()[0].as_object().contains("columns"));
  const auto rest =
      work(Method::GET, "/tables?catalog_name=main&schema_name=s&page_token=" + std::string(list.body.at("next_page_token").as_string()), automation);
  EXPECT_EQ(rest.body.at("tables").as_array().at(0).at("name"), "t");
  EXPECT_EQ(work(Method::GET, "/table-summaries?catalog_name=main&table_name_pattern=e%25", automation).body.at("tables").as_array().size(), 1u);
  std::string token;
  std::size_t summaries = 0;
  do {
    const auto page = work(Method::GET, "/table-summaries?catalog_name=main&max_results=1&page_token=" + token, automation);
    if (const auto* t = page.body.as_object().if_contains("tables")) summaries += t->as_array().size();
    token = page.body.as_object().contains("next_page_token") ? std::string(page.body.at("next_page_token").as_string()) : "";
  } while (!token.empty());
  EXPECT_EQ(summaries, 2u);
  expect(work(Method::PATCH, "/tables/main.s.e", automation, R"({"owner":"nobody"})"), 404, "PRINCIPAL_DOES_NOT_EXIST");
  expect(work(Method::PATCH, "/tables/main.s.e", automation, R"({"owner":"engineers"})"), 200);
  expect(work(Method::DELETE, "/tables/main.s.e", ana), 403, "PERMISSION_DENIED");
  expect(work(Method::DELETE, "/tables/main.s.e", automation), 200);
  expect(work(Method::POST, "/tables", automation, create("again", "s3://lake/data/e")), 200);  // the path is free again
  expect(work(Method::GET, "/functions/main.s.f", automation), 404, "FUNCTION_DOES_NOT_EXIST");
  expect(work(Method::POST, "/functions", automation, "{}"), 400, "INVALID_PARAMETER_VALUE");
}

TEST_F(Routes, TheCachedTableFollowsGrantsAndChanges) {
  own_catalog();
  grant(CATALOG, "main", "analysts", {USE_CATALOG, USE_SCHEMA, SELECT});
  expect(work(Method::GET, "/tables/main.s.t", ana), 403, "PERMISSION_DENIED");
  directory.join(ana, analysts);
  const auto first = work(Method::GET, "/tables/main.s.t", ana);
  expect(first, 200);
  EXPECT_EQ(work(Method::GET, "/tables/main.s.t", ana).body, first.body);
  expect(work(Method::GET, "/tables/main.s.t", bob), 403, "PERMISSION_DENIED");  // what one caller may see is not kept for another
  ok(uc.table_service().set_owner(as(automation), "main.s.t", "engineers"));
  EXPECT_EQ(work(Method::GET, "/tables/main.s.t", ana).body.at("owner"), "engineers");
  ok(uc.revoke(as(automation), CATALOG, "main", "analysts", {SELECT}));
  expect(work(Method::GET, "/tables/main.s.t", ana), 403, "PERMISSION_DENIED", "User does not have SELECT on Table 'main.s.t'.");
  store->flush_audit();
  EXPECT_EQ(store->audit_log({.principal = "ana@acme.test", .action = "getTable"}, 100).size(), 5u);
}

TEST_F(Routes, PermissionsAsTheProviderDiffsThem) {
  own_catalog();
  expect(work(Method::PATCH, "/permissions/catalog/main", automation,
              R"({"changes":[{"principal":"analysts","add":["USE CATALOG","select"]},{"principal":"engineers","add":["ALL_PRIVILEGES"]}]})"),
         200);
  const auto direct = work(Method::GET, "/permissions/catalog/main", automation);
  EXPECT_EQ(
      boost::json::serialize(direct.body),
      R"({"privilege_assignments":[{"principal":"analysts","privileges":["SELECT","USE_CATALOG"]},{"principal":"engineers","privileges":["ALL_PRIVILEGES"]}]})");
  expect(work(Method::PATCH, "/permissions/table/main.s.t", automation, R"({"changes":[{"principal":"analysts","add":["MODIFY"]}]})"), 200);
  const auto effective = work(Method::GET, "/effective-permissions/table/main.s.t?principal=analysts", automation);
  EXPECT_EQ(
      boost::json::serialize(effective.body),
      R"({"privilege_assignments":[{"principal":"analysts","privileges":[{"privilege":"MODIFY"},{"privilege":"SELECT","inherited_from_type":"CATALOG","inherited_from_name":"main"},)"
      R"({"privilege":"USE_CATALOG","inherited_from_type":"CATALOG","inherited_from_name":"main"}]}]})");
  expect(work(Method::PATCH, "/permissions/catalog/main", automation,
              R"({"changes":[{"principal":"analysts","add":["EXECUTE"]},{"principal":"ghosts","add":["SELECT"]}]})"),
         404, "PRINCIPAL_DOES_NOT_EXIST", "Could not find principal with name ghosts");
  EXPECT_EQ(work(Method::GET, "/permissions/catalog/main", automation).body, direct.body);  // all or nothing
  expect(work(Method::PATCH, "/permissions/catalog/main", automation, R"({"changes":[{"principal":"analysts","add":["FLY"]}]})"), 400,
         "INVALID_PARAMETER_VALUE");
  expect(work(Method::PATCH, "/permissions/catalog/main", automation, R"({"changes":[{"add":["SELECT"]}]})"), 400, "INVALID_PARAMETER_VALUE",
         "Field 'changes[0].principal' is required");
  expect(work(Method::PATCH, "/permissions/nothing/main", automation, "{}"), 400, "INVALID_PARAMETER_VALUE");
  expect(work(Method::PATCH, "/permissions/catalog/none", automation, R"({"changes":[]})"), 404, "CATALOG_DOES_NOT_EXIST");
  expect(work(Method::PATCH, "/permissions/catalog/main", ana, R"({"changes":[{"principal":"ana@acme.test","add":["SELECT"]}]})"), 403,
         "PERMISSION_DENIED");
  expect(work(Method::GET, "/permissions/catalog/main", eve), 403, "PERMISSION_DENIED");
  directory.join(ana, analysts);
  EXPECT_EQ(work(Method::GET, "/permissions/catalog/main", ana).body.at("privilege_assignments").as_array().size(), 1u);  // one's own only
  expect(work(Method::GET, "/permissions/catalog/main?max_results=10", automation), 400, "INVALID_PARAMETER_VALUE");
  expect(work(Method::PATCH, "/permissions/metastore/" + metastore_id, automation,
              R"({"changes":[{"principal":"engineers","add":["CREATE_CATALOG"]}]})"),
         200);
  expect(work(Method::PATCH, "/permissions/metastore/" + metastore_id, automation, R"({"changes":[{"principal":"engineers","add":["SELECT"]}]})"),
         400, "INVALID_PARAMETER_VALUE");
  // Renamed principals keep their grants, deleted ones can be revoked by the last name known.
  directory.rename(engineers, "builders");
  EXPECT_EQ(work(Method::GET, "/permissions/catalog/main", automation).body.at("privilege_assignments").as_array().at(1).at("principal"), "builders");
  directory.forget(analysts);
  expect(work(Method::PATCH, "/permissions/catalog/main", automation, R"({"changes":[{"principal":"analysts","remove":["SELECT","USE_CATALOG"]}]})"),
         200);
  EXPECT_EQ(work(Method::GET, "/permissions/catalog/main", automation).body.at("privilege_assignments").as_array().size(), 1u);
}

TEST_F(Routes, BindingsCloseACatalogToOtherWorkspaces) {
  own_catalog();
  expect(work(Method::PATCH, "/catalogs/main", automation, R"({"isolation_mode":"ISOLATED"})"), 200);
  expect(work(Method::GET, "/catalogs/main", automation), 403, "PERMISSION_DENIED", "Catalog 'main' is not accessible in current workspace");
  expect(work(Method::PATCH, "/bindings/catalog/main", automation,
              R"({"add":[{"workspace_id":1,"binding_type":"BINDING_TYPE_READ_WRITE"},{"workspace_id":2,"binding_type":"BINDING_TYPE_READ_ONLY"}]})"),
         200);
  expect(work(Method::GET, "/catalogs/main", automation), 200);
  expect(work(Method::GET, "/tables/main.s.t", automation, "", 2), 200);
  refused(uc.require(as(automation, 2), MODIFY, TABLE, "main.s.t"), Errc::permission_denied);
  ok(uc.require(as(automation, 1), MODIFY, TABLE, "main.s.t"));
  expect(work(Method::POST, "/schemas", automation, R"({"name":"x","catalog_name":"main"})", 2), 403, "PERMISSION_DENIED");
  expect(work(Method::DELETE, "/catalogs/main?force=true", automation, "", 2), 403, "PERMISSION_DENIED");
  expect(work(Method::DELETE, "/tables/main.s.t", automation, "", 2), 403, "PERMISSION_DENIED");
  EXPECT_EQ(work(Method::GET, "/workspace-bindings/catalogs/main", automation).body.at("workspaces").as_array().size(), 2u);
  expect(work(Method::PATCH, "/workspace-bindings/catalogs/main", automation, R"({"unassign_workspaces":[2]})"), 200);
  expect(work(Method::GET, "/tables/main.s.t", automation, "", 2), 403, "PERMISSION_DENIED", "Catalog 'main' is not accessible in current workspace");
  EXPECT_FALSE(work(Method::GET, "/catalogs", automation, "", 2).body.at("catalogs").as_array().size() > 1);  // system only
  expect(work(Method::PATCH, "/bindings/catalog/main", automation, R"({"add":[{"workspace_id":99}]})"), 400, "INVALID_PARAMETER_VALUE");
  expect(work(Method::PATCH, "/bindings/table/main.s.t", automation, "{}"), 400, "INVALID_PARAMETER_VALUE");
  expect(work(Method::GET, "/bindings/catalog/main", ana), 403, "PERMISSION_DENIED");
  expect(work(Method::PATCH, "/external-locations/lake", automation, R"({"isolation_mode":"ISOLATION_MODE_ISOLATED"})"), 200);
  refused(uc.require_path(as(automation), "s3://lake/data/files", false), Errc::permission_denied,
          "External Location 'lake' is not accessible in current workspace");
  expect(work(Method::PATCH, "/bindings/external_location/lake", automation, R"({"add":[{"workspace_id":1}]})"), 200);
  ok(uc.require_path(as(automation), "s3://lake/data/files", false));
}

TEST_F(Routes, TemporaryCredentialsAreHardToGet) {
  own_catalog();
  const std::string id = uc.table(as(automation), {"main", "s", "t"})->table_id;
  const auto ask = [&](std::int64_t who, const std::string& operation = "READ") {
    return call(Method::POST, "/api/2.0/unity-catalog/temporary-table-credentials", as(who),
                R"({"table_id":")" + id + R"(","operation":")" + operation + R"("})");
  };
  expect(ask(ana), 403, "PERMISSION_DENIED", "User does not have USE CATALOG on Catalog 'main'.");
  grant(CATALOG, "main", "ana@acme.test", {ALL_PRIVILEGES});
  EXPECT_THAT(ask(ana).message(), ::testing::HasSubstr("EXTERNAL_ACCESS_DISABLED_ON_METASTORE"));
  ok(uc.metastores().update(as(automation), metastore_id, {.external_access_enabled = true}));
  expect(ask(ana), 403, "PERMISSION_DENIED", "User does not have EXTERNAL USE SCHEMA on Schema 'main.s'.");
  expect(ask(automation), 403, "PERMISSION_DENIED", "User does not have EXTERNAL USE SCHEMA on Schema 'main.s'.");  // owning does not do
  grant(SCHEMA, "main.s", "ana@acme.test", {EXTERNAL_USE_SCHEMA});
  const auto given = ask(ana);
  expect(given, 200);
  EXPECT_EQ(given.body.at("aws_temp_credentials").at("access_key_id"), "AKIATEST");
  EXPECT_EQ(given.body.at("url").as_string(), *uc.table(as(automation), {"main", "s", "t"})->storage_location);
  EXPECT_EQ(vendor.scopes.back().access, objects::Access::read);
  EXPECT_EQ(vendor.scopes.back().prefixes.front(), std::string(given.body.at("url").as_string()) + "/");
  expect(ask(ana, "READ_WRITE"), 200);
  EXPECT_EQ(vendor.scopes.back().access, objects::Access::read_write);
  ok(uc.revoke(as(automation), CATALOG, "main", "ana@acme.test", {ALL_PRIVILEGES}));
  grant(CATALOG, "main", "ana@acme.test", {USE_CATALOG, USE_SCHEMA, SELECT});
  expect(ask(ana, "READ_WRITE"), 403, "PERMISSION_DENIED", "User does not have MODIFY on Table 'main.s.t'.");
  expect(ask(ana, "EVERYTHING"), 400, "INVALID_PARAMETER_VALUE");
  const auto before = vendor.scopes.size();
  make_function("mask", {{"v", "bigint", {}}}, "bigint");
  make_function("filter", {{"v", "bigint", {}}}, "boolean");
  const TableName table{"main", "s", "t"};
  ok(uc.set_column_mask(as(automation), table, "A", ColumnMask{.function_name = "main.s.mask"}));
  expect(ask(ana), 403, "PERMISSION_DENIED");
  const auto masked = work(Method::GET, "/tables/main.s.t", ana).body.at("columns").at(0).at("mask");
  EXPECT_EQ(masked.at("function_name"), "main.s.mask");
  EXPECT_FALSE(masked.as_object().contains("function_id"));
  ok(uc.set_column_mask(as(automation), table, "a", std::nullopt));
  expect(ask(ana), 200);
  ok(uc.set_row_filter(as(automation), table, RowFilter{.function_name = "main.s.filter", .input_column_names = {"A"}}));
  expect(ask(ana), 403, "PERMISSION_DENIED");
  EXPECT_EQ(boost::json::serialize(work(Method::GET, "/tables/main.s.t", ana).body.at("row_filter")),
            R"({"function_name":"main.s.filter","input_column_names":["a"]})");
  EXPECT_EQ(vendor.scopes.size(), before + 1);
  expect(call(Method::POST, "/api/2.1/unity-catalog/temporary-table-credentials", as(ana), R"({"table_id":"none","operation":"READ"})"), 404,
         "TABLE_DOES_NOT_EXIST");

  const auto path = [&](std::int64_t who, const std::string& url, const std::string& operation = "PATH_READ") {
    return work(Method::POST, "/temporary-path-credentials", who, R"({"url":")" + url + R"(","operation":")" + operation + R"("})");
  };
  expect(path(automation, "s3://lake/data/in"), 403, "PERMISSION_DENIED", "User does not have EXTERNAL USE LOCATION on External Location 'lake'.");
  grant(EXTERNAL_LOCATION, "lake", "ana@acme.test", {EXTERNAL_USE_LOCATION, READ_FILES});
  expect(path(ana, "s3://lake/data/in"), 200);
  EXPECT_EQ(vendor.scopes.back().prefixes.front(), "s3://lake/data/in/");
  expect(path(ana, "s3://lake/data/in", "PATH_READ_WRITE"), 403, "PERMISSION_DENIED", "User does not have WRITE FILES on External Location 'lake'.");
  expect(path(ana, "s3://other/in"), 403, "PERMISSION_DENIED");
  expect(path(ana, "file:///etc/passwd"), 400, "INVALID_PARAMETER_VALUE");
}

TEST_F(Routes, LineageByQueryAndByBody) {
  own_catalog();
  make_table("main.s.silver");
  uc.record_lineage(
      as(automation),
      {.statement_id = "st", .read_tables = {"main.s.t"}, .written_table = "main.s.silver", .columns = {{"main.s.t", "a", "main.s.silver", "a"}}});
  const std::string base = "/api/2.0/lineage-tracking";
  const auto by_query = call(Method::GET, base + "/table-lineage?table_name=main.s.silver", as(automation));
  expect(by_query, 200);
  const auto& up = by_query.body.at("upstreams").as_array().at(0).at("tableInfo");
  EXPECT_EQ(up.at("name"), "t");
  EXPECT_EQ(up.at("lineage_timestamp"), "2023-11-14 22:13:20.0");
  EXPECT_EQ(call(Method::GET, base + "/table-lineage", as(automation), R"({"table_name":"main.s.silver"})").body, by_query.body);
  const auto column = call(Method::GET, base + "/column-lineage", as(automation), R"({"table_name":"main.s.t","column_name":"a"})");
  expect(column, 200);
  EXPECT_EQ(column.body.at("downstream_cols").as_array().at(0).at("table_name"), "silver");
  expect(call(Method::GET, base + "/table-lineage", as(automation)), 400, "INVALID_PARAMETER_VALUE", "Field 'table_name' is required");
  expect(call(Method::GET, base + "/column-lineage?table_name=main.s.t", as(automation)), 400, "INVALID_PARAMETER_VALUE");
  expect(call(Method::GET, base + "/table-lineage?table_name=main.s.none", as(automation)), 404, "TABLE_DOES_NOT_EXIST");
  expect(call(Method::GET, base + "/table-lineage?table_name=main.s.t", as(ana)), 403, "PERMISSION_DENIED");
  expect(call(Method::GET, base + "/table-lineage", as(automation), "[]"), 400, "MALFORMED_REQUEST");
}

TEST_F(Routes, VolumesLiveAndOpenTheirPaths) {
  own_catalog();
  const auto made = work(Method::POST, "/volumes", automation,
                         R"({"catalog_name":"main","schema_name":"s","name":"V","volume_type":"EXTERNAL","storage_location":"s3://lake/data/v"})");
  expect(made, 200);
  EXPECT_EQ(made.body.at("full_name"), "main.s.v");
  expect(work(Method::POST, "/volumes", automation,
              R"({"catalog_name":"main","schema_name":"s","name":"w","volume_type":"EXTERNAL","storage_location":"s3://lake/data/v/x"})"),
         400, "INVALID_PARAMETER_VALUE");
  expect(work(Method::POST, "/volumes", automation, R"({"catalog_name":"main","schema_name":"s","name":"t","volume_type":"MANAGED"})"), 400,
         "TABLE_ALREADY_EXISTS");
  expect(work(Method::POST, "/volumes", automation, R"({"catalog_name":"main","schema_name":"s","name":"m","volume_type":"MANAGED"})"), 200);
  expect(work(Method::POST, "/volumes", ana, R"({"catalog_name":"main","schema_name":"s","name":"x","volume_type":"MANAGED"})"), 403,
         "PERMISSION_DENIED");
  expect(work(Method::GET, "/volumes/main.s.none", automation), 404, "VOLUME_DOES_NOT_EXIST");
  grant(CATALOG, "main", "ana@acme.test", {USE_CATALOG, USE_SCHEMA, READ_VOLUME});
  ok(uc.require_path(as(ana), "s3://lake/data/v/file.csv", false));
  refused(uc.require_path(as(ana), "s3://lake/data/v/file.csv", true), Errc::permission_denied,
          "User does not have WRITE VOLUME on Volume 'main.s.v'.");
  refused(uc.require_path(as(ana), "s3://lake/data/w", false), Errc::permission_denied, "User does not have READ FILES on External Location 'lake'.");
  refused(uc.require_path(as(automation), *uc.table(as(automation), {"main", "s", "t"})->storage_location, false), Errc::location_overlap);
  EXPECT_EQ(work(Method::GET, "/volumes?catalog_name=main&schema_name=s", ana).body.at("volumes").as_array().size(), 2u);
  expect(work(Method::DELETE, "/volumes/main.s.v", ana), 403, "PERMISSION_DENIED");
  expect(work(Method::PATCH, "/volumes/main.s.v", automation, R"({"new_name":"v2","comment":"c"})"), 200);
  expect(work(Method::DELETE, "/volumes/main.s.v2", automation), 200);
}

}  // namespace
}  // namespace tarn::catalog::testing
