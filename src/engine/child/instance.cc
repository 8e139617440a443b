#include "engine/child/instance.h"

#include <fmt/format.h>

#include <algorithm>

#include "engine/child/questions.h"
#include "engine/child/statements.h"
#include "engine/functions/registry.h"

namespace tarn::engine::child {
namespace {

std::string doubled(const std::string& text, char quote) {
  std::string out(1, quote);
  for (char c : text) {
    if (c == quote) out += quote;
    out += c;
  }
  return out += quote;
}

}  // namespace

std::string literal(const std::string& text) { return doubled(text, '\''); }
std::string identifier(const std::string& text) { return doubled(text, '"'); }

Instance::~Instance() {
  clean_.clear();
  retired_.clear();
  if (control_) duckdb_disconnect(&control_);
  if (database_) duckdb_close(&database_);
}

std::string Instance::execute(const std::string& sql) {
  ResultSet result;
  if (duckdb_query(control_, sql.c_str(), &result.result) == DuckDBSuccess) return {};
  const char* error = duckdb_result_error(&result.result);
  return error ? error : "unknown error in " + sql;
}

std::string Instance::open(const Settings& settings) {
  settings_ = settings;
  duckdb_config config = nullptr;
  duckdb_create_config(&config);
  // One thread until the kernel's restrictions are on: threads made before would not have them.
  for (const auto& [name, value] :
       std::initializer_list<std::pair<const char*, const char*>>{{"threads", "1"},
                                                                  {"autoinstall_known_extensions", "false"},
                                                                  {"autoload_known_extensions", "false"},
                                                                  {"allow_community_extensions", "false"},
                                                                  {"allow_persistent_secrets", "false"},
                                                                  {"allow_unsigned_extensions", settings.verify_extensions ? "false" : "true"}})
    if (duckdb_set_config(config, name, value) != DuckDBSuccess) {
      duckdb_destroy_config(&config);
      return fmt::format("DuckDB refuses the setting {}={}", name, value);
    }
  char* error = nullptr;
  const auto state = duckdb_open_ext(nullptr, &database_, config, &error);
  duckdb_destroy_config(&config);
  if (state != DuckDBSuccess) return taken(error);
  if (duckdb_connect(database_, &control_) != DuckDBSuccess) return "DuckDB gave no connection";
  for (const auto& path : settings.extensions)
    if (auto failure = execute("LOAD " + literal(path)); !failure.empty()) return failure;
  if (auto failure = register_questions(control_); !failure.empty()) return failure;
  return functions::register_all(control_);
}

std::string Instance::bind(const Scope& scope) {
  scope_ = scope;
  std::string allowed;
  for (const auto* list : {&scope.directories, &scope.writable})
    for (auto directory : *list) {
      if (!directory.ends_with('/')) directory += '/';
      allowed += (allowed.empty() ? "" : ", ") + literal(directory);
    }
  auto s = settings_;
  if (scope.share.threads > 0) s.threads = static_cast<std::uint32_t>(scope.share.threads);
  if (scope.share.memory_bytes > 0) s.memory_bytes = scope.share.memory_bytes;
  if (scope.share.spill_bytes > 0) s.spill_bytes = scope.share.spill_bytes;
  std::vector<std::string> steps = {
      "SET GLOBAL TimeZone = 'UTC'",
      "SET GLOBAL Calendar = 'gregorian'",
      "SET GLOBAL default_null_order = 'nulls_first_on_asc_last_on_desc'",  // Spark's
      "SET GLOBAL produce_arrow_string_view = false",
      "SET GLOBAL arrow_large_buffer_size = false",
      "SET GLOBAL arrow_lossless_conversion = false",
      "SET GLOBAL arrow_output_list_view = false",
      "SET GLOBAL parquet_metadata_cache = true",  // a table's data files never change
      fmt::format("SET GLOBAL memory_limit = '{}B'", s.memory_bytes),
      "SET GLOBAL temp_directory = " + literal(s.spill_directory),
  };
  if (!s.spill_directory.empty()) steps.push_back(fmt::format("SET GLOBAL max_temp_directory_size = '{}B'", s.spill_bytes));
  steps.push_back("SET GLOBAL allowed_directories = [" + allowed + "]");
  steps.push_back(fmt::format("SET GLOBAL threads = {}", s.threads));
  steps.push_back("SET GLOBAL enable_external_access = false");
  steps.push_back("SET GLOBAL lock_configuration = true");
  for (const auto& step : steps)
    if (auto failure = execute(step); !failure.empty()) return step + ": " + failure;
  return {};
}

Prepared Session::take(std::string_view sql) {
  const auto at = std::ranges::find(plans, sql, &std::pair<std::string, Prepared>::first);
  if (at == plans.end()) return {};
  auto plan = std::move(at->second);
  plans.erase(at);
  return plan;
}

void Session::put(std::string sql, Prepared plan) {
  if (sql.size() > longest_text) return;
  if (plans.size() == most_plans) plans.erase(plans.begin());
  plans.emplace_back(std::move(sql), std::move(plan));
}

Session Instance::connect(std::string_view sql) {
  {
    std::lock_guard lock(mutex_);
    if (!clean_.empty()) {
      const auto knows = [&](const Session& s) { return std::ranges::any_of(s.plans, [&](const auto& plan) { return plan.first == sql; }); };
      auto at = sql.empty() ? clean_.rend() : std::ranges::find_if(clean_.rbegin(), clean_.rend(), knows);
      if (at == clean_.rend()) at = clean_.rbegin();
      auto session = std::move(*at);
      clean_.erase(std::next(at).base());
      return session;
    }
  }
  Session session;
  if (duckdb_connect(database_, session.connection.out()) != DuckDBSuccess) return {};
  return session;
}

void Instance::reuse(Session session) {
  std::lock_guard lock(mutex_);
  if (clean_.size() < 16) clean_.push_back(std::move(session));
}

void Instance::retire(Session session) {
  // Closing works off the tasks that are left (Executor::CancelTasks), to the end of the statement if nothing stops them.
  duckdb_interrupt(session.connection.get());
  std::lock_guard lock(mutex_);
  retired_.push_back(std::move(session));
}

void Instance::close_retired() {
  std::vector<Session> closing;
  std::lock_guard lock(mutex_);
  closing.swap(retired_);
}

Borrowed::Borrowed(Instance& instance, std::string_view sql) : company_(instance), instance_(instance), session_(instance.connect(sql)) {
  if (!session_.connection) throw Refused{{Errc::unavailable, "DuckDB gave no connection"}};
}

}  // namespace tarn::engine::child
