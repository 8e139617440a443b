#include "jobs/fixtures.h"

namespace tarn::jobs::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using enum api::Method;

TEST_F(JobsTest, ADefinitionIsMadeReadChangedAndDeleted) {
  const auto id = job(sql_task("a") + "," + sql_task("b", "a"), R"(,"tags":{"team":"x"},"parameters":[{"name":"day","default":"mon"}])");
  const auto where = "?job_id=" + std::to_string(id);
  auto got = get(pat, "/get" + where).body;
  EXPECT_EQ(got.at("creator_user_name").as_string(), "pat");
  EXPECT_EQ(got.at("run_as_user_name").as_string(), "pat");
  EXPECT_EQ(got.at("settings").at("tasks").as_array().size(), 2u);
  EXPECT_EQ(got.at("settings").at("tasks").at(1).at("run_if").as_string(), "ALL_SUCCESS");
  EXPECT_EQ(got.at("settings").at("parameters").at(0).at("default").as_string(), "mon");
  EXPECT_EQ(got.at("settings").at("max_concurrent_runs").to_number<int>(), 1);
  EXPECT_EQ(
      post(pat, "/update", R"({"job_id":)" + std::to_string(id) + R"(,"new_settings":{"name":"k"},"fields_to_remove":["tags","tasks/b"]})").status,
      200);
  got = get(pat, "/get" + where).body;
  EXPECT_EQ(got.at("settings").at("name").as_string(), "k");
  EXPECT_FALSE(got.at("settings").as_object().contains("tags"));
  EXPECT_EQ(got.at("settings").at("tasks").as_array().size(), 1u);
  EXPECT_EQ(post(pat, "/reset", R"({"job_id":)" + std::to_string(id) + R"(,"new_settings":{"name":"z"}})").status, 200);
  EXPECT_EQ(get(pat, "/list?name=Z").body.at("jobs").as_array().size(), 1u);
  EXPECT_EQ(post(pat, "/delete", R"({"job_id":)" + std::to_string(id) + "}").status, 200);
  const auto gone = get(pat, "/get" + where);
  EXPECT_EQ(gone.text("error_code"), "INVALID_PARAMETER_VALUE");
  EXPECT_EQ(gone.message(), "Job " + std::to_string(id) + " does not exist.");
}

TEST_F(JobsTest, AJobThatCannotBeIsRefusedByItsField) {
  const auto refused = [&](const std::string& body) {
    const auto a = post(pat, "/create", body);
    EXPECT_EQ(a.status, 400) << body;
    return a.message();
  };
  const auto tasks = [&](const std::string& t) { return R"({"name":"j","tasks":[)" + t + "]}"; };
  EXPECT_THAT(refused(tasks(sql_task("a", "b") + "," + sql_task("b", "c") + "," + sql_task("c", "a"))), HasSubstr("form a cycle: a -> b -> c -> a"));
  EXPECT_THAT(refused(tasks(sql_task("a", "a"))), HasSubstr("cycle: a -> a"));
  EXPECT_THAT(refused(tasks(sql_task("a") + "," + sql_task("a"))), HasSubstr("used by more than one task"));
  EXPECT_THAT(refused(tasks(sql_task("a", "z"))), HasSubstr("'z', which the job does not have"));
  EXPECT_THAT(refused(tasks(R"({"task_key":"a"})")), HasSubstr("notebook_task, spark_python_task"));
  EXPECT_THAT(refused(tasks(R"({"task_key":"a b","condition_task":{"op":"EQUAL_TO","left":"1","right":"1"}})")), HasSubstr("task_key"));
  EXPECT_THAT(refused(tasks(R"({"task_key":"a","notebook_task":{"notebook_path":"rel"},"existing_cluster_id":"x"})")),
              HasSubstr("Only absolute paths"));
  EXPECT_THAT(refused(tasks(R"({"task_key":"a","notebook_task":{"notebook_path":"/n"},"job_cluster_key":"none"})")), HasSubstr("'none'"));
  EXPECT_THAT(refused(tasks(R"({"task_key":"a","notebook_task":{"notebook_path":"/n"},"new_cluster":{}})")),
              HasSubstr("tasks[0].new_cluster: Missing required field: spark_version"));
  EXPECT_THAT(refused(tasks(R"({"task_key":"a","run_job_task":{"job_id":7}})")), HasSubstr("Job 7 does not exist."));
  EXPECT_THAT(refused(tasks(R"({"task_key":"a","for_each_task":{"inputs":"nonsense","task":)" + sql_task("i") + "}}")),
              HasSubstr("for_each_task.inputs"));
  EXPECT_THAT(refused(tasks(R"({"task_key":"a","condition_task":{"op":"LIKE","left":"1","right":"1"}})")), HasSubstr("op"));
  const auto schedule = [](const std::string& cron, const std::string& zone) {
    return R"({"name":"j","schedule":{"quartz_cron_expression":")" + cron + R"(","timezone_id":")" + zone + "\"}}";
  };
  EXPECT_THAT(refused(schedule("0 0 12 31 2 ?", "UTC")), HasSubstr("never fires"));
  EXPECT_THAT(refused(schedule("0 0 12 * *", "UTC")), HasSubstr("Invalid quartz_cron_expression"));
  EXPECT_THAT(refused(schedule("0 0 12 * * ?", "Mars/Base")), HasSubstr("Invalid timezone_id"));
  EXPECT_THAT(refused(R"({"name":"j","notebook_task":{"notebook_path":"/n"}})"), HasSubstr("put it into 'tasks'"));
  EXPECT_THAT(refused(R"({"name":"j","git_source":{"git_url":"x"}})"), HasSubstr("git_source.git_provider must be one of"));
  EXPECT_THAT(refused(R"({"name":"j","run_as":{"user_name":"nobody"}})"), HasSubstr("run_as"));
  EXPECT_EQ(post(pat, "/create", R"({"name":"j","run_as":{"user_name":"nora"}})").status, 403);
  EXPECT_EQ(post(ada, "/create", R"({"name":"j","run_as":{"user_name":"nora"}})").status, 200);
}

