// Registered models, their versions, and functions under /api/2.1/unity-catalog.
#include "catalog/routes.h"

namespace tarn::catalog {
namespace {

using api::Method;
using api::Request;

struct AliasBody {
  std::int64_t version_num = 0;
};
BOOST_DESCRIBE_STRUCT(AliasBody, (), (version_num))
struct VersionBody {
  std::optional<std::string> comment;
};
BOOST_DESCRIBE_STRUCT(VersionBody, (), (comment))
struct NewVersionBody {
  std::string catalog_name, schema_name, model_name, source;
  std::optional<std::string> run_id, comment, model_id;
  std::optional<std::int64_t> run_workspace_id;
  std::vector<Tag> tags;
  json::value model_version_dependencies;
};
BOOST_DESCRIBE_STRUCT(NewVersionBody, (),
                      (catalog_name, schema_name, model_name, source, run_id, comment, model_id, run_workspace_id, tags, model_version_dependencies))
struct CredentialBody {
  std::string catalog_name, schema_name, model_name;
  std::int64_t version = 0;
  VersionOperation operation = VersionOperation::READ_MODEL_VERSION;
};
BOOST_DESCRIBE_STRUCT(CredentialBody, (), (catalog_name, schema_name, model_name, version, operation))
struct TagChanges {
  std::vector<Tag> add_tags;
  std::vector<std::string> remove;
};
BOOST_DESCRIBE_STRUCT(TagChanges, (), (add_tags, remove))
struct TagsBody {
  std::optional<TagChanges> changes;
};
BOOST_DESCRIBE_STRUCT(TagsBody, (), (changes))
struct FunctionBody {
  json::value function_info;
};
BOOST_DESCRIBE_STRUCT(FunctionBody, (), (function_info))
struct OwnerBody {
  std::optional<std::string> owner;
};
BOOST_DESCRIBE_STRUCT(OwnerBody, (), (owner))

Expected<std::int64_t, api::WireError> version_of(const Request& r) { return api::integer("version", r.capture("version")); }

void add_functions(std::vector<api::Route>& out, Functions& f) {
  out.push_back(uc_row(Method::POST, "/functions", "functions", [&f](const Request& r) -> api::Result {
    TARN_TRY(b, api::body_of<FunctionBody>(r));
    return answer(f.create(r.context, b.function_info));
  }));
  out.push_back(uc_row(Method::GET, "/functions", "functions", [&f](const Request& r) -> api::Result {
    TARN_TRY(catalog, required(r, "catalog_name"));
    TARN_TRY(schema, required(r, "schema_name"));
    const std::string listing = "functions " + catalog + "." + schema;
    TARN_TRY(page, page_request(r, listing, 1000));
    TARN_TRY(browse, flag(r, "include_browse"));
    return paged("functions", listing, f.list(r.context, catalog, schema, page, browse));
  }));
  out.push_back(uc_row(Method::GET, "/functions/{name}", "functions", [&f](const Request& r) -> api::Result {
    TARN_TRY(browse, flag(r, "include_browse"));
    return answer(f.get(r.context, r.capture("name"), browse));
  }));
  out.push_back(uc_row(Method::PATCH, "/functions/{name}", "functions", [&f](const Request& r) -> api::Result {
    TARN_TRY(b, api::body_of<OwnerBody>(r));
    return answer(f.set_owner(r.context, r.capture("name"), b.owner));
  }));
  out.push_back(
      uc_row(Method::DELETE, "/functions/{name}", "functions", [&f](const Request& r) { return answer(f.remove(r.context, r.capture("name"))); }));
}

void add_versions(std::vector<api::Route>& out, Models& m) {
  const std::string g = "model-versions", all = "/models/{full_name}/versions", one = all + "/{version}";
  out.push_back(uc_row(Method::POST, "/models/versions", g, [&m](const Request& r) -> api::Result {
    TARN_TRY(b, api::body_of<NewVersionBody>(r));
    return answer(m.create_version(r.context, {.full_name = b.catalog_name + "." + b.schema_name + "." + b.model_name,
                                               .source = b.source,
                                               .run_id = b.run_id,
                                               .comment = b.comment,
                                               .logged_model_id = b.model_id,
                                               .run_workspace_id = b.run_workspace_id,
                                               .tags = b.tags,
                                               .dependencies = b.model_version_dependencies}));
  }));
  out.push_back(uc_row(Method::GET, all, g, [&m](const Request& r) -> api::Result {
    const std::string listing = "versions " + r.capture("full_name");
    TARN_TRY(page, page_request(r, listing, 1000));
    return paged("model_versions", listing, m.versions(r.context, r.capture("full_name"), page));
  }));
  out.push_back(uc_row(Method::GET, one, g, [&m](const Request& r) -> api::Result {
    TARN_TRY(version, version_of(r));
    return answer(m.version(r.context, r.capture("full_name"), version));
  }));
  out.push_back(uc_row(Method::PATCH, one, g, [&m](const Request& r) -> api::Result {
    TARN_TRY(version, version_of(r));
    TARN_TRY(b, api::body_of<VersionBody>(r));
    return answer(m.update_version(r.context, r.capture("full_name"), version, b.comment));
  }));
  out.push_back(uc_row(Method::PATCH, one + "/finalize", g, [&m](const Request& r) -> api::Result {
    TARN_TRY(version, version_of(r));
    return answer(m.finalize(r.context, r.capture("full_name"), version));
  }));
  out.push_back(uc_row(Method::DELETE, one, g, [&m](const Request& r) -> api::Result {
    TARN_TRY(version, version_of(r));
    return answer(m.remove_version(r.context, r.capture("full_name"), version));
  }));
  out.push_back(uc_row(Method::POST, "/temporary-model-version-credentials", "temporary-credentials", [&m](const Request& r) -> api::Result {
    TARN_TRY(b, api::body_of<CredentialBody>(r));
    return answer(m.credentials(r.context, b.catalog_name + "." + b.schema_name + "." + b.model_name, b.version, b.operation));
  }));
}

/// Tags of a registered model (a securable FUNCTION) and of its versions (subentities of it).
void add_tags(std::vector<api::Route>& out, Models& m) {
  const auto model_only = [](const Request& r) -> Expected<void, api::WireError> {
    if (parse_securable_type(r.capture("securable_type")) == SecurableType::FUNCTION) return {};
    return fail(api::not_enabled("Tags on " + r.capture("securable_type")));
  };
  out.push_back(
      uc_row(Method::PATCH, "/securable-tags/{securable_type}/{full_name}", "registered-models", [&m, model_only](const Request& r) -> api::Result {
        TARN_CHECK(model_only(r));
        TARN_TRY(b, api::body_of<TagsBody>(r));
        const TagChanges c = b.changes.value_or(TagChanges{});
        return answer(m.set_tags(r.context, r.capture("full_name"), c.add_tags, c.remove));
      }));
  out.push_back(uc_row(Method::PATCH, "/subentity-tags/{securable_type}/{full_name}/{version}", "registered-models",
                       [&m, model_only](const Request& r) -> api::Result {
                         TARN_CHECK(model_only(r));
                         TARN_TRY(version, version_of(r));
                         TARN_TRY(b, api::body_of<TagsBody>(r));
                         const TagChanges c = b.changes.value_or(TagChanges{});
                         return answer(m.set_version_tags(r.context, r.capture("full_name"), version, c.add_tags, c.remove));
                       }));
}

}  // namespace

void add_model_routes(std::vector<api::Route>& out, UnityCatalog& uc) {
  Models& m = uc.models();
  const std::string g = "registered-models", one = "/models/{full_name}";
  out.push_back(uc_row(Method::POST, "/models", g, [&m](const Request& r) -> api::Result {
    TARN_TRY(b, api::body_of<NewModel>(r));
    return answer(m.create(r.context, b));
  }));
  out.push_back(uc_row(Method::GET, "/models", g, [&m](const Request& r) -> api::Result {
    const auto catalog = r.param("catalog_name"), schema = r.param("schema_name");
    if (catalog.has_value() != schema.has_value())
      return fail(api::bad_request("Parameters 'catalog_name' and 'schema_name' must be given together, or neither"));
    const std::string listing = "models " + catalog.value_or("") + "." + schema.value_or("");
    TARN_TRY(page, page_request(r, listing, 1000));
    TARN_TRY(browse, flag(r, "include_browse"));
    return paged("registered_models", listing, m.list(r.context, catalog, schema, page, browse));
  }));
  out.push_back(uc_row(Method::GET, one, g, [&m](const Request& r) -> api::Result {
    TARN_TRY(browse, flag(r, "include_browse"));
    return answer(m.get(r.context, r.capture("full_name"), browse));
  }));
  out.push_back(uc_row(Method::PATCH, one, g, [&m](const Request& r) -> api::Result {
    TARN_TRY(b, api::body_of<ModelChange>(r));
    return answer(m.update(r.context, r.capture("full_name"), b));
  }));
  out.push_back(uc_row(Method::DELETE, one, g, [&m](const Request& r) { return answer(m.remove(r.context, r.capture("full_name"))); }));
  const std::string alias = one + "/aliases/{alias}";
  out.push_back(uc_row(Method::GET, alias, g,
                       [&m](const Request& r) { return answer(m.version_by_alias(r.context, r.capture("full_name"), r.capture("alias"))); }));
  out.push_back(uc_row(Method::PUT, alias, g, [&m](const Request& r) -> api::Result {
    TARN_TRY(b, api::body_of<AliasBody>(r));
    return answer(m.set_alias(r.context, r.capture("full_name"), r.capture("alias"), b.version_num));
  }));
  out.push_back(uc_row(Method::DELETE, alias, g,
                       [&m](const Request& r) { return answer(m.remove_alias(r.context, r.capture("full_name"), r.capture("alias"))); }));
  add_versions(out, m);
  add_tags(out, m);
  add_functions(out, uc.functions());
}

}  // namespace tarn::catalog
