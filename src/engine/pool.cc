#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <deque>
#include <filesystem>
#include <thread>

#include "base/ids.h"
#include "base/log.h"
#include "engine/conversation.h"
#include "engine/engine.h"
#include "engine/process.h"

namespace tarn::engine {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

/// The scope in one spelling, and the key of its process: paths with the inodes behind them, since the kernel's rules hold for those.
struct Bound {
  Scope scope;
  std::string key;
};

Result<void> add_folders(const std::vector<std::string>& folders, bool writable, std::vector<std::string>& out, std::string& key) {
  for (const auto& folder : folders) {
    fs::path path(folder);
    if (!path.is_absolute() || folder.find('\0') != std::string::npos)
      return fail(Error{Errc::sql, "IO Error: the folder '" + folder + "' is not an absolute path"});
    auto text = path.lexically_normal().string();
    while (text.size() > 1 && text.ends_with('/')) text.pop_back();
    out.push_back(std::move(text));
  }
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  for (const auto& folder : out) {
    std::error_code failure;
    if (writable) fs::create_directories(folder, failure);
    struct stat st {};
    if (::stat(folder.c_str(), &st) != 0 || !S_ISDIR(st.st_mode))
      return fail(Error{Errc::sql, "IO Error: there is no folder '" + folder + "'" + (failure ? ": " + failure.message() : "")});
    key += fmt::format("{}{}:{}:{}", writable ? 'w' : 'r', st.st_dev, st.st_ino, folder);
    key.push_back('\0');
  }
  return {};
}

Result<Bound> bound(const Scope& scope) {
  Bound out;
  TARN_CHECK(add_folders(scope.directories, false, out.scope.directories, out.key));
  TARN_CHECK(add_folders(scope.writable, true, out.scope.writable, out.key));
  out.scope.share = scope.share;
  out.key += fmt::format("s{}:{}:{}", scope.share.threads, scope.share.memory_bytes, scope.share.spill_bytes);
  return out;
}

/// The scope with its share, or that of the work that the token belongs to, without zeros.
Scope shared(Scope scope, const CancelToken* cancel, const Options& options) {
  auto& share = scope.share;
  if (cancel && cancel->work()) share = cancel->work()->share;
  if (share.threads <= 0) share.threads = std::max(1, options.threads);
  if (share.memory_bytes == 0) share.memory_bytes = options.memory_bytes;
  if (share.spill_bytes == 0) share.spill_bytes = options.spill_bytes;
  return scope;
}

bool profiled(const CancelToken* cancel) { return cancel && cancel->work() && cancel->work()->profiled; }

/// The files' identities: any change of a file changes its entry.
std::string identity(const std::vector<std::string>& files) {
  std::string out;
  for (const auto& file : files) {
    struct stat st {};
    if (::stat(file.c_str(), &st) != 0) return {};
    out += fmt::format("{}:{}:{}:{}.{}:{}.{};", st.st_dev, st.st_ino, st.st_size, st.st_mtim.tv_sec, st.st_mtim.tv_nsec, st.st_ctim.tv_sec,
                       st.st_ctim.tv_nsec);
  }
  return out;
}

/// What a killed writer may have left.
void clear_leavings(const std::string& directory, const std::string& token) {
  std::error_code ignored;
  fs::remove_all(fs::path(directory) / (".tarn-" + token), ignored);
  std::vector<fs::path> found;
  for (fs::recursive_directory_iterator at(directory, ignored), end; !ignored && at != end; at.increment(ignored))
    if (at->path().filename().string().find(token) != std::string::npos) found.push_back(at->path());
  for (const auto& path : found) fs::remove(path, ignored);
}

}  // namespace

