#include "compute/cluster_logs.h"

#include <fmt/chrono.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "base/crypto.h"
#include "base/json_read.h"
#include "base/log.h"

namespace tarn::compute {
namespace fs = std::filesystem;
namespace {

constexpr std::size_t kMostScripts = 50;

/// 2026-11-23--15-04-05, UTC.
std::string stamp(Millis at) { return fmt::format("{:%Y-%m-%d--%H-%M-%S}", fmt::gmtime(static_cast<std::time_t>(at / 1000))); }

/// A node names its files; only these are written anywhere.
bool known_file(std::string_view name) { return name == "stdout" || name == "stderr" || name == "log4j-active.log"; }

std::string plain(std::string_view name) {
  std::string out(name.substr(name.rfind('/') == name.npos ? 0 : name.rfind('/') + 1).substr(0, 100));
  for (auto& c : out)
    if (!std::isalnum(static_cast<unsigned char>(c)) && c != '.' && c != '-' && c != '_') c = '_';
  return out.empty() || out[0] == '.' ? "_" + out : out;
}

}  // namespace

ClusterLogs::ClusterLogs(Clusters& clusters, LogDestinations& destinations, const Clock& clock, LogOptions options)
    : clusters_(clusters), destinations_(destinations), clock_(clock), options_(std::move(options)) {
  take_up();
}

std::string ClusterLogs::place(const std::string& cluster_id, const std::string& path) const {
  return options_.folder + "/" + cluster_id + (path.empty() ? "" : "/files/" + path);
}

void ClusterLogs::take_up() {
  std::error_code none;
  for (const auto& entry : fs::directory_iterator(options_.folder, none)) {
    const auto id = entry.path().filename().string();
    std::ifstream in(entry.path() / "cluster.json");
    const std::string text{std::istreambuf_iterator<char>(in), {}};
    auto cluster = json::decode_text<ClusterRecord>(text);
    if (!cluster || cluster->cluster_id != id) {
      spdlog::warn("the spooled logs of cluster {} have no record of it, and are removed", id);
      fs::remove_all(entry.path(), none);
      continue;
    }
    auto& spool = spools_[id];
    spool.cluster = *std::move(cluster);
    const auto files = entry.path() / "files";
    for (const auto& f : fs::recursive_directory_iterator(files, none))
      if (f.is_regular_file()) {
        const auto path = fs::relative(f.path(), files).string();
        spool.files[path] = {.size = f.file_size(), .closed = path.find("--") != path.npos || path.starts_with("init_scripts/")};
      }
  }
}

ClusterLogs::Spool& ClusterLogs::spool_of(const ClusterRecord& cluster) {
  const auto [at, fresh] = spools_.try_emplace(cluster.cluster_id);
  if (fresh) {
    at->second.cluster = cluster;
    at->second.last_attempt = clock_.now();
    std::error_code failure;
    fs::create_directories(place(cluster.cluster_id), failure);
    ::chmod(options_.folder.c_str(), 0700);
    std::ofstream(place(cluster.cluster_id) + "/cluster.json", std::ios::trunc) << json::encode_text(cluster);
  }
  return at->second;
}

/// From now on it only waits for its delivery; what comes goes to a new one.
void ClusterLogs::close_file(Spool& spool, const std::string& path) {
  auto name = path + "--" + stamp(clock_.now());
  for (int n = 2; spool.files.contains(name); ++n) name = fmt::format("{}--{}-{}", path, stamp(clock_.now()), n);
  std::error_code failure;
  fs::rename(place(spool.cluster.cluster_id, path), place(spool.cluster.cluster_id, name), failure);
  if (failure) return;
  auto moved = std::move(spool.files[path]);
  moved.closed = true;
  moved.delivered = 0;  // under its new name nothing of it is
  spool.files.erase(path);
  spool.files[name] = std::move(moved);
}

void ClusterLogs::append(Spool& spool, const std::string& path, const std::string& instance_id, std::optional<std::uint64_t> at,
                         std::string_view data) {
  if (const auto old = spool.files.find(path);
      old != spool.files.end() &&
      ((!old->second.instance_id.empty() && old->second.instance_id != instance_id) || old->second.size >= options_.most_file))
    close_file(spool, path);
  auto& f = spool.files[path];
  f.instance_id = instance_id;
  std::string text;
  if (at && f.at && *at < *f.at) {  // said again after a broken connection
    const auto known = std::min<std::uint64_t>(*f.at - *at, data.size());
    data.remove_prefix(known);
    *at += known;
  } else if (at && f.at && *at > *f.at) {
    text = fmt::format("\n*** {} bytes were lost on their way ***\n", *at - *f.at);
  }
  if (at) f.at = *at + data.size();
  text += data;
  std::uint64_t waiting = text.size();
  for (const auto& [name, one] : spool.files) waiting += one.size - one.delivered;
  if (waiting > options_.most_cluster) {
    spool.dropped += text.size();
    return;
  }
  const auto file = place(spool.cluster.cluster_id, path);
  std::error_code failure;
  fs::create_directories(fs::path(file).parent_path(), failure);
  std::ofstream out(file, std::ios::binary | std::ios::app);
  out << text << std::flush;
  if (out)
    f.size += text.size();
  else
    spool.dropped += text.size();
}

void ClusterLogs::said(const ClusterRecord& c, const std::string& instance_id, const json::object& message) {
  if (!c.spec.cluster_log_conf) return;
  const std::lock_guard lock(mutex_);
  if (json::text_at(message, "type") == "logs-sent") {
    if (const auto waits = asked_.find(c.cluster_id); waits != asked_.end()) waits->second.instances.erase(instance_id);
    return;
  }
  const auto name = json::text_at(message, "file");
  const auto data = crypto::from_base64(json::text_at(message, "data"));
  const auto* at = message.if_contains("at");
  if (!known_file(name) || !data || !at || !at->is_int64() || at->as_int64() < 0) return;
  append(spool_of(c), (c.is_driver(instance_id) ? std::string("driver/") : "executor/" + instance_id + "/") + std::string(name), instance_id,
         static_cast<std::uint64_t>(at->as_int64()), *data);
}

void ClusterLogs::scripts(const ClusterRecord& c, const std::string& instance_id, const json::value& report) {
  if (!c.spec.cluster_log_conf || !report.is_array()) return;
  const std::lock_guard lock(mutex_);
  const auto* i = std::as_const(c).is_driver(instance_id) ? &*c.instance : nullptr;
  for (const auto& w : c.workers)
    if (w.instance_id == instance_id) i = &w;
  const auto folder = fmt::format("init_scripts/{}_{}/", c.cluster_id, plain(i && !i->address.empty() ? i->address : instance_id));
  std::size_t n = 0;
  for (const auto& s : report.as_array()) {
    if (!s.is_object() || n == kMostScripts) break;
    const auto path = fmt::format("{}{}_{:02}_{}.log", folder, stamp(clock_.now()), n++, plain(json::text_at(s, {"name"})));
    if (json::find(s, {"printed"})) append(spool_of(c), path, instance_id, {}, std::string(json::text_at(s, {"printed"})));
  }
}

bool ClusterLogs::all_here(const ClusterRecord& c) {
  if (!c.spec.cluster_log_conf) return true;
  {
    const std::lock_guard lock(mutex_);
    if (const auto waits = asked_.find(c.cluster_id); waits != asked_.end()) {
      if (!waits->second.instances.empty() && clock_.now() - waits->second.at < options_.patience) return false;
      asked_.erase(waits);
      return true;
    }
  }
  Asked asked{.at = clock_.now(), .instances = {}};
  for (const auto* i : c.instances())
    if (i->up_at != 0 && i->lost_at == 0) asked.instances.insert(i->instance_id);
  if (asked.instances.empty()) return true;
  {
    // Before they are asked: one may answer at once.
    const std::lock_guard lock(mutex_);
    asked_[c.cluster_id] = asked;
  }
  for (const auto& id : asked.instances)
    if (!clusters_.send_to(id, {{"op", "send-logs"}})) {
      const std::lock_guard lock(mutex_);
      asked_[c.cluster_id].instances.erase(id);
    }
  return false;
}

void ClusterLogs::deliver(const std::string& id, bool ended) {
  struct Due {
    std::string path;
    std::uint64_t size;
  };
  std::vector<Due> due;
  ClusterRecord cluster;
  std::uint64_t dropped = 0;
  const std::string copy = place(id) + "/outgoing";
  {
    const std::lock_guard lock(mutex_);
    const auto& spool = spools_.at(id);
    cluster = spool.cluster;
    dropped = spool.dropped;
    for (const auto& [path, f] : spool.files)
      if (f.size > f.delivered) due.push_back({path, f.size});
  }
  std::string why;
  for (const auto& one : due) {
    std::error_code failure;
    {
      const std::lock_guard lock(mutex_);
      fs::copy_file(place(id, one.path), copy, fs::copy_options::overwrite_existing, failure);
    }
    if (!failure) fs::resize_file(copy, one.size, failure);
    auto done = failure ? Expected<void, std::string>(fail("The spooled file " + one.path + " cannot be read: " + failure.message()))
                        : destinations_.put(cluster, one.path, copy);
    if (!done) {
      why = done.error();
      break;  // the next one would fare no better
    }
    const std::lock_guard lock(mutex_);
    auto& spool = spools_.at(id);
    const auto f = spool.files.find(one.path);
    if (f == spool.files.end()) continue;  // closed meanwhile: it goes under its new name
    f->second.delivered = one.size;
    if (f->second.closed) {
      fs::remove(place(id, one.path), failure);
      spool.files.erase(f);
    }
  }
  std::error_code ignored;
  fs::remove(copy, ignored);
  bool over = false;
  {
    const std::lock_guard lock(mutex_);
    auto& spool = spools_.at(id);
    spool.last_attempt = clock_.now();
    spool.failures = !ended || why.empty() ? 0 : spool.failures + 1;
    // One that was started again meanwhile goes on.
    const bool all = why.empty() && std::ranges::all_of(spool.files, [](const auto& f) { return f.second.delivered == f.second.size; });
    over = ended && (all || spool.failures >= options_.tries);
    if (over) {
      fs::remove_all(place(id), ignored);
      spools_.erase(id);
    }
  }
  if (!why.empty() && over) why += " (given up: the cluster has ended)";
  if (why.empty() && dropped)
    why = fmt::format("{} bytes of logs were dropped: the cluster printed them faster than they could be delivered", dropped);
  if (!due.empty() || !why.empty()) clusters_.note_log_delivery(id, clock_.now(), why);
}

void ClusterLogs::step() {
  std::vector<std::pair<std::string, bool>> due;
  std::vector<std::string> ids;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [id, spool] : spools_) ids.push_back(id);
  }
  for (const auto& id : ids) {
    const auto now = clusters_.find(id);
    const bool ended = !now || !now->active();
    const std::lock_guard lock(mutex_);
    auto& spool = spools_.at(id);
    if (now) spool.cluster = *now;
    const auto waited = clock_.now() - spool.last_attempt;
    if (ended ? spool.failures == 0 || waited >= options_.again : waited >= options_.every) due.emplace_back(id, ended);
  }
  for (const auto& [id, ended] : due) deliver(id, ended);
}

void ClusterLogs::start() {
  turns_.start("cluster logs", std::chrono::seconds(1), [this](const std::stop_token&) { step(); });
}

}  // namespace tarn::compute
