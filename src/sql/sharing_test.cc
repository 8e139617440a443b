// Secrets in statements about connections, and what only the REST API makes: providers.
#include <gmock/gmock.h>

#include "base/json_read.h"
#include "sql/secret_text.h"
#include "sql/testing.h"

namespace tarn::sql::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(SecretText, KeepsNoLiteralOfAConnection) {
  EXPECT_EQ(without_secrets("CREATE CONNECTION c TYPE MYSQL OPTIONS (host 'h', port 3306, password \"p''q\\\"r\") COMMENT 'x'"),
            "CREATE CONNECTION c TYPE MYSQL OPTIONS (host '[REDACTED]', port '[REDACTED]', password '[REDACTED]') COMMENT '[REDACTED]'");
  // What hides where a literal begins goes with it.
  EXPECT_EQ(without_secrets("alter /* it's /* nested */ */ server `c'1` -- isn't it\nOPTIONS (user2 'u', password 'hunter2')"),
            "alter  server `c'1` \nOPTIONS (user2 '[REDACTED]', password '[REDACTED]')");
  EXPECT_EQ(without_secrets("EXECUTE IMMEDIATE 'CREATE CONNECTION c TYPE HTTP OPTIONS (bearer_token \\'t\\')'"), "EXECUTE IMMEDIATE '[REDACTED]'");
  EXPECT_EQ(without_secrets("CREATE CONNECTION c OPTIONS (password 'open"), "CREATE CONNECTION c OPTIONS (password '[REDACTED]'");
  for (const char* other :
       {"SELECT 'hunter2' AS connection", "CREATE TABLE server_options (a STRING) COMMENT 'x'", "ALTER TABLE t SET TAGS ('a' = 'b')", ""})
    EXPECT_EQ(without_secrets(other), other);
}

TEST_F(WarehouseTest, TheHistoryKeepsNoSecretOfAConnection) {
  const auto admin = world.as("automation");
  for (const char* sql : {"CREATE CONNECTION erp TYPE MYSQL OPTIONS (host 'h', port '3306', user 'u', password 'hunter2')",
                          "EXECUTE IMMEDIATE 'ALTER CONNECTION erp OPTIONS (host \"h\", port \"3306\", user \"u\", password \"hunter2\")'",
                          "CREATE CONNECTION erp TYPE MYSQL OPTIONS (host 'h', port 'nix', user 'u', password secret('team', 'pw'))"})
    (void)finished(statements, admin, {.statement = sql, .warehouse_id = id});
  EXPECT_TRUE(world.catalog->exchange().get(admin, catalog::SecurableType::CONNECTION, "erp"));
  const auto all = statements.history(admin, {}).records;
  ASSERT_EQ(all.size(), 3u);
  for (const auto& r : all) EXPECT_THAT(r.text, Not(HasSubstr("hunter2"))) << r.text;
  EXPECT_THAT(all.back().text, HasSubstr("CREATE CONNECTION erp TYPE MYSQL OPTIONS (host '[REDACTED]'"));
  for (const auto& a : world.store->audit_log({}, 1000)) EXPECT_THAT(json::encode_text(a.event), Not(HasSubstr("hunter2")));
}

TEST(Sharing, WhatSecretGivesIsShownNowhere) {
  World world;
  const auto admin = world.as("automation");
  Collector sink;
  const auto made = world.run(
      admin, "CREATE CONNECTION web TYPE HTTP OPTIONS (host secret('team', 'host'), port '443', bearer_token secret('team', 'token'))", sink);
  ASSERT_TRUE(made) << made.error().message;
  for (const char* sql : {"DESCRIBE CONNECTION EXTENDED web", "SHOW CONNECTIONS"}) {
    Collector shown;
    ASSERT_TRUE(world.run(admin, sql, shown));
    for (const auto& row : shown.rows) EXPECT_THAT(row, Not(HasSubstr("sealed-")));
  }
  const auto port = world.run(admin, "ALTER CONNECTION web OPTIONS (host 'h', port secret('team', 'port'))", sink);
  ASSERT_FALSE(port);
  EXPECT_THAT(port.error().message, Not(HasSubstr("sealed-")));
  for (const auto& r : world.store->read_as([&](store::ReadTxn& t) { return t.scan("uc_exchange", "", "", 10); }))
    EXPECT_THAT(r.body, Not(HasSubstr("sealed-")));
  Collector plan;
  ASSERT_TRUE(world.run(admin, "EXPLAIN EXTENDED CREATE CONNECTION c TYPE HTTP OPTIONS (host 'h', port '443', bearer_token 'hunter2')", plan));
  EXPECT_THAT(plan.rows, ::testing::ElementsAre(AllOf(HasSubstr("CREATE CONNECTION c"), Not(HasSubstr("hunter2")))));
  // A syntax error does not repeat what may be a secret.
  const auto wrong = shared_parser().analyze("CREATE CONNECTION c TYPE HTTP OPTIONS (bearer_token 'hunter2' 'hunter3' port '1')");
  ASSERT_FALSE(wrong);
  EXPECT_THAT(wrong.error().message, Not(HasSubstr("hunter")));
}

