#pragma once
// How many requests an endpoint takes, and whether a canary may go on. Pure: times are given.
#include <chrono>
#include <deque>
#include <map>
#include <mutex>

#include "access/caller.h"
#include "serving/types.h"

namespace tarn::serving {

using Steady = std::chrono::steady_clock;

/// How the last requests of a served entity ended: fine, and after how many milliseconds. At most kOutcomes, oldest first.
using Outcomes = std::deque<std::pair<bool, double>>;
inline constexpr std::size_t kOutcomes = 200;

/// Why a canary is to be rolled back; nothing while it keeps its bounds or there are too few requests to say.
std::optional<std::string> broken(const Canary& canary, const Outcomes& outcomes);

/// Calls a minute, by endpoint, user, service principal or group; a minute begins with the first call in it. Thread-safe.
class RateWindows {
 public:
  /// Counts a call against all limits that hold for the caller, or, if one is reached, against none: seconds to wait.
  std::optional<int> take(const std::string& endpoint_id, const std::vector<RateLimit>& limits, const access::Caller& caller, Steady::time_point now);

 private:
  struct Window {
    Steady::time_point began;
    std::int64_t calls = 0;
  };
  std::mutex mutex_;
  std::map<std::string, Window> windows_;
};

}  // namespace tarn::serving