struct Pool::Impl {
  struct Slot {
    std::shared_ptr<Process> process;
    std::size_t busy = 0;
    std::uint64_t used = 0;
    bool starting = false;  // one request waits for a process; the others wait for it
  };
  /// A process in use by one request; gives its place back.
  class Lease {
   public:
    Lease(Impl& pool, std::string key, std::shared_ptr<Process> process) : process(std::move(process)), pool_(&pool), key_(std::move(key)) {}
    Lease(Lease&& other) noexcept : process(std::move(other.process)), pool_(std::exchange(other.pool_, nullptr)), key_(std::move(other.key_)) {}
    ~Lease() {
      if (pool_) pool_->give_back(key_);
    }
    std::shared_ptr<Process> process;

   private:
    Impl* pool_;
    std::string key_;
  };

  explicit Impl(Options o) : options(std::move(o)) {
    keeper = std::thread([this] { keep(); });
  }

  ~Impl() {
    {
      std::lock_guard lock(mutex);
      stopping = true;
      changed.notify_all();
    }
    keeper.join();
  }

  // The keeper starts processes (it must live as long as they do) and ends those that were put away.
  void keep() {
    std::unique_lock lock(mutex);
    while (!stopping) {
      settle_verifier();
      if (!graveyard.empty()) {
        auto dead = std::exchange(graveyard, {});
        lock.unlock();
        dead.clear();
        lock.lock();
        continue;
      }
      std::erase_if(spares, [&](auto& p) {
        if (p->alive()) return false;
        bury(std::move(p));
        return true;
      });
      const bool wanted = spares.size() < demand + static_cast<std::size_t>(std::max(0, options.spares));
      if (!wanted || Clock::now() < not_before) {
        if (wanted)
          changed.wait_until(lock, not_before);
        else
          changed.wait(lock);
        continue;
      }
      lock.unlock();
      std::string error;
      auto process = start_next(error);
      lock.lock();
      if (process) {
        ++counts.starts;
        spares.push_back(std::move(process));
      } else {
        log_failure(error);
        start_error = error;
        ++start_errors;
        back_off();
      }
      changed.notify_all();
    }
    verifier = nullptr;
    auto last = std::exchange(graveyard, {});
    for (auto& p : spares) last.push_back(std::move(p));
    for (auto& [key, slot] : slots) last.push_back(std::move(slot.process));
    spares.clear(), slots.clear();
    lock.unlock();
    last.clear();
  }

  /// Takes over what the verifying process found out, and lets go of it.
  void settle_verifier() {
    if (!verifier || (verifier->alive() && !verifier->loaded())) return;
    if (verifier->loaded()) verified = verifying;
    verifier = nullptr;
  }

  /// The first process checks the extensions' signatures, which takes most of its start; later ones load the same, unchanged files without.
  /// Called by the keeper without the lock.
  std::shared_ptr<Process> start_next(std::string& error) {
    if (verifier && verifier->alive()) verifier->wait_ready(Clock::now() + std::chrono::seconds(10));
    settle_verifier();
    verifier = nullptr;
    const auto now = identity(options.extensions);
    const bool known = !options.extensions.empty() && !now.empty() && now == verified;
    auto process = Process::start(options, !known, error);
    if (process && !known) verifier = process, verifying = now;
    return process;
  }

  static void log_failure(const std::string& error) { spdlog::error("engine start failed error=\"{}\"", error); }

  void back_off() {
    ++failures;
    not_before = Clock::now() + std::min(std::chrono::milliseconds(5000), std::chrono::milliseconds(25 << std::min(failures, 8)));
  }

  /// Puts a process away for the keeper to end. Called with the lock.
  void bury(std::shared_ptr<Process> process) {
    if (!process->alive() && !process->killed_for_another()) {
      ++counts.deaths;
      if (++failures >= 3) back_off();
    }
    graveyard.push_back(std::move(process));
    changed.notify_all();
  }

  void give_back(const std::string& key) {
    std::lock_guard lock(mutex);
    auto& slot = slots.at(key);
    --slot.busy;
    slot.used = ++tick;
    --counts.busy;
    changed.notify_all();
  }

