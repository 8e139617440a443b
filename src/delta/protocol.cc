#include "delta/protocol.h"

#include <charconv>

#include "delta/features.h"

namespace tarn::delta {
namespace {

using json::value;

/// What readers must know and we do: read by relation_sql, or by the log itself.
constexpr std::string_view kReaderFeatures[] = {"columnMapping", "deletionVectors",      "timestampNtz", "v2Checkpoint",       "vacuumProtocolCheck",
                                                "typeWidening",  "typeWidening-preview", "variantType",  "variantType-preview"};

/// Writer features whose rules our commits keep at all times. v2Checkpoint: "a table could use classic checkpoints".
constexpr std::string_view kHonoured[] = {"appendOnly",    "deletionVectors",     "timestampNtz",   "v2Checkpoint",
                                          "columnMapping", "vacuumProtocolCheck", "domainMetadata", "inCommitTimestamp",
                                          "rowTracking",   "clustering",          "typeWidening",   "variantType"};
/// Writer features that need the writer's own work where the table uses them: a commit says which of them it did (Commit::honours).
constexpr std::string_view kWhileUnused[] = {"invariants",      "checkConstraints",    "generatedColumns",
                                             "identityColumns", "allowColumnDefaults", "changeDataFeed"};

template <std::size_t N>
bool among(const std::string_view (&names)[N], std::string_view name) {
  return std::find(std::begin(names), std::end(names), name) != std::end(names);
}

std::string joined(const std::vector<std::string>& names) {
  std::string out;
  for (const auto& n : names) out += (out.empty() ? "" : ", ") + n;
  return out;
}

/// Features that the table's own content puts to use and that the commit does not say it honours, whatever the protocol's version calls them.
std::vector<std::string> unhonoured_features(const Metadata& m, const WriteKind& kind) {
  std::vector<std::string> out;
  const auto add = [&](const char* name) {
    if (!kind.honours || std::find(kind.honours->begin(), kind.honours->end(), name) == kind.honours->end()) out.emplace_back(name);
  };
  if (kind.adds_data) {
    if (uses_key(m.schema, "delta.invariants")) add("invariants");
    if (!check_constraints(m).empty()) add("checkConstraints");
    if (uses_key(m.schema, "delta.generationExpression")) add("generatedColumns");
    if (uses_key(m.schema, "delta.identity.")) add("identityColumns");
    if (uses_key(m.schema, "CURRENT_DEFAULT")) add("allowColumnDefaults");
    // Inside other types its bytes are not kept apart from DuckDB's own variants.
    if (std::any_of(m.schema.fields.begin(), m.schema.fields.end(),
                    [](const Field& f) { return f.type != "variant" && mentions_type(f.type, "variant"); }))
      out.push_back("variantType");
  }
  // A commit of adds only, or removes only, says itself what changed; one that rewrites rows owes its readers change files.
  if (kind.adds_data && kind.removes_data && property_is_true(m, "delta.enableChangeDataFeed")) add("changeDataFeed");
  return out;
}

bool is_true(std::string_view v) { return v.size() == 4 && (v[0] | 32) == 't' && (v[1] | 32) == 'r' && (v[2] | 32) == 'u' && (v[3] | 32) == 'e'; }
bool is_false(std::string_view v) {
  return v.size() == 5 && (v[0] | 32) == 'f' && (v[1] | 32) == 'a' && (v[2] | 32) == 'l' && (v[3] | 32) == 's' && (v[4] | 32) == 'e';
}

std::optional<std::int64_t> whole(std::string_view v) {
  std::int64_t n = 0;
  const auto [end, ec] = std::from_chars(v.data(), v.data() + v.size(), n);
  if (ec != std::errc() || end != v.data() + v.size()) return std::nullopt;
  return n;
}

Error wrong_value(std::string_view key, std::string_view v, std::string_view want) {
  return {Errc::invalid_request, fmt::format("The table property {} {}; got '{}'", key, want, v)};
}

}  // namespace

std::optional<std::string_view> property(const Metadata& m, std::string_view name) {
  const auto at = m.configuration.find(std::string(name));
  if (at == m.configuration.end()) return std::nullopt;
  return at->second;
}

bool property_is_true(const Metadata& m, std::string_view name) {
  const auto v = property(m, name);
  return v && is_true(*v);
}

std::int64_t checkpoint_interval(const Metadata& m) {
  const auto v = property(m, "delta.checkpointInterval");
  const auto n = v ? whole(*v) : std::nullopt;
  return n && *n > 0 ? *n : 10;
}

Millis deleted_file_retention(const Metadata& m) {
  const auto v = property(m, "delta.deletedFileRetentionDuration");
  const auto n = v ? parse_interval(*v) : std::nullopt;
  return n.value_or(7LL * 24 * 3600 * 1000);
}

Millis log_retention(const Metadata& m) {
  const auto v = property(m, "delta.logRetentionDuration");
  const auto n = v ? parse_interval(*v) : std::nullopt;
  return n.value_or(30LL * 24 * 3600 * 1000);
}

bool is_serializable(const Metadata& m) {
  const auto v = property(m, "delta.isolationLevel");
  return v && *v == "Serializable";
}

bool in_commit_timestamps(const Protocol& p, const Metadata& m) {
  return std::find(p.writer_features.begin(), p.writer_features.end(), "inCommitTimestamp") != p.writer_features.end() &&
         property_is_true(m, "delta.enableInCommitTimestamps");
}

std::optional<Millis> parse_interval(std::string_view text) {
  static const std::map<std::string_view, Millis> units{{"week", 604'800'000}, {"day", 86'400'000}, {"hour", 3'600'000},
                                                        {"minute", 60'000},    {"second", 1000},    {"millisecond", 1}};
  std::vector<std::string> words;
  std::string word;
  for (char c : text) {
    if (c == ' ') {
      if (!word.empty()) words.push_back(std::move(word));
      word.clear();
    } else {
      word += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    }
  }
  if (!word.empty()) words.push_back(std::move(word));
  if (!words.empty() && words[0] == "interval") words.erase(words.begin());
  if (words.empty() || words.size() % 2) return std::nullopt;
  Millis out = 0;
  for (std::size_t i = 0; i < words.size(); i += 2) {
    const auto n = whole(words[i]);
    std::string_view unit = words[i + 1];
    if (unit.ends_with('s')) unit.remove_suffix(1);
    const auto at = units.find(unit);
    if (!n || *n < 0 || *n > 1'000'000'000 || at == units.end()) return std::nullopt;
    out += *n * at->second;
  }
  return out;
}

Result<void> check_readable(const Protocol& p, std::string_view table) {
  if (p.min_reader < 1 || p.min_reader > 3)
    return fail(Error{Errc::unsupported_feature,
                      fmt::format("[DELTA_INVALID_PROTOCOL_VERSION] Unsupported Delta protocol version: table \"{}\" requires reader version {} and "
                                  "writer version {}, but Tarn "
                                  "supports reader versions 1, 2, 3 and writer versions 1 to 7. Please upgrade to a newer release.",
                                  table, p.min_reader, p.min_writer)});
  if (p.min_reader < 3) return {};
  std::vector<std::string> unknown;
  for (const auto& f : p.reader_features)
    if (!among(kReaderFeatures, f)) unknown.push_back(f);
  if (unknown.empty()) return {};
  return fail(Error{Errc::unsupported_feature, fmt::format("[DELTA_UNSUPPORTED_FEATURES_FOR_READ] Unsupported Delta read feature: table \"{}\" "
                                                           "requires reader table feature(s) that are unsupported by Tarn: {}.",
                                                           table, joined(unknown))});
}

Result<void> check_writable(const Protocol& p, const Metadata& m, const WriteKind& kind, std::string_view table) {
  TARN_CHECK(check_readable(p, table));
  if (p.min_writer < 1 || p.min_writer > 7)
    return fail(Error{Errc::unsupported_feature,
                      fmt::format("[DELTA_INVALID_PROTOCOL_VERSION] Unsupported Delta protocol version: table \"{}\" requires reader version {} and "
                                  "writer version {}, but Tarn "
                                  "supports reader versions 1, 2, 3 and writer versions 1 to 7. Please upgrade to a newer release.",
                                  table, p.min_reader, p.min_writer)});
  std::vector<std::string> refused;
  if (p.min_writer == 7)
    for (const auto& f : p.writer_features)
      if (!among(kHonoured, f) && !among(kWhileUnused, f)) refused.push_back(f);
  for (auto& f : unhonoured_features(m, kind))
    if (std::find(refused.begin(), refused.end(), f) == refused.end()) refused.push_back(std::move(f));
  if (!refused.empty())
    return fail(Error{Errc::unsupported_feature, fmt::format("[DELTA_UNSUPPORTED_FEATURES_FOR_WRITE] Unsupported Delta write feature: table \"{}\" "
                                                             "requires writer table feature(s) that are unsupported by Tarn: {}.",
                                                             table, joined(refused))});
  // Writer versions 2 to 6 always respect append-only; version 7 where the feature is listed.
  const bool knows_append_only = p.min_writer >= 2 && (p.min_writer < 7 || std::find(p.writer_features.begin(), p.writer_features.end(),
                                                                                     "appendOnly") != p.writer_features.end());
  if (kind.removes_data && knows_append_only && property_is_true(m, "delta.appendOnly"))
    return fail(Error{Errc::constraint, fmt::format("[DELTA_CANNOT_MODIFY_APPEND_ONLY] This table is configured to only allow appends. If you would "
                                                    "like to permit updates or deletes, use 'ALTER TABLE {} SET "
                                                    "TBLPROPERTIES (delta.appendOnly=false)'.",
                                                    table)});
  return {};
}

Result<void> check_properties(const std::map<std::string, std::string>& configuration, SetBy by) {
  for (const auto& [key, v] : configuration) {
    if (key.empty() || key.size() > 255)
      return fail(Error{Errc::invalid_request, "The name of a table property must have 1 to 255 characters; got '" + key.substr(0, 60) + "'"});
    if (!key.starts_with("delta.")) continue;
    static constexpr std::string_view booleans[] = {"delta.appendOnly",
                                                    "delta.checkpoint.writeStatsAsJson",
                                                    "delta.checkpoint.writeStatsAsStruct",
                                                    "delta.autoOptimize.autoCompact",
                                                    "delta.autoOptimize.optimizeWrite",
                                                    "delta.enableExpiredLogCleanup",
                                                    "delta.randomizeFilePrefixes",
                                                    "delta.enableChangeDataFeed",
                                                    "delta.enableDeletionVectors",
                                                    "delta.enableRowTracking",
                                                    "delta.rowTrackingSuspended",
                                                    "delta.enableTypeWidening",
                                                    "delta.enableInCommitTimestamps"};
    static constexpr std::string_view features[] = {"delta.enableIcebergCompatV1", "delta.enableIcebergCompatV2", "delta.enableIcebergCompatV3",
                                                    "delta.enableVariantShredding"};
    // What a table's own log keeps beside what its users set.
    static constexpr std::string_view internal[] = {"delta.columnMapping.maxColumnId", "delta.rowTracking.materializedRowIdColumnName",
                                                    "delta.rowTracking.materializedRowCommitVersionColumnName",
                                                    "delta.inCommitTimestampEnablementVersion", "delta.inCommitTimestampEnablementTimestamp"};
    if (by == SetBy::log && (among(internal, key) || key.starts_with("delta.constraints."))) continue;
    static constexpr std::string_view intervals[] = {"delta.logRetentionDuration", "delta.deletedFileRetentionDuration",
                                                     "delta.setTransactionRetentionDuration"};
    if (among(booleans, key)) {
      if (!is_true(v) && !is_false(v)) return fail(wrong_value(key, v, "must be true or false"));
      if (key == "delta.checkpoint.writeStatsAsStruct" && is_true(v))
        return fail(wrong_value(key, v, "cannot be true: checkpoints written by Tarn hold statistics as JSON"));
      if (key == "delta.checkpoint.writeStatsAsJson" && is_false(v))
        return fail(wrong_value(key, v, "cannot be false: checkpoints written by Tarn hold statistics as JSON"));
    } else if (among(features, key)) {
      if (!is_false(v)) return fail(wrong_value(key, v, "needs a table feature that Tarn cannot write yet; leave it out or set it to false"));
    } else if (among(intervals, key)) {
      if (!parse_interval(v)) return fail(wrong_value(key, v, "must be an interval such as 'interval 7 days'"));
    } else if (key == "delta.checkpointInterval") {
      const auto n = whole(v);
      if (!n || *n < 1) return fail(wrong_value(key, v, "needs to be a positive integer"));
    } else if (key == "delta.dataSkippingNumIndexedCols") {
      const auto n = whole(v);
      if (!n || *n < -1) return fail(wrong_value(key, v, "needs to be larger than or equal to -1"));
    } else if (key == "delta.isolationLevel") {
      if (v != "Serializable" && v != "WriteSerializable") return fail(wrong_value(key, v, "must be Serializable or WriteSerializable"));
    } else if (key == "delta.columnMapping.mode") {
      if (v != "none" && v != "name" && v != "id") return fail(wrong_value(key, v, "must be none, name or id"));
    } else if (key == "delta.checkpointPolicy") {
      if (v != "classic" && v != "v2") return fail(wrong_value(key, v, "must be classic or v2"));
    } else if (key == "delta.parquet.compression.codec" || key == "delta.targetFileSize" || key == "delta.tuneFileSizesForRewrites" ||
               key == "delta.dataSkippingStatsColumns") {
      if (v.empty()) return fail(wrong_value(key, v, "must not be empty"));
    } else if (key == "delta.minReaderVersion" || key == "delta.minWriterVersion" || key.starts_with("delta.feature.")) {
      continue;  // settle() reads them
    } else if (among(internal, key)) {
      return fail(wrong_value(key, v, "is the log's own and cannot be set"));
    } else if (key.starts_with("delta.constraints.")) {
      return fail(wrong_value(key, v, "is a CHECK constraint; use ALTER TABLE … ADD CONSTRAINT"));
    } else {
      return fail(Error{Errc::invalid_request, "[DELTA_UNKNOWN_CONFIGURATION] Unknown configuration was specified: " + key});
    }
  }
  return {};
}

}  // namespace tarn::delta
