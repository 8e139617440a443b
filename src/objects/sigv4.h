#pragma once
// AWS Signature Version 4 for S3: pure functions over the request's parts (S3 API reference, "Authenticating Requests (AWS Signature
// Version 4)"; S3 signs the path encoded once, and dot segments stay as they are).
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"

namespace tarn::objects::sigv4 {

inline constexpr std::string_view kAlgorithm = "AWS4-HMAC-SHA256";
inline constexpr std::string_view kUnsigned = "UNSIGNED-PAYLOAD";
inline constexpr std::string_view kStreaming = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD";
inline constexpr std::string_view kStreamingTrailer = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER";
inline constexpr std::string_view kStreamingUnsigned = "STREAMING-UNSIGNED-PAYLOAD-TRAILER";

struct Scope {
  std::string date;  // 20130524
  std::string region, service;
  std::string text() const { return date + '/' + region + '/' + service + "/aws4_request"; }
};

/// What a request brings to prove who it is from, in either form.
struct Presented {
  std::string access_key_id, signature, session_token;
  Scope scope;
  std::string timestamp;                    // 20130524T000000Z
  std::vector<std::string> signed_headers;  // as listed: sorted, lower case
  bool in_query = false;
  std::int64_t expires_s = 0;  // of a presigned URL
};

struct RequestParts {
  std::string_view method, path, raw_query;           // path and query as sent, percent-encoded
  const std::map<std::string, std::string>* headers;  // lower-case names
};

enum class PresentedError { none_sent, malformed, unsupported_algorithm };
/// Reads the Authorization header or the X-Amz-* query parameters; `why` says what is malformed.
std::optional<Presented> presented(const RequestParts& request, PresentedError& error, std::string& why);

std::string canonical_request(const RequestParts& request, const Presented& by, std::string_view payload_hash);
std::string string_to_sign(const Presented& by, std::string_view canonical);
std::string signing_key(std::string_view secret, const Scope& scope);
/// The hexadecimal signature.
std::string sign(std::string_view key, std::string_view text);

/// Who signs as a client, and for what.
struct Signer {
  std::string access_key_id, secret_access_key, session_token;  // the token may be empty
  std::string region, service;
};
/// Adds host, x-amz-date, x-amz-security-token and authorization to `headers`; all headers present are signed. `parts.headers` may be the same map.
void sign_headers(const RequestParts& parts, const Signer& signer, const std::string& host, std::string_view payload_hash, Millis now,
                  std::map<std::string, std::string>& headers);
/// A URL that carries its own signature for `lifetime` (milliseconds). `endpoint` without a closing slash, `path` percent-encoded.
std::string presigned_url(const std::string& endpoint, std::string_view method, const std::string& path, const Signer& signer, Millis now,
                          Millis lifetime);

/// The string to sign of one chunk of an aws-chunked body, and of its trailing headers.
std::string chunk_to_sign(const Presented& by, std::string_view previous_signature, std::string_view chunk_sha256_hex);
std::string trailer_to_sign(const Presented& by, std::string_view previous_signature, std::string_view trailer_sha256_hex);

/// 20130524T000000Z and back (milliseconds); nothing for another shape.
std::string to_timestamp(Millis at);
std::optional<Millis> from_timestamp(std::string_view text);

/// The name and value pairs of a query as sent, percent-decoded ('+' is itself: S3 clients write a space as %20).
std::vector<std::pair<std::string, std::string>> query_pairs(std::string_view raw);

/// RFC 3986 encoding as AWS wants it: everything but A-Z a-z 0-9 - . _ ~ (and '/' where kept) becomes %XX.
std::string encode(std::string_view text, bool keep_slash);

}  // namespace tarn::objects::sigv4
