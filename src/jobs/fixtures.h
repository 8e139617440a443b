#pragma once
// Private to jobs' tests: the room on an in-memory store, with people, clusters, statements and files that do as they are told.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "access/testing.h"
#include "base/json_read.h"
#include "jobs/routes.h"
#include "jobs/scheduler.h"
#include "jobs/service.h"
#include "store/store_for_tests.h"

namespace tarn::jobs::testing {

constexpr std::int64_t kWorkspace = 41;

struct People final : identity::Directory {
  std::map<std::string, access::Caller> all;
  access::Caller& add(const std::string& name, bool admin = false) {
    auto& c = all[name];
    c.id = 100 + static_cast<std::int64_t>(all.size());
    c.name = name;
    c.workspace_admin = admin;
    return c;
  }
  std::optional<identity::PrincipalRef> find_principal(std::string_view name) override {
    const auto i = all.find(std::string(name));
    if (i == all.end()) return std::nullopt;
    return identity::PrincipalRef{.id = i->second.id, .name = i->first};
  }
  std::optional<identity::PrincipalRef> get_principal(std::int64_t) override { return std::nullopt; }
  std::optional<identity::PrincipalRef> find_local_group(std::int64_t, std::string_view) override { return std::nullopt; }
  std::optional<identity::PrincipalRef> get_local_group(std::int64_t, std::int64_t) override { return std::nullopt; }
  std::optional<access::Caller> caller(std::int64_t id, std::optional<std::int64_t>) override {
    for (const auto& [name, c] : all)
      if (c.id == id) return c;
    return std::nullopt;
  }
  Expected<access::Caller, Refusal> authenticate(std::string_view, std::optional<std::int64_t>) override { return fail(Refusal{}); }
  bool is_assigned(std::int64_t, std::int64_t) override { return true; }
};

struct FakeSql final : SqlWork {
  struct One {
    std::string who, warehouse, statement;
    std::map<std::string, std::string> parameters;
    Ended ended;
  };
  std::map<std::string, One> all;
  std::vector<std::string> cancelled;
  Expected<std::string, std::string> start(const access::Context& ctx, const std::string& warehouse, const std::string& statement,
                                           const std::map<std::string, std::string>& parameters, Ended ended) override {
    if (warehouse == "gone") return fail(std::string("The SQL warehouse with the ID 'gone' does not exist"));
    const auto id = "s" + std::to_string(all.size());
    all[id] = {ctx.caller.name, warehouse, statement, parameters, std::move(ended)};
    return id;
  }
  void cancel(const access::Context&, const std::string& id) override { cancelled.push_back(id); }
};

struct FakeCode final : CodeWork {
  std::map<std::string, Cluster> clusters;
  std::vector<std::string> discarded, ended_work, codes;
  std::map<std::string, Ended> work;
  std::map<std::string, Printed> prints;
  std::set<std::string> kept;
  Expected<void, std::string> ensure(const access::Context&, const std::string& id) override {
    if (!clusters.contains(id)) return fail("Cluster " + id + " does not exist");
    return {};
  }
  Expected<std::string, std::string> create(const access::Context& ctx, const json::value&, const std::string&) override {
    if (ctx.caller.name == "nora") return fail(std::string("You are not authorized to create clusters. Please contact your administrator."));
    const auto id = "c" + std::to_string(clusters.size());
    clusters[id] = {};
    return id;
  }
  void discard(const std::string& id) override { discarded.push_back(id); }
  void keep_only(const std::set<std::string>& ids) override { kept = ids; }
  Cluster state(const std::string& id) override { return clusters[id]; }
  Expected<void, std::string> check(const access::Context&, const json::value& c) override {
    if (!c.is_object() || !c.as_object().contains("spark_version")) return fail(std::string("Missing required field: spark_version"));
    return {};
  }
  Expected<std::string, std::string> start(const access::Context&, const std::string&, const std::string& code, Ended ended,
                                           Printed printed) override {
    const auto handle = "w" + std::to_string(codes.size());
    codes.push_back(code);
    work[handle] = std::move(ended);
    prints[handle] = std::move(printed);
    return handle;
  }
  void resume(const access::Context&, const std::string&, const std::string& handle, Ended ended, Printed printed) override {
    work[handle] = std::move(ended);
    prints[handle] = std::move(printed);
  }
  void cancel(const std::string& handle) override { ended_work.push_back(handle); }
};

struct FakeFiles final : WorkspaceFiles {
  std::map<std::string, File> all;
  Expected<File, std::string> read(const access::Context&, const std::string& path) override {
    const auto i = all.find(path);
    if (i == all.end()) return fail("Path (" + path + ") doesn't exist.");
    return i->second;
  }
  Expected<std::string, std::string> query(const access::Context&, const std::string& id) override {
    if (id != "known") return fail("Query " + id + " does not exist");
    return std::string("select 1");
  }
};

struct Answer {
  int status = 0;
  json::value body;
  std::string text(const char* field) const { return json::text_at(body, {field}); }
  std::string message() const { return text("message"); }
};

struct JobsTest : ::testing::Test {
  FakeClock clock{1'767'225'600'000};
  std::unique_ptr<store::Store> store = store::store_for_tests(clock);
  access::testing::FakePermissions permissions;
  People people;
  FakeSql sql;
  FakeCode code;
  FakeFiles files;
  access::Caller ada = people.add("ada", true), pat = people.add("pat"), nora = people.add("nora");
  Service service{*store, permissions, people, &code, clock, "s1"};
  std::unique_ptr<Scheduler> scheduler;
  api::Router router;

