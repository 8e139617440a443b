#include "cli/rehearse_verb.h"

#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>

#include <CLI/CLI.hpp>
#include <filesystem>
#include <fstream>
#include <iostream>

#include "base/json_read.h"
#include "cli/control.h"
#include "cli/platform_view.h"

namespace tarn::cli {
namespace {

struct Arguments {
  std::string data, bucket;
  std::vector<std::string> command, allow;
};

/// The command, for the handler: who ends the rehearsal ends what it runs.
volatile sig_atomic_t command_pid = 0;
void pass_on(int signal_number) {
  if (command_pid > 0) ::kill(command_pid, signal_number);
}

int failed(const std::string& message) {
  std::cerr << Style::of_stdout().paint("31", "error") << ": " << message << "\n";
  return 1;
}

/// Node reads HTTPS_PROXY for its own global agents only; an agent that a program makes, as the vendor's JavaScript SDK does, has to be told
/// (https://nodejs.org/api/http.html#built-in-proxy-support, `proxyEnv`: Node 22.21, 24.5). This is loaded before the program and tells each.
constexpr std::string_view kNodeAgents = R"js(for (const module of [require("node:http"), require("node:https")]) {
  const Own = module.Agent;
  function Agent(options) {
    return Reflect.construct(Own, [{ proxyEnv: process.env, ...options }], new.target || Agent);
  }
  Object.setPrototypeOf(Agent, Own);
  Agent.prototype = Own.prototype;
  module.Agent = Agent;
}
require("node:module").syncBuiltinESMExports();
)js";

/// Writes kNodeAgents beside the running server's files; the path, or nothing if that is not possible (then only Node's own agents are told).
std::optional<std::string> node_agents(const std::string& data) {
  std::error_code ec;
  const auto path = std::filesystem::absolute(data, ec) / "run" / "node-agents.cjs";
  const auto partial = path.string() + "." + std::to_string(getpid());
  std::ofstream(partial, std::ios::binary) << kNodeAgents;
  std::filesystem::rename(partial, path, ec);
  if (ec) return std::nullopt;
  return path.string();
}

