#pragma once
// What Prometheus scrapes: requests and latency per API group, requests in flight, connections. Thread-safe; series are made once.
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace tarn::gateway {

class Metrics {
 public:
  Metrics();
  ~Metrics();

  /// The counters of one API group; lives as long as Metrics. Look it up once, not per request.
  class Group;
  Group* group(std::string_view name);
  void count(Group* group, int status, std::chrono::microseconds took);
  void in_flight(int change);
  void connections(int change);
  void queue_refused();
  /// Series of another room, as text; asked with each scrape. At start-up, before the first one.
  void also(std::function<std::string()> more);
  /// Text exposition format 0.0.4.
  std::string text() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tarn::gateway