TEST_F(JobsTest, ListsAndLevelsAreObeyed) {
  const auto id = job(sql_task("a"));
  const auto where = "?job_id=" + std::to_string(id);
  EXPECT_EQ(get(nora, "/get" + where).message(),
            "User nora does not have View or Admin or Manage Run or Owner permissions on job " + std::to_string(id));
  EXPECT_FALSE(get(nora, "/list").body.as_object().contains("jobs"));
  permissions.grant(kWorkspace, {"jobs", std::to_string(id)}, "nora", "CAN_VIEW");
  EXPECT_EQ(get(nora, "/get" + where).status, 200);
  EXPECT_EQ(post(nora, "/run-now", R"({"job_id":)" + std::to_string(id) + "}").status, 403);
  permissions.grant(kWorkspace, {"jobs", std::to_string(id)}, "nora", "CAN_MANAGE_RUN");
  const auto made = post(nora, "/run-now", R"({"job_id":)" + std::to_string(id) + "}");
  ASSERT_EQ(made.status, 200);
  EXPECT_EQ(post(nora, "/delete", R"({"job_id":)" + std::to_string(id) + "}").message(),
            "User nora does not have Admin or Owner permissions on job " + std::to_string(id));
  settle();
  EXPECT_EQ(sql.all.at("s0").who, "pat");  // the run acts as the job's owner, whoever started it
  EXPECT_EQ(get(nora, "/runs/get?run_id=" + std::to_string(made.body.at("run_id").to_number<std::int64_t>())).status, 200);
  EXPECT_EQ(get(pat, "/runs/get?run_id=5").message(), "Run 5 does not exist.");
}

