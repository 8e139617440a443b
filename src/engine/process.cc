#include "engine/process.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>

#include "base/ids.h"
#include "base/log.h"
#include "base/spawn.h"

namespace tarn::engine {

std::shared_ptr<Process> Process::start(const Options& options, bool verify, std::string& error) {
  namespace fs = std::filesystem;
  std::string spill;
  if (!options.spill_directory.empty()) {
    spill = options.spill_directory + "/engine-" + new_hex(8);
    std::error_code failure;
    fs::create_directories(spill, failure);
    if (!failure) fs::permissions(spill, fs::perms::owner_all, failure);
    if (!failure && options.run_as_uid && ::geteuid() == 0 && ::chown(spill.c_str(), *options.run_as_uid, *options.run_as_uid))
      failure = {errno, std::generic_category()};
    if (failure) {
      error = "Cannot make the spill folder " + spill + ": " + failure.message();
      return nullptr;
    }
  }
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
    error = std::string("socketpair: ") + std::strerror(errno);
    return nullptr;
  }
  const auto pid = spawn({.program = options.binary,
                          .arguments = {options.binary, "engine", std::to_string(::getpid())},
                          .environment = {},
                          .descriptors = {Spawn::kNull, Spawn::kNull, STDERR_FILENO, ends[1]},
                          .folder = {}});
  ::close(ends[1]);
  if (!pid) {
    ::close(ends[0]);
    error = "Cannot start " + options.binary + ": " + std::strerror(pid.error());
    return nullptr;
  }
  if (options.started) options.started(*pid);
  auto process = std::make_shared<Process>(*pid, ends[0], spill);
  Settings settings;
  settings.threads = static_cast<std::uint32_t>(std::max(1, options.threads));
  settings.memory_bytes = options.memory_bytes;
  settings.spill_directory = spill;
  settings.spill_bytes = options.spill_bytes;
  settings.most_row_bytes = options.most_row_bytes;
  settings.run_as_uid = options.run_as_uid.value_or(0);
  settings.verify_extensions = verify;
  settings.extensions = options.extensions;
  process->send(FrameType::configure, 0, encode(settings));
  return process;
}

Process::Process(pid_t pid, int fd, std::string spill) : pid_(pid), fd_(fd), spill_(std::move(spill)), writer_(fd) {
  reader_ = std::thread([this] { read(); });
}

Process::~Process() {
  kill(false);
  reader_.join();
  ::close(fd_);
  std::error_code ignored;
  if (!spill_.empty()) std::filesystem::remove_all(spill_, ignored);
}

void Process::read() {
  FrameReader reader(fd_);
  while (auto frame = reader.next()) {
    if (frame->request == 0 || frame->type == FrameType::ready) {
      std::lock_guard lock(mutex_);
      Error error;
      if (frame->type == FrameType::ready) (frame->request == 0 ? ready_ : bound_) = true;
      if (frame->type == FrameType::error && decode(frame->payload, error)) last_words_ = error.message, killed_for_another_ = bound_;
      changed_.notify_all();
      continue;
    }
    std::shared_ptr<Call> call;
    const auto call_id = frame->request;
    {
      std::lock_guard lock(mutex_);
      if (const auto at = calls_.find(frame->request); at != calls_.end()) call = at->second;
    }
    if (!call) continue;  // forgotten
    std::lock_guard lock(call->mutex);
    call->inbox.push_back(*std::move(frame));
    // A small result comes as one burst: one waking for all of it.
    if (!reader.next_is_for(call_id)) call->changed.notify_all();
  }
  ::kill(pid_, SIGKILL);  // no conversation, no process; it is not reaped yet, so the id is still its own
  std::map<std::uint64_t, std::shared_ptr<Call>> orphans;
  {
    std::lock_guard lock(mutex_);
    dead_ = true;
    orphans = calls_;
    changed_.notify_all();
  }
  for (const auto& [id, call] : orphans) {
    std::lock_guard lock(call->mutex);
    call->ended = true;
    call->changed.notify_all();
  }
  siginfo_t info{};
  while (::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOWAIT) != 0 && errno == EINTR) {
  }
  // Reaped under the lock that kill() takes, so that no signal goes to another's process that got the same id.
  std::lock_guard lock(mutex_);
  ::waitpid(pid_, nullptr, 0);
  reaped_ = true;
}

bool Process::bind(const Scope& scope) { return writer_.send(FrameType::bind, 0, encode(scope)); }

std::shared_ptr<Call> Process::begin(FrameType type, std::string_view payload, std::uint64_t& id) {
  auto call = std::make_shared<Call>();
  {
    std::lock_guard lock(mutex_);
    if (dead_) return nullptr;
    id = ++next_;  // 1 is the answer to bind
    calls_[id] = call;
  }
  if (writer_.send(type, id, payload)) return call;
  forget(id);
  return nullptr;
}

void Process::forget(std::uint64_t id) {
  std::lock_guard lock(mutex_);
  calls_.erase(id);
}

void Process::kill(bool for_another) {
  std::lock_guard lock(mutex_);
  if (for_another && !dead_) killed_for_another_ = true;
  if (!reaped_) ::kill(pid_, SIGKILL);
}

bool Process::alive() const {
  std::lock_guard lock(mutex_);
  return !dead_;
}

bool Process::killed_for_another() const {
  std::lock_guard lock(mutex_);
  return killed_for_another_;
}

bool Process::wait_ready(std::chrono::steady_clock::time_point deadline) const {
  std::unique_lock lock(mutex_);
  return changed_.wait_until(lock, deadline, [&] { return ready_ || dead_; });
}

bool Process::loaded() const {
  std::lock_guard lock(mutex_);
  return ready_;
}

std::string Process::last_words() const {
  std::lock_guard lock(mutex_);
  return last_words_;
}

}  // namespace tarn::engine
