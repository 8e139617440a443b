#include "cli/run_verb.h"

#include <CLI/CLI.hpp>
#include <csignal>
#include <iostream>
#include <thread>

#include "base/clock.h"
#include "base/json_read.h"
#include "cli/platform_view.h"
#include "cli/table_view.h"
#include "cli/workspace_target.h"

namespace tarn::cli {
namespace {

struct Arguments {
  WorkspaceTarget target;
  std::int64_t run_id = 0;
  bool follow = false, json = false;
};

volatile std::sig_atomic_t leave = 0;

std::int64_t number_at(const json::value& v, const char* key) {
  const auto* n = json::find(v, {key});
  return n && n->is_int64() ? n->as_int64() : 0;
}

std::string seconds(std::int64_t ms) { return ms < 10'000 ? fmt::format("{:.2f} s", ms / 1000.0) : fmt::format("{} s", ms / 1000); }

/// One task's bar.
struct Bar {
  std::string key, state;
  std::int64_t run_id = 0, begin = 0, work = 0, end = 0;  // milliseconds since the epoch: due, at work, over
  int attempt = 0;
};

std::vector<Bar> bars_of(const json::value& run, std::int64_t now) {
  std::vector<Bar> out;
  for (const char* list : {"tasks", "iterations"}) {
    const auto* all = json::find(run, {list});
    if (!all || !all->is_array()) continue;
    for (const auto& t : all->as_array()) {
      Bar b{.key = json::text_at(t, {"task_key"}), .state = json::text_at(t, {"state", "result_state"})};
      if (b.state.empty()) b.state = json::text_at(t, {"state", "life_cycle_state"});
      b.run_id = number_at(t, "run_id");
      b.attempt = static_cast<int>(number_at(t, "attempt_number"));
      b.begin = number_at(t, "start_time");
      if (b.begin == 0) continue;
      b.work = b.begin + number_at(t, "setup_duration");
      b.end = number_at(t, "end_time") ? number_at(t, "end_time") : now;
      out.push_back(std::move(b));
    }
  }
  std::ranges::stable_sort(out, {}, &Bar::begin);
  return out;
}

int show(client::Session& session, const std::string& deployment, const Arguments& a) {
  json::value run;
  json::array tasks;
  std::string page;
  do {  // a run of many tasks comes in pages
    auto part =
        session.workspace(deployment, "GET", fmt::format("/api/2.2/jobs/runs/get?run_id={}{}", a.run_id, page.empty() ? "" : "&page_token=" + page));
    if (!part) {
      std::cerr << "error: " << part.error().text() << "\n";
      return 1;
    }
    if (const auto* more = json::find(*part, {"tasks"}); more && more->is_array())
      for (const auto& t : more->as_array()) tasks.push_back(t);
    page = json::text_at(*part, {"next_page_token"});
    if (run.is_null()) run = *std::move(part);
  } while (!page.empty());
  if (!tasks.empty()) run.as_object()["tasks"] = tasks;
  const auto now = SystemClock().now();
  const auto bars = bars_of(run, now);
  const auto begin = number_at(run, "start_time"), end = number_at(run, "end_time") ? number_at(run, "end_time") : now;
  auto state = json::text_at(run, {"state", "result_state"});
  if (state.empty()) state = json::text_at(run, {"state", "life_cycle_state"});
  if (a.json) {
    json::array list;
    for (const auto& b : bars)
      list.push_back(json::object{{"task_key", b.key},
                                  {"run_id", b.run_id},
                                  {"attempt", b.attempt},
                                  {"state", b.state},
                                  {"start_ms", b.begin - begin},
                                  {"work_ms", b.work - begin},
                                  {"end_ms", b.end - begin}});
    std::cout << boost::json::serialize(json::object{{"run_id", a.run_id},
                                                     {"run_name", json::text_at(run, {"run_name"})},
                                                     {"state", state},
                                                     {"message", json::text_at(run, {"state", "state_message"})},
                                                     {"start_time", begin},
                                                     {"duration_ms", end - begin},
                                                     {"tasks", std::move(list)}})
              << "\n";
    return 0;
  }
  const Style style = Style::of_stdout();
  std::cout << fmt::format("{}  run {}  {}  {}\n", json::text_at(run, {"run_name"}), a.run_id,
                           style.paint(state == "SUCCESS"  ? "32"
                                       : state == "FAILED" ? "31"
                                                           : "33",
                                       state),
                           seconds(end - begin));
  if (const auto why = json::text_at(run, {"state", "state_message"}); !why.empty()) std::cout << "  " << why << "\n";
  std::size_t widest = 4;
  for (const auto& b : bars) widest = std::max(widest, b.key.size() + (b.attempt ? 3 : 0));
  widest = std::min<std::size_t>(widest, 40);
  const auto columns = std::max<std::int64_t>(20, static_cast<std::int64_t>(terminal_width()) - static_cast<std::int64_t>(widest) - 32);
  const auto span = std::max<std::int64_t>(1, end - begin);
  const auto at = [&](std::int64_t t) { return std::clamp<std::int64_t>((t - begin) * columns / span, 0, columns); };
  for (const auto& b : bars) {
    const auto from = at(b.begin), work = std::max(from, at(b.work)), until = std::max(work + 1, at(b.end));
    std::string line(static_cast<std::size_t>(from), ' ');
    line += std::string(static_cast<std::size_t>(work - from), '.') + std::string(static_cast<std::size_t>(std::min(until, columns + 1) - work), '#');
    const auto key = (b.key + (b.attempt ? fmt::format(" +{}", b.attempt) : "")).substr(0, widest);
    std::cout << fmt::format("  {:<{}}  {:<{}} {:>9}  {}\n", key, widest, line, columns + 1, seconds(b.end - b.begin), b.state);
  }
  std::cout << fmt::format("  {:<{}}  0{:>{}}\n", "", widest, seconds(span), columns);
  return 0;
}

/// The runs whose output there is: the run's tasks, or the task run that was named.
int logs(client::Session& session, const std::string& deployment, const Arguments& a) {
  std::map<std::int64_t, std::pair<std::string, std::size_t>> tasks;  // by task run: key, offset
  std::set<std::int64_t> done;
  std::string last;
  while (!leave) {
    auto run = session.workspace(deployment, "GET", fmt::format("/api/2.2/jobs/runs/get?run_id={}", a.run_id));
    if (!run) {
      std::cerr << "error: " << run.error().text() << "\n";
      return 1;
    }
    for (const char* list : {"tasks", "iterations"})
      if (const auto* all = json::find(*run, {list}); all && all->is_array())
        for (const auto& t : all->as_array())
          if (const auto id = number_at(t, "run_id")) tasks.try_emplace(id, json::text_at(t, {"task_key"}), 0);
    const bool ended = number_at(*run, "end_time") != 0;
    bool moved = false;
    for (auto& [id, one] : tasks) {
      if (done.contains(id)) continue;
      auto page = session.workspace(deployment, "GET", fmt::format("/api/2.2/jobs/runs/logs?run_id={}&offset={}", id, one.second));
      if (!page) {
        std::cerr << "error: " << page.error().text() << "\n";
        return 1;
      }
      const auto text = json::text_at(*page, {"text"});
      if (!text.empty()) {
        moved = true;
        if (tasks.size() > 1 && last != one.first) std::cout << "==> " << one.first << " <==\n";
        last = one.first;
        std::cout << text << std::flush;
        one.second = static_cast<std::size_t>(number_at(*page, "next_offset"));
      }
      if (const auto* over = json::find(*page, {"ended"}); over && over->is_bool() && over->as_bool()) {
        done.insert(id);
        if (const auto* cut = json::find(*page, {"truncated"}); cut && cut->is_bool() && cut->as_bool())
          std::cerr << "(more was printed than is kept)\n";
      }
    }
    if (!a.follow && !moved) break;
    if (ended && std::ranges::all_of(tasks, [&](const auto& t) { return done.contains(t.first); })) {
      const auto result = json::text_at(*run, {"state", "result_state"});
      return a.follow && result != "SUCCESS" && result != "SUCCESS_WITH_FAILURES" ? 1 : 0;
    }
    if (!moved) std::this_thread::sleep_for(std::chrono::milliseconds(200));  // between polls of a remote API
  }
  return 0;
}

void with_session(const Arguments& a, int& exit_code, int (*body)(client::Session&, const std::string&, const Arguments&)) {
  auto session = connect(a.target);
  if (!session) {
    std::cerr << "error: " << session.error().text() << "\n";
    exit_code = 1;
    return;
  }
  std::signal(SIGINT, [](int) { leave = 1; });
  exit_code = body(session->first, session->second, a);
}

}  // namespace

void add_run_verb(CLI::App& app, int& exit_code) {
  CLI::App* v = app.add_subcommand("run", "A job's run: what it prints, and when its tasks ran");
  v->require_subcommand(1);
  const auto verb = [&](const char* name, const char* what, auto&& more, auto body) {
    auto a = std::make_shared<Arguments>();
    CLI::App* s = v->add_subcommand(name, what);
    s->add_option("run", a->run_id, "The run's id, or a task's run")->required();
    add_target_options(*s, a->target);
    more(s, a);
    s->callback([a, body, &exit_code] { with_session(*a, exit_code, body); });
  };
  verb(
      "logs", "What its tasks printed",
      [](CLI::App* s, const std::shared_ptr<Arguments>& a) {
        s->add_flag("-f,--follow", a->follow, "Go on until the run ends; exit 1 if it fails");
        s->footer("Examples:\n  tarn run logs -f --data ~/tarn -w pipeline 123");
      },
      logs);
  verb(
      "show", "Its tasks over time",
      [](CLI::App* s, const std::shared_ptr<Arguments>& a) {
        s->add_flag("--json", a->json, "The same as JSON: milliseconds from the run's beginning");
        s->footer("Examples:\n  tarn run show --data ~/tarn -w pipeline 123\n  tarn run show --json --data ~/tarn -w pipeline 123 | jq .tasks");
      },
      show);
}

}  // namespace tarn::cli
