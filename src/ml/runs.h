#pragma once
// Runs and logged models as callers use them: who may, what may be logged, and the tracking store behind. Reading needs CAN_READ on the
// experiment, everything else CAN_EDIT. What a training loop logs leaves no audit events (neither does the vendor's); runs made, deleted and
// restored do. Source: REST API reference "Experiments" (runs), MLflow's service.proto.
#include "ml/experiments.h"
#include "ml/tracking_store.h"

namespace tarn::ml {

class Runs {
 public:
  Runs(Experiments& experiments, TrackingStore& tracking, store::Store& store, const Clock& clock)
      : experiments_(experiments), tracking_(tracking), store_(store), clock_(clock) {}

  struct New {
    std::string experiment_id, user_id, run_name;
    std::optional<std::int64_t> start_time;
    std::vector<KeyValue> tags;
  };
  Result<Run> create(const access::Context& ctx, const New& request);
  Result<Run> get(const access::Context& ctx, const std::string& run_id);
  Result<RunInfo> update(const access::Context& ctx, const std::string& run_id, const RunChange& change);
  Result<void> set_deleted(const access::Context& ctx, const std::string& run_id, bool deleted);
  Result<std::int64_t> set_deleted_by_time(const access::Context& ctx, const std::string& experiment_id, bool deleted, std::int64_t time,
                                           std::int64_t most);

  Result<void> log(const access::Context& ctx, const std::string& run_id, const Batch& batch);
  Result<void> delete_tag(const access::Context& ctx, const std::string& run_id, const std::string& key);
  Result<void> log_inputs(const access::Context& ctx, const std::string& run_id, const std::vector<DatasetInput>& datasets,
                          const std::vector<ModelInput>& models);
  Result<void> log_outputs(const access::Context& ctx, const std::string& run_id, const std::vector<ModelOutput>& models);
  Result<void> log_model(const access::Context& ctx, const std::string& run_id, const std::string& model_json);

  Result<Page<Metric>> history(const access::Context& ctx, const std::string& run_id, const std::string& key, std::size_t limit,
                               const std::string& after);
  Result<std::vector<Metric>> sampled_history(const access::Context& ctx, const std::vector<std::string>& run_ids, const std::string& key,
                                              std::optional<std::int64_t> from, std::optional<std::int64_t> until, std::size_t most);

  struct Search {
    std::vector<std::string> experiment_ids, order_by;
    std::string filter;
    ViewType view = ViewType::ACTIVE_ONLY;
    std::size_t limit = 1000;
    std::string after;
  };
  Result<Page<Run>> search(const access::Context& ctx, const Search& search);

  /// Full names of the catalog tables among a run's datasets; none if the caller may not read it.
  std::vector<std::string> tables_read(const access::Context& ctx, const std::string& run_id);

  /// The run if the caller has `level` on its experiment: not_found, permission_denied.
  Result<RunRef> require(const access::Context& ctx, const std::string& run_id, std::string_view level);

 private:
  struct Found {
    RunRef ref;
    bool experiment_deleted = false;
  };
  Result<Found> found(const access::Context& ctx, const std::string& run_id, std::string_view level, bool to_write);
  Experiments& experiments_;
  TrackingStore& tracking_;
  store::Store& store_;
  const Clock& clock_;
};

class LoggedModels {
 public:
  LoggedModels(Experiments& experiments, TrackingStore& tracking) : experiments_(experiments), tracking_(tracking) {}

  struct New {
    std::string experiment_id, name;
    std::optional<std::string> model_type, source_run_id;
    std::vector<KeyValue> params, tags;
  };
  Result<LoggedModel> create(const access::Context& ctx, const New& request);
  Result<LoggedModel> get(const access::Context& ctx, const std::string& model_id);
  Result<LoggedModel> finalize(const access::Context& ctx, const std::string& model_id, LoggedModelStatus status);
  Result<void> remove(const access::Context& ctx, const std::string& model_id);
  Result<void> log_params(const access::Context& ctx, const std::string& model_id, const std::vector<KeyValue>& params);
  Result<LoggedModel> set_tags(const access::Context& ctx, const std::string& model_id, const std::vector<KeyValue>& tags);
  Result<void> delete_tag(const access::Context& ctx, const std::string& model_id, const std::string& key);

  /// Notes that a logged model became a version of a registered one; nothing happens if the caller may not change it.
  void registered(const access::Context& ctx, const std::string& model_id, const ModelRegistration& registration);

  struct Order {
    std::string field_name, dataset_name, dataset_digest;
    bool ascending = true;
  };
  struct Search {
    std::vector<std::string> experiment_ids;
    std::string filter;
    std::vector<Order> order_by;
    std::vector<KeyValue> datasets;
    std::size_t limit = 50;
    std::string after;
  };
  Result<Page<LoggedModel>> search(const access::Context& ctx, const Search& search);
  Result<ModelRef> require(const access::Context& ctx, const std::string& model_id, std::string_view level);

 private:
  Experiments& experiments_;
  TrackingStore& tracking_;
};

}  // namespace tarn::ml
