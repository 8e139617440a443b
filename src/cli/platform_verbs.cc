#include "cli/platform_verbs.h"

#include <CLI/CLI.hpp>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <sstream>

#include "cli/platform_view.h"

namespace tarn::cli {
namespace {

struct Arguments {
  std::string what;  // a folder of YAML, or (apply) a saved plan
  std::string data, out;
  bool json = false, yes = false;
};

int failed(const std::string& message, bool json) {
  if (json)
    std::cout << boost::json::serialize(json::object{{"error", message}}) << std::endl;
  else
    std::cerr << Style::of_stdout().paint("31", "error") << ": " << message << "\n";
  return 1;
}

client::Result<client::Session> session_for(const Arguments& a) {
  TARN_TRY(target, a.data.empty() ? client::target_of_environment() : client::target_of_folder(a.data));
  return client::Session(std::move(target));
}

/// Says what is wrong with the folder or the connection; nothing if all is well.
std::optional<int> report(const Planned& planned, bool json) {
  if (!planned.problems.empty()) {
    if (json) {
      json::array list;
      for (const auto& p : planned.problems) list.push_back(json::object{{"file", p.file}, {"line", p.line}, {"message", p.message}});
      std::cout << boost::json::serialize(json::object{{"problems", list}}) << std::endl;
    } else {
      std::cerr << problems_view(planned.problems, Style::of_stdout());
    }
    return 1;
  }
  if (planned.failure) return failed(*planned.failure, json);
  return std::nullopt;
}

int show_plan(const Arguments& a, bool drift) {
  auto session = session_for(a);
  if (!session) return failed(session.error().text(), a.json);
  const Planned planned = plan_folder(*session, a.what, drift);
  if (const auto code = report(planned, a.json)) return *code;
  if (!a.out.empty()) {
    std::ofstream out(a.out, std::ios::trunc);
    out << json::encode_text(planned.plan) << "\n";
    if (!out.flush()) return failed("Cannot write the plan to '" + a.out + "'", a.json);
  }
  if (a.json)
    std::cout << json::encode_text(planned.plan) << std::endl;
  else
    std::cout << plan_view(planned.plan, Style::of_stdout(),
                           drift ? "No drift: what is deployed is what the YAML says." : "No changes: the platform is as the YAML says.");
  return planned.plan.clean() ? 0 : 2;
}

int carry_out(client::Session& session, const platform::Plan& plan, bool json) {
  const Style style = Style::of_stdout();
  platform::Remote remote(session);
  int at = 0;
  const int total = static_cast<int>(plan.changes.size());
  auto begun = std::chrono::steady_clock::now();
  const auto result = platform::apply(remote, plan, [&](const platform::Change& c, std::string_view state, const std::string& note) {
    if (state == "begin") begun = std::chrono::steady_clock::now();
    if (state == "begin" || state == "held") ++at;
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count();
    if (json) {
      json::object line{{"address", c.address()}, {"state", state}, {"at", at}, {"of", total}};
      if (!note.empty()) line["note"] = note;
      std::cout << boost::json::serialize(line) << std::endl;
    } else if (state == "done") {
      std::cout << fmt::format("[{:>2}/{}] {} {}  {}\n", at, total, style.paint("32", c.action == platform::Action::delete_ ? "-" : "+"), c.address(),
                               style.paint("2", fmt::format("{:.2f} s", seconds)))
                << std::flush;
    } else if (state == "held") {
      std::cout << fmt::format("[{:>2}/{}] {} {}  already so\n", at, total, style.paint("2", "="), c.address()) << std::flush;
    } else if (state == "note") {
      std::cout << "        " << style.paint("2", note) << "\n" << std::flush;
    }
  });
  if (json) {
    json::object line{{"done", result.done}, {"skipped", result.skipped}};
    if (result.failure) line["error"] = *result.failure;
    std::cout << boost::json::serialize(line) << std::endl;
    return result.failure ? 1 : 0;
  }
  if (result.failure) {
    std::cerr << style.paint("31", "error") << ": " << *result.failure << "\n"
              << fmt::format("{} of {} changes are done; what is done stays. Mend the cause and apply again: it goes on from there.\n",
                             result.done + result.skipped, total);
    return 1;
  }
  std::cout << fmt::format("{} {} done, {} held already.\n", style.paint("32", "Applied:"), result.done, result.skipped);
  return 0;
}

int apply_verb(const Arguments& a) {
  auto session = session_for(a);
  if (!session) return failed(session.error().text(), a.json);
  if (std::filesystem::is_regular_file(a.what)) {
    std::ifstream in(a.what);
    std::stringstream text;
    text << in.rdbuf();
    auto plan = json::decode_text<platform::Plan>(text.str(), {.unknown = json::Unknown::refuse, .absent = json::Absent::keep});
    if (!plan) return failed("'" + a.what + "' is not a saved plan: " + plan.error().message(), a.json);
    if (plan->format != 1)
      return failed(fmt::format("'{}' is a plan of format {}; this program writes and applies format 1", a.what, plan->format), a.json);
    if (plan->account_id != session->target().account_id)
      return failed("'" + a.what + "' was made for account " + plan->account_id + ", this is account " + session->target().account_id, a.json);
    return carry_out(*session, *plan, a.json);
  }
  const Planned planned = plan_folder(*session, a.what, false);
  if (const auto code = report(planned, a.json)) return *code;
  if (!a.json) std::cout << plan_view(planned.plan, Style::of_stdout(), "No changes: the platform is as the YAML says.");
  if (planned.plan.clean()) return 0;
  return carry_out(*session, planned.plan, a.json);
}

int destroy_verb(const Arguments& a) {
  auto session = session_for(a);
  if (!session) return failed(session.error().text(), a.json);
  auto loaded = platform::load(a.what);
  if (!loaded.ok()) return *report({.problems = loaded.problems}, a.json);
  const auto desired = platform::expand(loaded);
  platform::Remote remote(*session);
  auto observed = remote.observe(desired);
  if (!observed) return failed(observed.error().text(), a.json);
  const auto plan = platform::make_destroy_plan(desired, *observed, session->target().account_id);
  if (!a.json) std::cout << plan_view(plan, Style::of_stdout(), "Nothing to destroy.");
  if (plan.clean()) return 0;
  if (!a.yes) return failed("this deletes what is listed above, with its data: say --yes to do it", a.json);
  return carry_out(*session, plan, a.json);
}

}  // namespace

Planned plan_folder(client::Session& session, const std::string& folder, bool drift) {
  Planned out;
  const auto loaded = platform::load(folder);
  out.problems = loaded.problems;
  if (!out.problems.empty()) return out;
  const auto desired = platform::expand(loaded);
  platform::Remote remote(session);
  auto observed = remote.observe(desired);
  if (!observed) {
    out.failure = observed.error().text();
    return out;
  }
  out.plan = platform::make_plan(desired, *observed, session.target().account_id, drift);
  return out;
}

void add_platform_verbs(CLI::App& app, int& exit_code) {
  const auto common = [](CLI::App* verb, const std::shared_ptr<Arguments>& a) {
    verb->add_option("--data", a->data, "Data folder of a running server (else the DATABRICKS_* environment says where and who)");
    verb->add_flag("--json", a->json, "JSON instead of text");
  };
  const auto verb = [&](const char* name, const char* what, const char* footer) {
    auto a = std::make_shared<Arguments>();
    CLI::App* v = app.add_subcommand(name, what);
    common(v, a);
    v->footer(footer);
    return std::pair(v, a);
  };
  {
    auto [v, a] = verb("plan", "Compare a folder of YAML with what is deployed; exit 0 clean, 2 changes, 1 error",
                       "Examples:\n  tarn plan --data ~/tarn platform\n  tarn plan --out plan.json platform && tarn apply plan.json");
    v->add_option("folder", a->what, "Folder of *.yaml")->required();
    v->add_option("--out", a->out, "Save the plan, to be applied exactly as it is");
    v->callback([a = a, &exit_code] { exit_code = show_plan(*a, false); });
  }
  {
    auto [v, a] = verb("apply", "Carry out a saved plan, or plan a folder and carry that out",
                       "Examples:\n  tarn apply --data ~/tarn platform\n  tarn apply --data ~/tarn plan.json");
    v->add_option("what", a->what, "Folder of *.yaml, or a plan that `tarn plan --out` saved")->required();
    v->callback([a = a, &exit_code] { exit_code = apply_verb(*a); });
  }
  {
    auto [v, a] = verb("drift", "What is deployed but not in the YAML, or not as it says; exit 0 none, 2 drift, 1 error",
                       "Example:\n  tarn drift --data ~/tarn platform");
    v->add_option("folder", a->what, "Folder of *.yaml")->required();
    v->add_option("--out", a->out, "Save the drift as a plan");
    v->callback([a = a, &exit_code] { exit_code = show_plan(*a, true); });
  }
  {
    CLI::App* v = app.add_subcommand("schema", "The JSON Schema of the platform's YAML, for editors and checks");
    v->footer("Example:\n  tarn schema > platform.schema.json");
    v->callback([&exit_code] {
      std::cout << boost::json::serialize(platform::json_schema()) << std::endl;
      exit_code = 0;
    });
  }
  {
    auto [v, a] = verb("destroy", "Delete everything the folder describes, backwards", "Example:\n  tarn destroy --data ~/tarn --yes platform");
    v->add_option("folder", a->what, "Folder of *.yaml")->required();
    v->add_flag("--yes", a->yes, "Do it");
    v->callback([a = a, &exit_code] { exit_code = destroy_verb(*a); });
  }
}

}  // namespace tarn::cli
