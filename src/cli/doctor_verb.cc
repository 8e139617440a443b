// tarn doctor: what is wrong on this machine, on the way to the account host, and in the platform; each with cause and cure.
#include "cli/doctor_verb.h"

#include <CLI/CLI.hpp>
#include <iostream>

#include "base/clock.h"
#include "client/session.h"
#include "doctor/egress.h"
#include "doctor/local.h"
#include "doctor/platform_checks.h"

namespace tarn::cli {
namespace {

constexpr Millis kOlderThanAnyRelease = 1'767'225'600'000;  // 2026-01-01: a clock before it is wrong

struct Arguments {
  std::string data, host;
  double seconds = 5;
  bool json = false;
};

std::string text_at(const json::value& v, std::string_view field) {
  const auto* o = v.if_object();
  const auto* f = o ? o->if_contains(field) : nullptr;
  return f && f->is_string() ? std::string(f->as_string()) : "";
}

class SessionProbe final : public doctor::Probe {
 public:
  SessionProbe(client::Session& session, std::optional<json::value> control) : session_(session), control_(std::move(control)) {}
  Answer get(std::string_view path) override {
    auto body = session_.account("GET", "/api/2.0/accounts/{account}" + std::string(path));
    if (body) return {200, "", "", *std::move(body)};
    const auto& e = body.error();
    return {e.status, e.error_code, e.message, nullptr};
  }
  std::optional<std::optional<std::string>> deployment_prefix() override {
    if (!control_ || !control_->is_object() || !control_->as_object().contains("deployment_prefix")) return std::nullopt;
    const auto prefix = text_at(*control_, "deployment_prefix");
    return prefix.empty() ? std::optional<std::string>() : prefix;
  }
  Answer get_in(std::string_view deployment, std::string_view path) override {
    auto body = session_.workspace(deployment, "GET", path);
    if (body) return {200, "", "", *std::move(body)};
    const auto& e = body.error();
    return {e.status, e.error_code, e.message, nullptr};
  }
  std::optional<std::vector<RefusedGrant>> refused_grants() override {
    const auto* rows = control_ && control_->is_object() ? control_->as_object().if_contains("refused_grants") : nullptr;
    if (!rows || !rows->is_array()) return std::nullopt;
    std::vector<RefusedGrant> out;
    for (const auto& r : rows->as_array()) out.push_back({text_at(r, "principal"), text_at(r, "securable")});
    return out;
  }
  std::optional<std::vector<BlockedWay>> blocked_ways() override {
    const auto* rows = control_ && control_->is_object() ? control_->as_object().if_contains("blocked_ways") : nullptr;
    if (!rows || !rows->is_array()) return std::nullopt;
    std::vector<BlockedWay> out;
    for (const auto& r : rows->as_array()) {
      BlockedWay b{text_at(r, "workspace"), text_at(r, "service"), text_at(r, "outcome"), text_at(r, "hop"),
                   text_at(r, "place"),     text_at(r, "cause"),   text_at(r, "cure"),    {}};
      if (const auto* o = r.if_object())
        if (const auto* subnets = o->if_contains("subnets"); subnets && subnets->is_array())
          for (const auto& s : subnets->as_array())
            if (s.is_string()) b.subnets.emplace_back(s.as_string());
      out.push_back(std::move(b));
    }
    return out;
  }
  std::string principal() const override {
    const auto& t = session_.target();
    return t.client_id.empty() ? "the token's principal" : t.client_id;
  }

