#pragma once
// One engine process as the pool holds it: started, spoken to, ended and reaped. Not part of the room's contract.
#include <sys/types.h>

#include <condition_variable>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "engine/messages.h"

namespace tarn::engine {

/// The frames of one request, as they arrive. Waiting is done by the pool under `mutex`.
struct Call {
  std::mutex mutex;
  std::condition_variable changed;
  std::deque<Frame> inbox;
  bool ended = false;  // the process is gone; nothing follows what is in the inbox
  bool woken = false;  // cancelled from outside
};

class Process {
 public:
  /// Starts the program with a socket as descriptor 3. Call on a thread that lives as long as the process may: the kernel ends the child with the
  /// thread that made it. Null with `error` set if it could not be started.
  /// `verify`: have the extensions' signatures checked.
  static std::shared_ptr<Process> start(const Options& options, bool verify, std::string& error);
  Process(pid_t pid, int fd, std::string spill);
  ~Process();  // kills, reaps, clears its spill folder

  /// Sends the scope; what follows on the socket is served under it. False: gone.
  bool bind(const Scope& scope);
  /// Registers a call and sends its first frame. Null: gone, and the request was not sent.
  std::shared_ptr<Call> begin(FrameType type, std::string_view payload, std::uint64_t& id);
  void send(FrameType type, std::uint64_t id, std::string_view payload) { writer_.send(type, id, payload); }
  void forget(std::uint64_t id);
  /// `for_another`: other calls that end by this may be run again.
  void kill(bool for_another);

  bool alive() const;
  bool killed_for_another() const;
  /// Waits until loaded (or dead); false at the deadline.
  bool wait_ready(std::chrono::steady_clock::time_point deadline) const;
  /// Whether its extensions are loaded.
  bool loaded() const;
  /// Why it ended by itself, empty if unknown.
  std::string last_words() const;
  pid_t pid() const { return pid_; }

 private:
  void read();
  const pid_t pid_;
  const int fd_;
  const std::string spill_;
  FrameWriter writer_;
  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  std::map<std::uint64_t, std::shared_ptr<Call>> calls_;
  std::uint64_t next_ = 1;
  bool ready_ = false, bound_ = false, dead_ = false, reaped_ = false, killed_for_another_ = false;
  std::string last_words_;
  std::thread reader_;
};

}  // namespace tarn::engine
