// Experiments, runs, search, histories, logged models: services over an in-memory tracking database and store.
#include <gtest/gtest.h>

#include <filesystem>
#include <thread>

#include "access/testing.h"
#include "base/ids.h"
#include "ml/artifacts.h"
#include "store/store_for_tests.h"

namespace tarn::ml {
namespace {

class FakeVendor final : public objects::CredentialVendor {
 public:
  objects::Result<objects::Credentials> vend(const objects::Scope&, Millis) override { return objects::Credentials{}; }
  std::string presign(std::string_view method, const objects::Url& url, Millis) override { return std::string(method) + " " + url.text(); }
};

class OneWorkspace final : public account::WorkspaceDirectory {
 public:
  std::optional<account::WorkspaceRef> by_deployment(std::string_view) override { return std::nullopt; }
  std::optional<account::WorkspaceRef> by_id(std::int64_t id) override { return account::WorkspaceRef{.id = id, .root_bucket = "root"}; }
  std::vector<account::WorkspaceRef> all() override { return {}; }
};

class Bucket final : public objects::ObjectStore {
 public:
  std::map<std::string, std::string> files;
  objects::Result<void> create_bucket(std::string_view) override { return {}; }
  bool bucket_exists(std::string_view) override { return true; }
  objects::Result<std::string> get(const objects::Url&, std::uint64_t, std::optional<std::uint64_t>) override { return std::string(); }
  objects::Result<objects::ObjectInfo> head(const objects::Url& u) override {
    if (!files.contains(u.key)) return fail(objects::Error{objects::Errc::no_such_key, "no such key"});
    return objects::ObjectInfo{.key = u.key, .size = files[u.key].size()};
  }
  objects::Result<objects::ObjectInfo> put(const objects::Url&, std::string_view, bool) override { return objects::ObjectInfo{}; }
  objects::Result<void> remove(const objects::Url&) override { return {}; }
  objects::Result<objects::Listing> list(std::string_view, std::string_view prefix, std::string_view, std::size_t, std::string_view) override {
    objects::Listing out;
    std::set<std::string> folders;
    for (const auto& [key, bytes] : files) {
      if (!key.starts_with(prefix)) continue;
      if (const auto slash = key.find('/', prefix.size()); slash != key.npos)
        folders.insert(key.substr(0, slash + 1));
      else
        out.objects.push_back({.key = key, .size = bytes.size()});
    }
    out.common_prefixes.assign(folders.begin(), folders.end());
    return out;
  }
  objects::Result<void> remove_all(const objects::Url&) override { return {}; }
  std::optional<std::string> local_path(const objects::Url&) override { return std::nullopt; }
};

class Tracking : public ::testing::Test {
 protected:
  FakeClock clock;
  std::unique_ptr<store::Store> store = store::store_for_tests(clock);
  access::testing::FakePermissions permissions;
  Database db{store::url_for_tests()};
  TrackingStore tracking{db, clock};
  Experiments experiments{*store, permissions, clock};
  Runs runs{experiments, tracking, *store, clock};
  LoggedModels models{experiments, tracking};
  OneWorkspace workspaces;
  Bucket bucket;
  FakeVendor vendor;
  Artifacts artifacts{runs, models, workspaces, bucket, vendor};
  access::Context ana = person("ana@acme.test"), eve = person("eve@acme.test");
  std::string experiment = made("/Users/ana@acme.test/flights");

