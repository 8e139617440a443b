#include "sql/wire.h"

#include "api/api.h"
#include "base/crypto.h"
#include "sql/types.h"

namespace tarn::sql {
namespace {

std::string upper(std::string text) {
  for (auto& c : text) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return text;
}

/// A type as manifests spell it: kinds in capitals, names of fields as they are.
std::string manifest_type(std::string_view type) {
  const auto open = type.find('<');
  if (open == type.npos || !type.ends_with('>')) return upper(std::string(type));
  const bool fields = type.substr(0, open) == "struct";
  std::string out = upper(std::string(type.substr(0, open))) + "<", word;
  int depth = 0;
  bool quoted = false;
  const auto flush = [&] {
    if (word.empty()) return;
    std::size_t colon = word.npos;
    bool in_name = false;
    for (std::size_t i = 0; fields && i < word.size() && colon == word.npos; ++i) {
      if (word[i] == '`') in_name = !in_name;
      if (word[i] == ':' && !in_name) colon = i;
    }
    if (!out.ends_with('<')) out += ", ";
    out += colon == word.npos ? manifest_type(word) : word.substr(0, colon) + ": " + manifest_type(std::string_view(word).substr(colon + 1));
    word.clear();
  };
  for (const char c : type.substr(open + 1, type.size() - open - 2)) {
    if (c == '`') quoted = !quoted;
    if (!quoted) depth += c == '<' || c == '(' ? 1 : c == '>' || c == ')' ? -1 : 0;
    if (c == ',' && depth == 0 && !quoted)
      flush();
    else
      word += c;
  }
  flush();
  return out + ">";
}

std::string link_to(const Statement& s, std::size_t index) {
  return "/api/2.0/sql/statements/" + s.id + "/result/chunks/" + std::to_string(index) + "?row_offset=";
}

json::object manifest(const Statement& s, const Statement::Snapshot& now) {
  json::array columns;
  int position = 0;
  for (const auto& c : now.columns) {
    json::object o{{"name", c.name}, {"type_text", manifest_type(c.type)}, {"type_name", type_name(c.type)}, {"position", position++}};
    if (const auto p = decimal_precision(c.type)) o["type_precision"] = p->precision, o["type_scale"] = p->scale;
    columns.push_back(std::move(o));
  }
  json::array chunks;
  std::size_t bytes = 0;
  for (std::size_t i = 0; i < now.chunks.size(); ++i) {
    const auto& c = *now.chunks[i];
    bytes += c.bytes;
    chunks.push_back({{"chunk_index", i}, {"row_offset", c.row_offset}, {"row_count", c.rows}, {"byte_count", c.bytes}});
  }
  json::object out{{"format", json::name_of(s.format)},
                   {"schema", {{"column_count", columns.size()}, {"columns", columns}}},
                   {"total_chunk_count", now.chunks.size()}};
  if (!chunks.empty()) out["chunks"] = std::move(chunks);
  out["total_row_count"] = now.rows;
  out["total_byte_count"] = bytes;
  out["truncated"] = now.truncated;
  return out;
}

std::string chunk_text(const Statement& s, const Statement::Snapshot& now, Statements& statements, std::size_t index) {
  const auto& c = *now.chunks[index];
  json::object head{{"chunk_index", index}, {"row_offset", c.row_offset}, {"row_count", c.rows}, {"byte_count", c.bytes}};
  if (index + 1 < now.chunks.size()) {
    head["next_chunk_index"] = index + 1;
    head["next_chunk_internal_link"] = link_to(s, index + 1) + std::to_string(now.chunks[index + 1]->row_offset);
  }
  if (c.object) {
    const auto [url, until] = statements.link(c);
    json::object one = head;
    one["external_link"] = url;
    one["expiration"] = to_rfc3339(until);
    return boost::json::serialize(json::object{{"external_links", json::array{one}}});
  }
  std::string out = boost::json::serialize(head);
  out.pop_back();
  out += ",\"data_array\":";
  out += c.content;
  return out + '}';
}

}  // namespace

std::string csv_of(std::string_view json_rows, const std::vector<ResultColumn>* header) {
  std::string out;
  out.reserve(json_rows.size());
  const auto field = [&](std::string_view text) {
    if (text.find_first_of(",\"\r\n") == text.npos) {
      out += text;
      return;
    }
    out += '"';
    for (const char c : text) {
      if (c == '"') out += '"';
      out += c;
    }
    out += '"';
  };
  if (header) {
    for (std::size_t i = 0; i < header->size(); ++i) {
      if (i) out += ',';
      field((*header)[i].name);
    }
    out += "\r\n";
  }
  const auto rows = boost::json::parse(boost::json::string_view(json_rows.data(), json_rows.size()));
  for (const auto& row : rows.as_array()) {
    bool first = true;
    for (const auto& v : row.as_array()) {
      if (!first) out += ',';
      first = false;
      if (v.is_null())
        out += "null";
      else
        field(std::string_view(v.as_string()));
    }
    out += "\r\n";
  }
  return out;
}

std::string_view history_status(StatementState state) {
  switch (state) {
    case StatementState::SUCCEEDED:
    case StatementState::CLOSED:
      return "FINISHED";
    case StatementState::PENDING:
      return "QUEUED";
    default:
      return json::name_of(state);
  }
}

json::value data_source_json(const Warehouse& w) {
  const auto hex = crypto::to_hex(crypto::sha256("data source of warehouse " + w.id)).substr(0, 32);
  const auto id = fmt::format("{}-{}-4{}-8{}-{}", hex.substr(0, 8), hex.substr(8, 4), hex.substr(13, 3), hex.substr(17, 3), hex.substr(20, 12));
  return json::object{
      {"id", id},           {"name", w.name},      {"paused", 0}, {"supports_auto_limit", true}, {"syntax", "sql"}, {"type", "databricks_internal"},
      {"view_only", false}, {"warehouse_id", w.id}};
}

json::value warehouse_json(const Warehouse& w, const Warehouses& all, std::string_view host) {
  const auto load = all.load(w.id);
  json::object out{{"id", w.id},
                   {"name", w.name},
                   {"cluster_size", w.cluster_size},
                   {"min_num_clusters", w.min_num_clusters},
                   {"max_num_clusters", w.max_num_clusters},
                   {"auto_stop_mins", w.auto_stop_mins},
                   {"auto_resume", true},
                   {"creator_name", w.creator_name},
                   {"warehouse_type", w.warehouse_type},
                   {"spot_instance_policy", w.spot_instance_policy},
                   {"enable_photon", w.enable_photon},
                   {"enable_serverless_compute", w.enable_serverless_compute},
                   {"state", json::name_of(w.state)},
                   {"num_clusters", all.clusters(w)},
                   {"num_active_sessions", load.running + load.waiting},
                   {"size", w.cluster_size}};
  if (!w.tags.is_null()) out["tags"] = w.tags;
  if (!w.channel.is_null()) out["channel"] = w.channel;
  out["health"] = json::object{{"status", "HEALTHY"}, {"details", size_text(w.cluster_size, all.sizes())}};
  out["odbc_params"] = json::object{{"hostname", host}, {"path", "/sql/1.0/warehouses/" + w.id}, {"protocol", "https"}, {"port", 443}};
  return out;
}

std::string statement_body(const Statement& s, Statements& statements) {
  const auto now = s.snapshot();
  json::object status{{"state", json::name_of(now.state)}};
  if (!now.error_message.empty()) status["error"] = json::object{{"error_code", now.error_code}, {"message", now.error_message}};
  std::string out = boost::json::serialize(json::object{{"statement_id", s.id}, {"status", std::move(status)}});
  if (now.state != StatementState::SUCCEEDED) return out;
  out.pop_back();
  out += ",\"manifest\":" + boost::json::serialize(manifest(s, now));
  out += ",\"result\":" + (now.chunks.empty() ? std::string("{}") : chunk_text(s, now, statements, 0));
  return out + '}';
}

std::optional<std::string> chunk_body(const Statement& s, Statements& statements, std::size_t index) {
  const auto now = s.snapshot();
  if (now.state != StatementState::SUCCEEDED || index >= now.chunks.size()) return std::nullopt;
  return chunk_text(s, now, statements, index);
}

std::string statement_type(std::string_view kind) {
  if (kind == "query") return "SELECT";
  if (kind.starts_with("show")) return "SHOW";
  if (kind.starts_with("describe")) return "DESCRIBE";
  if (kind.starts_with("use")) return "USE";
  if (kind.starts_with("create")) return "CREATE";
  if (kind.starts_with("drop")) return "DROP";
  if (kind == "copy_into") return "COPY";
  if (kind == "set_variable" || kind == "set_config") return "SET";
  if (kind == "declare_variable") return "DECLARE";
  if (kind == "vacuum" || kind == "restore") return "OTHER";
  std::string out = upper(std::string(kind));
  while (out.ends_with('_')) out.pop_back();
  return out;
}

json::object metrics_json(const StatementRecord& r) {
  json::object m{{"total_time_ms", r.ended_at ? r.ended_at - r.started_at : 0},
                 {"compilation_time_ms", r.compile_ms},
                 {"execution_time_ms", r.execute_ms},
                 {"rows_produced_count", r.rows},
                 {"read_files_count", r.files},
                 {"read_files_bytes", r.bytes},
                 {"result_from_cache", r.from_cache},
                 {"query_compilation_start_timestamp", r.started_at + r.queued_ms}};
  if (r.queued_ms > 0) m["overloading_queue_start_timestamp"] = r.started_at;
  for (const auto& [name, value] :
       {std::pair("task_total_time_ms", r.task_ms), std::pair("rows_read_count", r.rows_read), std::pair("read_bytes", r.bytes_read),
        std::pair("pruned_files_count", r.pruned_files), std::pair("pruned_bytes", r.pruned_bytes), std::pair("spill_to_disk_bytes", r.spilled_bytes),
        std::pair("write_remote_bytes", r.written_bytes)})
    if (value) m[name] = *value;
  return m;
}

json::value history_json(const HistoryPage& page, bool metrics) {
  json::array out;
  for (const auto& r : page.records) {
    json::object o{{"query_id", r.id},
                   {"status", history_status(r.state)},
                   {"query_text", r.text},
                   {"query_start_time_ms", r.started_at},
                   {"user_id", r.user_id},
                   {"user_name", r.user_name},
                   {"executed_as_user_id", r.user_id},
                   {"executed_as_user_name", r.user_name},
                   {"warehouse_id", r.warehouse_id},
                   {"endpoint_id", r.warehouse_id},
                   {"rows_produced", r.rows},
                   {"is_final", r.ended_at != 0}};
    if (!r.client.empty()) o["client_application"] = r.client;
    if (r.ended_at) o["query_end_time_ms"] = r.ended_at, o["execution_end_time_ms"] = r.ended_at, o["duration"] = r.ended_at - r.started_at;
    if (!r.error_message.empty()) o["error_message"] = r.error_message;
    if (!r.kind.empty()) o["statement_type"] = statement_type(r.kind);
    if (metrics) o["metrics"] = metrics_json(r);
    out.push_back(std::move(o));
  }
  json::object body{{"res", std::move(out)}, {"has_next_page", !page.next.empty()}};
  if (!page.next.empty()) body["next_page_token"] = api::page_token("sql history", page.next);
  return body;
}

json::value config_json(const WarehouseConfig& config) {
  json::array pairs;
  for (const auto& [key, value] : config.parameters) pairs.push_back({{"key", key}, {"value", value}});
  return json::object{{"security_policy", config.security_policy},
                      {"sql_configuration_parameters", json::object{{"configuration_pairs", std::move(pairs)}}},
                      {"data_access_config", json::array{}},
                      {"enable_serverless_compute", false}};
}

}  // namespace tarn::sql
