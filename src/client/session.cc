#include "client/session.h"

#include <curl/curl.h>

#include <ctime>
#include <fstream>
#include <sstream>
#include <thread>

#include "base/clock.h"
#include "base/json_read.h"

namespace tarn::client {
namespace {

std::string env(const char* name) {
  const char* v = std::getenv(name);
  return v ? v : "";
}

}  // namespace

std::string ApiError::text() const { return error_code.empty() ? message : error_code + ": " + message; }

struct Session::Http {
  CURL* handle = curl_easy_init();
  ~Http() { curl_easy_cleanup(handle); }

  struct Answer {
    long status = 0;
    std::string body;
    int retry_after = 0;
  };

  static size_t on_body(char* data, size_t size, size_t count, void* out) {
    static_cast<std::string*>(out)->append(data, size * count);
    return size * count;
  }
  static size_t on_header(char* data, size_t size, size_t count, void* out) {
    const std::string_view line(data, size * count);
    constexpr std::string_view name = "retry-after:";
    if (line.size() > name.size() && strncasecmp(line.data(), name.data(), name.size()) == 0)
      static_cast<Answer*>(out)->retry_after = std::atoi(std::string(line.substr(name.size())).c_str());
    return size * count;
  }

  Result<Answer> send(const Target& t, std::string_view method, const std::string& url, const std::vector<std::string>& headers,
                      const std::optional<std::string>& body, const std::string& basic = {}) {
    Answer answer;
    curl_easy_reset(handle);
    curl_slist* list = nullptr;
    for (const auto& h : headers) list = curl_slist_append(list, h.c_str());
    const std::string verb(method);
    char problem[CURL_ERROR_SIZE] = "";
    curl_easy_setopt(handle, CURLOPT_URL, url.c_str());
    curl_easy_setopt(handle, CURLOPT_CUSTOMREQUEST, verb.c_str());
    curl_easy_setopt(handle, CURLOPT_HTTPHEADER, list);
    curl_easy_setopt(handle, CURLOPT_ERRORBUFFER, problem);
    curl_easy_setopt(handle, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(handle, CURLOPT_CONNECTTIMEOUT_MS, 10'000L);
    curl_easy_setopt(handle, CURLOPT_TIMEOUT_MS, 120'000L);
    curl_easy_setopt(handle, CURLOPT_WRITEFUNCTION, &on_body);
    curl_easy_setopt(handle, CURLOPT_WRITEDATA, &answer.body);
    curl_easy_setopt(handle, CURLOPT_HEADERFUNCTION, &on_header);
    curl_easy_setopt(handle, CURLOPT_HEADERDATA, &answer);
    if (!basic.empty()) {
      curl_easy_setopt(handle, CURLOPT_HTTPAUTH, CURLAUTH_BASIC);
      curl_easy_setopt(handle, CURLOPT_USERPWD, basic.c_str());
    }
    if (body) {
      curl_easy_setopt(handle, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(body->size()));
      curl_easy_setopt(handle, CURLOPT_POSTFIELDS, body->data());
    }
    if (!t.proxy_url.empty()) {
      curl_easy_setopt(handle, CURLOPT_PROXY, t.proxy_url.c_str());
      curl_easy_setopt(handle, CURLOPT_NOPROXY, "");
    }
    const std::string ca = t.ca_file.empty() ? env("SSL_CERT_FILE") : t.ca_file;
    if (!ca.empty()) curl_easy_setopt(handle, CURLOPT_CAINFO, ca.c_str());
    const CURLcode rc = curl_easy_perform(handle);
    curl_slist_free_all(list);
    if (rc != CURLE_OK)
      return fail(ApiError{0, "", "No answer from " + url.substr(0, url.find('?')) + ": " + (*problem ? problem : curl_easy_strerror(rc))});
    curl_easy_getinfo(handle, CURLINFO_RESPONSE_CODE, &answer.status);
    return answer;
  }
};

Session::Session(Target target) : target_(std::move(target)) {
  static std::once_flag once;
  std::call_once(once, [] { curl_global_init(CURL_GLOBAL_DEFAULT); });
  http_ = std::make_unique<Http>();
  while (target_.accounts_url.ends_with('/')) target_.accounts_url.pop_back();
}
Session::~Session() = default;
Session::Session(Session&&) noexcept = default;
Session& Session::operator=(Session&&) noexcept = default;

std::string Session::workspace_url(std::string_view deployment) const {
  const auto host = target_.accounts_url.find("://") + 3;
  const auto dot = target_.accounts_url.find('.', host);
  return target_.accounts_url.substr(0, host) + std::string(deployment) + target_.accounts_url.substr(dot);
}

Result<std::string> Session::bearer() {
  if (!target_.token.empty()) return target_.token;
  const auto now = SystemClock().now();
  if (!token_.empty() && now < token_ends_) return token_;
  const std::string url = target_.accounts_url + "/oidc/accounts/" + target_.account_id + "/v1/token";
  TARN_TRY(answer, http_->send(target_, "POST", url, {"Content-Type: application/x-www-form-urlencoded"},
                               "grant_type=client_credentials&scope=all-apis", target_.client_id + ":" + target_.client_secret));
  auto parsed = json::parse(answer.body);
  if (answer.status != 200 || !parsed || !parsed->is_object()) {
    std::string why = parsed && parsed->is_object() ? json::text_at(parsed->as_object(), "error_description") : "";
    if (why.empty() && parsed && parsed->is_object()) why = json::text_at(parsed->as_object(), "message");
    return fail(
        ApiError{static_cast<int>(answer.status), "UNAUTHENTICATED",
                 "No access token for client '" + target_.client_id + "': " + (why.empty() ? "status " + std::to_string(answer.status) : why)});
  }
  const auto& o = parsed->as_object();
  token_ = json::text_at(o, "access_token");
  const auto* lifetime = o.if_contains("expires_in");
  token_ends_ = now + (lifetime && lifetime->is_int64() ? lifetime->as_int64() : 300) * 1000 - 60'000;
  return token_;
}

Result<json::value> Session::call(const std::string& base, std::string_view method, std::string_view path, const std::optional<json::value>& body,
                                  bool account) {
  std::string full(path);
  if (account)
    if (const auto at = full.find("{account}"); at != full.npos) full.replace(at, 9, target_.account_id);
  for (int tries = 0;; ++tries) {
    TARN_TRY(token, bearer());
    const std::optional<std::string> text = body ? std::optional(boost::json::serialize(*body)) : std::nullopt;
    TARN_TRY(answer, http_->send(target_, method, base + full,
                                 {"Authorization: Bearer " + token, "Content-Type: application/json", "User-Agent: tarn-cli"}, text));
    if ((answer.status == 429 || answer.status == 503) && tries < 5) {
      std::this_thread::sleep_for(std::chrono::seconds(std::clamp(answer.retry_after, 1, 30)));
      continue;
    }
    if (answer.status == 204 || (answer.status < 300 && answer.body.empty())) return json::value(json::object{});
    auto parsed = json::parse(answer.body);
    if (answer.status < 300) {
      if (parsed) return *std::move(parsed);
      return fail(ApiError{static_cast<int>(answer.status), "", "The answer of " + base + full + " is not JSON"});
    }
    ApiError e{static_cast<int>(answer.status), "", ""};
    if (parsed && parsed->is_object()) {
      e.error_code = json::text_at(parsed->as_object(), "error_code");
      e.message = json::text_at(parsed->as_object(), "message");
      if (e.message.empty()) e.message = json::text_at(parsed->as_object(), "detail");
    }
    if (e.message.empty()) e.message = std::string(method) + " " + base + full + " answered " + std::to_string(answer.status);
    return fail(std::move(e));
  }
}

Result<json::value> Session::account(std::string_view method, std::string_view path, const std::optional<json::value>& body) {
  return call(target_.accounts_url, method, path, body, true);
}

Result<json::value> Session::workspace(std::string_view deployment, std::string_view method, std::string_view path,
                                       const std::optional<json::value>& body) {
  return call(workspace_url(deployment), method, path, body, false);
}

Result<std::string> Session::fetch(const std::string& url) {
  TARN_TRY(answer, http_->send(target_, "GET", url, {}, {}));
  if (answer.status != 200) return fail(ApiError{static_cast<int>(answer.status), "", "The result link answered " + std::to_string(answer.status)});
  return std::move(answer.body);
}

Result<Target> target_of_folder(const std::string& dir) {
  std::ifstream in(dir + "/run/server.json");
  std::stringstream text;
  text << in.rdbuf();
  auto parsed = json::parse(text.str());
  if (!in || !parsed || !parsed->is_object())
    return fail(ApiError{0, "", "No server runs on '" + dir + "': start one with  tarn serve --data " + dir});
  const auto& o = parsed->as_object();
  Target t{.accounts_url = json::text_at(o, "accounts_url"),
           .account_id = json::text_at(o, "account_id"),
           .proxy_url = json::text_at(o, "proxy_url"),
           .ca_file = json::text_at(o, "ca_cert")};
  if (const auto* admin = o.if_contains("admin"); admin && admin->is_object()) {
    t.client_id = json::text_at(admin->as_object(), "client_id");
    std::ifstream secret(json::text_at(admin->as_object(), "client_secret_file"));
    if (!std::getline(secret, t.client_secret))
      return fail(ApiError{0, "",
                           "Cannot read the automation principal's secret '" + json::text_at(admin->as_object(), "client_secret_file") +
                               "': only the folder's owner may"});
  }
  return t;
}

Result<Target> target_of_environment() {
  Target t{.accounts_url = env("DATABRICKS_HOST"),
           .account_id = env("DATABRICKS_ACCOUNT_ID"),
           .client_id = env("DATABRICKS_CLIENT_ID"),
           .client_secret = env("DATABRICKS_CLIENT_SECRET"),
           .token = env("DATABRICKS_TOKEN")};
  if (t.accounts_url.empty()) t.accounts_url = "https://accounts.cloud.databricks.com";
  if (t.accounts_url.find("://") == std::string::npos) t.accounts_url = "https://" + t.accounts_url;
  if (t.account_id.empty()) return fail(ApiError{0, "", "DATABRICKS_ACCOUNT_ID is not set (or give --data DIR of a running server)"});
  if (t.token.empty() && (t.client_id.empty() || t.client_secret.empty()))
    return fail(ApiError{0, "", "No credentials: set DATABRICKS_CLIENT_ID and DATABRICKS_CLIENT_SECRET, or DATABRICKS_TOKEN (or give --data DIR)"});
  return t;
}

}  // namespace tarn::client
