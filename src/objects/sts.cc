#include "objects/sts.h"

#include <algorithm>
#include <set>

#include "base/crypto.h"
#include "base/json.h"
#include "objects/s3_wire.h"
#include "objects/sigv4.h"

namespace tarn::objects {
namespace {

constexpr std::string_view kArn = "arn:aws:s3:::";
constexpr std::string_view kCommits = "_delta_log/????????????????????.json";
constexpr Millis kShortest = 900'000, kLongest = 12 * 3'600'000;  // the service's own limits

/// A key inside a policy's pattern: its special characters made plain (IAM user guide, "policy variables": ${*}, ${?}, ${$}).
std::string plain(std::string_view key) {
  std::string out;
  for (const char c : key) {
    if (c == '*' || c == '?' || c == '$')
      out += std::string("${") + c + "}";
    else
      out += c;
  }
  return out;
}

/// The other way round; nothing where a pattern is left.
std::optional<std::string> unpatterned(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '$' && i + 3 < text.size() && text[i + 1] == '{' && text[i + 3] == '}') {
      out += text[i + 2];
      i += 3;
    } else if (text[i] == '*' || text[i] == '?') {
      return std::nullopt;
    } else {
      out += text[i];
    }
  }
  return out;
}

Error invalid(std::string why) { return {Errc::invalid_request, std::move(why)}; }

/// A string or a list of them, as policies write both.
std::optional<std::vector<std::string>> texts(const json::object& o, const char* name) {
  std::vector<std::string> out;
  const auto* v = o.if_contains(name);
  if (!v) return out;
  if (v->is_string()) return std::vector<std::string>{std::string(v->get_string())};
  if (!v->is_array()) return std::nullopt;
  for (const auto& one : v->get_array()) {
    if (!one.is_string()) return std::nullopt;
    out.emplace_back(one.get_string());
  }
  return out;
}

std::string form(const std::vector<std::pair<std::string, std::string>>& fields) {
  std::string out;
  for (const auto& [k, v] : fields) out += (out.empty() ? "" : "&") + k + "=" + sigv4::encode(v, false);
  return out;
}

/// Letters, digits and =,.@-_ of 2 to 64 characters: who asked, for the cloud's own audit.
std::string session_name(const std::string& principal) {
  std::string out;
  for (const char c : principal)
    out += std::isalnum(static_cast<unsigned char>(c)) || std::string_view("=,.@-_").find(c) != std::string_view::npos ? c : '-';
  out = "tarn-" + out;
  return out.substr(0, 64);
}

}  // namespace

Result<std::string> session_policy(const Scope& scope) {
  json::array statements;
  const bool writes = scope.access == Access::read_write;
  for (const auto& prefix : scope.prefixes) {
    TARN_TRY(url, Url::parse(prefix));
    std::string key = url.key;
    if (!key.empty() && key.back() != '/') key += '/';
    const std::string bucket = std::string(kArn) + url.bucket, objects = bucket + "/" + plain(key);
    json::array actions{"s3:GetObject"};
    if (writes)
      for (const char* a : {"s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"}) actions.emplace_back(a);
    statements.push_back(json::object{{"Effect", "Allow"}, {"Action", std::move(actions)}, {"Resource", objects + "*"}});
    json::object list{{"Effect", "Allow"}, {"Action", "s3:ListBucket"}, {"Resource", bucket}};
    if (!key.empty()) list["Condition"] = json::object{{"StringLike", json::object{{"s3:prefix", plain(key) + "*"}}}};
    statements.push_back(std::move(list));
    statements.push_back(json::object{{"Effect", "Allow"}, {"Action", "s3:GetBucketLocation"}, {"Resource", bucket}});
    if (!writes) continue;
    statements.push_back(json::object{{"Effect", "Deny"},
                                      {"Action", "s3:PutObject"},
                                      {"Resource", objects + "*" + std::string(kCommits)},
                                      {"Condition", json::object{{"Null", json::object{{"s3:if-none-match", "true"}}}}}});
    statements.push_back(json::object{{"Effect", "Deny"}, {"Action", "s3:DeleteObject"}, {"Resource", objects + "*" + std::string(kCommits)}});
  }
  auto text = boost::json::serialize(json::object{{"Version", "2012-10-17"}, {"Statement", std::move(statements)}});
  if (text.size() > 2048) return fail(Error{Errc::too_large, "the session policy of these prefixes is longer than a token service takes"});
  return text;
}

