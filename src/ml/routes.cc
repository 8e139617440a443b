#include "ml/routes.h"

namespace tarn::ml {
namespace {

using api::Method;
using api::Request;

json::object shown(const Experiment& e) {
  json::object out{{"experiment_id", e.experiment_id},         {"name", e.name},
                   {"artifact_location", e.artifact_location}, {"lifecycle_stage", e.deleted ? "deleted" : "active"},
                   {"last_update_time", e.last_update_time},   {"creation_time", e.creation_time}};
  if (!e.tags.empty()) out["tags"] = json::encode(e.tags);
  return out;
}

api::Result answer(const Result<Experiment>& e) {
  if (!e) return fail(wire(e.error()));
  return api::ok(json::value(json::object{{"experiment", shown(*e)}}));
}

struct CreateBody {
  std::string name;
  std::optional<std::string> artifact_location;
  std::vector<KeyValue> tags;
};
BOOST_DESCRIBE_STRUCT(CreateBody, (), (name, artifact_location, tags))
struct IdBody {
  std::string experiment_id;
};
BOOST_DESCRIBE_STRUCT(IdBody, (), (experiment_id))
struct UpdateBody {
  std::string experiment_id;
  std::optional<std::string> new_name;
};
BOOST_DESCRIBE_STRUCT(UpdateBody, (), (experiment_id, new_name))
struct TagBody {
  std::string experiment_id, key, value;
};
BOOST_DESCRIBE_STRUCT(TagBody, (), (experiment_id, key, value))
struct TagKeyBody {
  std::string experiment_id, key;
};
BOOST_DESCRIBE_STRUCT(TagKeyBody, (), (experiment_id, key))
struct SearchBody {
  std::optional<std::int64_t> max_results;
  std::optional<std::string> page_token, filter, view_type;
  std::vector<std::string> order_by;
};
BOOST_DESCRIBE_STRUCT(SearchBody, (), (max_results, page_token, filter, view_type, order_by))

api::Result search(Experiments& experiments, const Request& r, const SearchBody& b) {
  Experiments::Search s;
  TARN_TRY(limit, page_size(b.max_results, 1000, 50'000));
  s.limit = limit;
  TARN_TRY(view, view_type(b.view_type));
  s.view = view;
  TARN_TRY(after, api::page_after("experiments", b.page_token && !b.page_token->empty() ? b.page_token : std::nullopt));
  s.after = after;
  auto filter = parse_filter(b.filter.value_or(""), experiment_grammar());
  if (!filter) return fail(wire(filter.error()));
  s.filter = *std::move(filter);
  for (const auto& o : b.order_by) {
    auto term = parse_order(o, experiment_grammar());
    if (!term) return fail(wire(term.error()));
    s.order.push_back(*std::move(term));
  }
  const auto page = experiments.search(r.context, s);
  if (!page) return fail(wire(page.error()));
  json::object out;
  if (!page->items.empty()) {
    json::array list;
    for (const auto& e : page->items) list.push_back(shown(e));
    out["experiments"] = std::move(list);
  }
  if (!page->next.empty()) out["next_page_token"] = api::page_token("experiments", page->next);
  return api::ok(json::value(std::move(out)));
}

Expected<SearchBody, api::WireError> search_of_query(const Request& r) {
  SearchBody b{.page_token = r.param("page_token"), .filter = r.param("filter"), .view_type = r.param("view_type"), .order_by = every(r, "order_by")};
  TARN_TRY(most, number(r, "max_results"));
  b.max_results = most;
  return b;
}

void add_experiment_routes(std::vector<api::Route>& out, Experiments& x) {
  const std::string g = "experiments";
  out.push_back(mlflow_row(Method::POST, "/experiments/create", g, [&x](const Request& r) -> api::Result {
    TARN_TRY(b, api::body_of<CreateBody>(r));
    const auto e = x.create(r.context, b.name, b.artifact_location.value_or(""), b.tags);
    if (!e) return fail(wire(e.error()));
    return api::ok(json::value(json::object{{"experiment_id", e->experiment_id}}));
  }));
  out.push_back(mlflow_row(Method::GET, "/experiments/get", g, [&x](const Request& r) -> api::Result {
    TARN_TRY(id, required(r, "experiment_id"));
    return answer(x.get(r.context, id));
  }));
  out.push_back(mlflow_row(Method::GET, "/experiments/get-by-name", g, [&x](const Request& r) -> api::Result {
    TARN_TRY(name, required(r, "experiment_name"));
    return answer(x.get_by_name(r.context, name));
  }));
  out.push_back(mlflow_row(Method::GET, "/experiments/list", g, [&x](const Request& r) -> api::Result {
    TARN_TRY(b, search_of_query(r));
    b.filter.reset();
    return search(x, r, b);
  }));
  out.push_back(mlflow_row(Method::GET, "/experiments/search", g, [&x](const Request& r) -> api::Result {
    TARN_TRY(b, search_of_query(r));
    return search(x, r, b);
  }));
  out.push_back(mlflow_row(Method::POST, "/experiments/search", g, [&x](const Request& r) -> api::Result {
    TARN_TRY(b, api::body_of<SearchBody>(r));
    return search(x, r, b);
  }));
  out.push_back(mlflow_row(Method::POST, "/experiments/update", g, [&x](const Request& r) -> api::Result {
    TARN_TRY(b, api::body_of<UpdateBody>(r));
    if (!b.new_name) return fail(api::bad_request("Field 'new_name' is required"));
    return ml::answer(x.rename(r.context, b.experiment_id, *b.new_name));
  }));
  out.push_back(mlflow_row(Method::POST, "/experiments/delete", g, [&x](const Request& r) -> api::Result {
    TARN_TRY(b, api::body_of<IdBody>(r));
    return ml::answer(x.remove(r.context, b.experiment_id));
  }));
  out.push_back(mlflow_row(Method::POST, "/experiments/restore", g, [&x](const Request& r) -> api::Result {
    TARN_TRY(b, api::body_of<IdBody>(r));
    return ml::answer(x.restore(r.context, b.experiment_id));
  }));
  out.push_back(mlflow_row(Method::POST, "/experiments/set-experiment-tag", g, [&x](const Request& r) -> api::Result {
    TARN_TRY(b, api::body_of<TagBody>(r));
    return ml::answer(x.set_tag(r.context, b.experiment_id, {b.key, b.value}));
  }));
  out.push_back(mlflow_row(Method::POST, "/experiments/delete-experiment-tag", g, [&x](const Request& r) -> api::Result {
    TARN_TRY(b, api::body_of<TagKeyBody>(r));
    return ml::answer(x.delete_tag(r.context, b.experiment_id, b.key));
  }));
}

/// The client asks for files here first, and takes presigned URLs when there is no such thing; but folders it asks for nowhere else once this
/// has said that there are none. So folders are served: …/Mlflow/Artifacts/EXPERIMENT/Runs/RUN/artifacts/PATH (or LoggedModels/MODEL).
Expected<Artifacts::Listing, api::WireError> internal_folder(Artifacts& artifacts, const Request& r, std::string& path) {
  const std::string rest = r.capture("rest");
  const auto none = [&] { return fail(api::WireError{404, "NOT_FOUND", "Not found: /WorkspaceInternal/" + rest}); };
  std::vector<std::string> parts;
  for (std::size_t at = 0; at <= rest.size();) {
    const auto slash = std::min(rest.find('/', at), rest.size());
    parts.push_back(rest.substr(at, slash - at));
    at = slash + 1;
  }
  while (!parts.empty() && parts.back().empty()) parts.pop_back();
  if (parts.size() < 6 || parts[0] != "Mlflow" || parts[1] != "Artifacts" || parts[5] != "artifacts") return none();
  for (std::size_t i = 6; i < parts.size(); ++i) path += (path.empty() ? "" : "/") + parts[i];
  const auto token = r.param("page_token");
  TARN_TRY(after, api::page_after("folder " + rest, token && !token->empty() ? token : std::nullopt));
  const auto found =
      parts[3] == "Runs" ? artifacts.list_run(r.context, parts[4], path, after) : artifacts.list_model(r.context, parts[4], path, after);
  if (!found) return fail(wire(found.error()));
  const bool file = found->files.size() == 1 && found->files[0].path == path;
  if ((found->files.empty() && !path.empty()) || file) return none();
  return *found;
}

void add_internal_files(std::vector<api::Route>& out, Artifacts& artifacts) {
  const auto row = [&](Method m, const std::string& kind, api::Handler handler) {
    out.push_back({.method = m,
                   .pattern = "/api/2.0/fs/" + kind + "/WorkspaceInternal/{rest*}",
                   .surface = api::Surface::workspace,
                   .auth = api::Auth::authenticated,
                   .group = "experiments",
                   .handler = std::move(handler),
                   .spooled = m == Method::PUT});
  };
  for (const Method m : {Method::GET, Method::HEAD, Method::PUT, Method::DELETE})
    row(m, "files", [](const Request& r) -> api::Result {
      return fail(api::WireError{404, "NOT_FOUND", "Not found: /WorkspaceInternal/" + r.capture("rest")});
    });
  row(Method::HEAD, "directories", [&artifacts](const Request& r) -> api::Result {
    std::string path;
    TARN_CHECK(internal_folder(artifacts, r, path));
    return api::Reply{};
  });
  row(Method::GET, "directories", [&artifacts](const Request& r) -> api::Result {
    std::string path, rest = r.capture("rest");
    TARN_TRY(found, internal_folder(artifacts, r, path));
    while (rest.ends_with('/')) rest.pop_back();
    const std::string root = "/WorkspaceInternal/" + (path.empty() ? rest : rest.substr(0, rest.size() - path.size() - 1));
    json::array contents;
    for (const auto& f : found.files) {
      json::object o{{"path", root + "/" + f.path}, {"name", f.path.substr(f.path.rfind('/') + 1)}, {"is_directory", f.is_dir}};
      if (f.file_size) o["file_size"] = *f.file_size;
      contents.push_back(std::move(o));
    }
    json::object body{{"contents", std::move(contents)}};
    if (!found.next.empty()) body["next_page_token"] = api::page_token("folder " + r.capture("rest"), found.next);
    return api::ok(json::value(std::move(body)));
  });
}

}  // namespace

api::Route mlflow_row(Method method, const std::string& path, const std::string& group, api::Handler handler) {
  return {.method = method,
          .pattern = "/api/2.0/mlflow" + path,
          .surface = api::Surface::workspace,
          .auth = api::Auth::authenticated,
          .group = group,
          .handler = std::move(handler)};
}

std::string text(const Request& r, const std::string& name) { return r.param(name).value_or(""); }

Expected<std::string, api::WireError> required(const Request& r, const std::string& name) {
  auto v = text(r, name);
  if (v.empty()) return fail(api::bad_request("Missing value for required parameter '" + name + "'."));
  return v;
}

std::vector<std::string> every(const Request& r, const std::string& name) {
  std::vector<std::string> out;
  for (auto [i, end] = r.query.equal_range(name); i != end; ++i) out.push_back(i->second);
  return out;
}

Expected<std::size_t, api::WireError> page_size(std::optional<std::int64_t> asked, std::size_t usual, std::size_t most) {
  if (!asked) return usual;
  if (*asked < 1 || *asked > static_cast<std::int64_t>(most))
    return fail(
        api::bad_request(fmt::format("Invalid value {} for parameter 'max_results' supplied: It must be at least 1 and at most {}", *asked, most)));
  return static_cast<std::size_t>(*asked);
}

Expected<std::optional<std::int64_t>, api::WireError> number(const Request& r, const std::string& name) {
  const auto v = r.param(name);
  if (!v || v->empty()) return std::optional<std::int64_t>();
  TARN_TRY(n, api::integer(name, *v));
  return std::optional(n);
}

Expected<ViewType, api::WireError> view_type(const std::optional<std::string>& t) {
  if (!t || t->empty()) return ViewType::ACTIVE_ONLY;
  if (const auto v = json::enum_of<ViewType>(*t)) return *v;
  return fail(api::bad_request("View type must be ACTIVE_ONLY, DELETED_ONLY or ALL, got '" + *t + "'"));
}

json::value spelled(double v) {
  if (std::isnan(v)) return "NaN";
  if (std::isinf(v)) return v > 0 ? "Infinity" : "-Infinity";
  return v;
}

Expected<double, api::WireError> real(const json::value& v, const FieldPath& field) {
  if (v.is_number()) return v.to_number<double>();
  if (v.is_string()) {
    const std::string s(v.as_string());
    if (s == "NaN") return std::nan("");
    if (s == "Infinity") return HUGE_VAL;
    if (s == "-Infinity") return -HUGE_VAL;
    char* end = nullptr;
    const double d = std::strtod(s.c_str(), &end);
    if (!s.empty() && end == s.c_str() + s.size() && std::isfinite(d)) return d;
  }
  if (v.is_null()) return fail(api::bad_request("Missing value for required parameter '" + field.text() + "'."));
  return fail(api::bad_request("Field '" + field.text() + "' must be a number, got " + boost::json::serialize(v).substr(0, 100)));
}

Expected<Metric, api::WireError> decoded(MetricBody& m, const FieldPath& path) {
  TARN_TRY(value, real(m.value, path / "value"));
  if (!m.timestamp) return fail(api::bad_request("Missing value for required parameter '" + (path / "timestamp").text() + "'."));
  return Metric{.key = std::move(m.key),
                .value = value,
                .timestamp = *m.timestamp,
                .step = m.step.value_or(0),
                .model_id = std::move(m.model_id),
                .dataset_name = std::move(m.dataset_name),
                .dataset_digest = std::move(m.dataset_digest)};
}

json::object encoded(const Metric& m) {
  json::object out{{"key", m.key}, {"value", spelled(m.value)}, {"timestamp", m.timestamp}, {"step", m.step}};
  const auto add = [&](const char* name, const std::optional<std::string>& v) {
    if (v) out[name] = *v;
  };
  add("model_id", m.model_id);
  add("dataset_name", m.dataset_name);
  add("dataset_digest", m.dataset_digest);
  add("run_id", m.run_id);
  return out;
}

namespace {
json::array encoded(const std::vector<Metric>& all) {
  json::array out;
  for (const auto& m : all) out.push_back(ml::encoded(m));
  return out;
}
}  // namespace

json::object encoded(const Run& run) {
  json::object data, inputs, outputs;
  if (!run.metrics.empty()) data["metrics"] = encoded(run.metrics);
  if (!run.params.empty()) data["params"] = json::encode(run.params);
  if (!run.tags.empty()) data["tags"] = json::encode(run.tags);
  if (!run.datasets.empty()) inputs["dataset_inputs"] = json::encode(run.datasets);
  if (!run.model_inputs.empty()) inputs["model_inputs"] = json::encode(run.model_inputs);
  if (!run.model_outputs.empty()) outputs["model_outputs"] = json::encode(run.model_outputs);
  json::object out{{"info", json::encode(run.info)}, {"data", std::move(data)}, {"inputs", std::move(inputs)}};
  if (!outputs.empty()) out["outputs"] = std::move(outputs);
  return out;
}

json::object encoded(const LoggedModel& m) {
  json::object data;
  if (!m.params.empty()) data["params"] = json::encode(m.params);
  if (!m.metrics.empty()) data["metrics"] = encoded(m.metrics);
  return {{"info", json::encode(m.info)}, {"data", std::move(data)}};
}

std::vector<api::Route> routes(Experiments& experiments, Runs& runs, LoggedModels& models, Artifacts& artifacts, Registry& registry) {
  std::vector<api::Route> out;
  add_experiment_routes(out, experiments);
  add_run_routes(out, runs, artifacts);
  add_logged_model_routes(out, models, artifacts);
  add_registry_routes(out, registry);
  add_internal_files(out, artifacts);
  return out;
}

}  // namespace tarn::ml