  static access::Context person(const std::string& name) {
    access::Context c{.caller = {.id = static_cast<std::int64_t>(std::hash<std::string>{}(name) % 1000), .name = name}, .workspace_id = 7};
    return c;
  }
  std::string made(const std::string& name) {
    auto e = experiments.create(ana, name, "", {});
    EXPECT_TRUE(e) << e.error().message;
    return e ? e->experiment_id : "";
  }
  std::string run(const std::string& name = "r", std::int64_t start = 0) {
    auto r = runs.create(ana, {.experiment_id = experiment, .run_name = name, .start_time = start ? start : clock.now()});
    EXPECT_TRUE(r) << r.error().message;
    return r->info.run_id;
  }
  void metric(const std::string& id, const std::string& key, double value, std::int64_t step = 0) {
    const auto done = runs.log(ana, id, {.metrics = {{.key = key, .value = value, .timestamp = 1, .step = step}}});
    ASSERT_TRUE(done) << done.error().message;
  }
  /// Names of the runs that a search finds, in order, page by page.
  std::vector<std::string> found(const std::string& filter, const std::vector<std::string>& order = {}, std::size_t limit = 1000,
                                 ViewType view = ViewType::ACTIVE_ONLY) {
    std::vector<std::string> out;
    std::string after;
    for (int page = 0; page < 100; ++page) {
      auto p = runs.search(ana, {.experiment_ids = {experiment}, .order_by = order, .filter = filter, .view = view, .limit = limit, .after = after});
      if (!p) return {p.error().message};
      EXPECT_LE(p->items.size(), limit);
      for (const auto& r : p->items) out.push_back(r.info.run_name);
      if (p->next.empty()) break;
      after = p->next;
    }
    return out;
  }
  static std::string code(const Error& e) { return std::to_string(refusal_of(e.code).status) + " " + e.message; }
};

using Names = std::vector<std::string>;

TEST_F(Tracking, ExperimentsHaveAbsolutePathsOnceEach) {
  EXPECT_EQ(experiments.create(ana, "flights", "", {}).error().message,
            "Got an invalid experiment name 'flights'. An experiment name must be an absolute path within the Databricks workspace, e.g. "
            "'/Users/<some-username>/my-experiment'.");
  EXPECT_EQ(experiments.create(ana, "/Users/ana@acme.test/../x", "", {}).error().code, Errc::invalid);
  EXPECT_EQ(experiments.create(ana, "/Users/ana@acme.test/flights", "", {}).error().code, Errc::already_exists);
  EXPECT_EQ(experiments.create(ana, "/Users/eve@acme.test/flights", "", {}).error().code, Errc::permission_denied);
  EXPECT_EQ(experiments.get(ana, "0").error().code, Errc::not_found);
  EXPECT_EQ(experiments.get(ana, "12345").error().message, "Node ID 12345 does not exist.");
  EXPECT_EQ(experiments.get(ana, experiment)->artifact_location, "dbfs:/databricks/mlflow-tracking/" + experiment);
  EXPECT_EQ(experiments.create(ana, "/Users/ana@acme.test/x", "ftp://x", {}).error().code, Errc::invalid);
}

TEST_F(Tracking, ADeletedExperimentHidesItsRunsAndLeavesItsName) {
  run("one");
  ASSERT_TRUE(experiments.remove(ana, experiment));
  EXPECT_EQ(found(""), Names{});
  EXPECT_EQ(found("", {}, 10, ViewType::DELETED_ONLY), Names{"one"});
  EXPECT_TRUE(experiments.get_by_name(ana, "/Users/ana@acme.test/flights")->deleted);
  EXPECT_EQ(runs.create(ana, {.experiment_id = experiment}).error().code, Errc::invalid);
  const std::string again = made("/Users/ana@acme.test/flights");
  EXPECT_EQ(experiments.get_by_name(ana, "/Users/ana@acme.test/flights")->experiment_id, again);
  EXPECT_EQ(experiments.restore(ana, experiment).error().code, Errc::already_exists);
  ASSERT_TRUE(experiments.remove(ana, again));
  ASSERT_TRUE(experiments.restore(ana, experiment));
  EXPECT_EQ(found(""), Names{"one"});
}

TEST_F(Tracking, LevelsOfTheAccessListAreEnforced) {
  const auto id = run();
  EXPECT_EQ(runs.get(eve, id).error().code, Errc::permission_denied);
  EXPECT_EQ(experiments.search(eve, {})->items.size(), 0u);
  EXPECT_EQ(artifacts.for_run(eve, id, {"a"}, false).error().code, Errc::permission_denied);
  permissions.grant(7, {"experiments", experiment}, "eve@acme.test", "CAN_READ");
  EXPECT_TRUE(runs.get(eve, id));
  EXPECT_EQ(experiments.search(eve, {})->items.size(), 1u);
  EXPECT_EQ(runs.log(eve, id, {.tags = {{"a", "b"}}}).error().code, Errc::permission_denied);
  EXPECT_EQ(artifacts.for_run(eve, id, {"a"}, true).error().code, Errc::permission_denied);
  EXPECT_EQ(runs.create(eve, {.experiment_id = experiment}).error().code, Errc::permission_denied);
  permissions.grant(7, {"experiments", experiment}, "eve@acme.test", "CAN_EDIT");
  EXPECT_TRUE(runs.log(eve, id, {.tags = {{"a", "b"}}}));
  EXPECT_EQ(experiments.remove(eve, experiment).error().code, Errc::permission_denied);
  EXPECT_EQ(experiments.rename(eve, experiment, "/Users/eve@acme.test/mine").error().code, Errc::permission_denied);
  auto elsewhere = ana;
  elsewhere.workspace_id = 8;
  EXPECT_EQ(runs.get(elsewhere, id).error().code, Errc::not_found);
}

TEST_F(Tracking, ABatchIsLoggedWholeOrNotAtAll) {
  const auto id = run();
  ASSERT_TRUE(runs.log(ana, id, {.params = {{"depth", "3"}}}));
  ASSERT_TRUE(runs.log(ana, id, {.params = {{"depth", "3"}}}));  // the same value again is no change
  const auto refused = runs.log(ana, id, {.metrics = {{.key = "m", .value = 1}}, .params = {{"width", "1"}, {"depth", "5"}}});
  EXPECT_EQ(refused.error().message, "Changing param values is not allowed. Param with key='depth' was already logged with value='3' for run ID='" +
                                         id + "'. Attempted logging new value '5'.");
  const auto r = runs.get(ana, id);
  EXPECT_TRUE(r->metrics.empty());
  EXPECT_EQ(r->params, (std::vector<KeyValue>{{"depth", "3"}}));
}

TEST_F(Tracking, LimitsOfABatch) {
  const auto id = run();
  Batch many;
  for (int i = 0; i < 1001; ++i) many.metrics.push_back({.key = "m" + std::to_string(i)});
  EXPECT_EQ(
      runs.log(ana, id, many).error().message,
      "A batch logging request can contain at most 1000 metrics. Got 1001 metrics. Please split up metrics across multiple requests and try again.");
  Batch params;
  for (int i = 0; i < 101; ++i) params.params.push_back({"p" + std::to_string(i), "1"});
  EXPECT_EQ(runs.log(ana, id, params).error().code, Errc::invalid);
  EXPECT_EQ(runs.log(ana, id, {.params = {{"p", "1"}, {"p", "2"}}}).error().code, Errc::invalid);
  EXPECT_EQ(runs.log(ana, id, {.params = {{"p", std::string(6001, 'x')}}}).error().message,
            "'params[0].value' exceeds the maximum length of 6000 characters");
  EXPECT_EQ(runs.log(ana, id, {.metrics = {{.key = "../m"}}}).error().code, Errc::invalid);
  EXPECT_EQ(runs.log(ana, id, {.metrics = {{.key = "m\nx"}}}).error().code, Errc::invalid);
  EXPECT_EQ(runs.log(ana, "nope", {}).error().message, "Run 'nope' not found.");
}

TEST_F(Tracking, TheLatestValueIsThatOfTheLastStep) {
  const auto id = run();
  metric(id, "loss", 5, 2);
  metric(id, "loss", 9, 1);
  EXPECT_EQ(runs.get(ana, id)->metrics.at(0).value, 5);
  ASSERT_TRUE(runs.log(ana, id, {.metrics = {{.key = "loss", .value = std::nan(""), .timestamp = 1, .step = 3}}}));
  EXPECT_TRUE(std::isnan(runs.get(ana, id)->metrics.at(0).value));
  ASSERT_TRUE(runs.log(ana, id, {.metrics = {{.key = "big", .value = HUGE_VAL, .timestamp = 1}}}));
  EXPECT_EQ(runs.history(ana, id, "loss", 10, "")->items.size(), 3u);
}

TEST_F(Tracking, HistoriesArePagedAndSampled) {
  const auto id = run();
  Batch all;
  for (int i = 0; i < 1000; ++i) all.metrics.push_back({.key = "m", .value = i * 0.5, .timestamp = i, .step = i});
  ASSERT_TRUE(runs.log(ana, id, all));
  std::vector<std::int64_t> steps;
  std::string after;
  do {
    const auto p = runs.history(ana, id, "m", 300, after);
    for (const auto& m : p->items) steps.push_back(m.step);
    after = p->next;
  } while (!after.empty());
  ASSERT_EQ(steps.size(), 1000u);
  EXPECT_TRUE(std::ranges::is_sorted(steps));
  const auto sampled = runs.sampled_history(ana, {id}, "m", std::nullopt, std::nullopt, 10);
  ASSERT_TRUE(sampled);
  EXPECT_LE(sampled->size(), 12u);
  EXPECT_EQ(sampled->front().step, 0);
  EXPECT_EQ(sampled->back().step, 999);
  EXPECT_EQ(runs.sampled_history(ana, {id}, "m", 10, 14, 100)->size(), 5u);
  EXPECT_EQ(runs.sampled_history(ana, {id}, "m", 10, std::nullopt, 100).error().code, Errc::invalid);
}

TEST_F(Tracking, SearchFiltersByEverything) {
  const auto a = run("a", 1000), b = run("b", 2000), c = run("c", 3000);
  metric(a, "rmse", 0.5);
  metric(b, "rmse", 0.7);
  metric(c, "other one", 1);
  ASSERT_TRUE(runs.log(ana, a, {.params = {{"model", "xgb"}}, .tags = {{"team", "it's"}}}));
  ASSERT_TRUE(runs.log(ana, b, {.params = {{"model", "XGB2"}}}));
  ASSERT_TRUE(runs.log_inputs(ana, c, {{.tags = {{"mlflow.data.context", "train"}}, .dataset = {"flights", "d1", "delta", "x"}}}, {}));
  ASSERT_TRUE(runs.update(ana, c, {.status = RunStatus::FINISHED, .end_time = 4000}));
  EXPECT_EQ(found(""), (Names{"c", "b", "a"}));  // newest first
  EXPECT_EQ(found("metrics.rmse > 0.6"), Names{"b"});
  EXPECT_EQ(found("metrics.rmse <= 0.7 and params.model LIKE 'x%'"), Names{"a"});
  EXPECT_EQ(found("params.model ILIKE 'x%'"), (Names{"b", "a"}));
  EXPECT_EQ(found("metrics.`other one` = 1"), Names{"c"});
  EXPECT_EQ(found("metrics.\"other one\" = 1.0"), Names{"c"});
  EXPECT_EQ(found("tags.team = \"it's\""), Names{"a"});
  EXPECT_EQ(found("tags.team IS NULL"), (Names{"c", "b"}));
  EXPECT_EQ(found("params.model IS NOT NULL"), (Names{"b", "a"}));
  EXPECT_EQ(found("params.model != 'xgb'"), Names{"b"});
  EXPECT_EQ(found("attributes.status = 'FINISHED'"), Names{"c"});
  EXPECT_EQ(found("start_time >= 2000 AND start_time < 2999.5"), Names{"b"});
  EXPECT_EQ(found("run_id IN ('" + a + "', '" + c + "')"), (Names{"c", "a"}));
  EXPECT_EQ(found("attributes.run_id NOT IN ('" + a + "')"), (Names{"c", "b"}));
  EXPECT_EQ(found("run_name = 'b'"), Names{"b"});
  EXPECT_EQ(found("`Run name` = 'b'"), Names{"b"});
  EXPECT_EQ(found("datasets.name = 'flights' AND dataset.context = 'train'"), Names{"c"});
  EXPECT_EQ(found("dataset.digest IN ('d1', 'd2')"), Names{"c"});
  EXPECT_EQ(found("end_time > 1"), Names{"c"});
  EXPECT_EQ(found("metrics.rmse > 1e-1 AND metrics.rmse < +0.6"), Names{"a"});
}

TEST_F(Tracking, SearchRefusesWithMlflowsTexts) {
  run();
  EXPECT_EQ(found("metrics.m > 'x'"), Names{"Expected numeric value type for metric. Found x"});
  EXPECT_EQ(found("params.m = 3"), Names{"Expected a quoted string value for parameter (e.g. 'my-value'). Got value 3"});
  EXPECT_EQ(found("params.m > 'a'")[0].substr(0, 22), "Invalid comparator '>'");
  EXPECT_EQ(found("nope.m = 'a'")[0].substr(0, 26), "Invalid entity type 'nope'");
  EXPECT_EQ(found("speed = 'a'")[0].substr(0, 29), "Invalid attribute key 'speed'");
  EXPECT_EQ(found("params.a = 'x' OR params.b = 'y'"), Names{"Invalid clause(s) in filter string: 'OR'"});
  EXPECT_EQ(found("params.a = 'x"), Names{"Error on parsing filter 'params.a = 'x'"});
  EXPECT_EQ(found("metrics.a IS NULL")[0].substr(0, 7), "IS NULL");
  EXPECT_EQ(found("status IN ('FINISHED')"), Names{"Only {'run_id'} attributes support comparison with a list of quoted string values."});
  EXPECT_EQ(found("", {"metrics.m SIDEWAYS"}), Names{"Invalid ordering key in order_by clause 'metrics.m SIDEWAYS'."});
  EXPECT_EQ(found("", {"metrics.m", "metrics.m DESC"}), Names{"`order_by` contains duplicate fields: m"});
}

TEST_F(Tracking, OrdersHoldAcrossPagesWithMissingAndUnknownNumbersLast) {
  for (int i = 0; i < 7; ++i) metric(run("m" + std::to_string(i), 100 + i), "rmse", i % 3);
  metric(run("nan", 200), "rmse", std::nan(""));
  run("none", 300);
  run("none2", 50);
  const Names down{"m5", "m2", "m4", "m1", "m6", "m3", "m0", "nan", "none", "none2"};
  const Names up{"m6", "m3", "m0", "m4", "m1", "m5", "m2", "nan", "none", "none2"};
  for (const std::size_t limit : {1, 2, 3, 100}) {
    EXPECT_EQ(found("", {"metrics.rmse DESC"}, limit), down) << limit;
    EXPECT_EQ(found("", {"metrics.rmse"}, limit), up) << limit;
    // The same order by the general way, with a second term.
    EXPECT_EQ(found("", {"metrics.rmse DESC", "start_time DESC"}, limit), down) << limit;
    EXPECT_EQ(found("metrics.rmse >= 1", {"metrics.rmse DESC"}, limit), (Names{"m5", "m2", "m4", "m1"})) << limit;
    EXPECT_EQ(found("", {"run_name"}, limit), (Names{"m0", "m1", "m2", "m3", "m4", "m5", "m6", "nan", "none", "none2"})) << limit;
    EXPECT_EQ(found("", {"end_time ASC"}, limit), found("", {}, 100)) << limit;
  }
  const auto p = run("p1", 400);
  ASSERT_TRUE(runs.log(ana, p, {.params = {{"x", "b"}}}));
  ASSERT_TRUE(runs.log(ana, run("p2", 401), {.params = {{"x", "a"}}}));
  const auto by_param = found("", {"params.x"}, 3);
  EXPECT_EQ(Names(by_param.begin(), by_param.begin() + 3), (Names{"p2", "p1", "none"}));
  EXPECT_EQ(by_param.size(), 12u);
}

TEST_F(Tracking, DeletedRunsAreFoundOnlyWhenAskedForAndCannotBeLogged) {
  const auto a = run("a"), b = run("b");
  ASSERT_TRUE(runs.set_deleted(ana, a, true));
  EXPECT_EQ(found(""), Names{"b"});
  EXPECT_EQ(found("", {}, 10, ViewType::DELETED_ONLY), Names{"a"});
  EXPECT_EQ(found("", {}, 10, ViewType::ALL).size(), 2u);
  EXPECT_EQ(runs.log(ana, a, {.tags = {{"x", "y"}}}).error().code, Errc::invalid);
  EXPECT_EQ(runs.update(ana, a, {.status = RunStatus::FAILED}).error().code, Errc::invalid);
  ASSERT_TRUE(runs.set_deleted(ana, a, false));
  EXPECT_EQ(*runs.set_deleted_by_time(ana, experiment, true, clock.now(), 1), 1);
  EXPECT_EQ(*runs.set_deleted_by_time(ana, experiment, false, 0, 100), 1);
  EXPECT_EQ(found("").size(), 2u);
}

TEST_F(Tracking, ARunsNameIsATagToo) {
  const auto id = run("first");
  ASSERT_TRUE(runs.log(ana, id, {.tags = {{"mlflow.runName", "second"}}}));
  EXPECT_EQ(runs.get(ana, id)->info.run_name, "second");
  ASSERT_TRUE(runs.update(ana, id, {.name = "third"}));
  EXPECT_EQ(found("tags.mlflow.runName = 'third'"), Names{"third"});
  EXPECT_EQ(runs.delete_tag(ana, id, "nope").error().code, Errc::not_found);
}

TEST_F(Tracking, WritersShareTransactionsWithoutMixingTheirFates) {
  const auto id = run();
  ASSERT_TRUE(runs.log(ana, id, {.params = {{"p", "1"}}}));
  std::atomic<int> good = 0, bad = 0;
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 8; ++t)
      threads.emplace_back([&, t] {
        for (int i = 0; i < 50; ++i) {
          const bool spoiled = i % 5 == 0;
          Batch b{.metrics = {{.key = "t" + std::to_string(t), .value = 1.0 * i, .timestamp = i, .step = i}}};
          if (spoiled) b.params = {{"p", "other"}};
          (runs.log(ana, id, b) ? good : bad)++;
        }
      });
  }
  EXPECT_EQ(good, 8 * 40);
  EXPECT_EQ(bad, 8 * 10);
  std::size_t points = 0;
  for (int t = 0; t < 8; ++t) points += runs.history(ana, id, "t" + std::to_string(t), 1000, "")->items.size();
  EXPECT_EQ(points, 320u);
}

