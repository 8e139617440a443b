#include "review/s3_signer.h"

#include "base/clock.h"
#include "base/json_read.h"
#include "base/log.h"
#include "objects/sigv4.h"

namespace tarn::review {
namespace {

api::Reply refused(int status, std::string_view code, std::string_view message) {
  return {.status = status,
          .body = fmt::format("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{}</Code><Message>{}</Message></Error>", code, message),
          .content_type = "application/xml"};
}

/// What travels on of a request's headers; the old signature and its session do not.
bool travels(std::string_view name) {
  if (name == "x-amz-security-token" || name == "x-amz-date") return false;
  return name.starts_with("x-amz-") || name == "content-type" || name == "content-md5" || name == "content-encoding" || name == "if-match" ||
         name == "if-none-match" || name == "range" || name == "cache-control";
}

}  // namespace

bool is_about_bucket(std::string_view host, std::string_view path, std::string_view bucket) {
  if (bucket.empty()) return false;
  if (host.starts_with(bucket) && host.substr(bucket.size()).starts_with(".s3.")) return true;
  if (!host.starts_with("s3.")) return false;
  while (path.starts_with('/')) path.remove_prefix(1);
  return path.substr(0, path.find('/')) == bucket;
}

std::string authorization_of(std::string_view method, std::string_view path, std::string_view raw_query,
                             const std::map<std::string, std::string>& headers, std::string_view payload_hash, const std::string& region,
                             const BucketKeys& keys, const std::string& timestamp) {
  namespace sigv4 = objects::sigv4;
  sigv4::Presented by{
      .access_key_id = keys.access_key_id, .scope = {.date = timestamp.substr(0, 8), .region = region, .service = "s3"}, .timestamp = timestamp};
  std::string listed;
  for (const auto& [name, value] : headers)
    if (name == "host" || name == "content-type" || name.starts_with("x-amz-")) {
      by.signed_headers.push_back(name);
      listed += (listed.empty() ? "" : ";") + name;
    }
  const sigv4::RequestParts parts{method, path, raw_query, &headers};
  const auto signature =
      sigv4::sign(sigv4::signing_key(keys.secret_access_key, by.scope), sigv4::string_to_sign(by, sigv4::canonical_request(parts, by, payload_hash)));
  return fmt::format("{} Credential={}/{}, SignedHeaders={}, Signature={}", sigv4::kAlgorithm, keys.access_key_id, by.scope.text(), listed,
                     signature);
}

Expected<BucketKeys, std::string> S3Signer::keys() {
  std::lock_guard lock(mutex_);
  if (kept_) return *kept_;
  BucketKeys k;
  if (bucket_.access_key_id_file && bucket_.secret_access_key_file) {
    TARN_TRY(id, read_secret(*bucket_.access_key_id_file));
    TARN_TRY(secret, read_secret(*bucket_.secret_access_key_file));
    k = {id, secret, ""};
  } else if (data_) {
    TARN_TRY(answer, http({.method = "POST",
                           .url = "http://control/storage/credentials",
                           .headers = {"Content-Type: application/json"},
                           .body = boost::json::serialize(json::object{{"bucket", bucket_.bucket}, {"write", write_}}),
                           .unix_socket = *data_ + "/run/control.sock"}));
    const auto v = json::parse(answer.body);
    if (answer.status != 200 || !v)
      return fail(fmt::format("Tarn lends no credential for the bucket '{}': {}", bucket_.bucket, v ? json::text_at(*v, {"message"}) : ""));
    k = {json::text_at(*v, {"access_key_id"}), json::text_at(*v, {"secret_access_key"}), json::text_at(*v, {"session_token"})};
  } else {
    return fail("sandbox.state_bucket has no key files");
  }
  kept_ = k;
  return k;
}

api::Reply S3Signer::handle(const api::Request& q) {
  if (!is_about_bucket(q.host, q.path, bucket_.bucket)) return refused(403, "AccessDenied", "The proxy signs requests of the state's bucket only");
  if (!write_ && q.method != api::Method::GET && q.method != api::Method::HEAD)
    return refused(403, "AccessDenied", "A plan may read the state, not write it (plan with -lock=false)");
  const auto payload = q.header("x-amz-content-sha256");
  if (payload.starts_with("STREAMING-AWS4")) return refused(501, "NotImplemented", "Chunks that are signed one by one cannot be signed anew");
  auto k = keys();
  auto target = principal_.target();
  if (!k || !target) {
    spdlog::warn("proxy bucket={} cause=\"{}\"", bucket_.bucket, k ? target.error() : k.error());
    return refused(503, "ServiceUnavailable", "The state's credential cannot be had");
  }
  std::map<std::string, std::string> headers{{"host", q.host}};
  for (const auto& [name, value] : q.headers)
    if (travels(name)) headers[name] = value;
  const auto timestamp = objects::sigv4::to_timestamp(SystemClock().now());
  const std::string hash = payload.empty() ? std::string(objects::sigv4::kUnsigned) : payload;
  headers["x-amz-date"] = timestamp;
  headers["x-amz-content-sha256"] = hash;
  if (!k->session_token.empty()) headers["x-amz-security-token"] = k->session_token;
  HttpCall call{.method = std::string(json::name_of(q.method)),
                .url = "https://" + q.host + q.path + (q.raw_query.empty() ? "" : "?" + q.raw_query),
                .ca_file = target->ca_file,
                .seconds = 110};
  call.headers.push_back("Authorization: " + authorization_of(call.method, q.path, q.raw_query, headers, hash, bucket_.region, *k, timestamp));
  for (const auto& [name, value] : headers)
    if (name != "host") call.headers.push_back(name + ": " + value);
  if (q.method == api::Method::PUT || q.method == api::Method::POST) call.body = q.body;
  if (!target->proxy.empty()) call.proxy = target->proxy;
  auto answer = http(call);
  if (!answer) {
    spdlog::warn("proxy bucket={} cause=\"{}\"", bucket_.bucket, answer.error());
    return refused(503, "ServiceUnavailable", "The storage does not answer");
  }
  api::Reply reply{.status = answer->status, .body = std::move(answer->body), .content_type = "application/octet-stream"};
  for (const auto& [name, value] : answer->headers) {
    if (name == "content-type") reply.content_type = value;
    if (name == "etag" || name == "last-modified" || name.starts_with("x-amz-")) reply.headers.emplace_back(name, value);
  }
  return reply;
}

}  // namespace tarn::review
