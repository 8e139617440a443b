// The engine program: one socket, one DuckDB, a thread per running request.
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <deque>
#include <map>
#include <memory>
#include <new>
#include <optional>
#include <thread>

#include "engine/child/hardening.h"
#include "engine/child/requests.h"
#include "engine/child/statements.h"

namespace tarn::engine::child {
namespace {

constexpr int socket_fd = 3;
constexpr std::size_t most_threads = 64;

/// Ends without destructors: threads may be inside DuckDB, and nothing here outlives the process.
[[noreturn]] void leave(int code) { ::_exit(code); }

class Server {
 public:
  int serve() {
    auto frame = reader_.next();
    Settings settings;
    if (!frame || frame->type != FrameType::configure || !decode(frame->payload, settings)) return 2;
    if (const auto failure = instance_.open(settings); !failure.empty()) return give_up(failure);
    writer_.send(FrameType::ready, 0, "");
    frame = reader_.next();
    if (!frame) return reader_.malformed() ? 2 : 0;
    Scope scope;
    if (frame->type != FrameType::bind || !decode(frame->payload, scope)) return 2;
    try {
      hardening_ = confine(settings, scope);
    } catch (const std::exception& e) {
      return give_up(e.what());
    }
    if (const auto failure = instance_.bind(scope); !failure.empty()) return give_up(failure);
    writer_.send(FrameType::ready, 1, hardening_);
    return loop();
  }

 private:
  int give_up(const std::string& message) {
    writer_.send(FrameType::error, 0, encode(Error{Errc::unavailable, message}));
    return 1;
  }

  int loop() {
    for (;;) {
      if (!reader_.buffered()) {
        pollfd p{socket_fd, POLLIN, 0};
        if (repeat_interrupts() && ::poll(&p, 1, 5) == 0) continue;
      }
      auto frame = reader_.next();
      if (!frame) return reader_.malformed() ? 2 : 0;
      if (!handle(*std::move(frame))) return 2;
    }
  }

  bool handle(Frame frame) {
    switch (frame.type) {
      case FrameType::run:
      case FrameType::write:
      case FrameType::describe:
        return begin(std::make_shared<Task>(frame.request, frame.type, std::move(frame.payload)));
      case FrameType::cancel:
        if (const auto task = find(frame.request)) task->interrupt();
        return true;
      case FrameType::reply:
        if (const auto task = find(frame.request)) task->take_reply(std::move(frame.payload));
        return true;
      case FrameType::ack: {
        Decoder d(frame.payload);
        const auto bytes = d.u64();
        if (!d.finished()) return false;
        if (const auto task = find(frame.request)) task->acknowledge(bytes);
        return true;
      }
      default:
        return false;
    }
  }

  std::shared_ptr<Task> find(std::uint64_t id) {
    std::lock_guard lock(mutex_);
    const auto at = tasks_.find(id);
    return at == tasks_.end() ? nullptr : at->second;
  }

  bool begin(std::shared_ptr<Task> task) {
    std::lock_guard lock(mutex_);
    if (!tasks_.emplace(task->id, task).second) return false;
    queue_.push_back(std::move(task));
    if (idle_ < queue_.size() && workers_.size() < most_threads) {
      workers_.emplace_back([this] { work(); });  // leave() ends them with the process
    }
    wake_.notify_one();
    return true;
  }

  bool repeat_interrupts() {
    std::lock_guard lock(mutex_);
    bool any = false;
    for (const auto& [id, task] : tasks_)
      if (task->cancelled()) task->interrupt(), any = true;
    return any;
  }

  void work() {
    for (;;) {
      std::shared_ptr<Task> task;
      {
        std::unique_lock lock(mutex_);
        ++idle_;
        wake_.wait(lock, [&] { return !queue_.empty(); });
        --idle_;
        task = std::move(queue_.front());
        queue_.pop_front();
      }
      perform(*task);
      std::lock_guard lock(mutex_);
      tasks_.erase(task->id);
    }
  }

  void answer(Task& task) {
    if (task.type == FrameType::run) return run(instance_, task, writer_);
    if (task.type == FrameType::write) return write(instance_, task, writer_);
    describe(instance_, task, writer_);
  }

  void perform(Task& task) {
    std::optional<Error> error;
    try {
      answer(task);
    } catch (const Refused& refused) {
      error = refused.error;
    } catch (const std::bad_alloc&) {
      error = Error{Errc::out_of_memory, "Out of Memory Error: the engine's process could not allocate"};
    } catch (const std::exception& e) {
      error = classify(task, e.what());
    }
    instance_.close_retired();
    if (!error) return;
    if (error->message.size() > (1u << 20)) error->message.resize(1u << 20);
    // DuckDB refuses everything after such an error; a new process does not. The pool is told first, for the sake of the other requests.
    const bool last = fatal(error->message);
    if (last) writer_.send(FrameType::error, 0, encode(*error));
    writer_.send(FrameType::error, task.id, encode(*error));
    if (last) leave(3);
  }

  FrameReader reader_{socket_fd};
  FrameWriter writer_{socket_fd};
  Instance instance_;
  std::string hardening_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::map<std::uint64_t, std::shared_ptr<Task>> tasks_;
  std::deque<std::shared_ptr<Task>> queue_;
  std::vector<std::thread> workers_;
  std::size_t idle_ = 0;
};

}  // namespace
}  // namespace tarn::engine::child

int main(int argc, char** argv) {
  using namespace tarn::engine::child;
  // tarn-engine engine PARENT_PID, with the socket as descriptor 3
  if (argc != 3 || ::fcntl(socket_fd, F_GETFD) < 0) {
    std::fputs("tarn-engine is started by tarn\n", stderr);
    return 64;
  }
  if (!harden_process(std::atoi(argv[2]), socket_fd)) return 1;
  static Server server;  // its threads never see it destroyed
  leave(server.serve());
}
