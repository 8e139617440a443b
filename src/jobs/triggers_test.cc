// Triggers that look, continuous jobs, clocks that jump, notifications, Git sources and run logs.
#include "jobs/fixtures.h"
#include "jobs/watcher.h"

namespace tarn::jobs::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

struct FakeWatched final : Watched {
  std::map<std::string, std::string> marks;
  std::vector<std::string> asked_as;
  Expected<std::string, std::string> table_mark(const access::Context& ctx, const std::string& name) override {
    asked_as.push_back(ctx.caller.name);
    if (!marks.contains(name)) return fail("User " + ctx.caller.name + " does not have SELECT on Table '" + name + "'.");
    return marks[name];
  }
  Expected<std::string, std::string> files_mark(const access::Context& ctx, const std::string& url, const std::string&) override {
    return table_mark(ctx, url);
  }
};

struct FakeGit final : GitWork {
  std::vector<Wanted> wanted;
  std::vector<std::function<void(Expected<std::string, std::string>)>> done;
  std::vector<std::string> dropped;
  void fetch(const access::Context&, const Wanted& w, std::function<void(Expected<std::string, std::string>)> d) override {
    wanted.push_back(w);
    done.push_back(std::move(d));
  }
  Expected<WorkspaceFiles::File, std::string> read(const std::string&, const std::string& path) override {
    if (path != "etl/load") return fail("The repository has no file '" + path + "'");
    return WorkspaceFiles::File{.content = "# Databricks notebook source\nprint('from git')", .notebook = true, .language = "PYTHON"};
  }
  void drop(const std::string& key) override { dropped.push_back(key); }
};

struct FakeSender final : WebhookSender {
  std::vector<std::pair<std::string, std::string>> posted;
  std::vector<Answer> answers;
  Answer post(const std::string& url, const std::string&, const std::string&, const std::string& body) override {
    posted.emplace_back(url, body);
    if (answers.empty()) return {.status = 200};
    const auto a = answers.front();
    answers.erase(answers.begin());
    return a;
  }
  std::optional<std::string> check(const std::string& url) override {
    if (url.starts_with("https://127.") || url.starts_with("http:")) return "it is not to be reached";
    return std::nullopt;
  }
};

struct TriggersTest : JobsTest {
  FakeWatched watched;
  FakeGit git;
  FakeSender sender;
  LiveLogs logs;
  crypto::Keyring keys{std::string(32, 'k')};
  Destinations destinations{*store, keys, &sender};
  Watcher watcher{{.store = *store, .directory = people, .clock = clock, .watched = watched, .server_id = "s1", .fired = [this] { ++fired; }}};
  Notifier notifier{{.store = *store, .destinations = destinations, .sender = sender, .clock = clock, .server_id = "s1"}};
  int fired = 0;

  TriggersTest() {
    service.follow(&logs);
    service.notify(&destinations);
    router.add(destination_routes(destinations));
    scheduler = std::make_unique<Scheduler>(Scheduler::Parts{.store = *store,
                                                             .directory = people,
                                                             .clock = clock,
                                                             .code = &code,
                                                             .sql = &sql,
                                                             .files = &files,
                                                             .git = &git,
                                                             .logs = &logs,
                                                             .server_id = "s1"});
  }
  std::vector<std::string> triggers_of(std::int64_t id) {
    std::vector<std::string> out;
    const auto all = get(pat, "/runs/list?job_id=" + std::to_string(id)).body;
    if (const auto* runs = json::find(all, {"runs"}))
      for (const auto& r : runs->as_array()) out.emplace_back(r.at("trigger").as_string());
    return out;
  }
  std::string destination(const std::string& url) {
    auto made =
        destinations.create(context(ada), {.display_name = "d", .config = DestinationConfigs{.generic_webhook = DestinationConfig{.url = url}}});
    EXPECT_TRUE(made.has_value()) << (made ? "" : made.error().message);
    return made ? made->id : "";
  }
  static access::Context context(const access::Caller& who) {
    access::Context ctx;
    ctx.caller = who;
    ctx.workspace_id = kWorkspace;
    return ctx;
  }
  void send_all() {
    while (notifier.step()) {
    }
  }
};

