// The settings of a session: SET, SET -v, RESET. Only what is honoured can be set; what the vendor has and we do not is refused by its name.
#include <array>
#include <charconv>

#include "base/text.h"
#include "sql/executor.h"
#include "sql/types.h"

namespace tarn::sql {
namespace {

struct Setting {
  std::string_view name;   // as the vendor's manual has it
  std::string_view spark;  // the name that it has in Apache Spark; empty: none
  std::string_view meaning;
};

constexpr std::array kSettings{
    Setting{"ANSI_MODE", "spark.sql.ansi.enabled", "Whether overflows, malformed casts and the like are errors: they are."},
    Setting{"LEGACY_TIME_PARSER_POLICY", "spark.sql.legacy.timeParserPolicy", "How patterns of dates and timestamps are read: CORRECTED."},
    Setting{"STATEMENT_TIMEOUT", "", "Seconds after which a statement is cancelled; 0: what the server has."},
    Setting{"TIMEZONE", "spark.sql.session.timeZone", "The time zone of the session: a region, or an offset from UTC."},
    Setting{"USE_CACHED_RESULT", "", "Whether a statement may be answered from the results that are kept."}};

const Setting* found(const std::string& given) {
  for (const auto& s : kSettings)
    if (lower(given) == lower(s.name) || (!s.spark.empty() && lower(given) == lower(s.spark))) return &s;
  return nullptr;
}

Error invalid(std::string_view kind, const std::string& name, const std::string& value, const std::string& why) {
  return {Errc::invalid,
          fmt::format("[INVALID_CONF_VALUE.{}] The value '{}' in the config \"{}\" is invalid. {} SQLSTATE: 22022", kind, value, name, why)};
}

Error not_honoured(const std::string& what, const std::string& cure) {
  return {Errc::unsupported, fmt::format("[UNSUPPORTED_FEATURE] {} is not supported by this warehouse. {} SQLSTATE: 0A000", what, cure)};
}

Error not_available(const std::string& name) {
  if (lower(name) == "max_file_partition_bytes")
    return not_honoured("The setting MAX_FILE_PARTITION_BYTES", "Leave it out: the engine divides files among its threads by their row groups.");
  if (lower(name) == "read_only_external_metastore")
    return not_honoured("The setting READ_ONLY_EXTERNAL_METASTORE", "Leave it out: no metastore but Unity Catalog's is asked.");
  return {Errc::invalid, "[CONFIG_NOT_AVAILABLE] Configuration " + name + " is not available. SQLSTATE: 42K0I"};
}

/// The value as it is kept, if it is one that holds.
Result<std::string> checked(const Setting& s, const std::string& value) {
  const std::string name(s.name);
  if (name == "ANSI_MODE" || name == "USE_CACHED_RESULT") {
    const auto wanted = lower(value);
    if (wanted != "true" && wanted != "false") return fail(invalid("TYPE_MISMATCH", name, value, "It should be a/an 'boolean' value."));
    if (name == "ANSI_MODE" && wanted == "false")
      return fail(not_honoured("ANSI_MODE = false", "Use try_cast, try_divide and the other functions whose names begin with try_."));
    return wanted;
  }
  if (name == "LEGACY_TIME_PARSER_POLICY") {
    const auto wanted = lower(value) == "corrected"   ? "CORRECTED"
                        : lower(value) == "exception" ? "EXCEPTION"
                        : lower(value) == "legacy"    ? "LEGACY"
                                                      : "";
    if (wanted[0] == '\0') return fail(invalid("OUT_OF_RANGE_OF_OPTIONS", name, value, "It should be one of 'EXCEPTION', 'CORRECTED', 'LEGACY'."));
    if (wanted[0] != 'C')
      return fail(not_honoured("LEGACY_TIME_PARSER_POLICY = " + std::string(wanted), "Patterns are read as CORRECTED reads them."));
    return std::string(wanted);
  }
  std::int64_t seconds = -1;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), seconds);
  if (error != std::errc() || end != value.data() + value.size() || seconds < 0 || seconds > 172'800)
    return fail(invalid("REQUIREMENT", name, value, "It should be a number of seconds between 0 and 172800."));
  return std::to_string(seconds);
}

}  // namespace

