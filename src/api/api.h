#pragma once
// The contract between a room's routes and the gateway: requests, replies, errors on the wire, and the declared route table.
// Rooms' services know nothing of this; a room's routes.cc decodes, calls one method, encodes. Only WireError::body() spells
// the vendor's error shape ({"error_code", "message", "details"}; REST API reference, "Errors").
#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "access/caller.h"
#include "base/json.h"
#include "base/result.h"

namespace tarn::api {

enum class Method { GET, POST, PUT, PATCH, DELETE, HEAD };
BOOST_DESCRIBE_ENUM(Method, GET, POST, PUT, PATCH, DELETE, HEAD)

/// Which hosts a route answers on: accounts.<domain>, <deployment>.<domain>, or both.
enum class Surface { account, workspace, both };

/// The least a caller must be; checked by the router before the handler runs. Finer rights are the room's.
enum class Auth {
  open,             // no credential (discovery documents, token endpoints, health)
  authenticated,    // a live principal of the account; on a workspace host, one that is assigned to the workspace (or account admin)
  workspace_admin,  // 403 PERMISSION_DENIED otherwise
  account_admin     // 403 "This API is disabled for users without account admin status."
};

/// A refusal as the wire shows it.
struct WireError {
  int status = 500;
  std::string error_code;  // RESOURCE_DOES_NOT_EXIST, PERMISSION_DENIED, …
  std::string message;
  json::array details{};                                       // google.rpc style entries with "@type"
  std::vector<std::pair<std::string, std::string>> headers{};  // Retry-After, WWW-Authenticate
  std::string body() const;
};

// The common ones; `what` as the vendor words it.
WireError bad_request(std::string message);      // 400 INVALID_PARAMETER_VALUE
WireError malformed(std::string message);        // 400 MALFORMED_REQUEST
WireError unauthenticated(std::string message);  // 401 UNAUTHENTICATED
WireError forbidden(std::string message);        // 403 PERMISSION_DENIED
WireError not_found(std::string message);        // 404 RESOURCE_DOES_NOT_EXIST
WireError already_exists(std::string message);   // 409 RESOURCE_ALREADY_EXISTS
WireError not_enabled(std::string feature);      // 404 FEATURE_DISABLED: what is out of scope

/// Part of a local file as a reply body (objects, result chunks): sent without being read into memory.
struct FileSlice {
  std::string path;
  std::uint64_t offset = 0, length = 0;
};

struct Reply {
  int status = 200;
  std::string body;
  std::string content_type = "application/json";
  std::vector<std::pair<std::string, std::string>> headers{};
  std::optional<FileSlice> file{};  // instead of body
};

using Result = Expected<Reply, WireError>;

/// One parsed request. Header names are lower case; query values are percent-decoded; `path` is decoded per segment.
struct Request {
  Method method = Method::GET;
  std::string host;  // as sent, lower case, without port
  std::string path;  // without query, still percent-encoded
  std::string raw_query;
  std::map<std::string, std::string> captures;  // {name} parts of the pattern, decoded
  std::multimap<std::string, std::string> query;
  std::map<std::string, std::string> headers;
  std::string body;
  std::string body_file;  // spooled body (storage uploads) instead of `body`; the gateway deletes it afterwards
  bool secure = true;     // came over TLS: what the links in discovery documents are made of
  Surface surface = Surface::account;
  std::string account_id;   // of this server
  access::Context context;  // caller, workspace, request id
  std::chrono::steady_clock::time_point deadline = std::chrono::steady_clock::time_point::max();

  const access::Caller& caller() const { return context.caller; }
  std::string capture(const std::string& name) const {
    auto i = captures.find(name);
    return i == captures.end() ? "" : i->second;
  }
  std::optional<std::string> param(const std::string& name) const {
    auto i = query.find(name);
    return i == query.end() ? std::nullopt : std::optional(i->second);
  }
  std::string header(const std::string& name) const {
    auto i = headers.find(name);
    return i == headers.end() ? "" : i->second;
  }
};

/// Decodes the body into a described struct; 400 with the field's name otherwise. An empty body decodes as {}.
template <class T>
Expected<T, WireError> body_of(const Request& r, json::Options options = {});

/// A whole number from a path capture or query parameter; 400 naming it otherwise.
Expected<std::int64_t, WireError> integer(std::string_view name, std::string_view text);

/// Encodes any described struct or json::value as a 200 reply.
template <class T>
Reply ok(const T& body, int status = 200) {
  return Reply{.status = status, .body = json::encode_text(body)};
}
inline Reply ok() { return Reply{.body = "{}"}; }

using Handler = std::function<Result(const Request&)>;                               // runs on a worker thread; may block briefly
using AsyncHandler = std::function<boost::asio::awaitable<Result>(const Request&)>;  // runs on an I/O thread; must never block

/// One row of the declared table: the source of docs/compatibility and of the routes x principals test.
struct Route {
  Method method = Method::GET;
  std::string pattern;  // /api/2.1/unity-catalog/tables/{full_name}; a last segment {rest*} takes the remaining path with its slashes
  Surface surface = Surface::workspace;
  Auth auth = Auth::authenticated;
  std::string group;  // API group in the compatibility table: "catalogs", "workspaces", …
  std::variant<Handler, AsyncHandler> handler;
  bool inline_ok = false;  // a sync handler that only touches caches: may run on the I/O thread
  bool spooled = false;    // takes uploads of any size: a large body comes as Request::body_file (a small one still as `body`)
};

/// The table. Rooms add rows at start-up; afterwards it is read-only and thread-safe.
class Router {
 public:
  /// Throws std::logic_error if an equal method, surface and pattern is already there: two rooms claim one route.
  void add(Route route);
  void add(std::vector<Route> routes) {
    for (auto& r : routes) add(std::move(r));
  }

  struct Match {
    const Route* route = nullptr;
    std::map<std::string, std::string> captures;
    bool path_known = false;  // the path exists under another method (405) or surface
  };
  /// Literal segments win over captures; a trailing slash is ignored. `path` is percent-encoded; captures come decoded, and a
  /// segment that decodes to "", ".", ".." or holds NUL never matches.
  Match match(Method method, Surface surface, std::string_view path) const;
  const std::vector<std::unique_ptr<Route>>& routes() const { return routes_; }

 private:
  struct Node;
  std::vector<std::unique_ptr<Route>> routes_;
  std::shared_ptr<Node> root_;
};

/// Checks `auth` against the caller that the gateway authenticated (nullopt: no credential was sent).
std::optional<WireError> authorise(Auth auth, const std::optional<access::Caller>& caller);

/// Percent-decodes; nothing for a broken escape.
std::optional<std::string> percent_decode(std::string_view text, bool plus_is_space = false);
std::string percent_encode(std::string_view text, bool keep_slash = false);

/// Reads `name=value&…` (a query string, or a form body).
std::multimap<std::string, std::string> parse_query(std::string_view text);

/// A page token: opaque to clients, refuses a token made for another listing.
std::string page_token(std::string_view listing, std::string_view after);
Expected<std::string, WireError> page_after(std::string_view listing, const std::optional<std::string>& token);

template <class T>
Expected<T, WireError> body_of(const Request& r, json::Options options) {
  auto out = json::decode_text<T>(r.body.empty() ? std::string_view("{}") : std::string_view(r.body), options);
  if (!out) return fail(out.error().field.empty() ? malformed(out.error().message()) : bad_request(out.error().message()));
  return *std::move(out);
}

}  // namespace tarn::api