TEST_F(JobsTest, TasksRunInTheOrderOfTheirDependencies) {
  const auto id = job(
      sql_task("a") + "," + sql_task("b", "a") + "," + sql_task("c", "a") +
          R"(,{"task_key":"d","run_if":"ALL_DONE","sql_task":{"warehouse_id":"w","file":{"path":"/q.sql"}},"depends_on":[{"task_key":"b"},{"task_key":"c"}]})",
      R"(,"parameters":[{"name":"day","default":"mon"}])");
  const auto r = run_now(id, R"(,"job_parameters":{"day":"tue"})");
  settle();
  ASSERT_EQ(sql.all.size(), 1u);
  EXPECT_EQ(sql.all.at("s0").parameters.at("day"), "tue");
  EXPECT_EQ(life(run(r)), "RUNNING");
  EXPECT_EQ(life(task(r, "b")), "BLOCKED");
  finish_sql("s0");
  settle();
  ASSERT_EQ(sql.all.size(), 3u);
  finish_sql("s1");
  finish_sql("s2", false);
  settle();
  ASSERT_EQ(sql.all.size(), 4u);  // d runs when all are done, however
  finish_sql("s3");
  settle();
  EXPECT_EQ(life(run(r)), "TERMINATED");
  EXPECT_EQ(result(run(r)), "SUCCESS_WITH_FAILURES");
  // b and c start together, in either order: s2 was one of them.
  const std::string failed = result(task(r, "b")) == "FAILED" ? "b" : "c";
  EXPECT_EQ(result(task(r, failed)), "FAILED");
  EXPECT_EQ(result(task(r, failed == "b" ? "c" : "b")), "SUCCESS");
  const auto out = get(pat, "/runs/get-output?run_id=" + std::to_string(task(r, failed).at("run_id").to_number<std::int64_t>())).body;
  EXPECT_EQ(json::text_at(out, {"error"}), "no such table");
}

TEST_F(JobsTest, AFailureStopsWhatDependsOnItAndTheRun) {
  const auto r = run_now(job(sql_task("a") + "," + sql_task("b", "a")));
  settle();
  finish_sql("s0", false);
  settle();
  EXPECT_EQ(result(run(r)), "FAILED");
  EXPECT_EQ(result(task(r, "b")), "UPSTREAM_FAILED");
  EXPECT_EQ(json::text_at(run(r), {"state", "state_message"}), "Task a failed with message: Workload failed, see run output for details.");
  EXPECT_EQ(json::text_at(run(r), {"status", "termination_details", "code"}), "RUN_EXECUTION_ERROR");
}

TEST_F(JobsTest, ConditionsChooseABranch) {
  const auto id =
      job(R"({"task_key":"c","condition_task":{"op":"GREATER_THAN","left":"{{job.parameters.n}}","right":"5"}},)"
          R"({"task_key":"yes","sql_task":{"warehouse_id":"w","file":{"path":"/q.sql"}},"depends_on":[{"task_key":"c","outcome":"true"}]},)"
          R"({"task_key":"no","sql_task":{"warehouse_id":"w","file":{"path":"/q.sql"}},"depends_on":[{"task_key":"c","outcome":"false"}]})",
          R"(,"parameters":[{"name":"n","default":"7"}])");
  const auto r = run_now(id);
  settle();
  ASSERT_EQ(sql.all.size(), 1u);
  EXPECT_EQ(task(r, "c").at("condition_task").at("outcome").as_string(), "true");
  EXPECT_EQ(result(task(r, "no")), "EXCLUDED");
  finish_sql("s0");
  settle();
  EXPECT_EQ(result(run(r)), "SUCCESS");
  const auto bad = run_now(id, R"(,"job_parameters":{"n":"many"})");
  settle();
  EXPECT_EQ(result(run(bad)), "FAILED");
  EXPECT_THAT(json::text_at(task(bad, "c"), {"state", "state_message"}), HasSubstr("must be numbers"));
}

