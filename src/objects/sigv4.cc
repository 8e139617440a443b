#include "objects/sigv4.h"

#include <ctime>

#include "api/api.h"
#include "base/crypto.h"

namespace tarn::objects::sigv4 {
namespace {

std::vector<std::string> split(std::string_view text, char by) {
  std::vector<std::string> out;
  while (true) {
    const auto at = text.find(by);
    out.emplace_back(text.substr(0, at));
    if (at == std::string_view::npos) return out;
    text.remove_prefix(at + 1);
  }
}

std::string_view trimmed(std::string_view s) {
  while (!s.empty() && (s.front() == ' ' || s.front() == '\t')) s.remove_prefix(1);
  while (!s.empty() && (s.back() == ' ' || s.back() == '\t')) s.remove_suffix(1);
  return s;
}

/// Trimmed, runs of spaces made one.
std::string header_value(std::string_view v) {
  std::string out;
  for (char c : trimmed(v))
    if (c != ' ' || out.empty() || out.back() != ' ') out += c;
  return out;
}

std::string decoded(std::string_view text) { return api::percent_decode(text).value_or(std::string(text)); }

bool read_credential(Presented& out, std::string_view text) {
  const auto parts = split(text, '/');
  if (parts.size() != 5 || parts[4] != "aws4_request" || parts[0].empty()) return false;
  out.access_key_id = parts[0];
  out.scope = {parts[1], parts[2], parts[3]};
  return true;
}

std::string find(const std::map<std::string, std::string>& headers, const std::string& name) {
  const auto i = headers.find(name);
  return i == headers.end() ? "" : i->second;
}

}  // namespace

std::vector<std::pair<std::string, std::string>> query_pairs(std::string_view raw) {
  std::vector<std::pair<std::string, std::string>> out;
  if (raw.empty()) return out;
  for (const auto& item : split(raw, '&')) {
    if (item.empty()) continue;
    const auto eq = item.find('=');
    out.emplace_back(decoded(std::string_view(item).substr(0, eq)), eq == std::string::npos ? "" : decoded(std::string_view(item).substr(eq + 1)));
  }
  return out;
}

std::string encode(std::string_view text, bool keep_slash) {
  static constexpr char digits[] = "0123456789ABCDEF";
  std::string out;
  for (unsigned char c : text) {
    if ((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' || c == '~' ||
        (c == '/' && keep_slash)) {
      out += static_cast<char>(c);
    } else {
      out += '%';
      out += digits[c >> 4];
      out += digits[c & 15];
    }
  }
  return out;
}

std::optional<Presented> presented(const RequestParts& request, PresentedError& error, std::string& why) {
  Presented out;
  auto malformed = [&](std::string text) {
    error = PresentedError::malformed;
    why = std::move(text);
    return std::nullopt;
  };
  const std::string authorization = find(*request.headers, "authorization");
  std::string algorithm;
  if (!authorization.empty()) {
    const auto space = authorization.find(' ');
    algorithm = authorization.substr(0, space);
    if (algorithm != kAlgorithm) {
      error = PresentedError::unsupported_algorithm;
      return std::nullopt;
    }
    bool credential = false;
    for (const auto& item : split(std::string_view(authorization).substr(space == std::string::npos ? authorization.size() : space + 1), ',')) {
      const auto part = trimmed(item);
      if (part.starts_with("Credential="))
        credential = read_credential(out, part.substr(11));
      else if (part.starts_with("SignedHeaders="))
        out.signed_headers = split(part.substr(14), ';');
      else if (part.starts_with("Signature="))
        out.signature = part.substr(10);
    }
    if (!credential) return malformed("the Credential is mal-formed; expecting \"<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request\".");
    out.timestamp = find(*request.headers, "x-amz-date");
    if (out.timestamp.empty()) {
      // RFC 1123 dates are accepted by S3 in place of x-amz-date; the string to sign still holds the ISO form.
      std::tm tm{};
      const std::string date = find(*request.headers, "date");
      if (::strptime(date.c_str(), "%a, %d %b %Y %H:%M:%S GMT", &tm)) out.timestamp = to_timestamp(static_cast<Millis>(::timegm(&tm)) * 1000);
    }
    out.session_token = find(*request.headers, "x-amz-security-token");
  } else {
    std::map<std::string, std::string> q;
    for (auto& [k, v] : query_pairs(request.raw_query)) q.emplace(k, v);
    algorithm = find(q, "X-Amz-Algorithm");
    if (algorithm.empty()) {
      error = q.contains("AWSAccessKeyId") || q.contains("Signature") ? PresentedError::unsupported_algorithm : PresentedError::none_sent;
      return std::nullopt;
    }
    if (algorithm != kAlgorithm) {
      error = PresentedError::unsupported_algorithm;
      return std::nullopt;
    }
    if (!read_credential(out, find(q, "X-Amz-Credential")))
      return malformed("the Credential is mal-formed; expecting \"<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request\".");
    out.in_query = true;
    out.timestamp = find(q, "X-Amz-Date");
    out.signed_headers = split(find(q, "X-Amz-SignedHeaders"), ';');
    out.signature = find(q, "X-Amz-Signature");
    out.session_token = find(q, "X-Amz-Security-Token");
    const std::string expires = find(q, "X-Amz-Expires");
    if (expires.empty() || expires.size() > 6 || !std::all_of(expires.begin(), expires.end(), [](char c) { return c >= '0' && c <= '9'; }))
      return malformed("X-Amz-Expires should be a number");
    out.expires_s = std::atoll(expires.c_str());
    if (out.expires_s < 1 || out.expires_s > 604'800) return malformed("X-Amz-Expires must be between 1 and 604800 seconds");
  }
  if (!from_timestamp(out.timestamp)) return malformed("AWS authentication requires a valid Date or x-amz-date header");
  if (out.scope.date != out.timestamp.substr(0, 8))
    return malformed(
        fmt::format("Invalid credential date \"{}\". This date is not the same as X-Amz-Date: \"{}\".", out.scope.date, out.timestamp.substr(0, 8)));
  if (out.signature.size() != 64) return malformed("the Signature is missing or is not 64 hexadecimal digits.");
  if (!std::is_sorted(out.signed_headers.begin(), out.signed_headers.end()) ||
      std::find(out.signed_headers.begin(), out.signed_headers.end(), "host") == out.signed_headers.end())
    return malformed("SignedHeaders must be sorted and name the host header.");
  return out;
}

std::string canonical_request(const RequestParts& request, const Presented& by, std::string_view payload_hash) {
  std::vector<std::pair<std::string, std::string>> query;
  for (const auto& [k, v] : query_pairs(request.raw_query)) {
    if (by.in_query && k == "X-Amz-Signature") continue;
    query.emplace_back(encode(k, false), encode(v, false));
  }
  std::sort(query.begin(), query.end());
  std::string out = std::string(request.method) + '\n' + encode(decoded(request.path), true) + '\n';
  for (std::size_t i = 0; i < query.size(); ++i) out += (i ? "&" : "") + query[i].first + '=' + query[i].second;
  out += '\n';
  std::string names;
  for (const auto& name : by.signed_headers) {
    out += name + ':' + header_value(find(*request.headers, name)) + '\n';
    names += (names.empty() ? "" : ";") + name;
  }
  return out + '\n' + names + '\n' + std::string(payload_hash);
}

std::string string_to_sign(const Presented& by, std::string_view canonical) {
  return std::string(kAlgorithm) + '\n' + by.timestamp + '\n' + by.scope.text() + '\n' + crypto::to_hex(crypto::sha256(canonical));
}

std::string signing_key(std::string_view secret, const Scope& scope) {
  auto key = crypto::hmac_sha256("AWS4" + std::string(secret), scope.date);
  key = crypto::hmac_sha256(key, scope.region);
  key = crypto::hmac_sha256(key, scope.service);
  return crypto::hmac_sha256(key, "aws4_request");
}

std::string sign(std::string_view key, std::string_view text) { return crypto::to_hex(crypto::hmac_sha256(key, text)); }

void sign_headers(const RequestParts& parts, const Signer& signer, const std::string& host, std::string_view payload_hash, Millis now,
                  std::map<std::string, std::string>& headers) {
  headers["host"] = host;
  headers["x-amz-date"] = to_timestamp(now);
  if (!signer.session_token.empty()) headers["x-amz-security-token"] = signer.session_token;
  Presented by{.timestamp = headers["x-amz-date"]};
  by.scope = {by.timestamp.substr(0, 8), signer.region, signer.service};
  std::string names;
  for (const auto& [name, value] : headers) {
    by.signed_headers.push_back(name);
    names += (names.empty() ? "" : ";") + name;
  }
  const auto canonical = canonical_request({parts.method, parts.path, parts.raw_query, &headers}, by, payload_hash);
  headers["authorization"] = fmt::format("{} Credential={}/{},SignedHeaders={},Signature={}", kAlgorithm, signer.access_key_id, by.scope.text(),
                                         names, sign(signing_key(signer.secret_access_key, by.scope), string_to_sign(by, canonical)));
}

std::string presigned_url(const std::string& endpoint, std::string_view method, const std::string& path, const Signer& signer, Millis now,
                          Millis lifetime) {
  Presented by{.access_key_id = signer.access_key_id, .timestamp = to_timestamp(now), .signed_headers = {"host"}, .in_query = true};
  by.scope = {by.timestamp.substr(0, 8), signer.region, signer.service};
  const auto scheme_end = endpoint.find("://");
  const std::map<std::string, std::string> headers{{"host", scheme_end == std::string::npos ? endpoint : endpoint.substr(scheme_end + 3)}};
  std::string query = fmt::format("X-Amz-Algorithm={}&X-Amz-Credential={}&X-Amz-Date={}&X-Amz-Expires={}", kAlgorithm,
                                  encode(signer.access_key_id + '/' + by.scope.text(), false), by.timestamp, (lifetime + 999) / 1000);
  if (!signer.session_token.empty()) query += "&X-Amz-Security-Token=" + encode(signer.session_token, false);
  query += "&X-Amz-SignedHeaders=host";
  const auto canonical = canonical_request({method, path, query, &headers}, by, kUnsigned);
  return endpoint + path + '?' + query + "&X-Amz-Signature=" + sign(signing_key(signer.secret_access_key, by.scope), string_to_sign(by, canonical));
}

std::string chunk_to_sign(const Presented& by, std::string_view previous, std::string_view sha256) {
  static const std::string empty = crypto::to_hex(crypto::sha256(""));
  return fmt::format("AWS4-HMAC-SHA256-PAYLOAD\n{}\n{}\n{}\n{}\n{}", by.timestamp, by.scope.text(), previous, empty, sha256);
}

std::string trailer_to_sign(const Presented& by, std::string_view previous, std::string_view sha256) {
  return fmt::format("AWS4-HMAC-SHA256-TRAILER\n{}\n{}\n{}\n{}", by.timestamp, by.scope.text(), previous, sha256);
}

std::string to_timestamp(Millis at) {
  const std::time_t s = static_cast<std::time_t>(at / 1000);
  std::tm tm{};
  ::gmtime_r(&s, &tm);
  return fmt::format("{:04}{:02}{:02}T{:02}{:02}{:02}Z", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec);
}

std::optional<Millis> from_timestamp(std::string_view text) {
  if (text.size() != 16 || text[8] != 'T' || text[15] != 'Z') return std::nullopt;
  std::tm tm{};
  const std::string copy(text);
  const char* end = ::strptime(copy.c_str(), "%Y%m%dT%H%M%SZ", &tm);
  if (!end || *end != 0) return std::nullopt;
  return static_cast<Millis>(::timegm(&tm)) * 1000;
}

}  // namespace tarn::objects::sigv4
