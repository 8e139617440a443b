#include "delta/change_feed.h"

#include <unordered_map>

#include "delta/column_mapping.h"
#include "delta/protocol.h"

namespace tarn::delta {
namespace {

/// The rows of some files as the newest metadata names them.
Result<std::string> rows_of(std::vector<DataFile> files, const Metadata& then, const std::vector<DataColumn>& wanted, const objects::Url& root,
                            std::int64_t version, const std::string& type) {
  DataFiles table;
  table.version = version;
  table.root = root.text();
  table.columns = data_columns(then);
  table.by_id = mapping_mode(then) == MappingMode::id;
  table.files = std::move(files);
  const bool typed = type.empty();
  if (typed) table.columns.push_back({"_change_type", "string", "VARCHAR", true, false, "_change_type", std::nullopt, "VARCHAR", 0});
  std::string list;
  for (const auto& c : wanted) {
    const auto own =
        std::find_if(table.columns.begin(), table.columns.end(), [&](const DataColumn& o) { return c.id ? o.id == c.id : o.name == c.name; });
    list += (list.empty() ? "" : ", ") +
            (own == table.columns.end() ? "CAST(NULL AS " + c.duckdb + ")" : "CAST(" + sql_identifier(own->name) + " AS " + c.duckdb + ")") + " AS " +
            sql_identifier(c.name);
  }
  TARN_TRY(relation, relation_sql(table));
  return "SELECT " + list + ", " + (typed ? std::string("_change_type") : sql_string(type)) + " AS _change_type FROM " + relation + " AS r_";
}

RowNumbers less(const RowNumbers& a, const RowNumbers& b) {
  RowNumbers out;
  std::set_difference(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(out));
  return out;
}

}  // namespace

Result<std::string> changes_sql(const std::vector<RowChanges>& changes, const Metadata& metadata, const objects::Url& root,
                                objects::ObjectStore& objects) {
  const auto wanted = data_columns(metadata);
  std::string out;
  for (const auto& c : changes) {
    if (mapping_mode(c.metadata) == MappingMode::id && !c.files.empty())
      return fail(Error{Errc::unsupported_feature,
                        "[DELTA_UNSUPPORTED_FEATURES_FOR_READ] The change data feed of a table that maps its columns by id is not read"});
    std::vector<std::pair<std::vector<DataFile>, std::string>> parts;
    if (!c.files.empty()) {
      std::vector<DataFile> files;
      for (const auto& f : c.files) {
        AddFile add;
        add.path = f.path;
        add.partition_values = f.partition_values;
        add.size = f.size;
        TARN_TRY(file, data_file(add, root, objects));
        files.push_back(std::move(file));
      }
      parts.emplace_back(std::move(files), "");
    } else {
      std::vector<DataFile> inserted, deleted;
      std::unordered_map<std::string, DataFile> before;
      for (const auto& f : c.removed) {
        TARN_TRY(file, data_file(f, root, objects));
        before.emplace(f.path, std::move(file));
      }
      for (const auto& f : c.added) {
        TARN_TRY(file, data_file(*f, root, objects));
        const auto was = before.find(f->path);
        if (was == before.end()) {
          inserted.push_back(std::move(file));
          continue;
        }
        // The same file under another deletion vector: the rows by which they differ.
        const RowNumbers none;
        const auto &old = was->second.deleted ? *was->second.deleted : none, &now = file.deleted ? *file.deleted : none;
        for (auto [rows, to] : {std::pair(less(now, old), &deleted), std::pair(less(old, now), &inserted)}) {
          if (rows.empty()) continue;
          auto part = file;
          part.deleted = std::make_shared<const RowNumbers>(std::move(rows));
          part.only = true;
          to->push_back(std::move(part));
        }
        before.erase(was);
      }
      for (auto& [path, file] : before) deleted.push_back(std::move(file));
      if (!inserted.empty()) parts.emplace_back(std::move(inserted), "insert");
      if (!deleted.empty()) parts.emplace_back(std::move(deleted), "delete");
    }
    for (auto& [files, type] : parts) {
      TARN_TRY(rows, rows_of(std::move(files), c.metadata, wanted, root, c.version, type));
      out += fmt::format("{}SELECT *, {}::BIGINT AS _commit_version, make_timestamptz({}::BIGINT * 1000) AS _commit_timestamp FROM ({}) AS v_",
                         out.empty() ? "(" : " UNION ALL ", c.version, c.timestamp, rows);
    }
  }
  if (!out.empty()) return out + ")";
  for (const auto& c : wanted) out += (out.empty() ? "(SELECT " : ", ") + ("CAST(NULL AS " + c.duckdb + ") AS ") + sql_identifier(c.name);
  return out +
         ", CAST(NULL AS VARCHAR) AS _change_type, CAST(NULL AS BIGINT) AS _commit_version, CAST(NULL AS TIMESTAMP WITH TIME ZONE) AS "
         "_commit_timestamp WHERE false)";
}

}  // namespace tarn::delta