TEST_F(TriggersTest, ATableThatChangesFiresOnceAndAsTheRunsIdentity) {
  watched.marks = {{"c.s.a", "1"}, {"c.s.b", "7"}};
  const auto any = job(sql_task("x"), R"(,"trigger":{"table_update":{"table_names":["c.s.a","c.s.b"]}})");
  const auto all = job(sql_task("x"), R"(,"trigger":{"table_update":{"table_names":["c.s.a","c.s.b"],"condition":"ALL_UPDATED"}})");
  watcher.look();
  watcher.look();
  EXPECT_EQ(fired, 0);  // the first look learns what is there
  watched.marks["c.s.a"] = "2";
  watcher.look();
  watcher.look();
  EXPECT_THAT(triggers_of(any), ElementsAre("TABLE"));
  EXPECT_TRUE(triggers_of(all).empty());
  watched.marks["c.s.b"] = "8";
  watcher.look();
  EXPECT_EQ(triggers_of(all).size(), 1u);
  EXPECT_EQ(triggers_of(any).size(), 2u);
  EXPECT_THAT(watched.asked_as, ::testing::Each("pat"));
  // Another server of the same store, or this one after a kill, does not fire it again.
  Watcher again{{.store = *store, .directory = people, .clock = clock, .watched = watched, .server_id = "s1", .fired = [this] { ++fired; }}};
  again.look();
  EXPECT_EQ(fired, 3);
}

