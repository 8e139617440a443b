#include "sail/process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>

#include "base/ids.h"
#include "base/resources.h"
#include "base/spawn.h"
#include "sail/order.h"

namespace tarn::sail {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

constexpr std::uint32_t kMostFrame = 64u << 20;

Error ended() { return {Errc::died, "Sail's process ended while it ran the statement (it may have run out of its warehouse's memory)"}; }

/// Descriptors that are closed whatever happens.
struct Descriptors {
  std::vector<int> open;
  ~Descriptors() {
    for (const int fd : open) ::close(fd);
  }
  int keep(int fd) {
    open.push_back(fd);
    return fd;
  }
};

std::string listed(const std::vector<std::string>& folders) {
  std::string out;
  for (const auto& f : folders) out += (out.empty() ? "" : ":") + f;
  return out;
}

Order order_of(const Scope& scope, const Options& options, const std::string& home) {
  const auto host = resources::shipped("src/sail/host").string();
  Order out{.home = home, .readable = scope.directories, .command = {"/usr/bin/python3", "-S", "-B", host + "/host.py"}};
  const auto found = packages();
  out.readable.insert(out.readable.end(), found.begin(), found.end());
  out.readable.push_back(host);
  const auto threads = scope.share.threads > 0 ? scope.share.threads : options.threads;
  const auto memory = scope.share.memory_bytes > 0 ? scope.share.memory_bytes : options.memory_bytes;
  out.environment = {
      {"PYTHONPATH", listed(found)},
      {"RUST_LOG", "off"},
      {"TZ", "UTC"},
      {"TOKIO_WORKER_THREADS", std::to_string(threads)},
      {"SAIL_EXECUTION__DEFAULT_PARALLELISM", std::to_string(threads)},
      {"SAIL_RUNTIME__MEMORY_POOL__TYPE", "fair"},
      {"SAIL_RUNTIME__MEMORY_POOL__FAIR__MAX_SIZE", std::to_string(memory)},
      {"SAIL_RUNTIME__TEMPORARY_FILES__PATHS", "[\"" + home + "\"]"},
  };
  if (scope.share.spill_bytes > 0) out.environment["SAIL_RUNTIME__TEMPORARY_FILES__MAX_SIZE"] = std::to_string(scope.share.spill_bytes);
  return out;
}

}  // namespace

std::vector<std::string> packages() {
  const auto cache = resources::cache();
  std::vector<std::string> out;
  for (const char* folder : {"pysail-0.7.2", "pyspark-client-4.2.0/pyspark_client-4.2.0", "grpcio-1.85.1", "googleapis-common-protos-1.76.0",
                             "protobuf-7.36.2", "pyarrow-26.0.1", "typing_extensions-4.16.0"})
    out.push_back((cache / folder).string());
  return out;
}

Expected<std::shared_ptr<Process>, std::string> Process::start(const Options& options, const Scope& scope) {
  for (const auto& folder : packages())
    if (!fs::is_directory(folder))
      return fail("Sail is not installed here: " + fs::path(folder).filename().string() + " is missing (scripts/setup run)");
  const auto home = options.spool + "/sail-" + new_hex(8);
  std::error_code failure;
  fs::create_directories(home, failure);
  if (!failure) fs::permissions(home, fs::perms::owner_all, failure);
  if (failure) return fail("its folder cannot be made: " + failure.message());
  Descriptors ours;
  int talk[2] = {-1, -1}, told[2] = {-1, -1};
  const auto failed = [&](const char* what) {
    std::error_code ignored;
    const std::string why = std::string(what) + ": " + std::strerror(errno);
    fs::remove_all(home, ignored);
    return fail(why);
  };
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, talk) != 0) return failed("a socket pair");
  ours.keep(talk[1]);
  if (::pipe2(told, O_CLOEXEC) != 0) {
    ::close(talk[0]);
    return failed("a pipe");
  }
  ours.keep(told[0]), ours.keep(told[1]);
  const auto pid = spawn({.program = options.launcher,
                          .arguments = {options.launcher, std::to_string(::getpid())},
                          .environment = {},
                          .descriptors = {told[0], Spawn::kNull, Spawn::kNull, talk[1]},
                          .folder = {}});
  if (!pid) {
    ::close(talk[0]);
    errno = pid.error();
    return failed(options.launcher.c_str());
  }
  std::shared_ptr<Process> out(new Process(*pid, talk[0], home));
  if (options.started) options.started(*pid);
  const auto text = json::encode_text(order_of(scope, options, home));
  // The launcher reads while this writes; where it has ended there is no reader, which its silence tells.
  for (std::size_t at = 0; at < text.size();) {
    const auto n = ::write(told[1], text.data() + at, text.size() - at);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    at += static_cast<std::size_t>(n);
  }
  return out;
}

Process::~Process() {
  kill();
  ::waitpid(pid_, nullptr, 0);
  ::close(fd_);
  std::error_code ignored;
  std::filesystem::remove_all(home_, ignored);
}

void Process::kill() { ::kill(pid_, SIGKILL); }  // not reaped before the end of this object: the id is its own

Result<void> Process::read(char* to, std::size_t count, Clock::time_point deadline) {
  while (count > 0) {
    int wait = -1;
    if (deadline != Clock::time_point::max()) {
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()).count();
      if (left <= 0) return fail(Error{Errc::timeout, "The statement did not finish in its time"});
      wait = static_cast<int>(std::min<std::int64_t>(left, 1 << 30));
    }
    pollfd p{fd_, POLLIN, 0};
    const int ready = ::poll(&p, 1, wait);
    if (ready < 0 && errno != EINTR) return fail(ended());
    if (ready <= 0) continue;
    const auto n = ::read(fd_, to, count);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return fail(ended());
    to += n, count -= static_cast<std::size_t>(n);
  }
  return {};
}

Result<json::value> Process::hear(Clock::time_point deadline) {
  unsigned char head[4];
  TARN_CHECK(read(reinterpret_cast<char*>(head), 4, deadline));
  const std::uint32_t length = std::uint32_t{head[0]} << 24 | std::uint32_t{head[1]} << 16 | std::uint32_t{head[2]} << 8 | head[3];
  if (length > kMostFrame) return fail(Error{Errc::died, "Sail's process sent what it should not"});
  std::string text(length, '\0');
  TARN_CHECK(read(text.data(), length, deadline));
  auto parsed = json::parse(text);
  if (!parsed || !parsed->is_object()) return fail(Error{Errc::died, "Sail's process sent what it should not"});
  return *std::move(parsed);
}

Result<json::value> Process::ask(const json::value& question, Clock::time_point deadline) {
  auto text = boost::json::serialize(question);
  if (text.size() > kMostFrame) return fail(Error{Errc::sql, "The statement is too large for Sail"});
  std::string frame;
  for (const int shift : {24, 16, 8, 0}) frame += static_cast<char>(text.size() >> shift);
  frame += text;
  for (std::size_t at = 0; at < frame.size();) {
    const auto n = ::send(fd_, frame.data() + at, frame.size() - at, MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return fail(ended());
    at += static_cast<std::size_t>(n);
  }
  return hear(deadline);
}

}  // namespace tarn::sail
