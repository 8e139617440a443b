#include "review/http.h"

#include <curl/curl.h>

#include <memory>

namespace tarn::review {
namespace {

struct Sink {
  HttpAnswer answer;
  std::size_t most = 0;
  bool too_much = false;
};

size_t on_body(char* data, size_t size, size_t count, void* out) {
  auto& sink = *static_cast<Sink*>(out);
  if (sink.answer.body.size() + size * count > sink.most) {
    sink.too_much = true;
    return 0;
  }
  sink.answer.body.append(data, size * count);
  return size * count;
}

size_t on_header(char* data, size_t size, size_t count, void* out) {
  std::string_view line(data, size * count);
  auto& headers = static_cast<Sink*>(out)->answer.headers;
  if (line.starts_with("HTTP/")) headers.clear();  // of a proxy's CONNECT, or an interim answer
  if (const auto colon = line.find(':'); colon != line.npos) {
    std::string name(line.substr(0, colon));
    for (char& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    auto value = line.substr(colon + 1);
    while (!value.empty() && std::isspace(static_cast<unsigned char>(value.front()))) value.remove_prefix(1);
    while (!value.empty() && std::isspace(static_cast<unsigned char>(value.back()))) value.remove_suffix(1);
    headers[name] = std::string(value);
  }
  return size * count;
}

}  // namespace

Expected<HttpAnswer, std::string> http(const HttpCall& call) {
  static std::once_flag once;
  std::call_once(once, [] { curl_global_init(CURL_GLOBAL_DEFAULT); });
  std::unique_ptr<CURL, void (*)(CURL*)> handle(curl_easy_init(), &curl_easy_cleanup);
  CURL* c = handle.get();
  Sink sink{.most = call.most_bytes};
  std::unique_ptr<curl_slist, void (*)(curl_slist*)> list(nullptr, &curl_slist_free_all);
  for (const auto& h : call.headers) list.reset(curl_slist_append(list.release(), h.c_str()));
  char problem[CURL_ERROR_SIZE] = "";
  curl_easy_setopt(c, CURLOPT_URL, call.url.c_str());
  curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST, call.method.c_str());
  curl_easy_setopt(c, CURLOPT_HTTPHEADER, list.get());
  curl_easy_setopt(c, CURLOPT_ERRORBUFFER, problem);
  curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS, 10'000L);
  curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, call.seconds * 1000L);
  curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 0L);
  curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, &on_body);
  curl_easy_setopt(c, CURLOPT_WRITEDATA, &sink);
  curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, &on_header);
  curl_easy_setopt(c, CURLOPT_HEADERDATA, &sink);
  if (call.method == "HEAD") curl_easy_setopt(c, CURLOPT_NOBODY, 1L);
  if (!call.basic.empty()) {
    curl_easy_setopt(c, CURLOPT_HTTPAUTH, CURLAUTH_BASIC);
    curl_easy_setopt(c, CURLOPT_USERPWD, call.basic.c_str());
  }
  if (call.body) {
    curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(call.body->size()));
    curl_easy_setopt(c, CURLOPT_POSTFIELDS, call.body->data());
  }
  if (call.proxy) {
    curl_easy_setopt(c, CURLOPT_PROXY, call.proxy->c_str());
    curl_easy_setopt(c, CURLOPT_NOPROXY, "");
  }
  if (!call.unix_socket.empty()) {
    curl_easy_setopt(c, CURLOPT_UNIX_SOCKET_PATH, call.unix_socket.c_str());
    curl_easy_setopt(c, CURLOPT_PROXY, "");
  }
  if (!call.ca_file.empty()) curl_easy_setopt(c, CURLOPT_CAINFO, call.ca_file.c_str());
  const CURLcode rc = curl_easy_perform(c);
  if (sink.too_much) return fail(fmt::format("The answer of {} is larger than {} bytes", call.url.substr(0, call.url.find('?')), call.most_bytes));
  if (rc != CURLE_OK) return fail("No answer from " + call.url.substr(0, call.url.find('?')) + ": " + (*problem ? problem : curl_easy_strerror(rc)));
  long status = 0;
  curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &status);
  sink.answer.status = static_cast<int>(status);
  return std::move(sink.answer);
}

}  // namespace tarn::review
