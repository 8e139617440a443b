// Tags of securables: /entity-tag-assignments.
#include "catalog/routes.h"
#include "catalog/tags.h"

namespace tarn::catalog {
namespace {

using api::Method;
using api::Request;

struct TagBody {
  std::string entity_type, entity_name, tag_key;
  std::optional<std::string> tag_value, source_type, update_time, updated_by;
};
BOOST_DESCRIBE_STRUCT(TagBody, (), (entity_type, entity_name, tag_key, tag_value, source_type, update_time, updated_by))

struct TagPatch {
  std::optional<std::string> entity_type, entity_name, tag_key, tag_value, source_type, update_time, updated_by;
};
BOOST_DESCRIBE_STRUCT(TagPatch, (), (entity_type, entity_name, tag_key, tag_value, source_type, update_time, updated_by))

api::Result tag_reply(const Result<TagAssignment>& tag) {
  if (!tag) return fail(wire(tag.error()));
  return api::ok(json::value(json::encode(*tag)));
}

}  // namespace

void add_tag_routes(std::vector<api::Route>& out, UnityCatalog& uc) {
  auto& t = uc.tag_service();
  const std::string base = "/entity-tag-assignments", tags = base + "/{entity_type}/{entity_name}/tags", one = tags + "/{tag_key}";
  out.push_back(uc_row(Method::POST, base, "entity-tag-assignments", [&t](const Request& r) -> api::Result {
    TARN_TRY(b, api::body_of<TagBody>(r));
    return tag_reply(
        t.create(r.context, {.entity_type = b.entity_type, .entity_name = b.entity_name, .tag_key = b.tag_key, .tag_value = b.tag_value}));
  }));
  out.push_back(uc_row(Method::GET, tags, "entity-tag-assignments", [&t](const Request& r) -> api::Result {
    const auto type = r.capture("entity_type"), name = r.capture("entity_name");
    const std::string listing = "tags " + type + " " + name;
    TARN_TRY(page, page_request(r, listing, 50));
    const auto found = t.list(r.context, type, name, page);
    if (!found) return fail(wire(found.error()));
    json::array list;
    for (const auto& tag : found->items) list.push_back(json::encode(tag));
    json::object body{{"tag_assignments", std::move(list)}};
    if (!found->next.empty()) body["next_page_token"] = api::page_token(listing, found->next);
    return api::ok(json::value(std::move(body)));
  }));
  out.push_back(uc_row(Method::GET, one, "entity-tag-assignments", [&t](const Request& r) -> api::Result {
    return tag_reply(t.get(r.context, r.capture("entity_type"), r.capture("entity_name"), r.capture("tag_key")));
  }));
  out.push_back(uc_row(Method::PATCH, one, "entity-tag-assignments", [&t](const Request& r) -> api::Result {
    TARN_TRY(b, api::body_of<TagPatch>(r));
    const auto mask = text(r, "update_mask");
    if (mask != "tag_value" && mask != "*") return fail(api::bad_request("Parameter 'update_mask' must be tag_value, got '" + mask + "'"));
    return tag_reply(t.update(r.context, r.capture("entity_type"), r.capture("entity_name"), r.capture("tag_key"), b.tag_value));
  }));
  out.push_back(uc_row(Method::DELETE, one, "entity-tag-assignments", [&t](const Request& r) {
    return answer(t.remove(r.context, r.capture("entity_type"), r.capture("entity_name"), r.capture("tag_key")));
  }));
}

}  // namespace tarn::catalog
