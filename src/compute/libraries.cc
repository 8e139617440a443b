#include "compute/libraries.h"

#include "base/crypto.h"
#include "base/json_read.h"
#include "base/log.h"

namespace tarn::compute {
namespace {

constexpr std::size_t kMostLibraries = 200;  // of a cluster
constexpr std::size_t kMostFile = 256u << 20;
constexpr std::size_t kPart = 1u << 20;

/// What one node said of one library.
struct OnNode {
  std::string instance_id;
  LibraryState state = LibraryState::PENDING;
  std::string message;
};
BOOST_DESCRIBE_STRUCT(OnNode, (), (instance_id, state, message))

struct LibraryRecord {
  std::int64_t workspace_id = 0, installer = 0;
  std::string cluster_id, key;
  Millis asked_at = 0;
  Library library;
  bool goes = false;  // with the cluster's restart
  std::vector<OnNode> nodes;
  std::string store_key() const { return store::key({cluster_id, key}); }
  std::vector<store::IndexEntry> store_indexes() const { return {}; }
};
BOOST_DESCRIBE_STRUCT(LibraryRecord, (), (workspace_id, installer, cluster_id, key, asked_at, library, goes, nodes))

constexpr store::Collection<LibraryRecord> libraries_table{"compute.library"};

std::string key_of_library(const Library& l) { return crypto::to_hex(crypto::sha256(json::encode_text(l))).substr(0, 32); }

/// The same library, whatever the version of its package: the vendor knows one of a name.
bool plain_package(std::string_view text) {
  if (text.empty() || text.size() > 200 || text.front() == '-') return false;
  return std::ranges::all_of(text, [](unsigned char c) {
    return std::isalnum(c) || std::string_view("._-[]<>=!~,* ").find(static_cast<char>(c)) != std::string_view::npos;
  });
}

bool has_value(const json::value& v) { return !v.is_null(); }

/// One way in; what cannot be installed here is named.
Result<void> check_library(const Library& l, LibrarySource& source) {
  const int set = l.whl.has_value() + l.jar.has_value() + l.egg.has_value() + l.requirements.has_value() + l.pypi.has_value() + has_value(l.maven) +
                  has_value(l.cran);
  if (set != 1)
    return refuse(Errc::invalid, fmt::format("A library must have exactly one of whl, pypi, requirements, jar, egg, maven and cran, got {}", set));
  if (l.egg) return refuse(Errc::invalid, "Library installs of eggs are no longer supported: build a wheel of " + l.egg->substr(0, 200));
  if (l.jar || has_value(l.maven)) return refuse(Errc::not_enabled, "Libraries of the JVM (jar, maven)");
  if (has_value(l.cran)) return refuse(Errc::not_enabled, "Libraries of R (cran)");
  if (l.requirements) return refuse(Errc::not_enabled, "Libraries of a requirements file: install its packages as pypi libraries");
  if (l.whl) {
    const auto& path = *l.whl;
    if (!path.starts_with("/Workspace/") && !path.starts_with("/Volumes/"))
      return refuse(Errc::invalid, "Field 'whl' must be a path under /Workspace or /Volumes, got '" + path.substr(0, 200) + "'");
    if (!path.ends_with(".whl")) return refuse(Errc::invalid, "Field 'whl' must name a .whl file, got '" + path.substr(0, 200) + "'");
    return {};
  }
  const auto& p = *l.pypi;
  if (!p.package || !plain_package(*p.package))
    return refuse(Errc::invalid, "Field 'pypi.package' must be a package with an optional version, like simplejson==3.8.0; got '" +
                                     p.package.value_or("").substr(0, 200) + "'");
  if (p.repo && !p.repo->empty())
    if (auto why = source.refused_index(*p.repo)) return refuse(Errc::invalid, "Field 'pypi.repo' cannot be used: " + *why);
  return {};
}

/// Over all nodes: failed if one failed, installed if all are.
LibraryStatus status_of_library(const LibraryRecord& r, const ClusterRecord& c) {
  LibraryStatus out{.library = r.library};
  if (r.goes) {
    out.status = LibraryState::UNINSTALL_ON_RESTART;
    return out;
  }
  bool failed = false, all = !c.instances().empty(), some = false;
  for (const auto* i : c.instances()) {
    const auto n = std::ranges::find(r.nodes, i->instance_id, &OnNode::instance_id);
    if (n == r.nodes.end() || n->state == LibraryState::PENDING) {
      all = false;
      continue;
    }
    some = true;
    all = all && n->state == LibraryState::INSTALLED;
    if (n->state == LibraryState::FAILED) {
      failed = true;
      if (std::ranges::find(out.messages, n->message) == out.messages.end()) out.messages.push_back(n->message);
    }
  }
  out.status = failed ? LibraryState::FAILED : all ? LibraryState::INSTALLED : some ? LibraryState::INSTALLING : LibraryState::PENDING;
  return out;
}

std::vector<LibraryRecord> libraries_of(store::ReadTxn& t, const std::string& cluster_id) {
  auto all = libraries_table.scan(t, store::prefix({cluster_id}));
  std::ranges::sort(all, [](const auto& a, const auto& b) { return std::tie(a.asked_at, a.key) < std::tie(b.asked_at, b.key); });
  return all;
}

}  // namespace

Libraries::Libraries(store::Store& store, Clusters& clusters, LibrarySource& source, const Clock& clock, Options options)
    : store_(store), clusters_(clusters), source_(source), clock_(clock), options_(std::move(options)) {
  clusters_.libraries_are(this);
}

Result<void> Libraries::install(const access::Context& ctx, const std::string& cluster_id, const std::vector<Library>& libraries) {
  TARN_TRY(cluster, clusters_.manage(ctx, cluster_id));
  if (libraries.empty()) return refuse(Errc::invalid, "Field 'libraries' is required");
  for (const auto& l : libraries) TARN_CHECK(check_library(l, source_));
  TARN_CHECK(
      store_.write_as(ctx.event("clusterLibraries", "installLibraries", {{"cluster_id", cluster_id}}), [&](store::WriteTxn& t) -> Result<void> {
        for (const auto& l : libraries) {
          const auto key = key_of_library(l);
          auto known = libraries_table.get(t, store::key({cluster_id, key}));
          LibraryRecord r = known ? known->value : LibraryRecord{};
          r.workspace_id = cluster.workspace_id;
          r.installer = ctx.caller.id;
          r.cluster_id = cluster_id;
          r.key = key;
          r.library = l;
          r.goes = false;
          if (!known) r.asked_at = clock_.now();
          std::erase_if(r.nodes, [](const OnNode& n) { return n.state == LibraryState::FAILED; });  // asked again: tried again
          if (!libraries_table.put(t, r)) throw std::logic_error("a library's record is taken");
        }
        if (libraries_of(t, cluster_id).size() > kMostLibraries)
          return refuse(Errc::limit_exceeded, fmt::format("A cluster can have at most {} libraries", kMostLibraries));
        return {};
      }));
  for (const auto* i : cluster.instances())
    if (i->up_at != 0) wake({cluster_id, i->instance_id});
  return {};
}

Result<void> Libraries::uninstall(const access::Context& ctx, const std::string& cluster_id, const std::vector<Library>& libraries) {
  TARN_TRY(cluster, clusters_.manage(ctx, cluster_id));
  if (libraries.empty()) return refuse(Errc::invalid, "Field 'libraries' is required");
  return store_.write_as(ctx.event("clusterLibraries", "uninstallLibraries", {{"cluster_id", cluster_id}}), [&](store::WriteTxn& t) -> Result<void> {
    for (const auto& l : libraries) {
      auto known = libraries_table.get(t, store::key({cluster_id, key_of_library(l)}));
      if (!known) continue;  // as the vendor: nothing is done, nothing is wrong
      if (!cluster.active()) {
        libraries_table.erase(t, known->value.store_key());
        continue;
      }
      known->value.goes = true;
      (void)libraries_table.update(t, known->value);
    }
    return {};
  });
}

Result<std::vector<LibraryStatus>> Libraries::status(const access::Context& ctx, const std::string& cluster_id) {
  TARN_TRY(cluster, clusters_.get(ctx, cluster_id));
  std::vector<LibraryStatus> out;
  for (const auto& r : store_.read_as([&](store::ReadTxn& t) { return libraries_of(t, cluster_id); })) out.push_back(status_of_library(r, cluster));
  return out;
}

std::map<std::string, std::vector<LibraryStatus>> Libraries::all(const access::Context& ctx) {
  std::map<std::string, std::vector<LibraryStatus>> out;
  for (const auto& c : clusters_.list(ctx))
    for (const auto& r : store_.read_as([&](store::ReadTxn& t) { return libraries_of(t, c.cluster_id); }))
      out[c.cluster_id].push_back(status_of_library(r, c));
  return out;
}

void Libraries::up(const ClusterRecord& cluster, const std::string& instance_id) { wake({cluster.cluster_id, instance_id}); }

void Libraries::wake(Order order) {
  {
    const std::lock_guard lock(mutex_);
    waiting_.push_back(std::move(order));
  }
  changed_.notify_all();
}

bool Libraries::step() {
  Order order;
  {
    const std::lock_guard lock(mutex_);
    if (waiting_.empty()) return false;
    order = std::move(waiting_.front());
    waiting_.pop_front();
  }
  deliver(order);
  return true;
}

/// Sends a node what it does not have yet. Asked twice it installs once (the node knows what it did).
bool Libraries::deliver(const Order& order) {
  const auto cluster = clusters_.find(order.cluster_id);
  if (!cluster) return false;
  for (const auto& r : store_.read_as([&](store::ReadTxn& t) { return libraries_of(t, order.cluster_id); })) {
    const auto n = std::ranges::find(r.nodes, order.instance_id, &OnNode::instance_id);
    if (r.goes || (n != r.nodes.end() && n->state != LibraryState::PENDING)) continue;
    json::object message{{"op", "library"}, {"id", r.key}, {"index", options_.index}};
    const auto failed = [&](const std::string& why) { said(*cluster, order.instance_id, {{"id", r.key}, {"status", "FAILED"}, {"message", why}}); };
    if (r.library.pypi) {
      message["kind"] = "pypi";
      message["package"] = *r.library.pypi->package;
      if (r.library.pypi->repo && !r.library.pypi->repo->empty()) {
        // Asked again: the name may mean another address now.
        if (const auto why = source_.refused_index(*r.library.pypi->repo)) {
          failed(*why);
          continue;
        }
        message["index"] = *r.library.pypi->repo;
      }
    } else {
      auto bytes = source_.file(r.workspace_id, r.installer, *r.library.whl);
      if (bytes && bytes->size() > kMostFile) bytes = fail(fmt::format("{} has {} bytes, the most is {}", *r.library.whl, bytes->size(), kMostFile));
      if (bytes && !bytes->starts_with("PK")) bytes = fail(*r.library.whl + " is not a wheel: it is no zip file");
      if (!bytes) {
        failed(bytes.error());
        continue;
      }
      std::size_t parts = 0;
      bool sent = true;
      for (std::size_t at = 0; sent && at < bytes->size(); at += kPart, ++parts)
        sent = clusters_.send_to(
            order.instance_id,
            {{"op", "library-part"}, {"id", r.key}, {"at", parts}, {"data", crypto::base64(std::string_view(*bytes).substr(at, kPart))}});
      if (!sent) return false;  // it dials in again, and is asked again
      message["kind"] = "whl";
      message["file"] = r.library.whl->substr(r.library.whl->rfind('/') + 1);
      message["parts"] = parts;
    }
    if (!clusters_.send_to(order.instance_id, message)) return false;
    said(*cluster, order.instance_id, {{"id", r.key}, {"status", "INSTALLING"}});
  }
  return true;
}

void Libraries::said(const ClusterRecord& cluster, const std::string& instance_id, const json::object& message) {
  const auto state = json::enum_of<LibraryState>(json::text_at(message, "status"));
  if (!state) return;
  auto event = access::system_context().event(
      "clusterLibraries", "libraryStatus",
      {{"cluster_id", cluster.cluster_id}, {"instance_id", instance_id}, {"status", std::string(json::name_of(*state))}});
  event.workspace_id = cluster.workspace_id;
  store_.write(std::move(event), [&](store::WriteTxn& t) {
    auto found = libraries_table.get(t, store::key({cluster.cluster_id, json::text_at(message, "id")}));
    if (!found) return false;
    auto& nodes = found->value.nodes;
    // Of instances that are no more nothing is kept.
    std::erase_if(nodes, [&](const OnNode& n) {
      return n.instance_id != instance_id &&
             std::ranges::none_of(cluster.instances(), [&](const auto* i) { return i->instance_id == n.instance_id; });
    });
    auto n = std::ranges::find(nodes, instance_id, &OnNode::instance_id);
    if (n == nodes.end()) n = nodes.insert(nodes.end(), OnNode{.instance_id = instance_id});
    if (*state == LibraryState::INSTALLING && n->state != LibraryState::PENDING) return false;  // the node was faster
    n->state = *state;
    n->message = json::text_at(message, "message").substr(0, 4000);
    (void)libraries_table.update(t, found->value);
    return true;
  });
}

/// Within the restart's (or the end's) transaction: what was to go goes, and nothing is installed on what comes.
void Libraries::restarted(store::WriteTxn& t, const ClusterRecord& cluster) {
  for (auto& r : libraries_table.scan(t, store::prefix({cluster.cluster_id}))) {
    if (r.goes) {
      libraries_table.erase(t, r.store_key());
    } else if (!r.nodes.empty()) {
      r.nodes.clear();
      (void)libraries_table.update(t, r);
    }
  }
}

void Libraries::gone(store::WriteTxn& t, const ClusterRecord& cluster) {
  for (const auto& r : libraries_table.scan(t, store::prefix({cluster.cluster_id}))) libraries_table.erase(t, r.store_key());
}

void Libraries::start() {
  if (!thread_.joinable()) thread_ = std::jthread([this](std::stop_token stop) { run(stop); });
}

void Libraries::stop() {
  if (!thread_.joinable()) return;
  thread_.request_stop();
  changed_.notify_all();
  thread_.join();
}

void Libraries::run(std::stop_token stop) {
  while (!stop.stop_requested()) {
    {
      std::unique_lock lock(mutex_);
      if (!changed_.wait(lock, stop, [&] { return !waiting_.empty(); })) return;
    }
    try {
      step();
    } catch (const std::exception& e) {
      spdlog::error("libraries: {}", e.what());
    }
  }
}

}  // namespace tarn::compute
