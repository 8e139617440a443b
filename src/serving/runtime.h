#pragma once
// What endpoints want, made so: models fetched with the rights of whoever put them there, scorers started, fed, watched, replaced, scaled and
// ended; configurations taken into service without losing a request, canaries rolled back. One thread owns all of it (queues, sockets, timers);
// what blocks (the store, files, reaping) runs on helpers. Every server of a store runs scorers of its own for every endpoint.
//
// A request waits in its served entity's queue, which is bounded (too_many_requests beyond), for a scorer that is free. A scorer that dies takes
// at most one try of each request that it was at: it is tried once more elsewhere, then answered unavailable. One that does not answer within
// the request's time is killed and replaced.
#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <functional>
#include <future>
#include <memory>
#include <string>
#include <vector>

#include "features/online.h"
#include "identity/directory.h"
#include "objects/object_store.h"
#include "serving/endpoints.h"
#include "serving/model.h"

namespace tarn::serving {

using Steady = std::chrono::steady_clock;

struct RuntimeOptions {
  std::string program;             // whose verb `scorer` is run
  std::string environment;         // folder of the virtual environment that holds MLflow; its python runs pyfunc models
  std::string scripts;             // folder of pyfunc.py
  std::string onnx_program;        // empty: models are run by their pyfunc flavour
  std::string onnx_library;        // libonnxruntime.so
  std::string models;              // folder of fetched models
  std::chrono::seconds idle{300};  // without a request: scaled to zero where that is allowed
  std::chrono::seconds start_timeout{120};
  std::chrono::milliseconds request_timeout{60'000};
  int workspace_replicas = 0;             // the most scorers of a workspace; 0: four a core
  std::int64_t memory_bytes = 2ll << 30;  // of a scorer; Medium has twice, Large four times as much
  bool isolate = true;
};

/// Counts of one endpoint since this server started.
struct EndpointStats {
  static constexpr std::array<double, 12> kBounds{1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1000, 5000, 30000};  // milliseconds
  std::atomic<std::int64_t> requests{0}, client_errors{0}, server_errors{0}, in_flight{0}, retried{0}, replaced{0};
  std::array<std::atomic<std::int64_t>, kBounds.size() + 1> buckets{};
  std::atomic<std::int64_t> total_us{0};
  void record(int status, std::chrono::microseconds took);
};

/// A model version that is served. Shared; what requests may ask of it is here.
class Served {
 public:
  virtual ~Served() = default;
  const ServedEntity entity;
  explicit Served(ServedEntity e) : entity(std::move(e)) {}
  struct Status {
    std::string deployment, message;  // DEPLOYMENT_READY, …
    int replicas = 0;
  };
  Status status() const;
  std::shared_ptr<const Model> model() const;  // null until it is fetched
  /// A request with the features that the model looks up by key; as it is, where it looks up none. unavailable: they cannot be had.
  Result<std::string> filled(std::string body) const;
  bool looks_up() const;
  bool failed() const;      // it could not be fetched or started
  std::string log() const;  // the end of what its scorers printed
  std::string build_log() const;

 protected:
  mutable std::mutex mutex_;
  Status status_{"DEPLOYMENT_CREATING", "Creating", 0};
  std::shared_ptr<const Model> model_;
  std::shared_ptr<const features::Features> features_;
  bool failed_ = false;
  std::string log_, build_log_;
};

/// An endpoint as requests see it. Never changes.
struct View {
  Endpoint endpoint;
  std::vector<std::pair<std::shared_ptr<Served>, int>> routes;  // with their shares
  std::vector<std::shared_ptr<Served>> served;                  // of the active configuration
  std::vector<std::shared_ptr<Served>> pending;                 // of the one to come, or that failed
  std::shared_ptr<EndpointStats> stats;
  /// By its share of the traffic; null if nothing serves.
  std::shared_ptr<Served> pick() const;
};

struct ScoreReply {
  std::string body;
  std::chrono::microseconds in_scorer{0};
};

class Runtime {
 public:
  /// All must outlive this.
  Runtime(Endpoints& endpoints, catalog::Models& models, identity::Directory& directory, objects::ObjectStore& objects, store::Store& store,
          features::Online& online, RuntimeOptions options);
  ~Runtime();
  /// Brings up what the store says; returns at once.
  void start();
  /// Ends all scorers and threads. Requests that wait are answered unavailable.
  void stop();

  std::shared_ptr<const View> find(std::int64_t workspace_id, const std::string& name) const;
  /// Waits until a served entity's model is known. unavailable if it cannot be had.
  boost::asio::awaitable<Result<std::shared_ptr<const Model>>> model_of(std::shared_ptr<Served> served, Steady::time_point deadline) const;
  /// Asks the model. Resumes on the caller's executor. Errors: too_many_requests, unavailable, timed_out, model_failed, invalid.
  boost::asio::awaitable<Result<ScoreReply>> score(std::shared_ptr<const View> view, std::shared_ptr<Served> served, std::string body,
                                                   Steady::time_point deadline);
  /// The same for a thread that may block. The future may come after the deadline, by the time that a scorer takes to be ended.
  std::future<Result<ScoreReply>> score_later(std::shared_ptr<const View> view, std::shared_ptr<Served> served, std::string body,
                                              Steady::time_point deadline);
  bool stopping() const;
  /// Counts a call against the endpoint's limits; seconds to wait if one is reached.
  std::optional<int> limited(const View& view, const access::Caller& caller);
  /// Runs a short blocking job off the I/O threads, and resumes on the caller's executor.
  boost::asio::awaitable<void> on_helper(std::function<void()> job) const;
  /// Prometheus' text format 0.0.4.
  std::string metrics(const View& view) const;
  const RuntimeOptions& options() const { return options_; }

 private:
  struct State;
  friend struct State;
  const RuntimeOptions options_;
  std::unique_ptr<State> state_;
};

}  // namespace tarn::serving