  void succeeded() {
    std::lock_guard lock(mutex);
    failures = 0;
  }

  /// Makes room for one more slot if all are taken. False: every one is busy. Called with the lock.
  bool make_room() {
    while (slots.size() >= std::max<std::size_t>(1, options.most_children)) {
      auto oldest = slots.end();
      for (auto at = slots.begin(); at != slots.end(); ++at)
        if (at->second.busy == 0 && (oldest == slots.end() || at->second.used < oldest->second.used)) oldest = at;
      if (oldest == slots.end()) return false;
      ++counts.evictions;
      if (oldest->second.process) bury(std::move(oldest->second.process));
      slots.erase(oldest);
    }
    return true;
  }

  Result<Lease> acquire(const Bound& b, const Limits& limits) {
    bool woken = false;
    Wakeup wakeup(limits.cancel, [&] {
      std::lock_guard lock(mutex);
      woken = true;
      changed.notify_all();
    });
    std::unique_lock lock(mutex);
    const auto wait = [&]() -> std::optional<Error> {
      if (woken) return Error{Errc::cancelled, "The statement was cancelled"};
      if (Clock::now() >= limits.deadline) return Error{Errc::timeout, limits.timeout_text()};
      limits.deadline == Clock::time_point::max() ? changed.wait(lock) : static_cast<void>(changed.wait_until(lock, limits.deadline));
      return {};
    };
    for (;;) {
      if (woken) return fail(Error{Errc::cancelled, "The statement was cancelled"});
      auto at = slots.find(b.key);
      if (at != slots.end() && at->second.process && at->second.process->alive()) return lease(at->first, at->second);
      if (at == slots.end()) {
        if (!make_room()) {
          if (auto error = wait()) return fail(*std::move(error));
          continue;
        }
        at = slots.try_emplace(b.key).first;
      }
      if (at->second.starting) {
        ++at->second.busy;  // keeps the slot
        const auto key = at->first;
        auto error = wait();
        --slots.at(key).busy;
        if (error) return fail(*std::move(error));
        continue;
      }
      if (at->second.process) bury(std::move(at->second.process));
      at->second.process = nullptr;
      auto process = take_spare(at->first, at->second, wait);
      auto& slot = slots.at(b.key);
      if (process) {
        slot.process = *std::move(process);
        slot.process->bind(b.scope);
        return lease(b.key, slot);
      }
      if (slot.busy == 0) slots.erase(b.key);
      return fail(std::move(process).error());
    }
  }

  /// Waits for a started process for a slot. Called with the lock, which `wait` gives up meanwhile.
  template <class Wait>
  Result<std::shared_ptr<Process>> take_spare(const std::string& key, Slot& slot, const Wait& wait) {
    ++slot.busy;
    slot.starting = true;
    ++demand;
    changed.notify_all();
    const auto errors_before = start_errors;
    std::optional<Error> error;
    while (spares.empty() && start_errors == errors_before && !error) error = wait();
    --demand;
    auto& mine = slots.at(key);
    --mine.busy;
    mine.starting = false;
    changed.notify_all();
    if (error) return fail(*std::move(error));
    if (spares.empty()) return fail(Error{Errc::unavailable, "The SQL engine cannot be started: " + start_error});
    auto process = std::move(spares.front());
    spares.pop_front();
    return process;
  }

  Lease lease(const std::string& key, Slot& slot) {
    ++slot.busy;
    slot.used = ++tick;
    ++counts.busy;
    return Lease(*this, key, slot.process);
  }

