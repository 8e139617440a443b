#pragma once
// One JSON line a request, without query strings, bodies or credentials. Lines gather in memory and reach the file within 200 ms (or at
// once when many gather), from a thread of its own; the file starts over at 64 MiB, its predecessor stays as PATH.1. Thread-safe.
#include <condition_variable>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

#include "base/clock.h"

namespace tarn::gateway {

struct AccessLine {
  Millis at = 0;
  std::string_view request_id, source_ip, method, host, path, group, principal, user_agent;
  int status = 0;
  std::uint64_t bytes_in = 0, bytes_out = 0;
  std::int64_t micros = 0;
};

class AccessLog {
 public:
  /// An empty path keeps no log. Throws std::runtime_error if the file cannot be opened.
  explicit AccessLog(std::string path);
  ~AccessLog();
  void add(const AccessLine& line);

 private:
  void run();
  void write(std::string_view text);
  std::string path_;
  int fd_ = -1;
  std::uint64_t size_ = 0;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::string pending_;
  bool stopping_ = false;
  std::thread writer_;
};

}  // namespace tarn::gateway
