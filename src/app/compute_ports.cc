#include "app/compute_ports.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <sstream>

#include "base/log.h"
#include "base/resources.h"
#include "catalog/catalog.h"
#include "compute/node_types.h"
#include "files/dbfs.h"
#include "files/volumes.h"

namespace tarn::app {
namespace {

constexpr std::uint64_t kMostLibrary = 256u << 20;

/// A principal at work in a workspace; nothing if it is gone from there.
std::optional<access::Context> at_work(identity::Directory& directory, std::int64_t principal_id, std::int64_t workspace_id, std::string request_id) {
  auto who = directory.caller(principal_id, workspace_id);
  if (!who) return std::nullopt;
  access::Context ctx;
  ctx.caller = *std::move(who);
  ctx.workspace_id = workspace_id;
  ctx.request_id = std::move(request_id);
  return ctx;
}

}  // namespace

Expected<std::string, std::string> LibraryFiles::file(std::int64_t workspace_id, std::int64_t principal_id, const std::string& path) {
  const auto who = at_work(directory_, principal_id, workspace_id, "library");
  if (!who) return fail(std::string("Whoever asked for this library is gone from the workspace"));
  const auto& ctx = *who;
  if (path.starts_with("/Volumes/")) {
    auto place = files::VolumeFiles::parse(path);
    if (!place) return fail(place.error().message);
    auto file = volumes_.file(ctx, *place);
    if (!file) return fail(file.error().message);
    if (file->entry.size > kMostLibrary) return fail(fmt::format("{} has {} bytes, the most is {}", path, file->entry.size, kMostLibrary));
    auto bytes = volumes_.read(ctx, *place, 0, file->entry.size);
    if (!bytes) return fail(bytes.error().message);
    return *std::move(bytes);
  }
  const auto at = workspace::parse_path(path);
  if (!at) return fail(at.error().message);
  auto exported = tree_.export_object(ctx, *at, workspace::Format::AUTO);
  if (!exported) return fail(exported.error().message);
  if (exported->size > kMostLibrary) return fail(fmt::format("{} has {} bytes, the most is {}", path, exported->size, kMostLibrary));
  if (!exported->local_file) return std::move(exported->content);
  std::ifstream in(*exported->local_file, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

std::optional<std::string> LibraryFiles::refused_index(const std::string& url) {
  const auto target = targets_.resolve(url);
  if (target) return std::nullopt;
  switch (target.error().code) {
    case repos::Errc::not_allowed:
      return "'" + url.substr(0, 200) +
             "' has a loopback, link-local or private address; the operator may list its host with `tarn serve --allow-library HOST`";
    case repos::Errc::unavailable:
      return "the host of '" + url.substr(0, 200) + "' does not resolve";
    default:
      return "'" + url.substr(0, 200) + "' is not the https URL of a package index without user, password, query and fragment";
  }
}

Expected<void, std::string> LogFiles::put(const compute::ClusterRecord& c, const std::string& path, const std::string& file) {
  if (!c.spec.cluster_log_conf) return fail(std::string("The cluster's cluster_log_conf is gone"));
  const auto& conf = *c.spec.cluster_log_conf;
  const auto who = at_work(directory_, c.creator_id, c.workspace_id, c.cluster_id);
  if (!who) return fail("The cluster's creator " + c.creator_user_name + " is gone from the workspace: nobody writes its logs");
  const auto& ctx = *who;
  const auto& place = conf.volumes ? conf.volumes : conf.dbfs ? conf.dbfs : conf.s3;
  auto to = place->destination.value_or("");
  while (to.ends_with('/')) to.pop_back();
  to += "/" + c.cluster_id + "/" + path;
  if (conf.volumes) {
    auto at = files::VolumeFiles::parse(to);
    if (!at) return fail(at.error().message);
    if (auto done = volumes_.upload(ctx, *at, "", file, true); !done) return fail(done.error().message);
    return {};
  }
  if (conf.dbfs) {
    if (auto done = dbfs_.put(ctx, to.substr(std::string_view("dbfs:").size()), "", file, true); !done) return fail(done.error().message);
    return {};
  }
  if (auto allowed = catalog_.require_path(ctx, to, true); !allowed)
    return fail(fmt::format("{} ({} needs WRITE FILES on an external location that holds {})", allowed.error().message, c.creator_user_name,
                            place->destination.value_or("")));
  const auto url = objects::Url::parse(to);
  if (!url) return fail(url.error().message);
  if (auto done = objects_.put_file(*url, file); !done) return fail(done.error().message);
  return {};
}

namespace {

constexpr Millis kTryAgainAfter = 60'000;

bool fetched() {
  const auto cache = resources::cache();
  return std::filesystem::exists(cache / "java-spark" / "pins.sha256") && std::filesystem::is_directory(cache / "pyspark-4.2.0");
}

/// The command's last words, and whether it succeeded.
std::pair<bool, std::string> wait_for(pid_t child, int out) {
  std::string said;
  char block[4096];
  for (ssize_t n; (n = ::read(out, block, sizeof block)) > 0 || (n < 0 && errno == EINTR);)
    if (n > 0) said = (said + std::string(block, static_cast<std::size_t>(n))).substr(said.size() > 4000 ? said.size() - 4000 : 0);
  ::close(out);
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  while (!said.empty() && std::isspace(static_cast<unsigned char>(said.back()))) said.pop_back();
  const auto line = said.rfind('\n');
  return {WIFEXITED(status) && WEXITSTATUS(status) == 0, line == said.npos ? said : said.substr(line + 1)};
}

}  // namespace

compute::RuntimeFiles::Answer SparkFiles::want(const std::string& runtime) {
  const auto* known = compute::find_runtime(runtime);
  if (!known || !known->apache) return {};
  const std::lock_guard lock(mutex_);
  if (stopped_ || child_) return {.state = State::fetching};
  if (fetched()) return {};
  const auto now = SystemClock().now();
  if (!failed_.empty() && now - failed_at_ < kTryAgainAfter) return {.state = State::failed, .why = failed_};
  int pipe[2];
  if (::pipe2(pipe, O_CLOEXEC) != 0) return {.state = State::failed, .why = "Apache Spark cannot be fetched: no pipe"};
  const auto script = resources::shipped("deps/fetch.py").string(), cache = resources::cache().string();
  std::vector<std::string> words{"/usr/bin/python3", script, "--cache", cache, "spark"};
  std::vector<char*> argv;
  for (auto& w : words) argv.push_back(w.data());
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, pipe[1], 1);
  posix_spawn_file_actions_adddup2(&actions, pipe[1], 2);
  pid_t child = -1;
  const int rc = ::posix_spawn(&child, argv[0], &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  ::close(pipe[1]);
  if (rc != 0) {
    ::close(pipe[0]);
    return {.state = State::failed, .why = std::string("Apache Spark cannot be fetched: ") + std::strerror(rc)};
  }
  spdlog::info("fetching Apache Spark into {}", cache);
  child_ = child;
  failed_.clear();
  if (thread_.joinable()) thread_.join();  // of a fetch that ended
  thread_ = std::jthread([this, child, out = pipe[0]] {
    const auto [ok, words_last] = wait_for(child, out);
    const std::lock_guard ended(mutex_);
    child_.reset();
    if (ok) return spdlog::info("Apache Spark is here");
    failed_ = "Apache Spark could not be fetched: " + words_last;
    failed_at_ = SystemClock().now();
    spdlog::warn("{}", failed_);
  });
  return {.state = State::fetching};
}

void SparkFiles::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
    if (child_) ::kill(*child_, SIGTERM);
  }
  if (thread_.joinable()) thread_.join();
}

}  // namespace tarn::app
