#include "app/workspace_doors.h"

#include <filesystem>
#include <fstream>

#include "base/log.h"

namespace tarn::app {

void WorkspaceDoors::allow(const std::string& host) {
  server_->allow(host);
  {
    const std::lock_guard lock(mutex_);
    lent_.insert(host);
  }
  follow();
}

std::string WorkspaceDoors::url(std::int64_t workspace_id) {
  const std::lock_guard lock(mutex_);
  const auto port = ports_.find(workspace_id);
  return port == ports_.end() ? "" : fmt::format("http://127.0.0.1:{}", port->second.port);
}

void WorkspaceDoors::follow() {
  std::set<std::int64_t> running;
  std::vector<std::string> hosts{"accounts." + names_.domain, "accounts.cloud.databricks.com", "s3." + names_.domain, "sts." + names_.domain};
  for (const std::string place : {std::string("amazonaws.com"), names_.region + ".amazonaws.com"})
    for (const char* service : {"s3.", "sts."}) hosts.push_back(service + place);
  for (const auto& w : workspaces_.all()) {
    if (!w.running) continue;
    running.insert(w.id);
    for (const auto& domain : {names_.domain, std::string("cloud.databricks.com")}) hosts.push_back(w.deployment_name + "." + domain);
    if (!w.root_bucket.empty()) hosts.push_back(fmt::format("{}.s3.{}.amazonaws.com", w.root_bucket, names_.region));
  }
  const std::lock_guard lock(mutex_);
  for (const auto& list : {std::set<std::string>(names_.allowed.begin(), names_.allowed.end()), lent_})
    for (const auto& host : list)
      if (!host.starts_with("*.")) hosts.push_back(host);
  write_hosts(hosts);
  for (auto i = ports_.begin(); i != ports_.end();) {
    if (running.contains(i->first)) {
      ++i;
      continue;
    }
    server_->close(i->second.id);
    i = ports_.erase(i);
  }
  for (const auto id : running) {
    if (ports_.contains(id)) continue;
    auto opened = server_->listen({.protocol = gateway::Protocol::http, .fixed = {.site = gateway::Site::workspace, .workspace_id = id}});
    if (opened)
      ports_[id] = *opened;
    else
      spdlog::warn("no loopback port for workspace {}: {}", id, opened.error());
  }
}

/// The names that the proxy answers for: for runtimes that look names up before they ask a proxy (Java's).
void WorkspaceDoors::write_hosts(const std::vector<std::string>& hosts) {
  std::string text = "127.0.0.1 localhost\n";
  for (const auto& [host, address] : server_->stand_ins(hosts))
    if (std::ranges::find(hosts, host) != hosts.end()) text += address + " " + host + "\n";
  if (text == written_) return;
  std::ofstream(names_.hosts_file + ".new") << text;
  std::error_code failed;
  std::filesystem::rename(names_.hosts_file + ".new", names_.hosts_file, failed);
  if (!failed) written_ = std::move(text);
}

}  // namespace tarn::app
