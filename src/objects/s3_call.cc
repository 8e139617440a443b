#include "objects/s3_call.h"

#include "base/crypto.h"
#include "objects/keys.h"

namespace tarn::objects::s3 {
namespace {

constexpr Millis kSkew = 15 * 60'000;

std::string bucket_of_host(std::string_view host) {
  // BUCKET.s3.DOMAIN and BUCKET.s3-REGION.DOMAIN; anything else is path style.
  const auto dot = host.rfind(".s3.");
  const auto at = dot != std::string_view::npos ? dot : host.rfind(".s3-");
  return at == std::string_view::npos ? "" : std::string(host.substr(0, at));
}

using N = Operation::Needs;
constexpr Operation kListBuckets{"ListBuckets", false, N::nothing, list_buckets};
constexpr Operation kHeadBucket{"HeadBucket", false, N::bucket, head_bucket};
constexpr Operation kLocation{"GetBucketLocation", false, N::bucket, bucket_location};
constexpr Operation kVersioning{"GetBucketVersioning", false, N::bucket, bucket_versioning};
constexpr Operation kList{"ListObjects", false, N::listing, list_objects_v1};
constexpr Operation kListV2{"ListObjectsV2", false, N::listing, list_objects_v2};
constexpr Operation kUploads{"ListMultipartUploads", false, N::listing, list_uploads};
constexpr Operation kDeleteMany{"DeleteObjects", true, N::bucket_write, delete_objects};
constexpr Operation kHead{"HeadObject", false, N::read_key, get_object};
constexpr Operation kGet{"GetObject", false, N::read_key, get_object};
constexpr Operation kPut{"PutObject", true, N::write_key, put_object};
constexpr Operation kCopy{"CopyObject", true, N::write_key, copy_object};
constexpr Operation kDelete{"DeleteObject", true, N::write_key, delete_object};
constexpr Operation kCreateUpload{"CreateMultipartUpload", true, N::write_key, create_upload};
constexpr Operation kPart{"UploadPart", true, N::write_key, upload_part};
constexpr Operation kPartCopy{"UploadPartCopy", true, N::write_key, upload_part_copy};
constexpr Operation kParts{"ListParts", false, N::write_key, list_parts};
constexpr Operation kComplete{"CompleteMultipartUpload", true, N::write_key, complete_upload};
constexpr Operation kAbort{"AbortMultipartUpload", true, N::write_key, abort_upload};

/// Sub-resources of S3 that this storage does not have: a request that names one must not be taken for the plain operation.
constexpr std::string_view kAbsent[] = {
    "accelerate",        "acl",        "analytics",    "attributes",        "cors",         "encryption",   "intelligent-tiering",
    "inventory",         "legal-hold", "lifecycle",    "logging",           "metrics",      "notification", "object-lock",
    "ownershipControls", "policy",     "policyStatus", "publicAccessBlock", "renameObject", "replication",  "requestPayment",
    "restore",           "retention",  "select",       "session",           "tagging",      "torrent",      "versions",
    "website",           "append",     "partNumber"};

Error method_not_allowed() { return {405, "MethodNotAllowed", "The specified method is not allowed against this resource."}; }

}  // namespace

bool Call::may(std::string_view in_bucket, std::string_view in_key, Access access) const {
  if (access == Access::read_write && session.access != Access::read_write) return false;
  return std::any_of(session.prefixes.begin(), session.prefixes.end(), [&](const std::string& p) {
    const auto grant = Url::parse(p);
    return grant && covers(*grant, in_bucket, in_key);
  });
}

bool Call::may_list(std::string_view prefix) const {
  return std::any_of(session.prefixes.begin(), session.prefixes.end(), [&](const std::string& p) {
    const auto grant = Url::parse(p);
    return grant && covers_listing(*grant, bucket, prefix);
  });
}

bool Call::knows_bucket(std::string_view name) const {
  return std::any_of(session.prefixes.begin(), session.prefixes.end(), [&](const std::string& p) {
    const auto grant = Url::parse(p);
    return grant && grant->bucket == name;
  });
}

Result<void> parse_target(Call& c) {
  const auto path = api::percent_decode(c.request.path);
  if (!path || !path->starts_with('/')) return fail(Error{400, "InvalidURI", "Couldn't parse the specified URI."});
  c.bucket = bucket_of_host(c.request.host);
  std::string rest = path->substr(1);
  if (c.bucket.empty()) {
    const auto slash = rest.find('/');
    c.bucket = rest.substr(0, slash);
    rest = slash == std::string::npos ? "" : rest.substr(slash + 1);
  }
  c.key = std::move(rest);
  for (auto& [k, v] : sigv4::query_pairs(c.request.raw_query)) {
    if (!c.query.emplace(k, v).second) return fail(invalid_argument("The query parameter '" + k + "' was given twice."));
  }
  if (!c.bucket.empty() && !valid_bucket(c.bucket)) return fail(Error{400, "InvalidBucketName", "The specified bucket is not valid."});
  return {};
}

Result<const Operation*> find_operation(const Call& c) {
  using M = api::Method;
  const M m = c.request.method;
  const bool part = c.has("partNumber") && c.has("uploadId");
  for (const auto name : kAbsent) {
    if (c.has(std::string(name)) && !(name == "partNumber" && part)) return fail(unsupported(fmt::format("the sub-resource '{}'", name)));
  }
  if (const auto v = c.param("versionId"); !v.empty() && v != "null") return fail(unsupported("object versions (versionId)"));
  const bool copies = c.request.headers.contains("x-amz-copy-source");
  if (c.bucket.empty()) {
    if (m == M::GET) return &kListBuckets;
    return fail(method_not_allowed());
  }
  if (c.key.empty()) {
    if (m == M::HEAD) return &kHeadBucket;
    if (m == M::GET && c.has("location")) return &kLocation;
    if (m == M::GET && c.has("versioning")) return &kVersioning;
    if (m == M::GET && c.has("uploads")) return &kUploads;
    if (m == M::GET && c.has("list-type")) {
      if (c.param("list-type") != "2") return fail(invalid_argument("The list-type must be 2."));
      return &kListV2;
    }
    if (m == M::GET) return &kList;
    if (m == M::POST && c.has("delete")) return &kDeleteMany;
    if (m == M::PUT || m == M::DELETE) return fail(access_denied("Buckets are made and removed by the platform, not over this protocol."));
    if (m == M::POST) return fail(unsupported("browser form uploads"));
    return fail(method_not_allowed());
  }
  switch (m) {
    case M::HEAD:
      return &kHead;
    case M::GET:
      return c.has("uploadId") ? &kParts : &kGet;
    case M::PUT:
      if (part) return copies ? &kPartCopy : &kPart;
      if (c.has("uploadId")) return fail(invalid_argument("An upload of a part names both partNumber and uploadId."));
      return copies ? &kCopy : &kPut;
    case M::POST:
      if (c.has("uploads")) return &kCreateUpload;
      if (c.has("uploadId")) return &kComplete;
      return fail(method_not_allowed());
    case M::DELETE:
      return c.has("uploadId") ? &kAbort : &kDelete;
    case M::PATCH:
      return fail(method_not_allowed());
  }
  return fail(method_not_allowed());
}

Result<void> authenticate(Call& c, const SessionCredentials& credentials, Millis now, std::string_view service, std::string payload_hash) {
  const auto& r = c.request;
  const sigv4::RequestParts parts{json::name_of(r.method), r.path, r.raw_query, &r.headers};
  auto kind = sigv4::PresentedError::none_sent;
  std::string why;
  const auto by = sigv4::presented(parts, kind, why);
  if (!by) {
    switch (kind) {
      case sigv4::PresentedError::none_sent:
        return fail(access_denied());
      case sigv4::PresentedError::unsupported_algorithm:
        return fail(invalid_request("The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256."));
      case sigv4::PresentedError::malformed:
        return fail(r.headers.contains("authorization") ? Error{400, "AuthorizationHeaderMalformed", "The authorization header is malformed; " + why}
                                                        : Error{400, "AuthorizationQueryParametersError", why});
    }
  }
  if (by->scope.service != service)
    return fail(Error{400, "AuthorizationHeaderMalformed",
                      fmt::format("The authorization header is malformed; incorrect service \"{}\". This endpoint belongs to \"{}\".",
                                  by->scope.service, service)});
  // The token service is global: clients sign for whatever region they think it is in.
  if (service == "s3" && by->scope.region != credentials.region())
    return fail(
        Error{400,
              "AuthorizationHeaderMalformed",
              fmt::format("The authorization header is malformed; the region '{}' is wrong; expecting '{}'", by->scope.region, credentials.region()),
              {{"Region", credentials.region()}}});
  const Error unknown_key{
      403, "InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records.", {{"AWSAccessKeyId", by->access_key_id}}};
  if (by->session_token.empty()) return fail(unknown_key);
  auto session = credentials.open(by->session_token);
  if (!session) return fail(Error{403, "InvalidToken", "The provided token is malformed or otherwise invalid."});
  if (session->access_key_id != by->access_key_id) return fail(unknown_key);
  c.session = *std::move(session);
  c.proof.by = *by;
  c.proof.key = sigv4::signing_key(c.session.secret_access_key, by->scope);
  c.proof.content_hash = payload_hash.empty() ? r.header("x-amz-content-sha256") : std::move(payload_hash);
  if (c.proof.content_hash.empty()) {
    if (!by->in_query) return fail(invalid_request("Missing required header for this request: x-amz-content-sha256"));
    c.proof.content_hash = sigv4::kUnsigned;
  }
  // Before anything else is said about the request: is it the key's holder who asks?
  const auto to_sign = sigv4::string_to_sign(*by, sigv4::canonical_request(parts, *by, c.proof.content_hash));
  if (!crypto::equal(sigv4::sign(c.proof.key, to_sign), by->signature))
    return fail(Error{403,
                      "SignatureDoesNotMatch",
                      "The request signature we calculated does not match the signature you provided. Check your key and signing method.",
                      {{"AWSAccessKeyId", by->access_key_id}, {"StringToSign", to_sign}, {"SignatureProvided", by->signature}}});
  for (const auto& [name, value] : r.headers) {
    if (name.starts_with("x-amz-") && !std::binary_search(by->signed_headers.begin(), by->signed_headers.end(), name))
      return fail(Error{403, "AccessDenied", "There were headers present in the request which were not signed", {{"HeadersNotSigned", name}}});
  }
  if (c.session.expires_at <= now) return fail(Error{403, "ExpiredToken", "The provided token has expired."});
  const Millis signed_at = *sigv4::from_timestamp(by->timestamp);
  if (by->in_query) {
    if (signed_at > now + kSkew) return fail(access_denied("Request is not valid yet"));
    if (signed_at + by->expires_s * 1000 <= now) return fail(access_denied("Request has expired"));
  } else if (signed_at > now + kSkew || signed_at < now - kSkew) {
    return fail(Error{403,
                      "RequestTimeTooSkewed",
                      "The difference between the request time and the current time is too large.",
                      {{"MaxAllowedSkewMilliseconds", std::to_string(kSkew)}}});
  }
  return {};
}

Result<void> authorise(const Call& c) {
  const auto refused = [&](std::string_view what) {
    return fail(access_denied(fmt::format("The session of {} is not allowed to perform s3:{} on {}",
                                          c.session.principal.empty() ? "nobody" : c.session.principal, c.operation->name, what)));
  };
  if (!c.key.empty())
    if (auto ok = check_key(c.key); !ok) return fail(error_of(ok.error()));
  switch (c.operation->needs) {
    case N::nothing:
      return {};
    case N::bucket:
      if (!c.knows_bucket(c.bucket)) return refused("bucket " + c.bucket);
      return {};
    case N::bucket_write:
      if (!c.knows_bucket(c.bucket) || c.session.access != Access::read_write) return refused("bucket " + c.bucket);
      return {};
    case N::listing:
      if (!c.may_list(c.param("prefix"))) return refused(fmt::format("bucket {} with prefix '{}'", c.bucket, c.param("prefix")));
      return {};
    case N::read_key:
      if (!c.may(c.bucket, c.key, Access::read)) return refused(c.bucket + '/' + c.key);
      return {};
    case N::write_key:
      if (!c.may(c.bucket, c.key, Access::read_write)) return refused(c.bucket + '/' + c.key);
      return {};
  }
  return refused(c.bucket);
}

}  // namespace tarn::objects::s3
