#include "ml/runs.h"

#include "base/ids.h"
#include "base/json_read.h"
#include "ml/checks.h"

namespace tarn::ml {
namespace {

/// MLflow's own made-up names, in kind: two words and a number.
std::string made_up_name() {
  static constexpr std::array kFirst{"able",   "bold", "brave", "calm",  "clear", "deft",  "eager", "fair", "fine",  "glad",  "keen", "kind",
                                     "lively", "mild", "neat",  "proud", "quick", "quiet", "sharp", "shy",  "smart", "swift", "wise", "witty"};
  static constexpr std::array kSecond{"auk",  "bear", "boar",  "crane", "crow", "deer", "dove", "duck", "eel",  "finch", "fox",  "goose",
                                      "gull", "hare", "heron", "ibis",  "lark", "lynx", "mole", "moth", "newt", "owl",   "seal", "tern"};
  const auto n = static_cast<std::size_t>(new_numeric_id());
  return fmt::format("{}-{}-{}", kFirst[n % kFirst.size()], kSecond[n / 100 % kSecond.size()], n / 10'000 % 1000);
}

Error no_run(const std::string& run_id) { return {Errc::not_found, fmt::format("Run '{}' not found.", run_id)}; }

}  // namespace

Result<Runs::Found> Runs::found(const access::Context& ctx, const std::string& run_id, std::string_view level, bool to_write) {
  if (run_id.empty()) return refuse(Errc::invalid, "Missing value for required parameter 'run_id'.");
  const auto ref = tracking_.find(run_id);
  if (!ref || ref->workspace != ctx.workspace_id) return fail(no_run(run_id));
  TARN_TRY(e, experiments_.require(ctx, std::to_string(ref->experiment), level));
  if (to_write && e.deleted)
    return refuse(Errc::invalid, fmt::format("The experiment {} must be in the 'active' state. Current state is deleted.", e.experiment_id));
  return Found{*ref, e.deleted};
}

Result<RunRef> Runs::require(const access::Context& ctx, const std::string& run_id, std::string_view level) {
  TARN_TRY(f, found(ctx, run_id, level, level != kRead));
  return std::move(f.ref);
}

Result<Run> Runs::create(const access::Context& ctx, const New& n) {
  if (n.experiment_id.empty()) return fail(experiments_.require(ctx, "0", kEdit).error());
  TARN_TRY(e, experiments_.require(ctx, n.experiment_id, kEdit));
  if (e.deleted)
    return refuse(Errc::invalid, fmt::format("The experiment {} must be in the 'active' state. Current state is deleted.", e.experiment_id));
  NewRun run{
      .workspace = e.workspace_id, .experiment = e.number(), .start_time = n.start_time.value_or(clock_.now()), .artifact_root = e.artifact_location};
  if (run.start_time < 0) return refuse(Errc::invalid, fmt::format("Field 'start_time' must not be negative, got {}", run.start_time));
  run.user_name = n.user_id.empty() ? ctx.caller.name : n.user_id;
  run.name = n.run_name;
  for (std::size_t i = 0; i < n.tags.size(); ++i) {
    TARN_CHECK(check_tag(n.tags[i], {"tags", i}));
    if (n.tags[i].key == "mlflow.runName") {
      if (!n.run_name.empty() && n.run_name != n.tags[i].value)
        return refuse(Errc::invalid,
                      fmt::format("Both 'run_name' argument and 'mlflow.runName' tag are specified, but with different values (run_name='{}', "
                                  "mlflow.runName='{}').",
                                  n.run_name, n.tags[i].value));
      run.name = n.tags[i].value;
    } else {
      run.tags.push_back(n.tags[i]);
    }
  }
  if (run.name.empty()) run.name = made_up_name();
  run.tags.push_back({"mlflow.runName", run.name});
  if (!std::ranges::count(run.tags, "mlflow.user", &KeyValue::key)) run.tags.push_back({"mlflow.user", run.user_name});
  const RunRef ref = tracking_.create(run);
  store_.audit_later(ctx.event(kExperimentEvents, "createMlflowRun", {{"experimentId", e.experiment_id}, {"runId", ref.run_id}}));
  return tracking_.get(ref);
}

Result<Run> Runs::get(const access::Context& ctx, const std::string& run_id) {
  TARN_TRY(f, found(ctx, run_id, kRead, false));
  Run run = tracking_.get(f.ref);
  if (f.experiment_deleted) run.info.lifecycle_stage = "deleted";
  return run;
}

Result<RunInfo> Runs::update(const access::Context& ctx, const std::string& run_id, const RunChange& change) {
  TARN_TRY(f, found(ctx, run_id, kEdit, true));
  if (change.end_time && *change.end_time < 0)
    return refuse(Errc::invalid, fmt::format("Field 'end_time' must not be negative, got {}", *change.end_time));
  if (change.name) TARN_CHECK(check_tag({"mlflow.runName", *change.name}, "run_name"));
  if (tracking_.info(f.ref).lifecycle_stage != "active")
    return refuse(Errc::invalid, fmt::format("The run {} must be in the 'active' state. Current state is deleted.", run_id));
  return tracking_.update(f.ref, change);
}

Result<void> Runs::set_deleted(const access::Context& ctx, const std::string& run_id, bool deleted) {
  TARN_TRY(f, found(ctx, run_id, kEdit, true));
  tracking_.set_deleted(f.ref, deleted);
  store_.audit_later(ctx.event(kExperimentEvents, deleted ? "deleteMlflowRun" : "restoreMlflowRun", {{"runId", run_id}}));
  return {};
}

Result<std::int64_t> Runs::set_deleted_by_time(const access::Context& ctx, const std::string& experiment_id, bool deleted, std::int64_t time,
                                               std::int64_t most) {
  if (most < 1 || most > 10'000) return refuse(Errc::invalid, fmt::format("Field 'max_runs' must be 1 to 10000, got {}", most));
  TARN_TRY(e, experiments_.require(ctx, experiment_id, kEdit));
  const auto n = tracking_.set_deleted(e.number(), deleted, time, most);
  store_.audit_later(ctx.event(kExperimentEvents, deleted ? "deleteMlflowRuns" : "restoreMlflowRuns",
                               {{"experimentId", experiment_id}, {"runs", std::to_string(n)}}));
  return n;
}

Result<void> Runs::log(const access::Context& ctx, const std::string& run_id, const Batch& batch) {
  TARN_CHECK(check_batch(batch));
  TARN_TRY(f, found(ctx, run_id, kEdit, true));
  return tracking_.log(f.ref, batch);
}

Result<void> Runs::delete_tag(const access::Context& ctx, const std::string& run_id, const std::string& key) {
  TARN_TRY(f, found(ctx, run_id, kEdit, true));
  return tracking_.delete_tag(f.ref, key);
}

Result<void> Runs::log_inputs(const access::Context& ctx, const std::string& run_id, const std::vector<DatasetInput>& datasets,
                              const std::vector<ModelInput>& models) {
  if (datasets.size() > 1000)
    return refuse(Errc::invalid, fmt::format("A batch logging request can contain at most 1000 datasets. Got {} datasets.", datasets.size()));
  for (std::size_t i = 0; i < datasets.size(); ++i) TARN_CHECK(check_dataset(datasets[i], {"datasets", i}));
  TARN_TRY(f, found(ctx, run_id, kEdit, true));
  return tracking_.log_inputs(f.ref, datasets, models);
}

Result<void> Runs::log_outputs(const access::Context& ctx, const std::string& run_id, const std::vector<ModelOutput>& models) {
  TARN_TRY(f, found(ctx, run_id, kEdit, true));
  return tracking_.log_outputs(f.ref, models);
}

Result<void> Runs::log_model(const access::Context& ctx, const std::string& run_id, const std::string& model_json) {
  const auto model = json::parse(model_json);
  if (!model || !model->is_object())
    return refuse(Errc::invalid, fmt::format("Malformed model info. \n {} \n is not valid JSON.", model_json.substr(0, 200)));
  for (const char* field : {"artifact_path", "flavors", "utc_time_created", "run_id"})
    if (!model->as_object().contains(field)) return refuse(Errc::invalid, fmt::format("Model json is missing mandatory fields: ['{}']", field));
  TARN_TRY(f, found(ctx, run_id, kEdit, true));
  return tracking_.log_model(f.ref, *model);
}

Result<Page<Metric>> Runs::history(const access::Context& ctx, const std::string& run_id, const std::string& key, std::size_t limit,
                                   const std::string& after) {
  TARN_TRY(f, found(ctx, run_id, kRead, false));
  return tracking_.history(f.ref, key, limit, after);
}

Result<std::vector<Metric>> Runs::sampled_history(const access::Context& ctx, const std::vector<std::string>& run_ids, const std::string& key,
                                                  std::optional<std::int64_t> from, std::optional<std::int64_t> until, std::size_t most) {
  if (run_ids.empty() || run_ids.size() > 100)
    return refuse(Errc::invalid, fmt::format("GetMetricHistoryBulkInterval request must specify 1 to 100 run_ids, got {}.", run_ids.size()));
  if (from.has_value() != until.has_value()) return refuse(Errc::invalid, "If either start step or end step are specified, both must be specified.");
  if (from && *from > *until)
    return refuse(Errc::invalid, fmt::format("end_step must be greater than start_step. Found start_step={} and end_step={}.", *from, *until));
  std::vector<RunRef> refs;
  for (const auto& id : run_ids) {
    TARN_TRY(f, found(ctx, id, kRead, false));
    refs.push_back(f.ref);
  }
  return tracking_.sampled_history(refs, key, from, until, most);
}

std::vector<std::string> Runs::tables_read(const access::Context& ctx, const std::string& run_id) {
  std::vector<std::string> out;
  const auto run = get(ctx, run_id);
  if (!run) return out;
  for (const auto& d : run->datasets) {
    const auto source = json::parse(d.dataset.source);
    if (!source) continue;
    for (const char* field : {"delta_table_name", "table_name"})
      if (const auto name = json::text_at(*source, {field}); std::ranges::count(name, '.') == 2) out.push_back(name);
  }
  return out;
}

Result<Page<Run>> Runs::search(const access::Context& ctx, const Search& s) {
  RunSearch q{.view = s.view, .limit = s.limit, .after = s.after};
  TARN_TRY(filter, parse_filter(s.filter, run_grammar()));
  q.filter = std::move(filter);
  for (const auto& text : s.order_by) {
    TARN_TRY(term, parse_order(text, run_grammar()));
    q.order.push_back(std::move(term));
  }
  // Experiments that are gone or not readable have no runs to show, unless nothing else was asked for.
  std::optional<Error> last;
  for (const auto& id : s.experiment_ids) {
    auto e = experiments_.require(ctx, id, kRead);
    if (!e) {
      last = e.error();
      continue;
    }
    q.experiments.push_back(e->number());
    if (e->deleted) q.deleted_experiments.push_back(e->number());
  }
  if (q.experiments.empty() && last) return fail(*last);
  TARN_TRY(page, tracking_.search(q));
  for (Run& run : page.items)
    if (std::ranges::count(q.deleted_experiments, std::stoll(run.info.experiment_id))) run.info.lifecycle_stage = "deleted";
  return std::move(page);
}

}  // namespace tarn::ml
