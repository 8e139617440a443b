#include "cli/control.h"

#include <curl/curl.h>

#include <memory>

#include "base/json_read.h"

namespace tarn::cli {

client::Result<json::value> Control::call(std::string_view method, std::string_view path, const std::optional<json::value>& body) const {
  std::unique_ptr<CURL, void (*)(CURL*)> handle(curl_easy_init(), &curl_easy_cleanup);
  CURL* c = handle.get();
  const std::string socket = data_dir_ + "/run/control.sock", url = "http://control" + std::string(path), verb(method);
  const std::string text = body ? boost::json::serialize(*body) : "";
  std::string answer;
  curl_slist* headers = curl_slist_append(nullptr, "Content-Type: application/json");
  curl_easy_setopt(c, CURLOPT_UNIX_SOCKET_PATH, socket.c_str());
  curl_easy_setopt(c, CURLOPT_URL, url.c_str());
  curl_easy_setopt(c, CURLOPT_PROXY, "");
  curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST, verb.c_str());
  curl_easy_setopt(c, CURLOPT_HTTPHEADER, headers);
  curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, 600'000L);
  if (body) {
    curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(text.size()));
    curl_easy_setopt(c, CURLOPT_POSTFIELDS, text.data());
  }
  curl_easy_setopt(
      c, CURLOPT_WRITEFUNCTION, +[](char* data, size_t size, size_t count, void* out) {
        static_cast<std::string*>(out)->append(data, size * count);
        return size * count;
      });
  curl_easy_setopt(c, CURLOPT_WRITEDATA, &answer);
  const CURLcode rc = curl_easy_perform(c);
  curl_slist_free_all(headers);
  if (rc != CURLE_OK)
    return fail(
        client::ApiError{0, "", "No server runs on '" + data_dir_ + "' (or it is another user's): start one with  tarn serve --data " + data_dir_});
  long status = 0;
  curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &status);
  auto parsed = json::parse(answer);
  if (!parsed) return fail(client::ApiError{static_cast<int>(status), "", "The server's answer is not JSON"});
  if (status >= 300) {
    return fail(client::ApiError{static_cast<int>(status), json::text_at(*parsed, {"error_code"}), json::text_at(*parsed, {"message"})});
  }
  return *std::move(parsed);
}

}  // namespace tarn::cli
