// Logged models: /api/2.0/mlflow/logged-models.
#include "ml/routes.h"

namespace tarn::ml {
namespace {

using api::Method;
using api::Request;

struct CreateBody {
  std::string experiment_id;
  std::optional<std::string> name, model_type, source_run_id;
  std::vector<KeyValue> params, tags;
};
BOOST_DESCRIBE_STRUCT(CreateBody, (), (experiment_id, name, model_type, source_run_id, params, tags))
struct FinalizeBody {
  LoggedModelStatus status = LoggedModelStatus::LOGGED_MODEL_PENDING;
};
BOOST_DESCRIBE_STRUCT(FinalizeBody, (), (status))
struct TagsBody {
  std::vector<KeyValue> tags;
};
BOOST_DESCRIBE_STRUCT(TagsBody, (), (tags))
struct ParamsBody {
  std::vector<KeyValue> params;
};
BOOST_DESCRIBE_STRUCT(ParamsBody, (), (params))
struct DatasetBody {
  std::string dataset_name;
  std::optional<std::string> dataset_digest;
};
BOOST_DESCRIBE_STRUCT(DatasetBody, (), (dataset_name, dataset_digest))
struct OrderBody {
  std::string field_name;
  std::optional<bool> ascending;
  std::optional<std::string> dataset_name, dataset_digest;
};
BOOST_DESCRIBE_STRUCT(OrderBody, (), (field_name, ascending, dataset_name, dataset_digest))
struct SearchBody {
  std::vector<std::string> experiment_ids;
  std::optional<std::string> filter, page_token;
  std::vector<DatasetBody> datasets;
  std::vector<OrderBody> order_by;
  std::optional<std::int64_t> max_results;
};
BOOST_DESCRIBE_STRUCT(SearchBody, (), (experiment_ids, filter, page_token, datasets, order_by, max_results))
struct PathsBody {
  std::vector<std::string> paths;
};
BOOST_DESCRIBE_STRUCT(PathsBody, (), (paths))

api::Result model_answer(const Result<LoggedModel>& m) {
  if (!m) return fail(wire(m.error()));
  return api::ok(json::value(json::object{{"model", encoded(*m)}}));
}

}  // namespace

void add_logged_model_routes(std::vector<api::Route>& out, LoggedModels& models, Artifacts& artifacts) {
  const std::string g = "logged-models", one = "/logged-models/{model_id}";
  out.push_back(mlflow_row(Method::POST, "/logged-models", g, [&models](const Request& r) -> api::Result {
    TARN_TRY(b, api::body_of<CreateBody>(r));
    return model_answer(models.create(r.context, {.experiment_id = b.experiment_id,
                                                  .name = b.name.value_or(""),
                                                  .model_type = b.model_type,
                                                  .source_run_id = b.source_run_id,
                                                  .params = b.params,
                                                  .tags = b.tags}));
  }));
  out.push_back(mlflow_row(Method::GET, one, g, [&models](const Request& r) { return model_answer(models.get(r.context, r.capture("model_id"))); }));
  out.push_back(mlflow_row(Method::PATCH, one, g, [&models](const Request& r) -> api::Result {
    TARN_TRY(b, api::body_of<FinalizeBody>(r));
    return model_answer(models.finalize(r.context, r.capture("model_id"), b.status));
  }));
  out.push_back(mlflow_row(Method::DELETE, one, g, [&models](const Request& r) { return answer(models.remove(r.context, r.capture("model_id"))); }));
  out.push_back(mlflow_row(Method::POST, one + "/params", g, [&models](const Request& r) -> api::Result {
    TARN_TRY(b, api::body_of<ParamsBody>(r));
    return answer(models.log_params(r.context, r.capture("model_id"), b.params));
  }));
  out.push_back(mlflow_row(Method::PATCH, one + "/tags", g, [&models](const Request& r) -> api::Result {
    TARN_TRY(b, api::body_of<TagsBody>(r));
    return model_answer(models.set_tags(r.context, r.capture("model_id"), b.tags));
  }));
  out.push_back(mlflow_row(Method::DELETE, one + "/tags/{tag_key}", g, [&models](const Request& r) {
    return answer(models.delete_tag(r.context, r.capture("model_id"), r.capture("tag_key")));
  }));
  out.push_back(mlflow_row(Method::POST, "/logged-models/search", g, [&models](const Request& r) -> api::Result {
    TARN_TRY(b, api::body_of<SearchBody>(r));
    LoggedModels::Search s{.experiment_ids = std::move(b.experiment_ids), .filter = b.filter.value_or("")};
    for (const auto& d : b.datasets) s.datasets.push_back({d.dataset_name, d.dataset_digest.value_or("")});
    for (const auto& o : b.order_by)
      s.order_by.push_back({o.field_name, o.dataset_name.value_or(""), o.dataset_digest.value_or(""), o.ascending.value_or(true)});
    TARN_TRY(limit, page_size(b.max_results, 50, 1000));
    s.limit = limit;
    TARN_TRY(after, api::page_after("logged-models", b.page_token && !b.page_token->empty() ? b.page_token : std::nullopt));
    s.after = after;
    const auto page = models.search(r.context, s);
    if (!page) return fail(wire(page.error()));
    json::object body;
    if (!page->items.empty()) {
      json::array list;
      for (const auto& m : page->items) list.push_back(encoded(m));
      body["models"] = std::move(list);
    }
    if (!page->next.empty()) body["next_page_token"] = api::page_token("logged-models", page->next);
    return api::ok(json::value(std::move(body)));
  }));
  out.push_back(mlflow_row(Method::GET, one + "/artifacts/directories", g, [&artifacts](const Request& r) -> api::Result {
    const std::string path = text(r, "artifact_directory_path"), listing = "model-artifacts " + r.capture("model_id") + " " + path;
    const auto token = r.param("page_token");
    TARN_TRY(after, api::page_after(listing, token && !token->empty() ? token : std::nullopt));
    const auto found = artifacts.list_model(r.context, r.capture("model_id"), path, after);
    if (!found) return fail(wire(found.error()));
    json::object body{{"root_uri", found->root_uri}};
    if (!found->files.empty()) body["files"] = json::encode(found->files);
    if (!found->next.empty()) body["next_page_token"] = api::page_token(listing, found->next);
    return api::ok(json::value(std::move(body)));
  }));
  for (const bool write : {false, true})
    out.push_back(mlflow_row(Method::POST, one + (write ? "/artifacts/credentials-for-upload" : "/artifacts/credentials-for-download"), g,
                             [&artifacts, write](const Request& r) -> api::Result {
                               TARN_TRY(b, api::body_of<PathsBody>(r));
                               const std::string id = r.capture("model_id");
                               const auto found = artifacts.for_model(r.context, id, b.paths, write);
                               if (!found) return fail(wire(found.error()));
                               json::array list;
                               for (const auto& c : *found) list.push_back(json::object{{"model_id", id}, {"credential_info", json::encode(c)}});
                               return api::ok(json::value(json::object{{"credentials", std::move(list)}}));
                             }));
}

}  // namespace tarn::ml
