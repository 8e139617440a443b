#include "objects/s3_endpoint.h"

#include "base/log.h"
#include "objects/s3_sts.h"

namespace tarn::objects {
namespace {

std::string action_of(const s3::Call& c) {
  std::string name(c.operation ? c.operation->name : "UnknownOperation");
  name[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(name[0])));
  return name;
}

}  // namespace

S3Endpoint::S3Endpoint(LocalObjects& objects, SessionCredentials& credentials, store::Store& store, const Clock& clock)
    : objects_(objects), credentials_(credentials), store_(store), clock_(clock) {}

void S3Endpoint::audit(const s3::Call& c, const api::Reply& reply, const std::string& error, bool writes) {
  auto event = c.request.context.event("storage", action_of(c), {{"bucketName", c.bucket.substr(0, 64)}});
  event.principal = c.session.principal;
  event.workspace_id.reset();
  if (!c.key.empty()) event.params["key"] = c.key.substr(0, 1024);
  if (c.has("prefix")) event.params["prefix"] = c.param("prefix").substr(0, 1024);
  event.status = reply.status;
  event.error = error;
  event.outcome = reply.status < 400                           ? store::Outcome::success
                  : reply.status == 403 || reply.status == 401 ? store::Outcome::denied
                                                               : store::Outcome::failed;
  store_.audit_later(std::move(event));
  if (writes) store_.flush_audit();  // an acknowledged write has its trace
}

api::Reply S3Endpoint::handle(const api::Request& request) {
  if (s3::is_sts(request)) {
    auto outcome = s3::answer_sts(request, objects_, credentials_, clock_.now());
    auto event = request.context.event("storage", "assumeRole", {});
    event.principal = outcome.principal;
    event.workspace_id.reset();
    event.status = outcome.reply.status;
    event.error = outcome.error;
    event.outcome = outcome.reply.status < 400    ? store::Outcome::success
                    : outcome.reply.status == 403 ? store::Outcome::denied
                                                  : store::Outcome::failed;
    store_.audit_later(std::move(event));
    return std::move(outcome.reply);
  }
  s3::Call c{.request = request, .objects = objects_};
  c.region = credentials_.region();
  const auto run = [&]() -> s3::Result<api::Reply> {
    TARN_CHECK(s3::parse_target(c));
    auto operation = s3::find_operation(c);
    // Who asks comes first: nobody without a session learns what this storage offers.
    if (operation) c.operation = *operation;
    TARN_CHECK(s3::authenticate(c, credentials_, clock_.now()));
    if (!operation) return fail(std::move(operation).error());
    TARN_CHECK(s3::authorise(c));
    return c.operation->run(c);
  };
  auto result = run();
  api::Reply reply = result ? *std::move(result) : s3::error_reply(result.error(), request);
  if (result) reply.headers.emplace_back("x-amz-request-id", request.context.request_id);
  audit(c, reply, result ? "" : result.error().code + ": " + result.error().message, result && c.operation->writes);
  return reply;
}

std::optional<api::Reply> S3Endpoint::admit(const api::Request& request) {
  if (s3::is_sts(request)) return std::nullopt;
  s3::Call c{.request = request, .objects = objects_};
  c.region = credentials_.region();
  const auto run = [&]() -> s3::Result<void> {
    TARN_CHECK(s3::parse_target(c));
    auto operation = s3::find_operation(c);
    if (operation) c.operation = *operation;
    TARN_CHECK(s3::authenticate(c, credentials_, clock_.now()));
    if (!operation) return fail(std::move(operation).error());
    return s3::authorise(c);
  };
  const auto result = run();
  if (result) return std::nullopt;
  auto reply = s3::error_reply(result.error(), request);
  audit(c, reply, result.error().code + ": " + result.error().message, false);
  return reply;
}

}  // namespace tarn::objects
