#include <boost/asio/awaitable.hpp>

#include "base/ids.h"
#include "serving/routes.h"

namespace tarn::serving {
namespace {

namespace asio = boost::asio;
using api::Method;
using api::Request;

constexpr std::size_t kInline = 64u << 10;  // a larger body is checked off the I/O threads

/// Who may ask which endpoint, for as long as the store stands still: an invocation costs no read of lists.
class QueryRights {
 public:
  explicit QueryRights(Doors d) : d_(d) {}
  /// For threads that must not wait: nothing where the store would have to be asked.
  std::optional<bool> known(std::int64_t caller, const std::string& endpoint) {
    const auto now = d_.store.generation_at_hand();
    return now ? known_at(*now, caller, endpoint) : std::nullopt;
  }
  bool ask(const access::Context& ctx, const std::string& endpoint) {
    const auto now = d_.store.generation();
    if (const auto known = known_at(now, ctx.caller.id, endpoint)) return *known;
    const bool may = d_.permissions.allows(ctx, {kPermissionType, endpoint}, "CAN_QUERY");
    std::lock_guard lock(mutex_);
    if (now == generation_ && known_.size() < 100'000) known_[{ctx.caller.id, endpoint}] = may;
    return may;
  }

 private:
  std::optional<bool> known_at(std::int64_t now, std::int64_t caller, const std::string& endpoint) {
    std::lock_guard lock(mutex_);
    if (now != generation_) {
      known_.clear();
      generation_ = now;
    }
    const auto i = known_.find({caller, endpoint});
    return i == known_.end() ? std::nullopt : std::optional(i->second);
  }

  Doors d_;
  std::mutex mutex_;
  std::int64_t generation_ = -1;
  std::map<std::pair<std::int64_t, std::string>, bool> known_;
};

std::string client_request_id(std::string_view body) {
  const auto at = body.find("\"client_request_id\"");
  if (at == body.npos) return "";
  const auto from = body.find('"', body.find(':', at));
  const auto to = from == body.npos ? from : body.find('"', from + 1);
  return to == body.npos ? "" : std::string(body.substr(from + 1, std::min<std::size_t>(to - from - 1, 200)));
}

asio::awaitable<Result<ScoreReply>> ask(Doors d, std::shared_ptr<const View> view, std::shared_ptr<Served> served, const Request& r,
                                        Steady::time_point deadline) {
  auto coming = d.runtime.model_of(served, deadline);
  auto model = co_await std::move(coming);
  if (!model) co_return fail(model.error());
  std::optional<Error> bad;
  std::string body = r.body;
  std::function<void()> check = [&] {
    if (served->looks_up()) {
      auto whole = served->filled(std::move(body));
      if (!whole) {
        bad = whole.error();
        return;
      }
      body = *std::move(whole);
    }
    auto fine = check_request(**model, body);
    if (!fine) bad = fine.error();
  };
  if (r.body.size() <= kInline) {
    check();
  } else {
    auto checking = d.runtime.on_helper(check);
    co_await std::move(checking);
  }
  if (bad) co_return fail(*bad);
  auto scoring = d.runtime.score(view, served, std::move(body), deadline);
  auto reply = co_await std::move(scoring);
  co_return reply;
}

asio::awaitable<api::Result> invoke(Doors d, std::shared_ptr<QueryRights> rights, const Request& r) {
  const auto began = Steady::now();
  const std::string name = r.capture("name");
  const auto view = d.runtime.find(r.context.workspace_id.value_or(0), name);
  bool may = false;
  if (view) {
    if (const auto known = rights->known(r.caller().id, view->endpoint.id)) {
      may = *known;
    } else {
      std::function<void()> job = [&] { may = rights->ask(r.context, view->endpoint.id); };
      auto asking = d.runtime.on_helper(job);
      co_await std::move(asking);
    }
  }
  if (!view || !may) {
    bool visible = false;
    if (view) {
      std::function<void()> job = [&] { visible = d.permissions.allows(r.context, {kPermissionType, view->endpoint.id}, "CAN_VIEW"); };
      auto looking = d.runtime.on_helper(job);
      co_await std::move(looking);
    }
    if (!visible)
      co_return fail(
          api::not_found(fmt::format("The given endpoint does not exist, please retry after checking the specified model and version "
                                     "deployment exists. (endpoint '{}')",
                                     name.substr(0, 100))));
    co_return fail(api::forbidden(fmt::format("User does not have CAN_QUERY permission on the serving endpoint '{}'.", name)));
  }
  auto& stats = *view->stats;
  ++stats.in_flight;
  std::shared_ptr<Served> served;
  const auto wanted = r.capture("served");
  Result<ScoreReply> reply = refuse(Errc::unavailable, "");
  if (const auto wait = d.runtime.limited(*view, r.caller())) {
    reply = refuse(Errc::too_many_requests, fmt::format("Endpoint '{}' reached a rate limit; it takes calls again in {} s.", name, *wait), *wait);
  } else {
    if (wanted.empty())
      served = view->pick();
    else
      for (const auto& s : view->served)
        if (s->entity.name == wanted) served = s;
    if (served) {
      const auto deadline = std::min(began + d.runtime.options().request_timeout, r.deadline - std::chrono::seconds(1));
      auto asking = ask(d, view, served, r, deadline);
      reply = co_await std::move(asking);
    } else if (!wanted.empty() && view->endpoint.active) {
      reply = refuse(Errc::not_found, fmt::format("Endpoint '{}' has no served entity '{}'.", name, wanted.substr(0, 100)));
    } else {
      reply = refuse(Errc::unavailable,
                     fmt::format("Endpoint '{}' is not ready: {}", name,
                                 view->endpoint.update_failed ? view->endpoint.update_message : "its first configuration is being brought up"),
                     2);
    }
  }
  --stats.in_flight;
  const auto took = std::chrono::duration_cast<std::chrono::microseconds>(Steady::now() - began);
  const int status = reply ? 200 : refusal_of(reply.error().code).status;
  stats.record(status, took);
  const auto request_id = r.context.request_id;
  const auto refusal = reply ? std::optional<api::WireError>() : std::optional(wire(reply.error()));
  if (const auto& capture = view->endpoint.capture(); capture && sampled(capture->sampling_fraction)) {
    CaptureRow row{.request_id = request_id,
                   .client_request_id = client_request_id(r.body),
                   .served_model = served ? served->entity.name : "",
                   .entity_name = served ? served->entity.entity_name : "",
                   .entity_version = served ? served->entity.entity_version : "",
                   .requester = r.caller().name,
                   .request = r.body,
                   .response = reply ? reply->body : refusal->body(),
                   .timestamp = d.clock.now(),
                   .status = status,
                   .execution_ms = took.count() / 1000,
                   .sampling_fraction = capture->sampling_fraction};
    d.capture.add(view->endpoint, *capture, std::move(row));
  }
  if (refusal) co_return fail(*refusal);
  api::Reply out{.body = std::move(reply->body)};
  if (served) out.headers.emplace_back("served-model-name", served->entity.name);
  co_return out;
}

}  // namespace

void add_invocation_routes(std::vector<api::Route>& out, Doors d) {
  auto rights = std::make_shared<QueryRights>(d);
  api::AsyncHandler handler = [d, rights](const Request& r) -> asio::awaitable<api::Result> { return invoke(d, rights, r); };
  out.push_back({.method = Method::POST, .pattern = "/serving-endpoints/{name}/invocations", .group = "serving-endpoints", .handler = handler});
  out.push_back({.method = Method::POST,
                 .pattern = "/serving-endpoints/{name}/served-models/{served}/invocations",
                 .group = "serving-endpoints",
                 .handler = handler});
}

}  // namespace tarn::serving
