#pragma once
// Private to the room: what the runtime's thread owns.
#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <deque>
#include <shared_mutex>

#include "serving/runtime.h"
#include "serving/scorer.h"
#include "serving/traffic.h"

namespace tarn::serving {

namespace asio = boost::asio;
using boost::system::error_code;

/// A request on its way through the runtime.
struct Pending {
  std::string body;
  Steady::time_point deadline, queued, sent;
  int tries = 0;
  std::shared_ptr<const View> view;
  std::function<void(Result<ScoreReply>)> done;
};

struct LiveServed;

struct Replica : std::enable_shared_from_this<Replica> {
  enum class State { starting, ready, dead };
  Replica(asio::io_context& io, int socket_fd, int output_fd) : socket(io, asio::local::stream_protocol(), socket_fd), output(io, output_fd) {}
  int number = 0;
  pid_t pid = -1;
  asio::local::stream_protocol::socket socket;
  asio::posix::stream_descriptor output;
  std::vector<compute::node::Group> groups;
  State state = State::starting;
  bool ending = false;  // we end it
  std::string why;      // it ends, for those who wait
  std::weak_ptr<LiveServed> served;
  std::map<std::uint32_t, std::unique_ptr<Pending>> in_flight;
  std::deque<std::string> out;
  Steady::time_point started, last_used;
  std::uint32_t next_id = 1;
  std::array<char, kFrameHead> head{};
  std::string payload;
  std::array<char, 4096> printed{};
};

/// A served entity with its scorers. All but the base's guarded part belongs to the runtime's thread.
struct LiveServed final : Served {
  LiveServed(ServedEntity e, std::string endpoint, std::int64_t workspace)
      : Served(std::move(e)), endpoint_name(std::move(endpoint)), workspace_id(workspace) {}
  const std::string endpoint_name;
  const std::int64_t workspace_id;
  std::string folder;                                   // of the fetched model
  std::shared_ptr<const features::Features> looked_up;  // set by the fetch, before its end is told
  bool onnx = false;
  bool fetching = false, fetched = false, verified = false, retired = false;
  std::string failure;  // why it is not served
  Steady::time_point retired_at, next_fetch{}, next_start{};
  int start_failures = 0, next_number = 1;
  std::vector<std::shared_ptr<Replica>> replicas;
  std::deque<std::unique_ptr<Pending>> queue;
  Outcomes outcomes;
  int most_replicas = 1;
  std::size_t per_replica = 1, most_queued = 64;

  void publish(const std::string& deployment, const std::string& message);
  void set_model(std::shared_ptr<const Model> m);
  void set_failed(bool failed);
  void said(std::string_view text);
  void built(const std::string& line);
  std::size_t live() const {
    return static_cast<std::size_t>(std::ranges::count_if(replicas, [](const auto& r) { return r->state != Replica::State::dead && !r->ending; }));
  }
};

struct Managed {
  Endpoint record;
  std::map<std::string, std::shared_ptr<LiveServed>> served;  // by identity
  std::map<std::string, std::shared_ptr<LiveServed>> failed;  // of the update that failed last, for its logs
  std::shared_ptr<EndpointStats> stats = std::make_shared<EndpointStats>();
  std::int64_t settled = 0;      // the pending version whose end was told
  std::int64_t rolled_back = 0;  // the active version whose canary was
};

struct Runtime::State {
  State(Endpoints& e, catalog::Models& m, identity::Directory& d, objects::ObjectStore& o, store::Store& s, features::Online& f,
        const RuntimeOptions& opts)
      : endpoints(e), models(m), directory(d), objects(o), store(s), online(f), options(opts) {}

  // runtime.cc
  void poke();  // read the store again, soon; any thread
  void reconcile();
  void apply(const std::vector<Endpoint>& all);
  void publish(const Managed& m);
  void settle(Managed& m);
  void fetch(const std::shared_ptr<LiveServed>& s);
  void fetched(const std::shared_ptr<LiveServed>& s, Result<Model> model, const std::string& folder);
  Result<Model> fetch_files(const LiveServed& s, std::string& folder, std::string& log, std::shared_ptr<const features::Features>& looked_up);
  void tick();
  void settle_of(const LiveServed& s);
  void end_all();

  asio::awaitable<void> ask(std::shared_ptr<LiveServed> served, std::unique_ptr<Pending> p,
                            std::shared_ptr<std::optional<Result<ScoreReply>>> outcome);

  // replicas.cc
  void enqueue(const std::shared_ptr<LiveServed>& s, std::unique_ptr<Pending> p);
  void serve(const std::shared_ptr<LiveServed>& s);  // queue -> free scorers; more scorers where that is due
  void start_replica(const std::shared_ptr<LiveServed>& s);
  void read_head(const std::shared_ptr<Replica>& r);
  void read_output(const std::shared_ptr<Replica>& r);
  void write_next(const std::shared_ptr<Replica>& r);
  void said_hello(const std::shared_ptr<Replica>& r);
  void answered(const std::shared_ptr<Replica>& r, const FrameHead& h);
  void ended(const std::shared_ptr<Replica>& r);
  void end(const std::shared_ptr<Replica>& r, const std::string& why);
  void watch(const std::shared_ptr<LiveServed>& s, Steady::time_point now);
  void finish(LiveServed& s, std::unique_ptr<Pending> p, Result<ScoreReply> result);
  void judge_canary(LiveServed& s, const View& view, bool fine, double ms);
  int replicas_of(std::int64_t workspace) const;

  Endpoints& endpoints;
  catalog::Models& models;
  identity::Directory& directory;
  objects::ObjectStore& objects;
  store::Store& store;
  features::Online& online;
  const RuntimeOptions& options;

  asio::io_context io{1};
  asio::executor_work_guard<asio::io_context::executor_type> work{io.get_executor()};
  asio::steady_timer timer{io};
  asio::thread_pool helpers{3};
  std::map<std::string, Managed> managed;  // by the endpoint's id
  std::vector<std::shared_ptr<LiveServed>> retired;
  std::int64_t seen_generation = -1;
  int ticks = 0;
  std::atomic<bool> reading{false}, again{false}, stopping{false};

  mutable std::shared_mutex views_mutex;
  std::map<std::pair<std::int64_t, std::string>, std::shared_ptr<const View>> views;
  RateWindows windows;
  std::thread thread;
};

}  // namespace tarn::serving
