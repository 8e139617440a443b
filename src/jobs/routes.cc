#include "jobs/routes.h"

#include <charconv>

#include "jobs/wire.h"

namespace tarn::jobs {
namespace {

using api::Method;
using api::Request;

constexpr std::size_t kTasksAPage = 100;

struct JobId {
  std::int64_t job_id = 0;
};
BOOST_DESCRIBE_STRUCT(JobId, (), (job_id))
struct RunId {
  std::int64_t run_id = 0;
};
BOOST_DESCRIBE_STRUCT(RunId, (), (run_id))
struct CancelAll {
  std::optional<std::int64_t> job_id;
  std::optional<bool> all_queued_runs;
};
BOOST_DESCRIBE_STRUCT(CancelAll, (), (job_id, all_queued_runs))
struct Reset {
  std::int64_t job_id = 0;
  JobSettings new_settings;
};
BOOST_DESCRIBE_STRUCT(Reset, (), (job_id, new_settings))
struct Update {
  std::int64_t job_id = 0;
  json::value new_settings;
  std::vector<std::string> fields_to_remove;
};
BOOST_DESCRIBE_STRUCT(Update, (), (job_id, new_settings, fields_to_remove))

Expected<std::int64_t, api::WireError> number(const Request& r, const char* name) {
  const auto text = r.param(name);
  if (!text || text->empty()) return fail(api::bad_request(fmt::format("Parameter '{}' is required", name)));
  return api::integer(name, *text);
}

Expected<std::optional<std::int64_t>, api::WireError> maybe_number(const Request& r, const char* name) {
  const auto text = r.param(name);
  if (!text) return std::optional<std::int64_t>{};
  TARN_TRY(n, api::integer(name, *text));
  return std::optional(n);
}

Expected<std::size_t, api::WireError> limit_of(const Request& r, std::int64_t standard, std::int64_t most) {
  TARN_TRY(n, maybe_number(r, "limit"));
  if (n && (*n < 1 || *n > most)) return fail(api::bad_request(fmt::format("Parameter 'limit' must be between 1 and {}, got {}", most, *n)));
  return static_cast<std::size_t>(n.value_or(standard));
}

/// Where a page begins: after the token's id, or at the old API's offset.
template <class T, class F>
Expected<std::size_t, api::WireError> begin_of(const Request& r, const std::string& listing, const std::vector<T>& all, F&& id) {
  TARN_TRY(after, api::page_after(listing, r.param("page_token")));
  if (!after.empty()) {
    for (std::size_t i = 0; i < all.size(); ++i)
      if (std::to_string(id(all[i])) == after) return i + 1;
    return std::size_t{0};
  }
  TARN_TRY(offset, maybe_number(r, "offset"));
  if (offset && *offset < 0) return fail(api::bad_request("Parameter 'offset' must not be negative"));
  return static_cast<std::size_t>(offset.value_or(0));
}

api::Result listed(Service& s, const Request& r) {
  TARN_TRY(limit, limit_of(r, 20, 100));
  const auto all = s.list(r.context, r.param("name"));
  TARN_TRY(from, begin_of(r, "jobs", all, [](const JobRecord& j) { return j.job_id; }));
  json::array list;
  std::size_t i = from;
  for (; i < all.size() && list.size() < limit; ++i) list.push_back(job_json(all[i], r.param("expand_tasks") == "true"));
  json::object out{{"has_more", i < all.size()}};
  if (i < all.size()) out["next_page_token"] = api::page_token("jobs", std::to_string(all[i - 1].job_id));
  if (!list.empty()) out["jobs"] = std::move(list);
  return api::ok(json::value(std::move(out)));
}

api::Result listed_runs(Service& s, const Request& r) {
  TARN_TRY(limit, limit_of(r, 20, 26));
  ListRuns f;
  TARN_TRY(job, maybe_number(r, "job_id"));
  TARN_TRY(since, maybe_number(r, "start_time_from"));
  TARN_TRY(until, maybe_number(r, "start_time_to"));
  f.job_id = job, f.start_time_from = since, f.start_time_to = until;
  f.active_only = r.param("active_only") == "true";
  f.completed_only = r.param("completed_only") == "true";
  f.run_type = r.param("run_type");
  const auto all = s.list_runs(r.context, f);
  if (!all) return fail(wire(all.error()));
  TARN_TRY(from, begin_of(r, "runs", *all, [](const RunRecord& one) { return one.run_id; }));
  json::array list;
  std::size_t i = from;
  const bool expand = r.param("expand_tasks") == "true";
  for (; i < all->size() && list.size() < limit; ++i)
    list.push_back(run_json((*all)[i], expand ? s.tasks((*all)[i]) : std::vector<TaskRecord>{}, r.host, expand));
  json::object out{{"has_more", i < all->size()}};
  if (i < all->size()) out["next_page_token"] = api::page_token("runs", std::to_string((*all)[i - 1].run_id));
  if (!list.empty()) out["runs"] = std::move(list);
  return api::ok(json::value(std::move(out)));
}

/// At most 100 tasks a page; later pages leave out what the first said.
void paged(json::object& holder, json::object& reply, std::size_t from) {
  auto* list = holder.if_contains("tasks");
  if (!list || !list->is_array() || (from == 0 && list->as_array().size() <= kTasksAPage)) return;
  auto& all = list->as_array();
  const auto end = std::min(all.size(), from + kTasksAPage);
  json::array page(all.begin() + static_cast<std::ptrdiff_t>(std::min(from, all.size())), all.begin() + static_cast<std::ptrdiff_t>(end));
  const bool more = end < all.size();
  holder["tasks"] = std::move(page);
  if (more) {
    reply["has_more"] = true;
    reply["next_page_token"] = api::page_token("tasks", std::to_string(end));
  }
}

Expected<std::size_t, api::WireError> task_page(const Request& r) {
  TARN_TRY(after, api::page_after("tasks", r.param("page_token")));
  std::size_t n = 0;
  std::from_chars(after.data(), after.data() + after.size(), n);
  return n;
}

api::Result nothing(const Result<void>& r) {
  if (!r) return fail(wire(r.error()));
  return api::ok();
}

/// The format of before tasks, which 2.0 still takes: its fields would be lost, so they are refused by name.
Expected<void, api::WireError> no_single_task(const Request& r) {
  const auto body = json::parse(r.body);
  if (!body || !body->is_object()) return {};
  for (const char* field : {"notebook_task", "spark_jar_task", "spark_python_task", "spark_submit_task", "python_wheel_task", "pipeline_task",
                            "dbt_task", "existing_cluster_id", "new_cluster", "libraries", "max_retries"})
    if (body->as_object().contains(field))
      return fail(api::bad_request(
          fmt::format("Field '{}' belongs to a task: jobs of the single-task format are not supported, put it into 'tasks'", field)));
  return {};
}

void job_rows(std::vector<api::Route>& out, Service& s, const std::string& base) {
  const auto row = [&](Method m, const std::string& verb, api::Handler h) {
    out.push_back({.method = m,
                   .pattern = base + verb,
                   .surface = api::Surface::workspace,
                   .auth = api::Auth::authenticated,
                   .group = "jobs",
                   .handler = std::move(h)});
  };
  row(Method::POST, "/create", [&s](const Request& r) -> api::Result {
    TARN_CHECK(no_single_task(r));
    TARN_TRY(body, api::body_of<JobSettings>(r));
    auto made = s.create(r.context, body);
    if (!made) return fail(wire(made.error()));
    return api::ok(json::value(json::object{{"job_id", made->job_id}}));
  });
  row(Method::GET, "/get", [&s](const Request& r) -> api::Result {
    TARN_TRY(id, number(r, "job_id"));
    TARN_TRY(from, task_page(r));
    auto job = s.get(r.context, id);
    if (!job) return fail(wire(job.error()));
    auto body = job_json(*job, true);
    auto settings = body["settings"].as_object();
    paged(settings, body, from);
    body["settings"] = std::move(settings);
    return api::ok(json::value(std::move(body)));
  });
  row(Method::GET, "/list", [&s](const Request& r) { return listed(s, r); });
  row(Method::POST, "/reset", [&s](const Request& r) -> api::Result {
    TARN_TRY(body, api::body_of<Reset>(r));
    return nothing(s.reset(r.context, body.job_id, body.new_settings));
  });
  row(Method::POST, "/update", [&s](const Request& r) -> api::Result {
    TARN_TRY(body, api::body_of<Update>(r));
    if (!body.new_settings.is_null() && !body.new_settings.is_object()) return fail(api::bad_request("Field 'new_settings' must be an object"));
    return nothing(
        s.update(r.context, body.job_id, body.new_settings.is_object() ? body.new_settings.as_object() : json::object{}, body.fields_to_remove));
  });
  row(Method::POST, "/delete", [&s](const Request& r) -> api::Result {
    TARN_TRY(body, api::body_of<JobId>(r));
    return nothing(s.remove(r.context, body.job_id));
  });
  row(Method::POST, "/run-now", [&s](const Request& r) -> api::Result {
    TARN_TRY(body, api::body_of<RunNow>(r));
    auto made = s.run_now(r.context, body);
    if (!made) return fail(wire(made.error()));
    return api::ok(json::value(json::object{{"run_id", made->run_id}, {"number_in_job", made->number_in_job}}));
  });
}

void run_rows(std::vector<api::Route>& out, Service& s, const std::string& base) {
  const auto row = [&](Method m, const std::string& verb, api::Handler h) {
    out.push_back({.method = m,
                   .pattern = base + verb,
                   .surface = api::Surface::workspace,
                   .auth = api::Auth::authenticated,
                   .group = "jobs",
                   .handler = std::move(h)});
  };
  row(Method::POST, "/submit", [&s](const Request& r) -> api::Result {
    TARN_CHECK(no_single_task(r));
    TARN_TRY(body, api::body_of<SubmitRun>(r));
    auto made = s.submit(r.context, body);
    if (!made) return fail(wire(made.error()));
    return api::ok(json::value(json::object{{"run_id", made->run_id}}));
  });
  row(Method::GET, "/get", [&s](const Request& r) -> api::Result {
    TARN_TRY(id, number(r, "run_id"));
    TARN_TRY(from, task_page(r));
    auto view = s.run(r.context, id);
    if (!view) return fail(wire(view.error()));
    auto body = run_json(view->run, view->tasks, r.host, true);
    paged(body, body, from);
    return api::ok(json::value(std::move(body)));
  });
  row(Method::GET, "/list", [&s](const Request& r) { return listed_runs(s, r); });
  row(Method::GET, "/get-output", [&s](const Request& r) -> api::Result {
    TARN_TRY(id, number(r, "run_id"));
    auto view = s.run(r.context, id);
    if (!view) return fail(wire(view.error()));
    auto task = s.shown(r.context, id);
    if (!task) return fail(wire(task.error()));
    return api::ok(json::value(output_json(*view, task->first, task->second, r.host)));
  });
  // Ours: what a run prints, as it prints it.
  row(Method::GET, "/logs", [&s](const Request& r) -> api::Result {
    TARN_TRY(id, number(r, "run_id"));
    TARN_TRY(offset, maybe_number(r, "offset"));
    if (offset && *offset < 0) return fail(api::bad_request("Parameter 'offset' must not be negative"));
    auto page = s.logs(r.context, id, static_cast<std::size_t>(offset.value_or(0)));
    if (!page) return fail(wire(page.error()));
    return api::ok(json::value(log_json(*page)));
  });
  // Ours: what became of a run's notifications.
  row(Method::GET, "/notifications", [&s](const Request& r) -> api::Result {
    TARN_TRY(id, number(r, "run_id"));
    auto all = s.notices(r.context, id);
    if (!all) return fail(wire(all.error()));
    json::array list;
    for (const auto& n : *all) list.push_back(notice_json(n));
    return api::ok(json::value(json::object{{"notifications", std::move(list)}}));
  });
  row(Method::POST, "/cancel", [&s](const Request& r) -> api::Result {
    TARN_TRY(body, api::body_of<RunId>(r));
    return nothing(s.cancel(r.context, body.run_id));
  });
  row(Method::POST, "/cancel-all", [&s](const Request& r) -> api::Result {
    TARN_TRY(body, api::body_of<CancelAll>(r));
    return nothing(s.cancel_all(r.context, body.job_id));
  });
  row(Method::POST, "/repair", [&s](const Request& r) -> api::Result {
    TARN_TRY(body, api::body_of<RepairRun>(r));
    auto id = s.repair(r.context, body);
    if (!id) return fail(wire(id.error()));
    return api::ok(json::value(json::object{{"repair_id", *id}}));
  });
  row(Method::POST, "/delete", [&s](const Request& r) -> api::Result {
    TARN_TRY(body, api::body_of<RunId>(r));
    return nothing(s.delete_run(r.context, body.run_id));
  });
  row(Method::GET, "/export", [&s](const Request& r) -> api::Result {
    TARN_TRY(id, number(r, "run_id"));
    const auto what = r.param("views_to_export").value_or("CODE");
    if (what == "DASHBOARDS") return fail(api::not_enabled("Exporting dashboards of a notebook"));
    if (what != "CODE" && what != "ALL")
      return fail(api::bad_request("Parameter 'views_to_export' must be CODE, DASHBOARDS or ALL, got '" + what.substr(0, 40) + "'"));
    auto task = s.shown(r.context, id);
    if (!task) return fail(wire(task.error()));
    return api::ok(json::value(export_json(task->first, task->second)));
  });
}

}  // namespace

std::vector<api::Route> destination_routes(Destinations& d) {
  std::vector<api::Route> out;
  const auto shown = [](const DestinationRecord& r) {
    if (r.type == "EMAIL")
      return json::object{{"id", r.id},
                          {"display_name", r.display_name},
                          {"destination_type", r.type},
                          {"config", json::object{{"email", json::object{{"addresses", json::encode(r.addresses)}}}}}};
    const char* kind = r.type == "SLACK" ? "slack" : r.type == "MICROSOFT_TEAMS" ? "microsoft_teams" : "generic_webhook";
    json::object config{{"url_set", true}};
    if (r.type == "WEBHOOK") {
      config["username_set"] = !r.username.empty();
      config["password_set"] = r.has_password;
    }
    return json::object{
        {"id", r.id}, {"display_name", r.display_name}, {"destination_type", r.type}, {"config", json::object{{kind, std::move(config)}}}};
  };
  const auto row = [&](Method m, const std::string& path, api::Auth auth, api::Handler h) {
    out.push_back({.method = m,
                   .pattern = "/api/2.0/notification-destinations" + path,
                   .surface = api::Surface::workspace,
                   .auth = auth,
                   .group = "notification-destinations",
                   .handler = std::move(h)});
  };
  const auto answered = [shown](const Result<DestinationRecord>& r) -> api::Result {
    if (!r) return fail(wire(r.error()));
    return api::ok(json::value(shown(*r)));
  };
  row(Method::GET, "", api::Auth::authenticated, [&d](const Request& r) -> api::Result {
    json::array list;
    for (const auto& one : d.list(r.context))
      list.push_back(json::object{{"id", one.id}, {"display_name", one.display_name}, {"destination_type", one.type}});
    json::object o;
    if (!list.empty()) o["results"] = std::move(list);
    return api::ok(json::value(std::move(o)));
  });
  row(Method::POST, "", api::Auth::workspace_admin, [&d, answered](const Request& r) -> api::Result {
    TARN_TRY(body, api::body_of<DestinationRequest>(r));
    return answered(d.create(r.context, body));
  });
  row(Method::GET, "/{id}", api::Auth::workspace_admin,
      [&d, answered](const Request& r) -> api::Result { return answered(d.get(r.context, r.capture("id"))); });
  row(Method::PATCH, "/{id}", api::Auth::workspace_admin, [&d, answered](const Request& r) -> api::Result {
    TARN_TRY(body, api::body_of<DestinationRequest>(r));
    return answered(d.update(r.context, r.capture("id"), body));
  });
  row(Method::DELETE, "/{id}", api::Auth::workspace_admin, [&d](const Request& r) { return nothing(d.remove(r.context, r.capture("id"))); });
  return out;
}

std::vector<api::Route> routes(Service& s) {
  std::vector<api::Route> out;
  for (const std::string version : {"2.0", "2.1", "2.2"}) {
    job_rows(out, s, "/api/" + version + "/jobs");
    run_rows(out, s, "/api/" + version + "/jobs/runs");
  }
  return out;
}

}  // namespace tarn::jobs
