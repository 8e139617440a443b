#include "billing/routes.h"

namespace tarn::billing {
namespace {

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

api::WireError wire(const Error& e) {
  switch (e.code) {
    case Errc::invalid:
      return api::bad_request(e.message);
    case Errc::not_found:
      return api::not_found(e.message);
    case Errc::limit_exceeded:
      return {400, "RESOURCE_LIMIT_EXCEEDED", e.message};
    case Errc::not_enabled:
      return api::not_enabled(e.message);
  }
  throw std::logic_error("an error code without a meaning");
}

template <class T>
Expected<T, api::WireError> ours(Result<T> r) {
  if (!r) return fail(wire(r.error()));
  if constexpr (std::is_void_v<T>)
    return {};
  else
    return *std::move(r);
}

api::Reply wrapped(const char* name, json::value v) { return api::ok(json::value(json::object{{name, std::move(v)}})); }

api::Route row(Method method, std::string pattern, const char* group, api::Handler handler) {
  return {.method = method,
          .pattern = std::move(pattern),
          .surface = api::Surface::account,
          .auth = api::Auth::account_admin,
          .group = group,
          .handler = api::Handler([handler = std::move(handler)](const Request& r) -> api::Result {
            if (r.capture("account_id") != r.account_id) return fail(api::not_found("Account " + r.capture("account_id") + " could not be found"));
            return handler(r);
          })};
}

}  // namespace

std::vector<api::Route> routes(Budgets& budgets, LogDelivery& log_delivery) {
  std::vector<api::Route> out;
  const std::string budget_base = "/api/2.1/accounts/{account_id}/budgets", one = budget_base + "/{budget_id}";
  out.push_back(row(Method::POST, budget_base, "budgets", [&budgets](const Request& r) -> api::Result {
    TARN_TRY(body, api::body_of<BudgetBody>(r));
    TARN_TRY(made, ours(budgets.create(r.context, body.budget)));
    return wrapped("budget", json::encode(made));
  }));
  out.push_back(row(Method::GET, budget_base, "budgets", [&budgets](const Request& r) -> api::Result {
    TARN_TRY(after, api::page_after("budgets", r.param("page_token")));
    const auto page = budgets.list(after, kPage);
    json::object body;
    if (!page.empty()) body["budgets"] = json::encode(page);
    if (page.size() == kPage) body["next_page_token"] = api::page_token("budgets", page.back().store_key());
    return api::ok(json::value(std::move(body)));
  }));
  out.push_back(row(Method::GET, one, "budgets", [&budgets](const Request& r) -> api::Result {
    TARN_TRY(found, ours(budgets.get(r.capture("budget_id"))));
    return wrapped("budget", json::encode(found));
  }));
  out.push_back(row(Method::PUT, one, "budgets", [&budgets](const Request& r) -> api::Result {
    TARN_TRY(body, api::body_of<BudgetBody>(r));
    TARN_TRY(changed, ours(budgets.update(r.context, r.capture("budget_id"), body.budget)));
    return wrapped("budget", json::encode(changed));
  }));
  out.push_back(row(Method::DELETE, one, "budgets", [&budgets](const Request& r) -> api::Result {
    TARN_CHECK(ours(budgets.remove(r.context, r.capture("budget_id"))));
    return api::ok();
  }));

  auto& logs = log_delivery;
  const std::string log_base = "/api/2.0/accounts/{account_id}/log-delivery", config = log_base + "/{config_id}";
  out.push_back(row(Method::POST, log_base, "log-delivery", [&logs](const Request& r) -> api::Result {
    TARN_TRY(body, api::body_of<LogDeliveryBody>(r));
    TARN_TRY(made, ours(logs.create(r.context, body.log_delivery_configuration)));
    return wrapped("log_delivery_configuration", json::encode(made));
  }));
  out.push_back(row(Method::GET, log_base, "log-delivery", [&logs](const Request& r) -> api::Result {
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
  out.push_back(row(Method::GET, config, "log-delivery", [&logs](const Request& r) -> api::Result {
    TARN_TRY(found, ours(logs.get(r.capture("config_id"))));
    return wrapped("log_delivery_configuration", json::encode(found));
  }));
  out.push_back(row(Method::PATCH, config, "log-delivery", [&logs](const Request& r) -> api::Result {
    TARN_TRY(body, api::body_of<StatusBody>(r));
    TARN_CHECK(ours(logs.set_status(r.context, r.capture("config_id"), body.status)));
    return api::ok();
  }));
  return out;
}

}  // namespace tarn::billing
