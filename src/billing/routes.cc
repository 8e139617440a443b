#include "billing/routes.h"

#include "api/answers.h"

namespace tarn::billing {
namespace {

using api::lifted;
using api::Method;
using api::Request;

constexpr std::size_t kPage = 100;

struct BudgetBody {
  Budget budget;
};
BOOST_DESCRIBE_STRUCT(BudgetBody, (), (budget))

struct LogDeliveryBody {
  LogDeliveryRequest log_delivery_configuration;
};
BOOST_DESCRIBE_STRUCT(LogDeliveryBody, (), (log_delivery_configuration))

struct StatusBody {
  std::string status;
};
BOOST_DESCRIBE_STRUCT(StatusBody, (), (status))

api::Reply wrapped(const char* name, json::value v) { return api::ok(json::value(json::object{{name, std::move(v)}})); }

}  // namespace

std::vector<api::Route> routes(Budgets& budgets, LogDelivery& log_delivery) {
  std::vector<api::Route> out;
  const std::string budget_base = "/budgets", one = budget_base + "/{budget_id}";
  out.push_back(api::account_row(
      Method::POST, budget_base, "budgets",
      [&budgets](const Request& r) -> api::Result {
        TARN_TRY(body, api::body_of<BudgetBody>(r));
        TARN_TRY(made, lifted(budgets.create(r.context, body.budget)));
        return wrapped("budget", json::encode(made));
      },
      "2.1"));
  out.push_back(api::account_row(
      Method::GET, budget_base, "budgets",
      [&budgets](const Request& r) -> api::Result {
        TARN_TRY(after, api::page_after("budgets", r.param("page_token")));
        const auto page = budgets.list(after, kPage);
        json::object body;
        if (!page.empty()) body["budgets"] = json::encode(page);
        if (page.size() == kPage) body["next_page_token"] = api::page_token("budgets", page.back().store_key());
        return api::ok(json::value(std::move(body)));
      },
      "2.1"));
  out.push_back(api::account_row(
      Method::GET, one, "budgets",
      [&budgets](const Request& r) -> api::Result {
        TARN_TRY(found, lifted(budgets.get(r.capture("budget_id"))));
        return wrapped("budget", json::encode(found));
      },
      "2.1"));
  out.push_back(api::account_row(
      Method::PUT, one, "budgets",
      [&budgets](const Request& r) -> api::Result {
        TARN_TRY(body, api::body_of<BudgetBody>(r));
        TARN_TRY(changed, lifted(budgets.update(r.context, r.capture("budget_id"), body.budget)));
        return wrapped("budget", json::encode(changed));
      },
      "2.1"));
  out.push_back(api::account_row(
      Method::DELETE, one, "budgets",
      [&budgets](const Request& r) -> api::Result {
        TARN_CHECK(lifted(budgets.remove(r.context, r.capture("budget_id"))));
        return api::ok();
      },
      "2.1"));

  auto& logs = log_delivery;
  const std::string log_base = "/log-delivery", config = log_base + "/{config_id}";
  out.push_back(api::account_row(Method::POST, log_base, "log-delivery", [&logs](const Request& r) -> api::Result {
    TARN_TRY(body, api::body_of<LogDeliveryBody>(r));
    TARN_TRY(made, lifted(logs.create(r.context, body.log_delivery_configuration)));
    return wrapped("log_delivery_configuration", json::encode(made));
  }));
  out.push_back(api::account_row(Method::GET, log_base, "log-delivery", [&logs](const Request& r) -> api::Result {
    json::array list;
    for (const auto& c : logs.list()) {
      const auto differs = [&](const char* parameter, const std::string& value) { return r.param(parameter).value_or(value) != value; };
      if (differs("status", c.status) || differs("credentials_id", c.credentials_id) ||
          differs("storage_configuration_id", c.storage_configuration_id))
        continue;
      list.push_back(json::encode(c));
    }
    json::object body;
    if (!list.empty()) body["log_delivery_configurations"] = std::move(list);
    return api::ok(json::value(std::move(body)));
  }));
  out.push_back(api::account_row(Method::GET, config, "log-delivery", [&logs](const Request& r) -> api::Result {
    TARN_TRY(found, lifted(logs.get(r.capture("config_id"))));
    return wrapped("log_delivery_configuration", json::encode(found));
  }));
  out.push_back(api::account_row(Method::PATCH, config, "log-delivery", [&logs](const Request& r) -> api::Result {
    TARN_TRY(body, api::body_of<StatusBody>(r));
    TARN_CHECK(lifted(logs.set_status(r.context, r.capture("config_id"), body.status)));
    return api::ok();
  }));
  return out;
}

}  // namespace tarn::billing