TEST_F(Tracking, LoggedModelsGoThroughTheirStates) {
  const auto id = run();
  auto m = models.create(ana, {.experiment_id = experiment, .name = "trees", .source_run_id = id, .params = {{"depth", "3"}}, .tags = {{"a", "b"}}});
  ASSERT_TRUE(m) << m.error().message;
  const std::string mid = m->info.model_id;
  EXPECT_EQ(m->info.status, "LOGGED_MODEL_PENDING");
  EXPECT_EQ(m->info.artifact_uri, "dbfs:/databricks/mlflow-tracking/" + experiment + "/logged_models/" + mid + "/artifacts");
  EXPECT_EQ(models.finalize(ana, mid, LoggedModelStatus::LOGGED_MODEL_READY)->info.status, "LOGGED_MODEL_READY");
  ASSERT_TRUE(runs.log(
      ana, id, {.metrics = {{.key = "rmse", .value = 0.5, .timestamp = 1, .model_id = mid, .dataset_name = "flights", .dataset_digest = "d"}}}));
  EXPECT_EQ(models.get(ana, mid)->metrics.at(0).run_id, id);
  EXPECT_EQ(models.get(eve, mid).error().code, Errc::permission_denied);
  auto other = models.create(ana, {.experiment_id = experiment, .name = "linear"});
  const auto search = [&](const std::string& filter, std::vector<LoggedModels::Order> order = {}, std::vector<KeyValue> datasets = {}) {
    Names out;
    const auto p =
        models.search(ana, {.experiment_ids = {experiment}, .filter = filter, .order_by = std::move(order), .datasets = std::move(datasets)});
    if (!p) return Names{p.error().message};
    for (const auto& x : p->items) out.push_back(x.info.name);
    return out;
  };
  EXPECT_EQ(search("metrics.rmse < 1"), Names{"trees"});
  EXPECT_EQ(search("params.depth = '3' AND status = 'READY'"), Names{"trees"});
  EXPECT_EQ(search("name IN ('linear')"), Names{"linear"});
  EXPECT_EQ(search("", {{.field_name = "metrics.rmse", .ascending = false}}), (Names{"trees", "linear"}));
  EXPECT_EQ(search("metrics.rmse < 1", {}, {{"other", ""}}), Names{});
  EXPECT_EQ(search("", {}, {{"flights", "d"}}), Names{"trees"});
  EXPECT_EQ(models.log_params(ana, mid, {{"depth", "4"}}).error().code, Errc::invalid);
  EXPECT_EQ(models.set_tags(ana, mid, {{"a", "c"}})->info.tags.at(0).value, "c");
  EXPECT_EQ(models.delete_tag(ana, mid, "zz").error().code, Errc::not_found);
  ASSERT_TRUE(models.remove(ana, mid));
  EXPECT_EQ(models.get(ana, mid).error().code, Errc::not_found);
}

