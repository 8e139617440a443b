// The same models as MLflow's client speaks of them with registry_uri="databricks-uc": /api/2.0/mlflow/unity-catalog
// (databricks_uc_registry_messages.proto). Names are full, versions are strings, and what the REST reference calls comment is description.
#include "catalog/names.h"
#include "catalog/routes.h"

namespace tarn::catalog {
namespace {

using api::Method;
using api::Request;

struct NameBody {
  std::string name;
};
BOOST_DESCRIBE_STRUCT(NameBody, (), (name))
struct CreateBody : NameBody {
  std::optional<std::string> description, deployment_job_id;
  std::vector<Tag> tags;
};
BOOST_DESCRIBE_STRUCT(CreateBody, (NameBody), (description, deployment_job_id, tags))
struct UpdateBody : NameBody {
  std::optional<std::string> new_name, description, deployment_job_id;
};
BOOST_DESCRIBE_STRUCT(UpdateBody, (NameBody), (new_name, description, deployment_job_id))
struct VersionBody : NameBody {
  std::int64_t version = 0;
};
BOOST_DESCRIBE_STRUCT(VersionBody, (NameBody), (version))
struct UpdateVersionBody : VersionBody {
  std::optional<std::string> description;
};
BOOST_DESCRIBE_STRUCT(UpdateVersionBody, (VersionBody), (description))
struct NewVersionBody : NameBody {
  std::string source;
  std::optional<std::string> run_id, description, run_tracking_server_id, feature_deps, model_id;
  std::vector<Tag> tags;
  json::value model_version_dependencies;
};
BOOST_DESCRIBE_STRUCT(NewVersionBody, (NameBody),
                      (source, run_id, description, run_tracking_server_id, feature_deps, model_id, tags, model_version_dependencies))
struct AliasBody : NameBody {
  std::string alias;
};
BOOST_DESCRIBE_STRUCT(AliasBody, (NameBody), (alias))
struct SetAliasBody : AliasBody {
  std::int64_t version = 0;
};
BOOST_DESCRIBE_STRUCT(SetAliasBody, (AliasBody), (version))
struct SetTagBody : NameBody {
  std::string key, value;
};
BOOST_DESCRIBE_STRUCT(SetTagBody, (NameBody), (key, value))
struct TagKeyBody : NameBody {
  std::string key;
};
BOOST_DESCRIBE_STRUCT(TagKeyBody, (NameBody), (key))
struct SetVersionTagBody : VersionBody {
  std::string key, value;
};
BOOST_DESCRIBE_STRUCT(SetVersionTagBody, (VersionBody), (key, value))
struct VersionTagKeyBody : VersionBody {
  std::string key;
};
BOOST_DESCRIBE_STRUCT(VersionTagKeyBody, (VersionBody), (key))

enum class MlflowOperation { MODEL_VERSION_OPERATION_READ, MODEL_VERSION_OPERATION_READ_WRITE };
BOOST_DESCRIBE_ENUM(MlflowOperation, MODEL_VERSION_OPERATION_READ, MODEL_VERSION_OPERATION_READ_WRITE)
struct CredentialBody : VersionBody {
  MlflowOperation operation = MlflowOperation::MODEL_VERSION_OPERATION_READ;
};
BOOST_DESCRIBE_STRUCT(CredentialBody, (VersionBody), (operation))

/// The vendor's sentence for a name that is not catalog.schema.model; the client looks for it.
Expected<std::vector<std::string>, api::WireError> three_levels(const std::string& name) {
  auto parts = split_name(name, 3, "Registered model");
  if (!parts)
    return fail(api::bad_request("Model name '" + name +
                                 "' is not a valid name. Please specify all three levels of the model in the form "
                                 "`catalog_name.schema_name.model_name`"));
  return *std::move(parts);
}

json::object shown(const ModelInfo& m) {
  json::object o{{"name", m.full_name}, {"creation_timestamp", m.created_at}, {"last_updated_timestamp", m.updated_at}, {"user_id", m.owner}};
  if (m.comment) o["description"] = *m.comment;
  if (m.deployment_job_id) o["deployment_job_id"] = *m.deployment_job_id;
  if (!m.tags.empty()) o["tags"] = json::encode(m.tags);
  json::array aliases;
  for (const auto& a : m.aliases) aliases.push_back(json::object{{"alias", a.alias_name}, {"version", std::to_string(a.version_num)}});
  if (!aliases.empty()) o["aliases"] = std::move(aliases);
  return o;
}

json::object shown(const VersionInfo& v) {
  json::object o{{"name", v.full_name()},
                 {"version", std::to_string(v.version)},
                 {"creation_timestamp", v.created_at},
                 {"last_updated_timestamp", v.updated_at},
                 {"user_id", v.created_by},
                 {"source", v.source},
                 {"status", json::name_of(v.status)},
                 {"storage_location", v.storage_location}};
  if (v.comment) o["description"] = *v.comment;
  if (v.run_id) o["run_id"] = *v.run_id;
  if (v.run_workspace_id) o["run_tracking_server_id"] = std::to_string(*v.run_workspace_id);
  if (v.model_id) o["model_id"] = *v.model_id;
  if (!v.tags.empty()) o["tags"] = json::encode(v.tags);
  json::array aliases;
  for (const auto& a : v.aliases) aliases.push_back(json::object{{"alias", a.alias_name}, {"version", std::to_string(a.version_num)}});
  if (!aliases.empty()) o["aliases"] = std::move(aliases);
  return o;
}

template <class T>
api::Result answer_as(const char* field, const Result<T>& r) {
  if (!r) return fail(wire(r.error()));
  return api::ok(json::value(json::object{{field, shown(*r)}}));
}

api::Route row(Method method, const std::string& path, api::Handler handler) {
  return {.method = method,
          .pattern = "/api/2.0/mlflow/unity-catalog" + path,
          .surface = api::Surface::workspace,
          .auth = api::Auth::authenticated,
          .group = path.starts_with("/model-versions") ? "model-versions" : "registered-models",
          .handler = std::move(handler)};
}

/// The client sends some DELETEs' fields as a body, others as a query; both are read.
template <class T>
Expected<T, api::WireError> fields_of(const Request& r) {
  if (!r.body.empty()) return api::body_of<T>(r);
  json::object o;
  for (const auto& [name, value] : r.query) o[name] = value;
  auto out = json::decode<T>(o);
  if (!out) return fail(api::bad_request(out.error().message()));
  return *std::move(out);
}

/// `name='c.s.m'`, the only filter that the vendor's search of versions knows.
Expected<std::string, api::WireError> named_in(const std::string& filter) {
  std::string_view rest = filter;
  const auto blanks = [&] {
    while (!rest.empty() && rest.front() == ' ') rest.remove_prefix(1);
  };
  blanks();
  if (rest.starts_with("name")) {
    rest.remove_prefix(4);
    blanks();
    if (rest.starts_with('=')) {
      rest.remove_prefix(1);
      blanks();
      while (rest.ends_with(' ')) rest.remove_suffix(1);
      if (rest.size() > 2 && (rest.front() == '\'' || rest.front() == '"') && rest.back() == rest.front() &&
          rest.find(rest.front(), 1) == rest.size() - 1)
        return std::string(rest.substr(1, rest.size() - 2));
    }
  }
  return fail(api::bad_request("Unsupported filter '" + filter + "': models in Unity Catalog are searched by \"name='catalog.schema.model'\""));
}

void add_models(std::vector<api::Route>& out, Models& m) {
  out.push_back(row(Method::POST, "/registered-models/create", [&m](const Request& r) -> api::Result {
    TARN_TRY(b, api::body_of<CreateBody>(r));
    TARN_TRY(parts, three_levels(b.name));
    return answer_as("registered_model", m.create(r.context, {.name = parts[2],
                                                              .catalog_name = parts[0],
                                                              .schema_name = parts[1],
                                                              .comment = b.description,
                                                              .deployment_job_id = b.deployment_job_id,
                                                              .tags = b.tags}));
  }));
  out.push_back(row(Method::PATCH, "/registered-models/update", [&m](const Request& r) -> api::Result {
    TARN_TRY(b, api::body_of<UpdateBody>(r));
    TARN_TRY(parts, three_levels(b.name));
    ModelChange change{.deployment_job_id = b.deployment_job_id};
    if (b.description) change.comment = *b.description;
    if (b.new_name) {
      TARN_TRY(next, three_levels(b.new_name->find('.') == b.new_name->npos ? parts[0] + "." + parts[1] + "." + *b.new_name : *b.new_name));
      if (next[0] != parts[0] || next[1] != parts[1])
        return fail(api::bad_request("Field 'new_name' must stay in schema '" + parts[0] + "." + parts[1] + "'"));
      change.new_name = next[2];
    }
    return answer_as("registered_model", m.update(r.context, b.name, change));
  }));
  out.push_back(row(Method::DELETE, "/registered-models/delete", [&m](const Request& r) -> api::Result {
    TARN_TRY(b, fields_of<NameBody>(r));
    return answer(m.remove(r.context, b.name));
  }));
  out.push_back(row(Method::GET, "/registered-models/get", [&m](const Request& r) -> api::Result {
    TARN_TRY(b, fields_of<NameBody>(r));
    TARN_CHECK(three_levels(b.name));
    return answer_as("registered_model", m.get(r.context, b.name, false));
  }));
  out.push_back(row(Method::GET, "/registered-models/search", [&m](const Request& r) -> api::Result {
    TARN_TRY(page, page_request(r, "registered-models", 1000));
    const auto found = m.list(r.context, std::nullopt, std::nullopt, page, false);
    if (!found) return fail(wire(found.error()));
    json::object body;
    json::array list;
    for (const auto& x : found->items) list.push_back(shown(x));
    if (!list.empty()) body["registered_models"] = std::move(list);
    if (!found->next.empty()) body["next_page_token"] = api::page_token("registered-models", found->next);
    return api::ok(json::value(std::move(body)));
  }));
  out.push_back(row(Method::POST, "/registered-models/alias", [&m](const Request& r) -> api::Result {
    TARN_TRY(b, api::body_of<SetAliasBody>(r));
    const auto done = m.set_alias(r.context, b.name, b.alias, b.version);
    if (!done) return fail(wire(done.error()));
    return api::ok();
  }));
  out.push_back(row(Method::DELETE, "/registered-models/alias", [&m](const Request& r) -> api::Result {
    TARN_TRY(b, fields_of<AliasBody>(r));
    return answer(m.remove_alias(r.context, b.name, b.alias));
  }));
  out.push_back(row(Method::GET, "/registered-models/alias", [&m](const Request& r) -> api::Result {
    TARN_TRY(b, fields_of<AliasBody>(r));
    return answer_as("model_version", m.version_by_alias(r.context, b.name, b.alias));
  }));
  out.push_back(row(Method::POST, "/registered-models/set-tag", [&m](const Request& r) -> api::Result {
    TARN_TRY(b, api::body_of<SetTagBody>(r));
    return answer(m.set_tags(r.context, b.name, {{b.key, b.value}}, {}));
  }));
  out.push_back(row(Method::DELETE, "/registered-models/delete-tag", [&m](const Request& r) -> api::Result {
    TARN_TRY(b, fields_of<TagKeyBody>(r));
    return answer(m.set_tags(r.context, b.name, {}, {b.key}));
  }));
  // Model files go straight to storage with vended credentials; there is no Files API over models.
  out.push_back(row(Method::GET, "/registered-models:is-databricks-sdk-models-artifact-repository-enabled", [](const Request&) -> api::Result {
    return api::ok(json::value(json::object{{"is_databricks_sdk_models_artifact_repository_enabled", false}}));
  }));
}

void add_versions(std::vector<api::Route>& out, Models& m) {
  out.push_back(row(Method::POST, "/model-versions/create", [&m](const Request& r) -> api::Result {
    TARN_TRY(b, api::body_of<NewVersionBody>(r));
    TARN_CHECK(three_levels(b.name));
    NewVersion v{.full_name = b.name,
                 .source = b.source,
                 .run_id = b.run_id,
                 .comment = b.description,
                 .logged_model_id = b.model_id,
                 .tags = b.tags,
                 .dependencies = b.model_version_dependencies};
    if (b.run_tracking_server_id && !b.run_tracking_server_id->empty()) {
      TARN_TRY(workspace, api::integer("run_tracking_server_id", *b.run_tracking_server_id));
      v.run_workspace_id = workspace;
    }
    return answer_as("model_version", m.create_version(r.context, v));
  }));
  out.push_back(row(Method::PATCH, "/model-versions/update", [&m](const Request& r) -> api::Result {
    TARN_TRY(b, api::body_of<UpdateVersionBody>(r));
    return answer_as("model_version", m.update_version(r.context, b.name, b.version, b.description));
  }));
  out.push_back(row(Method::DELETE, "/model-versions/delete", [&m](const Request& r) -> api::Result {
    TARN_TRY(b, fields_of<VersionBody>(r));
    return answer(m.remove_version(r.context, b.name, b.version));
  }));
  out.push_back(row(Method::GET, "/model-versions/get", [&m](const Request& r) -> api::Result {
    TARN_TRY(b, fields_of<VersionBody>(r));
    return answer_as("model_version", m.version(r.context, b.name, b.version));
  }));
  out.push_back(row(Method::GET, "/model-versions/search", [&m](const Request& r) -> api::Result {
    TARN_TRY(name, named_in(text(r, "filter")));
    const std::string listing = "model-versions " + name;
    TARN_TRY(page, page_request(r, listing, 10'000));
    const auto found = m.versions(r.context, name, page);
    if (!found) return fail(wire(found.error()));
    json::object body;
    json::array list;
    for (const auto& x : found->items) list.push_back(shown(x));
    if (!list.empty()) body["model_versions"] = std::move(list);
    if (!found->next.empty()) body["next_page_token"] = api::page_token(listing, found->next);
    return api::ok(json::value(std::move(body)));
  }));
  out.push_back(row(Method::POST, "/model-versions/generate-temporary-credentials", [&m](const Request& r) -> api::Result {
    TARN_TRY(b, api::body_of<CredentialBody>(r));
    const auto c = m.credentials(r.context, b.name, b.version,
                                 b.operation == MlflowOperation::MODEL_VERSION_OPERATION_READ ? VersionOperation::READ_MODEL_VERSION
                                                                                              : VersionOperation::READ_WRITE_MODEL_VERSION);
    if (!c) return fail(wire(c.error()));
    return api::ok(json::value(json::object{{"credentials", json::object{{"aws_temp_credentials", json::encode(*c->aws_temp_credentials)},
                                                                         {"expiration_time", c->expiration_time},
                                                                         {"storage_mode", "CUSTOMER_HOSTED"}}}}));
  }));
  out.push_back(row(Method::GET, "/model-versions/get-download-uri", [&m](const Request& r) -> api::Result {
    TARN_TRY(b, fields_of<VersionBody>(r));
    const auto v = m.version(r.context, b.name, b.version);
    if (!v) return fail(wire(v.error()));
    return api::ok(json::value(json::object{{"artifact_uri", v->storage_location}}));
  }));
  out.push_back(row(Method::POST, "/model-versions/finalize", [&m](const Request& r) -> api::Result {
    TARN_TRY(b, api::body_of<VersionBody>(r));
    return answer_as("model_version", m.finalize(r.context, b.name, b.version));
  }));
  out.push_back(row(Method::POST, "/model-versions/set-tag", [&m](const Request& r) -> api::Result {
    TARN_TRY(b, api::body_of<SetVersionTagBody>(r));
    return answer(m.set_version_tags(r.context, b.name, b.version, {{b.key, b.value}}, {}));
  }));
  out.push_back(row(Method::DELETE, "/model-versions/delete-tag", [&m](const Request& r) -> api::Result {
    TARN_TRY(b, fields_of<VersionTagKeyBody>(r));
    return answer(m.set_version_tags(r.context, b.name, b.version, {}, {b.key}));
  }));
}

}  // namespace

void add_registry_routes(std::vector<api::Route>& out, UnityCatalog& uc) {
  add_models(out, uc.models());
  add_versions(out, uc.models());
}

}  // namespace tarn::catalog