 private:
  client::Session& session_;
  std::optional<json::value> control_;
};

int show(const doctor::Findings& findings, bool as_json) {
  if (as_json)
    std::cout << json::encode_text(findings) << std::endl;
  else
    std::cout << doctor::render(findings) << std::flush;
  return doctor::healthy(findings) ? 0 : 1;
}

client::Result<client::Target> target_of(const Arguments& a) {
  return a.data.empty() ? client::target_of_environment() : client::target_of_folder(a.data);
}

doctor::Finding egress(const Arguments& a, const std::string& url, const std::string& proxy_url, const std::string& ca_file) {
  const auto host = doctor::host_of(url);
  if (!host)
    return {"egress",
            doctor::Level::problem,
            "'" + url + "' names no host",
            "The address is not a URL or host:port.",
            "Correct DATABRICKS_HOST or --host.",
            std::nullopt};
  const auto proxy = proxy_url.empty() ? doctor::proxy_for(*host) : doctor::host_of(proxy_url);
  const doctor::Tls tls{!url.starts_with("http://"), ca_file};
  return doctor::check_egress(*host, proxy, std::chrono::milliseconds(static_cast<long long>(a.seconds * 1000)), tls);
}

int run_egress(const Arguments& a) {
  if (!a.host.empty()) return show({egress(a, a.host, "", "")}, a.json);
  if (!a.data.empty()) {
    const auto target = client::target_of_folder(a.data);
    if (target) return show({egress(a, target->accounts_url, target->proxy_url, target->ca_file)}, a.json);
    return show({{"server", doctor::Level::problem, target.error().message, "No server runs on that folder.", "Start it: tarn serve --data " + a.data,
                  std::nullopt}},
                a.json);
  }
  // No credential is needed to ask whether packets get there.
  const char* host = std::getenv("DATABRICKS_HOST");
  return show({egress(a, host && *host ? host : "https://accounts.cloud.databricks.com", "", "")}, a.json);
}

int run_all(const Arguments& a, const std::string& version, const AskControl& ask) {
  doctor::Findings out;
  const auto add = [&](doctor::Findings more) { out.insert(out.end(), more.begin(), more.end()); };
  std::optional<json::value> control;
  if (!a.data.empty()) {
    add(doctor::check_data_folder(a.data));
    out.push_back(doctor::check_disk(a.data));
    if (ask) control = ask(a.data, "doctor");
  }
  out.push_back(doctor::check_clock(SystemClock().now(), kOlderThanAnyRelease, doctor::kernel_clock_synchronised()));
  auto target = target_of(a);
  if (!target) {
    out.push_back({"server", doctor::Level::problem, target.error().message, "There is nothing to ask, or no credential to ask with.",
                   "Start a server and name its folder with --data, or set DATABRICKS_HOST, DATABRICKS_ACCOUNT_ID and a credential.", std::nullopt});
    return show(out, a.json);
  }
  const auto server = control ? text_at(*control, "version") : "";
  if (!a.data.empty()) out.push_back(doctor::check_versions(version, server.empty() ? std::nullopt : std::optional(server)));
  out.push_back(egress(a, target->accounts_url, target->proxy_url, target->ca_file));
  if (out.back().level == doctor::Level::ok) {
    client::Session session(*std::move(target));
    SessionProbe probe(session, std::move(control));
    add(doctor::check_platform(probe));
  }
  return show(out, a.json);
}

}  // namespace

void add_doctor_verb(CLI::App& app, int& exit_code, std::string version, AskControl ask) {
  auto arguments = std::make_shared<Arguments>();
  const auto common = [arguments](CLI::App* verb) {
    verb->add_option("--data", arguments->data, "the data folder of a server on this machine (else DATABRICKS_*)");
    verb->add_option("--timeout", arguments->seconds, "seconds to wait for the account host")->check(CLI::Range(0.1, 60.0))->capture_default_str();
    verb->add_flag("--json", arguments->json, "findings as JSON");
  };
  auto* verb = app.add_subcommand("doctor", "find what is wrong, with cause and cure");
  common(verb);
  auto* only_egress = verb->add_subcommand("egress", "only: does this machine get through to the account host?");
  common(only_egress);
  only_egress->add_option("--host", arguments->host, "another host[:port] or URL");
  only_egress->callback([arguments, &exit_code] { exit_code = run_egress(*arguments); });
  verb->callback([arguments, only_egress, &exit_code, version = std::move(version), ask = std::move(ask)] {
    if (!only_egress->parsed()) exit_code = run_all(*arguments, version, ask);
  });
}

}  // namespace tarn::cli
