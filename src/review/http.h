#pragma once
// One HTTP call, bounded in time and size, over libcurl: what forges and the credential proxy share. No redirects are followed, so that no
// credential travels to another host. Thread-safe: each call has a handle of its own.
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace tarn::review {

struct HttpCall {
  std::string method = "GET", url;
  std::vector<std::string> headers;  // "Name: value"
  std::optional<std::string> body;
  std::string basic;                 // user:password
  std::string ca_file;               // empty: the system's
  std::optional<std::string> proxy;  // none: the environment's; empty: no proxy
  std::string unix_socket;           // instead of the URL's host
  long seconds = 60;
  std::size_t most_bytes = 32u << 20;
};

struct HttpAnswer {
  int status = 0;
  std::map<std::string, std::string> headers;  // lower-case names; the last of several
  std::string body;
};

/// The error is a text that names the host and the cause, never the credential.
Expected<HttpAnswer, std::string> http(const HttpCall& call);

}  // namespace tarn::review