TEST_F(TriggersTest, ATriggerWaitsUntilItIsQuietAndKeepsItsDistance) {
  watched.marks = {{"s3://b/in", "1"}};
  const auto id =
      job(sql_task("x"),
          R"(,"trigger":{"file_arrival":{"url":"s3://b/in","wait_after_last_change_seconds":60,"min_time_between_triggers_seconds":600}})");
  watcher.look();
  watched.marks["s3://b/in"] = "2";
  watcher.look();
  clock.advance(40'000);
  watched.marks["s3://b/in"] = "3";
  watcher.look();
  clock.advance(40'000);
  watcher.look();
  EXPECT_TRUE(triggers_of(id).empty());  // it changed 40 seconds ago
  clock.advance(30'000);
  watcher.look();
  EXPECT_THAT(triggers_of(id), ElementsAre("FILE_ARRIVAL"));
  watched.marks["s3://b/in"] = "4";
  watcher.look();
  clock.advance(90'000);
  watcher.look();
  EXPECT_EQ(triggers_of(id).size(), 1u);
  clock.advance(600'000);
  watcher.look();
  EXPECT_EQ(triggers_of(id).size(), 2u);
  // What its identity may not see does not fire, and the job says why.
  watched.marks.clear();
  watcher.look();
  EXPECT_THAT(json::text_at(get(pat, "/get?job_id=" + std::to_string(id)).body, {"trigger_state", "error"}), HasSubstr("does not have SELECT"));
}

TEST_F(TriggersTest, TriggersThatCannotBeAreRefused) {
  const auto refused = [&](const std::string& trigger) { return post(pat, "/create", R"({"name":"j","trigger":)" + trigger + "}").message(); };
  EXPECT_THAT(refused(R"({"table_update":{"table_names":["x"]}})"), HasSubstr("catalog.schema.table"));
  EXPECT_THAT(refused(R"({"table_update":{"table_names":[]}})"), HasSubstr("1 to 10 names"));
  EXPECT_THAT(refused(R"({"table_update":{"table_names":["a.b.c"],"condition":"SOME"}})"), HasSubstr("ANY_UPDATED or ALL_UPDATED"));
  EXPECT_THAT(refused(R"({"file_arrival":{"url":"nowhere"}})"), HasSubstr("storage URL"));
  EXPECT_THAT(refused(R"({"file_arrival":{"url":"s3://b/x","min_time_between_triggers_seconds":5}})"), HasSubstr("at least 60"));
  EXPECT_THAT(refused(R"({"model":{}})"), HasSubstr("kind 'model' are not available"));
  EXPECT_THAT(refused(R"({})"), HasSubstr("exactly one of"));
  EXPECT_THAT(post(pat, "/create", R"({"name":"j","max_concurrent_runs":2,"continuous":{}})").message(), HasSubstr("max_concurrent_runs 1"));
}

TEST_F(TriggersTest, AContinuousJobRunsAgainAndAgainAndWaitsAfterFailures) {
  const auto id = job(sql_task("x"), R"(,"continuous":{})");
  settle();
  EXPECT_THAT(triggers_of(id), ElementsAre("CONTINUOUS"));
  finish_sql("s0");
  settle();
  ASSERT_EQ(sql.all.size(), 2u);
  finish_sql("s1", false);
  settle();
  EXPECT_EQ(sql.all.size(), 2u);  // it failed: the next one waits
  clock.advance(2'500);
  settle();
  ASSERT_EQ(sql.all.size(), 3u);
  finish_sql("s2", false);
  settle();
  clock.advance(2'500);
  settle();
  EXPECT_EQ(sql.all.size(), 3u);  // longer than before
  clock.advance(2'500);
  settle();
  ASSERT_EQ(sql.all.size(), 4u);
  // Paused, its run ends and none follows.
  EXPECT_EQ(post(pat, "/update", R"({"job_id":)" + std::to_string(id) + R"(,"new_settings":{"continuous":{"pause_status":"PAUSED"}}})").status, 200);
  settle();
  clock.advance(10'000'000);
  settle();
  EXPECT_EQ(sql.all.size(), 4u);
  EXPECT_THAT(sql.cancelled, ElementsAre("s3"));
}

TEST_F(TriggersTest, AClockThatIsSetBackDoesNotSilenceASchedule) {
  const auto id = job(sql_task("x"), R"(,"schedule":{"quartz_cron_expression":"0 0 * * * ?","timezone_id":"UTC"},"max_concurrent_runs":9)");
  settle();
  clock.advance(3'600'000);
  settle();
  EXPECT_EQ(triggers_of(id).size(), 1u);
  clock.advance(-24 * 3'600'000);
  settle();
  EXPECT_EQ(triggers_of(id).size(), 1u);  // nothing fires because of it
  clock.advance(3'600'000);
  settle();
  EXPECT_EQ(triggers_of(id).size(), 2u);  // and the next hour does
  clock.advance(1'000 * 3'600'000ll);
  settle();
  EXPECT_EQ(triggers_of(id).size(), 3u);  // a leap ahead is one firing, not a thousand
}

TEST_F(TriggersTest, NotificationsAreSentOnceRetriedAndKept) {
  const auto hook = destination("https://hooks.example/x");
  const auto id = job(sql_task("x", "", R"(,"webhook_notifications":{"on_failure":[{"id":")" + hook + R"("}]})"),
                      R"(,"webhook_notifications":{"on_start":[{"id":")" + hook + R"("}],"on_failure":[{"id":")" + hook +
                          R"("}]},"email_notifications":{"on_failure":["ada@acme.example"]})");
  const auto r = run_now(id);
  settle();
  sender.answers = {{.error = "connection refused"}, {.status = 503}};
  send_all();
  EXPECT_EQ(sender.posted.size(), 1u);
  clock.advance(10'000);
  send_all();
  clock.advance(60'000);
  send_all();
  ASSERT_EQ(sender.posted.size(), 3u);
  EXPECT_EQ(json::text_at(*json::parse(sender.posted[2].second), {"event_type"}), "jobs.on_start");
  EXPECT_EQ(json::text_at(*json::parse(sender.posted[2].second), {"run", "run_id"}), std::to_string(r));
  finish_sql("s0", false);
  settle();
  send_all();
  ASSERT_EQ(sender.posted.size(), 5u);  // the run's and the task's
  settle();
  send_all();
  EXPECT_EQ(sender.posted.size(), 5u);
  const auto kept = get(pat, "/runs/notifications?run_id=" + std::to_string(r)).body.at("notifications").as_array();
  std::multiset<std::string> states;
  for (const auto& n : kept) states.insert(json::text_at(n, {"event"}) + " " + json::text_at(n, {"state"}));
  EXPECT_EQ(states, (std::multiset<std::string>{"on_start SENT", "on_failure SENT", "on_failure SENT", "on_failure REFUSED"}));
  // No e-mail is sent without a relay, and none is pretended.
  EXPECT_NE(boost::json::serialize(kept).find("This platform has no mail relay"), std::string::npos);
  EXPECT_EQ(get(nora, "/runs/notifications?run_id=" + std::to_string(r)).status, 403);
}

TEST_F(TriggersTest, AHookThatSaysNoIsNotAskedAgain) {
  const auto hook = destination("https://hooks.example/x");
  const auto r = run_now(job(sql_task("x"), R"(,"webhook_notifications":{"on_start":[{"id":")" + hook + R"("}]})"));
  settle();
  sender.answers = {{.status = 410}};
  send_all();
  clock.advance(10'000'000);
  send_all();
  EXPECT_EQ(sender.posted.size(), 1u);
  const auto kept = get(pat, "/runs/notifications?run_id=" + std::to_string(r)).body;
  EXPECT_EQ(json::text_at(kept.at("notifications").at(0), {"state"}), "FAILED");
  EXPECT_EQ(json::text_at(kept.at("notifications").at(0), {"error"}), "it answered 410");
}

TEST_F(TriggersTest, DestinationsAreJudgedSealedAndMustExist) {
  const auto config = [](const std::string& url) { return DestinationConfigs{.generic_webhook = DestinationConfig{.url = url, .password = "pw"}}; };
  EXPECT_FALSE(destinations.create(context(ada), {.display_name = "d", .config = config("https://127.0.0.1/x")}).has_value());
  EXPECT_FALSE(destinations.create(context(ada), {.display_name = "d", .config = config("http://hooks.example/x")}).has_value());
  EXPECT_THAT(
      destinations.create(context(ada), {.display_name = "d", .config = DestinationConfigs{.email = EmailConfig{{"a@b.example"}}}}).error().message,
      HasSubstr("no mail relay"));
  const auto made = destinations.create(context(ada), {.display_name = "d", .config = config("https://hooks.example/secret-path")});
  ASSERT_TRUE(made.has_value());
  const auto everything = store->read_as([](store::ReadTxn& t) { return json::encode_text(destinations_table.scan(t, "")); });
  EXPECT_EQ(everything.find("secret-path"), std::string::npos);
  EXPECT_THAT(post(pat, "/create", R"({"name":"j","webhook_notifications":{"on_start":[{"id":"none"}]}})").message(), HasSubstr("does not exist"));
  ASSERT_TRUE(destinations.remove(context(ada), made->id).has_value());
  EXPECT_FALSE(destinations.address(kWorkspace, made->id).has_value());
}

TEST_F(TriggersTest, EMailGoesToTheRelayToPeopleAndDestinations) {
  struct FakeMail final : MailSender {
    std::vector<std::tuple<std::vector<std::string>, std::string, std::string>> sent;
    std::vector<WebhookSender::Answer> answers;
    WebhookSender::Answer send(const std::vector<std::string>& to, const std::string& subject, const std::string& text) override {
      sent.emplace_back(to, subject, text);
      if (answers.empty()) return {.status = 250};
      const auto a = answers.front();
      answers.erase(answers.begin());
      return a;
    }
  } mail;
  Destinations mailing(*store, keys, &sender, true);
  Notifier with_mail({.store = *store, .destinations = mailing, .sender = sender, .mail = &mail, .clock = clock, .server_id = "s1"});
  for (const auto* wrong : {"", "nobody", "a@b.example\r\nBcc: all@b.example", "two@b.example,three@b.example", "<x@b.example>"})
    EXPECT_FALSE(mailing.create(context(ada), {.display_name = "d", .config = DestinationConfigs{.email = EmailConfig{{wrong}}}}).has_value())
        << wrong;
  const auto made =
      mailing.create(context(ada), {.display_name = "d", .config = DestinationConfigs{.email = EmailConfig{{"a@b.example", "c@d.example"}}}});
  ASSERT_TRUE(made.has_value());
  const auto id = job(sql_task("x"), R"(,"webhook_notifications":{"on_success":[{"id":")" + made->id +
                                         R"("}]},"email_notifications":{"on_success":["ada@acme.example"]})");
  const auto r = run_now(id);
  settle();
  finish_sql("s0");
  settle();
  mail.answers = {{.error = "421 try later"}};
  for (int turn = 0; turn < 3; ++turn) {
    while (with_mail.step()) {
    }
    clock.advance(100'000);
  }
  std::multiset<std::vector<std::string>> told;
  for (const auto& [to, subject, text] : mail.sent) {
    told.insert(to);
    EXPECT_EQ(subject, fmt::format("j: on_success (run {})", r));
    EXPECT_THAT(text, HasSubstr("Event: on_success"));
  }
  EXPECT_EQ(mail.sent.size(), 3u) << "one was tried again";
  EXPECT_EQ(told.count({"a@b.example", "c@d.example"}) + told.count({"ada@acme.example"}), 3u);
  EXPECT_TRUE(sender.posted.empty());
  const auto kept = get(pat, "/runs/notifications?run_id=" + std::to_string(r)).body.at("notifications").as_array();
  for (const auto& n : kept) EXPECT_EQ(json::text_at(n, {"state"}), "SENT");
}

TEST_F(TriggersTest, AnAlertIsATaskOfItsOwn) {
  struct FakeAlerts final : AlertWork {
    std::vector<std::pair<std::string, SqlAlert>> started;
    Ended ended;
    Expected<std::string, std::string> start(const access::Context& ctx, const std::string& warehouse, const SqlAlert& alert, Ended e) override {
      if (alert.alert_id == "none") return fail(std::string("Alert with id none does not exist or is not accessible to the user."));
      started.emplace_back(ctx.caller.name + " on " + warehouse, alert);
      ended = std::move(e);
      return "statement-1";
    }
  } alerts;
  scheduler = std::make_unique<Scheduler>(
      Scheduler::Parts{.store = *store, .directory = people, .clock = clock, .sql = &sql, .alerts = &alerts, .files = &files, .server_id = "s1"});
  const auto of = [](const std::string& alert) { return R"({"task_key":"a","sql_task":{"warehouse_id":"w","alert":)" + alert + "}}"; };
  EXPECT_THAT(post(pat, "/create", R"({"name":"j","tasks":[)" + of(R"({"alert_id":""})") + "]}").message(), HasSubstr("alert.alert_id"));
  EXPECT_THAT(post(pat, "/create", R"({"name":"j","tasks":[)" + of(R"({"alert_id":"x","subscriptions":[{}]})") + "]}").message(),
              HasSubstr("exactly one of user_name and destination_id"));
  EXPECT_THAT(
      post(pat, "/create", R"({"name":"j","tasks":[)" + of(R"({"alert_id":"x","subscriptions":[{"destination_id":"none"}]})") + "]}").message(),
      HasSubstr("Notification destination none does not exist"));
  const auto r = run_now(job(of(R"({"alert_id":"late","subscriptions":[{"user_name":"ada@acme.example"}]})")));
  settle();
  ASSERT_EQ(alerts.started.size(), 1u);
  EXPECT_EQ(alerts.started[0].first, "pat on w");
  EXPECT_EQ(alerts.started[0].second.subscriptions.at(0).user_name, "ada@acme.example");
  alerts.ended({.ok = true, .output = json::object{{"alert_state", "TRIGGERED"}, {"query_text", "select 1"}, {"statement_id", "statement-1"}}});
  settle();
  EXPECT_EQ(result(run(r)), "SUCCESS");
  const auto output = get(pat, "/runs/get-output?run_id=" + std::to_string(this->task(r, "a").at("run_id").to_number<std::int64_t>())).body;
  EXPECT_EQ(json::text_at(output, {"sql_output", "alert_output", "alert_state"}), "TRIGGERED");
  const auto lost = run_now(job(of(R"({"alert_id":"none"})")));
  settle();
  EXPECT_EQ(result(run(lost)), "FAILED");
}

TEST_F(TriggersTest, AGitSourceIsFetchedOnceAndItsCommitIsKept) {
  code.clusters["k"] = {.state = CodeWork::State::running};
  const std::string source = R"(,"git_source":{"git_url":"https://git.example/x.git","git_provider":"gitLab","git_branch":"main"})";
  const std::string task = R"({"task_key":"a","existing_cluster_id":"k","notebook_task":{"notebook_path":"etl/load"}})";
  const auto r = run_now(job(task, source));
  settle();
  ASSERT_EQ(git.wanted.size(), 1u);
  EXPECT_EQ(git.wanted[0].branch, "main");
  EXPECT_TRUE(code.codes.empty());
  git.done[0](std::string(40, 'a'));
  settle();
  ASSERT_EQ(code.codes.size(), 1u);
  EXPECT_EQ(json::text_at(run(r), {"git_source", "git_snapshot", "used_commit"}), std::string(40, 'a'));
  // The server ends and starts: the same commit again, whatever the branch is by now.
  fresh_scheduler();
  scheduler = std::make_unique<Scheduler>(Scheduler::Parts{
      .store = *store, .directory = people, .clock = clock, .code = &code, .sql = &sql, .files = &files, .git = &git, .server_id = "s1"});
  scheduler->recover();
  settle();
  code.work.at("w0")({.ok = true});
  settle();
  EXPECT_EQ(result(run(r)), "SUCCESS");
  const auto bad = run_now(job(task, source));
  settle();
  git.done.back()(fail(std::string("Branch main does not exist")));
  settle();
  EXPECT_EQ(result(run(bad)), "FAILED");
  EXPECT_FALSE(git.dropped.empty());
  EXPECT_THAT(post(pat, "/create", R"({"name":"j","git_source":{"git_url":"x","git_provider":"gitLab"}})").message(),
              HasSubstr("exactly one of git_branch, git_tag and git_commit"));
}

TEST_F(TriggersTest, LogsAreFollowedWhileATaskRunsAndKeptAfterwards) {
  code.clusters["k"] = {.state = CodeWork::State::running};
  const auto r = run_now(job(R"({"task_key":"a","existing_cluster_id":"k","notebook_task":{"notebook_path":"/n"}})"));
  settle();
  const auto page = [&](std::int64_t offset) {
    return get(pat, "/runs/logs?run_id=" + std::to_string(r) + "&offset=" + std::to_string(offset)).body;
  };
  code.prints.at("w0")(0, "grü");
  EXPECT_EQ(json::text_at(page(0), {"text"}), "grü");
  EXPECT_FALSE(page(0).at("ended").as_bool());
  code.prints.at("w0")(0, "grüße\n");  // the node says it all again after a connection that broke
  code.prints.at("w0")(9, "a gap");
  EXPECT_EQ(json::text_at(page(4), {"text"}), "ße\n");
  code.work.at("w0")(
      {.ok = true,
       .output = json::object{{"logs", "grüße\nend\n"},
                              {"exit", "7"},
                              {"cells", json::array{json::object{
                                            {"number", 1}, {"source", "print('<b>')"}, {"outputs", json::array{json::object{{"text", "<b>"}}}}}}}}});
  settle();
  EXPECT_EQ(json::text_at(page(8), {"text"}), "end\n");
  EXPECT_TRUE(page(8).at("ended").as_bool());
  const auto output = get(pat, "/runs/get-output?run_id=" + std::to_string(r)).body;
  EXPECT_EQ(json::text_at(output, {"logs"}), "grüße\nend\n");
  EXPECT_EQ(json::text_at(output, {"notebook_output", "result"}), "7");
  const auto views = get(pat, "/runs/export?run_id=" + std::to_string(r)).body;
  EXPECT_THAT(json::text_at(views.at("views").at(0), {"content"}), HasSubstr("&lt;b&gt;"));
  EXPECT_EQ(get(nora, "/runs/logs?run_id=" + std::to_string(r)).status, 403);
  EXPECT_EQ(get(pat, "/runs/logs?run_id=" + std::to_string(r) + "&offset=9999").status, 400);
  // Deleted with the run.
  EXPECT_EQ(post(pat, "/runs/delete", R"({"run_id":)" + std::to_string(r) + "}").status, 200);
  EXPECT_TRUE(store->read_as([](store::ReadTxn& t) { return outputs_table.scan(t, ""); }).empty());
}

TEST_F(TriggersTest, ATaskMayAskForWhatTasksBeforeItSet) {
  code.clusters["k"] = {.state = CodeWork::State::running};
  const auto task = [](const std::string& key, const std::string& after) {
    return R"({"task_key":")" + key + R"(","existing_cluster_id":"k","notebook_task":{"notebook_path":"/n"})" +
           (after.empty() ? "" : R"(,"depends_on":[{"task_key":")" + after + "\"}]") + "}";
  };
  run_now(job(task("a", "") + "," + task("b", "a")));
  settle();
  code.work.at("w0")({.ok = true, .output = json::object{{"values", json::object{{"n", 5}}}}});
  settle();
  ASSERT_EQ(code.codes.size(), 2u);
  const auto begin = code.codes[1].find('"') + 1;
  std::string order;
  for (std::size_t i = begin; code.codes[1][i] != '"'; i += 2) order += static_cast<char>(std::stoi(code.codes[1].substr(i, 2), nullptr, 16));
  EXPECT_EQ(json::find(*json::parse(order), {"known_values", "a", "n"})->as_int64(), 5);
}

}  // namespace
}  // namespace tarn::jobs::testing
