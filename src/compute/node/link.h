#pragma once
// Private to compute/node: the agent's connection to the relay. Dials out over TLS, proves who it is, and carries bytes between the relay and the
// interpreter's driver, which gets one end of a socket pair and never sees the network, the token or the lease. What the agent itself says
// (what the instance uses) goes between two lines of the driver's. One thread; no call waits longer than its deadline.
#include <chrono>
#include <memory>
#include <string>

#include "compute/tls_stream.h"

namespace tarn::compute::node {

struct Dial {
  std::string relay, relay_name, authority;  // HOST:PORT, the name in its certificate, who signed it (PEM)
  std::string instance_id, token, lease;
};

enum class Answer { welcome, refused, nobody };  // nobody: not reached, or not the relay: worth another try

class Link {
 public:
  explicit Link(Dial dial);
  ~Link();
  Link(const Link&) = delete;

  /// Ends what there was and dials once; `stopped` is asked while it waits. why() says what failed.
  Answer dial(std::chrono::milliseconds patience, bool (*stopped)());
  /// The driver's end of a fresh connection; the caller closes its copy. Negative if the system has none.
  int driver_end();
  bool connected() const { return stream_ != nullptr; }
  const std::string& why() const { return why_; }

  /// Descriptors to poll and the events, at most two.
  struct Watched {
    int fd;
    short events;
  };
  std::vector<Watched> watched() const;
  /// Moves what can be moved without waiting. False: the connection ended.
  bool carry();
  /// Sends a line of the agent's own; dropped while the driver is in the middle of one.
  void say(const std::string& line);
  void end();

 private:
  const Dial how_;
  TlsContext context_;
  std::unique_ptr<TlsStream> stream_;
  int local_ = -1;
  std::string to_relay_, to_driver_, why_;
  bool between_lines_ = true;
};

}  // namespace tarn::compute::node