/// The command's environment: ours, with every client family's way to name a proxy and an authority.
std::vector<std::string> environment(const json::value& status, const std::string& data, const std::map<std::string, std::string>& more) {
  const std::string proxy = json::text_at(status, {"proxy_url"}), ca = json::text_at(status, {"ca_cert"}),
                    store = json::text_at(status, {"java_trust_store"});
  const auto scheme = proxy.find("://");
  const std::string address = scheme == proxy.npos ? proxy : proxy.substr(scheme + 3);
  const std::string host = address.substr(0, address.find(':')), port = address.substr(address.find(':') + 1);
  std::map<std::string, std::string> set = more;
  for (const char* name : {"HTTPS_PROXY", "HTTP_PROXY", "https_proxy", "http_proxy"}) set[name] = proxy;
  for (const char* name : {"NO_PROXY", "no_proxy"}) set[name] = "";
  for (const char* name : {"SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "AWS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS", "GIT_SSL_CAINFO"})
    set[name] = ca;
  set["NODE_USE_ENV_PROXY"] = "1";
  if (const auto agents = node_agents(data)) {
    const char* own = std::getenv("NODE_OPTIONS");
    set["NODE_OPTIONS"] = (own ? std::string(own) + " " : "") + "--require \"" + *agents + "\"";
  }
  set["USE_SYSTEM_PROPERTIES_HTTP"] = "true";
  set["AWS_REGION"] = json::text_at(status, {"region"});
  std::string java =
      fmt::format("-Dhttps.proxyHost={0} -Dhttps.proxyPort={1} -Dhttp.proxyHost={0} -Dhttp.proxyPort={1} -Dhttp.nonProxyHosts=", host, port);
  if (!store.empty())
    java += fmt::format(" -Djavax.net.ssl.trustStore={} -Djavax.net.ssl.trustStoreType=PKCS12 -Djavax.net.ssl.trustStorePassword=changeit", store);
  // A client that asks neither for the system's proxy nor for its properties (the vendor's SDK since 0.60) opens a socket by itself. Java's own
  // sockets take the SOCKS proxy all the same, once the name has an address: the file gives each of the platform's names one that means it.
  if (const auto hosts = json::text_at(status, {"hosts_file"}); !hosts.empty())
    java += fmt::format(" -DsocksProxyHost={} -DsocksProxyPort={} -Djdk.net.hosts.file={}", host, port, hosts);
  if (const char* own = std::getenv("JAVA_TOOL_OPTIONS")) java = std::string(own) + " " + java;
  set["JAVA_TOOL_OPTIONS"] = java;
  std::vector<std::string> out;
  for (char** e = environ; *e; ++e) {
    const std::string entry(*e);
    const std::string name = entry.substr(0, entry.find('='));
    // A folder of certificates would add every public authority to the one that is meant.
    if (!set.contains(name) && name != "SSL_CERT_DIR") out.push_back(entry);
  }
  for (const auto& [name, value] : set) out.push_back(name + "=" + value);
  return out;
}

int run(const Arguments& a) {
  auto status = Control(a.data).call("GET", "/status");
  if (!status) return failed(status.error().text());
  for (const auto& host : a.allow)
    if (auto listed = Control(a.data).call("POST", "/proxy/allow", json::object{{"host", host}}); !listed) return failed(listed.error().text());
  std::map<std::string, std::string> more;
  if (!a.bucket.empty()) {
    auto lent = Control(a.data).call("POST", "/storage/credentials", json::object{{"bucket", a.bucket}});
    if (!lent) return failed(lent.error().text());
    more["AWS_ACCESS_KEY_ID"] = json::text_at(*lent, {"access_key_id"});
    more["AWS_SECRET_ACCESS_KEY"] = json::text_at(*lent, {"secret_access_key"});
    more["AWS_SESSION_TOKEN"] = json::text_at(*lent, {"session_token"});
  }
  const auto env = environment(*status, a.data, more);
  std::vector<char*> argv, envp;
  for (const auto& c : a.command) argv.push_back(const_cast<char*>(c.c_str()));
  for (const auto& e : env) envp.push_back(const_cast<char*>(e.c_str()));
  argv.push_back(nullptr);
  envp.push_back(nullptr);
  // Ctrl-C is the command's to handle; we wait for what it makes of it.
  signal(SIGINT, SIG_IGN);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t defaults;
  sigemptyset(&defaults);
  sigaddset(&defaults, SIGINT);
  posix_spawnattr_setsigdefault(&attributes, &defaults);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
  pid_t pid = -1;
  const int rc = posix_spawnp(&pid, argv[0], nullptr, &attributes, argv.data(), envp.data());
  posix_spawnattr_destroy(&attributes);
  if (rc != 0) return failed("Cannot run '" + a.command.at(0) + "': " + std::strerror(rc));
  command_pid = pid;
  for (const int ending : {SIGTERM, SIGHUP}) signal(ending, pass_on);
  int ended = 0;
  while (waitpid(pid, &ended, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(ended) ? WEXITSTATUS(ended) : 128 + WTERMSIG(ended);
}

}  // namespace

void add_rehearse_verb(CLI::App& app, int& exit_code) {
  auto a = std::make_shared<Arguments>();
  CLI::App* v = app.add_subcommand("rehearse", "Run a command whose calls to the vendor's hosts reach the local server");
  v->add_option("--data", a->data, "Data folder of the running server")->required();
  v->add_option("--allow", a->allow, "A further host that the proxy may connect to, as it is (repeatable)")->allow_extra_args(false);
  v->add_option("--bucket", a->bucket, "A bucket of the local storage that the command may write (a Terraform state's): AWS_* credentials, 12 hours");
  v->add_option("command", a->command, "The command, after --")->required();
  v->footer(
      "Examples:\n  tarn rehearse --data ~/tarn -- terraform apply\n  tarn rehearse --data ~/tarn -- curl "
      "https://accounts.cloud.databricks.com/healthz");
  v->callback([a, &exit_code] { exit_code = run(*a); });
}

}  // namespace tarn::cli
