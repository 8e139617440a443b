// Connections, shares, recipients, providers, allowlists: rights, checks, sealed secrets.
#include <gmock/gmock.h>

#include "base/json_read.h"
#include "catalog/routes.h"
#include "catalog/testing.h"

namespace tarn::catalog::testing {
namespace {

using enum Privilege;
using enum SecurableType;

json::value text(const char* s) { return boost::json::parse(s); }

class ExchangeTest : public CatalogTest {
 protected:
  ExchangeTest() {
    uc.exchange().set_secrets(&secrets);
    own_catalog();
    directory.join(ana, analysts);
  }
  crypto::Keyring keys{std::string(32, 'k')};
  store::Secrets secrets{keys};
  Exchange& x = uc.exchange();
  const json::value mysql =
      text(R"({"name":"Erp","connection_type":"MYSQL","comment":"c","options":{"host":"h","port":"3306","user":"u","password":"hunter2"}})");
};

TEST_F(ExchangeTest, AConnectionKeepsItsSecretsSealed) {
  const auto made = x.create(as(automation), CONNECTION, mysql);
  ok(made);
  EXPECT_EQ(json::text_at(*made, {"name"}), "erp");
  EXPECT_EQ(json::text_at(*made, {"options", "host"}), "h");
  EXPECT_EQ(boost::json::serialize(*made).find("hunter2"), std::string::npos);
  const std::string id = json::text_at(*made, {"connection_id"});
  const auto kept = store->read_as([&](store::ReadTxn& t) { return secrets.get(t, store::key({"catalog", "connection", id})); });
  EXPECT_EQ(kept, R"({"password":"hunter2"})");
  for (const auto& r : store->read_as([&](store::ReadTxn& t) { return t.scan("uc_exchange", "", "", 10); }))
    EXPECT_EQ(r.body.find("hunter2"), std::string::npos);
  for (const auto& a : store->audit_log({}, 1000)) EXPECT_EQ(json::encode_text(a.event).find("hunter2"), std::string::npos);
  refused(x.create(as(automation), CONNECTION, mysql), Errc::already_exists);
  ok(x.update(as(automation), CONNECTION, "erp", text(R"({"options":{"host":"h2","port":"3306","user":"u","password":"other"},"new_name":"erp2"})")));
  EXPECT_EQ(json::text_at(*x.get(as(automation), CONNECTION, "erp2"), {"options", "host"}), "h2");
  ok(x.remove(as(automation), CONNECTION, "erp2"));
  EXPECT_FALSE(store->read_as([&](store::ReadTxn& t) { return secrets.get(t, store::key({"catalog", "connection", id})); }));
}

TEST_F(ExchangeTest, ConnectionsAreCheckedAndGranted) {
  refused(x.create(as(automation), CONNECTION, text(R"({"name":"a","connection_type":"FAX","options":{}})")), Errc::invalid);
  refused(x.create(as(automation), CONNECTION, text(R"({"name":"a","connection_type":"MYSQL","options":{"host":"h"}})")), Errc::invalid,
          "CONNECTION/CONNECTION_MYSQL: the option 'port' is required but was not given");
  refused(x.create(as(automation), CONNECTION, text(R"({"name":"a","connection_type":"HTTP","options":{"host":"h","port":"99999"}})")),
          Errc::invalid);
  refused(x.create(as(automation), CONNECTION, text(R"({"name":"a","connection_type":"HTTP"})")), Errc::invalid, "Field 'options' is required");
  refused(x.create(as(ana), CONNECTION, mysql), Errc::permission_denied);
  grant(METASTORE, metastore_id, "analysts", {CREATE_CONNECTION});
  ok(x.create(as(ana), CONNECTION, mysql));
  refused(x.get(as(bob), CONNECTION, "erp"), Errc::permission_denied);
  EXPECT_TRUE(x.list(as(bob), CONNECTION, {})->items.empty());
  ok(uc.grant(as(ana), CONNECTION, "erp", "bob@acme.test", {USE_CONNECTION}));
  ok(x.get(as(bob), CONNECTION, "erp"));
  refused(x.update(as(bob), CONNECTION, "erp", text(R"({"owner":"bob@acme.test"})")), Errc::permission_denied);
  refused(x.remove(as(bob), CONNECTION, "erp"), Errc::permission_denied);
  refused(uc.grant(as(ana), CONNECTION, "erp", "bob@acme.test", {SELECT}), Errc::invalid);
  refused(x.get(as(automation), CONNECTION, "none"), Errc::not_found);
}

TEST_F(ExchangeTest, AShareHoldsWhatItsOwnerMayRead) {
  grant(METASTORE, metastore_id, "analysts", {CREATE_SHARE, CREATE_RECIPIENT});
  ok(x.create(as(ana), SHARE, text(R"({"name":"out"})")));
  const auto add = text(R"({"updates":[{"action":"ADD","data_object":{"name":"main.s.t","data_object_type":"TABLE"}}]})");
  refused(x.update(as(ana), SHARE, "out", add), Errc::permission_denied);
  grant(CATALOG, "main", "analysts", {USE_CATALOG, USE_SCHEMA, SELECT});
  const auto with = x.update(as(ana), SHARE, "out", add);
  ok(with);
  EXPECT_EQ(with->at("objects").at(0).at("shared_as"), "s.t");
  refused(x.update(as(ana), SHARE, "out", add), Errc::already_exists);
  EXPECT_FALSE(x.get(as(ana), SHARE, "out", false)->as_object().contains("objects"));
  refused(x.get(as(bob), SHARE, "out"), Errc::permission_denied);
  refused(x.change_share_permissions(as(ana), "out", text(R"({"changes":[{"principal":"partner","add":["SELECT"]}]})")), Errc::not_found);
  refused(x.create(as(ana), RECIPIENT, text(R"({"name":"partner","authentication_type":"FAX"})")), Errc::invalid);
  ok(x.create(as(ana), RECIPIENT, text(R"({"name":"partner","authentication_type":"TOKEN"})")));
  ok(x.change_share_permissions(as(ana), "out", text(R"({"changes":[{"principal":"partner","add":["SELECT"]}]})")));
  refused(x.change_share_permissions(as(ana), "out", text(R"({"changes":[{"principal":"partner","add":["MODIFY"]}]})")), Errc::invalid);
  EXPECT_EQ(x.recipient_permissions(as(ana), "partner")->at("permissions_out").at(0).at("share_name"), "out");
  EXPECT_EQ(x.share_permissions(as(ana), "out")->at("privilege_assignments").at(0).at("principal"), "partner");
  EXPECT_EQ(x.rotate_token(as(ana), "partner", 0)->at("tokens").as_array().size(), 2u);
  ok(x.remove(as(ana), RECIPIENT, "partner"));
  EXPECT_FALSE(x.share_permissions(as(ana), "out")->as_object().contains("privilege_assignments"));
  ok(x.update(as(ana), SHARE, "out", text(R"({"updates":[{"action":"REMOVE","data_object":{"name":"main.s.t"}}]})")));
  refused(x.update(as(ana), SHARE, "out", text(R"({"updates":[{"action":"REMOVE","data_object":{"name":"main.s.t"}}]})")), Errc::invalid);
  ok(x.remove(as(ana), SHARE, "out"));
}

TEST_F(ExchangeTest, NewOptionsAreAllThatThereAre) {
  const auto made = x.create(as(automation), CONNECTION, mysql, {"user"});
  ok(made);
  EXPECT_FALSE(made->at("options").as_object().contains("user"));
  EXPECT_EQ(json::text_at(*made, {"credential_type"}), "USERNAME_PASSWORD");
  const std::string kept = store::key({"catalog", "connection", json::text_at(*made, {"connection_id"})});
  const auto sealed = [&] { return store->read_as([&](store::ReadTxn& t) { return secrets.get(t, kept); }); };
  EXPECT_EQ(sealed(), R"({"user":"u","password":"hunter2"})");
  ok(x.create(as(automation), CONNECTION, text(R"({"name":"web","connection_type":"HTTP","options":{"host":"h","port":"443","bearer_token":"t"}})")));
  EXPECT_EQ(json::text_at(*x.get(as(automation), CONNECTION, "web"), {"credential_type"}), "BEARER_TOKEN");
  refused(x.update(as(automation), CONNECTION, "web", text(R"({"options":{"host":"h","port":"s3cret"}})"), {"port"}), Errc::invalid,
          "Field 'options.port' must be a port");
  const std::string web = store::key({"catalog", "connection", json::text_at(*x.get(as(automation), CONNECTION, "web"), {"connection_id"})});
  ok(x.update(as(automation), CONNECTION, "web", text(R"({"options":{"host":"h","port":"443"},"comment":null})")));
  EXPECT_FALSE(store->read_as([&](store::ReadTxn& t) { return secrets.get(t, web); }));
}

TEST_F(ExchangeTest, AShareSaysNothingThatCouldNotBeKept) {
  ok(x.create(as(automation), SHARE, text(R"({"name":"out","comment":"c"})")));
  const auto add = [&](const std::string& more, const char* name = "main.s.t") {
    return x.update(as(automation), SHARE, "out",
                    text((R"({"updates":[{"action":"ADD","data_object":{"name":")" + std::string(name) + "\"" + more + "}}]}").c_str()));
  };
  refused(add(R"(,"data_object_type":"VIEW")"), Errc::invalid,
          "Field 'updates[0].data_object.data_object_type' must be TABLE: 'main.s.t' is a table");
  refused(add(R"(,"history_data_sharing_status":"MAYBE")"), Errc::invalid);
  refused(add(R"(,"shared_as":"alone")"), Errc::invalid, "Field 'updates[0].data_object.shared_as' must be SCHEMA.NAME, got 'alone'");
  refused(add(R"(,"partitions":[{"values":[{"name":"nix","op":"EQUAL","value":"1"}]}])"), Errc::invalid,
          "'nix' is not a partition column of 'main.s.t'");
  refused(add(R"(,"partitions":[{"values":[]}])"), Errc::invalid, "Field 'updates[0].data_object.partitions.values' is required");
  make_function("f", {}, "BOOLEAN");
  refused(add(R"(,"data_object_type":"MODEL")", "main.s.f"), Errc::invalid,
          "Field 'updates[0].data_object.data_object_type' must be FUNCTION: 'main.s.f' is a FUNCTION");
  ok(add(R"(,"data_object_type":"FUNCTION")", "main.s.f"));
  ok(add(R"(,"shared_as":"s2.u","partitions":[],"history_data_sharing_status":"ENABLED")"));
  ok(x.update(as(automation), SHARE, "out", text(R"({"comment":null})")));
  EXPECT_FALSE(x.get(as(automation), SHARE, "out")->as_object().contains("comment"));
}

TEST_F(ExchangeTest, WhoMayGiveSharesAway) {
  ok(x.create(as(automation), SHARE, text(R"({"name":"out"})")));
  ok(x.create(as(automation), RECIPIENT, text(R"({"name":"partner","authentication_type":"TOKEN"})")));
  const auto give = text(R"({"changes":[{"principal":"partner","add":["SELECT"]}]})"),
             take = text(R"({"changes":[{"principal":"partner","remove":["SELECT"]}]})");
  grant(METASTORE, metastore_id, "analysts", {USE_SHARE});
  refused(x.change_share_permissions(as(ana), "out", give), Errc::permission_denied);
  grant(METASTORE, metastore_id, "analysts", {SET_SHARE_PERMISSION});
  refused(x.change_share_permissions(as(ana), "out", give), Errc::permission_denied, "User does not have any privileges on Recipient 'partner'.");
  ok(x.change_share_permissions(as(ana), "out", take));
  grant(METASTORE, metastore_id, "analysts", {USE_RECIPIENT});
  ok(x.change_share_permissions(as(ana), "out", give));
  refused(x.remove(as(ana), SHARE, "out"), Errc::permission_denied);
}

TEST_F(ExchangeTest, AProvidersProfileIsChecked) {
  refused(x.create(as(automation), PROVIDER, text(R"({"name":"p","authentication_type":"TOKEN","recipient_profile_str":"x"})")), Errc::invalid);
  const auto made = x.create(
      as(automation), PROVIDER,
      text(
          R"({"name":"p","authentication_type":"TOKEN","recipient_profile_str":"{\"shareCredentialsVersion\":1,\"bearerToken\":\"s3cret\",\"endpoint\":\"https://x\"}"})"));
  ok(made);
  EXPECT_EQ(boost::json::serialize(*made).find("s3cret"), std::string::npos);
}

TEST_F(ExchangeTest, AllowlistsAreForThoseWhoManageThem) {
  const auto list = text(R"({"artifact_matchers":[{"artifact":"/Volumes/main/s/v/","match_type":"PREFIX_MATCH"}]})");
  refused(x.set_allowlist(as(ana), "INIT_SCRIPT", list), Errc::permission_denied);
  refused(x.set_allowlist(as(automation), "PICTURE", list), Errc::invalid);
  refused(x.set_allowlist(as(automation), "LIBRARY_JAR", text(R"({"artifact_matchers":[{"artifact":"/etc","match_type":"PREFIX_MATCH"}]})")),
          Errc::invalid);
  ok(x.set_allowlist(as(automation), "INIT_SCRIPT", list));
  grant(METASTORE, metastore_id, "analysts", {MANAGE_ALLOWLIST});
  EXPECT_EQ(x.allowlist(as(ana), "INIT_SCRIPT")->at("artifact_matchers").as_array().size(), 1u);
  EXPECT_EQ(x.allowlist(as(ana), "LIBRARY_MAVEN")->at("artifact_matchers").as_array().size(), 0u);
}

}  // namespace
}  // namespace tarn::catalog::testing
