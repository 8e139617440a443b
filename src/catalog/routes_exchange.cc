// Connections, shares, recipients, providers and artifact allowlists.
#include "catalog/routes.h"

namespace tarn::catalog {
namespace {

using api::Method;
using api::Request;

Expected<json::value, api::WireError> body_of(const Request& r) {
  if (r.body.empty()) return json::value(json::object{});
  auto v = json::parse(r.body);
  if (!v) return fail(api::malformed(v.error().message()));
  if (!v->is_object()) return fail(api::malformed("the body must be a JSON object"));
  return *std::move(v);
}

/// The five rows that all kinds share.
void add_kind(std::vector<api::Route>& out, Exchange& x, SecurableType type, const std::string& group) {
  const std::string all = "/" + group, one = all + "/{name}";
  out.push_back(uc_row(Method::POST, all, group, [&x, type](const Request& r) -> api::Result {
    TARN_TRY(body, body_of(r));
    return answer(x.create(r.context, type, body));
  }));
  out.push_back(uc_row(Method::GET, all, group, [&x, type, group](const Request& r) -> api::Result {
    TARN_TRY(page, page_request(r, group, 1000));
    return paged(group, group, x.list(r.context, type, page));
  }));
  out.push_back(uc_row(Method::GET, one, group, [&x, type](const Request& r) -> api::Result {
    TARN_TRY(objects, flag(r, "include_shared_data"));
    return answer(x.get(r.context, type, r.capture("name"), objects));
  }));
  out.push_back(uc_row(Method::PATCH, one, group, [&x, type](const Request& r) -> api::Result {
    TARN_TRY(body, body_of(r));
    return answer(x.update(r.context, type, r.capture("name"), body));
  }));
  out.push_back(uc_row(Method::DELETE, one, group, [&x, type](const Request& r) { return answer(x.remove(r.context, type, r.capture("name"))); }));
}

struct RotateBody {
  std::int64_t existing_token_expire_in_seconds = 0;
};
BOOST_DESCRIBE_STRUCT(RotateBody, (), (existing_token_expire_in_seconds))

void add_sharing(std::vector<api::Route>& out, Exchange& x) {
  out.push_back(uc_row(Method::GET, "/shares/{name}/permissions", "shares",
                       [&x](const Request& r) { return answer(x.share_permissions(r.context, r.capture("name"))); }));
  out.push_back(uc_row(Method::PATCH, "/shares/{name}/permissions", "shares", [&x](const Request& r) -> api::Result {
    TARN_TRY(body, body_of(r));
    return answer(x.change_share_permissions(r.context, r.capture("name"), body));
  }));
  out.push_back(uc_row(Method::GET, "/recipients/{name}/share-permissions", "recipients",
                       [&x](const Request& r) { return answer(x.recipient_permissions(r.context, r.capture("name"))); }));
  out.push_back(uc_row(Method::POST, "/recipients/{name}/rotate-token", "recipients", [&x](const Request& r) -> api::Result {
    TARN_TRY(b, api::body_of<RotateBody>(r));
    return answer(x.rotate_token(r.context, r.capture("name"), b.existing_token_expire_in_seconds));
  }));
  // A sharing server is not here yet: nothing can be opened, and a provider's shares cannot be asked for.
  const auto off = [](const Request&) -> api::Result { return fail(api::not_enabled("Delta Sharing")); };
  out.push_back(uc_row(Method::GET, "/public/data_sharing_activation/{activation}", "recipients", off));
  out.push_back(uc_row(Method::GET, "/public/data_sharing_activation_info/{activation}", "recipients", off));
  out.push_back(uc_row(Method::GET, "/providers/{name}/shares", "providers", off));
}

}  // namespace

void add_exchange_routes(std::vector<api::Route>& out, UnityCatalog& uc) {
  Exchange& x = uc.exchange();
  add_kind(out, x, SecurableType::CONNECTION, "connections");
  add_kind(out, x, SecurableType::SHARE, "shares");
  add_kind(out, x, SecurableType::RECIPIENT, "recipients");
  add_kind(out, x, SecurableType::PROVIDER, "providers");
  add_sharing(out, x);
  out.push_back(uc_row(Method::GET, "/artifact-allowlists/{artifact_type}", "artifact-allowlists",
                       [&x](const Request& r) { return answer(x.allowlist(r.context, r.capture("artifact_type"))); }));
  out.push_back(uc_row(Method::PUT, "/artifact-allowlists/{artifact_type}", "artifact-allowlists", [&x](const Request& r) -> api::Result {
    TARN_TRY(body, body_of(r));
    return answer(x.set_allowlist(r.context, r.capture("artifact_type"), body));
  }));
  const auto none = [&](Method m, const std::string& path, const std::string& what) {
    out.push_back(uc_row(m, path, "not-enabled", [what](const Request&) -> api::Result { return fail(api::not_enabled(what)); }));
  };
  for (const Method m : {Method::GET, Method::DELETE}) none(m, "/online-tables/{name}", "Online tables");
  none(Method::POST, "/online-tables", "Online tables");
}

}  // namespace tarn::catalog
