// The system catalog of a metastore: what of the platform's own records can be queried, as securables like any other.
#include "base/ids.h"
#include "catalog/metastores.h"

namespace tarn::catalog {
namespace {

struct Column {
  const char* name;
  const char* type_text;
  const char* type_name;
};

// Source: Databricks docs, "Audit log system table reference" and "Lineage system tables reference".
const std::vector<Column> kAudit{{"account_id", "string", "STRING"},
                                 {"workspace_id", "string", "STRING"},
                                 {"version", "string", "STRING"},
                                 {"event_time", "timestamp", "TIMESTAMP"},
                                 {"event_date", "date", "DATE"},
                                 {"source_ip_address", "string", "STRING"},
                                 {"user_agent", "string", "STRING"},
                                 {"session_id", "string", "STRING"},
                                 {"user_identity", "struct<email:string,subject_name:string>", "STRUCT"},
                                 {"service_name", "string", "STRING"},
                                 {"action_name", "string", "STRING"},
                                 {"request_id", "string", "STRING"},
                                 {"request_params", "map<string,string>", "MAP"},
                                 {"response", "struct<status_code:int,error_message:string,result:string>", "STRUCT"},
                                 {"audit_level", "string", "STRING"},
                                 {"event_id", "string", "STRING"}};
const std::vector<Column> kTableLineage{{"account_id", "string", "STRING"},           {"workspace_id", "string", "STRING"},
                                        {"entity_type", "string", "STRING"},          {"source_table_full_name", "string", "STRING"},
                                        {"source_table_catalog", "string", "STRING"}, {"source_table_schema", "string", "STRING"},
                                        {"source_table_name", "string", "STRING"},    {"target_table_full_name", "string", "STRING"},
                                        {"target_table_catalog", "string", "STRING"}, {"target_table_schema", "string", "STRING"},
                                        {"target_table_name", "string", "STRING"},    {"created_by", "string", "STRING"},
                                        {"event_time", "timestamp", "TIMESTAMP"},     {"event_date", "date", "DATE"},
                                        {"statement_id", "string", "STRING"}};

std::vector<Column> column_lineage() {
  std::vector<Column> out;
  for (const auto& c : kTableLineage) {
    out.push_back(c);
    if (std::string_view(c.name) == "source_table_name") out.push_back({"source_column_name", "string", "STRING"});
    if (std::string_view(c.name) == "target_table_name") out.push_back({"target_column_name", "string", "STRING"});
  }
  return out;
}

}  // namespace

void insert_system_catalog(store::WriteTxn& t, const MetastoreRecord& m, Millis now) {
  CatalogRecord c;
  c.info.id = new_uuid();
  c.info.name = kSystemCatalog;
  c.info.metastore_id = m.info.metastore_id;
  c.info.catalog_type = CatalogType::SYSTEM_CATALOG;
  c.info.comment = "System catalog (auto-created)";
  c.access.owner = system_principal();
  insert_catalog(t, c, {}, system_principal(), now);
  SchemaRecord s;
  s.info.schema_id = new_uuid();
  s.info.name = "access";
  s.info.metastore_id = m.info.metastore_id;
  s.info.created_at = s.info.updated_at = now;
  s.info.created_by = s.info.updated_by = system_principal().name;
  s.catalog_id = c.info.id;
  s.access.owner = system_principal();
  if (!kSchemas.insert(t, s)) throw std::logic_error("a new system catalog holds a schema already");
  const auto add = [&](std::string_view name, const std::vector<Column>& columns) {
    TableRecord r;
    r.info.name = name;
    r.info.table_id = new_uuid();
    r.info.metastore_id = m.info.metastore_id;
    r.info.data_source_format = "DELTASHARING";
    for (const auto& col : columns) {
      const std::string type = col.type_text;
      const bool nested = type.find('<') != type.npos;
      r.info.columns.push_back(
          {.name = col.name,
           .type_text = type,
           .type_json = fmt::format(R"({{"name":"{}","type":"{}","nullable":true,"metadata":{{}}}})", col.name, nested ? "string" : type),
           .type_name = col.type_name,
           .position = static_cast<int>(r.info.columns.size())});
    }
    r.info.created_at = r.info.updated_at = now;
    r.info.created_by = r.info.updated_by = system_principal().name;
    r.catalog_id = c.info.id;
    r.schema_id = s.info.schema_id;
    r.access.owner = system_principal();
    if (!kTables.insert(t, r)) throw std::logic_error("a new system schema holds a table already");
  };
  add("audit", kAudit);
  add("table_lineage", kTableLineage);
  add("column_lineage", column_lineage());
}

}  // namespace tarn::catalog