Result<Scope> scope_of_policy(std::string_view policy) {
  const auto document = json::parse(policy);
  if (!document || !document->is_object()) return fail(invalid("The policy is not a JSON object."));
  const auto* given = document->get_object().if_contains("Statement");
  json::array statements;
  if (given && given->is_array()) statements = given->get_array();
  if (given && given->is_object()) statements.push_back(*given);
  if (statements.empty()) return fail(invalid("The policy has no Statement."));
  std::set<std::string> readable, writable;
  for (const auto& s : statements) {
    if (!s.is_object()) return fail(invalid("A Statement is not an object."));
    const auto& o = s.get_object();
    for (const auto& member : o) {
      const std::string_view name = member.key();
      if (name != "Effect" && name != "Action" && name != "Resource" && name != "Condition" && name != "Sid")
        return fail(invalid(fmt::format("The element {} is not supported here.", name)));
    }
    const auto actions = texts(o, "Action"), resources = texts(o, "Resource");
    if (!actions || !resources || actions->empty() || resources->empty()) return fail(invalid("Action and Resource must be texts or lists of them."));
    const auto* effect = o.if_contains("Effect");
    if (effect && *effect == "Deny") {
      // What every session here is denied anyway may be said again.
      for (const auto& r : *resources)
        if (!r.ends_with(kCommits)) return fail(invalid("A Deny is not supported here: allow less."));
      for (const auto& a : *actions)
        if (a != "s3:PutObject" && a != "s3:DeleteObject") return fail(invalid("A Deny of " + a + " is not supported here."));
      if (std::ranges::find(*actions, "s3:DeleteObject") != actions->end() && o.contains("Condition"))
        return fail(invalid("A Deny under a condition is not supported here."));
      continue;
    }
    if (!effect || *effect != "Allow") return fail(invalid("Effect must be Allow or Deny."));
    bool reads = false, writes = false, of_objects = false;
    for (const auto& a : *actions) {
      if (a == "s3:GetObject")
        reads = of_objects = true;
      else if (a == "s3:PutObject")
        writes = of_objects = true;
      else if (a == "s3:DeleteObject" || a == "s3:AbortMultipartUpload" || a == "s3:ListMultipartUploadParts")
        of_objects = true;  // come with PutObject here, never alone
      else if (a != "s3:ListBucket" && a != "s3:GetBucketLocation" && a != "s3:ListBucketMultipartUploads")
        return fail(invalid("The action " + a + " is not supported here."));
    }
    if (!of_objects) continue;  // listings go with the objects that may be read
    if (o.contains("Condition")) return fail(invalid("A condition on objects is not supported here."));
    for (const auto& r : *resources) {
      if (!r.starts_with(kArn)) return fail(invalid("The resource " + r + " is none of S3's."));
      const auto path = r.substr(kArn.size());
      if (path.find('/') == std::string::npos) continue;  // the bucket beside its objects
      const bool below = path.ends_with("/*");
      const auto exact = unpatterned(below ? std::string_view(path).substr(0, path.size() - 1) : std::string_view(path));
      if (!exact) return fail(invalid("The resource " + r + " must be one object, or a prefix that ends in /*."));
      const auto url = "s3://" + *exact;
      if (auto parsed = Url::parse(url); !parsed) return fail(invalid(parsed.error().message));
      if (reads) readable.insert(url);
      if (writes) writable.insert(url);
    }
  }
  if (!std::ranges::includes(readable, writable)) return fail(invalid("What may be written must be readable too."));
  if (!writable.empty() && writable != readable) return fail(invalid("All prefixes of one session have the same access here."));
  if (readable.empty()) return fail(invalid("The policy allows no objects."));
  return Scope{.prefixes = {readable.begin(), readable.end()}, .access = writable.empty() ? Access::read : Access::read_write};
}

StsClient::StsClient(Options options, const Clock& clock) : options_(std::move(options)), clock_(clock), http_(options_.ca_file, 30) {}

Result<Credentials> StsClient::assume(const Role& role, const Scope& scope, Millis lifetime) {
  TARN_TRY(policy, session_policy(scope));
  TARN_TRY(who, options_.keys());
  const auto seconds = std::clamp(lifetime, kShortest, kLongest) / 1000;
  std::vector<std::pair<std::string, std::string>> fields{{"Action", "AssumeRole"},
                                                          {"Version", "2011-06-15"},
                                                          {"RoleArn", role.arn},
                                                          {"RoleSessionName", session_name(scope.principal)},
                                                          {"DurationSeconds", std::to_string(seconds)},
                                                          {"Policy", policy}};
  if (!role.external_id.empty()) fields.emplace_back("ExternalId", role.external_id);
  const auto body = form(fields);
  std::map<std::string, std::string> headers{{"content-type", "application/x-www-form-urlencoded; charset=utf-8"}};
  sigv4::sign_headers({"POST", "/", "", &headers}, {who.access_key_id, who.secret_access_key, who.session_token, options_.region, "sts"},
                      host_of(options_.endpoint), crypto::to_hex(crypto::sha256(body)), clock_.now(), headers);
  TARN_TRY(reply, http_.send({.method = "POST", .url = options_.endpoint + "/", .headers = std::move(headers), .body = body}));
  if (reply.status != 200) {
    std::string code, message;
    if (const auto xml = s3::parse_xml(reply.body, "ErrorResponse"))
      for (const auto& c : xml->children)
        if (c.name == "Error") code = c.child("Code"), message = c.child("Message");
    const bool away = reply.status >= 500 || reply.status == 429;
    return fail(Error{
        away                                            ? Errc::unavailable
        : reply.status == 403 || code == "AccessDenied" ? Errc::denied
                                                        : Errc::invalid_request,
        fmt::format("AssumeRole of '{}' at {}: {} {}{}", role.arn, options_.endpoint, reply.status, code, message.empty() ? "" : ": " + message)});
  }
  const auto xml = s3::parse_xml(reply.body, "AssumeRoleResponse");
  Credentials out;
  if (xml) {
    for (const auto& result : xml->children)
      for (const auto& c : result.children)
        if (c.name == "Credentials") {
          out = {c.child("AccessKeyId"), c.child("SecretAccessKey"), c.child("SessionToken"), 0};
          std::string expiry;
          for (const char x : c.child("Expiration").substr(0, 19))
            if (x != '-' && x != ':') expiry += x;
          out.expires_at = sigv4::from_timestamp(expiry + "Z").value_or(clock_.now() + seconds * 1000);
        }
  }
  if (out.access_key_id.empty() || out.secret_access_key.empty() || out.session_token.empty())
    return fail(Error{Errc::unavailable, "AssumeRole at " + options_.endpoint + " answered without credentials"});
  return out;
}

}  // namespace tarn::objects
