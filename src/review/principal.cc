#include "review/principal.h"

#include "base/clock.h"
#include "base/json_read.h"
#include "client/session.h"

namespace tarn::review {

Expected<Target, std::string> Principal::target() {
  Target t;
  if (spec_.data) {
    const auto found = client::target_of_folder(*spec_.data);
    if (!found) return fail(found.error().text());
    t = {.host = found->accounts_url,
         .account_id = found->account_id,
         .client_id = found->client_id,
         .client_secret = found->client_secret,
         .proxy = found->proxy_url,
         .ca_file = found->ca_file,
         .local = true};
  } else {
    TARN_TRY(secret, read_secret(spec_.client_secret_file.value_or("")));
    t = {.host = spec_.host.value_or(""),
         .account_id = spec_.account_id.value_or(""),
         .client_id = spec_.client_id.value_or(""),
         .client_secret = secret,
         .proxy = spec_.proxy.value_or(""),
         .ca_file = spec_.ca_file.value_or("")};
  }
  while (t.host.ends_with('/')) t.host.pop_back();
  // The proxy answers for host names on 443, as commands of production use them; a Tarn's own port is behind its own proxy.
  const auto name = t.host.find("://") + 3;
  if (const auto port = t.host.find(':', name); port != t.host.npos) t.host.resize(port);
  const auto dot = t.host.find('.', name);
  t.domain = spec_.domain.value_or(dot == t.host.npos ? "" : t.host.substr(dot + 1));
  if (t.domain.empty()) return fail("'" + t.host + "' is not the address of an account (https://accounts.DOMAIN)");
  return t;
}

Expected<std::string, std::string> Principal::bearer() {
  TARN_TRY(t, target());
  std::lock_guard lock(mutex_);
  const auto now = SystemClock().now();
  const std::string at = t.host + t.proxy + t.account_id + t.client_id;
  if (!token_.empty() && token_host_ == at && now < token_ends_) return token_;
  HttpCall c{.method = "POST",
             .url = t.host + "/oidc/accounts/" + t.account_id + "/v1/token",
             .headers = {"Content-Type: application/x-www-form-urlencoded"},
             .body = "grant_type=client_credentials&scope=all-apis",
             .basic = t.client_id + ":" + t.client_secret,
             .ca_file = t.ca_file,
             .seconds = 30};
  if (!t.proxy.empty()) c.proxy = t.proxy;
  TARN_TRY(answer, http(c));
  const auto parsed = json::parse(answer.body);
  const std::string token = parsed ? json::text_at(*parsed, {"access_token"}) : "";
  if (answer.status != 200 || token.empty())
    return fail(fmt::format("No access token for the service principal '{}': the account answered {}", t.client_id, answer.status));
  const auto* lifetime = json::find(*parsed, {"expires_in"});
  token_ = token;
  token_host_ = at;
  token_ends_ = now + (lifetime && lifetime->is_int64() ? lifetime->as_int64() : 300) * 1000 - 60'000;
  return token_;
}

Expected<HttpAnswer, std::string> call_platform(Principal& principal, const std::string& method, const std::string& host,
                                                const std::string& path_and_query, const std::vector<std::string>& headers,
                                                const std::optional<std::string>& body) {
  TARN_TRY(t, principal.target());
  if (!t.local && !host.ends_with("." + t.domain))
    return fail("'" + host + "' is no host of " + t.domain + ": the principal's credential does not go there");
  TARN_TRY(token, principal.bearer());
  HttpCall c{.method = method, .url = "https://" + host + path_and_query, .headers = headers, .body = body, .ca_file = t.ca_file, .seconds = 110};
  c.headers.push_back("Authorization: Bearer " + token);
  if (!t.proxy.empty()) c.proxy = t.proxy;
  return http(c);
}

}  // namespace tarn::review
