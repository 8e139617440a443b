#include "sql/sidecar.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "base/resources.h"
#include "sql/rewrite_json.h"

namespace tarn::sql {
namespace {

using Steady = std::chrono::steady_clock;

Error unavailable(const std::string& why) { return {Errc::unavailable, "The SQL parser cannot answer now (" + why + "). Try again."}; }

/// Waits until the socket is ready; false when the time is over or the peer is gone.
bool wait_for(int fd, short events, Steady::time_point until) {
  for (;;) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until - Steady::now()).count();
    if (left <= 0) return false;
    pollfd p{fd, events, 0};
    const int n = ::poll(&p, 1, static_cast<int>(left));
    if (n > 0) return true;
    if (n < 0 && errno != EINTR) return false;
  }
}

Errc code_of(std::string_view name) {
  if (name == "parse_error") return Errc::parse;
  if (name == "unresolved_column" || name == "unresolved_routine") return Errc::unresolved;
  return Errc::unsupported;
}

}  // namespace

struct SidecarParser::Process {
  pid_t pid = -1;
  int fd = -1;

  bool start(const SidecarOptions& o) {
    int pair[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) return false;
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    // dup2 clears close-on-exec, also where the number stays the same.
    posix_spawn_file_actions_adddup2(&actions, pair[1], 3);
    const std::string path = "PYTHONPATH=" + o.sqlglot;
    std::vector<std::string> args{o.python, "-S", "-B", o.script};
    std::vector<std::string> env{path, "PATH=/usr/bin:/bin", "LANG=C.UTF-8", "PYTHONHASHSEED=0"};
    std::vector<char*> argv, envp;
    for (auto& a : args) argv.push_back(a.data());
    for (auto& e : env) envp.push_back(e.data());
    argv.push_back(nullptr), envp.push_back(nullptr);
    const int rc = ::posix_spawn(&pid, o.python.c_str(), &actions, nullptr, argv.data(), envp.data());
    posix_spawn_file_actions_destroy(&actions);
    ::close(pair[1]);
    if (rc != 0) {
      ::close(pair[0]);
      pid = -1;
      return false;
    }
    ::fcntl(pair[0], F_SETFL, O_NONBLOCK);
    fd = pair[0];
    return true;
  }
  void stop() {
    if (fd >= 0) ::close(fd), fd = -1;
    if (pid > 0) {
      ::kill(pid, SIGKILL);
      ::waitpid(pid, nullptr, 0);
      pid = -1;
    }
  }
  bool send(std::string_view bytes, Steady::time_point until) {
    while (!bytes.empty()) {
      const ssize_t n = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (n > 0)
        bytes.remove_prefix(static_cast<std::size_t>(n));
      else if ((errno != EAGAIN && errno != EINTR) || !wait_for(fd, POLLOUT, until))
        return false;
    }
    return true;
  }
  bool receive(std::string& out, std::size_t count, Steady::time_point until) {
    out.resize(count);
    std::size_t have = 0;
    while (have < count) {
      const ssize_t n = ::recv(fd, out.data() + have, count - have, 0);
      if (n > 0)
        have += static_cast<std::size_t>(n);
      else if (n == 0 || (errno != EAGAIN && errno != EINTR) || !wait_for(fd, POLLIN, until))
        return false;
    }
    return true;
  }
  ~Process() { stop(); }
};

SidecarParser::SidecarParser(SidecarOptions options)
    : options_(std::move(options)), analyses_(options_.cache_bytes / 2), rewrites_(options_.cache_bytes / 2) {
  if (options_.script.empty()) options_.script = resources::shipped("src/sql/sidecar/main.py").string();
  if (options_.sqlglot.empty()) options_.sqlglot = (resources::cache() / "sqlglot-30.30.0").string();
  for (std::size_t i = 0; i < std::max<std::size_t>(1, options_.processes); ++i) {
    processes_.push_back(std::make_unique<Process>());
    idle_.push_back(processes_.back().get());
  }
}

SidecarParser::~SidecarParser() {
  if (warmer_.joinable()) warmer_.join();
}

void SidecarParser::warm() {
  if (warmer_.joinable()) return;
  warmer_ = std::thread([this] {
    std::vector<std::string> samples{"SELECT 1", "SELECT 2"};
    for (std::size_t i = 0; i < options_.processes; ++i)
      if (auto r = analyze(samples[i % samples.size()] + std::string(i, ' ')); !r)
        spdlog::warn("the SQL parser does not start error={}", r.error().message);
  });
}

SidecarParser::Process* SidecarParser::acquire() {
  std::unique_lock lock(mutex_);
  free_.wait(lock, [&] { return !idle_.empty(); });
  auto* p = idle_.front();  // oldest first: all of them get warm
  idle_.erase(idle_.begin());
  return p;
}

void SidecarParser::release(Process* process) {
  {
    const std::lock_guard lock(mutex_);
    idle_.push_back(process);
  }
  free_.notify_one();
}

std::size_t SidecarParser::starts() const {
  const std::lock_guard lock(mutex_);
  return starts_;
}

