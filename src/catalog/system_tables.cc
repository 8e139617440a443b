// The system catalog of a metastore: what of the platform's own records can be queried, as securables like any other.
#include "base/ids.h"
#include "catalog/metastores.h"

namespace tarn::catalog {
namespace {

struct Column {
  std::string name, type_text;
};

/// STRING, TIMESTAMP, MAP, …: the type's first word, as the API names it.
std::string type_name_of(const std::string& text) {
  std::string out = text.substr(0, text.find_first_of("<("));
  std::ranges::transform(out, out.begin(), [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  return out == "BIGINT" ? "LONG" : out;
}

// Source: Databricks docs, "Audit log system table reference" and "Lineage system tables reference".
const std::vector<Column> kAudit{{"account_id", "string"},
                                 {"workspace_id", "string"},
                                 {"version", "string"},
                                 {"event_time", "timestamp"},
                                 {"event_date", "date"},
                                 {"source_ip_address", "string"},
                                 {"user_agent", "string"},
                                 {"session_id", "string"},
                                 {"user_identity", "struct<email:string,subject_name:string>"},
                                 {"service_name", "string"},
                                 {"action_name", "string"},
                                 {"request_id", "string"},
                                 {"request_params", "map<string,string>"},
                                 {"response", "struct<status_code:int,error_message:string,result:string>"},
                                 {"audit_level", "string"},
                                 {"event_id", "string"}};
const std::vector<Column> kTableLineage{{"account_id", "string"},           {"workspace_id", "string"},
                                        {"entity_type", "string"},          {"source_table_full_name", "string"},
                                        {"source_table_catalog", "string"}, {"source_table_schema", "string"},
                                        {"source_table_name", "string"},    {"target_table_full_name", "string"},
                                        {"target_table_catalog", "string"}, {"target_table_schema", "string"},
                                        {"target_table_name", "string"},    {"created_by", "string"},
                                        {"event_time", "timestamp"},        {"event_date", "date"},
                                        {"statement_id", "string"}};

// Source: Databricks docs, "Query history system table reference".
const std::vector<Column> kQueryHistory{{"account_id", "string"},
                                        {"workspace_id", "string"},
                                        {"statement_id", "string"},
                                        {"execution_status", "string"},
                                        {"compute", "struct<type:string,cluster_id:string,warehouse_id:string>"},
                                        {"executed_by_user_id", "string"},
                                        {"executed_by", "string"},
                                        {"statement_text", "string"},
                                        {"statement_type", "string"},
                                        {"error_message", "string"},
                                        {"client_application", "string"},
                                        {"total_duration_ms", "bigint"},
                                        {"waiting_at_capacity_duration_ms", "bigint"},
                                        {"execution_duration_ms", "bigint"},
                                        {"compilation_duration_ms", "bigint"},
                                        {"start_time", "timestamp"},
                                        {"end_time", "timestamp"},
                                        {"update_time", "timestamp"},
                                        {"total_task_duration_ms", "bigint"},
                                        {"pruned_files", "bigint"},
                                        {"read_files", "bigint"},
                                        {"read_rows", "bigint"},
                                        {"produced_rows", "bigint"},
                                        {"read_bytes", "bigint"},
                                        {"from_result_cache", "boolean"},
                                        {"spilled_local_bytes", "bigint"},
                                        {"written_bytes", "bigint"},
                                        {"executed_as_user_id", "string"},
                                        {"executed_as", "string"}};

std::vector<Column> column_lineage() {
  std::vector<Column> out;
  for (const auto& c : kTableLineage) {
    out.push_back(c);
    if (c.name == "source_table_name") out.push_back({"source_column_name", "string"});
    if (c.name == "target_table_name") out.push_back({"target_column_name", "string"});
  }
  return out;
}

}  // namespace

void insert_system_catalog(store::WriteTxn& t, const MetastoreRecord& m, const std::vector<SystemTable>& more, Millis now) {
  CatalogRecord c;
  c.info.id = new_uuid();
  c.info.name = kSystemCatalog;
  c.info.metastore_id = m.info.metastore_id;
  c.info.catalog_type = CatalogType::SYSTEM_CATALOG;
  c.info.comment = "System catalog (auto-created)";
  c.access.owner = system_principal();
  insert_catalog(t, c, {}, system_principal(), now);
  complete_system_catalog(t, m, more, now);
}

bool complete_system_catalog(store::WriteTxn& t, const MetastoreRecord& m, const std::vector<SystemTable>& more, Millis now) {
  const auto catalog = kCatalogs.get(t, store::key({m.info.metastore_id, std::string(kSystemCatalog)}));
  if (!catalog) return false;
  const std::string catalog_id = catalog->value.info.id;
  bool any = false;
  const auto schema_of = [&](const std::string& name) {
    if (const auto there = kSchemas.get(t, store::key({catalog_id, name}))) return there->value;
    SchemaRecord s;
    s.info.schema_id = new_uuid();
    s.info.name = name;
    s.info.metastore_id = m.info.metastore_id;
    s.info.created_at = s.info.updated_at = now;
    s.info.created_by = s.info.updated_by = system_principal().name;
    s.catalog_id = catalog_id;
    s.access.owner = system_principal();
    if (!kSchemas.insert(t, s)) throw std::logic_error("a system schema slipped past its check");
    any = true;
    return s;
  };
  const auto add = [&](const std::string& schema, const std::string& name, const std::vector<Column>& columns) {
    const auto s = schema_of(schema);
    if (kTables.get(t, store::key({s.info.schema_id, name}))) return;
    TableRecord r;
    r.info.name = name;
    r.info.table_id = new_uuid();
    r.info.metastore_id = m.info.metastore_id;
    r.info.data_source_format = "DELTASHARING";
    for (const auto& col : columns) {
      const bool nested = col.type_text.find('<') != std::string::npos;
      r.info.columns.push_back(
          {.name = col.name,
           .type_text = col.type_text,
           .type_json = fmt::format(R"({{"name":"{}","type":"{}","nullable":true,"metadata":{{}}}})", col.name, nested ? "string" : col.type_text),
           .type_name = type_name_of(col.type_text),
           .position = static_cast<int>(r.info.columns.size())});
    }
    r.info.created_at = r.info.updated_at = now;
    r.info.created_by = r.info.updated_by = system_principal().name;
    r.catalog_id = catalog_id;
    r.schema_id = s.info.schema_id;
    r.access.owner = system_principal();
    if (!kTables.insert(t, r)) throw std::logic_error("a system table slipped past its check");
    any = true;
  };
  add("access", "audit", kAudit);
  add("access", "table_lineage", kTableLineage);
  add("access", "column_lineage", column_lineage());
  add("query", "history", kQueryHistory);
  for (const auto& table : more) {
    std::vector<Column> columns;
    for (const auto& [name, type] : table.columns) columns.push_back({name, type});
    add(table.schema, table.name, columns);
  }
  return any;
}

void Metastores::provide(std::vector<SystemTable> tables) {
  std::ranges::move(tables, std::back_inserter(provided_));
  for (const auto& m : core_.store.read_as([](store::ReadTxn& t) { return kMetastores.scan(t, ""); }))
    core_.store.write({.service = "unityCatalog",
                       .action = "completeSystemCatalog",
                       .principal = system_principal().name,
                       .params = {{"metastore_id", m.info.metastore_id}}},
                      [&](store::WriteTxn& t) {
                        const bool any = complete_system_catalog(t, m, provided_, core_.clock.now());
                        if (!any) {
                          t.audit().outcome = store::Outcome::failed;
                          t.audit().error = "nothing was missing";
                        }
                        return any;
                      });
}

}  // namespace tarn::catalog
