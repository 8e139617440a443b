#pragma once
// Time as the rooms see it: injected, so tests can move it.
#include <atomic>
#include <cstdint>
#include <string>

namespace tarn {

/// Milliseconds since the Unix epoch, UTC: the unit of every wire timestamp of the vendor's API.
using Millis = std::int64_t;

class Clock {
 public:
  virtual ~Clock() = default;
  virtual Millis now() const = 0;  // thread-safe
};

class SystemClock final : public Clock {
 public:
  Millis now() const override;
};

/// A clock that stands still until a test moves it.
class FakeClock final : public Clock {
 public:
  explicit FakeClock(Millis start = 1'700'000'000'000) : now_(start) {}
  Millis now() const override { return now_.load(); }
  void advance(Millis by) { now_ += by; }

 private:
  std::atomic<Millis> now_;
};

/// RFC 3339 in UTC with milliseconds, e.g. 2026-01-31T09:30:00.000Z.
std::string to_rfc3339(Millis at);

}  // namespace tarn