Result<std::string> Executor::known_zone(const std::string& zone) {
  if (zone.find('/') == zone.npos) return zone == "UTC" || zone == "GMT" || zone == "Z" ? std::string() : zone;
  engine::Request request;
  request.sql = "SELECT name FROM pg_timezone_names() WHERE name = " + delta::sql_string(zone);
  bool known = false;
  const engine::Sink sink{.schema = [](const std::vector<engine::Column>&) {},
                          .chunk = [&](std::string, std::int64_t rows) { return known = known || rows > 0, true; }};
  TARN_TRY(summary, engine_.run({}, request, sink, nullptr));
  (void)summary;
  if (!known)
    return refuse(Errc::invalid, "[INVALID_CONF_VALUE.TIME_ZONE] The value '" + zone +
                                     "' in the config \"spark.sql.session.timeZone\" is invalid. Cannot resolve the given timezone. SQLSTATE: 22022");
  return zone == "Etc/UTC" ? std::string() : zone;
}

std::string Executor::setting(const Session& session, std::string_view name) {
  if (name == "TIMEZONE") return session.zone().empty() ? "UTC" : session.zone();
  if (session.state)
    if (const auto own = session.state->setting(std::string(name))) return *own;
  if (name == "STATEMENT_TIMEOUT") return std::to_string(session.statement_timeout / 1000);
  if (name == "USE_CACHED_RESULT") return session.use_cached_result ? "true" : "false";
  return name == "ANSI_MODE" ? "true" : "CORRECTED";
}

Result<Done> Executor::show_config(const Call& c) {
  const auto& options = c.analysis.options;
  const std::vector<ResultColumn> pair{{"key", "string"}, {"value", "string"}};
  Rows rows;
  if (!c.analysis.variables.empty()) {
    const auto name = fmt::format("{}", fmt::join(c.analysis.variables.at(0), "."));
    const auto* s = found(name);
    if (!s) return fail(not_available(name));
    return deliver(c, pair, {{name, setting(c.session, s->name)}});
  }
  const bool verbose = options.contains("verbose");
  for (const auto& s : kSettings) {
    rows.push_back({std::string(s.name), setting(c.session, s.name)});
    if (verbose) rows.back().insert(rows.back().end(), {std::string(s.meaning), std::string()});
  }
  if (!verbose) return deliver(c, pair, rows);
  return deliver(c, {{"key", "string"}, {"value", "string"}, {"meaning", "string"}, {"Since version", "string"}}, rows);
}

Result<Done> Executor::reset_config(const Call& c) {
  if (c.analysis.variables.empty()) {
    if (c.session.state) c.session.state->reset(), c.session.state->set_zone({});
    return deliver(c, {}, {});
  }
  const auto name = fmt::format("{}", fmt::join(c.analysis.variables.at(0), "."));
  const auto* s = found(name);
  if (!s) return fail(not_available(name));
  if (c.session.state) {
    if (s->name == "TIMEZONE")
      c.session.state->set_zone({});
    else
      c.session.state->reset(std::string(s->name));
  }
  return deliver(c, {}, {});
}

Result<Done> Executor::set_config(const Call& c) {
  if (c.analysis.options.contains("zone")) {
    const auto& zone = c.analysis.options.at("zone");
    TARN_TRY(known, known_zone(zone));
    if (c.session.state) c.session.state->set_zone(std::move(known));
    return deliver(c, {{"key", "string"}, {"value", "string"}}, {{c.analysis.variables.at(0).at(0), zone}});
  }
  if (c.analysis.options.contains("reset")) return reset_config(c);
  if (!c.analysis.options.contains("value")) return show_config(c);
  const auto& parts = c.analysis.variables.at(0);
  const auto name = fmt::format("{}", fmt::join(parts, "."));
  const auto key = lower(name);
  const bool of_session = parts.size() == 1 || key == "session." + lower(parts.back()) || key == "system.session." + lower(parts.back());
  if (of_session && c.session.state && c.session.state->variable(lower(parts.back())))
    return refuse(Errc::unsupported, "[UNSUPPORTED_FEATURE.SET_VARIABLE_USING_SET] The feature is not supported: " + backticked(parts) +
                                         " is a VARIABLE and cannot be updated using the SET statement. Use SET VARIABLE " + backticked(parts) +
                                         " = ... instead. SQLSTATE: 0A000");
  const auto* s = found(name);
  if (!s) return fail(not_available(name));
  TARN_TRY(value, checked(*s, c.analysis.options.at("value")));
  if (c.session.state) c.session.state->set(std::string(s->name), value);
  return deliver(c, {{"key", "string"}, {"value", "string"}}, {{name, value}});
}

}  // namespace tarn::sql
