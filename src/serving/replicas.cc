#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/asio/post.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>

#include "base/ids.h"
#include "base/log.h"
#include "serving/runtime_state.h"

namespace tarn::serving {
namespace {

constexpr int kTries = 2;
constexpr auto kMoreAfter = std::chrono::milliseconds(100);  // a request waits so long before another scorer is started for it

double ms_since(Steady::time_point t) { return std::chrono::duration<double, std::milli>(Steady::now() - t).count(); }

}  // namespace

int Runtime::State::replicas_of(std::int64_t workspace) const {
  std::size_t n = 0;
  for (const auto& [id, m] : managed)
    if (m.record.workspace_id == workspace)
      for (const auto& [key, s] : m.served) n += s->live();
  return static_cast<int>(n);
}

void Runtime::State::finish(LiveServed& s, std::unique_ptr<Pending> p, Result<ScoreReply> result) {
  if (p->view) {
    const bool fine = result || result.error().code == Errc::invalid || result.error().code == Errc::too_many_requests;
    judge_canary(s, *p->view, fine, ms_since(p->queued));
  }
  p->done(std::move(result));
}

void Runtime::State::judge_canary(LiveServed& s, const View& view, bool fine, double ms) {
  s.outcomes.emplace_back(fine, ms);
  if (s.outcomes.size() > kOutcomes) s.outcomes.pop_front();
  if (!view.endpoint.active || !view.endpoint.active->canary) return;
  const Canary& c = *view.endpoint.active->canary;
  const auto version = view.endpoint.active->config_version;
  if (c.served_model_name != s.entity.name) return;
  const auto at = managed.find(view.endpoint.id);
  if (at == managed.end() || at->second.rolled_back >= version) return;
  const auto why = broken(c, s.outcomes);
  if (!why) return;
  at->second.rolled_back = version;
  spdlog::warn("serving: canary rolled back endpoint={} served={} why=\"{}\"", view.endpoint.name, s.entity.name, *why);
  asio::post(helpers, [this, workspace = view.endpoint.workspace_id, name = view.endpoint.name, version, why = *why] {
    try {
      endpoints.roll_back(workspace, name, version, why);
    } catch (const std::exception& e) {
      spdlog::error("serving: a canary's end cannot be kept endpoint={} cause=\"{}\"", name, e.what());
    }
  });
}

void Runtime::State::enqueue(const std::shared_ptr<LiveServed>& s, std::unique_ptr<Pending> p) {
  p->queued = Steady::now();
  if (stopping) return finish(*s, std::move(p), refuse(Errc::unavailable, "The server is stopping.", 1));
  if (!s->failure.empty() && !s->fetched) return finish(*s, std::move(p), refuse(Errc::unavailable, s->failure, 5));
  if (s->queue.size() >= s->most_queued)
    return finish(
        *s, std::move(p),
        refuse(Errc::too_many_requests,
               fmt::format("Served entity '{}' has {} requests waiting, which is all it takes. Retry in a second.", s->entity.name, s->queue.size()),
               1));
  s->queue.push_back(std::move(p));
  serve(s);
}

/// Whether requests wait so long, in the queue or behind others in a scorer, that another scorer is due.
static bool crowded(const LiveServed& s, Steady::time_point now) {
  if (!s.queue.empty() && now - s.queue.front()->queued > kMoreAfter) return true;
  return std::ranges::any_of(s.replicas,
                             [&](const auto& r) { return r->in_flight.size() > 1 && now - r->in_flight.begin()->second->sent > kMoreAfter; });
}

void Runtime::State::serve(const std::shared_ptr<LiveServed>& s) {
  const auto now = Steady::now();
  while (!s->queue.empty()) {
    // The one with the least to do.
    std::shared_ptr<Replica> best;
    for (const auto& r : s->replicas)
      if (r->state == Replica::State::ready && !r->ending && r->in_flight.size() < s->per_replica &&
          (!best || r->in_flight.size() < best->in_flight.size()))
        best = r;
    if (!best) break;
    auto p = std::move(s->queue.front());
    s->queue.pop_front();
    ++p->tries;
    p->sent = now;
    const auto id = best->next_id++;
    best->last_used = now;
    best->out.push_back(frame(id, FrameKind::score, p->body));
    best->in_flight[id] = std::move(p);
    if (best->out.size() == 1) write_next(best);
  }
  if (!s->fetched || stopping || now < s->next_start) return;
  const auto live = s->live();
  const bool starting = std::ranges::any_of(s->replicas, [](const auto& r) { return r->state == Replica::State::starting && !r->ending; });
  const bool needed = !s->queue.empty() || (!s->retired && (!s->entity.scale_to_zero_enabled || !s->verified));
  if (live == 0 && needed)
    start_replica(s);
  else if (!starting && static_cast<int>(live) < s->most_replicas && crowded(*s, now) && replicas_of(s->workspace_id) < options.workspace_replicas)
    start_replica(s);
}

void Runtime::State::start_replica(const std::shared_ptr<LiveServed>& s) {
  const auto model = s->model();
  ScorerOrder order;
  order.id = "i-scorer-" + new_hex(6);  // swept with instances' groups if this server is killed
  order.isolate = options.isolate;
  order.environment = s->entity.environment_vars;
  order.mounts["model"] = s->folder;
  const int times = s->entity.workload_size == "Large" ? 4 : s->entity.workload_size == "Medium" ? 2 : 1;
  order.memory_bytes = options.memory_bytes * times;
  if (s->onnx) {
    const auto slash = [](const std::string& p) { return p.rfind('/'); };
    order.mounts["bin"] = options.onnx_program.substr(0, slash(options.onnx_program));
    order.mounts["onnx"] = options.onnx_library.substr(0, slash(options.onnx_library));
    order.command = {"/mnt/bin" + options.onnx_program.substr(slash(options.onnx_program)),
                     "/mnt/onnx" + options.onnx_library.substr(slash(options.onnx_library)), "/mnt/model/" + model->onnx_file, model->inputs_json};
  } else {
    order.mounts["scripts"] = options.scripts;
    order.mounts["environment"] = options.environment;
    order.may_fork = true;
    order.environment.emplace("PYTHONDONTWRITEBYTECODE", "1");
    order.environment.emplace("GIT_PYTHON_REFRESH", "quiet");
    order.environment.emplace("MLFLOW_DISABLE_TELEMETRY", "true");
    order.environment.emplace("OMP_NUM_THREADS", "1");
    order.environment.emplace("OPENBLAS_NUM_THREADS", "1");
    order.command = {"/mnt/environment/bin/python", "/mnt/scripts/pyfunc.py", "/mnt/model", std::to_string(s->per_replica)};
  }
  compute::NodeShare share{.memory_bytes = order.memory_bytes, .cpus = static_cast<double>(times), .cpu_weight = 1024 * times, .pids = 256};
  auto made = start_scorer(options.program, order, share);
  if (!made) {
    ++s->start_failures;
    s->next_start = Steady::now() + std::chrono::seconds(std::min(30, 1 << std::min(5, s->start_failures)));
    s->failure = made.error();
    s->publish("DEPLOYMENT_FAILED", s->failure);
    settle_of(*s);
    return;
  }
  auto r = std::make_shared<Replica>(io, made->socket, made->output);
  r->number = s->next_number++;
  r->pid = made->pid;
  r->groups = std::move(made->groups);
  r->served = s;
  r->started = r->last_used = Steady::now();
  s->replicas.push_back(r);
  s->publish(s->verified ? "DEPLOYMENT_READY" : "DEPLOYMENT_CREATING", s->verified ? "Scaling up" : "Starting");
  read_head(r);
  read_output(r);
}

void Runtime::State::read_output(const std::shared_ptr<Replica>& r) {
  r->output.async_read_some(asio::buffer(r->printed), [this, r](error_code ec, std::size_t n) {
    if (ec) return;
    if (const auto s = r->served.lock()) s->said({r->printed.data(), n});
    read_output(r);
  });
}

void Runtime::State::read_head(const std::shared_ptr<Replica>& r) {
  asio::async_read(r->socket, asio::buffer(r->head), [this, r](error_code ec, std::size_t) {
    if (ec) return ended(r);
    const auto h = frame_head(r->head.data());
    if (h.length > kMostFrame) {
      r->why = "it answered with more than 64 MB";
      return ended(r);
    }
    r->payload.resize(h.length);
    asio::async_read(r->socket, asio::buffer(r->payload), [this, r, h](error_code ec, std::size_t) {
      if (ec) return ended(r);
      if (h.kind == FrameKind::hello)
        said_hello(r);
      else
        answered(r, h);
      if (r->state != Replica::State::dead) read_head(r);
    });
  });
}

void Runtime::State::write_next(const std::shared_ptr<Replica>& r) {
  asio::async_write(r->socket, asio::buffer(r->out.front()), [this, r](error_code ec, std::size_t) {
    if (ec || r->state == Replica::State::dead) return;  // its end is seen by the reader
    r->out.pop_front();
    if (!r->out.empty()) write_next(r);
  });
}

void Runtime::State::said_hello(const std::shared_ptr<Replica>& r) {
  const auto s = r->served.lock();
  if (!s || r->state != Replica::State::starting) return;
  const auto said = json::parse(r->payload);
  const auto* o = said ? said->if_object() : nullptr;
  if (!o || !o->contains("ready")) {
    const auto* error = o ? o->if_contains("error") : nullptr;
    r->why = error && error->is_string() ? std::string(error->get_string()) : "it did not say that it is ready";
    return end(r, r->why);
  }
  r->state = Replica::State::ready;
  s->built(fmt::format("scorer {} ready after {:.0f} ms: {}", r->number, ms_since(r->started), boost::json::serialize(*o)));
  s->start_failures = 0;
  s->failure.clear();
  const bool first = !std::exchange(s->verified, true);
  s->set_failed(false);
  s->publish("DEPLOYMENT_READY", "");
  r->last_used = Steady::now();
  serve(s);
  if (first) settle_of(*s);
}

void Runtime::State::answered(const std::shared_ptr<Replica>& r, const FrameHead& h) {
  const auto s = r->served.lock();
  const auto i = r->in_flight.find(h.id);
  if (!s || i == r->in_flight.end()) return;
  auto p = std::move(i->second);
  r->in_flight.erase(i);
  r->last_used = Steady::now();
  const auto took = std::chrono::duration_cast<std::chrono::microseconds>(r->last_used - p->sent);
  switch (h.kind) {
    case FrameKind::answer:
      finish(*s, std::move(p), ScoreReply{std::move(r->payload), took});
      break;
    case FrameKind::bad_input:
      finish(*s, std::move(p), refuse(Errc::invalid, r->payload));
      break;
    default:
      finish(*s, std::move(p), refuse(Errc::model_failed, r->payload));
      break;
  }
  serve(s);
}

void Runtime::State::end(const std::shared_ptr<Replica>& r, const std::string& why) {
  if (r->ending || r->state == Replica::State::dead) return;
  r->ending = true;
  if (r->why.empty()) r->why = why;
  ::kill(-r->pid, SIGKILL);  // its whole group; not reaped before ended(), so the id is its own
}

void Runtime::State::ended(const std::shared_ptr<Replica>& r) {
  if (r->state == Replica::State::dead) return;
  const bool starting = r->state == Replica::State::starting;
  r->state = Replica::State::dead;
  error_code ignored;
  r->socket.close(ignored);
  ::kill(-r->pid, SIGKILL);
  // The output's last words may still be in the pipe; the reader ends with it.
  asio::post(helpers, [pid = r->pid, groups = r->groups] {
    ::waitpid(pid, nullptr, 0);
    compute::node::remove_groups(groups);
  });
  const auto s = r->served.lock();
  if (!s) return;
  std::erase(s->replicas, r);
  if (!r->ending || starting) {
    const std::string why = r->why.empty() ? "it ended by itself (killed, out of memory, or a crash)" : r->why;
    s->said(fmt::format("scorer {} ended: {}\n", r->number, why));
    for (auto& [id, m] : managed)
      if (std::ranges::any_of(m.served, [&](const auto& p) { return p.second == s; })) ++m.stats->replaced;
    if (starting && !stopping) {
      ++s->start_failures;
      s->built(fmt::format("scorer {} did not start: {}", r->number, why));
      s->next_start = Steady::now() + std::chrono::milliseconds(std::min(30'000, 250 << std::min(7, s->start_failures)));
      if (s->start_failures >= 2 || !r->why.empty()) {
        s->failure = why;
        s->publish("DEPLOYMENT_FAILED", why);
        while (!s->queue.empty()) {
          auto p = std::move(s->queue.front());
          s->queue.pop_front();
          finish(*s, std::move(p), refuse(Errc::unavailable, fmt::format("Served entity '{}' cannot start: {}", s->entity.name, why), 5));
        }
        if (!s->verified) s->next_start = Steady::now() + std::chrono::seconds(30), settle_of(*s);
      }
    }
  }
  for (auto& [id, p] : r->in_flight) {
    if (p->view) ++p->view->stats->retried;
    if (p->tries < kTries && Steady::now() < p->deadline && !stopping)
      s->queue.push_front(std::move(p));
    else
      finish(*s, std::move(p),
             refuse(Errc::unavailable, fmt::format("The scorer of '{}' ended while it was at the request, twice. Retry.", s->entity.name), 1));
  }
  r->in_flight.clear();
  if (!stopping) {
    if (s->verified && s->failure.empty()) s->publish("DEPLOYMENT_READY", s->live() ? "" : "Scaled to zero");
    serve(s);
  }
}

void Runtime::State::watch(const std::shared_ptr<LiveServed>& s, Steady::time_point now) {
  while (!s->queue.empty() && s->queue.front()->deadline < now) {
    auto p = std::move(s->queue.front());
    s->queue.pop_front();
    finish(*s, std::move(p), refuse(Errc::unavailable, fmt::format("No scorer of '{}' was free in time.", s->entity.name), 1));
  }
  for (const auto& r : std::vector(s->replicas)) {
    if (r->state == Replica::State::starting && now - r->started > options.start_timeout) {
      r->why = fmt::format("it was not ready after {} s", options.start_timeout.count());
      end(r, r->why);
      continue;
    }
    for (auto i = r->in_flight.begin(); i != r->in_flight.end(); ++i)
      if (i->second->deadline < now) {
        auto p = std::move(i->second);
        r->in_flight.erase(i);
        for (auto& [id, m] : managed)
          if (std::ranges::any_of(m.served, [&](const auto& x) { return x.second == s; })) ++m.stats->replaced;
        s->said(fmt::format("scorer {} killed: it did not answer in time\n", r->number));
        end(r, "it did not answer in time");
        finish(*s, std::move(p),
               refuse(Errc::timed_out,
                      fmt::format("The model of '{}' did not answer within the request's time; its scorer is replaced.", s->entity.name)));
        break;
      }
  }
  if (!s->retired && s->queue.empty() && s->verified) {
    const auto live = s->live();
    for (const auto& r : std::vector(s->replicas)) {
      if (r->state != Replica::State::ready || r->ending || !r->in_flight.empty()) continue;
      const bool extra = live > 1 && now - r->last_used > std::min(options.idle, std::chrono::seconds(60));
      const bool last = live == 1 && s->entity.scale_to_zero_enabled && now - r->last_used > options.idle;
      if (!extra && !last) continue;
      s->said(fmt::format("scorer {} ended: idle\n", r->number));
      end(r, "idle");
      break;
    }
  }
  serve(s);
}

}  // namespace tarn::serving
