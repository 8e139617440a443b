#include "catalog/routes.h"

#include "doctor/edges.h"

namespace tarn::catalog {
namespace {

std::string_view noun(SecurableType t) { return json::name_of(t); }

/// With `metadata` even when there is none: the vendor's JavaScript SDK takes an error apart only if it is there.
json::object reason(std::string_view code) {
  return {{"@type", "type.googleapis.com/google.rpc.ErrorInfo"},
          {"reason", code},
          {"domain", "unity-catalog.databricks.com"},
          {"metadata", json::object{}}};
}

}  // namespace

api::WireError wire(const Error& e) {
  auto out = api::wire<Errc>(e);
  if (e.securable && e.code == Errc::not_found) out.error_code = std::string(noun(*e.securable)) + "_DOES_NOT_EXIST";
  if (e.securable && e.code == Errc::already_exists) out.error_code = std::string(noun(*e.securable)) + "_ALREADY_EXISTS";
  out.details.push_back(reason(out.error_code));
  if (e.code == Errc::limit_reached) {
    const auto& help = doctor::remedy(doctor::Edge::default_metastore);
    out.details.push_back(json::object{{"@type", "type.googleapis.com/google.rpc.ErrorInfo"},
                                       {"reason", json::name_of(doctor::Edge::default_metastore)},
                                       {"domain", "tarn"},
                                       {"metadata", json::object{{"cause", help.cause}, {"cure", help.cure}}}});
  }
  return out;
}

api::Route uc_row(api::Method method, const std::string& path, const std::string& group, api::Handler handler) {
  return {.method = method,
          .pattern = "/api/2.1/unity-catalog" + path,
          .surface = api::Surface::workspace,
          .auth = api::Auth::authenticated,
          .group = group,
          .handler = std::move(handler)};
}

Expected<bool, api::WireError> flag(const api::Request& r, const std::string& name) {
  const auto v = r.param(name);
  if (!v || v->empty() || *v == "false" || *v == "0") return false;
  if (*v == "true" || *v == "1") return true;
  return fail(api::bad_request("Parameter '" + name + "' must be true or false, got '" + *v + "'"));
}

std::string text(const api::Request& r, const std::string& name) { return r.param(name).value_or(""); }

Expected<std::string, api::WireError> required(const api::Request& r, const std::string& name) {
  auto v = text(r, name);
  if (v.empty()) return fail(api::bad_request("Parameter '" + name + "' is required"));
  return v;
}

Expected<PageRequest, api::WireError> page_request(const api::Request& r, const std::string& listing, std::int64_t most, std::int64_t least) {
  PageRequest out;
  if (const auto v = r.param("max_results"); v && !v->empty()) {
    TARN_TRY(n, api::integer("max_results", *v));
    if (n < 0 || (n > 0 && n < least))
      return fail(api::bad_request(fmt::format("Parameter 'max_results' must be 0 or at least {}, got {}", std::max<std::int64_t>(least, 1), n)));
    out.limit = static_cast<std::size_t>(n == 0 ? most : std::min(n, most));
  }
  TARN_TRY(after, api::page_after(listing, r.param("page_token")));
  out.after = after;
  if (!out.after.empty() && out.limit == 0) out.limit = static_cast<std::size_t>(most);
  return out;
}

std::vector<api::Route> routes(UnityCatalog& uc) {
  std::vector<api::Route> out;
  add_account_routes(out, uc);
  add_metastore_routes(out, uc);
  add_storage_routes(out, uc);
  add_namespace_routes(out, uc);
  add_model_routes(out, uc);
  add_registry_routes(out, uc);
  add_exchange_routes(out, uc);
  add_table_routes(out, uc);
  add_tag_routes(out, uc);
  add_policy_routes(out, uc);
  add_grant_routes(out, uc);
  add_lineage_routes(out, uc);
  return out;
}

}  // namespace tarn::catalog
