#include "objects/s3_sts.h"

#include <algorithm>
#include <charconv>

#include "base/crypto.h"
#include "objects/keys.h"
#include "objects/sts.h"

namespace tarn::objects::s3 {
namespace {

constexpr std::string_view kNamespace = "https://sts.amazonaws.com/doc/2011-06-15/";

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) out += c == '&' ? "&amp;" : c == '<' ? "&lt;" : c == '>' ? "&gt;" : std::string(1, c);
  return out;
}

std::map<std::string, std::string> form(std::string text) {
  std::ranges::replace(text, '+', ' ');
  std::map<std::string, std::string> out;
  for (auto& [k, v] : sigv4::query_pairs(text)) out.emplace(k, v);
  return out;
}

/// Whether everything below `prefix` is within the session's own grants.
bool within(const Session& session, const std::string& prefix) {
  const auto wanted = Url::parse(prefix);
  if (!wanted) return false;
  return std::ranges::any_of(session.prefixes, [&](const std::string& p) {
    const auto grant = Url::parse(p);
    if (!grant) return false;
    return wanted->key.empty() || wanted->key.back() == '/' ? covers_listing(*grant, wanted->bucket, wanted->key)
                                                            : covers(*grant, wanted->bucket, wanted->key);
  });
}

Result<std::string> assume_role(const std::map<std::string, std::string>& fields, const Session& session, SessionCredentials& credentials, Millis now,
                                const std::string& request_id) {
  const auto field = [&](const char* name) {
    const auto i = fields.find(name);
    return i == fields.end() ? std::string() : i->second;
  };
  for (const auto& [name, value] : fields)
    if (name != "Action" && name != "Version" && name != "RoleArn" && name != "RoleSessionName" && name != "DurationSeconds" && name != "Policy" &&
        name != "ExternalId")
      return fail(Error{400, "ValidationError", "The parameter " + name + " is not supported here."});
  const auto arn = field("RoleArn"), name = field("RoleSessionName");
  if (arn.size() < 20) return fail(Error{400, "ValidationError", "RoleArn must be the ARN of a role."});
  if (name.size() < 2 || name.size() > 64) return fail(Error{400, "ValidationError", "RoleSessionName must have 2 to 64 characters."});
  std::int64_t seconds = 3600;
  if (const auto text = field("DurationSeconds"); !text.empty()) {
    const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), seconds);
    if (ec != std::errc() || end != text.data() + text.size() || seconds < 900 || seconds > 43'200)
      return fail(Error{400, "ValidationError", "DurationSeconds must be 900 to 43200, got '" + text + "'."});
  }
  Scope scope{.prefixes = session.prefixes, .access = session.access, .principal = session.principal};
  if (const auto policy = field("Policy"); !policy.empty()) {
    if (policy.size() > 2048) return fail(Error{400, "PackedPolicyTooLarge", "The session policy is longer than 2048 characters."});
    auto asked = scope_of_policy(policy);
    if (!asked) return fail(Error{400, "MalformedPolicyDocument", asked.error().message});
    // A session policy only narrows: what the caller does not hold is not in the result.
    std::erase_if(asked->prefixes, [&](const std::string& p) { return !within(session, p); });
    if (asked->prefixes.empty())
      return fail(Error{403, "AccessDenied",
                        fmt::format("User: {} is not authorized to perform: sts:AssumeRole on what the session policy names", session.principal)});
    scope.prefixes = asked->prefixes;
    if (session.access == Access::read) asked->access = Access::read;
    scope.access = asked->access;
  }
  scope.principal = session.principal + "/" + name;
  TARN_TRY(c, lifted(credentials.vend(scope, std::min<Millis>(seconds * 1000, session.expires_at - now))));
  const auto slash = arn.rfind('/');
  const auto text = sigv4::to_timestamp(c.expires_at);
  const auto expires = fmt::format("{}-{}-{}T{}:{}:{}Z", text.substr(0, 4), text.substr(4, 2), text.substr(6, 2), text.substr(9, 2),
                                   text.substr(11, 2), text.substr(13, 2));
  return fmt::format(
      "<AssumeRoleResponse xmlns=\"{}\"><AssumeRoleResult><AssumedRoleUser><AssumedRoleId>{}:{}</AssumedRoleId><Arn>{}/{}</Arn></AssumedRoleUser>"
      "<Credentials><AccessKeyId>{}</AccessKeyId><SecretAccessKey>{}</SecretAccessKey><SessionToken>{}</SessionToken><Expiration>{}</Expiration>"
      "</Credentials></AssumeRoleResult><ResponseMetadata><RequestId>{}</RequestId></ResponseMetadata></AssumeRoleResponse>",
      kNamespace, c.access_key_id, escaped(name), escaped(slash == std::string::npos ? arn : arn.substr(0, slash)), escaped(name), c.access_key_id,
      escaped(c.secret_access_key), escaped(c.session_token), expires, request_id);
}

/// Who signs. The buckets here belong to no AWS account, so its number is all zeros.
std::string caller_identity(const Session& session, const std::string& request_id) {
  return fmt::format(
      "<GetCallerIdentityResponse "
      "xmlns=\"{}\"><GetCallerIdentityResult><Arn>arn:aws:sts::000000000000:assumed-role/tarn/{}</Arn><UserId>{}:{}</UserId>"
      "<Account>000000000000</Account></GetCallerIdentityResult><ResponseMetadata><RequestId>{}</RequestId></ResponseMetadata>"
      "</GetCallerIdentityResponse>",
      kNamespace, escaped(session.principal), escaped(session.access_key_id), escaped(session.principal), request_id);
}

}  // namespace

bool is_sts(const api::Request& r) {
  if (r.host.starts_with("sts.")) return true;
  return r.method == api::Method::POST && r.path == "/" && r.header("content-type").starts_with("application/x-www-form-urlencoded");
}

StsOutcome answer_sts(const api::Request& request, LocalObjects& objects, SessionCredentials& credentials, Millis now) {
  StsOutcome out;
  const auto run = [&]() -> Result<std::string> {
    if (request.method != api::Method::POST || !request.body_file.empty() || request.body.size() > 16'384)
      return fail(Error{400, "ValidationError", "This token service takes its query API by POST, at most 16 KiB."});
    Call c{.request = request, .objects = objects};
    c.region = credentials.region();
    TARN_CHECK(authenticate(c, credentials, now, "sts", crypto::to_hex(crypto::sha256(request.body))));
    out.principal = c.session.principal;
    const auto fields = form(request.body);
    const auto action = fields.contains("Action") ? fields.at("Action") : "";
    if (action == "GetCallerIdentity") return caller_identity(c.session, request.context.request_id);
    if (action != "AssumeRole")
      return fail(Error{400, "InvalidAction",
                        "The action " + action + " is not offered by this token service: it answers AssumeRole and GetCallerIdentity."});
    return assume_role(fields, c.session, credentials, now, request.context.request_id);
  };
  auto body = run();
  if (body) {
    out.reply = {.status = 200, .body = *std::move(body), .content_type = "text/xml"};
    return out;
  }
  const auto& e = body.error();
  out.error = e.code + ": " + e.message;
  out.reply = {.status = e.status,
               .body = fmt::format("<ErrorResponse xmlns=\"{}\"><Error><Type>Sender</Type><Code>{}</Code><Message>{}</Message></Error><RequestId>{}"
                                   "</RequestId></ErrorResponse>",
                                   kNamespace, e.code, escaped(e.message), request.context.request_id),
               .content_type = "text/xml"};
  return out;
}

}  // namespace tarn::objects::s3