TEST_F(Tracking, ArtifactsLieInTheWorkspacesRootAndPathsStayBelowTheirRun) {
  const auto id = run();
  const auto write = artifacts.for_run(ana, id, {"model/MLmodel"}, true);
  ASSERT_TRUE(write) << write.error().message;
  EXPECT_EQ(write->at(0).signed_uri, "PUT s3://root/7/mlflow-tracking/" + experiment + "/" + id + "/artifacts/model/MLmodel");
  for (const char* bad : {"../x", "/etc/passwd", "a//b", "a/../../x", "", "a/.", "a\\b"})
    EXPECT_EQ(artifacts.for_run(ana, id, {bad}, false).error().code, Errc::invalid) << bad;
  const std::string top = "7/mlflow-tracking/" + experiment + "/" + id + "/artifacts/";
  bucket.files = {{top + "a.txt", "abc"}, {top + "model/MLmodel", "x"}, {top + "model/data/w", "yy"}};
  auto l = artifacts.list_run(ana, id, "", "");
  ASSERT_EQ(l->files.size(), 2u);
  EXPECT_EQ(l->files[0].path, "a.txt");
  EXPECT_EQ(l->files[0].file_size, 3);
  EXPECT_TRUE(l->files[1].is_dir);
  l = artifacts.list_run(ana, id, "model", "");
  EXPECT_EQ(l->files[0].path, "model/MLmodel");
  EXPECT_EQ(artifacts.list_run(ana, id, "a.txt", "")->files.at(0).path, "a.txt");
  EXPECT_TRUE(artifacts.list_run(ana, id, "nothing", "")->files.empty());
}

