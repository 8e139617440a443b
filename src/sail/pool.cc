#include <condition_variable>
#include <deque>
#include <filesystem>
#include <future>
#include <list>
#include <thread>

#include "base/log.h"
#include "sail/process.h"

namespace tarn::sail {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds kMostStart{60};

std::string key_of(const Scope& scope) {
  std::string out = scope.principal;
  for (const auto& d : scope.directories) (out += '\0') += d;
  return out += '\0', out + fmt::format("{}:{}:{}", scope.share.threads, scope.share.memory_bytes, scope.share.spill_bytes);
}

Clock::time_point deadline_of(std::int64_t timeout_ms) {
  return timeout_ms > 0 ? Clock::now() + std::chrono::milliseconds(timeout_ms) : Clock::time_point::max();
}

Error cancelled() { return {Errc::cancelled, "The statement was cancelled"}; }

}  // namespace

struct Pool::Impl {
  struct Slot {
    std::string key;
    std::shared_ptr<Process> process;  // null: being started
    bool busy = true;
    Clock::time_point used = Clock::now();
  };
  using Place = std::list<Slot>::iterator;

  explicit Impl(Options o) : options(std::move(o)) {
    std::error_code ignored;
    for (fs::directory_iterator at(options.spool, ignored), end; !ignored && at != end; at.increment(ignored))
      if (at->path().filename().string().starts_with("sail-")) fs::remove_all(at->path(), ignored);
    keeper = std::jthread([this] { keep(); });
  }
  ~Impl() {
    {
      const std::lock_guard lock(mutex);
      stopping = true;
    }
    changed.notify_all();
    keeper.join();
    slots.clear();
  }

  // The keeper starts processes: the kernel ends them with the thread that made them.
  using Started = Expected<std::shared_ptr<Process>, std::string>;
  void keep() {
    std::unique_lock lock(mutex);
    for (;;) {
      changed.wait(lock, [&] { return stopping || !wanted.empty(); });
      if (stopping) return;
      auto task = std::move(wanted.front());
      wanted.pop_front();
      lock.unlock();
      task();
      lock.lock();
    }
  }

  Result<std::shared_ptr<Process>> start(const Scope& scope, engine::CancelToken* cancel, Clock::time_point deadline) {
    std::packaged_task<Started()> task([this, scope] { return Process::start(options, scope); });
    auto future = task.get_future();
    {
      const std::lock_guard lock(mutex);
      wanted.push_back(std::move(task));
      ++starts;
    }
    changed.notify_all();
    auto started = future.get();
    if (!started) return fail(Error{Errc::unavailable, "Sail cannot be started: " + started.error()});
    auto process = *std::move(started);
    const auto until = std::min(deadline, Clock::now() + kMostStart);
    Result<json::value> hello = fail(Error{});
    {
      const engine::Wakeup wake(cancel, [process] { process->kill(); });
      hello = process->hear(until);
    }
    if (cancel && cancel->cancelled()) return fail(cancelled());
    if (!hello && hello.error().code == Errc::timeout && until == deadline) return fail(hello.error());
    if (!hello) return fail(Error{Errc::unavailable, "Sail cannot be started: its process said nothing, or ended"});
    if (const auto* why = hello->as_object().if_contains("error"))
      return fail(Error{Errc::unavailable, "Sail cannot be started: " + std::string(why->as_string())});
    return process;
  }

  /// A place for a process of this key: one that nobody uses, or an empty one.
  Result<Place> claim(const std::string& key, engine::CancelToken* cancel, Clock::time_point deadline) {
    bool woken = false;
    const engine::Wakeup wake(cancel, [&] {
      {
        const std::lock_guard lock(mutex);
        woken = true;
      }
      changed.notify_all();
    });
    std::vector<std::shared_ptr<Process>> ended;  // they end after the lock
    std::unique_lock lock(mutex);
    for (;;) {
      if (woken) return fail(cancelled());
      const auto idle_since = Clock::now() - std::chrono::milliseconds(options.idle_ms);
      auto oldest = slots.end();
      for (auto at = slots.begin(); at != slots.end();) {
        if (!at->busy && at->key == key) {
          at->busy = true;
          return at;
        }
        if (!at->busy && at->used < idle_since) {
          ended.push_back(std::move(at->process));
          at = slots.erase(at);
          continue;
        }
        if (!at->busy && (oldest == slots.end() || at->used < oldest->used)) oldest = at;
        ++at;
      }
      if (slots.size() >= options.most_processes && oldest != slots.end()) {
        ended.push_back(std::move(oldest->process));
        slots.erase(oldest);
      }
      if (slots.size() < options.most_processes) return slots.insert(slots.end(), Slot{.key = key, .process = nullptr});
      const auto one_is_free = [&] { return woken || slots.size() < options.most_processes || !std::ranges::all_of(slots, &Slot::busy); };
      if (deadline == Clock::time_point::max())
        changed.wait(lock, one_is_free);
      else if (!changed.wait_until(lock, deadline, one_is_free))
        return fail(Error{Errc::timeout, "The statement did not finish in its time: it waited for a process of Sail"});
    }
  }

