#pragma once
// One request's talk with a process: results to the handlers, back-pressure, cancellation and its deadline. Not part of the room's contract.
#include <chrono>
#include <functional>
#include <string>

#include "engine/engine.h"
#include "engine/process.h"

namespace tarn::engine {

/// How long a request may take and who may end it.
struct Limits {
  std::chrono::steady_clock::time_point deadline = std::chrono::steady_clock::time_point::max();
  std::int64_t timeout_ms = 0;
  CancelToken* cancel = nullptr;
  static Limits within(std::int64_t timeout_ms, CancelToken* cancel);
  std::string timeout_text() const;
};

struct Handlers {
  std::function<void(const std::vector<Column>&)> schema;
  std::function<bool(std::string, std::int64_t)> chunk;
  std::function<void(std::vector<WrittenFile>)> written;
  Answerer answer;
};

class Conversation {
 public:
  Conversation(Process& process, const Limits& limits, const Handlers& handlers) : process_(process), limits_(limits), handlers_(handlers) {}
  Conversation(const Conversation&) = delete;
  ~Conversation();
  /// To the end. Call once.
  Result<Summary> hold(FrameType type, const std::string& payload);
  /// After an error: nothing was delivered and the request is not the reason.
  bool repeatable() const { return repeatable_; }
  bool killed() const { return killed_; }

 private:
  enum class Ending { no, cancelled, timeout, enough };
  void end(Ending how);
  std::optional<Result<Summary>> handle(Frame frame);
  bool answer(const Frame& question);
  Result<Summary> ended_early();
  Result<Summary> outcome(Error error);

  Process& process_;
  const Limits& limits_;
  const Handlers& handlers_;
  std::uint64_t id_ = 0;
  std::shared_ptr<Call> call_;
  Ending ending_ = Ending::no;
  std::chrono::steady_clock::time_point kill_at_{};
  std::string assembling_;
  std::int64_t rows_ = 0;
  bool delivered_ = false, repeatable_ = false, killed_ = false, finished_ = false;
};

}  // namespace tarn::engine
