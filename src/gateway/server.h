#pragma once
// The HTTP(S) server: listeners, I/O threads, connections, drain. Owns its threads; construct, listen(), serve until drain().
// listen() and close() may be called at any time from any thread (a workspace gets its loopback port when it appears).
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "gateway/authority.h"
#include "gateway/dispatch.h"
#include "gateway/limits.h"

namespace tarn::gateway {

struct Options {
  Limits limits{};
  unsigned io_threads = 2;
  unsigned workers = 16;
  std::size_t queue = 1024;                  // requests waiting for a worker; beyond: 503
  std::string spool_dir;                     // where large uploads wait; emptied at start
  std::string access_log;                    // empty: none
  std::vector<std::string> allowed_hosts{};  // what the proxy may tunnel besides the platform's own names
  SSL_CTX* tls = nullptr;                    // of https listeners, instead of the authority's; taken over
};

enum class Protocol { http, https, proxy };

struct ListenSpec {
  Protocol protocol = Protocol::http;
  std::string address = "127.0.0.1";
  std::uint16_t port = 0;   // 0 picks one
  std::string unix_path{};  // instead of address and port: a socket with mode 0600, for this user and root only
  int listening_fd = -1;    // instead of all three: a TCP socket that listens already (made in another network namespace); taken over
  Fixed fixed{};
  const api::Router* control = nullptr;  // serves this table instead of the platform's, without credentials (owner-only sockets)
};

struct Listening {
  int id = 0;
  std::uint16_t port = 0;
};

class Server {
 public:
  /// `authority` may be null: then no https listener and no proxy. References in `services` and the authority must outlive the server.
  Server(Options options, Services services, Hosts hosts, Authority* authority);
  ~Server();  // drains without patience

  /// Binds and accepts at once. The error is a text for people (address in use, …).
  Expected<Listening, std::string> listen(const ListenSpec& spec);
  void close(int id);
  /// Lets the proxy connect to one more host (`*.name` for all below it) until the server ends.
  void allow(const std::string& host);
  /// An address for each of these hosts, by which a SOCKS client of the proxy names them: what it resolved them to. Of a range that is nobody's
  /// (RFC 2544). A host keeps its address for the server's life.
  std::map<std::string, std::string> stand_ins(const std::vector<std::string>& hosts);
  /// Stops accepting, lets requests in flight finish until the deadline, cuts what is left, joins. True if nothing was cut. Idempotent.
  bool drain(std::chrono::milliseconds patience);

  Metrics& metrics();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tarn::gateway
