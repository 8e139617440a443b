#include "delta/features.h"

#include <charconv>

#include "base/ids.h"
#include "base/text.h"
#include "delta/column_mapping.h"
#include "delta/protocol.h"

namespace tarn::delta {
namespace {

using json::value;

struct KnownFeature {
  std::string_view name;
  bool reader;
  int legacy_writer;  // the version before 7 that stands for it; 0: none
};
constexpr KnownFeature kFeatures[] = {{"appendOnly", false, 2},      {"invariants", false, 2},          {"checkConstraints", false, 3},
                                      {"changeDataFeed", false, 4},  {"generatedColumns", false, 4},    {"columnMapping", true, 5},
                                      {"identityColumns", false, 6}, {"allowColumnDefaults", false, 0}, {"deletionVectors", true, 0},
                                      {"timestampNtz", true, 0},     {"v2Checkpoint", true, 0},         {"vacuumProtocolCheck", true, 0},
                                      {"domainMetadata", false, 0},  {"inCommitTimestamp", false, 0},   {"rowTracking", false, 0},
                                      {"clustering", false, 0},      {"typeWidening", true, 0},         {"variantType", true, 0}};

const KnownFeature* known_feature(std::string_view name) {
  for (const auto& f : kFeatures)
    if (f.name == name) return &f;
  return nullptr;
}

bool key_within(const json::object& metadata, std::string_view prefix) {
  return std::any_of(metadata.begin(), metadata.end(), [&](const auto& kv) { return std::string_view(kv.key()).starts_with(prefix); });
}

bool key_in_type(const value& type, std::string_view prefix) {
  const auto* o = type.if_object();
  if (!o) return false;
  for (const char* part : {"elementType", "keyType", "valueType"})
    if (const auto* inner = o->if_contains(part); inner && key_in_type(*inner, prefix)) return true;
  if (const auto* fields = o->if_contains("fields"); fields && fields->is_array())
    for (const auto& f : fields->get_array()) {
      const auto* field = f.if_object();
      if (!field) continue;
      if (const auto* m = field->if_contains("metadata"); m && m->is_object() && key_within(m->get_object(), prefix)) return true;
      if (const auto* t = field->if_contains("type"); t && key_in_type(*t, prefix)) return true;
    }
  return false;
}

/// What the writer version `n` stands for.
Features of_legacy_writer(int n) {
  Features out;
  for (const auto& f : kFeatures)
    if (f.legacy_writer && f.legacy_writer <= n) out.emplace(f.name);
  return out;
}

std::vector<std::string> sorted(const Features& f) { return {f.begin(), f.end()}; }

}  // namespace

bool mentions_type(const value& type, std::string_view name) {
  if (type.is_string()) return type.get_string() == name;
  const auto* o = type.if_object();
  if (!o) return false;
  for (const char* part : {"elementType", "keyType", "valueType"})
    if (const auto* inner = o->if_contains(part); inner && mentions_type(*inner, name)) return true;
  if (const auto* fields = o->if_contains("fields"); fields && fields->is_array())
    for (const auto& f : fields->get_array())
      if (const auto* field = f.if_object(); field && field->contains("type") && mentions_type(field->at("type"), name)) return true;
  return false;
}

bool uses_key(const Schema& schema, std::string_view prefix) {
  return std::any_of(schema.fields.begin(), schema.fields.end(),
                     [&](const Field& f) { return key_within(f.metadata, prefix) || key_in_type(f.type, prefix); });
}

std::map<std::string, std::string> check_constraints(const Metadata& m) {
  constexpr std::string_view prefix = "delta.constraints.";
  std::map<std::string, std::string> out;
  for (const auto& [k, v] : m.configuration)
    if (k.starts_with(prefix)) out.emplace(k.substr(prefix.size()), v);
  return out;
}

Features features_of(const Protocol& p) {
  Features out(p.writer_features.begin(), p.writer_features.end());
  out.insert(p.reader_features.begin(), p.reader_features.end());
  if (p.min_writer < 7) out.merge(of_legacy_writer(p.min_writer));
  return out;
}

bool supports(const Protocol& p, std::string_view feature) { return features_of(p).contains(feature); }

bool is_reader_feature(std::string_view feature) {
  const auto* f = known_feature(feature);
  return f && f->reader;
}

Features needed_features(const Metadata& m) {
  Features out;
  const auto any_type = [&](std::string_view name) {
    return std::any_of(m.schema.fields.begin(), m.schema.fields.end(), [&](const Field& f) { return mentions_type(f.type, name); });
  };
  if (any_type("timestamp_ntz")) out.insert("timestampNtz");
  if (any_type("variant")) out.insert("variantType");
  if (!check_constraints(m).empty()) out.insert("checkConstraints");
  if (uses_key(m.schema, "delta.generationExpression")) out.insert("generatedColumns");
  if (uses_key(m.schema, "delta.identity.")) out.insert("identityColumns");
  if (uses_key(m.schema, "CURRENT_DEFAULT")) out.insert("allowColumnDefaults");
  if (uses_key(m.schema, "delta.typeChanges") || property_is_true(m, "delta.enableTypeWidening")) out.insert("typeWidening");
  if (const auto mode = property(m, "delta.columnMapping.mode"); mode && *mode != "none") out.insert("columnMapping");
  if (property_is_true(m, "delta.enableDeletionVectors")) out.insert("deletionVectors");
  if (property_is_true(m, "delta.enableChangeDataFeed")) out.insert("changeDataFeed");
  if (property_is_true(m, "delta.enableInCommitTimestamps")) out.insert("inCommitTimestamp");
  if (property_is_true(m, "delta.enableRowTracking")) out.insert({"rowTracking", "domainMetadata"});
  if (const auto policy = property(m, "delta.checkpointPolicy"); policy && *policy == "v2") out.insert("v2Checkpoint");
  return out;
}

Protocol with_features(const Protocol& p, const Features& wanted) {
  auto have = features_of(p);
  if (std::includes(have.begin(), have.end(), wanted.begin(), wanted.end())) return p;
  have.insert(wanted.begin(), wanted.end());
  if (have.contains("rowTracking") || have.contains("clustering")) have.insert("domainMetadata");
  Protocol out;
  out.min_writer = 7;
  out.writer_features = sorted(have);
  Features readers(p.reader_features.begin(), p.reader_features.end());
  for (const auto& f : have)
    if (is_reader_feature(f) && (wanted.contains(f) || p.min_reader >= 2)) readers.insert(f);
  // A writer version may stand for columnMapping while the reader's does not: then no reader has to know it.
  if (p.min_reader < 2 && !wanted.contains("columnMapping")) std::erase(out.writer_features, "columnMapping"), readers.erase("columnMapping");
  out.min_reader = readers.empty() ? 1 : 3;
  out.reader_features = sorted(readers);
  return out;
}

Result<Protocol> settle(Metadata& now, const Metadata* before, const Protocol& protocol, bool has_files) {
  Features wanted;
  constexpr std::string_view feature = "delta.feature.";
  for (auto at = now.configuration.begin(); at != now.configuration.end();) {
    const auto& [k, v] = *at;
    const bool is_feature = k.starts_with(feature), is_version = k == "delta.minReaderVersion" || k == "delta.minWriterVersion";
    if (!is_feature && !is_version) {
      ++at;
      continue;
    }
    if (is_feature) {
      const auto name = k.substr(feature.size());
      if (v != "supported" && v != "enabled")
        return fail(Error{Errc::invalid_request, fmt::format("[DELTA_UNSUPPORTED_FEATURE_STATUS] Expecting the status for table feature {} to be "
                                                             "\"supported\", but got \"{}\".",
                                                             name, v)});
      if (!known_feature(name))
        return fail(Error{
            Errc::unsupported_feature,
            fmt::format("[DELTA_UNSUPPORTED_FEATURES_IN_CONFIG] Table features configured in the table properties are not recognized: {}.", name)});
      wanted.insert(name);
    } else {
      int n = 0;
      const auto [end, ec] = std::from_chars(v.data(), v.data() + v.size(), n);
      const int most = k == "delta.minReaderVersion" ? 3 : 7;
      if (ec != std::errc() || end != v.data() + v.size() || n < 1 || n > most)
        return fail(
            Error{Errc::invalid_request, fmt::format("[DELTA_INVALID_PROTOCOL_VERSION] {} must be a number from 1 to {}; got '{}'", k, most, v)});
      if (k == "delta.minWriterVersion" && n < 7 && n > protocol.min_writer) wanted.merge(of_legacy_writer(n));
    }
    at = now.configuration.erase(at);
  }
  const auto mode = mapping_mode(now), old_mode = before ? mapping_mode(*before) : MappingMode::none;
  if (before && mode != old_mode && !(old_mode == MappingMode::none && mode == MappingMode::name))
    return fail(Error{
        Errc::invalid_request,
        fmt::format("[DELTA_UNSUPPORTED_COLUMN_MAPPING_MODE_CHANGE] Changing column mapping mode from '{}' to '{}' is not supported.",
                    property(*before, "delta.columnMapping.mode").value_or("none"), property(now, "delta.columnMapping.mode").value_or("none"))});
  if (mode != MappingMode::none) assign_columns(now, before && old_mode == MappingMode::none);
  if (property_is_true(now, "delta.enableRowTracking")) {
    if (before && has_files && !property_is_true(*before, "delta.enableRowTracking") && !supports(protocol, "rowTracking"))
      return fail(Error{Errc::unsupported_feature,
                        "[DELTA_UNSUPPORTED_FEATURES_FOR_WRITE] delta.enableRowTracking cannot be set on a table that holds files already: Tarn does "
                        "not number their rows. Set it when the table is made."});
    for (const auto& [key, begin] : {std::pair("delta.rowTracking.materializedRowIdColumnName", "_row-id-col-"),
                                     std::pair("delta.rowTracking.materializedRowCommitVersionColumnName", "_row-commit-version-col-")})
      if (!now.configuration.contains(key)) now.configuration[key] = begin + new_uuid();
  }
  wanted.merge(needed_features(now));
  return with_features(protocol, wanted);
}

}  // namespace tarn::delta
