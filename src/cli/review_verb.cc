#include "cli/review_verb.h"

#include <pthread.h>
#include <signal.h>

#include <CLI/CLI.hpp>
#include <iostream>

#include "base/json_read.h"
#include "base/log.h"
#include "cli/control.h"
#include "cli/platform_view.h"
#include "review/service.h"

namespace tarn::cli {
namespace {

struct Arguments {
  std::string config, repository, unit, log_level = "info";
  std::int64_t number = 0;
  int drain_seconds = 60;
  bool json = false;
};

int failed(const std::string& message, bool json) {
  if (json)
    std::cout << boost::json::serialize(json::object{{"error", message}}) << std::endl;
  else
    std::cerr << Style::of_stdout().paint("31", "error") << ": " << message << "\n";
  return 1;
}

int serve(const Arguments& a) {
  log::init(a.log_level);
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);  // taken here, by sigwait, and nowhere else
  signal(SIGPIPE, SIG_IGN);
  auto config = review::load_config(a.config);
  if (!config) return failed(config.error(), false);
  try {
    review::Service service(*std::move(config));
    std::cout << boost::json::serialize(service.status()) << std::endl;
    int number = 0;
    sigwait(&signals, &number);
    service.stop(std::chrono::seconds(a.drain_seconds));
    return 0;
  } catch (const std::exception& e) {
    return failed(e.what(), false);
  }
}

int check(const Arguments& a) {
  auto config = review::load_config(a.config);
  if (!config) return failed(config.error(), a.json);
  for (const auto& r : config->repositories)
    for (const auto& file : {r.token_file, r.webhook_secret_file})
      if (auto secret = review::read_secret(file); !secret) return failed(secret.error(), a.json);
  if (a.json) {
    std::cout << json::encode_text(*config) << std::endl;
    return 0;
  }
  for (const auto& r : config->repositories) {
    std::cout << fmt::format("{} on {} ({}), into {}, {} approval(s)\n", r.repository, r.url, json::name_of(r.forge), r.main(),
                             r.approvals.value_or(1));
    for (const auto& u : r.units) std::cout << fmt::format("  {:<24} {}  ({})\n", u.name, u.path, u.workflow.value_or("tarn plan"));
  }
  return 0;
}

/// Asks the running service.
client::Result<json::value> ask(const Arguments& a, std::string_view method, std::string_view path, const std::optional<json::value>& body = {}) {
  auto config = review::load_config(a.config);
  if (!config) return fail(client::ApiError{0, "", config.error()});
  auto answer = Control(config->state).call(method, path, body);
  if (!answer && answer.error().status == 0)
    return fail(client::ApiError{0, "", "No service runs on '" + config->state + "': start one with  tarn review serve --config " + a.config});
  return answer;
}

int status(const Arguments& a) {
  auto answer = ask(a, "GET", "/status");
  if (!answer) return failed(answer.error().text(), a.json);
  if (a.json) {
    std::cout << boost::json::serialize(*answer) << std::endl;
    return 0;
  }
  const auto each = [&](const char* name, auto line) {
    const auto* list = json::find(*answer, {name});
    if (list && list->is_array())
      for (const auto& v : list->as_array()) line(v);
  };
  each("requests", [](const json::value& r) {
    std::cout << fmt::format("{} !{}  {}\n", json::text_at(r, {"repository"}), json::id_of(json::find(r, {"number"})), json::text_at(r, {"title"}));
    if (const auto* units = json::find(r, {"units"}); units && units->is_array())
      for (const auto& u : units->as_array())
        std::cout << fmt::format("    {:<24} {:<12} {}\n", json::text_at(u, {"name"}), json::text_at(u, {"status"}), json::text_at(u, {"summary"}));
    if (const auto notice = json::text_at(r, {"notice"}); !notice.empty()) std::cout << "    " << notice << "\n";
  });
  each("locks", [](const json::value& l) {
    std::cout << fmt::format("lock   {} {} by !{}\n", json::text_at(l, {"repository"}), json::text_at(l, {"unit"}),
                             json::id_of(json::find(l, {"number"})));
  });
  each("drift", [](const json::value& d) {
    std::cout << fmt::format("drift  {} {}: {}\n", json::text_at(d, {"repository"}), json::text_at(d, {"unit"}), json::text_at(d, {"summary"}));
  });
  each("jobs", [](const json::value& j) {
    std::cout << fmt::format("job    {} {} !{}\n", json::text_at(j, {"kind"}), json::text_at(j, {"repository"}),
                             json::id_of(json::find(j, {"number"})));
  });
  return 0;
}

int show(const Arguments& a) {
  auto answer = ask(a, "POST", "/show", json::object{{"repository", a.repository}, {"number", a.number}});
  if (!answer) return failed(answer.error().text(), a.json);
  if (a.json) {
    std::cout << boost::json::serialize(*answer) << std::endl;
    return 0;
  }
  if (const auto* units = json::find(*answer, {"units"}); units && units->is_array())
    for (const auto& u : units->as_array()) {
      if (!a.unit.empty() && json::text_at(u, {"name"}) != a.unit) continue;
      std::cout << fmt::format("{}: {} {}\n{}{}", json::text_at(u, {"name"}), json::text_at(u, {"status"}), json::text_at(u, {"summary"}),
                               json::text_at(u, {"text"}), json::text_at(u, {"applied_text"}));
    }
  return 0;
}

int queue(const Arguments& a, const char* path, json::object body) {
  auto answer = ask(a, "POST", path, json::value(std::move(body)));
  if (!answer) return failed(answer.error().text(), a.json);
  if (a.json)
    std::cout << boost::json::serialize(*answer) << std::endl;
  else
    std::cout << "queued; `tarn review status` says how it went\n";
  return 0;
}

}  // namespace