TEST_F(Tracking, ExperimentsAreSearched) {
  made("/Users/ana@acme.test/b");
  clock.advance(10);
  const auto c = made("/Users/ana@acme.test/c");
  ASSERT_TRUE(experiments.set_tag(ana, c, {"team", "x"}));
  const auto names = [&](const std::string& filter, const std::string& order, std::size_t limit) {
    Experiments::Search s{.limit = limit};
    s.filter = *parse_filter(filter, experiment_grammar());
    if (!order.empty()) s.order.push_back(*parse_order(order, experiment_grammar()));
    Names out;
    do {
      const auto p = experiments.search(ana, s);
      for (const auto& e : p->items) out.push_back(e.name.substr(e.name.rfind('/') + 1));
      s.after = p->next;
    } while (!s.after.empty());
    return out;
  };
  EXPECT_EQ(names("", "name DESC", 1), (Names{"flights", "c", "b"}));
  EXPECT_EQ(names("tags.team = 'x'", "", 10), Names{"c"});
  EXPECT_EQ(names("tags.team IS NULL AND name LIKE '%b'", "", 10), Names{"b"});
  EXPECT_EQ(names("name ILIKE '%FLIGHTS'", "", 10), Names{"flights"});
}

TEST_F(Tracking, ACopyHoldsEverything) {
  const auto id = run("kept");
  metric(id, "m", 0.1234567890123456789);
  metric(id, "n", std::nan(""));
  ASSERT_TRUE(runs.log(ana, id, {.params = {{"p", "v"}}}));
  const std::string path = ::testing::TempDir() + "tracking-copy-" + id + ".db";
  db.copy_to(path);
  Database other(store::url_for_tests());
  other.copy_from(path);
  TrackingStore copy(other, clock);
  const auto ref = copy.find(id);
  ASSERT_TRUE(ref);
  const auto r = copy.get(*ref);
  EXPECT_EQ(r.metrics.at(0).value, 0.1234567890123456789);
  EXPECT_TRUE(std::isnan(r.metrics.at(1).value));
  EXPECT_EQ(r.params.at(0).value, "v");
  EXPECT_THROW(other.copy_from(path), store::StoreUnavailable);
  std::remove(path.c_str());
}

