#include "sql/engine_port.h"

#include <fmt/format.h>

#include <boost/algorithm/string/replace.hpp>

namespace tarn::sql {
namespace {

Errc code_of(engine::Errc code) {
  switch (code) {
    case engine::Errc::sql:
      return Errc::engine;
    case engine::Errc::cancelled:
      return Errc::cancelled;
    case engine::Errc::timeout:
      return Errc::timeout;
    case engine::Errc::out_of_memory:
      return Errc::engine;
    case engine::Errc::died:
      return Errc::engine;
    case engine::Errc::unavailable:
      return Errc::unavailable;
    case engine::Errc::too_large:
      return Errc::too_large;
  }
  throw std::logic_error("an engine error code without a meaning");
}

std::string first_line(const std::string& message) {
  auto out = message.substr(0, message.find('\n'));
  if (const auto at = out.find("Error: "); at != std::string::npos) out.erase(0, at + 7);
  return out;
}

/// What DuckDB itself raises where Spark has a class of its own: a part of DuckDB's message, and Spark's text.
constexpr std::pair<const char*, const char*> kSparks[] = {
    {"Could not cast value", "[NUMERIC_VALUE_OUT_OF_RANGE.WITH_SUGGESTION] {} SQLSTATE: 22003"},
    {"\" to DECIMAL(", "[NUMERIC_VALUE_OUT_OF_RANGE.WITH_SUGGESTION] {} SQLSTATE: 22003"},
    {"\" to type DECIMAL(", "[NUMERIC_VALUE_OUT_OF_RANGE.WITH_SUGGESTION] {} SQLSTATE: 22003"},
    {"Failed to cast decimal value", "[CAST_OVERFLOW] {} Use `try_cast` to tolerate overflow and return NULL instead. SQLSTATE: 22003"},
    {"DECIMAL value", "[NUMERIC_VALUE_OUT_OF_RANGE.WITH_SUGGESTION] {} SQLSTATE: 22003"},
    {"of DECIMAL(", "[NUMERIC_VALUE_OUT_OF_RANGE.WITH_SUGGESTION] {} SQLSTATE: 22003"},
    {"can't be cast because the value is out of range",
     "[CAST_OVERFLOW] {} Use `try_cast` to tolerate overflow and return NULL instead. SQLSTATE: 22003"},
    {"Overflow in ", "[ARITHMETIC_OVERFLOW] {} If necessary set \"spark.sql.ansi.enabled\" to \"false\" to bypass this error. SQLSTATE: 22003"},
    {"Overflow on abs", "[ARITHMETIC_OVERFLOW] {} If necessary set \"spark.sql.ansi.enabled\" to \"false\" to bypass this error. SQLSTATE: 22003"},
    {"More than one row returned by a subquery",
     "[SCALAR_SUBQUERY_TOO_MANY_ROWS] More than one row returned by a subquery used as an expression. SQLSTATE: 21000"},
    {"too small to be a Parquet file", "[FAILED_READ_FILE.NO_HINT] Encountered error while reading file: {} SQLSTATE: KD001"},
    {"No magic bytes found", "[FAILED_READ_FILE.NO_HINT] Encountered error while reading file: {} SQLSTATE: KD001"},
    {"Failed to read file", "[FAILED_READ_FILE.NO_HINT] Encountered error while reading file: {} SQLSTATE: KD001"},
    {"No such file or directory", "[FAILED_READ_FILE.FILE_NOT_EXIST] Encountered error while reading file: {} SQLSTATE: KD001"},
    {"there is no folder", "[FAILED_READ_FILE.FILE_NOT_EXIST] Encountered error while reading file: {} SQLSTATE: KD001"},
    {"Cannot open file", "[FAILED_READ_FILE.NO_HINT] Encountered error while reading file: {} SQLSTATE: KD001"},
    {"No files found that match", "[FAILED_READ_FILE.FILE_NOT_EXIST] Encountered error while reading file: {} SQLSTATE: KD001"},
    {"No space left on device", "[TASK_WRITE_FAILED] Task failed while writing rows: {} SQLSTATE: 58030"},
    {"Unknown TimeZone", "[INVALID_TIMEZONE] {} SQLSTATE: 22009"},
    {"Not implemented Error", "[UNSUPPORTED_FEATURE] {} SQLSTATE: 0A000"},
    {"non-inner join on subquery", "[UNSUPPORTED_FEATURE] {} SQLSTATE: 0A000"},
    {"Non-inner join on correlated columns", "[UNSUPPORTED_FEATURE] {} SQLSTATE: 0A000"},
    {"out of range", "[DATETIME_OVERFLOW] Datetime operation overflow: {} SQLSTATE: 22008"},
};

/// Where tables lie on this machine is no caller's business: files keep their names below the folders that the statement was given.
std::string without_places(std::string text, const engine::Scope& scope) {
  for (const auto* list : {&scope.directories, &scope.writable})
    for (std::string directory : *list) {
      while (directory.ends_with('/')) directory.pop_back();
      if (directory.empty()) continue;
      boost::algorithm::replace_all(text, directory + "/", "");
      boost::algorithm::replace_all(text, "'" + directory + "'", "of the table");
      boost::algorithm::replace_all(text, directory, "of the table");
    }
  return text;
}

Error translated(engine::Error e, const engine::Scope& scope) {
  // What follows quotes the engine's own text, which nobody wrote, with the places of files cut off anywhere.
  if (const auto quoted = e.message.find("\n\nLINE "); quoted != std::string::npos) e.message.resize(quoted);
  e.message = without_places(std::move(e.message), scope);
  // Our own checks inside a statement speak the vendor's language already; the engine only puts its kind before them.
  const auto at = e.message.find("Error: [");
  if (e.code == engine::Errc::sql && at != std::string::npos) return {Errc::engine, e.message.substr(at + 7)};
  if (e.code == engine::Errc::sql)
    for (const auto& [part, text] : kSparks)
      if (e.message.find(part) != std::string::npos) return {Errc::engine, fmt::format(fmt::runtime(text), first_line(e.message))};
  return {code_of(e.code), e.message};
}

class PoolEngine final : public Engine {
 public:
  explicit PoolEngine(engine::Pool& pool) : pool_(pool) {}
  Result<engine::Summary> run(const engine::Scope& scope, const engine::Request& request, const engine::Sink& sink,
                              engine::CancelToken* cancel) override {
    auto r = pool_.run(scope, request, sink, cancel);
    if (!r) return fail(translated(std::move(r).error(), scope));
    return *std::move(r);
  }
  Result<std::vector<engine::WrittenFile>> write(const engine::Scope& scope, const engine::WriteRequest& request,
                                                 engine::CancelToken* cancel) override {
    auto r = pool_.write_parquet(scope, request, cancel);
    if (!r) return fail(translated(std::move(r).error(), scope));
    return *std::move(r);
  }
  Result<std::vector<engine::Column>> describe(const engine::Scope& scope, const std::string& sql, engine::CancelToken* cancel) override {
    auto r = pool_.describe(scope, sql, cancel);
    if (!r) return fail(translated(std::move(r).error(), scope));
    return *std::move(r);
  }

 private:
  engine::Pool& pool_;
};

}  // namespace

std::unique_ptr<Engine> pool_engine(engine::Pool& pool) { return std::make_unique<PoolEngine>(pool); }

}  // namespace tarn::sql
