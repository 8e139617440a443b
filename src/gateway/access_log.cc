#include "gateway/access_log.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <stdexcept>

namespace tarn::gateway {

namespace {

constexpr std::uint64_t kRotateAt = 64u << 20;
constexpr std::size_t kWakeAt = 256u << 10, kMost = 8u << 20;

void quoted(std::string& out, std::string_view name, std::string_view text) {
  if (text.empty()) return;
  out += ",\"";
  out += name;
  out += "\":\"";
  for (const unsigned char c : text.substr(0, 512)) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += static_cast<char>(c);
    } else if (c < 0x20 || c >= 0x7f) {
      fmt::format_to(std::back_inserter(out), "\\u{:04x}", c);  // bytes, so that no line is ever invalid UTF-8
    } else {
      out += static_cast<char>(c);
    }
  }
  out += '"';
}

}  // namespace

AccessLog::AccessLog(std::string path) : path_(std::move(path)) {
  if (path_.empty()) return;
  fd_ = ::open(path_.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
  struct stat st {};
  if (fd_ < 0 || ::fstat(fd_, &st) != 0) throw std::runtime_error("cannot write the access log " + path_);
  size_ = static_cast<std::uint64_t>(st.st_size);
  writer_ = std::thread([this] { run(); });
}

AccessLog::~AccessLog() {
  if (!writer_.joinable()) return;
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  writer_.join();
  ::close(fd_);
}

void AccessLog::add(const AccessLine& l) {
  if (path_.empty()) return;
  thread_local std::string text;
  text.clear();
  fmt::format_to(std::back_inserter(text), "{{\"at\":{},\"status\":{},\"us\":{},\"in\":{},\"out\":{}", l.at, l.status, l.micros, l.bytes_in,
                 l.bytes_out);
  quoted(text, "method", l.method);
  quoted(text, "host", l.host);
  quoted(text, "path", l.path);
  quoted(text, "group", l.group);
  quoted(text, "principal", l.principal);
  quoted(text, "source", l.source_ip);
  quoted(text, "agent", l.user_agent);
  quoted(text, "request_id", l.request_id);
  text += "}\n";
  bool wake = false;
  {
    std::lock_guard lock(mutex_);
    if (pending_.size() > kMost) return;  // a disk that does not take the log must not take the memory
    wake = pending_.size() < kWakeAt && pending_.size() + text.size() >= kWakeAt;
    pending_ += text;
  }
  if (wake) wake_.notify_one();
}

void AccessLog::run() {
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, nullptr);
  std::string batch;
  std::unique_lock lock(mutex_);
  for (;;) {
    wake_.wait_for(lock, std::chrono::milliseconds(200), [this] { return stopping_ || pending_.size() >= kWakeAt; });
    batch.swap(pending_);
    const bool last = stopping_;
    lock.unlock();
    write(batch);
    batch.clear();
    lock.lock();
    if (last && pending_.empty()) return;
  }
}

void AccessLog::write(std::string_view text) {
  size_ += text.size();
  while (!text.empty()) {
    const auto n = ::write(fd_, text.data(), text.size());
    if (n <= 0) break;  // lost lines are better than a stopped server
    text.remove_prefix(static_cast<std::size_t>(n));
  }
  if (size_ < kRotateAt) return;
  ::rename(path_.c_str(), (path_ + ".1").c_str());
  const int fresh = ::open(path_.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
  if (fresh < 0) return;
  ::close(fd_);
  fd_ = fresh;
  size_ = 0;
}

}  // namespace tarn::gateway