Result<json::value> SidecarParser::ask(const json::object& request) {
  const std::string body = boost::json::serialize(request);
  std::string head(4, '\0');
  for (int i = 0; i < 4; ++i) head[static_cast<std::size_t>(i)] = static_cast<char>(body.size() >> (24 - 8 * i));
  Process* p = acquire();
  struct Return {
    SidecarParser* self;
    Process* process;
    ~Return() { self->release(process); }
  } give_back{this, p};
  // A process that died while idle is replaced once; one that dies under this very statement is the statement's fault.
  for (int attempt = 0; attempt < 2; ++attempt) {
    const bool fresh = p->fd < 0;
    if (fresh) {
      if (!p->start(options_)) return fail(unavailable("it cannot be started from " + options_.python));
      const std::lock_guard lock(mutex_);
      ++starts_;
    }
    const auto until = Steady::now() + std::chrono::milliseconds(options_.request_timeout + (fresh ? options_.start_timeout : 0));
    std::string size, text;
    if (p->send(head, until) && p->send(body, until) && p->receive(size, 4, until)) {
      std::uint32_t length = 0;
      for (const char c : size) length = length << 8 | static_cast<unsigned char>(c);
      if (length < (256u << 20) && p->receive(text, length, until)) {
        boost::system::error_code ec;
        auto v = boost::json::parse(text, ec, {}, {.max_depth = 256});
        if (ec || !v.is_object()) return fail(unavailable("it answered with garbage"));
        if (auto* e = v.as_object().if_contains("error")) {
          const auto& o = e->as_object();
          return refuse(code_of(o.at("code").as_string()), std::string(o.at("message").as_string()));
        }
        return v.as_object().at("ok");
      }
    }
    const bool late = Steady::now() + std::chrono::milliseconds(1) >= until;  // poll counts whole milliseconds
    p->stop();
    if (late)
      return refuse(Errc::timeout, "[PARSE_TIMEOUT] The statement could not be parsed within " + std::to_string(options_.request_timeout / 1000) +
                                       " seconds. Simplify it.");
    if (fresh) return fail(unavailable("it ended while it read the statement"));
  }
  return fail(unavailable("it ended twice"));
}

Result<void> SidecarParser::readable(const std::string& sql) const {
  if (sql.size() > options_.most_statement_bytes)
    return refuse(
        Errc::too_large,
        fmt::format("[STATEMENT_TOO_LARGE] The statement has {} bytes; at most {} are accepted. Load data from files instead. SQLSTATE: 54000",
                    sql.size(), options_.most_statement_bytes));
  if (sql.find('\0') != std::string::npos)
    return refuse(Errc::parse, "[PARSE_SYNTAX_ERROR] Syntax error at or near '\\0': the statement holds a NUL character. SQLSTATE: 42601");
  return {};
}

Result<Parser::Prepared> SidecarParser::prepare(const std::string& sql, const Given& parameters, const std::map<std::string, Constant>& variables) {
  TARN_CHECK(readable(sql));
  json::object given;
  for (const auto& [name, p] : parameters)
    given[name] = json::object{{"value", p.first ? json::value(*p.first) : json::value(nullptr)}, {"type", p.second}};
  TARN_TRY(answer, ask({{"op", "prepare"}, {"sql", sql}, {"parameters", std::move(given)}, {"variables", constants_json(variables)}}));
  const auto* o = answer.if_object();
  if (!o) return fail(unavailable("it answered with garbage"));
  Prepared out{std::string(o->at("sql").as_string()), {}};
  for (const auto& target : o->at("into").as_array()) {
    auto& parts = out.into.emplace_back();
    for (const auto& part : target.as_array()) parts.emplace_back(part.as_string());
  }
  return out;
}

Result<std::vector<std::string>> SidecarParser::assign(const std::vector<Stored>& values, const std::string& zone) {
  json::array pairs;
  for (const auto& v : values) pairs.push_back(json::object{{"sql", v.sql}, {"from", v.from}, {"to", v.to}});
  TARN_TRY(answer, ask({{"op", "assign"}, {"pairs", std::move(pairs)}, {"zone", zone}}));
  if (!answer.is_array() || answer.as_array().size() != values.size()) return fail(unavailable("it answered with garbage"));
  std::vector<std::string> out;
  for (const auto& text : answer.as_array()) out.emplace_back(text.as_string());
  return out;
}

Result<std::shared_ptr<const Analysis>> SidecarParser::analyze(const std::string& sql) {
  TARN_CHECK(readable(sql));
  if (auto hit = analyses_.get(sql)) return hit;
  TARN_TRY(answer, ask({{"op", "analyze"}, {"sql", sql}}));
  auto decoded = json::decode<Analysis>(answer, {.absent = json::Absent::keep});
  if (!decoded) return fail(unavailable("its answer does not decode: " + decoded.error().message()));
  auto out = std::make_shared<const Analysis>(*std::move(decoded));
  analyses_.put(sql, out, sizeof(Analysis) + sql.size() + 512 * out->tables.size());
  return out;
}

Result<std::shared_ptr<const Rewrite>> SidecarParser::rewrite(const RewriteRequest& request) {
  const std::string key = cache_key(request);
  if (auto hit = rewrites_.get(key)) return hit;
  TARN_TRY(answer, ask(to_json(request)));
  auto out = std::make_shared<const Rewrite>(rewrite_of(answer));
  std::size_t bytes = sizeof(Rewrite);
  for (const auto& p : out->query) bytes += p.text.size() + sizeof(Piece);
  rewrites_.put(key, out, bytes + 64 * out->columns.size());
  return out;
}

}  // namespace tarn::sql
