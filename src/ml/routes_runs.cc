// Runs, what they log, and their files.
#include "ml/routes.h"

namespace tarn::ml {
namespace {

using api::Method;
using api::Request;

/// Older clients say run_uuid.
struct RunBody {
  std::optional<std::string> run_id, run_uuid;
  std::string id() const { return run_id && !run_id->empty() ? *run_id : run_uuid.value_or(""); }
};
BOOST_DESCRIBE_STRUCT(RunBody, (), (run_id, run_uuid))

struct CreateBody {
  std::optional<std::string> experiment_id, user_id, run_name;
  std::optional<std::int64_t> start_time;
  std::vector<KeyValue> tags;
};
BOOST_DESCRIBE_STRUCT(CreateBody, (), (experiment_id, user_id, run_name, start_time, tags))
struct UpdateBody : RunBody {
  std::optional<RunStatus> status;
  std::optional<std::int64_t> end_time;
  std::optional<std::string> run_name;
};
BOOST_DESCRIBE_STRUCT(UpdateBody, (RunBody), (status, end_time, run_name))
struct MetricOfRun : RunBody, MetricBody {};
BOOST_DESCRIBE_STRUCT(MetricOfRun, (RunBody, MetricBody), ())
struct PairOfRun : RunBody, KeyValue {};
BOOST_DESCRIBE_STRUCT(PairOfRun, (RunBody, KeyValue), ())
struct KeyOfRun : RunBody {
  std::string key;
};
BOOST_DESCRIBE_STRUCT(KeyOfRun, (RunBody), (key))
struct BatchBody : RunBody {
  std::vector<MetricBody> metrics;
  std::vector<KeyValue> params, tags;
};
BOOST_DESCRIBE_STRUCT(BatchBody, (RunBody), (metrics, params, tags))
struct InputsBody : RunBody {
  std::vector<DatasetInput> datasets;
  std::vector<ModelInput> models;
};
BOOST_DESCRIBE_STRUCT(InputsBody, (RunBody), (datasets, models))
struct OutputBody {
  std::string model_id;
  std::optional<std::int64_t> step;
};
BOOST_DESCRIBE_STRUCT(OutputBody, (), (model_id, step))
struct OutputsBody : RunBody {
  std::vector<OutputBody> models;
};
BOOST_DESCRIBE_STRUCT(OutputsBody, (RunBody), (models))
struct ModelBody : RunBody {
  std::string model_json;
};
BOOST_DESCRIBE_STRUCT(ModelBody, (RunBody), (model_json))
struct SearchBody {
  std::vector<std::string> experiment_ids, order_by;
  std::optional<std::string> filter, run_view_type, page_token;
  std::optional<std::int64_t> max_results;
};
BOOST_DESCRIBE_STRUCT(SearchBody, (), (experiment_ids, order_by, filter, run_view_type, page_token, max_results))
struct DeleteRunsBody {
  std::string experiment_id;
  std::int64_t max_timestamp_millis = 0;
  std::optional<std::int64_t> max_runs;
};
BOOST_DESCRIBE_STRUCT(DeleteRunsBody, (), (experiment_id, max_timestamp_millis, max_runs))
struct RestoreRunsBody {
  std::string experiment_id;
  std::int64_t min_timestamp_millis = 0;
  std::optional<std::int64_t> max_runs;
};
BOOST_DESCRIBE_STRUCT(RestoreRunsBody, (), (experiment_id, min_timestamp_millis, max_runs))
struct CredentialsBody {
  std::string run_id;
  std::vector<std::string> path;
};
BOOST_DESCRIBE_STRUCT(CredentialsBody, (), (run_id, path))

api::Result run_answer(const Result<Run>& run) {
  if (!run) return fail(wire(run.error()));
  return api::ok(json::value(json::object{{"run", encoded(*run)}}));
}

json::array encoded_all(const std::vector<Metric>& metrics) {
  json::array out;
  for (const auto& m : metrics) out.push_back(encoded(m));
  return out;
}

Expected<std::string, api::WireError> run_id_of(const Request& r) {
  if (auto id = text(r, "run_id"); !id.empty()) return id;
  if (auto id = text(r, "run_uuid"); !id.empty()) return id;
  return fail(api::bad_request("Missing value for required parameter 'run_id'."));
}

void add_logging(std::vector<api::Route>& out, Runs& runs) {
  const std::string g = "runs";
  out.push_back(mlflow_row(Method::POST, "/runs/log-metric", g, [&runs](const Request& r) -> api::Result {
    TARN_TRY(b, api::body_of<MetricOfRun>(r));
    TARN_TRY(m, decoded(b, FieldPath("")));
    return answer(runs.log(r.context, b.id(), {.metrics = {std::move(m)}}));
  }));
  out.push_back(mlflow_row(Method::POST, "/runs/log-parameter", g, [&runs](const Request& r) -> api::Result {
    TARN_TRY(b, api::body_of<PairOfRun>(r));
    return answer(runs.log(r.context, b.id(), {.params = {{b.key, b.value}}}));
  }));
  out.push_back(mlflow_row(Method::POST, "/runs/set-tag", g, [&runs](const Request& r) -> api::Result {
    TARN_TRY(b, api::body_of<PairOfRun>(r));
    return answer(runs.log(r.context, b.id(), {.tags = {{b.key, b.value}}}));
  }));
  out.push_back(mlflow_row(Method::POST, "/runs/delete-tag", g, [&runs](const Request& r) -> api::Result {
    TARN_TRY(b, api::body_of<KeyOfRun>(r));
    return answer(runs.delete_tag(r.context, b.id(), b.key));
  }));
  out.push_back(mlflow_row(Method::POST, "/runs/log-batch", g, [&runs](const Request& r) -> api::Result {
    if (r.body.size() > 1'000'000)
      return fail(api::bad_request(fmt::format("Batched logging API requests must be at most 1000000 bytes, got {} bytes.", r.body.size())));
    TARN_TRY(b, api::body_of<BatchBody>(r));
    Batch batch{.params = std::move(b.params), .tags = std::move(b.tags)};
    batch.metrics.reserve(b.metrics.size());
    for (std::size_t i = 0; i < b.metrics.size(); ++i) {
      TARN_TRY(m, decoded(b.metrics[i], {"metrics", i}));
      batch.metrics.push_back(std::move(m));
    }
    return answer(runs.log(r.context, b.id(), batch));
  }));
  out.push_back(mlflow_row(Method::POST, "/runs/log-inputs", g, [&runs](const Request& r) -> api::Result {
    TARN_TRY(b, api::body_of<InputsBody>(r));
    return answer(runs.log_inputs(r.context, b.id(), b.datasets, b.models));
  }));
  out.push_back(mlflow_row(Method::POST, "/runs/outputs", g, [&runs](const Request& r) -> api::Result {
    TARN_TRY(b, api::body_of<OutputsBody>(r));
    std::vector<ModelOutput> models;
    for (const auto& m : b.models) models.push_back({m.model_id, m.step.value_or(0)});
    return answer(runs.log_outputs(r.context, b.id(), models));
  }));
  out.push_back(mlflow_row(Method::POST, "/runs/log-model", g, [&runs](const Request& r) -> api::Result {
    TARN_TRY(b, api::body_of<ModelBody>(r));
    return answer(runs.log_model(r.context, b.id(), b.model_json));
  }));
}

void add_history(std::vector<api::Route>& out, Runs& runs) {
  out.push_back(mlflow_row(Method::GET, "/metrics/get-history", "runs", [&runs](const Request& r) -> api::Result {
    TARN_TRY(id, run_id_of(r));
    TARN_TRY(key, required(r, "metric_key"));
    TARN_TRY(asked, number(r, "max_results"));
    TARN_TRY(limit, page_size(asked, 25'000, 25'000));
    const std::string listing = "history " + id + " " + key;
    const auto token = r.param("page_token");
    TARN_TRY(after, api::page_after(listing, token && !token->empty() ? token : std::nullopt));
    const auto page = runs.history(r.context, id, key, limit, after);
    if (!page) return fail(wire(page.error()));
    json::object body;
    if (!page->items.empty()) body["metrics"] = encoded_all(page->items);
    if (!page->next.empty()) body["next_page_token"] = api::page_token(listing, page->next);
    return api::ok(json::value(std::move(body)));
  }));
  out.push_back(mlflow_row(Method::GET, "/metrics/get-history-bulk-interval", "runs", [&runs](const Request& r) -> api::Result {
    TARN_TRY(key, required(r, "metric_key"));
    TARN_TRY(asked, number(r, "max_results"));
    TARN_TRY(limit, page_size(asked, 320, 2500));
    TARN_TRY(from, number(r, "start_step"));
    TARN_TRY(until, number(r, "end_step"));
    auto ids = every(r, "run_ids");
    if (ids.empty()) ids = every(r, "run_id");
    const auto metrics = runs.sampled_history(r.context, ids, key, from, until, limit);
    if (!metrics) return fail(wire(metrics.error()));
    json::object body;
    if (!metrics->empty()) body["metrics"] = encoded_all(*metrics);
    return api::ok(json::value(std::move(body)));
  }));
}

void add_artifacts(std::vector<api::Route>& out, Artifacts& artifacts) {
  for (const bool write : {false, true})
    out.push_back(mlflow_row(Method::POST, write ? "/artifacts/credentials-for-write" : "/artifacts/credentials-for-read", "artifacts",
                             [&artifacts, write](const Request& r) -> api::Result {
                               TARN_TRY(b, api::body_of<CredentialsBody>(r));
                               return answer_as("credential_infos", artifacts.for_run(r.context, b.run_id, b.path, write));
                             }));
  out.push_back(mlflow_row(Method::GET, "/artifacts/list", "artifacts", [&artifacts](const Request& r) -> api::Result {
    TARN_TRY(id, run_id_of(r));
    const std::string path = text(r, "path"), listing = "artifacts " + id + " " + path;
    const auto token = r.param("page_token");
    TARN_TRY(after, api::page_after(listing, token && !token->empty() ? token : std::nullopt));
    const auto found = artifacts.list_run(r.context, id, path, after);
    if (!found) return fail(wire(found.error()));
    json::object body{{"root_uri", found->root_uri}};
    if (!found->files.empty()) body["files"] = json::encode(found->files);
    if (!found->next.empty()) body["next_page_token"] = api::page_token(listing, found->next);
    return api::ok(json::value(std::move(body)));
  }));
}

}  // namespace

void add_run_routes(std::vector<api::Route>& out, Runs& runs, Artifacts& artifacts) {
  const std::string g = "runs";
  out.push_back(mlflow_row(Method::POST, "/runs/create", g, [&runs](const Request& r) -> api::Result {
    TARN_TRY(b, api::body_of<CreateBody>(r));
    return run_answer(runs.create(r.context, {.experiment_id = b.experiment_id.value_or(""),
                                              .user_id = b.user_id.value_or(""),
                                              .run_name = b.run_name.value_or(""),
                                              .start_time = b.start_time,
                                              .tags = std::move(b.tags)}));
  }));
  out.push_back(mlflow_row(Method::GET, "/runs/get", g, [&runs](const Request& r) -> api::Result {
    TARN_TRY(id, run_id_of(r));
    return run_answer(runs.get(r.context, id));
  }));
  out.push_back(mlflow_row(Method::POST, "/runs/update", g, [&runs](const Request& r) -> api::Result {
    TARN_TRY(b, api::body_of<UpdateBody>(r));
    return answer_as("run_info", runs.update(r.context, b.id(), {b.status, b.end_time, b.run_name}));
  }));
  for (const bool deleted : {true, false})
    out.push_back(mlflow_row(Method::POST, deleted ? "/runs/delete" : "/runs/restore", g, [&runs, deleted](const Request& r) -> api::Result {
      TARN_TRY(b, api::body_of<RunBody>(r));
      return answer(runs.set_deleted(r.context, b.id(), deleted));
    }));
  out.push_back(mlflow_row(Method::POST, "/databricks/runs/delete-runs", g, [&runs](const Request& r) -> api::Result {
    TARN_TRY(b, api::body_of<DeleteRunsBody>(r));
    return answer_as("runs_deleted", runs.set_deleted_by_time(r.context, b.experiment_id, true, b.max_timestamp_millis, b.max_runs.value_or(10'000)));
  }));
  out.push_back(mlflow_row(Method::POST, "/databricks/runs/restore-runs", g, [&runs](const Request& r) -> api::Result {
    TARN_TRY(b, api::body_of<RestoreRunsBody>(r));
    return answer_as("runs_restored",
                     runs.set_deleted_by_time(r.context, b.experiment_id, false, b.min_timestamp_millis, b.max_runs.value_or(10'000)));
  }));
  out.push_back(mlflow_row(Method::POST, "/runs/search", g, [&runs](const Request& r) -> api::Result {
    TARN_TRY(b, api::body_of<SearchBody>(r));
    Runs::Search s{.experiment_ids = std::move(b.experiment_ids), .order_by = std::move(b.order_by), .filter = b.filter.value_or("")};
    TARN_TRY(view, view_type(b.run_view_type));
    s.view = view;
    TARN_TRY(limit, page_size(b.max_results, 1000, 50'000));
    s.limit = limit;
    TARN_TRY(after, api::page_after("runs", b.page_token && !b.page_token->empty() ? b.page_token : std::nullopt));
    s.after = after;
    const auto page = runs.search(r.context, s);
    if (!page) return fail(wire(page.error()));
    json::object body;
    if (!page->items.empty()) {
      json::array list;
      for (const auto& run : page->items) list.push_back(encoded(run));
      body["runs"] = std::move(list);
    }
    if (!page->next.empty()) body["next_page_token"] = api::page_token("runs", page->next);
    return api::ok(json::value(std::move(body)));
  }));
  add_logging(out, runs);
  add_history(out, runs);
  add_artifacts(out, artifacts);
}

}  // namespace tarn::ml