TEST_F(JobsTest, AForEachRunsItsInputsSoManyAtOnce) {
  const auto r = run_now(job(R"({"task_key":"all","for_each_task":{"inputs":"[\"a\",{\"k\":\"b\"},3]","concurrency":2,"task":{"task_key":"one",)"
                             R"("sql_task":{"warehouse_id":"w","file":{"path":"/q.sql"},"parameters":{"x":"{{input}}"}}}}})"));
  settle();
  ASSERT_EQ(sql.all.size(), 2u);
  std::set<std::string> seen;
  for (const auto& [id, s] : sql.all) seen.insert(s.parameters.at("x"));
  EXPECT_THAT(seen, ElementsAre("a", R"({"k":"b"})"));
  finish_sql("s0");
  settle();
  ASSERT_EQ(sql.all.size(), 3u);
  EXPECT_EQ(sql.all.at("s2").parameters.at("x"), "3");
  finish_sql("s1"), finish_sql("s2", false);
  settle();
  EXPECT_EQ(result(run(r)), "FAILED");
  EXPECT_THAT(json::text_at(task(r, "all"), {"state", "state_message"}), HasSubstr("1 of 3 iterations failed"));
}

TEST_F(JobsTest, AJobRunsAnotherAndFollowsItsEnd) {
  const auto inner = job(sql_task("a"), R"(,"parameters":[{"name":"day","default":"mon"}])");
  const auto r = run_now(job(R"({"task_key":"call","run_job_task":{"job_id":)" + std::to_string(inner) + R"(,"job_parameters":{"day":"sat"}}})"));
  settle();
  ASSERT_EQ(sql.all.size(), 1u);
  EXPECT_EQ(sql.all.at("s0").parameters.at("day"), "sat");
  finish_sql("s0");
  settle();
  EXPECT_EQ(result(run(r)), "SUCCESS");
  const auto children = get(pat, "/runs/list?job_id=" + std::to_string(inner)).body.at("runs").as_array();
  ASSERT_EQ(children.size(), 1u);
  EXPECT_EQ(children[0].at("trigger").as_string(), "RUN_JOB_TASK");
  // Its cancellation reaches the child.
  const auto second = run_now(job(R"({"task_key":"call","run_job_task":{"job_id":)" + std::to_string(inner) + "}}"));
  settle();
  EXPECT_EQ(post(pat, "/runs/cancel", R"({"run_id":)" + std::to_string(second) + "}").status, 200);
  settle();
  EXPECT_EQ(result(run(second)), "CANCELED");
  EXPECT_EQ(sql.cancelled.size(), 1u);
}

TEST_F(JobsTest, RetriesWaitTheirIntervalAndEnd) {
  const auto r = run_now(job(sql_task("a", "", R"(,"max_retries":2,"min_retry_interval_millis":1000)") + "," + sql_task("b", "a")));
  settle();
  finish_sql("s0", false);
  settle();
  EXPECT_EQ(life(task(r, "b")), "BLOCKED");  // a may yet succeed
  EXPECT_EQ(sql.all.size(), 1u);
  clock.advance(1000);
  settle();
  ASSERT_EQ(sql.all.size(), 2u);
  finish_sql("s1", false);
  clock.advance(1000);
  settle();
  EXPECT_EQ(sql.all.size(), 2u);  // twice as long
  clock.advance(1000);
  settle();
  ASSERT_EQ(sql.all.size(), 3u);
  finish_sql("s2");
  settle();
  finish_sql("s3");
  settle();
  EXPECT_EQ(result(run(r)), "SUCCESS");
  EXPECT_EQ(task(r, "a").at("attempt_number").to_number<int>(), 2);
}

TEST_F(JobsTest, TimeoutsEndTasksAndRuns) {
  const auto r = run_now(job(sql_task("a", "", R"(,"timeout_seconds":10)")));
  settle();
  clock.advance(11'000);
  settle();
  EXPECT_EQ(result(run(r)), "FAILED");
  EXPECT_EQ(result(task(r, "a")), "TIMEDOUT");
  EXPECT_THAT(sql.cancelled, ElementsAre("s0"));
  const auto whole = run_now(job(sql_task("a"), R"(,"timeout_seconds":10)"));
  settle();
  clock.advance(11'000);
  settle();
  EXPECT_EQ(result(run(whole)), "TIMEDOUT");
}

TEST_F(JobsTest, MoreRunsThanAllowedAreSkippedOrQueued) {
  const auto id = job(sql_task("a"));
  const auto first = run_now(id), second = run_now(id);
  EXPECT_EQ(life(run(second)), "SKIPPED");
  EXPECT_EQ(result(run(second)), "MAXIMUM_CONCURRENT_RUNS_REACHED");
  const auto third = run_now(id, R"(,"queue":{"enabled":true})"), fourth = run_now(id, R"(,"queue":{"enabled":true})");
  settle();
  EXPECT_EQ(life(run(first)), "RUNNING");
  EXPECT_EQ(life(run(third)), "QUEUED");
  finish_sql("s0");
  settle();
  EXPECT_EQ(life(run(third)), "RUNNING");
  EXPECT_EQ(life(run(fourth)), "QUEUED");
  finish_sql("s1");
  settle();
  EXPECT_EQ(life(run(fourth)), "RUNNING");
  EXPECT_EQ(post(pat, "/runs/cancel-all", R"({"job_id":)" + std::to_string(id) + "}").status, 200);
  settle();
  EXPECT_EQ(result(run(fourth)), "CANCELED");
}

TEST_F(JobsTest, AScheduleFiresOnceAndWhatWasMissedFiresOnce) {
  const auto id = job(sql_task("a"), R"(,"max_concurrent_runs":5,"schedule":{"quartz_cron_expression":"0 0 * * * ?","timezone_id":"UTC"})");
  settle();
  EXPECT_TRUE(sql.all.empty());
  clock.advance(3'600'000);
  settle();
  EXPECT_EQ(sql.all.size(), 1u);
  fresh_scheduler();  // the server was killed and started again at the very same moment
  scheduler->recover();
  settle();
  EXPECT_EQ(get(pat, "/runs/list?job_id=" + std::to_string(id)).body.at("runs").as_array().size(), 1u);
  clock.advance(5 * 3'600'000);
  settle();
  const auto runs = get(pat, "/runs/list?job_id=" + std::to_string(id)).body.at("runs").as_array();
  EXPECT_EQ(runs.size(), 2u);
  EXPECT_EQ(runs[0].at("trigger").as_string(), "PERIODIC");
  EXPECT_EQ(post(pat, "/update",
                 R"({"job_id":)" + std::to_string(id) +
                     R"(,"new_settings":{"schedule":{"quartz_cron_expression":"0 0 * * * ?","timezone_id":"UTC","pause_status":"PAUSED"}}})")
                .status,
            200);
  clock.advance(3'600'000);
  settle();
  EXPECT_EQ(get(pat, "/runs/list?job_id=" + std::to_string(id)).body.at("runs").as_array().size(), 2u);
}

TEST_F(JobsTest, ATokenStartsOneRunHoweverOftenItIsSent) {
  const auto id = job(sql_task("a"));
  const auto r = run_now(id, R"(,"idempotency_token":"t")");
  EXPECT_EQ(run_now(id, R"(,"idempotency_token":"t")"), r);
  const auto one = post(pat, "/runs/submit", R"({"run_name":"x","idempotency_token":"t","tasks":[)" + sql_task("a") + "]}")
                       .body.at("run_id")
                       .to_number<std::int64_t>();
  const auto two = post(pat, "/runs/submit", R"({"run_name":"x","idempotency_token":"t","tasks":[)" + sql_task("a") + "]}")
                       .body.at("run_id")
                       .to_number<std::int64_t>();
  EXPECT_EQ(one, two);
  EXPECT_NE(one, r);
  EXPECT_EQ(get(nora, "/runs/get?run_id=" + std::to_string(one)).status, 403);
}

TEST_F(JobsTest, CodeRunsOnItsClusterWhichEndsWithTheRun) {
  const auto r = run_now(job(
      R"({"task_key":"a","job_cluster_key":"k","notebook_task":{"notebook_path":"/n"}},{"task_key":"b","job_cluster_key":"k","notebook_task":{"notebook_path":"/n"},"depends_on":[{"task_key":"a"}]})",
      R"(,"job_clusters":[{"job_cluster_key":"k","new_cluster":{"spark_version":"x"}}])"));
  settle();
  ASSERT_EQ(code.clusters.size(), 1u);
  EXPECT_EQ(life(task(r, "a")), "PENDING");
  EXPECT_TRUE(code.codes.empty());
  code.clusters["c0"].state = CodeWork::State::running;
  settle();
  ASSERT_EQ(code.codes.size(), 1u);
  EXPECT_THAT(code.codes[0], HasSubstr("_tarn_task.run("));
  code.work["w0"]({.ok = true, .output = json::object{{"exit", "done"}, {"values", {{"rows", 3}}}, {"logs", "1\n"}}});
  settle();
  ASSERT_EQ(code.codes.size(), 2u);
  EXPECT_EQ(code.clusters.size(), 1u);  // the same cluster
  const auto out = get(pat, "/runs/get-output?run_id=" + std::to_string(task(r, "a").at("run_id").to_number<std::int64_t>())).body;
  EXPECT_EQ(json::text_at(out, {"notebook_output", "result"}), "done");
  code.work["w1"]({.ok = false, .error = "ValueError: x", .trace = "Traceback"});
  settle();
  EXPECT_EQ(result(run(r)), "FAILED");
  EXPECT_THAT(code.discarded, ElementsAre("c0"));
}

TEST_F(JobsTest, WhatCannotRunIsRefusedWhenItRuns) {
  const auto refused = [&](const std::string& t) {
    const auto r = run_now(job(t));
    settle();
    EXPECT_EQ(result(run(r)), "FAILED") << run(r);
    return json::text_at(task(r, "a"), {"state", "state_message"}) +
           json::text_at(get(pat, "/runs/get-output?run_id=" + std::to_string(task(r, "a").at("run_id").to_number<std::int64_t>())).body, {"error"});
  };
  EXPECT_THAT(refused(R"({"task_key":"a","spark_jar_task":{"main_class_name":"x"},"existing_cluster_id":"x"})"),
              HasSubstr("spark_jar_task cannot run on this platform"));
  EXPECT_THAT(refused(R"({"task_key":"a","notebook_task":{"notebook_path":"/n"}})"), HasSubstr("Serverless compute is not available"));
  EXPECT_THAT(refused(R"({"task_key":"a","notebook_task":{"notebook_path":"/n"},"existing_cluster_id":"none"})"),
              HasSubstr("Cluster none does not exist"));
  EXPECT_THAT(refused(R"({"task_key":"a","sql_task":{"warehouse_id":"w","query":{"query_id":"q"}}})"), HasSubstr("Query q does not exist"));
  EXPECT_THAT(refused(R"({"task_key":"a","sql_task":{"warehouse_id":"gone","file":{"path":"/q.sql"}}})"), HasSubstr("does not exist"));
  EXPECT_THAT(refused(R"({"task_key":"a","sql_task":{"warehouse_id":"w","file":{"path":"/none.sql"}}})"), HasSubstr("doesn't exist"));
  EXPECT_THAT(refused(R"({"task_key":"a","sql_task":{"warehouse_id":"w","file":{"path":"/q.sql"},"parameters":{"x":"{{tasks.z.values.y}}"}}})"),
              HasSubstr("has not run before"));
  code.clusters["dead"] = {.state = CodeWork::State::ended, .message = "BOOTSTRAP_TIMEOUT"};
  EXPECT_THAT(refused(R"({"task_key":"a","notebook_task":{"notebook_path":"/n"},"existing_cluster_id":"dead"})"), HasSubstr("BOOTSTRAP_TIMEOUT"));
  people.all.erase("pat");  // who runs it is gone: no rights, no cluster
  pat.workspace_admin = false;
}

TEST_F(JobsTest, AfterARestartSurvivingWorkGoesOnAndLostWorkIsSaid) {
  code.clusters["x"] = {.state = CodeWork::State::running};
  const auto kept = run_now(job(R"({"task_key":"a","existing_cluster_id":"x","notebook_task":{"notebook_path":"/n"}})"));
  const auto lost = run_now(job(sql_task("a")));
  settle();
  ASSERT_EQ(code.codes.size(), 1u);
  ASSERT_EQ(sql.all.size(), 1u);
  code.work.clear();
  fresh_scheduler();
  scheduler->recover();
  settle();
  EXPECT_EQ(life(run(kept)), "RUNNING");
  EXPECT_EQ(code.codes.size(), 1u);  // not begun twice
  EXPECT_THAT(code.kept, ElementsAre("x"));
  EXPECT_EQ(result(run(lost)), "FAILED");
  EXPECT_THAT(json::text_at(run(lost), {"state", "state_message"}), HasSubstr("The server ended while the task ran"));
  code.work.at("w0")({.ok = true});
  settle();
  EXPECT_EQ(result(run(kept)), "SUCCESS");
}

TEST_F(JobsTest, ARepairRunsWhatFailedAgain) {
  const auto r = run_now(job(sql_task("a") + "," + sql_task("b", "a")));
  settle();
  finish_sql("s0", false);
  settle();
  EXPECT_EQ(result(run(r)), "FAILED");
  const auto repaired = post(pat, "/runs/repair", R"({"run_id":)" + std::to_string(r) + R"(,"rerun_all_failed_tasks":true})");
  ASSERT_EQ(repaired.status, 200) << repaired.body;
  settle();
  ASSERT_EQ(sql.all.size(), 2u);
  EXPECT_EQ(post(pat, "/runs/repair", R"({"run_id":)" + std::to_string(r) + R"(,"rerun_all_failed_tasks":true})").text("error_code"),
            "INVALID_STATE");
  finish_sql("s1");
  settle();
  finish_sql("s2");
  settle();
  EXPECT_EQ(result(run(r)), "SUCCESS");
  EXPECT_EQ(run(r).at("repair_history").as_array().size(), 2u);
  EXPECT_THAT(post(pat, "/runs/repair", R"({"run_id":)" + std::to_string(r) + R"(,"rerun_tasks":["a"]})").message(), HasSubstr("latest_repair_id"));
  EXPECT_EQ(post(pat, "/runs/delete", R"({"run_id":)" + std::to_string(r) + "}").status, 200);
  EXPECT_EQ(get(pat, "/runs/get?run_id=" + std::to_string(r)).status, 400);
}

TEST_F(JobsTest, LiveRunsAreMeasuredAndEndedOnesCounted) {
  RunCounts counts;
  scheduler = std::make_unique<Scheduler>(Scheduler::Parts{
      .store = *store, .directory = people, .clock = clock, .code = &code, .sql = &sql, .files = &files, .counts = &counts, .server_id = "s1"});
  const auto r = run_now(job(sql_task("a") + "," + sql_task("b", "a"), R"(,"tags":{"x":"y"})"));
  settle();
  clock.advance(2500);
  const auto said = metrics_text(*store, counts, "s1", clock);
  EXPECT_THAT(said, HasSubstr(fmt::format("tarn_run_seconds{{run_id=\"{}\"", r)));
  EXPECT_THAT(said, HasSubstr("state=\"RUNNING\"} 2.500"));
  EXPECT_THAT(said, HasSubstr("state=\"RUNNING\"} 1\n")) << "its task";
  EXPECT_THAT(metrics_text(*store, counts, "another", clock), ::testing::Not(HasSubstr("run_id")));
  finish_sql("s0", false);
  settle();
  const auto after = metrics_text(*store, counts, "s1", clock);
  EXPECT_THAT(after, ::testing::Not(HasSubstr("run_id")));
  EXPECT_THAT(after, HasSubstr("tarn_runs_ended_total{outcome=\"FAILED\"} 1\n"));
}

TEST_F(JobsTest, ADeletedWorkspaceTakesItsRunsWhenTheyHaveEnded) {
  const auto id = job(sql_task("a"));
  const auto over = run_now(id);
  settle();
  finish_sql("s0");
  settle();
  const auto live = run_now(id);
  settle();
  store->write({}, [&](store::WriteTxn& t) { return service.on_workspace_deleted(t, kWorkspace), true; });
  const auto left = [&] {
    return store->read_as(
        [](store::ReadTxn& t) { return jobs_table.scan(t, {}).size() * 100 + runs_table.scan(t, {}).size() * 10 + tasks_table.scan(t, {}).size(); });
  };
  EXPECT_EQ(left(), 11u) << over << " is gone, " << live << " is being cancelled";
  settle();
  EXPECT_EQ(sql.cancelled, std::vector<std::string>{"s1"});
  EXPECT_EQ(left(), 0u);
}

TEST_F(JobsTest, ListsComeInPages) {
  for (int i = 0; i < 5; ++i) job(sql_task("a"));
  std::set<std::int64_t> seen;
  std::string token;
  do {
    const auto page = get(pat, "/list?limit=2" + (token.empty() ? "" : "&page_token=" + api::percent_encode(token)));
    for (const auto& j : page.body.at("jobs").as_array()) seen.insert(j.at("job_id").to_number<std::int64_t>());
    token = page.text("next_page_token");
    EXPECT_EQ(page.body.at("has_more").as_bool(), !token.empty());
  } while (!token.empty());
  EXPECT_EQ(seen.size(), 5u);
  EXPECT_EQ(get(pat, "/list?limit=0").status, 400);
  std::string many;
  for (int i = 0; i < 120; ++i) many += (i ? "," : "") + sql_task("t" + std::to_string(i));
  const auto id = job(many);
  const auto first = get(pat, "/get?job_id=" + std::to_string(id)).body;
  EXPECT_EQ(first.at("settings").at("tasks").as_array().size(), 100u);
  const auto rest =
      get(pat, "/get?job_id=" + std::to_string(id) + "&page_token=" + api::percent_encode(json::text_at(first, {"next_page_token"}))).body;
  EXPECT_EQ(rest.at("settings").at("tasks").as_array().size(), 20u);
}

}  // namespace
}  // namespace tarn::jobs::testing
