#include "serving/runtime.h"

#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <filesystem>
#include <fstream>
#include <random>

#include "base/ids.h"
#include "base/log.h"
#include "serving/runtime_state.h"

namespace tarn::serving {

namespace fs = std::filesystem;

namespace {

constexpr std::size_t kTogether = 32;  // requests that a scorer of a row-wise model may answer from one call
constexpr auto kTick = std::chrono::milliseconds(25);
constexpr auto kRetireGrace = std::chrono::seconds(2);
constexpr std::size_t kMostModelFiles = 10'000;
constexpr std::uint64_t kMostModelBytes = 20ull << 30;

/// The interpreter's version as its environment's pyvenv.cfg says it.
std::string python_of(const std::string& environment) {
  std::ifstream in(environment + "/pyvenv.cfg");
  for (std::string line; std::getline(in, line);)
    if (line.starts_with("version")) {
      const auto at = line.find_first_of("0123456789");
      return at == line.npos ? "" : line.substr(at);
    }
  return "";
}

}  // namespace

void EndpointStats::record(int status, std::chrono::microseconds took) {
  ++requests;
  if (status >= 500) ++server_errors;
  if (status >= 400 && status < 500) ++client_errors;
  const double ms = static_cast<double>(took.count()) / 1000;
  std::size_t i = 0;
  while (i < kBounds.size() && ms > kBounds[i]) ++i;
  ++buckets[i];
  total_us += took.count();
}

Served::Status Served::status() const {
  std::lock_guard lock(mutex_);
  return status_;
}
std::shared_ptr<const Model> Served::model() const {
  std::lock_guard lock(mutex_);
  return model_;
}
bool Served::looks_up() const {
  std::lock_guard lock(mutex_);
  return features_ != nullptr;
}
Result<std::string> Served::filled(std::string body) const {
  std::shared_ptr<const features::Features> look;
  std::shared_ptr<const Model> m;
  {
    std::lock_guard lock(mutex_);
    look = features_;
    m = model_;
  }
  if (!look || !m) return body;
  std::vector<std::string> wanted;
  for (const auto& c : m->inputs) wanted.push_back(c.name);
  auto out = look->filled(body, wanted);
  if (!out) return refuse(out.error().starts_with("the features of") ? Errc::unavailable : Errc::invalid, out.error(), 0);
  return *std::move(out);
}
bool Served::failed() const {
  std::lock_guard lock(mutex_);
  return failed_;
}
std::string Served::log() const {
  std::lock_guard lock(mutex_);
  return log_;
}
std::string Served::build_log() const {
  std::lock_guard lock(mutex_);
  return build_log_;
}

std::shared_ptr<Served> View::pick() const {
  if (routes.size() == 1) return routes[0].first;
  thread_local std::mt19937 engine{std::random_device{}()};
  int at = std::uniform_int_distribution<int>(0, 99)(engine);
  for (const auto& [s, share] : routes)
    if ((at -= share) < 0) return s;
  return routes.empty() ? nullptr : routes[0].first;
}

void LiveServed::publish(const std::string& deployment, const std::string& message) {
  std::lock_guard lock(mutex_);
  status_ = {deployment, message, static_cast<int>(live())};
}
void LiveServed::set_model(std::shared_ptr<const Model> m) {
  std::lock_guard lock(mutex_);
  features_ = looked_up;
  model_ = std::move(m);
}
void LiveServed::set_failed(bool failed) {
  std::lock_guard lock(mutex_);
  failed_ = failed;
}
void LiveServed::said(std::string_view text) {
  constexpr std::size_t kMost = 256u << 10;
  std::lock_guard lock(mutex_);
  log_ += text;
  if (log_.size() > kMost) log_.erase(0, log_.size() - kMost / 2);
}
void LiveServed::built(const std::string& line) {
  constexpr std::size_t kMost = 64u << 10;
  std::lock_guard lock(mutex_);
  build_log_ += line + "\n";
  if (build_log_.size() > kMost) build_log_.erase(0, build_log_.size() - kMost / 2);
}

Runtime::Runtime(Endpoints& endpoints, catalog::Models& models, identity::Directory& directory, objects::ObjectStore& objects, store::Store& store,
                 features::Online& online, RuntimeOptions options)
    : options_([&] {
        if (options.workspace_replicas == 0) options.workspace_replicas = 4 * static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
        return std::move(options);
      }()),
      state_(std::make_unique<State>(endpoints, models, directory, objects, store, online, options_)) {
  endpoints.on_change([s = state_.get()] { s->poke(); });
}

Runtime::~Runtime() { stop(); }

void Runtime::start() {
  state_->thread = std::thread([s = state_.get()] {
    s->tick();
    s->io.run();
  });
  state_->poke();
}

void Runtime::stop() {
  State& s = *state_;
  if (s.stopping.exchange(true)) return;
  if (s.thread.joinable()) {
    asio::post(s.io, [&s] { s.end_all(); });
    s.work.reset();
    s.thread.join();
  }
  s.helpers.join();
}

void Runtime::State::end_all() {
  timer.cancel();
  const auto all = [&](const std::shared_ptr<LiveServed>& s) {
    s->retired = true;
    while (!s->queue.empty()) {
      auto p = std::move(s->queue.front());
      s->queue.pop_front();
      finish(*s, std::move(p), refuse(Errc::unavailable, "The server is stopping.", 1));
    }
    for (const auto& r : std::vector(s->replicas)) end(r, "the server is stopping");
  };
  for (auto& [id, m] : managed) {
    for (auto& [key, s] : m.served) all(s);
    for (auto& [key, s] : m.failed) all(s);
  }
  for (auto& s : retired) all(s);
}

std::shared_ptr<const View> Runtime::find(std::int64_t workspace_id, const std::string& name) const {
  std::shared_lock lock(state_->views_mutex);
  const auto i = state_->views.find({workspace_id, name});
  return i == state_->views.end() ? nullptr : i->second;
}

asio::awaitable<Result<std::shared_ptr<const Model>>> Runtime::model_of(std::shared_ptr<Served> served, Steady::time_point deadline) const {
  asio::steady_timer wait(co_await asio::this_coro::executor);
  for (;;) {
    if (auto m = served->model()) co_return m;
    if (served->failed())
      co_return refuse(Errc::unavailable, fmt::format("Served entity '{}' cannot be served: {}", served->entity.name, served->status().message), 5);
    if (Steady::now() > deadline)
      co_return refuse(Errc::unavailable, fmt::format("Served entity '{}' is still being loaded.", served->entity.name), 2);
    wait.expires_after(std::chrono::milliseconds(20));
    auto waiting = wait.async_wait(asio::use_awaitable);
    co_await std::move(waiting);
  }
}

// Functions that return what is awaited, rather than coroutines: this compiler destroys temporaries of a co_await expression twice.

asio::awaitable<void> Runtime::State::ask(std::shared_ptr<LiveServed> served, std::unique_ptr<Pending> p,
                                          std::shared_ptr<std::optional<Result<ScoreReply>>> outcome) {
  return asio::async_initiate<const asio::use_awaitable_t<>&, void()>(
      [this, served = std::move(served), p = std::move(p), outcome = std::move(outcome)](auto handler) mutable {
        const auto executor = asio::get_associated_executor(handler);
        auto held = std::make_shared<decltype(handler)>(std::move(handler));
        p->done = [executor, held, outcome](Result<ScoreReply> r) {
          outcome->emplace(std::move(r));
          asio::post(executor, [held] { std::move (*held)(); });
        };
        if (stopping) return p->done(refuse(Errc::unavailable, "The server is stopping.", 1));
        asio::post(io, [this, served = std::move(served), p = std::move(p)]() mutable { enqueue(served, std::move(p)); });
      },
      asio::use_awaitable);
}

asio::awaitable<Result<ScoreReply>> Runtime::score(std::shared_ptr<const View> view, std::shared_ptr<Served> served, std::string body,
                                                   Steady::time_point deadline) {
  auto outcome = std::make_shared<std::optional<Result<ScoreReply>>>();
  auto p = std::make_unique<Pending>();
  p->body = std::move(body);
  p->deadline = deadline;
  p->view = std::move(view);
  auto waiting = state_->ask(std::static_pointer_cast<LiveServed>(served), std::move(p), outcome);
  co_await std::move(waiting);
  co_return *std::move(*outcome);
}

asio::awaitable<void> Runtime::on_helper(std::function<void()> job) const {
  return asio::async_initiate<const asio::use_awaitable_t<>&, void()>(
      [s = state_.get(), job = std::move(job)](auto handler) {
        const auto executor = asio::get_associated_executor(handler);
        auto held = std::make_shared<decltype(handler)>(std::move(handler));
        asio::post(s->helpers, [job, executor, held] {
          job();
          asio::post(executor, [held] { std::move (*held)(); });
        });
      },
      asio::use_awaitable);
}

std::optional<int> Runtime::limited(const View& view, const access::Caller& caller) {
  return state_->windows.take(view.endpoint.id, view.endpoint.rate_limits, caller, Steady::now());
}

std::string Runtime::metrics(const View& v) const {
  std::string out;
  const auto& s = *v.stats;
  const auto labels = fmt::format("{{endpoint_name=\"{}\"}}", v.endpoint.name);
  const auto counter = [&](const char* name, const char* help, std::int64_t n, const char* type = "counter") {
    out += fmt::format("# HELP {0} {1}\n# TYPE {0} {2}\n{0}{3} {4}\n", name, help, type, labels, n);
  };
  counter("request_count_total", "Requests since the server started.", s.requests);
  counter("request_4xx_count_total", "Requests answered 4xx.", s.client_errors);
  counter("request_5xx_count_total", "Requests answered 5xx.", s.server_errors);
  counter("request_retried_total", "Requests tried again after their scorer ended.", s.retried);
  counter("scorer_replaced_total", "Scorers that ended by themselves or were killed, and replaced.", s.replaced);
  counter("requests_in_flight", "Requests being answered.", s.in_flight, "gauge");
  std::int64_t replicas = 0;
  for (const auto& one : v.served) replicas += one->status().replicas;
  counter("provisioned_concurrent_requests_total", "Scorers that run.", replicas, "gauge");
  out += "# HELP request_latency_ms Time to answer, milliseconds.\n# TYPE request_latency_ms histogram\n";
  std::int64_t sum = 0;
  for (std::size_t i = 0; i < s.buckets.size(); ++i) {
    sum += s.buckets[i];
    out += fmt::format("request_latency_ms_bucket{{endpoint_name=\"{}\",le=\"{}\"}} {}\n", v.endpoint.name,
                       i < EndpointStats::kBounds.size() ? fmt::format("{}", EndpointStats::kBounds[i]) : "+Inf", sum);
  }
  out += fmt::format("request_latency_ms_sum{} {}\nrequest_latency_ms_count{} {}\n", labels, static_cast<double>(s.total_us) / 1000, labels, sum);
  return out;
}

void Runtime::State::poke() {
  if (stopping) return;
  again = true;
  if (reading.exchange(true)) return;
  asio::post(helpers, [this] {
    while (again.exchange(false) && !stopping) {
      try {
        reconcile();
      } catch (const std::exception& e) {
        spdlog::warn("serving: endpoints cannot be read cause=\"{}\"", e.what());
      }
    }
    reading = false;
    if (again) poke();
  });
}

void Runtime::State::reconcile() {
  auto all = std::make_shared<std::vector<Endpoint>>(endpoints.all());
  // What was read is there before the caller's change is answered, as far as that can be: the view appears with the next turn of the thread.
  asio::post(io, [this, all] { apply(*all); });
}

void Runtime::State::apply(const std::vector<Endpoint>& all) {
  std::set<std::string> seen;
  for (const auto& e : all) {
    seen.insert(e.id);
    Managed& m = managed[e.id];
    m.record = e;
    std::set<std::string> wanted;
    const auto want = [&](const Config& c) {
      for (const auto& entity : c.served_entities) {
        const auto key = entity.identity();
        wanted.insert(key);
        if (m.served.contains(key)) continue;
        auto s = std::make_shared<LiveServed>(entity, e.name, e.workspace_id);
        m.served[key] = s;
        fetch(s);
      }
    };
    if (e.active) want(*e.active);
    if (e.updating()) m.failed.clear(), want(*e.pending);
    for (auto i = m.served.begin(); i != m.served.end();) {
      if (wanted.contains(i->first)) {
        ++i;
        continue;
      }
      i->second->retired = true;
      i->second->retired_at = Steady::now();
      if (e.update_failed && e.pending) m.failed[i->first] = i->second;
      retired.push_back(i->second);
      i = m.served.erase(i);
    }
    publish(m);
    settle(m);
  }
  for (auto i = managed.begin(); i != managed.end();) {
    if (seen.contains(i->first)) {
      ++i;
      continue;
    }
    for (auto& [key, s] : i->second.served) {
      s->retired = true;
      s->retired_at = Steady::now() - kRetireGrace;
      retired.push_back(s);
    }
    {
      std::unique_lock lock(views_mutex);
      const auto at = views.find({i->second.record.workspace_id, i->second.record.name});
      if (at != views.end() && at->second->endpoint.id == i->first) views.erase(at);
    }
    i = managed.erase(i);
  }
}

void Runtime::State::publish(const Managed& m) {
  auto v = std::make_shared<View>();
  v->endpoint = m.record;
  v->stats = m.stats;
  if (m.record.active) {
    std::map<std::string, std::shared_ptr<LiveServed>> by_name;
    for (const auto& entity : m.record.active->served_entities)
      if (const auto i = m.served.find(entity.identity()); i != m.served.end()) by_name[entity.name] = i->second, v->served.push_back(i->second);
    for (const auto& r : m.record.active->routes)
      if (by_name.contains(r.served_model_name)) v->routes.emplace_back(by_name[r.served_model_name], r.traffic_percentage);
  }
  if (m.record.pending)
    for (const auto& entity : m.record.pending->served_entities) {
      const auto key = entity.identity();
      if (const auto i = m.served.find(key); i != m.served.end())
        v->pending.push_back(i->second);
      else if (const auto j = m.failed.find(key); j != m.failed.end())
        v->pending.push_back(j->second);
    }
  std::unique_lock lock(views_mutex);
  views[{m.record.workspace_id, m.record.name}] = std::move(v);
}

void Runtime::State::settle_of(const LiveServed& s) {
  for (auto& [id, m] : managed)
    if (std::ranges::any_of(m.served, [&](const auto& p) { return p.second.get() == &s; })) settle(m);
}

/// An update whose scorers all stand is taken into service; one of which any cannot, is not.
void Runtime::State::settle(Managed& m) {
  if (!m.record.updating() || m.settled == m.record.pending->config_version) return;
  bool all = true;
  std::string failure;
  for (const auto& entity : m.record.pending->served_entities) {
    const auto i = m.served.find(entity.identity());
    if (i == m.served.end()) return;
    all = all && i->second->verified;
    if (!i->second->failure.empty() && !i->second->verified) failure = fmt::format("Served entity '{}': {}", entity.name, i->second->failure);
  }
  if (!all && failure.empty()) return;
  m.settled = m.record.pending->config_version;
  asio::post(helpers, [this, workspace = m.record.workspace_id, name = m.record.name, version = m.settled, failure] {
    try {
      if (failure.empty())
        endpoints.promote(workspace, name, version);
      else
        endpoints.update_failed(workspace, name, version, failure);
    } catch (const std::exception& e) {
      spdlog::error("serving: the end of an update cannot be kept endpoint={} cause=\"{}\"", name, e.what());
    }
  });
}

void Runtime::State::fetch(const std::shared_ptr<LiveServed>& s) {
  if (s->fetching || stopping) return;
  s->fetching = true;
  asio::post(helpers, [this, s] {
    std::string folder, log;
    auto model = [&]() -> Result<Model> {
      try {
        return fetch_files(*s, folder, log, s->looked_up);
      } catch (const std::exception& e) {
        return refuse(Errc::unavailable, e.what());
      }
    }();
    if (!log.empty()) s->built(log);
    asio::post(io, [this, s, model = std::move(model), folder] { fetched(s, model, folder); });
  });
}

Result<Model> Runtime::State::fetch_files(const LiveServed& s, std::string& folder, std::string& log,
                                          std::shared_ptr<const features::Features>& looked_up) {
  const auto caller = directory.caller(s.entity.creator_id, s.workspace_id);
  if (!caller)
    return refuse(Errc::permission_denied,
                  fmt::format("'{}', with whose rights the model is loaded, is not of this workspace any more", s.entity.creator));
  access::Context ctx;
  ctx.caller = *caller;
  ctx.workspace_id = s.workspace_id;
  ctx.request_id = "serving-" + s.endpoint_name;
  const auto number = std::stoll(s.entity.entity_version);
  const auto credentials = models.credentials(ctx, s.entity.entity_name, number, catalog::VersionOperation::READ_MODEL_VERSION);
  if (!credentials) return refuse(Errc::permission_denied, credentials.error().message);
  const auto version = models.version(ctx, s.entity.entity_name, number);
  if (!version) return refuse(Errc::unavailable, version.error().message);
  log = fmt::format("model {} version {} loaded as {}", s.entity.entity_name, s.entity.entity_version, s.entity.creator);
  folder = options.models + "/" + version->id;
  if (!fs::exists(folder)) {
    const auto root = objects::Url::parse(credentials->url);
    if (!root) return refuse(Errc::unavailable, root.error().message);
    const std::string next = options.models + "/." + new_hex(8);
    fs::create_directories(next);
    std::string prefix = root->key, after;
    if (!prefix.ends_with('/')) prefix += '/';
    std::size_t files = 0;
    std::uint64_t bytes = 0;
    for (bool more = true; more;) {
      const auto page = objects.list(root->bucket, prefix, after, 1000);
      if (!page) return refuse(Errc::unavailable, "the model's files cannot be listed: " + page.error().message);
      for (const auto& o : page->objects) {
        bytes += o.size;
        if (++files > kMostModelFiles || bytes > kMostModelBytes) return refuse(Errc::invalid, "the model has more than 10000 files or 20 GB");
        const auto content = objects.get({root->bucket, o.key});
        if (!content) return refuse(Errc::unavailable, fmt::format("the model's file {} cannot be read: {}", o.key, content.error().message));
        const fs::path at = fs::path(next) / o.key.substr(prefix.size());
        fs::create_directories(at.parent_path());
        std::ofstream out(at, std::ios::binary | std::ios::trunc);
        out.write(content->data(), static_cast<std::streamsize>(content->size()));
        if (!out.flush()) return refuse(Errc::unavailable, "the model's files cannot be kept here: is the disk full?");
      }
      more = page->truncated;
      after = page->next;
    }
    std::error_code taken;
    fs::rename(next, folder, taken);  // another entity of the same version may have been faster
    if (taken) fs::remove_all(next);
    log += fmt::format("\nfetched {} files, {} bytes", files, bytes);
  }
  std::ifstream in(folder + "/MLmodel");
  const std::string text{std::istreambuf_iterator<char>(in), {}};
  TARN_TRY(model, parse_model(text));
  if (std::ifstream spec(folder + "/feature_spec.json"); spec) {
    const std::string said{std::istreambuf_iterator<char>(spec), {}};
    auto opened = online.open(ctx, said);
    if (!opened) return refuse(Errc::unavailable, "the model's features cannot be looked up: " + opened.error());
    looked_up = *std::move(opened);
    for (const auto& c : looked_up->copies()) log += "\nlooks up features of " + c->lookup().table;
  }
  const bool onnx = model.has_onnx && !options.onnx_program.empty() && !model.tensors;
  if (!onnx && !model.has_python) return refuse(Errc::not_enabled, "the model has the flavour onnx only, and this server has no ONNX Runtime for it");
  if (!onnx) {
    const auto ours = python_of(options.environment);
    if (ours.empty())
      return refuse(Errc::not_enabled, fmt::format("this server has no Python environment with MLflow (looked in {}): deps/fetch.py --venv makes one",
                                                   options.environment));
    if (const auto why = python_mismatch(model, ours)) return refuse(Errc::invalid, *why);
  }
  return model;
}

void Runtime::State::fetched(const std::shared_ptr<LiveServed>& s, Result<Model> model, const std::string& folder) {
  s->fetching = false;
  if (!model) {
    s->failure = model.error().message;
    s->built("failed: " + s->failure);
    s->publish("DEPLOYMENT_FAILED", s->failure);
    s->set_failed(true);
    s->next_fetch = Steady::now() + std::chrono::seconds(30);
    while (!s->queue.empty()) {
      auto p = std::move(s->queue.front());
      s->queue.pop_front();
      finish(*s, std::move(p), refuse(Errc::unavailable, s->failure, 5));
    }
    settle_of(*s);
    return;
  }
  s->fetched = true;
  s->failure.clear();
  s->folder = folder;
  s->onnx = model->has_onnx && !options.onnx_program.empty() && !model->tensors;
  const auto cores = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
  const int size = s->entity.workload_size == "Large" ? 64 : s->entity.workload_size == "Medium" ? 16 : 4;
  const auto asked = static_cast<int>(s->entity.max_provisioned_concurrency.value_or(size));
  s->most_replicas = std::max(1, std::min(asked, s->onnx ? cores : 2 * cores));
  s->per_replica = s->onnx ? 8 : model->row_wise ? kTogether : 1;
  s->most_queued = static_cast<std::size_t>(16 * std::max(4, asked));
  s->set_model(std::make_shared<const Model>(*std::move(model)));
  s->set_failed(false);
  s->built(s->onnx ? "runs on ONNX Runtime" : "runs as an MLflow pyfunc");
  s->publish("DEPLOYMENT_CREATING", "Starting");
  serve(s);
}

void Runtime::State::tick() {
  if (stopping) return;
  const auto now = Steady::now();
  if (++ticks % 20 == 0)
    if (const auto g = store.generation(); g != seen_generation) {
      seen_generation = g;
      poke();
    }
  for (auto& [id, m] : managed)
    for (auto& [key, s] : m.served) {
      watch(s, now);
      if (!s->fetched && !s->fetching && !s->failure.empty() && now > s->next_fetch) fetch(s);
    }
  for (auto i = retired.begin(); i != retired.end();) {
    auto s = *i;
    watch(s, now);
    if (now - s->retired_at > kRetireGrace && s->queue.empty())
      for (const auto& r : std::vector(s->replicas))
        if (r->in_flight.empty()) end(r, "its configuration is gone");
    if (s->replicas.empty() && s->queue.empty() && now - s->retired_at > kRetireGrace)
      i = retired.erase(i);
    else
      ++i;
  }
  timer.expires_after(kTick);
  timer.async_wait([this](error_code ec) {
    if (!ec) tick();
  });
}

}  // namespace tarn::serving