TEST_F(Tracking, AHistoryIsByTimeWhateverItsSteps) {
  const auto id = run();
  Batch all;
  for (int step = -20; step <= 20; ++step) {
    all.metrics.push_back({.key = "m", .value = 1.0 * step, .timestamp = 100 - step, .step = step});
    all.metrics.push_back({.key = "other", .value = 0, .timestamp = 50, .step = step});
  }
  all.metrics.push_back(all.metrics.front());  // the same once more is the same
  ASSERT_TRUE(runs.log(ana, id, all));
  std::vector<std::int64_t> steps, wanted;
  for (int step = 20; step >= -20; --step) wanted.push_back(step);
  std::string after;
  do {
    const auto p = runs.history(ana, id, "m", 7, after);
    for (const auto& m : p->items) steps.push_back(m.step);
    after = p->next;
  } while (!after.empty());
  EXPECT_EQ(steps, wanted);
  EXPECT_EQ(runs.sampled_history(ana, {id}, "m", -9, 9, 100)->size(), 19u);
}

TEST_F(Tracking, LongWalksFindWhatIsThere) {
  // As many runs as make no condition rare; those that satisfy all of them lie at the walk's far end.
  constexpr std::int64_t kRuns = 21'001, kFrom = 100'000;
  const auto number = std::stoll(experiment);
  const auto filled = db.write([&](Connection& c) -> Result<void> {
    c.change(
        "INSERT INTO ml_run (rid, run_id, workspace, experiment, name, user_name, status, start_time, artifact_uri) "
        "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 21000) "
        "SELECT 100000 + i, 'run' || i, 7, $1, 'n' || i, 'ana', 'RUNNING', 5, 'a' FROM n",
        {number});
    for (const auto& [key, value] : {std::pair("loss", "(rid * 7919) % 21001 * 1.0"), std::pair("acc", "(rid * 7919) % 21001 / 21001.0")})
      c.change(fmt::format("INSERT INTO ml_latest (rid, key, experiment, at, step, value, is_nan) SELECT rid, '{}', experiment, 1, 0, {}, 0 FROM "
                           "ml_run WHERE rid >= 100000",
                           key, value),
               {});
    c.change(
        "INSERT INTO ml_param (rid, key, experiment, value) SELECT rid, 'depth', experiment, CASE WHEN rid % 7 = 0 THEN 'b' ELSE 'a' END FROM "
        "ml_run WHERE rid >= 100000",
        {});
    return {};
  });
  ASSERT_TRUE(filled);
  const auto wanted = [&](bool high, bool ascending) {
    std::vector<std::pair<std::int64_t, std::string>> all;
    for (std::int64_t rid = kFrom; rid < kFrom + kRuns; ++rid) {
      const auto loss = rid * 7919 % 21001;
      if ((static_cast<double>(loss) / 21001.0 > 0.5) == high && rid % 7 != 0)
        all.emplace_back(ascending ? loss : -loss, fmt::format("n{}", rid - kFrom));
    }
    std::ranges::sort(all);
    Names out;
    for (std::size_t i = 0; i < 150; ++i) out.push_back(all[i].second);
    return out;
  };
  const auto first_pages = [&](const std::string& filter, const std::string& order) {
    Names out;
    std::string after;
    for (int page = 0; page < 3; ++page) {
      const auto p = runs.search(ana, {.experiment_ids = {experiment}, .order_by = {order}, .filter = filter, .limit = 50, .after = after});
      if (!p) return Names{p.error().message};
      for (const auto& r : p->items) out.push_back(r.info.run_name);
      after = p->next;
    }
    return out;
  };
  const std::string high = "metrics.acc > 0.5 and params.depth = 'a'", low = "metrics.acc <= 0.5 and params.depth = 'a'";
  EXPECT_EQ(first_pages(high, "metrics.loss ASC"), wanted(true, true));
  EXPECT_EQ(first_pages(low, "metrics.loss DESC"), wanted(false, false));
  EXPECT_EQ(first_pages(low, "metrics.loss ASC"), wanted(false, true));
}

