// The lineage API. The docs call it with a GET that carries a JSON body; query parameters mean the same.
#include "catalog/routes.h"

namespace tarn::catalog {
namespace {

using api::Method;
using api::Request;

struct LineageQuery {
  std::optional<std::string> table_name, column_name;
};
BOOST_DESCRIBE_STRUCT(LineageQuery, (), (table_name, column_name))

Expected<LineageQuery, api::WireError> query_of(const Request& r) {
  TARN_TRY(q, api::body_of<LineageQuery>(r));
  if (!q.table_name) q.table_name = r.param("table_name");
  if (!q.column_name) q.column_name = r.param("column_name");
  if (!q.table_name || q.table_name->empty()) return fail(api::bad_request("Field 'table_name' is required"));
  return std::move(q);
}

/// 2026-01-31 09:30:00.0, as this API spells time.
std::string spelled_time(std::string rfc3339) {
  rfc3339[10] = ' ';
  return rfc3339.substr(0, 19) + ".0";
}

json::array tables(std::vector<TableNeighbour> in) {
  json::array out;
  for (auto& n : in) {
    n.lineage_timestamp = spelled_time(n.lineage_timestamp);
    out.push_back(json::object{{"tableInfo", json::encode(n)}});
  }
  return out;
}

json::array columns(std::vector<ColumnNeighbour> in) {
  json::array out;
  for (auto& n : in) {
    n.lineage_timestamp = spelled_time(n.lineage_timestamp);
    out.push_back(json::encode(n));
  }
  return out;
}

}  // namespace

void add_lineage_routes(std::vector<api::Route>& out, UnityCatalog& uc) {
  auto& l = uc.lineage();
  const auto row = [&](const std::string& path, api::Handler h) {
    out.push_back({.method = Method::GET,
                   .pattern = "/api/2.0/lineage-tracking" + path,
                   .surface = api::Surface::workspace,
                   .auth = api::Auth::authenticated,
                   .group = "lineage",
                   .handler = std::move(h)});
  };
  row("/table-lineage", [&l](const Request& r) -> api::Result {
    TARN_TRY(q, query_of(r));
    const auto found = l.table(r.context, *q.table_name);
    if (!found) return fail(wire(found.error()));
    return api::ok(json::value(json::object{{"upstreams", tables(found->upstreams)}, {"downstreams", tables(found->downstreams)}}));
  });
  row("/column-lineage", [&l](const Request& r) -> api::Result {
    TARN_TRY(q, query_of(r));
    const auto found = l.column(r.context, *q.table_name, q.column_name.value_or(""));
    if (!found) return fail(wire(found.error()));
    return api::ok(json::value(json::object{{"upstream_cols", columns(found->upstreams)}, {"downstream_cols", columns(found->downstreams)}}));
  });
}

}  // namespace tarn::catalog
