#include "gateway/metrics.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

namespace tarn::gateway {

using Counters = prometheus::Family<prometheus::Counter>;

class Metrics::Group {
 public:
  Group(std::string name, prometheus::Histogram& latency) : name_(std::move(name)), latency_(latency) {}
  std::string name_;
  prometheus::Histogram& latency_;
  std::array<std::atomic<prometheus::Counter*>, 500> by_status_{};  // 100..599, made when first seen
};

struct Metrics::Impl {
  std::vector<std::function<std::string()>> more;
  prometheus::Registry registry;
  Counters& requests =
      prometheus::BuildCounter().Name("tarn_http_requests_total").Help("Requests answered, by API group and status").Register(registry);
  prometheus::Family<prometheus::Histogram>& latency =
      prometheus::BuildHistogram().Name("tarn_http_request_seconds").Help("Time from the end of a request's headers to its reply").Register(registry);
  prometheus::Gauge& flying = prometheus::BuildGauge().Name("tarn_http_requests_in_flight").Help("Requests being handled").Register(registry).Add({});
  prometheus::Gauge& open = prometheus::BuildGauge().Name("tarn_http_connections").Help("Open connections").Register(registry).Add({});
  prometheus::Counter& refused = prometheus::BuildCounter()
                                     .Name("tarn_http_queue_refused_total")
                                     .Help("Requests refused because the worker queue was full")
                                     .Register(registry)
                                     .Add({});
  std::mutex mutex;
  std::map<std::string, std::unique_ptr<Group>, std::less<>> groups;
};

Metrics::Metrics() : impl_(std::make_unique<Impl>()) {}
Metrics::~Metrics() = default;

Metrics::Group* Metrics::group(std::string_view name) {
  std::lock_guard lock(impl_->mutex);
  if (const auto found = impl_->groups.find(name); found != impl_->groups.end()) return found->second.get();
  static const prometheus::Histogram::BucketBoundaries bounds{0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05,
                                                              0.1,    0.25,    0.5,    1,     2.5,    5,     10,   30};
  auto made = std::make_unique<Group>(std::string(name), impl_->latency.Add({{"group", std::string(name)}}, bounds));
  return impl_->groups.emplace(std::string(name), std::move(made)).first->second.get();
}

void Metrics::count(Group* group, int status, std::chrono::microseconds took) {
  auto& slot = group->by_status_[static_cast<std::size_t>(std::clamp(status, 100, 599) - 100)];
  auto* counter = slot.load(std::memory_order_acquire);
  if (!counter) {
    counter = &impl_->requests.Add({{"group", group->name_}, {"code", std::to_string(status)}});  // the same object for equal labels
    slot.store(counter, std::memory_order_release);
  }
  counter->Increment();
  group->latency_.Observe(static_cast<double>(took.count()) / 1e6);
}

void Metrics::in_flight(int change) { impl_->flying.Increment(change); }
void Metrics::connections(int change) { impl_->open.Increment(change); }
void Metrics::queue_refused() { impl_->refused.Increment(); }

void Metrics::also(std::function<std::string()> more) { impl_->more.push_back(std::move(more)); }

std::string Metrics::text() const {
  auto out = prometheus::TextSerializer().Serialize(impl_->registry.Collect());
  for (const auto& more : impl_->more) out += more();
  return out;
}

}  // namespace tarn::gateway