struct TrackingFile : testing::Test {
  const std::string folder = testing::TempDir() + "tracking-file-" + new_hex(8), path = folder + "/tracking.db";
  TrackingFile() { std::filesystem::create_directories(folder); }
  ~TrackingFile() override { std::filesystem::remove_all(folder); }
  static std::int64_t count(Database& db, const std::string& table) {
    std::int64_t n = 0;
    db.read([&](Connection& c) { c.query("SELECT count(*) FROM " + table, {}, [&](const Row& r) { n = r.number(0); }); });
    return n;
  }
};

TEST_F(TrackingFile, TheLogIsMovedIntoTheDatabaseBesideTheWriters) {
  const std::string large(5000, 'x');
  {
    Database db("sqlite:" + path);
    {
      std::vector<std::jthread> threads;
      for (std::int64_t t = 0; t < 3; ++t)
        threads.emplace_back([&, t] {
          for (std::int64_t i = 0; i < 20; ++i) {
            const auto done = db.write([&](Connection& c) -> Result<void> {
              for (std::int64_t k = 0; k < 100; ++k)
                c.change("INSERT INTO ml_tag (rid, key, experiment, value) VALUES ($1, $2, 1, $3)", {t, fmt::format("{}-{}", i, k), large});
              return {};
            });
            EXPECT_TRUE(done);
          }
        });
    }
    EXPECT_EQ(count(db, "ml_tag"), 6000);
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(120);
    while (std::filesystem::file_size(path) < (8u << 20) && std::chrono::steady_clock::now() < until) std::this_thread::yield();
    EXPECT_GE(std::filesystem::file_size(path), 8u << 20);
  }
  Database again("sqlite:" + path);
  EXPECT_EQ(count(again, "ml_tag"), 6000);
}