  JobsTest() {
    router.add(routes(service));
    fresh_scheduler();
    files.all["/q.sql"] = {.content = "select :day"};
    files.all["/n"] = {.content = "# Databricks notebook source\nprint(1)", .notebook = true, .language = "PYTHON"};
  }
  void fresh_scheduler() {
    scheduler = std::make_unique<Scheduler>(
        Scheduler::Parts{.store = *store, .directory = people, .clock = clock, .code = &code, .sql = &sql, .files = &files, .server_id = "s1"});
  }
  void settle() {
    int turns = 0;
    while (scheduler->step()) ASSERT_LT(++turns, 500) << "the scheduler does not come to rest";
  }
  Answer call(const access::Caller& who, api::Method method, const std::string& path, const std::string& body = "") {
    const auto question = path.find('?');
    const auto refused = [](const api::WireError& e) { return Answer{e.status, *json::parse(e.body())}; };
    auto m = router.match(method, api::Surface::workspace, "/api/2.2/jobs" + path.substr(0, question));
    if (!m.route) {
      ADD_FAILURE() << "no route for " << path;
      return {};
    }
    api::Request r;
    r.method = method;
    r.body = body;
    r.host = "landing.example";
    r.context.caller = who;
    r.context.workspace_id = kWorkspace;
    if (question != path.npos) r.query = api::parse_query(path.substr(question + 1));
    auto result = std::get<api::Handler>(m.route->handler)(r);
    if (!result) return refused(result.error());
    return {result->status, *json::parse(result->body)};
  }
  Answer post(const access::Caller& who, const std::string& path, const std::string& body) { return call(who, api::Method::POST, path, body); }
  Answer get(const access::Caller& who, const std::string& path) { return call(who, api::Method::GET, path); }
  std::int64_t job(const std::string& tasks, const std::string& more = "") {
    const auto a = post(pat, "/create", R"({"name":"j","tasks":[)" + tasks + "]" + more + "}");
    EXPECT_EQ(a.status, 200) << a.body;
    return a.status == 200 ? a.body.at("job_id").to_number<std::int64_t>() : 0;
  }
  std::int64_t run_now(std::int64_t id, const std::string& more = "") {
    const auto a = post(pat, "/run-now", R"({"job_id":)" + std::to_string(id) + more + "}");
    EXPECT_EQ(a.status, 200) << a.body;
    return a.body.at("run_id").to_number<std::int64_t>();
  }
  json::value run(std::int64_t id) { return get(pat, "/runs/get?run_id=" + std::to_string(id)).body; }
  static std::string result(const json::value& r) { return json::text_at(r, {"state", "result_state"}); }
  static std::string life(const json::value& r) { return json::text_at(r, {"state", "life_cycle_state"}); }
  json::value task(std::int64_t run_id, const std::string& key) {
    json::value out;
    const auto whole = run(run_id);
    for (const auto& t : whole.at("tasks").as_array())
      if (t.at("task_key").as_string() == key) out = t;
    return out;
  }
  static std::string sql_task(const std::string& key, const std::string& after = "", const std::string& more = "") {
    return R"({"task_key":")" + key + R"(","sql_task":{"warehouse_id":"w","file":{"path":"/q.sql"}})" +
           (after.empty() ? "" : R"(,"depends_on":[{"task_key":")" + after + "\"}]") + more + "}";
  }
  void finish_sql(const std::string& id, bool ok = true) { sql.all.at(id).ended({.ok = ok, .error = ok ? "" : "no such table"}); }
};

}  // namespace tarn::jobs::testing
