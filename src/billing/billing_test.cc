#include <gmock/gmock.h>

#include <filesystem>

#include "billing/routes.h"
#include "objects/local_objects.h"
#include "store/store_for_tests.h"

namespace tarn::billing {
namespace {

using api::Method;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

const std::string kAccount = "8c2ab5d1-0f43-4b1e-9d5e-6f7a3c1b2d4e";

struct TwoWorkspaces final : account::WorkspaceDirectory {
  std::vector<account::WorkspaceRef> all() override { return {{.id = 1001, .name = "landing"}, {.id = 1002, .name = "pipeline"}}; }
  std::optional<account::WorkspaceRef> by_deployment(std::string_view) override { return std::nullopt; }
  std::optional<account::WorkspaceRef> by_id(std::int64_t) override { return std::nullopt; }
};

struct Billing : ::testing::Test {
  std::filesystem::path folder = std::filesystem::temp_directory_path() / ("tarn-billing-" + std::to_string(::getpid()));
  FakeClock clock;
  std::unique_ptr<store::Store> store = store::store_for_tests(clock);
  objects::LocalObjects objects{(std::filesystem::create_directories(folder), folder.string())};
  TwoWorkspaces workspaces;
  std::optional<std::string> bucket = "logs";
  std::vector<UsageRecord> used;
  Budgets budgets{*store, clock, kAccount};
  LogDelivery logs{*store,
                   objects,
                   workspaces,
                   clock,
                   kAccount,
                   {.has_credentials = [](const std::string& id) { return id == "cred"; },
                    .bucket_of = [this](const std::string& id) { return id == "stor" ? bucket : std::nullopt; },
                    .usage =
                        [this](Millis from, Millis to) {
                          auto out = used;
                          std::erase_if(out, [&](const UsageRecord& u) { return u.hour < from || u.hour >= to; });
                          return out;
                        }}};
  api::Router router;
  Billing() {
    EXPECT_TRUE(objects.create_bucket("logs"));
    router.add(routes(budgets, logs));
  }
  ~Billing() override { std::filesystem::remove_all(folder); }

