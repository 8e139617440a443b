#include "cli/owner_verbs.h"

#include <CLI/CLI.hpp>
#include <filesystem>
#include <iostream>

#include "cli/control.h"
#include "cli/platform_view.h"

namespace tarn::cli {
namespace {

struct Arguments {
  std::string data, user, workspace, prefix, to;
  bool json = false;
};

int failed(const client::ApiError& e) {
  std::cerr << Style::of_stdout().paint("31", "error") << ": " << e.text() << "\n";
  return 1;
}

std::string shown(const json::value& v) { return v.is_string() ? std::string(v.as_string()) : boost::json::serialize(v); }

int status(const Arguments& a) {
  auto answer = Control(a.data).call("GET", "/status");
  if (!answer) return failed(answer.error());
  if (a.json) {
    std::cout << boost::json::serialize(*answer) << std::endl;
    return 0;
  }
  for (const auto& entry : answer->as_object()) {
    if (!entry.value().is_object()) {
      std::cout << fmt::format("{:<14} {}\n", std::string_view(entry.key()), shown(entry.value()));
      continue;
    }
    for (const auto& below : entry.value().as_object())
      std::cout << fmt::format("{:<14} {:<20} {}\n", std::string_view(entry.key()), std::string_view(below.key()), shown(below.value()));
  }
  return 0;
}

int token(const Arguments& a) {
  json::object body{{"user", a.user}};
  if (!a.workspace.empty()) body["workspace"] = a.workspace;
  auto answer = Control(a.data).call("POST", "/token", body);
  if (!answer) return failed(answer.error());
  if (a.json)
    std::cout << boost::json::serialize(*answer) << std::endl;
  else
    std::cout << shown(answer->at("token")) << std::endl;
  return 0;
}

}  // namespace

void add_owner_verbs(CLI::App& app, int& exit_code) {
  const auto verb = [](CLI::App& parent, const char* name, const char* what, const char* footer) {
    auto a = std::make_shared<Arguments>();
    CLI::App* v = parent.add_subcommand(name, what);
    v->add_option("--data", a->data, "Data folder of the running server")->required();
    v->add_flag("--json", a->json, "JSON instead of text");
    v->footer(footer);
    return std::pair(v, a);
  };
  {
    auto [v, a] = verb(app, "status", "Addresses of a running server, with the workspaces made since",
                       "Example:\n  tarn status --data ~/tarn --json | jq .workspaces");
    v->callback([a = a, &exit_code] { exit_code = status(*a); });
  }
  {
    auto [v, a] = verb(
        app, "token", "A bearer token for any principal, for the folder's owner only",
        "Examples:\n  tarn token --data ~/tarn --user nora@acme.example --workspace landing\n  tarn token --data ~/tarn --user ada@acme.example");
    v->add_option("--user", a->user, "User name or application id")->required();
    v->add_option("--workspace", a->workspace, "Workspace, by name, deployment name or id (default: an account token)");
    v->callback([a = a, &exit_code] { exit_code = token(*a); });
  }
  {
    CLI::App* vendor = app.add_subcommand("vendor", "What only the vendor decides");
    vendor->require_subcommand(1);
    auto [v, a] = verb(*vendor, "register-prefix", "Register the account's deployment name prefix",
                       "Example:\n  tarn vendor register-prefix --data ~/tarn acme");
    v->add_option("prefix", a->prefix, "Prefix, such as acme: the workspace `landing` is then acme-landing")->required();
    v->callback([a = a, &exit_code] {
      auto answer = Control(a->data).call("POST", "/prefixes", json::object{{"prefix", a->prefix}});
      if (!answer) {
        exit_code = failed(answer.error());
        return;
      }
      std::cout << (a->json ? boost::json::serialize(*answer) : "Registered: a workspace's deployment name now begins with '" + a->prefix + "-'.")
                << std::endl;
    });
  }
  {
    auto [v, a] = verb(app, "backup", "Everything a running server knows and holds, into a new folder",
                       "Example:\n  tarn backup --data ~/tarn ~/backups/monday");
    auto without_key = std::make_shared<bool>(false);
    v->add_option("to", a->to, "Folder to make")->required();
    v->add_flag("--without-key", *without_key, "Leave the root key out (the backup then opens no secret by itself)");
    v->callback([a = a, without_key, &exit_code] {
      auto answer =
          Control(a->data).call("POST", "/backup", json::object{{"to", std::filesystem::absolute(a->to).string()}, {"with_key", !*without_key}});
      if (!answer) {
        exit_code = failed(answer.error());
        return;
      }
      if (a->json)
        std::cout << boost::json::serialize(*answer) << std::endl;
      else
        std::cout << fmt::format("Backed up {} records, {} audit records and {} objects to {}\n", shown(answer->at("records")),
                                 shown(answer->at("audit_records")), shown(answer->at("objects")), a->to);
    });
  }
  {
    CLI::App* keys = app.add_subcommand("keys", "The root key that seals secrets");
    keys->require_subcommand(1);
    auto [v, a] = verb(*keys, "rotate", "Make a new root key and seal every secret under it", "Example:\n  tarn keys rotate --data ~/tarn");
    v->callback([a = a, &exit_code] {
      auto answer = Control(a->data).call("POST", "/keys/rotate", json::object{});
      if (!answer) {
        exit_code = failed(answer.error());
        return;
      }
      std::cout << (a->json ? boost::json::serialize(*answer)
                            : fmt::format("A new root key is in place; {} secrets are sealed under it.", shown(answer->at("secrets"))))
                << std::endl;
    });
  }
}

}  // namespace tarn::cli
