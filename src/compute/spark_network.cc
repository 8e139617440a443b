#include "compute/spark_network.h"

#include <algorithm>

#include "base/json_read.h"
#include "base/log.h"

namespace tarn::compute {
namespace {

// The ports that src/compute/node/streams.py listens on in the others' place.
constexpr std::int64_t kFirstOfDriver = 7077, kLastOfDriver = 7080;  // master, driver, its blocks, storage
constexpr std::int64_t kFirstOfWorker = 7081, kLastOfWorker = 7084;  // worker, its executor's blocks
constexpr int kMostStreams = 1024;                                   // of one instance
constexpr std::size_t kMostAnnounced = 200, kMostSettings = 4096;

std::int64_t number_at(const json::object& o, std::string_view name) {
  const auto* n = o.if_contains(name);
  return n && n->is_int64() ? n->as_int64() : 0;
}

}  // namespace

const std::string* SparkNetwork::cluster_of(const std::string& instance_id) const {
  const auto i = cluster_by_instance_.find(instance_id);
  return i == cluster_by_instance_.end() ? nullptr : &i->second;
}

void SparkNetwork::keep(std::map<std::string, SparkMembers> clusters) {
  const std::lock_guard lock(mutex_);
  if (clusters == clusters_) return;
  const auto before = std::exchange(clusters_, std::move(clusters));
  const auto members_before = std::exchange(cluster_by_instance_, {});
  for (const auto& [id, c] : clusters_) {
    if (!c.driver.empty()) cluster_by_instance_[c.driver] = id;
    for (const auto& w : c.workers) cluster_by_instance_[w] = id;
  }
  for (const auto& [instance, cluster] : members_before)
    if (!cluster_by_instance_.contains(instance)) drop_streams_of(instance);
  for (const auto& [id, c] : clusters_) {
    const auto old = before.find(id);
    if (old != before.end() && old->second == c) continue;
    if (!c.driver.empty()) tell(id, c.driver);
    tell_workers(id);
  }
}

void SparkNetwork::up(const std::string& instance_id) {
  const std::lock_guard lock(mutex_);
  drop_streams_of(instance_id);
  if (const auto* cluster = cluster_of(instance_id)) tell(*cluster, instance_id);
}

void SparkNetwork::lost(const std::string& instance_id) {
  const std::lock_guard lock(mutex_);
  drop_streams_of(instance_id);
  announced_.erase(instance_id);
}

/// A driver that has not said which contexts it has (this process was started again) is no reason to end what their workers run.
void SparkNetwork::tell(const std::string& cluster_id, const std::string& instance_id) {
  const auto& c = clusters_.at(cluster_id);
  json::object message{{"op", "spark"}, {"workers", json::encode(c.workers)}};
  if (instance_id == c.driver) {
    message["target"] = c.target;
    message["most"] = c.most;
    message["memory_bytes"] = c.worker_memory;
    message["cpus"] = c.worker_cpus;
  } else {
    const auto said = announced_.find(c.driver);
    if (said == announced_.end()) return;
    json::object contexts;
    for (const auto& [context, settings] : said->second)
      if (ways_.runs(cluster_id, context)) contexts[context] = settings;
    message["me"] = instance_id;
    message["contexts"] = std::move(contexts);
  }
  ways_.send(instance_id, message);
}

void SparkNetwork::tell_workers(const std::string& cluster_id) {
  for (const auto& w : clusters_.at(cluster_id).workers) tell(cluster_id, w);
}

void SparkNetwork::announce(const std::string& instance_id, const json::object& contexts) {
  json::object kept;
  for (const auto& [context, settings] : contexts)
    if (kept.size() < kMostAnnounced && settings.is_object() && boost::json::serialize(settings).size() <= kMostSettings) kept[context] = settings;
  // Also of one that Clusters has not named yet: its first words come with its first hello.
  announced_[instance_id] = std::move(kept);
  if (const auto* cluster = cluster_of(instance_id); cluster && clusters_.at(*cluster).driver == instance_id) tell_workers(*cluster);
}

bool SparkNetwork::said(const std::string& instance_id, const json::object& message) {
  const auto type = json::text_at(message, "type");
  if (type == "stream") {
    const std::lock_guard lock(mutex_);
    if (message.contains("open"))
      open(instance_id, message);
    else
      pass(instance_id, message);
    return true;
  }
  if (type != "spark") return false;
  const std::lock_guard lock(mutex_);
  if (const auto* contexts = message.if_contains("contexts"); contexts && contexts->is_object()) {
    announce(instance_id, contexts->as_object());
    return true;
  }
  const auto* cluster = cluster_of(instance_id);
  if (!cluster) return true;
  const auto context = json::text_at(message, "context").substr(0, 64), status = json::text_at(message, "status").substr(0, 20),
             why = json::text_at(message, "message").substr(0, 2000);
  spdlog::info("cluster {}: the executors of context {} on {}: {}{}{}", *cluster, context, instance_id, status, why.empty() ? "" : ": ", why);
  ways_.send(clusters_.at(*cluster).driver,
             {{"op", "spark-status"}, {"instance", instance_id}, {"context", context}, {"status", status}, {"message", why}});
  return true;
}

std::string SparkNetwork::why_not(const std::string& instance_id, const std::string& id, const json::object& message, std::string& target) const {
  const auto* cluster = cluster_of(instance_id);
  if (!cluster) return "this node belongs to no cluster whose Spark has workers";
  const auto& c = clusters_.at(*cluster);
  target = json::text_at(message, "to");
  const bool to_driver = target.empty() || target == c.driver;
  if (to_driver) target = c.driver;
  if (id.empty() || id.size() > 64 || streams_.contains(id)) return "not a new stream";
  const auto context = json::text_at(message, "context");
  const auto known = announced_.find(c.driver);
  if (known == announced_.end() || !known->second.contains(context) || !ways_.runs(*cluster, context)) return "not a context of this cluster";
  if (target.empty() || target == instance_id || (!to_driver && std::ranges::find(c.workers, target) == c.workers.end()))
    return "not another node of this cluster";
  const auto port = number_at(message, "port");
  if (port < (to_driver ? kFirstOfDriver : kFirstOfWorker) || port > (to_driver ? kLastOfDriver : kLastOfWorker))
    return "not a port of Spark's there";
  for (const auto& end : {instance_id, target})
    if (const auto n = streams_of_.find(end); n != streams_of_.end() && n->second >= kMostStreams) return end + " has as many streams as it may have";
  return "";
}

void SparkNetwork::open(const std::string& instance_id, const json::object& message) {
  const auto id = json::text_at(message, "open");
  std::string target;
  if (const auto why = why_not(instance_id, id, message, target); !why.empty()) {
    ++figures_.refused;
    spdlog::debug("a stream of {} was refused: {}", instance_id, why);
    return reset(instance_id, id, why);
  }
  if (!ways_.carry(target, {{"op", "stream"}, {"open", id}, {"context", message.at("context")}, {"port", message.at("port")}}))
    return reset(instance_id, id, "that node is not connected");
  streams_[id] = {.from = instance_id, .to = target};
  ++streams_of_[instance_id];
  ++streams_of_[target];
  ++figures_.opened;
}

/// Data, what was taken of it, an end. Only between the two whose stream it is.
void SparkNetwork::pass(const std::string& instance_id, const json::object& message) {
  const auto id = json::text_at(message, "id");
  const bool is_reset = message.contains("reset");
  const auto i = streams_.find(id);
  if (i == streams_.end() || (i->second.from != instance_id && i->second.to != instance_id)) {
    if (i != streams_.end()) ++figures_.refused;
    // What a node took may be told after both ends have said all: that is no fault of the stream's.
    if (message.contains("data")) reset(instance_id, id, "no such stream");
    return;
  }
  auto& s = i->second;
  const bool forth = s.from == instance_id;
  const auto other = forth ? s.to : s.from;
  json::object out{{"op", "stream"}, {"id", id}};
  for (const char* part : {"data", "took", "fin", "reset"})
    if (const auto* v = message.if_contains(part)) out[part] = *v;
  if (const auto* data = message.if_contains("data"); data && data->is_string())
    figures_.bytes += static_cast<std::int64_t>(data->as_string().size() * 3 / 4);
  const bool carried = ways_.carry(other, out);
  if (message.contains("fin")) (forth ? s.from_ended : s.to_ended) = true;
  if (carried && !is_reset && !(s.from_ended && s.to_ended)) return;
  if (!carried && !is_reset) {
    reset(instance_id, id, "that node does not take what is sent to it");
    reset(other, id, "what was sent could not be delivered");
  }
  --streams_of_[s.from];
  --streams_of_[s.to];
  streams_.erase(i);
}

void SparkNetwork::reset(const std::string& instance_id, const std::string& id, std::string_view why) {
  ways_.send(instance_id, {{"op", "stream"}, {"id", id}, {"reset", why}});
}

void SparkNetwork::drop_streams_of(const std::string& instance_id) {
  for (auto i = streams_.begin(); i != streams_.end();) {
    const auto& s = i->second;
    if (s.from != instance_id && s.to != instance_id) {
      ++i;
      continue;
    }
    const auto other = s.from == instance_id ? s.to : s.from;
    reset(other, i->first, "the other node is gone");
    if (--streams_of_[other] <= 0) streams_of_.erase(other);
    i = streams_.erase(i);
  }
  streams_of_.erase(instance_id);
}

SparkNetwork::Figures SparkNetwork::figures() const {
  const std::lock_guard lock(mutex_);
  auto out = figures_;
  out.streams = static_cast<std::int64_t>(streams_.size());
  return out;
}

}  // namespace tarn::compute
