#pragma once
// The parser as processes beside the server: sqlglot under Python, one request at a time each, over a socketpair with length-prefixed JSON.
// Started on first use (warm() starts them in the background), restarted when one dies or overruns its time; they end with the server.
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "sql/analysis.h"
#include "sql/lru.h"

namespace tarn::sql {

struct SidecarOptions {
  std::string python = "/usr/bin/python3";
  std::string script;   // main.py; default: the shipped one
  std::string sqlglot;  // folder that holds the package; default: the pinned download
  std::size_t processes = 2;
  std::size_t most_statement_bytes = 1u << 20;
  Millis request_timeout = 20'000;
  Millis start_timeout = 60'000;  // beside that, for a process's first statement: a busy machine's fault, not the statement's
  std::size_t cache_bytes = 64u << 20;
};

class SidecarParser final : public Parser {
 public:
  explicit SidecarParser(SidecarOptions options = {});
  ~SidecarParser() override;
  /// Starts the processes on a thread of its own, joined on destruction.
  void warm();
  Result<Prepared> prepare(const std::string& sql, const Given& parameters, const std::map<std::string, Constant>& variables) override;
  Result<std::vector<std::string>> assign(const std::vector<Stored>& values, const std::string& zone) override;
  Result<std::shared_ptr<const Analysis>> analyze(const std::string& sql) override;
  Result<std::shared_ptr<const Rewrite>> rewrite(const RewriteRequest& request) override;
  /// How often a process was started: what tests of the restart compare.
  std::size_t starts() const;

 private:
  struct Process;
  Result<void> readable(const std::string& sql) const;
  Result<json::value> ask(const json::object& request);
  Process* acquire();
  void release(Process* process);

  SidecarOptions options_;
  Lru<Analysis> analyses_;
  Lru<Rewrite> rewrites_;
  mutable std::mutex mutex_;
  std::condition_variable free_;
  std::vector<std::unique_ptr<Process>> processes_;
  std::vector<Process*> idle_;
  std::size_t starts_ = 0;
  std::thread warmer_;
};

}  // namespace tarn::sql
