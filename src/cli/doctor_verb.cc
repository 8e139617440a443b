#include "cli/doctor_verb.h"

#include <CLI/CLI.hpp>
#include <iostream>

#include "cli/control.h"
#include "cli/platform_view.h"
#include "client/session.h"
#include "doctor/egress.h"
#include "doctor/local.h"
#include "doctor/platform_checks.h"

namespace tarn::cli {
namespace {

struct Arguments {
  std::string data, what, host;
  bool json = false;
};

/// The checks' questions, asked as the session's principal; the prefix as the folder's owner.
class SessionProbe final : public doctor::Probe {
 public:
  SessionProbe(client::Session& session, std::string data) : session_(session), data_(std::move(data)) {}

  Answer get(std::string_view path) override {
    auto answer = session_.account("GET", "/api/2.0/accounts/{account}" + std::string(path));
    if (answer) return {.status = 200, .body = *std::move(answer)};
    return {.status = answer.error().status, .error_code = answer.error().error_code, .message = answer.error().message};
  }
  std::optional<std::optional<std::string>> deployment_prefix() override {
    if (data_.empty()) return std::nullopt;
    auto answer = Control(data_).call("GET", "/prefixes");
    if (!answer) return std::nullopt;
    const auto* prefix = answer->as_object().if_contains("prefix");
    return prefix && prefix->is_string() ? std::optional<std::string>(prefix->as_string()) : std::optional<std::string>();
  }
  std::string principal() const override { return session_.target().client_id.empty() ? "the token's principal" : session_.target().client_id; }

 private:
  client::Session& session_;
  std::string data_;
};

int run(const Arguments& a) {
  doctor::Findings findings;
  const auto add = [&](doctor::Findings more) { findings.insert(findings.end(), more.begin(), more.end()); };
  auto target = a.data.empty() ? client::target_of_environment() : client::target_of_folder(a.data);
  const std::string account_url = !a.host.empty() ? a.host : target ? target->accounts_url : "https://accounts.cloud.databricks.com";
  const auto host = doctor::host_of(account_url);
  if (!host) {
    std::cerr << "error: '" << account_url << "' names no host\n";
    return 1;
  }
  auto proxy = target && !target->proxy_url.empty() ? doctor::host_of(target->proxy_url) : doctor::proxy_for(*host);
  if (!a.host.empty()) proxy = doctor::proxy_for(*host);
  if (a.what.empty() && !a.data.empty()) {
    add(doctor::check_data_folder(a.data));
    findings.push_back(doctor::check_disk(a.data));
  }
  if (a.what.empty()) findings.push_back(doctor::check_clock(SystemClock().now(), TARN_BUILT_MS, doctor::kernel_clock_synchronised()));
  findings.push_back(doctor::check_egress(*host, proxy));
  if (a.what.empty()) {
    if (!target) {
      findings.push_back({"credentials", doctor::Level::unknown, target.error().message, "", "", std::nullopt});
    } else if (doctor::healthy(findings)) {
      client::Session session(*target);
      SessionProbe probe(session, a.data);
      add(doctor::check_platform(probe));
      if (!a.data.empty())
        if (auto status = Control(a.data).call("GET", "/status")) {
          const auto* version = status->as_object().if_contains("version");
          findings.push_back(doctor::check_versions(TARN_VERSION, version && version->is_string() ? std::optional<std::string>(version->as_string()) : std::nullopt));
        }
    }
  }
  if (a.json)
    std::cout << json::encode_text(findings) << std::endl;
  else
    std::cout << doctor::render(findings);
  return doctor::healthy(findings) ? 0 : 1;
}

}  // namespace

void add_doctor_verb(CLI::App& app, int& exit_code) {
  auto a = std::make_shared<Arguments>();
  CLI::App* v = app.add_subcommand("doctor", "What is wrong, why, and the cure");
  v->add_option("check", a->what, "Only this check: egress")->check(CLI::IsMember({"egress"}));
  v->add_option("--data", a->data, "Data folder of a running server (else the DATABRICKS_* environment says where and who)");
  v->add_option("--host", a->host, "Account host for the egress check");
  v->add_flag("--json", a->json, "JSON instead of text");
  v->footer("Examples:\n  tarn doctor --data ~/tarn\n  tarn doctor egress --host https://accounts.cloud.databricks.com");
  v->callback([a, &exit_code] { exit_code = run(*a); });
}

}  // namespace tarn::cli
