#include "engine/conversation.h"

#include <fmt/format.h>

namespace tarn::engine {

using Clock = std::chrono::steady_clock;

void CancelToken::cancel() {
  std::lock_guard lock(mutex_);
  cancelled_ = true;
  if (wake_) wake_();
}

bool CancelToken::cancelled() const {
  std::lock_guard lock(mutex_);
  return cancelled_;
}

Wakeup::Wakeup(CancelToken* token, std::function<void()> wake) : token_(token) {
  if (!token_) return;
  std::lock_guard lock(token_->mutex_);
  token_->wake_ = std::move(wake);
  if (token_->cancelled_) token_->wake_();
}

Wakeup::~Wakeup() {
  if (!token_) return;
  std::lock_guard lock(token_->mutex_);
  token_->wake_ = nullptr;
}

Limits Limits::within(std::int64_t timeout_ms, CancelToken* cancel) {
  Limits out;
  out.timeout_ms = timeout_ms;
  out.cancel = cancel;
  if (timeout_ms > 0) out.deadline = Clock::now() + std::chrono::milliseconds(timeout_ms);
  return out;
}

std::string Limits::timeout_text() const { return fmt::format("The statement did not finish within {} ms", timeout_ms); }

Conversation::~Conversation() {
  if (id_ == 0) return;
  if (!finished_) process_.send(FrameType::cancel, id_, "");  // the caller's sink threw
  process_.forget(id_);
}

void Conversation::end(Ending how) {
  ending_ = how;
  kill_at_ = Clock::now() + std::chrono::seconds(1);
  process_.send(FrameType::cancel, id_, "");
}

Result<Summary> Conversation::hold(FrameType type, const std::string& payload) {
  call_ = process_.begin(type, payload, id_);
  if (!call_) {
    id_ = 0;
    repeatable_ = true;
    return fail(Error{Errc::died, "The SQL engine's process has ended"});
  }
  const auto call = call_;
  Wakeup wakeup(limits_.cancel, [call] {
    std::lock_guard lock(call->mutex);
    call->woken = true;
    call->changed.notify_all();
  });
  for (;;) {
    std::optional<Frame> frame;
    {
      std::unique_lock lock(call->mutex);
      const auto something = [&] { return !call->inbox.empty() || call->ended || (call->woken && ending_ == Ending::no); };
      const auto until = killed_ ? Clock::time_point::max() : ending_ == Ending::no ? limits_.deadline : kill_at_;
      bool found = true;
      if (until == Clock::time_point::max())
        call->changed.wait(lock, something);
      else
        found = call->changed.wait_until(lock, until, something);
      if (found && !call->inbox.empty() && !(call->woken && ending_ == Ending::no)) {
        frame = std::move(call->inbox.front());
        call->inbox.pop_front();
      } else if (found && call->ended) {
        lock.unlock();
        finished_ = true;
        return ended_early();
      } else if (found) {
        lock.unlock();
        end(Ending::cancelled);
        continue;
      } else {
        lock.unlock();
        if (ending_ == Ending::no) {
          end(Ending::timeout);
        } else {
          killed_ = true;
          process_.kill(true);
        }
        continue;
      }
    }
    if (auto result = handle(*std::move(frame))) {
      finished_ = true;
      return *std::move(result);
    }
  }
}

std::optional<Result<Summary>> Conversation::handle(Frame frame) {
  switch (frame.type) {
    case FrameType::schema: {
      std::vector<Column> columns;
      if (!decode(frame.payload, columns)) break;
      delivered_ = true;
      if (handlers_.schema && ending_ == Ending::no) handlers_.schema(columns);
      return {};
    }
    case FrameType::question:
      if (!answer(frame)) break;
      return {};
    case FrameType::part:
      assembling_ += frame.payload;
      return {};
    case FrameType::chunk: {
      Decoder d(frame.payload);
      const auto rows = static_cast<std::int64_t>(d.u64());
      if (!d.ok()) break;
      std::string chunk = std::exchange(assembling_, {});
      if (chunk.empty()) {
        chunk = std::move(frame.payload);
        chunk.erase(0, sizeof(std::uint64_t));
      } else {
        chunk += d.rest();
      }
      if (ending_ != Ending::no) return {};
      Encoder ack;
      ack.u64(chunk.size());
      rows_ += rows;
      const bool more = !handlers_.chunk || handlers_.chunk(std::move(chunk), rows);
      more ? process_.send(FrameType::ack, id_, ack.out) : end(Ending::enough);
      return {};
    }
    case FrameType::written: {
      std::vector<WrittenFile> files;
      if (!decode(frame.payload, files)) break;
      if (handlers_.written) handlers_.written(std::move(files));
      return {};
    }
    case FrameType::done: {
      Summary summary;
      if (!decode(frame.payload, summary)) break;
      if (ending_ == Ending::enough) summary.truncated = true, summary.rows = rows_;
      return Result<Summary>(summary);  // a cancel that came too late changes nothing
    }
    case FrameType::error: {
      Error error;
      if (!decode(frame.payload, error)) break;
      return outcome(std::move(error));
    }
    default:
      break;
  }
  process_.kill(true);
  return Result<Summary>(fail(Error{Errc::died, "The SQL engine's process answered what is no answer and was ended"}));
}

bool Conversation::answer(const Frame& asked) {
  Decoder d(asked.payload);
  const auto id = d.u64();
  Question question;
  question.token = d.text(), question.name = d.text();
  question.each = d.u8() != 0;
  question.inputs = d.texts();
  if (!d.finished()) return false;
  const auto call = call_;
  const auto ends = [&] {
    if (Clock::now() > limits_.deadline) return true;
    std::lock_guard lock(call->mutex);
    return call->woken || call->ended;
  };
  Expected<std::vector<Answer>, std::string> answers = fail(std::string("the statement ends"));
  if (ending_ == Ending::no)
    answers = handlers_.answer ? handlers_.answer(question, ends)
                               : fail(std::string("[UNSUPPORTED_FEATURE] ai_query is not supported by this warehouse. SQLSTATE: 0A000"));
  if (ending_ == Ending::no && ends()) return true;  // the process hears that the statement ends, and why is told by whoever waits for it
  if (answers && answers->size() != question.inputs.size()) answers = fail(std::string("ai_query: not one answer an input"));
  Encoder e;
  e.u64(id), e.u8(answers.has_value());
  if (!answers) e.text(answers.error());
  if (answers)
    for (const auto& a : *answers) e.u8(static_cast<std::uint8_t>(a.kind)), e.text(a.text);
  if (e.out.size() > most_payload) {
    e = {};
    e.u64(id), e.u8(0), e.text("ai_query: the answers for 2048 rows are larger than 16 MB");
  }
  process_.send(FrameType::reply, id_, e.out);
  return true;
}

Result<Summary> Conversation::outcome(Error error) {
  switch (ending_) {
    case Ending::enough:
      return Summary{rows_, true, 0};
    case Ending::timeout:
      return fail(Error{Errc::timeout, limits_.timeout_text()});
    case Ending::cancelled:
      return fail(Error{Errc::cancelled, "The statement was cancelled"});
    case Ending::no:
      break;
  }
  return fail(std::move(error));
}

Result<Summary> Conversation::ended_early() {
  const auto words = process_.last_words();
  if (ending_ == Ending::no) {
    repeatable_ = process_.killed_for_another() && !delivered_;
    if (!words.empty() && !process_.killed_for_another()) return fail(Error{Errc::unavailable, "The SQL engine cannot be started: " + words});
  }
  return outcome({Errc::died, "The SQL engine's process ended while it ran the statement"});
}

}  // namespace tarn::engine
