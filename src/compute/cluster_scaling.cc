// The part of Clusters that decides how many workers a cluster has: what was asked for, what its load asks for, what is lost.
#include <cmath>

#include "compute/clusters.h"
#include "compute/fleet.h"
#include "compute/reasons.h"
#include "compute/spec_check.h"

namespace tarn::compute {
namespace {

constexpr Millis kLookEvery = 10'000;
constexpr Millis kShrinkAfter = 150'000;    // the vendor's for all-purpose clusters
constexpr Millis kShrinkAfterJob = 40'000;  // and for those of jobs
constexpr double kFull = 0.7;               // of an instance's cores; beyond it another one helps
constexpr Millis kLoadIsOld = 60'000;

json::object size_json(int workers) { return {{"num_workers", workers}}; }

}  // namespace

int Clusters::workers_of(const ClusterSpec& s) { return s.autoscale ? s.autoscale->min_workers.value_or(0) : s.num_workers.value_or(0); }

/// How many nodes the load of the last interval would fill: by cores in use and by commands that run or wait, each of which is a node's work.
int Clusters::wanted_workers(const ClusterRecord& c, Millis now) const {
  double cores = 0;
  for (const auto* i : c.instances())
    if (const auto l = metrics_.load(i->instance_id); l && now - l->at < kLoadIsOld) cores += l->cores;
  const auto* type = find_node_type(c.spec.node_type_id.value_or(""));
  const double of_one = type ? share_of(*type, this_host()).cpus : 1;
  const int by_cores = static_cast<int>(std::ceil(cores / (of_one * kFull)));
  const int by_commands = code_ ? code_->busy(c.cluster_id) : 0;
  // The driver is a node too, but of a Spark whose tasks run on workers alone.
  const auto* runtime = find_runtime(c.spec.spark_version.value_or(""));
  const int workers = std::max(by_cores, by_commands) - (runtime && runtime->apache ? 0 : 1);
  return std::clamp(workers, c.spec.autoscale->min_workers.value_or(0), std::max(1, c.spec.autoscale->max_workers.value_or(1)));
}

bool Clusters::autoscale(const ClusterRecord& c, Millis now) {
  if (!c.spec.autoscale || !c.usable()) return false;
  int target = c.target_workers;
  {
    const std::lock_guard lock(mutex_);
    auto& s = scaling_[c.cluster_id];
    if (now - s.looked_at < kLookEvery && s.looked_at != 0) return false;
    s.looked_at = now;
    const int wanted = wanted_workers(c, now);
    if (wanted > target) {
      target = wanted;
      s.low_since = 0;
    } else if (wanted == target) {
      s.low_since = 0;
    } else {
      if (s.low_since == 0) {
        s.low_since = now;
        s.most_wanted = wanted;
      }
      s.most_wanted = std::max(s.most_wanted, wanted);
      if (now - s.low_since < (c.cluster_source == "JOB" ? kShrinkAfterJob : kShrinkAfter)) return false;
      target = s.most_wanted;
      s.low_since = 0;
    }
  }
  if (target == c.target_workers) return false;
  return move(c.cluster_id, "autoscale", [&](store::WriteTxn& t, ClusterRecord& r) {
    if (!r.usable() || !r.spec.autoscale || r.target_workers != c.target_workers) return false;
    add_event(t, r, "AUTOSCALING_STATS_REPORT", {{"current_num_workers", r.workers.size()}, {"target_num_workers", target}});
    aim(t, r, target, "AUTOSCALE", "");
    return true;
  });
}

/// From now on it is to have this many workers: more are ordered by the next step, the youngest go at once.
void Clusters::aim(store::WriteTxn& t, ClusterRecord& c, int target, const std::string& cause, const std::string& user) {
  json::object details{{"cause", cause},
                       {"current_num_workers", c.workers.size()},
                       {"target_num_workers", target},
                       {"previous_cluster_size", size_json(c.target_workers)}};
  if (!user.empty()) details["user"] = user;
  c.target_workers = target;
  c.worker_failures = 0;
  c.workers_not_before = 0;
  add_event(t, c, "RESIZING", std::move(details));
  if (static_cast<int>(c.workers.size()) > target) {
    meter(t, c);
    while (static_cast<int>(c.workers.size()) > target) {
      release_one(t, c, c.workers.back());
      c.old_instances.push_back(c.workers.back().instance_id);
      c.workers.pop_back();
    }
  }
  const bool there = static_cast<int>(c.workers.size()) == target && std::ranges::all_of(c.workers, [](const Instance& w) { return w.up_at != 0; });
  if (there) {
    c.state = State::RUNNING;
    c.state_message.clear();
    c.resizing_since = 0;
    return;
  }
  c.state = State::RESIZING;
  c.state_message = fmt::format("Resizing to {} workers", target);
  c.resizing_since = clock_.now();
}

/// A cluster that runs: what it lost, what it lacks.
bool Clusters::tend_workers(const ClusterRecord& c, Millis now) {
  bool any = false;
  for (const auto& w : c.workers) {
    const bool gone = w.lost_at != 0 && now - w.lost_at > options_.lease;
    const bool late = w.up_at == 0 && now - w.ordered_at > options_.bootstrap_timeout;
    if (!gone && !late) continue;
    any = move(c.cluster_id, "lost",
               [&](store::WriteTxn& t, ClusterRecord& r) {
                 const auto* i = r.find_instance(w.instance_id);
                 if (!r.usable() || !i || i->lost_at != w.lost_at || i->up_at != w.up_at) return false;
                 r.old_instances.push_back(w.instance_id);
                 worker_gone(t, r, w.instance_id, w.up_at != 0);
                 return true;
               }) ||
          any;
  }
  if (static_cast<int>(c.workers.size()) < c.target_workers && c.workers_not_before <= now) any = order_instances(c) || any;
  assign(c);
  return autoscale(c, now) || any;
}

/// Which nodes make up the network of an Apache Spark whose executors are on workers. A cluster without workers has none, and its driver is told so.
void Clusters::keep_spark(const std::vector<ClusterRecord>& active) {
  std::map<std::string, SparkMembers> out;
  for (const auto& c : active) {
    const auto* runtime = find_runtime(c.spec.spark_version.value_or(""));
    const auto* type = find_node_type(c.spec.node_type_id.value_or(""));
    if (!runtime || !runtime->apache || !type || !c.instance || c.state == State::TERMINATING) continue;
    const auto ends = [&](const Instance& i) { return std::ranges::find(c.old_instances, i.instance_id) != c.old_instances.end(); };
    if (c.instance->up_at == 0 || ends(*c.instance)) continue;
    auto& m = out[c.cluster_id];
    m.driver = c.instance->instance_id;
    for (const auto& w : c.workers)
      if (w.up_at != 0 && !ends(w)) m.workers.push_back(w.instance_id);
    m.target = c.target_workers;
    m.most = c.spec.autoscale ? c.spec.autoscale->max_workers.value_or(1) : c.target_workers;
    const auto share = share_of(*type, this_host());
    m.worker_memory = share.memory_bytes;
    m.worker_cpus = share.cpus;
  }
  spark_.keep(std::move(out));
}

}  // namespace tarn::compute