void add_review_verb(CLI::App& app, int& exit_code) {
  CLI::App* review = app.add_subcommand("review", "Plans merge requests of GitLab and Gitea as comments, applies what was approved");
  review->require_subcommand(1);
  review->footer(
      "Examples:\n  tarn review check --config review.yaml\n  tarn review serve --config review.yaml\n  tarn review status --config review.yaml "
      "--json\n"
      "The file and the webhooks are described in docs/guides/review.md.");
  const auto verb = [&](const char* name, const char* what, const char* footer) {
    auto a = std::make_shared<Arguments>();
    CLI::App* v = review->add_subcommand(name, what);
    v->add_option("--config", a->config, "The service's YAML file")->required();
    v->footer(footer);
    return std::pair(v, a);
  };
  const auto json_flag = [](CLI::App* v, const std::shared_ptr<Arguments>& a) { v->add_flag("--json", a->json, "JSON instead of text"); };
  {
    auto [v, a] = verb("serve", "Run the service; its first line of output is JSON that says where the webhooks go",
                       "Example:\n  tarn review serve --config review.yaml");
    v->add_option("--log-level", a->log_level, "trace, debug, info, warn or error")->capture_default_str();
    v->add_option("--drain-seconds", a->drain_seconds, "How long an apply in progress may take after SIGTERM")
        ->check(CLI::Range(0, 3600))
        ->capture_default_str();
    v->callback([a = a, &exit_code] { exit_code = serve(*a); });
  }
  {
    auto [v, a] = verb("check", "Check the file and its secrets' files, and list the units", "Example:\n  tarn review check --config review.yaml");
    json_flag(v, a);
    v->callback([a = a, &exit_code] { exit_code = check(*a); });
  }
  {
    auto [v, a] = verb("status", "Open requests, locks, drift and what is queued", "Example:\n  tarn review status --config review.yaml --json");
    json_flag(v, a);
    v->callback([a = a, &exit_code] { exit_code = status(*a); });
  }
  {
    auto [v, a] = verb("show", "One request's plans in full", "Example:\n  tarn review show --config review.yaml acme/platform 12");
    json_flag(v, a);
    v->add_option("repository", a->repository, "OWNER/NAME")->required();
    v->add_option("number", a->number, "The request's number")->required();
    v->add_option("--unit", a->unit, "This unit only");
    v->callback([a = a, &exit_code] { exit_code = show(*a); });
  }
  {
    auto [v, a] = verb("plan", "Plan a request now, as if it had been updated", "Example:\n  tarn review plan --config review.yaml acme/platform 12");
    json_flag(v, a);
    v->add_option("repository", a->repository, "OWNER/NAME")->required();
    v->add_option("number", a->number, "The request's number")->required();
    v->callback([a = a, &exit_code] { exit_code = queue(*a, "/plan", {{"repository", a->repository}, {"number", a->number}}); });
  }
  {
    auto [v, a] = verb("drift", "Look for drift now, in all repositories or one",
                       "Example:\n  tarn review drift --config review.yaml --repository acme/platform");
    json_flag(v, a);
    v->add_option("--repository", a->repository, "OWNER/NAME; all if absent");
    v->add_option("--unit", a->unit, "This unit only");
    v->callback([a = a, &exit_code] {
      json::object body;
      if (!a->repository.empty()) body["repository"] = a->repository;
      if (!a->unit.empty()) body["unit"] = a->unit;
      exit_code = queue(*a, "/drift", std::move(body));
    });
  }
}

}  // namespace tarn::cli
