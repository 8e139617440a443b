#include "compute/metrics_text.h"

namespace tarn::compute {
namespace {

constexpr Millis kStale = 60'000;

/// A label's value: what people type may hold anything.
std::string label_text(std::string_view text) {
  std::string out;
  for (const char c : text.substr(0, 128)) {
    if (c == '\\' || c == '"') out += '\\';
    out += c == '\n' ? ' ' : c;
  }
  return out;
}

struct Series {
  std::string text;
  Series(const char* name, const char* help, const char* type = "gauge") : name_(name) {
    text = fmt::format("# HELP {} {}\n# TYPE {} {}\n", name, help, name, type);
  }
  template <class V>
  void add(const std::string& labels, V value) {
    text += fmt::format("{}{{{}}} {}\n", name_, labels, value);
  }
  template <class V>
  void add(V value) {
    text += fmt::format("{} {}\n", name_, value);
  }

 private:
  const char* name_;
};

}  // namespace

std::string metrics_text(Clusters& clusters, const Relay& relay, const Clock& clock) {
  Series states("tarn_cluster_up", "1 while a cluster can run code, 0 while it is on its way"),
      commands("tarn_cluster_commands", "Commands that run or wait"), workers("tarn_cluster_workers", "Workers that are up"),
      wanted("tarn_cluster_workers_wanted", "Workers that it is to have"), memory("tarn_node_memory_bytes", "Memory in use"),
      cores("tarn_node_cores", "Cores in use over the last interval"), processes("tarn_node_processes", "Processes");
  const auto now = clock.now();
  for (const auto& c : clusters.active_here()) {
    // A job's cluster carries its run in its name: the series of a run.
    const auto labels = fmt::format("cluster_id=\"{}\",workspace_id=\"{}\",source=\"{}\",cluster_name=\"{}\"", c.cluster_id, c.workspace_id,
                                    c.cluster_source, label_text(c.spec.cluster_name.value_or("")));
    states.add(labels, c.usable() ? 1 : 0);
    commands.add(labels, clusters.busy(c.cluster_id));
    workers.add(labels, std::ranges::count_if(c.workers, [](const Instance& w) { return w.up_at != 0; }));
    wanted.add(labels, c.target_workers);
    for (const auto* i : c.instances()) {
      const auto l = clusters.metrics().load(i->instance_id);
      if (!l || now - l->at > kStale) continue;
      const auto node = fmt::format("{},instance_id=\"{}\",role=\"{}\",node_type=\"{}\"", labels, i->instance_id,
                                    c.is_driver(i->instance_id) ? "driver" : "worker", i->node_type_id);
      memory.add(node, l->memory_bytes);
      cores.add(node, l->cores);
      processes.add(node, l->processes);
    }
  }
  const auto f = relay.figures();
  Series connected("tarn_relay_connections", "Nodes that are connected"), admitted("tarn_relay_admitted_total", "Hellos that were let in", "counter"),
      refused("tarn_relay_refused_total", "Hellos of whom the relay did not believe", "counter"),
      bytes_in("tarn_relay_received_bytes_total", "Bytes from nodes", "counter"),
      bytes_out("tarn_relay_sent_bytes_total", "Bytes to nodes", "counter");
  const auto s = clusters.spark().figures();
  Series streams("tarn_spark_streams", "Streams between the nodes of Spark's that are open now"),
      streams_opened("tarn_spark_streams_total", "Streams between the nodes of Spark's that were opened", "counter"),
      streams_refused("tarn_spark_refused_total", "Streams that a node asked for and may not have", "counter"),
      streams_bytes("tarn_spark_stream_bytes_total", "Bytes that streams carried", "counter");
  streams.add(s.streams);
  streams_opened.add(s.opened);
  streams_refused.add(s.refused);
  streams_bytes.add(s.bytes);
  connected.add(f.connections);
  admitted.add(f.admitted);
  refused.add(f.refused);
  bytes_in.add(f.bytes_in);
  bytes_out.add(f.bytes_out);
  std::string out;
  for (const auto* s : {&states, &commands, &workers, &wanted, &memory, &cores, &processes, &connected, &admitted, &refused, &bytes_in, &bytes_out,
                        &streams, &streams_opened, &streams_refused, &streams_bytes})
    out += s->text;
  return out;
}

}  // namespace tarn::compute