  struct Answer {
    int status = 0;
    json::value body;
    std::string text;
    std::string error() const {
      return std::to_string(status) + " " + std::string(body.at("error_code").as_string()) + " " + std::string(body.at("message").as_string());
    }
  };
  Answer call(Method method, const std::string& path, const std::string& body = "", bool admin = true) {
    const auto question = path.find('?');
    const auto base = (path.starts_with("/budgets") ? "/api/2.1/accounts/" : "/api/2.0/accounts/") + kAccount;
    auto m = router.match(method, api::Surface::account, base + path.substr(0, question));
    if (!m.route) return {404, nullptr, "no route"};
    api::Request r;
    r.method = method;
    r.captures = m.captures;
    r.account_id = kAccount;
    r.body = body;
    r.context.caller = {.id = 7, .name = "admin@acme.example", .account_admin = admin};
    if (question != path.npos) r.query = api::parse_query(path.substr(question + 1));
    api::Result result;
    if (auto refused = api::authorise(m.route->auth, r.context.caller))
      result = fail(*refused);
    else
      result = std::get<api::Handler>(m.route->handler)(r);
    const auto text = result ? result->body : result.error().body();
    return {result ? result->status : result.error().status, *json::parse(text), text};
  }
  std::vector<std::string> files() {
    std::vector<std::string> out;
    const auto listed = objects.list("logs", "", "", 1000);
    for (const auto& o : listed->objects) out.push_back(o.key);
    return out;
  }
  std::string content(const std::string& key) { return *objects.get({"logs", key}); }
  void happens(const std::string& action, std::optional<std::int64_t> workspace) {
    store->write({.service = "test", .action = action, .principal = "ana@acme.example", .workspace_id = workspace},
                 [](store::WriteTxn&) { return true; });
  }
};

const std::string kBudget =
    R"({"budget":{"display_name":"landing","alert_configurations":[{"time_period":"MONTH","trigger_type":"CUMULATIVE_SPENDING_EXCEEDED",)"
    R"("quantity_type":"LIST_PRICE_DOLLARS_USD","quantity_threshold":"840","action_configurations":[{"action_type":"EMAIL_NOTIFICATION","target":"me@acme.example"}]}],)"
    R"("filter":{"tags":[{"key":"Environment","value":{"operator":"IN","values":["Testing"]}}],"workspace_id":{"operator":"IN","values":[1234567890098765]}}}})";

TEST_F(Billing, BudgetIsKeptWithItsIds) {
  const auto made = call(Method::POST, "/budgets", kBudget);
  ASSERT_EQ(made.status, 200) << made.text;
  const auto& b = made.body.at("budget");
  const std::string id(b.at("budget_configuration_id").as_string());
  EXPECT_EQ(b.at("account_id").as_string(), kAccount);
  EXPECT_EQ(b.at("filter").at("workspace_id").at("operator").as_string(), "IN");
  EXPECT_EQ(call(Method::GET, "/budgets/" + id).body.at("budget"), b);
  // A changed threshold keeps the alert's id; an id that it does not have is not taken over.
  auto body = json::value(json::object{{"budget", b}});
  auto& alert = body.at("budget").at("alert_configurations").at(0).as_object();
  alert["quantity_threshold"] = "940.5";
  clock.advance(1000);
  const auto changed = call(Method::PUT, "/budgets/" + id, boost::json::serialize(body));
  ASSERT_EQ(changed.status, 200) << changed.text;
  const auto& after = changed.body.at("budget");
  EXPECT_EQ(after.at("alert_configurations").at(0).at("alert_configuration_id"), b.at("alert_configurations").at(0).at("alert_configuration_id"));
  EXPECT_EQ(after.at("alert_configurations").at(0).at("quantity_threshold").as_string(), "940.5");
  EXPECT_EQ(after.at("create_time"), b.at("create_time"));
  alert["alert_configuration_id"] = "mine";
  EXPECT_NE(call(Method::PUT, "/budgets/" + id, boost::json::serialize(body))
                .body.at("budget")
                .at("alert_configurations")
                .at(0)
                .at("alert_configuration_id"),
            "mine");
  EXPECT_EQ(call(Method::GET, "/budgets").body.at("budgets").as_array().size(), 1u);
  EXPECT_EQ(call(Method::DELETE, "/budgets/" + id).status, 200);
  EXPECT_EQ(call(Method::GET, "/budgets/" + id).error(), "404 RESOURCE_DOES_NOT_EXIST Budget with ID " + id + " does not exist.");
  EXPECT_EQ(call(Method::PUT, "/budgets/" + id, kBudget).status, 404);
  EXPECT_EQ(call(Method::DELETE, "/budgets/" + id).status, 404);
  EXPECT_EQ(call(Method::GET, "/budgets").text, "{}");
}

TEST_F(Billing, BudgetsComeInPages) {
  for (int i = 0; i < 130; ++i) ASSERT_EQ(call(Method::POST, "/budgets", kBudget).status, 200);
  const auto first = call(Method::GET, "/budgets");
  EXPECT_EQ(first.body.at("budgets").as_array().size(), 100u);
  const auto second = call(Method::GET, "/budgets?page_token=" + api::percent_encode(std::string(first.body.at("next_page_token").as_string())));
  EXPECT_EQ(second.body.at("budgets").as_array().size(), 30u);
  EXPECT_FALSE(second.body.as_object().contains("next_page_token"));
  EXPECT_EQ(call(Method::GET, "/budgets?page_token=x").status, 400);
}

TEST_F(Billing, BudgetRefusalsNameTheField) {
  const auto with = [&](const std::string& from, const std::string& to) {
    auto body = kBudget;
    body.replace(body.find(from), from.size(), to);
    return call(Method::POST, "/budgets", body).error();
  };
  EXPECT_THAT(with(R"("display_name":"landing")", R"("display_name":"")"), HasSubstr("400 INVALID_PARAMETER_VALUE Field 'budget.display_name'"));
  EXPECT_THAT(with("\"MONTH\"", "\"WEEK\""), HasSubstr("'budget.alert_configurations[0].time_period' must be MONTH, got 'WEEK'"));
  for (const auto* amount : {"0", "0.00", "-1", "1e3", "", "1.", ".5", "ten"})
    EXPECT_THAT(with("\"840\"", fmt::format("\"{}\"", amount)), HasSubstr("quantity_threshold")) << amount;
  EXPECT_THAT(with("me@acme.example", "me"), HasSubstr("action_configurations[0].target"));
  EXPECT_THAT(with("EMAIL_NOTIFICATION", "BLOCK_USAGE"), HasSubstr("target' does not belong to BLOCK_USAGE"));
  EXPECT_THAT(with("\"IN\"", "\"OUT\""), HasSubstr("budget.filter.tags[0].value.operator"));
  EXPECT_EQ(call(Method::POST, "/budgets", "{}").status, 400);
  EXPECT_EQ(call(Method::POST, "/budgets", kBudget, false).status, 403);
}

std::string delivery(const std::string& type = "AUDIT_LOGS", const std::string& more = "") {
  return fmt::format(
      R"({{"log_delivery_configuration":{{"account_id":"{}","config_name":"c","credentials_id":"cred","storage_configuration_id":"stor",)"
      R"("log_type":"{}","output_format":"{}","delivery_path_prefix":"logs"{}}}}})",
      kAccount, type, type == "AUDIT_LOGS" ? "JSON" : "CSV", more);
}

TEST_F(Billing, AuditEventsAreDeliveredOnceEach) {
  happens("before", std::nullopt);
  clock.advance(1000);
  const auto made = call(Method::POST, "/log-delivery", delivery());
  ASSERT_EQ(made.status, 200) << made.text;
  const auto& c = made.body.at("log_delivery_configuration");
  const std::string id(c.at("config_id").as_string());
  EXPECT_EQ(c.at("status").as_string(), "ENABLED");
  EXPECT_EQ(c.at("log_delivery_status").at("status").as_string(), "CREATED");
  EXPECT_EQ(c.at("delivery_start_time").as_string(), "2023-11");
  happens("one", 1001);
  happens("two", std::nullopt);
  logs.deliver();
  auto all = files();
  ASSERT_EQ(all.size(), 2u);
  EXPECT_THAT(all[0], ::testing::MatchesRegex("logs/workspaceId=0/date=2023-11-14/auditlogs_[0-9]+\\.json"));
  EXPECT_THAT(all[1], HasSubstr("logs/workspaceId=1001/"));
  EXPECT_THAT(content(all[0]), HasSubstr("\"actionName\":\"two\""));
  EXPECT_THAT(content(all[0]), ::testing::Not(HasSubstr("before")));
  const auto event = boost::json::parse(content(all[1]));
  EXPECT_EQ(event.at("userIdentity").at("email").as_string(), "ana@acme.example");
  EXPECT_EQ(event.at("auditLevel").as_string(), "WORKSPACE_LEVEL");
  EXPECT_EQ(event.at("response").at("statusCode").as_int64(), 200);
  EXPECT_EQ(logs.get(id)->log_delivery_status.status, "SUCCEEDED");
  logs.deliver();  // nothing new: the deliveries themselves are no reason for another
  logs.deliver();
  EXPECT_EQ(files(), all);
  happens("three", 1001);
  logs.deliver();
  EXPECT_EQ(files().size(), 3u);
  ASSERT_EQ(call(Method::PATCH, "/log-delivery/" + id, R"({"status":"DISABLED"})").status, 200);
  happens("four", 1001);
  logs.deliver();
  EXPECT_EQ(files().size(), 3u);
}

TEST_F(Billing, BucketThatRefusesIsShownAndNothingIsLost) {
  const auto id = std::string(call(Method::POST, "/log-delivery", delivery("AUDIT_LOGS", R"(,"workspace_ids_filter":[1001])"))
                                  .body.at("log_delivery_configuration")
                                  .at("config_id")
                                  .as_string());
  bucket = "gone";
  happens("one", 1001);
  happens("elsewhere", 1002);
  logs.deliver();
  EXPECT_EQ(logs.get(id)->log_delivery_status.status, "USER_FAILURE");
  happens("two", 1001);
  bucket = "logs";
  logs.deliver();
  logs.deliver();
  std::string text;
  for (const auto& f : files()) text += content(f);
  EXPECT_THAT(text, HasSubstr("\"actionName\":\"one\""));
  EXPECT_THAT(text, HasSubstr("\"actionName\":\"two\""));
  EXPECT_THAT(text, ::testing::Not(HasSubstr("elsewhere")));
  EXPECT_EQ(std::ranges::count(text, '\n'), 2);
  EXPECT_EQ(logs.get(id)->log_delivery_status.status, "SUCCEEDED");
}

TEST_F(Billing, UsageFilesAreWrittenWhenAnHourHasEnded) {
  ASSERT_EQ(call(Method::POST, "/log-delivery", delivery("BILLABLE_USAGE")).status, 200);
  logs.deliver();
  EXPECT_THAT(files(), ElementsAre("logs/billable-usage/csv/workspaceId=1001-usageMonth=2023-11.csv",
                                   "logs/billable-usage/csv/workspaceId=1002-usageMonth=2023-11.csv"));
  EXPECT_THAT(content(files()[0]), ::testing::StartsWith("workspaceId,timestamp,"));
  const Millis hour = 3'600'000, now = clock.now() / hour * hour;
  used = by_hour({.workspace_id = 1001, .cluster_id = "c-1", .sku_name = "SKU", .node_type = "m6g.large", .custom_tags = {{"team", "a,b"}}}, now,
                 now + hour, 0.36);
  logs.deliver();
  EXPECT_EQ(std::ranges::count(content(files()[0]), '\n'), 1);  // the hour goes on
  clock.advance(hour);
  logs.deliver();
  EXPECT_THAT(content(files()[0]), HasSubstr("c-1,,m6g.large,,\"{\"\"team\"\":\"\"a,b\"\"}\",SKU,0.360000,1.000000"));
  EXPECT_EQ(std::ranges::count(content(files()[1]), '\n'), 1);
}

TEST_F(Billing, LogDeliveryRefusesWhatItCannotDo) {
  const auto post = [&](const std::string& body) { return call(Method::POST, "/log-delivery", body).error(); };
  const auto with = [&](const std::string& from, const std::string& to) {
    auto body = delivery();
    body.replace(body.find(from), from.size(), to);
    return post(body);
  };
  EXPECT_THAT(with("AUDIT_LOGS", "DREAMS"), HasSubstr("log_type' must be AUDIT_LOGS or BILLABLE_USAGE"));
  EXPECT_THAT(with("JSON", "CSV"), HasSubstr("output_format' must be JSON"));
  EXPECT_THAT(with("\"cred\"", "\"other\""), HasSubstr("404 RESOURCE_DOES_NOT_EXIST"));
  EXPECT_THAT(with("\"stor\"", "\"other\""), HasSubstr("404 RESOURCE_DOES_NOT_EXIST"));
  EXPECT_THAT(with("\"logs\"", "\"/logs\""), HasSubstr("delivery_path_prefix"));
  EXPECT_THAT(with("\"logs\"", "\"a/../b\""), HasSubstr("delivery_path_prefix"));
  EXPECT_THAT(post(delivery("AUDIT_LOGS", R"(,"delivery_start_time":"2023-13")")), HasSubstr("delivery_start_time"));
  ASSERT_EQ(call(Method::POST, "/log-delivery", delivery()).status, 200);
  const auto second = call(Method::POST, "/log-delivery", delivery());
  ASSERT_EQ(second.status, 200);
  EXPECT_THAT(post(delivery()), HasSubstr("400 RESOURCE_LIMIT_EXCEEDED"));
  EXPECT_EQ(call(Method::POST, "/log-delivery", delivery("AUDIT_LOGS", R"(,"workspace_ids_filter":[1001])")).status, 200);
  const std::string id(second.body.at("log_delivery_configuration").at("config_id").as_string());
  ASSERT_EQ(call(Method::PATCH, "/log-delivery/" + id, R"({"status":"DISABLED"})").status, 200);
  ASSERT_EQ(call(Method::POST, "/log-delivery", delivery()).status, 200);
  EXPECT_THAT(call(Method::PATCH, "/log-delivery/" + id, R"({"status":"ENABLED"})").error(), HasSubstr("RESOURCE_LIMIT_EXCEEDED"));
  EXPECT_EQ(call(Method::GET, "/log-delivery?status=DISABLED").body.at("log_delivery_configurations").as_array().size(), 1u);
  EXPECT_EQ(call(Method::PATCH, "/log-delivery/" + id, R"({"status":"GONE"})").status, 400);
  EXPECT_EQ(call(Method::PATCH, "/log-delivery/none", R"({"status":"DISABLED"})").status, 404);
  EXPECT_EQ(call(Method::GET, "/log-delivery/none").status, 404);
  EXPECT_EQ(call(Method::POST, "/log-delivery", "{}").status, 400);
  EXPECT_EQ(call(Method::GET, "/log-delivery", "", false).status, 403);
}

}  // namespace
}  // namespace tarn::billing
