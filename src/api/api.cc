#include <charconv>

#include "api/answers.h"
#include "base/crypto.h"

namespace tarn::api {

std::string WireError::body() const {
  json::object o{{"error_code", error_code}, {"message", message}};
  if (!details.empty()) o["details"] = details;
  return boost::json::serialize(o);
}

WireError bad_request(std::string m) { return {400, "INVALID_PARAMETER_VALUE", std::move(m)}; }
WireError malformed(std::string m) { return {400, "MALFORMED_REQUEST", std::move(m)}; }
WireError unauthenticated(std::string m) { return {401, "UNAUTHENTICATED", std::move(m)}; }
WireError forbidden(std::string m) { return {403, "PERMISSION_DENIED", std::move(m)}; }
WireError not_found(std::string m) { return {404, "RESOURCE_DOES_NOT_EXIST", std::move(m)}; }
WireError already_exists(std::string m) { return {409, "RESOURCE_ALREADY_EXISTS", std::move(m)}; }
WireError not_enabled(std::string feature) { return {404, "FEATURE_DISABLED", feature + " is not enabled in this account."}; }

Expected<std::int64_t, WireError> integer(std::string_view name, std::string_view text) {
  std::int64_t n = 0;
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), n);
  if (ec != std::errc() || end != text.data() + text.size() || text.empty())
    return fail(bad_request(fmt::format("Parameter '{}' must be a whole number, got '{}'", name, text)));
  return n;
}

std::optional<WireError> authorise(Auth auth, const std::optional<access::Caller>& caller) {
  if (auth == Auth::open) return std::nullopt;
  if (!caller) {
    auto e = unauthenticated("Credential was not sent or was of an unsupported type for this API.");
    e.headers.emplace_back("WWW-Authenticate", "Bearer realm=\"DatabricksRealm\"");
    return e;
  }
  if (auth == Auth::account_admin && !caller->account_admin) return forbidden("This API is disabled for users without account admin status.");
  if (auth == Auth::workspace_admin && !caller->workspace_admin) return forbidden("Only workspace administrators can perform this operation.");
  return std::nullopt;
}

std::optional<std::string> percent_decode(std::string_view text, bool plus_is_space) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%') {
      if (i + 2 >= text.size()) return std::nullopt;
      const auto byte = crypto::from_hex(text.substr(i + 1, 2));
      if (!byte) return std::nullopt;
      out += *byte;
      i += 2;
    } else {
      out += plus_is_space && text[i] == '+' ? ' ' : text[i];
    }
  }
  return out;
}

std::string percent_encode(std::string_view text, bool keep_slash) {
  std::string out;
  for (unsigned char c : text) {
    if (std::isalnum(c) || c == '-' || c == '_' || c == '.' || c == '~' || (keep_slash && c == '/'))
      out += static_cast<char>(c);
    else
      out += fmt::format("%{:02X}", c);
  }
  return out;
}

std::multimap<std::string, std::string> parse_query(std::string_view text) {
  std::multimap<std::string, std::string> out;
  while (!text.empty()) {
    const auto amp = text.find('&');
    const auto pair = text.substr(0, amp);
    text = amp == std::string_view::npos ? std::string_view() : text.substr(amp + 1);
    if (pair.empty()) continue;
    const auto eq = pair.find('=');
    const auto name = percent_decode(pair.substr(0, eq), true);
    const auto value = eq == std::string_view::npos ? std::optional<std::string>("") : percent_decode(pair.substr(eq + 1), true);
    if (name && value) out.emplace(*name, *value);
  }
  return out;
}

std::string page_token(std::string_view listing, std::string_view after) {
  std::string raw = crypto::sha256(listing).substr(0, 6);
  raw += after;
  return crypto::base64url(raw);
}

Expected<std::string, WireError> page_after(std::string_view listing, const std::optional<std::string>& token) {
  if (!token || token->empty()) return std::string();
  std::string padded = *token;
  for (char& c : padded) c = c == '-' ? '+' : c == '_' ? '/' : c;
  while (padded.size() % 4) padded += '=';
  const auto raw = crypto::from_base64(padded);
  if (!raw || raw->substr(0, 6) != crypto::sha256(listing).substr(0, 6))
    return fail(bad_request("Invalid page token: '" + *token + "' was not returned by this listing"));
  return raw->substr(6);
}

Expected<void, WireError> this_account(const Request& r) {
  if (!r.captures.contains("account_id") || r.capture("account_id") == r.account_id) return {};
  return fail(not_found("Account " + r.capture("account_id") + " could not be found"));
}

Route account_row(Method method, const std::string& path, std::string group, Handler handler, const std::string& version) {
  auto checked = [handler = std::move(handler)](const Request& r) -> Result {
    TARN_CHECK(this_account(r));
    return handler(r);
  };
  return {.method = method,
          .pattern = "/api/" + version + "/accounts/{account_id}" + path,
          .surface = Surface::account,
          .auth = Auth::account_admin,
          .group = std::move(group),
          .handler = Handler(std::move(checked))};
}

}  // namespace tarn::api
