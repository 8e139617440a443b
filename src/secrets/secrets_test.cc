#include "secrets/secrets.h"

#include "identity/testing.h"
#include "secrets/routes.h"
#include "store/store_for_tests.h"

namespace tarn::secrets {
namespace {

using enum api::Method;
using identity::testing::Answer;

struct SecretsTest : ::testing::Test {
  FakeClock clock;
  std::unique_ptr<store::Store> store = store::store_for_tests(clock);
  identity::testing::FakeDirectory directory;
  crypto::Keyring keys{std::string(32, 'k')};
  Scopes scopes{*store, directory, keys, clock};
  api::Router router;
  SecretsTest() {
    router.add(routes(scopes));
    for (const auto* name : {"ann@acme.example", "bob@acme.example", "root@acme.example"}) directory.add(identity::Kind::user, name);
    directory.add(identity::Kind::group, "engineers");
    directory.make_admin("root@acme.example");
  }
  Answer call(api::Method m, const std::string& path, const std::string& body = "", const std::string& who = "ann@acme.example",
              std::int64_t workspace = 1) {
    return identity::testing::call(router, m, "/api/2.0/secrets" + path, directory.as(who, workspace), body);
  }
  static constexpr const char* kBob = "bob@acme.example";
};

TEST_F(SecretsTest, AValueComesBackOnlyThroughGetAndIsSealedInTheStore) {
  ASSERT_EQ(call(POST, "/scopes/create", R"({"scope":"jdbc"})").status, 200);
  ASSERT_EQ(call(POST, "/put", R"({"scope":"jdbc","key":"password","string_value":"hunter2!"})").status, 200);
  EXPECT_EQ(call(GET, "/get?scope=jdbc&key=password").at("value"), crypto::base64("hunter2!"));
  const auto listed = call(GET, "/list?scope=jdbc");
  EXPECT_EQ(listed.text, R"({"secrets":[{"key":"password","last_updated_timestamp":1700000000000}]})");
  struct Sink final : store::DumpSink {
    std::string all;
    void record(const store::DumpedRecord& r) override { all += r.key + r.body; }
    void audit(const store::AuditRecord& r) override { all += json::encode_text(r.event); }
    void generation(std::int64_t) override {}
  } sink;
  store->flush_audit();
  store->dump(sink);
  EXPECT_EQ(sink.all.find("hunter2"), std::string::npos) << "neither a record nor an event may hold the value";
  EXPECT_NE(sink.all.find("putSecret"), std::string::npos);
  EXPECT_NE(sink.all.find("getSecret"), std::string::npos);
}

TEST_F(SecretsTest, BytesAreAcceptedInBase64AndReplaced) {
  call(POST, "/scopes/create", R"({"scope":"s"})");
  EXPECT_EQ(call(POST, "/put", R"({"scope":"s","key":"k","bytes_value":"AAEC"})").status, 200);
  EXPECT_EQ(call(GET, "/get?scope=s&key=k").at("value"), "AAEC");
  EXPECT_EQ(call(POST, "/put", R"({"scope":"s","key":"k","bytes_value":"!!!"})").status, 400);
  EXPECT_EQ(call(POST, "/put", R"({"scope":"s","key":"k"})").status, 400);
  EXPECT_EQ(call(POST, "/put", R"({"scope":"s","key":"k","string_value":"a","bytes_value":"AAEC"})").status, 400);
  EXPECT_EQ(call(POST, "/put", R"({"scope":"s","key":"k","string_value":"new"})").status, 200);
  EXPECT_EQ(call(GET, "/get?scope=s&key=k").at("value"), crypto::base64("new"));
}

TEST_F(SecretsTest, TextsOfWhatIsThereAndWhatIsNot) {
  call(POST, "/scopes/create", R"({"scope":"my_scope"})");
  auto a = call(POST, "/scopes/create", R"({"scope":"MY_scope"})");
  EXPECT_EQ(a.code(), "RESOURCE_ALREADY_EXISTS");
  a = call(POST, "/scopes/create", R"({"scope":"my_scope"})");
  EXPECT_EQ(a.status, 400);
  EXPECT_EQ(a.message(), "Scope my_scope already exists!");
  a = call(GET, "/list?scope=none");
  EXPECT_EQ(a.status, 404);
  EXPECT_EQ(a.code(), "RESOURCE_DOES_NOT_EXIST");
  EXPECT_EQ(a.message(), "Scope none does not exist!");
  EXPECT_EQ(call(GET, "/get?scope=my_scope&key=k").status, 404);
  EXPECT_EQ(call(POST, "/delete", R"({"scope":"my_scope","key":"k"})").status, 404);
  EXPECT_EQ(call(GET, "/acls/get?scope=my_scope&principal=bob@acme.example").status, 404);
  EXPECT_EQ(call(POST, "/acls/delete", R"({"scope":"my_scope","principal":"bob@acme.example"})").status, 404);
}

TEST_F(SecretsTest, MalformedRequestsNameTheField) {
  for (const auto* body : {R"({"scope":""})", R"({"scope":"a b"})", R"({"scope":7})", "{}", R"({"scope":"x","scope_backend_type":"VAULT"})"}) {
    const auto a = call(POST, "/scopes/create", body);
    EXPECT_EQ(a.status, 400) << body;
    EXPECT_NE(a.message().find("scope"), std::string::npos) << a.message();
  }
  EXPECT_EQ(call(POST, "/scopes/create", "{\"scope\":\"" + std::string(129, 'a') + "\"}").status, 400);
  EXPECT_EQ(call(GET, "/list").status, 400);
  EXPECT_EQ(call(GET, "/get?scope=x").status, 400);
  EXPECT_EQ(call(POST, "/acls/put", R"({"scope":"x","principal":"p","permission":"OWN"})").status, 400);
}

TEST_F(SecretsTest, KeyVaultScopesAreRefusedByName) {
  const auto a = call(POST, "/scopes/create",
                      R"({"scope":"kv","scope_backend_type":"AZURE_KEYVAULT","backend_azure_keyvault":{"resource_id":"r","dns_name":"d"}})");
  EXPECT_EQ(a.status, 400);
  EXPECT_EQ(a.code(), "INVALID_PARAMETER_VALUE");
  EXPECT_NE(a.message().find("Azure"), std::string::npos);
  EXPECT_EQ(call(GET, "/scopes/list").text, "{}");
}

TEST_F(SecretsTest, EachPermissionOpensWhatItNamesAndNoMore) {
  call(POST, "/scopes/create", R"({"scope":"s"})");
  call(POST, "/put", R"({"scope":"s","key":"k","string_value":"v"})");
  const auto bob = [&](Permission p) {
    EXPECT_EQ(call(POST, "/acls/put", R"({"scope":"s","principal":"bob@acme.example","permission":")" + std::string(json::name_of(p)) + "\"}").status,
              200);
  };
  const auto reads = [&] { return call(GET, "/get?scope=s&key=k", "", kBob).status; };
  const auto writes = [&] { return call(POST, "/put", R"({"scope":"s","key":"n","string_value":"v"})", kBob).status; };
  const auto manages = [&] { return call(GET, "/acls/list?scope=s", "", kBob).status; };
  EXPECT_EQ(reads(), 403);
  EXPECT_EQ(call(GET, "/get?scope=s&key=k", "", kBob).message(), "User bob@acme.example does not have READ permission on scope s");
  EXPECT_EQ(call(GET, "/scopes/list", "", kBob).text, "{}") << "a scope without any right is not listed";
  bob(Permission::READ);
  EXPECT_EQ(reads(), 200);
  EXPECT_EQ(writes(), 403);
  bob(Permission::WRITE);
  EXPECT_EQ(writes(), 200);
  EXPECT_EQ(manages(), 403);
  EXPECT_EQ(call(POST, "/scopes/delete", R"({"scope":"s"})", kBob).status, 403);
  bob(Permission::MANAGE);
  EXPECT_EQ(manages(), 200);
  EXPECT_EQ(call(POST, "/acls/delete", R"({"scope":"s","principal":"bob@acme.example"})").status, 200);
  EXPECT_EQ(reads(), 403);
}

TEST_F(SecretsTest, GroupsAndInitialManagersHoldRights) {
  call(POST, "/scopes/create", R"({"scope":"team"})");
  EXPECT_EQ(call(POST, "/acls/put", R"({"scope":"team","principal":"engineers","permission":"READ"})").status, 200);
  EXPECT_EQ(call(GET, "/list?scope=team", "", kBob).status, 403);
  directory.join(kBob, "engineers");
  EXPECT_EQ(call(GET, "/list?scope=team", "", kBob).status, 200);
  EXPECT_EQ(call(POST, "/acls/put", R"({"scope":"team","principal":"nobody@acme.example","permission":"READ"})").status, 400);
  call(POST, "/scopes/create", R"({"scope":"open","initial_manage_principal":"users"})");
  EXPECT_EQ(call(GET, "/acls/list?scope=open", "", kBob).text, R"({"items":[{"principal":"users","permission":"MANAGE"}]})");
  EXPECT_EQ(call(POST, "/scopes/create", R"({"scope":"x","initial_manage_principal":"engineers"})").status, 400);
}

TEST_F(SecretsTest, AdministratorsManageEveryScopeOfTheirWorkspaceAndNoOther) {
  call(POST, "/scopes/create", R"({"scope":"s"})");
  EXPECT_EQ(call(GET, "/acls/list?scope=s", "", "root@acme.example").status, 200);
  EXPECT_EQ(call(GET, "/acls/list?scope=s", "", "root@acme.example", 2).status, 404) << "another workspace has scopes of its own";
  EXPECT_EQ(call(POST, "/scopes/create", R"({"scope":"s"})", "bob@acme.example", 2).status, 200);
}

TEST_F(SecretsTest, LimitsHold) {
  call(POST, "/scopes/create", R"({"scope":"s"})");
  const auto ctx = directory.as("ann@acme.example");
  EXPECT_EQ(scopes.put(ctx, "s", "big", std::string(Scopes::kMostBytes + 1, 'x')).error().code, Errc::value_too_large);
  EXPECT_TRUE(scopes.put(ctx, "s", "big", std::string(Scopes::kMostBytes, 'x')));
  for (std::size_t i = 1; i < Scopes::kMostSecrets; ++i) ASSERT_TRUE(scopes.put(ctx, "s", "k" + std::to_string(i), "v"));
  EXPECT_EQ(scopes.put(ctx, "s", "one-more", "v").error().code, Errc::limit_reached);
  EXPECT_TRUE(scopes.put(ctx, "s", "big", "smaller")) << "replacing is no new secret";
}

TEST_F(SecretsTest, DeletingAScopeDeletesItsSecrets) {
  call(POST, "/scopes/create", R"({"scope":"s"})");
  call(POST, "/put", R"({"scope":"s","key":"k","string_value":"v"})");
  EXPECT_EQ(call(POST, "/scopes/delete", R"({"scope":"s"})").status, 200);
  call(POST, "/scopes/create", R"({"scope":"s"})");
  EXPECT_EQ(call(GET, "/list?scope=s").text, "{}");
  EXPECT_EQ(call(GET, "/get?scope=s&key=k").status, 404);
}

}  // namespace
}  // namespace tarn::secrets
