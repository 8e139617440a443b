#include "delta/clustering.h"

#include "base/text.h"
#include "delta/column_mapping.h"
#include "delta/data_files.h"
#include "delta/stats.h"

namespace tarn::delta {

Result<std::string> clustering_domain(const Metadata& m, const std::vector<std::string>& columns) {
  if (!m.partition_columns.empty())
    return fail(
        Error{Errc::invalid_request,
              "[DELTA_CLUSTER_BY_WITH_PARTITIONED_BY] Clustering and partitioning cannot both be specified. Please remove partitionedBy if you "
              "want to create a Delta table with clustering. SQLSTATE: 42613"});
  json::array list;
  std::set<std::string> seen;
  for (const auto& name : columns) {
    const auto* f = m.schema.find(name);
    if (!f || !seen.insert(f->name).second)
      return fail(
          Error{Errc::invalid_request, fmt::format("[DELTA_COLUMN_NOT_FOUND_IN_SCHEMA] Unable to find the column(s) '{}' to cluster by, or it is "
                                                   "named twice. SQLSTATE: 42703",
                                                   name)});
    if (!has_bounds(m, *f))
      return fail(
          Error{Errc::invalid_request,
                fmt::format("[DELTA_CLUSTERING_COLUMN_MISSING_STATS] Clustering requires clustering columns to have stats. Couldn't find clustering "
                            "column(s) '{}' in stats schema. SQLSTATE: 22000",
                            name)});
    list.push_back(json::array{json::value(physical_name(*f))});
  }
  return boost::json::serialize(json::object{{"clusteringColumns", std::move(list)}, {"domainName", "delta.clustering"}});
}

std::vector<std::string> clustering_columns(const Snapshot& s) {
  std::vector<std::string> out;
  const auto at = s.domains.find("delta.clustering");
  if (at == s.domains.end() || !at->second.is_object()) return out;
  const auto* text = at->second.get_object().if_contains("configuration");
  const auto parsed = text && text->is_string() ? json::parse(text->get_string()) : json::Decoded<json::value>(json::value());
  const auto* list = parsed && parsed->is_object() ? parsed->get_object().if_contains("clusteringColumns") : nullptr;
  if (!list || !list->is_array()) return out;
  for (const auto& item : list->get_array()) {
    // A column is the path of its names.
    const auto* name = item.is_string() ? &item : item.is_array() && item.get_array().size() == 1 ? &item.get_array()[0] : nullptr;
    if (!name || !name->is_string()) return {};
    for (const auto& f : s.metadata.schema.fields)
      if (physical_name(f) == std::string_view(name->get_string())) out.push_back(f.name);
  }
  return out;
}

std::string z_ordered(const std::string& relation, const std::vector<std::string>& by) {
  // Ten bits of each of six columns fill a number; what is beyond only breaks ties.
  constexpr std::size_t most = 6;
  const auto curved = std::min(by.size(), most);
  std::string ranks, hidden, curve, ties;
  for (std::size_t i = 0; i < curved; ++i) {
    ranks +=
        fmt::format(", CASE WHEN {0} IS NULL THEN 0 ELSE ntile(1024) OVER (ORDER BY {0} NULLS FIRST) - 1 END AS \"z{1}_\"", sql_identifier(by[i]), i);
    hidden += fmt::format("{}\"z{}_\"", i ? ", " : "", i);
    for (std::size_t bit = 0; bit < 10; ++bit)
      curve += fmt::format("{}(((\"z{}_\" >> {}) & 1) << {})", curve.empty() ? "" : " | ", i, bit, bit * curved + (curved - 1 - i));
  }
  for (const auto& name : by) ties += ", " + sql_identifier(name);
  return fmt::format("SELECT * EXCLUDE ({}) FROM (SELECT *{} FROM {}) ORDER BY {}{}", hidden, ranks, relation, curve, ties);
}

}  // namespace tarn::delta
