#pragma once
// One Sail process as the pool holds it: started, spoken to, ended and reaped. Private to the room.
#include <sys/types.h>

#include <chrono>
#include <mutex>

#include "base/json.h"
#include "sail/sail.h"

namespace tarn::sail {

class Process {
 public:
  /// Call on a thread that lives as long as the process may: the kernel ends the child with the thread that made it.
  static Expected<std::shared_ptr<Process>, std::string> start(const Options& options, const Scope& scope);
  ~Process();  // kills, reaps, removes its folder
  Process(const Process&) = delete;

  /// One frame there and one back; or only one back. Errors: died, timeout.
  Result<json::value> ask(const json::value& question, std::chrono::steady_clock::time_point deadline);
  Result<json::value> hear(std::chrono::steady_clock::time_point deadline);
  /// From any thread.
  void kill();
  const std::string& home() const { return home_; }

 private:
  Process(pid_t pid, int fd, std::string home) : pid_(pid), fd_(fd), home_(std::move(home)) {}
  Result<void> read(char* to, std::size_t count, std::chrono::steady_clock::time_point deadline);
  const pid_t pid_;
  const int fd_;
  const std::string home_;
};

}  // namespace tarn::sail
