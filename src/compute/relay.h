#pragma once
// The relay: where instances dial in, over TCP and TLS. Lines of JSON each way. Nothing of a connection is believed before its hello: the
// instance's id with the one-time token of its order and the lease that it made up itself. The first hello that is admitted uses the token
// up and fixes the lease; later connections of that instance (this process may have been killed and restarted) need the lease. So a token
// that somebody reads later opens nothing, and a welcome that was lost on its way costs nothing.
// One thread serves all connections. A connection that has not said who it is within ten seconds, or says more than a hello is long, ends.
// Thread-safe.
#include <mutex>
#include <thread>

#include "compute/fleet.h"
#include "compute/tls_stream.h"

namespace tarn::compute {

struct RelayOptions {
  std::string listen = "127.0.0.1:0";  // ADDRESS:PORT; port 0 picks one
  std::string port_file;               // where a picked port is kept, so that a restarted server is found where its nodes dial
  int patience_seconds = 15;           // how long a silent network may swallow a connection before it counts as lost
};

class Relay {
 public:
  /// The context answers for the name that nodes ask for. The caller keeps it alive.
  Relay(RelayOptions options, TlsContext context);
  ~Relay();
  Relay(const Relay&) = delete;

  /// Told on the relay's thread; must not block for long, may send. Set before start; must outlive the thread (stop joins it).
  void listen(FleetListener* listener) { listener_ = listener; }
  /// Opens its port and starts its thread. Throws std::runtime_error with a text for people.
  void start();
  void stop();
  /// ADDRESS:PORT that it listens on, after start.
  const std::string& address() const { return address_; }
  /// Another ADDRESS or ADDRESS:PORT that instances may dial; without a port the same. The socket is made on the calling thread, so it stands
  /// in the network namespace that this thread is in. The error names it.
  Expected<void, std::string> also_listen(const std::string& address);
  /// Ends the listening that also_listen began under this very text, within a turn of the thread; connections stay. Unknown: nothing happens.
  void stop_listening(const std::string& address);

  /// False: not connected, or it has not read for 64 MB.
  bool send(const std::string& instance_id, const json::object& message) { return queue(instance_id, message, 64u << 20); }
  /// The same for bulk: also false while half of that waits, so that words of the control plane's own always find room.
  bool carry(const std::string& instance_id, const json::object& message) { return queue(instance_id, message, 32u << 20); }
  /// Called with each turn of the thread, at least five times a second.
  void each_turn(std::function<void()> work) { each_turn_ = std::move(work); }

  struct Figures {
    std::int64_t connections = 0, admitted = 0, refused = 0, messages_in = 0, messages_out = 0, bytes_in = 0, bytes_out = 0;
  };
  Figures figures() const;

 private:
  struct Connection;
  bool queue(const std::string& instance_id, const json::object& message, std::size_t most);
  void serve(std::stop_token stop);
  void accept_all(int listener);
  void read_from(Connection& c);
  void hello(Connection& c, const json::object& o);
  void close(int fd, bool tell);
  void poke();

  const RelayOptions options_;
  TlsContext context_;
  FleetListener* listener_ = nullptr;
  std::function<void()> each_turn_;
  std::string address_;
  std::uint16_t port_ = 0;
  int wake_[2] = {-1, -1};
  mutable std::mutex mutex_;  // of all below
  std::vector<int> listeners_;
  std::map<std::string, int> also_;  // by what also_listen was told
  std::vector<int> retired_;         // closed by the thread, which may be polling them
  std::map<int, std::unique_ptr<Connection>> connections_;
  std::map<std::string, int> by_instance_;
  Figures figures_;
  std::jthread thread_;
};

/// HOST:PORT or [ADDRESS]:PORT in two parts. Nothing if it is neither.
std::optional<std::pair<std::string, std::string>> host_and_port(std::string_view text);

}  // namespace tarn::compute
