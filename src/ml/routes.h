#pragma once
// /api/2.0/mlflow over HTTP, and the one mapping from this room's errors to the wire.
#include "api/answers.h"
#include "ml/artifacts.h"
#include "ml/checks.h"
#include "ml/registry.h"

namespace tarn::ml {

using api::answer;

std::vector<api::Route> routes(Experiments& experiments, Runs& runs, LoggedModels& models, Artifacts& artifacts, Registry& registry);

using api::wire;

// One file a concern.
void add_run_routes(std::vector<api::Route>& out, Runs& runs, Artifacts& artifacts);
void add_logged_model_routes(std::vector<api::Route>& out, LoggedModels& models, Artifacts& artifacts);
void add_registry_routes(std::vector<api::Route>& out, Registry& registry);

/// A workspace row under /api/2.0/mlflow for any assigned principal.
api::Route mlflow_row(api::Method method, const std::string& path, const std::string& group, api::Handler handler);

/// {"<field>": result}
template <class T>
api::Result answer_as(std::string_view field, const Result<T>& result) {
  if (!result) return fail(wire(result.error()));
  return api::ok(json::value(json::object{{field, json::encode(*result)}}));
}

std::string text(const api::Request& r, const std::string& name);
Expected<std::string, api::WireError> required(const api::Request& r, const std::string& name);
/// All values of a repeated query parameter.
std::vector<std::string> every(const api::Request& r, const std::string& name);
/// max_results: `usual` if absent; refused beyond `most`.
Expected<std::size_t, api::WireError> page_size(std::optional<std::int64_t> asked, std::size_t usual, std::size_t most);
Expected<std::optional<std::int64_t>, api::WireError> number(const api::Request& r, const std::string& name);
Expected<ViewType, api::WireError> view_type(const std::optional<std::string>& text);

/// Metric values as the wire has them: numbers, or "NaN", "Infinity", "-Infinity".
json::value spelled(double value);
Expected<double, api::WireError> real(const json::value& v, const std::string& field);
json::object encoded(const Metric& m);
json::object encoded(const Run& run);
json::object encoded(const LoggedModel& model);

struct MetricBody {
  std::string key;
  json::value value;
  std::optional<std::int64_t> timestamp, step;
  std::optional<std::string> model_id, dataset_name, dataset_digest;
};
BOOST_DESCRIBE_STRUCT(MetricBody, (), (key, value, timestamp, step, model_id, dataset_name, dataset_digest))
Expected<Metric, api::WireError> decoded(MetricBody& m, const FieldPath& path);  // takes the texts

}  // namespace tarn::ml