  void give_back(Place place, bool good) {
    std::shared_ptr<Process> dead;
    {
      const std::lock_guard lock(mutex);
      if (good) {
        place->busy = false;
        place->used = Clock::now();
      } else {
        dead = std::move(place->process);
        slots.erase(place);
        if (dead) ++kills;
      }
    }
    changed.notify_all();
  }

  Options options;
  mutable std::mutex mutex;
  std::condition_variable changed;
  std::list<Slot> slots;
  std::deque<std::packaged_task<Started()>> wanted;
  std::uint64_t starts = 0, kills = 0;
  bool stopping = false;
  std::jthread keeper;
};

struct Lease::Impl {
  Pool::Impl& pool;
  Pool::Impl::Place place;
  std::shared_ptr<Process> process;
  bool good = true;
  int folders = 0;
};

Lease::Lease(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Lease::~Lease() { impl_->pool.give_back(impl_->place, impl_->good); }

const std::string& Lease::home() const { return impl_->process->home(); }

Result<std::shared_ptr<const std::string>> Lease::folder() {
  auto path = fmt::format("{}/{}-{}", impl_->process->home(), Clock::now().time_since_epoch().count(), impl_->folders++);
  std::error_code failure;
  fs::create_directory(path, failure);
  if (failure) return fail(Error{Errc::storage, "A folder for Sail's rows cannot be made: " + failure.message()});
  return std::shared_ptr<const std::string>(new std::string(std::move(path)), [](const std::string* p) {
    std::error_code ignored;
    fs::remove_all(*p, ignored);
    delete p;
  });
}

Result<Rows> Lease::run(const Request& request, engine::CancelToken* cancel) {
  const auto process = impl_->process;
  Result<json::value> answer = fail(Error{});
  {
    const engine::Wakeup wake(cancel, [process] { process->kill(); });
    answer = process->ask(json::object{{"sql", request.sql}, {"directory", request.directory}}, deadline_of(request.timeout_ms));
  }
  if (!answer) {
    impl_->good = false;
    if (cancel && cancel->cancelled()) return fail(cancelled());
    return fail(answer.error());
  }
  const auto& o = answer->as_object();
  if (const auto* e = o.if_contains("error")) {
    const std::string kind(e->as_object().at("kind").as_string());
    const auto code = kind == "unsupported" ? Errc::unsupported : kind == "storage" ? Errc::storage : Errc::sql;
    return fail(Error{code, std::string(e->as_object().at("message").as_string())});
  }
  Rows out;
  for (const auto& c : o.at("columns").as_array())
    out.columns.push_back({std::string(c.as_object().at("name").as_string()), std::string(c.as_object().at("type").as_string())});
  for (const auto& f : o.at("files").as_array()) out.files.emplace_back(f.as_string());
  out.rows = o.at("rows").as_int64();
  return out;
}

Pool::Pool(Options options) : impl_(std::make_unique<Impl>(std::move(options))) {}
Pool::~Pool() = default;

Result<std::unique_ptr<Lease>> Pool::lease(const Scope& scope, engine::CancelToken* cancel, std::int64_t timeout_ms) {
  const auto deadline = deadline_of(timeout_ms);
  TARN_TRY(place, impl_->claim(key_of(scope), cancel, deadline));
  if (!place->process) {
    auto started = impl_->start(scope, cancel, deadline);
    if (!started) {
      impl_->give_back(place, false);
      return fail(started.error());
    }
    const std::lock_guard lock(impl_->mutex);
    place->process = *std::move(started);
  }
  return std::unique_ptr<Lease>(new Lease(std::make_unique<Lease::Impl>(Lease::Impl{*impl_, place, place->process})));
}

Stats Pool::stats() const {
  const std::lock_guard lock(impl_->mutex);
  return {impl_->slots.size(), static_cast<std::size_t>(std::ranges::count_if(impl_->slots, &Impl::Slot::busy)), impl_->starts, impl_->kills};
}

}  // namespace tarn::sail