TEST_F(TrackingFile, MetricsOfTheFirstSchemaAreTakenOver) {
  FakeClock clock;
  {
    Database db("sqlite:" + path);
    const auto done = db.write([](Connection& c) -> Result<void> {
      c.run(
          "DROP TABLE ml_metric; CREATE TABLE ml_metric (rid BIGINT NOT NULL, key TEXT NOT NULL, at BIGINT NOT NULL, step BIGINT NOT NULL, value "
          "REAL NOT NULL, is_nan INTEGER NOT NULL, model_id TEXT, dataset_name TEXT, dataset_digest TEXT, PRIMARY KEY (rid, key, at, step, value, "
          "is_nan)) WITHOUT ROWID; UPDATE ml_schema SET version = 1");
      for (std::int64_t step = -9; step < 30; ++step)
        c.change("INSERT INTO ml_metric (rid, key, at, step, value, is_nan) VALUES (1, 'm', $1, $1, 0.5, 0)", {step});
      return {};
    });
    ASSERT_TRUE(done);
  }
  Database db("sqlite:" + path);
  TrackingStore tracking(db, clock);
  const auto all = tracking.history({.rid = 1, .run_id = "r"}, "m", 100, "");
  ASSERT_EQ(all.items.size(), 39u);
  EXPECT_EQ(all.items.front().step, -9);
  EXPECT_EQ(all.items.back().step, 29);
}

}  // namespace
}  // namespace tarn::ml
