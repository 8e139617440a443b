// Policies over tags (ABAC): /policies.
#include "catalog/routes.h"
#include "catalog/tag_policies.h"

namespace tarn::catalog {
namespace {

using api::Method;
using api::Request;

api::Result policy_reply(const Result<PolicyInfo>& policy) {
  if (!policy) return fail(wire(policy.error()));
  return api::ok(json::value(json::encode(*policy)));
}

/// The fields of the body that update_mask names; all that it has where there is no mask.
std::vector<std::string> masked_fields(const Request& r, const PolicyInfo& body) {
  const auto mask = text(r, "update_mask");
  std::vector<std::string> out;
  if (mask.empty() || mask == "*") {
    const auto sent = json::encode(body);
    for (const char* field : {"name", "comment", "to_principals", "except_principals", "for_securable_type", "when_condition", "policy_type",
                              "match_columns", "row_filter", "column_mask"})
      if (sent.as_object().if_contains(field)) out.emplace_back(field);
    return out;
  }
  std::size_t at = 0;
  while (at <= mask.size()) {
    const auto comma = std::min(mask.find(',', at), mask.size());
    out.push_back(mask.substr(at, comma - at));
    at = comma + 1;
  }
  return out;
}

}  // namespace

void add_policy_routes(std::vector<api::Route>& out, UnityCatalog& uc) {
  auto& p = uc.tag_policies();
  const std::string base = "/policies", all = base + "/{on_securable_type}/{on_securable_fullname}", one = all + "/{name}";
  out.push_back(uc_row(Method::POST, base, "policies", [&p](const Request& r) -> api::Result {
    TARN_TRY(body, api::body_of<PolicyInfo>(r));
    return policy_reply(p.create(r.context, body, false));
  }));
  out.push_back(uc_row(Method::GET, all, "policies", [&p](const Request& r) -> api::Result {
    TARN_TRY(inherited, flag(r, "include_inherited"));
    const auto type = r.capture("on_securable_type"), securable = r.capture("on_securable_fullname");
    const std::string listing = "policies " + type + " " + securable;
    TARN_TRY(page, page_request(r, listing, 100));
    const auto found = p.list(r.context, type, securable, inherited);
    if (!found) return fail(wire(found.error()));
    // In one order, by the place above and the name; a page goes on after the last key that it showed.
    const std::size_t most = page.limit ? page.limit : 100;
    json::array list;
    std::string next, last;
    for (const auto& policy : *found) {
      const auto key = std::to_string(9 - std::ranges::count(policy.on_securable_fullname.value_or(""), '.')) + policy.name;
      if (!page.after.empty() && key <= page.after) continue;
      if (list.size() == most) {
        next = last;
        break;
      }
      last = key;
      list.push_back(json::encode(policy));
    }
    json::object body{{"policies", std::move(list)}};
    if (!next.empty()) body["next_page_token"] = api::page_token(listing, next);
    return api::ok(json::value(std::move(body)));
  }));
  out.push_back(uc_row(Method::GET, one, "policies", [&p](const Request& r) -> api::Result {
    return policy_reply(p.get(r.context, r.capture("on_securable_type"), r.capture("on_securable_fullname"), r.capture("name")));
  }));
  out.push_back(uc_row(Method::PATCH, one, "policies", [&p](const Request& r) -> api::Result {
    TARN_TRY(body, api::body_of<PolicyInfo>(r, {.absent = json::Absent::keep}));
    return policy_reply(
        p.update(r.context, r.capture("on_securable_type"), r.capture("on_securable_fullname"), r.capture("name"), body, masked_fields(r, body)));
  }));
  out.push_back(uc_row(Method::DELETE, one, "policies", [&p](const Request& r) {
    return answer(p.remove(r.context, r.capture("on_securable_type"), r.capture("on_securable_fullname"), r.capture("name")));
  }));
}

}  // namespace tarn::catalog
