#include "objects/remote_s3.h"

#include <algorithm>
#include <thread>

#include "base/crypto.h"
#include "objects/keys.h"
#include "objects/s3_wire.h"
#include "objects/sigv4.h"

namespace tarn::objects {

struct RemoteS3::Call {
  std::string method, bucket, key, query;
  std::string_view body;
  std::map<std::string, std::string> headers;
  bool repeatable = true;
};

namespace {

Error unavailable(std::string why) { return {Errc::unavailable, "remote storage: " + std::move(why)}; }

/// What a refusal means here. HEAD replies have no body, so the status must do.
Error error_of(long status, const std::string& body, const std::string& what) {
  std::string code, message;
  if (const auto xml = s3::parse_xml(body, "Error")) {
    code = xml->child("Code");
    message = xml->child("Message");
  }
  const std::string text = fmt::format("{}: {} {}{}", what, status, code, message.empty() ? "" : ": " + message);
  if (code == "NoSuchBucket") return {Errc::no_such_bucket, text};
  if (status == 404) return {Errc::no_such_key, text};
  if (status == 401 || status == 403) return {Errc::denied, text};
  if (status == 409 || status == 412) return {Errc::already_exists, text};
  if (status == 416) return {Errc::range_not_satisfiable, text};
  if (code == "EntityTooLarge") return {Errc::too_large, text};
  if (code == "BadDigest") return {Errc::bad_digest, text};
  if (status >= 500 || status == 429 || status == 408) return {Errc::unavailable, "remote storage: " + text};
  return {Errc::invalid_request, text};
}

std::uint64_t number(const std::string& text) { return std::strtoull(text.c_str(), nullptr, 10); }

std::string quoted(std::string etag) { return etag.starts_with('"') ? etag : '"' + etag + '"'; }

/// 2026-01-31T09:30:00.000Z
Millis from_iso(const std::string& text) {
  if (text.size() < 19) return 0;
  std::string compact;
  for (char c : text.substr(0, 19))
    if (c != '-' && c != ':') compact += c;
  return sigv4::from_timestamp(compact + "Z").value_or(0);
}

}  // namespace

RemoteS3::RemoteS3(Options options, const Clock& clock) : options_(std::move(options)), clock_(clock), http_(options_.ca_file, options_.timeout_s) {}

Result<AccessKeys> RemoteS3::keys() const {
  if (options_.keys) return options_.keys();
  return AccessKeys{options_.access_key_id, options_.secret_access_key, options_.session_token};
}

Result<HttpReply> RemoteS3::send(const Call& call) {
  constexpr int kAttempts = 3;
  for (int attempt = 1;; ++attempt) {
    auto answer = send_once(call);
    const bool away = answer ? answer->status >= 500 || answer->status == 429 : answer.error().code == Errc::unavailable;
    if (!away || !call.repeatable || attempt == kAttempts) return answer;
    std::this_thread::sleep_for(std::chrono::milliseconds(100 * attempt * attempt));
  }
}

Result<HttpReply> RemoteS3::send_once(const Call& call) {
  if (!valid_bucket(call.bucket)) return fail(Error{Errc::no_such_bucket, fmt::format("The specified bucket does not exist: '{}'.", call.bucket)});
  const std::string path = sigv4::encode('/' + call.bucket + (call.key.empty() ? "" : '/' + call.key), true);
  TARN_TRY(who, keys());
  auto headers = call.headers;
  headers["x-amz-content-sha256"] = crypto::to_hex(crypto::sha256(call.body));
  const sigv4::Signer signer{.access_key_id = who.access_key_id,
                             .secret_access_key = who.secret_access_key,
                             .session_token = who.session_token,
                             .region = options_.region,
                             .service = "s3"};
  sigv4::sign_headers({call.method, path, call.query, &headers}, signer, host_of(options_.endpoint), headers["x-amz-content-sha256"], clock_.now(),
                      headers);
  return http_.send({.method = call.method,
                     .url = options_.endpoint + path + (call.query.empty() ? "" : '?' + call.query),
                     .headers = std::move(headers),
                     .body = call.body});
}

Result<std::string> RemoteS3::presign(std::string_view method, const Url& url, Millis lifetime) const {
  TARN_TRY(who, keys());
  const sigv4::Signer signer{.access_key_id = who.access_key_id,
                             .secret_access_key = who.secret_access_key,
                             .session_token = who.session_token,
                             .region = options_.region,
                             .service = "s3"};
  return sigv4::presigned_url(options_.endpoint, method, sigv4::encode('/' + url.bucket + '/' + url.key, true), signer, clock_.now(),
                              std::clamp<Millis>(lifetime, 1000, 7 * 24 * 3'600'000));
}

Result<void> RemoteS3::create_bucket(std::string_view bucket) {
  if (!valid_bucket(bucket)) return fail(Error{Errc::invalid_name, fmt::format("The specified bucket is not valid: '{}'.", bucket)});
  if (bucket_exists(bucket)) return {};
  return fail(Error{Errc::denied, fmt::format("The bucket '{}' does not exist at {}, or its credentials do not reach it: its owner creates it.",
                                              bucket, options_.endpoint)});
}

bool RemoteS3::bucket_exists(std::string_view bucket) {
  const auto answer = send({.method = "HEAD", .bucket = std::string(bucket)});
  return answer && answer->status == 200;
}

Result<std::string> RemoteS3::get(const Url& url, std::uint64_t offset, std::optional<std::uint64_t> length) {
  TARN_CHECK(check_key(url.key));
  if (length && *length == 0) {
    TARN_TRY(info, head(url));
    if (offset > info.size) return fail(Error{Errc::range_not_satisfiable, "the offset is beyond the object's end"});
    return std::string();
  }
  Call call{.method = "GET", .bucket = url.bucket, .key = url.key};
  if (offset > 0 || length) call.headers["range"] = fmt::format("bytes={}-{}", offset, length ? std::to_string(offset + *length - 1) : "");
  TARN_TRY(answer, send(call));
  if (answer.status == 200 || answer.status == 206) return std::move(answer.body);
  if (answer.status == 416) {
    // S3 refuses a range that begins exactly at the end; here that is the empty rest.
    TARN_TRY(info, head(url));
    if (offset == info.size) return std::string();
  }
  return fail(error_of(answer.status, answer.body, url.text()));
}

Result<ObjectInfo> RemoteS3::head(const Url& url) {
  TARN_CHECK(check_key(url.key));
  TARN_TRY(answer, send({.method = "HEAD", .bucket = url.bucket, .key = url.key}));
  if (answer.status == 404 && !bucket_exists(url.bucket))
    return fail(Error{Errc::no_such_bucket, fmt::format("The specified bucket does not exist: '{}'.", url.bucket)});
  if (answer.status != 200) return fail(error_of(answer.status, answer.body, url.text()));
  return ObjectInfo{url.key, number(answer.header("content-length")), answer.header("etag"),
                    s3::from_http_date(answer.header("last-modified")).value_or(0)};
}

Result<ObjectInfo> RemoteS3::put(const Url& url, std::string_view content, bool if_absent) {
  TARN_CHECK(check_key(url.key));
  Call call{.method = "PUT", .bucket = url.bucket, .key = url.key, .body = content, .repeatable = false};
  if (if_absent || is_delta_commit(url.key)) call.headers["if-none-match"] = "*";
  TARN_TRY(answer, send(call));
  if (answer.status != 200) return fail(error_of(answer.status, answer.body, url.text()));
  return ObjectInfo{url.key, content.size(), answer.header("etag"), clock_.now()};
}

Result<void> RemoteS3::remove(const Url& url) {
  TARN_CHECK(check_key(url.key));
  TARN_TRY(answer, send({.method = "DELETE", .bucket = url.bucket, .key = url.key}));
  auto error = error_of(answer.status, answer.body, url.text());
  if (answer.status == 204 || answer.status == 200 || error.code == Errc::no_such_key) return {};
  return fail(std::move(error));
}

Result<Listing> RemoteS3::list(std::string_view bucket, std::string_view prefix, std::string_view after, std::size_t limit,
                               std::string_view delimiter) {
  TARN_CHECK(check_prefix(prefix));
  Listing out;
  std::string start(after), token;
  // start-after names a folded prefix's first key again; one beyond every key in it goes past.
  if (!delimiter.empty() && start.size() > prefix.size() && start.ends_with(delimiter)) start += "\xf4\x8f\xbf\xbf";
  while (true) {
    const std::size_t want = std::min<std::size_t>(1000, limit - out.objects.size() - out.common_prefixes.size());
    std::string query = "list-type=2&max-keys=" + std::to_string(want) + "&prefix=" + sigv4::encode(prefix, false);
    if (!delimiter.empty()) query += "&delimiter=" + sigv4::encode(delimiter, false);
    if (!token.empty())
      query += "&continuation-token=" + sigv4::encode(token, false);
    else if (!start.empty())
      query += "&start-after=" + sigv4::encode(start, false);
    TARN_TRY(answer, send({.method = "GET", .bucket = std::string(bucket), .query = query}));
    if (answer.status != 200) return fail(error_of(answer.status, answer.body, "s3://" + std::string(bucket) + '/' + std::string(prefix)));
    const auto xml = s3::parse_xml(answer.body, "ListBucketResult");
    if (!xml) return fail(unavailable("a listing that is no ListBucketResult"));
    for (const auto& node : xml->children) {
      if (node.name == "Contents")
        out.objects.push_back({node.child("Key"), number(node.child("Size")), quoted(node.child("ETag")), from_iso(node.child("LastModified"))});
      if (node.name == "CommonPrefixes") out.common_prefixes.push_back(node.child("Prefix"));
    }
    token = xml->child("NextContinuationToken");
    const bool more = xml->child("IsTruncated") == "true" && !token.empty();
    if (more && out.objects.size() + out.common_prefixes.size() < limit) continue;
    out.truncated = more;
    break;
  }
  if (out.truncated) {
    if (!out.objects.empty()) out.next = out.objects.back().key;
    if (!out.common_prefixes.empty()) out.next = std::max(out.next, out.common_prefixes.back());
  }
  return out;
}

Result<void> RemoteS3::remove_all(const Url& prefix) {
  if (prefix.key.empty()) return fail(Error{Errc::invalid_request, "A whole bucket is not removed: name a prefix."});
  TARN_CHECK(check_key(prefix.key));
  std::string folder = prefix.key;
  if (!folder.ends_with('/')) {
    TARN_CHECK(remove(prefix));
    folder += '/';
  }
  while (true) {
    TARN_TRY(page, list(prefix.bucket, folder, "", 1000));
    for (const auto& o : page.objects) TARN_CHECK(remove({prefix.bucket, o.key}));
    if (!page.truncated) return {};
  }
}

}  // namespace tarn::objects
