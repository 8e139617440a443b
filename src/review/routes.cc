#include "review/routes.h"

#include "base/log.h"

namespace tarn::review {
namespace {

constexpr std::size_t kMostBody = 4u << 20;

api::Result webhook(const Doors& d, ForgeKind forge, const api::Request& q) {
  if (q.body.size() > kMostBody) return fail(api::WireError{413, "REQUEST_TOO_LARGE", "A delivery is at most 4 MiB"});
  // Nothing is believed, and nothing said about what exists here, before the signature holds. An unknown repository costs the same work.
  const auto repository = claimed_repository(forge, q.body);
  const auto* spec = d.config.repository(repository);
  const auto secret = spec && spec->forge == forge ? d.webhook_secret(repository) : std::nullopt;
  if (!is_authentic(forge, q.headers, q.body, secret.value_or("no such repository")) || !secret) {
    spdlog::warn("webhook refused forge={} cause=signature", json::name_of(forge));
    return fail(api::WireError{401, "UNAUTHENTICATED", "The delivery's signature does not match the repository's webhook secret"});
  }
  const auto event = parse_event(forge, q.headers, q.body);
  if (!event) return fail(api::bad_request(event.error()));
  const bool taken = d.reviewer.take(*event);
  if (taken) d.wake();
  return api::ok(json::value(json::object{{"taken", taken}, {"kind", json::name_of(event->kind)}}), taken ? 202 : 200);
}

struct Order {
  std::string repository;
  std::int64_t number = 0;
  std::optional<std::string> unit;
};
BOOST_DESCRIBE_STRUCT(Order, (), (repository, number, unit))

struct DriftOrder {
  std::optional<std::string> repository, unit;
};
BOOST_DESCRIBE_STRUCT(DriftOrder, (), (repository, unit))

json::object summary_of(RequestRecord r, bool whole) {
  if (!whole)
    for (auto& u : r.units) u.text.clear(), u.applied_text.clear();
  return json::encode(r).as_object();
}

}  // namespace

void add_webhook_routes(api::Router& router, const Doors& d) {
  using api::Auth, api::Method, api::Surface;
  router.add({Method::POST, "/webhooks/gitea", Surface::both, Auth::open, "webhooks",
              [&d](const api::Request& q) { return webhook(d, ForgeKind::gitea, q); }});
  router.add({Method::POST, "/webhooks/gitlab", Surface::both, Auth::open, "webhooks",
              [&d](const api::Request& q) { return webhook(d, ForgeKind::gitlab, q); }});
}

void add_control_routes(api::Router& router, const Doors& d) {
  using api::Auth, api::Method, api::Surface;
  const auto add = [&](Method method, const char* path, auto handler) { router.add({method, path, Surface::both, Auth::open, "control", handler}); };
  add(Method::GET, "/status", [&d](const api::Request&) -> api::Result {
    json::array requests, locks, jobs, drifts;
    for (auto& r : d.reviewer.requests())
      if (r.state == MergeState::open ||
          std::any_of(r.units.begin(), r.units.end(), [](const UnitRecord& u) { return u.status == UnitStatus::planned; }))
        requests.push_back(summary_of(std::move(r), false));
    for (const auto& l : d.reviewer.locks()) locks.push_back(json::encode(l));
    for (const auto& j : d.reviewer.jobs()) jobs.push_back(json::encode(j));
    for (const auto& x : d.reviewer.drifts()) drifts.push_back(json::encode(x));
    return api::ok(json::value(json::object{{"requests", requests}, {"locks", locks}, {"jobs", jobs}, {"drift", drifts}}));
  });
  add(Method::POST, "/show", [&d](const api::Request& q) -> api::Result {
    TARN_TRY(order, api::body_of<Order>(q));
    auto r = d.reviewer.request(order.repository, order.number);
    if (!r) return fail(api::not_found(fmt::format("No request {} of '{}' is known", order.number, order.repository)));
    return api::ok(json::value(summary_of(*std::move(r), true)));
  });
  add(Method::POST, "/plan", [&d](const api::Request& q) -> api::Result {
    TARN_TRY(order, api::body_of<Order>(q));
    if (!d.config.repository(order.repository)) return fail(api::not_found("'" + order.repository + "' is not configured"));
    if (order.number <= 0) return fail(api::bad_request("Field 'number' must be positive"));
    const bool added = d.reviewer.enqueue({.kind = JobKind::plan, .repository = order.repository, .number = order.number});
    d.wake();
    return api::ok(json::value(json::object{{"queued", added}}));
  });
  add(Method::POST, "/drift", [&d](const api::Request& q) -> api::Result {
    TARN_TRY(order, api::body_of<DriftOrder>(q));
    if (order.repository && !d.config.repository(*order.repository)) return fail(api::not_found("'" + *order.repository + "' is not configured"));
    std::int64_t count = 0;
    for (const auto& r : d.config.repositories)
      if (!order.repository || *order.repository == r.repository)
        count += d.reviewer.enqueue({.kind = JobKind::drift, .repository = r.repository, .unit = order.unit.value_or("")});
    d.wake();
    return api::ok(json::value(json::object{{"queued", count}}));
  });
}

}  // namespace tarn::review