  /// One request from start to end, run again where that is safe.
  Result<Summary> perform(const Scope& scope, FrameType type, const std::string& payload, const Limits& limits, const Handlers& handlers) {
    if (payload.size() > most_payload)
      return fail(Error{Errc::too_large, fmt::format("The statement is {} bytes long; the limit is {}", payload.size(), most_payload)});
    TARN_TRY(b, bound(scope));
    auto* const work = limits.cancel ? limits.cancel->work() : nullptr;
    for (int attempt = 0;; ++attempt) {
      auto leased = acquire(b, limits);
      if (!leased) return fail(std::move(leased).error());
      Conversation conversation(*leased->process, limits, handlers);
      auto result = conversation.hold(type, payload);
      if (conversation.killed()) {
        std::lock_guard lock(mutex);
        ++counts.kills;
      }
      if (result) {
        succeeded();
        if (work && result->profile) work->profiles.push_back(std::move(*result->profile)), result->profile.reset();
        return result;
      }
      if (attempt < 2 && conversation.repeatable()) {
        std::lock_guard lock(mutex);
        ++counts.retries;
        continue;
      }
      return result;
    }
  }

  const Options options;
  mutable std::mutex mutex;
  std::condition_variable changed;
  std::map<std::string, Slot> slots;
  std::deque<std::shared_ptr<Process>> spares;
  std::vector<std::shared_ptr<Process>> graveyard;
  std::size_t demand = 0;
  std::uint64_t tick = 0, start_errors = 0;
  std::string start_error;
  int failures = 0;
  Clock::time_point not_before{};
  bool stopping = false;
  // The keeper's own.
  std::shared_ptr<Process> verifier;
  std::string verifying, verified;
  Stats counts;
  std::thread keeper;
};

Pool::Pool(Options options) : impl_(std::make_unique<Impl>(std::move(options))) {}
Pool::~Pool() = default;

Result<Summary> Pool::run(const Scope& scope, const Request& request, const Sink& sink, CancelToken* cancel) {
  if (request.chunk_rows == 0 || request.chunk_bytes == 0 || request.row_limit.value_or(0) < 0)
    return fail(Error{Errc::sql, "chunk_rows and chunk_bytes must be positive, row_limit not negative"});
  Handlers handlers;
  handlers.answer = impl_->options.answer;
  handlers.schema = sink.schema;
  handlers.chunk = sink.chunk;
  const bool profile = request.profile || profiled(cancel);
  return impl_->perform(shared(scope, cancel, impl_->options), FrameType::run, encode(request, profile), Limits::within(request.timeout_ms, cancel),
                        handlers);
}

Result<std::vector<WrittenFile>> Pool::write_parquet(const Scope& scope, const WriteRequest& request, CancelToken* cancel) {
  if (request.most_rows_per_file <= 0) return fail(Error{Errc::sql, "most_rows_per_file must be positive"});
  WriteOrder order{request, new_uuid()};
  order.request.profile = request.profile || profiled(cancel);
  std::vector<WrittenFile> files;
  Handlers handlers;
  handlers.answer = impl_->options.answer;
  handlers.written = [&](std::vector<WrittenFile> f) { files = std::move(f); };
  const auto done =
      impl_->perform(shared(scope, cancel, impl_->options), FrameType::write, encode(order), Limits::within(request.timeout_ms, cancel), handlers);
  if (done) return files;
  // Only a process that did not get to its own clearing up leaves anything.
  if (done.error().code != Errc::sql && done.error().code != Errc::too_large) clear_leavings(request.directory, order.token);
  return fail(done.error());
}

Result<std::vector<Column>> Pool::describe(const Scope& scope, const std::string& sql, CancelToken* cancel) {
  std::vector<Column> columns;
  Handlers handlers;
  handlers.answer = impl_->options.answer;
  handlers.schema = [&](const std::vector<Column>& c) { columns = c; };
  TARN_CHECK(impl_->perform(shared(scope, cancel, impl_->options), FrameType::describe, sql, Limits::within(0, cancel), handlers));
  return columns;
}

Stats Pool::stats() const {
  std::lock_guard lock(impl_->mutex);
  auto out = impl_->counts;
  for (const auto& [key, slot] : impl_->slots) out.children += slot.process && slot.process->alive();
  return out;
}

}  // namespace tarn::engine
