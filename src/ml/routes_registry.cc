// The workspace's model registry: /api/2.0/mlflow/registered-models, model-versions, transition-requests.
#include "ml/registry.h"
#include "ml/routes.h"

namespace tarn::ml {
namespace {

using api::Method;
using api::Request;

struct NameBody {
  std::string name;
};
BOOST_DESCRIBE_STRUCT(NameBody, (), (name))
struct ModelBody : NameBody {
  std::optional<std::string> description;
  std::vector<KeyValue> tags;
};
BOOST_DESCRIBE_STRUCT(ModelBody, (NameBody), (description, tags))
struct RenameBody : NameBody {
  std::string new_name;
};
BOOST_DESCRIBE_STRUCT(RenameBody, (NameBody), (new_name))
struct PairBody : NameBody, KeyValue {};
BOOST_DESCRIBE_STRUCT(PairBody, (NameBody, KeyValue), ())
struct KeyBody : NameBody {
  std::string key;
};
BOOST_DESCRIBE_STRUCT(KeyBody, (NameBody), (key))
struct StagesBody : NameBody {
  std::vector<std::string> stages;
};
BOOST_DESCRIBE_STRUCT(StagesBody, (NameBody), (stages))
struct NewVersionBody : NameBody {
  std::string source;
  std::optional<std::string> run_id, run_link, description, model_id;
  std::vector<KeyValue> tags;
};
BOOST_DESCRIBE_STRUCT(NewVersionBody, (NameBody), (source, run_id, run_link, description, model_id, tags))
struct VersionBody : NameBody {
  std::int64_t version = 0;
};
BOOST_DESCRIBE_STRUCT(VersionBody, (NameBody), (version))
struct UpdateVersionBody : VersionBody {
  std::optional<std::string> description;
};
BOOST_DESCRIBE_STRUCT(UpdateVersionBody, (VersionBody), (description))
struct VersionPairBody : VersionBody, KeyValue {};
BOOST_DESCRIBE_STRUCT(VersionPairBody, (VersionBody, KeyValue), ())
struct VersionKeyBody : VersionBody {
  std::string key;
};
BOOST_DESCRIBE_STRUCT(VersionKeyBody, (VersionBody), (key))
struct StageBody : VersionBody {
  std::string stage;
  std::optional<bool> archive_existing_versions;
  std::optional<std::string> comment;
};
BOOST_DESCRIBE_STRUCT(StageBody, (VersionBody), (stage, archive_existing_versions, comment))

json::object shown(const ModelVersion& v) {
  json::object o{{"name", v.name},
                 {"version", std::to_string(v.version)},
                 {"creation_timestamp", v.creation_timestamp},
                 {"last_updated_timestamp", v.last_updated_timestamp},
                 {"user_id", v.user_id},
                 {"current_stage", json::name_of(v.current_stage)},
                 {"source", v.source},
                 {"status", "READY"}};
  const auto add = [&](const char* name, const std::optional<std::string>& value) {
    if (value) o[name] = *value;
  };
  add("description", v.description);
  add("run_id", v.run_id);
  add("run_link", v.run_link);
  add("model_id", v.logged_model_id);
  if (!v.tags.empty()) o["tags"] = json::encode(v.tags);
  return o;
}

/// The Databricks form of a version differs in its permission and request fields only.
json::object shown(const ModelWithVersions& m) {
  json::object o{{"name", m.model.name},
                 {"creation_timestamp", m.model.creation_timestamp},
                 {"last_updated_timestamp", m.model.last_updated_timestamp},
                 {"user_id", m.model.user_id}};
  if (m.model.description) o["description"] = *m.model.description;
  if (!m.model.tags.empty()) o["tags"] = json::encode(m.model.tags);
  json::array latest;
  for (const auto& v : m.latest) latest.push_back(shown(v));
  if (!latest.empty()) o["latest_versions"] = std::move(latest);
  return o;
}

json::object shown(const TransitionRequest& r) {
  json::object o{{"creation_timestamp", r.creation_timestamp},
                 {"user_id", r.user_id},
                 {"activity_type", "REQUESTED_TRANSITION"},
                 {"to_stage", json::name_of(r.to_stage)}};
  if (r.comment) o["comment"] = *r.comment;
  return o;
}

template <class T>
api::Result shown_as(const char* field, const Result<T>& r) {
  if (!r) return fail(wire(r.error()));
  return api::ok(json::value(json::object{{field, shown(*r)}}));
}
template <class T>
api::Result list_as(const char* field, const Result<std::vector<T>>& r) {
  if (!r) return fail(wire(r.error()));
  json::array list;
  for (const auto& x : *r) list.push_back(shown(x));
  json::object body;
  if (!list.empty()) body[field] = std::move(list);
  return api::ok(json::value(std::move(body)));
}
template <class T>
api::Result page_as(const char* field, const std::string& listing, const Result<Page<T>>& page) {
  if (!page) return fail(wire(page.error()));
  json::object body;
  json::array list;
  for (const auto& x : page->items) list.push_back(shown(x));
  if (!list.empty()) body[field] = std::move(list);
  if (!page->next.empty()) body["next_page_token"] = api::page_token(listing, page->next);
  return api::ok(json::value(std::move(body)));
}

/// DELETEs come with a body from MLflow's client and the provider, as a query from others.
template <class T>
Expected<T, api::WireError> fields_of(const Request& r) {
  if (!r.body.empty()) return api::body_of<T>(r);
  json::object o;
  for (const auto& [name, value] : r.query) o[name] = value;
  auto out = json::decode<T>(o);
  if (!out) return fail(api::bad_request(out.error().message()));
  return *std::move(out);
}

Expected<std::string, api::WireError> token_of(const Request& r, const std::string& listing) {
  const auto token = r.param("page_token");
  return api::page_after(listing, token && !token->empty() ? token : std::nullopt);
}

void add_models(std::vector<api::Route>& out, Registry& x) {
  const std::string g = "workspace-model-registry";
  out.push_back(mlflow_row(Method::POST, "/registered-models/create", g, [&x](const Request& r) -> api::Result {
    TARN_TRY(b, api::body_of<ModelBody>(r));
    return shown_as("registered_model", x.create(r.context, b.name, b.description, b.tags));
  }));
  out.push_back(mlflow_row(Method::GET, "/registered-models/get", g, [&x](const Request& r) -> api::Result {
    TARN_TRY(name, required(r, "name"));
    return shown_as("registered_model", x.get(r.context, name));
  }));
  out.push_back(mlflow_row(Method::GET, "/databricks/registered-models/get", g, [&x](const Request& r) -> api::Result {
    TARN_TRY(name, required(r, "name"));
    const auto m = x.get(r.context, name);
    if (!m) return fail(wire(m.error()));
    json::object o = shown(*m);
    o["id"] = m->model.id;
    o["permission_level"] = m->permission_level;
    return api::ok(json::value(json::object{{"registered_model_databricks", std::move(o)}}));
  }));
  for (const char* path : {"/registered-models/list", "/registered-models/search"})
    out.push_back(mlflow_row(Method::GET, path, g, [&x](const Request& r) -> api::Result {
      TARN_TRY(asked, number(r, "max_results"));
      TARN_TRY(limit, page_size(asked, 100, 1000));
      TARN_TRY(after, token_of(r, "workspace-models"));
      return page_as("registered_models", "workspace-models", x.search(r.context, text(r, "filter"), every(r, "order_by"), limit, after));
    }));
  out.push_back(mlflow_row(Method::PATCH, "/registered-models/update", g, [&x](const Request& r) -> api::Result {
    TARN_TRY(b, api::body_of<ModelBody>(r));
    return shown_as("registered_model", x.update(r.context, b.name, b.description));
  }));
  out.push_back(mlflow_row(Method::POST, "/registered-models/rename", g, [&x](const Request& r) -> api::Result {
    TARN_TRY(b, api::body_of<RenameBody>(r));
    return shown_as("registered_model", x.rename(r.context, b.name, b.new_name));
  }));
  out.push_back(mlflow_row(Method::DELETE, "/registered-models/delete", g, [&x](const Request& r) -> api::Result {
    TARN_TRY(b, fields_of<NameBody>(r));
    return answer(x.remove(r.context, b.name));
  }));
  out.push_back(mlflow_row(Method::POST, "/registered-models/set-tag", g, [&x](const Request& r) -> api::Result {
    TARN_TRY(b, api::body_of<PairBody>(r));
    return answer(x.set_tag(r.context, b.name, b.key, b.value));
  }));
  out.push_back(mlflow_row(Method::DELETE, "/registered-models/delete-tag", g, [&x](const Request& r) -> api::Result {
    TARN_TRY(b, fields_of<KeyBody>(r));
    return answer(x.set_tag(r.context, b.name, b.key, std::nullopt));
  }));
  out.push_back(mlflow_row(Method::POST, "/registered-models/get-latest-versions", g, [&x](const Request& r) -> api::Result {
    TARN_TRY(b, api::body_of<StagesBody>(r));
    return list_as("model_versions", x.latest_versions(r.context, b.name, b.stages));
  }));
  out.push_back(mlflow_row(Method::GET, "/registered-models/get-latest-versions", g, [&x](const Request& r) -> api::Result {
    TARN_TRY(name, required(r, "name"));
    return list_as("model_versions", x.latest_versions(r.context, name, every(r, "stages")));
  }));
}

void add_versions(std::vector<api::Route>& out, Registry& x) {
  const std::string g = "workspace-model-registry";
  out.push_back(mlflow_row(Method::POST, "/model-versions/create", g, [&x](const Request& r) -> api::Result {
    TARN_TRY(b, api::body_of<NewVersionBody>(r));
    return shown_as("model_version", x.create_version(r.context, {.name = b.name,
                                                                  .source = b.source,
                                                                  .run_id = b.run_id,
                                                                  .run_link = b.run_link,
                                                                  .description = b.description,
                                                                  .logged_model_id = b.model_id,
                                                                  .tags = b.tags}));
  }));
  out.push_back(mlflow_row(Method::GET, "/model-versions/get", g, [&x](const Request& r) -> api::Result {
    TARN_TRY(b, fields_of<VersionBody>(r));
    return shown_as("model_version", x.version(r.context, b.name, b.version));
  }));
  out.push_back(mlflow_row(Method::GET, "/model-versions/get-download-uri", g, [&x](const Request& r) -> api::Result {
    TARN_TRY(b, fields_of<VersionBody>(r));
    const auto v = x.version(r.context, b.name, b.version);
    if (!v) return fail(wire(v.error()));
    return api::ok(json::value(json::object{{"artifact_uri", v->source}}));
  }));
  out.push_back(mlflow_row(Method::GET, "/model-versions/search", g, [&x](const Request& r) -> api::Result {
    TARN_TRY(asked, number(r, "max_results"));
    TARN_TRY(limit, page_size(asked, 10'000, 10'000));
    TARN_TRY(after, token_of(r, "workspace-versions"));
    return page_as("model_versions", "workspace-versions", x.search_versions(r.context, text(r, "filter"), limit, after));
  }));
  out.push_back(mlflow_row(Method::PATCH, "/model-versions/update", g, [&x](const Request& r) -> api::Result {
    TARN_TRY(b, api::body_of<UpdateVersionBody>(r));
    return shown_as("model_version", x.update_version(r.context, b.name, b.version, b.description));
  }));
  out.push_back(mlflow_row(Method::DELETE, "/model-versions/delete", g, [&x](const Request& r) -> api::Result {
    TARN_TRY(b, fields_of<VersionBody>(r));
    return answer(x.remove_version(r.context, b.name, b.version));
  }));
  out.push_back(mlflow_row(Method::POST, "/model-versions/set-tag", g, [&x](const Request& r) -> api::Result {
    TARN_TRY(b, api::body_of<VersionPairBody>(r));
    return answer(x.set_version_tag(r.context, b.name, b.version, b.key, b.value));
  }));
  out.push_back(mlflow_row(Method::DELETE, "/model-versions/delete-tag", g, [&x](const Request& r) -> api::Result {
    TARN_TRY(b, fields_of<VersionKeyBody>(r));
    return answer(x.set_version_tag(r.context, b.name, b.version, b.key, std::nullopt));
  }));
  out.push_back(mlflow_row(Method::POST, "/model-versions/transition-stage", g, [&x](const Request& r) -> api::Result {
    TARN_TRY(b, api::body_of<StageBody>(r));
    return shown_as("model_version", x.transition(r.context, b.name, b.version, b.stage, b.archive_existing_versions.value_or(false)));
  }));
  out.push_back(mlflow_row(Method::POST, "/databricks/model-versions/transition-stage", g, [&x](const Request& r) -> api::Result {
    TARN_TRY(b, api::body_of<StageBody>(r));
    return shown_as("model_version_databricks", x.transition(r.context, b.name, b.version, b.stage, b.archive_existing_versions.value_or(false)));
  }));
}

void add_transitions(std::vector<api::Route>& out, Registry& x) {
  const std::string g = "workspace-model-registry";
  out.push_back(mlflow_row(Method::POST, "/transition-requests/create", g, [&x](const Request& r) -> api::Result {
    TARN_TRY(b, api::body_of<StageBody>(r));
    return shown_as("request", x.request(r.context, b.name, b.version, b.stage, b.comment));
  }));
  out.push_back(mlflow_row(Method::GET, "/transition-requests/list", g, [&x](const Request& r) -> api::Result {
    TARN_TRY(b, fields_of<VersionBody>(r));
    return list_as("requests", x.requests(r.context, b.name, b.version));
  }));
  for (const bool approve : {true, false})
    out.push_back(mlflow_row(
        Method::POST, approve ? "/transition-requests/approve" : "/transition-requests/reject", g, [&x, approve](const Request& r) -> api::Result {
          TARN_TRY(b, api::body_of<StageBody>(r));
          const auto v = x.decide(r.context, b.name, b.version, b.stage, approve, b.archive_existing_versions.value_or(false));
          if (!v) return fail(wire(v.error()));
          return api::ok(json::value(json::object{{"activity", json::object{{"activity_type", approve ? "APPROVED_REQUEST" : "REJECTED_REQUEST"},
                                                                            {"creation_timestamp", v->last_updated_timestamp},
                                                                            {"user_id", r.caller().name},
                                                                            {"to_stage", b.stage}}}}));
        }));
  out.push_back(mlflow_row(Method::DELETE, "/transition-requests/delete", g, [&x](const Request& r) -> api::Result {
    TARN_TRY(version, required(r, "version"));
    TARN_TRY(n, api::integer("version", version));
    TARN_TRY(name, required(r, "name"));
    TARN_TRY(stage, required(r, "stage"));
    TARN_TRY(creator, required(r, "creator"));
    return answer(x.withdraw(r.context, name, n, stage, creator));
  }));
  // What a version of this registry does not have, and the vendor's answer where a workspace does not either.
  for (const auto& [method, path] : std::vector<std::pair<Method, std::string>>{{Method::POST, "/registry-webhooks/create"},
                                                                                {Method::GET, "/registry-webhooks/list"},
                                                                                {Method::PATCH, "/registry-webhooks/update"},
                                                                                {Method::DELETE, "/registry-webhooks/delete"},
                                                                                {Method::POST, "/registry-webhooks/test"}})
    out.push_back(mlflow_row(method, path, g, [](const Request&) -> api::Result { return fail(api::not_enabled("Model registry webhooks")); }));
  for (const auto& [method, path] : std::vector<std::pair<Method, std::string>>{
           {Method::POST, "/comments/create"}, {Method::PATCH, "/comments/update"}, {Method::DELETE, "/comments/delete"}})
    out.push_back(mlflow_row(method, path, g, [](const Request&) -> api::Result { return fail(api::not_enabled("Comments on model versions")); }));
}

}  // namespace

void add_registry_routes(std::vector<api::Route>& out, Registry& registry) {
  add_models(out, registry);
  add_versions(out, registry);
  add_transitions(out, registry);
}

}  // namespace tarn::ml
