#include "ml/tracking_store.h"

#include <algorithm>
#include <unordered_map>

#include "base/ids.h"
#include "ml/sql_pieces.h"

namespace tarn::ml {
namespace {

constexpr std::size_t kKnown = 65'536;

RunInfo info_of(const Row& r, int first) {
  RunInfo i;
  i.run_id = i.run_uuid = r.text(first);
  i.run_name = r.text(first + 1);
  i.experiment_id = r.text(first + 2);
  i.user_id = r.text(first + 3);
  i.status = r.text(first + 4);
  i.start_time = r.number(first + 5);
  i.end_time = r.maybe_number(first + 6);
  i.lifecycle_stage = r.null(first + 7) ? "active" : "deleted";
  i.artifact_uri = r.text(first + 8);
  return i;
}
constexpr const char* kRunColumns = "run_id, name, experiment, user_name, status, start_time, end_time, deleted_at, artifact_uri";

void put_tag(Connection& c, const RunRef& ref, const KeyValue& tag) {
  c.change("INSERT INTO ml_tag (rid, key, experiment, value) VALUES ($1, $2, $3, $4) ON CONFLICT (rid, key) DO UPDATE SET value = excluded.value",
           {ref.rid, tag.key, ref.experiment, tag.value});
  // A run's name is a tag too, and either way of setting it sets both.
  if (tag.key == "mlflow.runName") c.change("UPDATE ml_run SET name = $2 WHERE rid = $1", {ref.rid, tag.value});
}

}  // namespace

template <class F>
void TrackingStore::must(F&& body) {
  const auto done = db_.write([&](Connection& c) -> Result<void> {
    body(c);
    return {};
  });
  if (!done) throw std::logic_error("a write that nothing refuses was refused");
}

std::optional<RunRef> TrackingStore::find(const std::string& run_id) {
  {
    std::lock_guard lock(mutex_);
    if (const auto it = known_.find(run_id); it != known_.end()) return it->second;
  }
  std::optional<RunRef> out;
  db_.read([&](Connection& c) {
    c.query("SELECT rid, workspace, experiment FROM ml_run WHERE run_id = $1", {run_id}, [&](const Row& r) {
      out = RunRef{r.number(0), r.number(1), r.number(2), run_id};
    });
  });
  if (!out) return out;
  std::lock_guard lock(mutex_);
  if (known_.size() >= kKnown) known_.clear();
  known_.emplace(run_id, *out);
  return out;
}

RunRef TrackingStore::create(const NewRun& n) {
  RunRef ref{.workspace = n.workspace, .experiment = n.experiment, .run_id = new_hex(16)};
  must([&](Connection& c) {
    c.query(
        "INSERT INTO ml_run (run_id, workspace, experiment, name, user_name, status, start_time, artifact_uri) "
        "VALUES ($1, $2, $3, $4, $5, 'RUNNING', $6, $7) RETURNING rid",
        {ref.run_id, n.workspace, n.experiment, n.name, n.user_name, n.start_time, n.artifact_root + "/" + ref.run_id + "/artifacts"},
        [&](const Row& r) { ref.rid = r.number(0); });
    for (const auto& tag : n.tags) put_tag(c, ref, tag);
  });
  std::lock_guard lock(mutex_);
  if (known_.size() >= kKnown) known_.clear();
  known_.emplace(ref.run_id, ref);
  return ref;
}

std::vector<Run> TrackingStore::load(Connection& c, const std::vector<std::int64_t>& rids) {
  std::vector<Run> out(rids.size());
  std::unordered_map<std::int64_t, std::size_t> place;
  json::array list;
  for (std::size_t i = 0; i < rids.size(); ++i) {
    place[rids[i]] = i;
    list.push_back(json::value(std::to_string(rids[i])));
  }
  const std::string ids = boost::json::serialize(list);
  const std::string where = " WHERE rid IN (SELECT CAST(m.value AS BIGINT) FROM (" + c.members(1) + ") AS m)";
  const auto each = [&](const std::string& what, const auto& take) {
    c.query("SELECT rid, " + what + where, {ids}, [&](const Row& r) { take(out[place.at(r.number(0))], r); });
  };
  each(std::string(kRunColumns) + " FROM ml_run", [](Run& run, const Row& r) { run.info = info_of(r, 1); });
  each(std::string(kMetricColumns) + " FROM ml_latest", [](Run& run, const Row& r) { run.metrics.push_back(metric_of(r, 1)); });
  each("key, value FROM ml_param", [](Run& run, const Row& r) { run.params.push_back({r.text(1), r.text(2)}); });
  each("key, value FROM ml_tag", [](Run& run, const Row& r) { run.tags.push_back({r.text(1), r.text(2)}); });
  each("name, digest, source_type, source, schema, profile, tags FROM ml_dataset", [](Run& run, const Row& r) {
    DatasetInput in{.dataset = {.name = r.text(1),
                                .digest = r.text(2),
                                .source_type = r.text(3),
                                .source = r.text(4),
                                .schema = r.maybe_text(5),
                                .profile = r.maybe_text(6)}};
    if (auto tags = json::decode_text<std::vector<KeyValue>>(r.text(7))) in.tags = *std::move(tags);
    run.datasets.push_back(std::move(in));
  });
  each("direction, model_id, step FROM ml_run_model", [](Run& run, const Row& r) {
    if (r.text(1) == "input")
      run.model_inputs.push_back({r.text(2)});
    else
      run.model_outputs.push_back({r.text(2), r.number(3)});
  });
  return out;
}

Run TrackingStore::get(const RunRef& ref) {
  Run out;
  db_.read([&](Connection& c) { out = std::move(load(c, {ref.rid}).front()); });
  return out;
}

RunInfo TrackingStore::info(const RunRef& ref) {
  RunInfo out;
  db_.read([&](Connection& c) {
    c.query(std::string("SELECT ") + kRunColumns + " FROM ml_run WHERE rid = $1", {ref.rid}, [&](const Row& r) { out = info_of(r, 0); });
  });
  return out;
}

RunInfo TrackingStore::update(const RunRef& ref, const RunChange& change) {
  must([&](Connection& c) {
    if (change.status) c.change("UPDATE ml_run SET status = $2 WHERE rid = $1", {ref.rid, std::string(json::name_of(*change.status))});
    if (change.end_time) c.change("UPDATE ml_run SET end_time = $2 WHERE rid = $1", {ref.rid, *change.end_time});
    if (change.name) put_tag(c, ref, {"mlflow.runName", *change.name});
  });
  return info(ref);
}

void TrackingStore::set_deleted(const RunRef& ref, bool deleted) {
  must([&](Connection& c) {
    if (deleted)
      c.change("UPDATE ml_run SET deleted_at = $2 WHERE rid = $1 AND deleted_at IS NULL", {ref.rid, clock_.now()});
    else
      c.change("UPDATE ml_run SET deleted_at = NULL WHERE rid = $1", {ref.rid});
  });
}

std::int64_t TrackingStore::set_deleted(std::int64_t experiment, bool deleted, std::int64_t time, std::int64_t most) {
  std::int64_t n = 0;
  must([&](Connection& c) {
    n = deleted ? c.change(
                      "UPDATE ml_run SET deleted_at = $4 WHERE rid IN (SELECT rid FROM ml_run WHERE experiment = $1 AND start_time <= $2 "
                      "AND deleted_at IS NULL ORDER BY start_time DESC LIMIT $3)",
                      {experiment, time, most, clock_.now()})
                : c.change(
                      "UPDATE ml_run SET deleted_at = NULL WHERE rid IN (SELECT rid FROM ml_run WHERE experiment = $1 AND deleted_at >= $2 "
                      "AND deleted_at IS NOT NULL ORDER BY deleted_at LIMIT $3)",
                      {experiment, time, most});
  });
  return n;
}

namespace {

Result<void> check_active(Connection& c, const RunRef& ref) {
  bool active = false;
  c.query("SELECT 1 FROM ml_run WHERE rid = $1 AND deleted_at IS NULL", {ref.rid}, [&](const Row&) { active = true; });
  if (active) return {};
  return refuse(Errc::invalid, fmt::format("The run {} must be in the 'active' state. Current state is deleted.", ref.run_id));
}

void put_metrics(Connection& c, const RunRef& ref, const std::vector<Metric>& metrics) {
  static const std::string history =
      "INSERT INTO ml_metric (rid, bucket, key, at, step, value, is_nan, model_id, dataset_name, dataset_digest) "
      "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT DO NOTHING";
  static const std::string latest =
      "INSERT INTO ml_latest (rid, experiment, key, at, step, value, is_nan, model_id, dataset_name, dataset_digest) "
      "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT (rid, key) DO UPDATE SET at = excluded.at, step = excluded.step, "
      "value = excluded.value, is_nan = excluded.is_nan, model_id = excluded.model_id, dataset_name = excluded.dataset_name, "
      "dataset_digest = excluded.dataset_digest "
      "WHERE (excluded.step, excluded.at, excluded.value) >= (ml_latest.step, ml_latest.at, ml_latest.value)";
  static const std::string of_model =
      "INSERT INTO ml_model_metric (model_id, key, dataset_name, dataset_digest, run_id, at, step, value, is_nan) "
      "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (model_id, key, dataset_name, dataset_digest, run_id) DO UPDATE SET "
      "at = excluded.at, step = excluded.step, value = excluded.value, is_nan = excluded.is_nan "
      "WHERE excluded.step > ml_model_metric.step OR (excluded.step = ml_model_metric.step AND excluded.at >= ml_model_metric.at)";
  std::vector<Value> row(10);  // one for all: its texts keep their room
  const auto put = [&](const std::string& sql, std::int64_t second, const Metric& m) {
    row[0] = ref.rid, row[1] = second, row[2] = m.key, row[3] = m.timestamp, row[4] = m.step, row[5] = stored(m.value);
    row[6] = flag(std::isnan(m.value)), row[7] = maybe(m.model_id), row[8] = maybe(m.dataset_name), row[9] = maybe(m.dataset_digest);
    c.change(sql, row);
  };
  const auto newer = [](const Metric& a, const Metric& b) {
    return std::tuple(a.step, a.timestamp, std::isnan(a.value) ? 0 : a.value) >= std::tuple(b.step, b.timestamp, std::isnan(b.value) ? 0 : b.value);
  };
  std::unordered_map<std::string_view, const Metric*> newest;
  newest.reserve(metrics.size());
  std::vector<const Metric*> order(metrics.size());
  std::ranges::transform(metrics, order.begin(), [](const Metric& m) { return &m; });
  std::ranges::stable_sort(order, [](const Metric* a, const Metric* b) {  // as the tables lie
    return std::tuple(bucket_of(a->step), std::string_view(a->key)) < std::tuple(bucket_of(b->step), std::string_view(b->key));
  });
  for (const Metric* m : order) {
    put(history, bucket_of(m->step), *m);
    auto& last = newest[m->key];
    if (!last || newer(*m, *last)) last = m;
    if (m->model_id)
      c.change(of_model, {*m->model_id, m->key, m->dataset_name.value_or(""), m->dataset_digest.value_or(""), ref.run_id, m->timestamp, m->step,
                          stored(m->value), flag(std::isnan(m->value))});
  }
  for (const Metric* m : order)
    if (newest.at(m->key) == m) put(latest, ref.experiment, *m);
}

Result<void> put_param(Connection& c, const RunRef& ref, const KeyValue& p) {
  if (c.change("INSERT INTO ml_param (rid, key, experiment, value) VALUES ($1, $2, $3, $4) ON CONFLICT (rid, key) DO NOTHING",
               {ref.rid, p.key, ref.experiment, p.value}) == 1)
    return {};
  std::string old;
  c.query("SELECT value FROM ml_param WHERE rid = $1 AND key = $2", {ref.rid, p.key}, [&](const Row& r) { old = r.text(0); });
  if (old == p.value) return {};
  return refuse(Errc::invalid, fmt::format("Changing param values is not allowed. Param with key='{}' was already logged with value='{}' for run "
                                           "ID='{}'. Attempted logging new value '{}'.",
                                           p.key, old, ref.run_id, p.value));
}

}  // namespace

Result<void> TrackingStore::log(const RunRef& ref, const Batch& batch) {
  return db_.write([&](Connection& c) -> Result<void> {
    TARN_CHECK(check_active(c, ref));
    for (const auto& p : batch.params) TARN_CHECK(put_param(c, ref, p));
    put_metrics(c, ref, batch.metrics);
    for (const auto& tag : batch.tags) put_tag(c, ref, tag);
    return {};
  });
}

Result<void> TrackingStore::delete_tag(const RunRef& ref, const std::string& key) {
  return db_.write([&](Connection& c) -> Result<void> {
    TARN_CHECK(check_active(c, ref));
    if (c.change("DELETE FROM ml_tag WHERE rid = $1 AND key = $2", {ref.rid, key}) == 0)
      return refuse(Errc::not_found, fmt::format("No tag with name: {} in run with id {}", key, ref.run_id));
    return {};
  });
}

Result<void> TrackingStore::log_inputs(const RunRef& ref, const std::vector<DatasetInput>& datasets, const std::vector<ModelInput>& models) {
  return db_.write([&](Connection& c) -> Result<void> {
    TARN_CHECK(check_active(c, ref));
    for (const auto& d : datasets) {
      std::optional<std::string> context;
      for (const auto& t : d.tags)
        if (t.key == "mlflow.data.context") context = t.value;
      c.change(
          "INSERT INTO ml_dataset (rid, name, digest, experiment, source_type, source, schema, profile, context, tags) "
          "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT (rid, name, digest) DO NOTHING",
          {ref.rid, d.dataset.name, d.dataset.digest, ref.experiment, d.dataset.source_type, d.dataset.source, maybe(d.dataset.schema),
           maybe(d.dataset.profile), maybe(context), json::encode_text(d.tags)});
    }
    for (const auto& m : models)
      c.change("INSERT INTO ml_run_model (rid, direction, model_id, step) VALUES ($1, 'input', $2, 0) ON CONFLICT DO NOTHING", {ref.rid, m.model_id});
    return {};
  });
}

Result<void> TrackingStore::log_outputs(const RunRef& ref, const std::vector<ModelOutput>& models) {
  return db_.write([&](Connection& c) -> Result<void> {
    TARN_CHECK(check_active(c, ref));
    for (const auto& m : models)
      c.change("INSERT INTO ml_run_model (rid, direction, model_id, step) VALUES ($1, 'output', $2, $3) ON CONFLICT DO NOTHING",
               {ref.rid, m.model_id, m.step});
    return {};
  });
}

Result<void> TrackingStore::log_model(const RunRef& ref, const json::value& model) {
  return db_.write([&](Connection& c) -> Result<void> {
    TARN_CHECK(check_active(c, ref));
    json::array list;
    c.query("SELECT value FROM ml_tag WHERE rid = $1 AND key = 'mlflow.log-model.history'", {ref.rid}, [&](const Row& r) {
      if (auto old = json::parse(r.text(0)); old && old->is_array()) list = old->as_array();
    });
    list.push_back(model);
    put_tag(c, ref, {"mlflow.log-model.history", boost::json::serialize(list)});
    return {};
  });
}

}  // namespace tarn::ml
