#pragma once
// What runs and logged models hold, in the tracking database: no rights are asked here (runs.h and logged_models.h do) and no experiment is
// known but by its number. Thread-safe; everything that changes something is durable when it returns.
#include <list>
#include <map>
#include <unordered_map>

#include "ml/database.h"
#include "ml/filter.h"
#include "ml/types.h"

namespace tarn::ml {

/// Where a run is: never changes while it exists.
struct RunRef {
  std::int64_t rid = 0, workspace = 0, experiment = 0;
  std::string run_id;
};

struct NewRun {
  std::int64_t workspace = 0, experiment = 0, start_time = 0;
  std::string name, user_name, artifact_root;  // the run's artifacts are at artifact_root/RUN_ID/artifacts
  std::vector<KeyValue> tags;
};

struct RunChange {
  std::optional<RunStatus> status;
  std::optional<std::int64_t> end_time;
  std::optional<std::string> name;
};

struct RunSearch {
  /// Experiments to look in, and which of them are deleted (their runs count as deleted).
  std::vector<std::int64_t> experiments, deleted_experiments;
  std::vector<Condition> filter;
  std::vector<OrderTerm> order;
  ViewType view = ViewType::ACTIVE_ONLY;
  std::size_t limit = 1000;
  std::string after;  // Page::next of the page before
};

struct ModelRef {
  std::string model_id;
  std::int64_t workspace = 0, experiment = 0;
  bool deleted = false;
};

struct NewLoggedModel {
  std::int64_t workspace = 0, experiment = 0, creator = 0;
  std::string name, artifact_root;
  std::optional<std::string> model_type, source_run_id;
  std::vector<KeyValue> params, tags;
};

struct ModelSearch {
  std::vector<std::int64_t> experiments;
  std::vector<Condition> filter;
  struct Order {
    OrderTerm term;
    std::string dataset_name, dataset_digest;  // of a metric; empty: any
  };
  std::vector<Order> order;
  std::vector<KeyValue> datasets;  // name and digest (empty: any): metric conditions hold on one of these
  std::size_t limit = 50;
  std::string after;
};

class TrackingStore {
 public:
  TrackingStore(Database& db, const Clock& clock) : db_(db), clock_(clock) {}

  // Runs.
  std::optional<RunRef> find(const std::string& run_id);
  RunRef create(const NewRun& run);
  Run get(const RunRef& ref);
  RunInfo info(const RunRef& ref);
  RunInfo update(const RunRef& ref, const RunChange& change);
  void set_deleted(const RunRef& ref, bool deleted);
  /// Runs of an experiment that started until (for deletion) or from (for restoring) a time, at most `most`. Returns how many.
  std::int64_t set_deleted(std::int64_t experiment, bool deleted, std::int64_t time, std::int64_t most);

  /// invalid_state: the run is deleted. invalid: a param has another value already. Nothing is logged then.
  Result<void> log(const RunRef& ref, const Batch& batch);
  /// not_found: the run has no such tag.
  Result<void> delete_tag(const RunRef& ref, const std::string& key);
  Result<void> log_inputs(const RunRef& ref, const std::vector<DatasetInput>& datasets, const std::vector<ModelInput>& models);
  Result<void> log_outputs(const RunRef& ref, const std::vector<ModelOutput>& models);
  /// Adds to the JSON list that the tag mlflow.log-model.history is.
  Result<void> log_model(const RunRef& ref, const json::value& model);

  /// A metric's values by time, then step.
  Page<Metric> history(const RunRef& ref, const std::string& key, std::size_t limit, const std::string& after);
  /// At most about `most` values a run: the same evenly spread steps for all runs, and each run's first and last.
  std::vector<Metric> sampled_history(const std::vector<RunRef>& runs, const std::string& key, std::optional<std::int64_t> from,
                                      std::optional<std::int64_t> until, std::size_t most);
  Result<Page<Run>> search(const RunSearch& search);

  // Logged models.
  std::optional<ModelRef> find_model(const std::string& model_id);
  LoggedModel create_model(const NewLoggedModel& model);
  LoggedModel model(const std::string& model_id);
  void finalize_model(const std::string& model_id, LoggedModelStatus status);
  void delete_model(const std::string& model_id);
  Result<void> log_model_params(const std::string& model_id, const std::vector<KeyValue>& params);
  void set_model_tags(const std::string& model_id, const std::vector<KeyValue>& tags);
  Result<void> delete_model_tag(const std::string& model_id, const std::string& key);
  void add_registration(const std::string& model_id, const ModelRegistration& registration);
  Page<LoggedModel> search_models(const ModelSearch& search);

 private:
  /// Everything of these runs, in this order.
  static std::vector<Run> load(Connection& c, const std::vector<std::int64_t>& rids);
  static LoggedModel load_model(Connection& c, const std::string& model_id);
  template <class F>
  void must(F&& body);  // a write that cannot be refused

  Database& db_;
  const Clock& clock_;
  // Which runs were found lately.
  std::mutex mutex_;
  std::unordered_map<std::string, RunRef> known_;
};

}  // namespace tarn::ml
