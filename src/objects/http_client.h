#pragma once
// One HTTP request over libcurl on a kept connection, for the services that a remote store is made of (S3, STS). Private to this room.
// Thread-safe; methods block.
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "objects/object_store.h"

namespace tarn::objects {

/// Long-lived or temporary keys of whoever speaks to a service; the token may be empty.
struct AccessKeys {
  std::string access_key_id, secret_access_key, session_token;
};

struct HttpRequest {
  std::string method, url;
  std::map<std::string, std::string> headers;  // as sent, signed ones included
  std::string_view body;
};

struct HttpReply {
  long status = 0;
  std::string body;
  std::map<std::string, std::string> headers;  // lower case
  std::string header(const std::string& name) const {
    const auto i = headers.find(name);
    return i == headers.end() ? "" : i->second;
  }
};

class HttpClient {
 public:
  /// `ca_file`: instead of the system's authorities. `timeout_s`: without progress.
  explicit HttpClient(std::string ca_file, std::int64_t timeout_s = 60) : ca_file_(std::move(ca_file)), timeout_s_(timeout_s) {}
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  /// Any reply, whatever its status. Error: unavailable (no reply).
  Result<HttpReply> send(const HttpRequest& request);

 private:
  void* take_handle();
  void give_back(void* handle);

  const std::string ca_file_;
  const std::int64_t timeout_s_;
  std::mutex mutex_;
  std::vector<void*> handles_;  // idle CURL handles, each with its connection
};

/// https://host:port of a configured endpoint, without a closing slash; and its host with port, as the Host header has it.
std::string host_of(const std::string& endpoint);

}  // namespace tarn::objects