TEST(Sharing, WhatAlterDoesNotSayStays) {
  World world;
  const auto admin = world.as("automation");
  const auto run = [&](const std::string& sql) {
    Collector sink;
    const auto done = world.run(admin, sql, sink);
    ASSERT_TRUE(done) << sql << ": " << done.error().message;
  };
  const auto object = [&] { return world.catalog->exchange().get(admin, catalog::SecurableType::SHARE, "out")->at("objects").at(0); };
  run("CREATE SHARE out");
  run("CREATE TABLE t (id BIGINT, day DATE) PARTITIONED BY (day)");
  run("ALTER SHARE out ADD TABLE t PARTITION (day = '2026-01-01') AS sales.t");
  EXPECT_EQ(json::text_at(object(), {"history_data_sharing_status"}), "ENABLED");
  run("ALTER SHARE out ALTER TABLE t WITHOUT HISTORY");
  EXPECT_EQ(json::text_at(object(), {"history_data_sharing_status"}), "DISABLED");
  EXPECT_EQ(json::text_at(object(), {"shared_as"}), "sales.t");
  EXPECT_EQ(object().at("partitions").at(0).at("values").at(0).at("value"), "2026-01-01");
  run("ALTER SHARE out ALTER TABLE t COMMENT 'c' AS t2");
  EXPECT_EQ(json::text_at(object(), {"shared_as"}), "s.t2");
  EXPECT_EQ(json::text_at(object(), {"history_data_sharing_status"}), "DISABLED");
  run("ALTER SHARE out REMOVE t");
  run("ALTER SHARE out ADD t WITH HISTORY");
  EXPECT_EQ(json::text_at(object(), {"shared_as"}), "s.t");
}

TEST(Sharing, ProvidersThatTheRestApiMade) {
  World world;
  const auto admin = world.as("automation"), ana = world.as("ana");
  ASSERT_TRUE(world.catalog->exchange().create(
      admin, catalog::SecurableType::PROVIDER,
      json::object{{"name", "cdc"},
                   {"authentication_type", "TOKEN"},
                   {"comment", "data"},
                   {"recipient_profile_str", R"({"shareCredentialsVersion":1,"bearerToken":"s3cret","endpoint":"https://x"})"}}));
  const auto told = [&](const access::Context& who, const std::string& sql) {
    Collector sink;
    const auto done = world.run(who, sql, sink);
    return done ? std::string() : done.error().message;
  };
  const auto rows = [&](const std::string& sql) {
    Collector sink;
    const auto done = world.run(admin, sql, sink);
    EXPECT_TRUE(done) << done.error().message;
    return sink.rows;
  };
  EXPECT_THAT(told(ana, "DESCRIBE PROVIDER cdc"), HasSubstr("User does not have any privileges on Provider 'cdc'"));
  EXPECT_THAT(told(ana, "ALTER PROVIDER cdc RENAME TO mine"), HasSubstr("[INSUFFICIENT_PERMISSIONS]"));
  EXPECT_THAT(told(ana, "SHOW SHARES IN PROVIDER cdc"), HasSubstr("[INSUFFICIENT_PERMISSIONS]"));
  EXPECT_THAT(told(ana, "DROP PROVIDER cdc"), HasSubstr("[INSUFFICIENT_PERMISSIONS]"));
  EXPECT_EQ(told(admin, "ALTER PROVIDER cdc RENAME TO health"), "");
  EXPECT_EQ(told(admin, "COMMENT ON PROVIDER health IS 'of the centers'"), "");
  EXPECT_THAT(told(admin, "SHOW SHARES IN PROVIDER health"), HasSubstr("[UNSUPPORTED_FEATURE] SHOW SHARES IN PROVIDER"));
  const auto described = rows("DESCRIBE PROVIDER health");
  EXPECT_THAT(described, ::testing::IsSupersetOf({"provider_name|health", "authentication_type|TOKEN", "comment|of the centers"}));
  for (const auto& row : described) EXPECT_THAT(row, Not(HasSubstr("s3cret")));
  EXPECT_EQ(rows("SHOW PROVIDERS LIKE 'hea*'").size(), 1u);
  EXPECT_EQ(rows("SHOW PROVIDERS LIKE 'cdc'").size(), 0u);
  EXPECT_EQ(told(admin, "ALTER PROVIDER health SET OWNER TO `ana@acme.test`"), "");
  EXPECT_EQ(told(ana, "DROP PROVIDER health"), "");
  EXPECT_THAT(told(admin, "DROP PROVIDER health"), HasSubstr("does not exist"));
}

}  // namespace
}  // namespace tarn::sql::testing
