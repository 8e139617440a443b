#include "objects/http_client.h"

#include <curl/curl.h>

#include <algorithm>
#include <functional>
#include <memory>

namespace tarn::objects {
namespace {

std::size_t take_body(char* data, std::size_t, std::size_t n, void* to) {
  static_cast<std::string*>(to)->append(data, n);
  return n;
}

std::size_t take_header(char* data, std::size_t, std::size_t n, void* to) {
  const std::string_view line(data, n);
  const auto colon = line.find(':');
  if (colon == std::string_view::npos) return n;
  std::string name(line.substr(0, colon)), value(line.substr(colon + 1));
  std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  while (!value.empty() && std::isspace(static_cast<unsigned char>(value.back()))) value.pop_back();
  while (!value.empty() && value.front() == ' ') value.erase(0, 1);
  (*static_cast<std::map<std::string, std::string>*>(to))[name] = value;
  return n;
}

}  // namespace

HttpClient::~HttpClient() {
  for (void* h : handles_) ::curl_easy_cleanup(h);
}

void* HttpClient::take_handle() {
  {
    std::lock_guard lock(mutex_);
    if (!handles_.empty()) {
      void* h = handles_.back();
      handles_.pop_back();
      ::curl_easy_reset(h);  // keeps the connection
      return h;
    }
  }
  return ::curl_easy_init();
}

void HttpClient::give_back(void* handle) {
  std::lock_guard lock(mutex_);
  if (handles_.size() < 16)
    handles_.push_back(handle);
  else
    ::curl_easy_cleanup(handle);
}

Result<HttpReply> HttpClient::send(const HttpRequest& r) {
  HttpReply out;
  const std::unique_ptr<void, std::function<void(void*)>> handle(take_handle(), [this](void* h) { give_back(h); });
  CURL* c = handle.get();
  curl_slist* list = nullptr;
  for (const auto& [name, value] : r.headers) list = ::curl_slist_append(list, (name + ": " + value).c_str());
  list = ::curl_slist_append(list, "expect:");
  if (!r.headers.contains("content-type")) list = ::curl_slist_append(list, "content-type:");
  const std::unique_ptr<curl_slist, void (*)(curl_slist*)> owned(list, ::curl_slist_free_all);
  ::curl_easy_setopt(c, CURLOPT_URL, r.url.c_str());
  ::curl_easy_setopt(c, CURLOPT_PATH_AS_IS, 1L);
  ::curl_easy_setopt(c, CURLOPT_HTTPHEADER, list);
  ::curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
  ::curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT, 10L);
  ::curl_easy_setopt(c, CURLOPT_LOW_SPEED_LIMIT, 1L);
  ::curl_easy_setopt(c, CURLOPT_LOW_SPEED_TIME, static_cast<long>(timeout_s_));
  ::curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, take_header);
  ::curl_easy_setopt(c, CURLOPT_HEADERDATA, &out.headers);
  ::curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, take_body);
  ::curl_easy_setopt(c, CURLOPT_WRITEDATA, &out.body);
  if (!ca_file_.empty()) ::curl_easy_setopt(c, CURLOPT_CAINFO, ca_file_.c_str());
  if (r.method == "HEAD") ::curl_easy_setopt(c, CURLOPT_NOBODY, 1L);
  if (r.method == "PUT" || r.method == "POST") {
    ::curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(r.body.size()));
    ::curl_easy_setopt(c, CURLOPT_POSTFIELDS, r.body.empty() ? "" : r.body.data());
  }
  if (r.method != "HEAD") ::curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST, r.method.c_str());
  if (const auto rc = ::curl_easy_perform(c); rc != CURLE_OK)
    return fail(Error{Errc::unavailable, fmt::format("remote storage: {} {}: {}", r.method, r.url, ::curl_easy_strerror(rc))});
  ::curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &out.status);
  return out;
}

std::string host_of(const std::string& endpoint) {
  const auto scheme_end = endpoint.find("://");
  return scheme_end == std::string::npos ? endpoint : endpoint.substr(scheme_end + 3);
}

}  // namespace tarn::objects
