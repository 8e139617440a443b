#include "account/provisioner.h"

#include "account/network_check.h"
#include "account/records.h"
#include "base/log.h"

namespace tarn::account {
namespace {

constexpr int kMostAttempts = 5;  // of a step that throws, before the workspace is FAILED

using Advanced = Expected<bool, Error>;  // false: the step is no longer due, nothing was written

store::AuditEvent event_of(std::int64_t id, Step step) {
  auto ctx = access::system_context();
  ctx.workspace_id = id;
  return ctx.event(kAuditService, step == Step::release ? "releaseWorkspace" : "provisionWorkspace",
                   {{"workspace_id", std::to_string(id)}, {"step", std::string(json::name_of(step))}});
}

void failed(WorkspaceRecord& r, std::string message) {
  r.workspace_status = WorkspaceStatus::FAILED;
  r.workspace_status_message = std::move(message);
  r.step = Step::none;
  r.attempts = 0;
  spdlog::warn("workspace failed workspace_id={} name=\"{}\" message=\"{}\"", r.workspace_id, r.workspace_name, r.workspace_status_message);
}

void next(WorkspaceRecord& r, Step step) { r.step = step, r.attempts = 0; }

/// Runs `change` on the record in one transaction, if `step` is still due.
template <class F>
bool take(store::Store& store, std::int64_t id, Step step, F&& change) {
  bool due = false;
  store.write(event_of(id, step), [&](store::WriteTxn& t) {
    due = false;
    auto found = workspaces_table.get(t, store::sortable(id));
    if (!found || found->value.step != step) {
      t.audit().outcome = store::Outcome::failed;
      t.audit().error = "the step is no longer due";
      return false;
    }
    due = true;
    auto& record = found->value;
    const bool keep = change(t, record);
    if (!keep) return true;  // the change erased the record
    t.audit().params["workspace_status"] = std::string(json::name_of(record.workspace_status));
    if (!workspaces_table.update(t, record, found->version)) throw std::logic_error("a workspace record changed inside its transaction");
    return true;
  });
  return due;
}

std::optional<WorkspaceRecord> load(store::Store& store, std::int64_t id) {
  auto found = store.read_as([&](store::ReadTxn& t) { return workspaces_table.get(t, store::sortable(id)); });
  return found ? std::optional(std::move(found->value)) : std::nullopt;
}

/// The registrations' part of the facts, from the transaction that writes the verdict.
void add_registrations(store::ReadTxn& t, const Network& network, NetworkFacts& facts) {
  facts.endpoints.clear();
  facts.shared_groups.clear();
  if (network.vpc_endpoints) {
    for (const auto* ids : {&network.vpc_endpoints->rest_api, &network.vpc_endpoints->dataplane_relay})
      for (const auto& id : *ids)
        if (const auto endpoint = endpoints_table.get(t, id)) facts.endpoints.push_back(endpoint->value);
  }
  for (const auto& group : network.security_group_ids)
    for (const auto& other : networks_table.scan_index(t, "security_group_id", group))
      if (other.network_id != network.network_id && other.workspace_id) facts.shared_groups.emplace(group, other.network_name);
}

}  // namespace

Provisioner::Provisioner(Parts parts, Settings settings) : parts_(parts), settings_(std::move(settings)) {}
Provisioner::~Provisioner() { stop(); }

void Provisioner::start() {
  if (!thread_.joinable()) thread_ = std::jthread([this](std::stop_token stop) { run(stop); });
}

void Provisioner::stop() {
  if (!thread_.joinable()) return;
  thread_.request_stop();
  changed_.notify_all();
  thread_.join();
}

void Provisioner::wake() {
  {
    std::lock_guard lock(mutex_);
    woken_ = true;
  }
  changed_.notify_all();
}

void Provisioner::run(std::stop_token stop) {
  std::int64_t seen = -1;
  bool woken = true;
  while (!stop.stop_requested()) {
    try {
      const auto generation = parts_.store.generation();
      if (woken || generation != seen || retry_.exchange(false)) {
        while (!stop.stop_requested() && step()) {
        }
        seen = generation;
      }
    } catch (const std::exception& e) {
      seen = -1;
      spdlog::error("provisioning pauses: {}", e.what());
    }
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, stop, std::chrono::milliseconds(500), [&] { return woken_; });
    woken = std::exchange(woken_, false);
  }
}

bool Provisioner::step() {
  const auto pending = parts_.store.read_as([](store::ReadTxn& t) { return workspaces_table.scan_index(t, "pending", "yes"); });
  for (const auto& w : pending) {
    try {
      bool taken = false;
      switch (w.step) {
        case Step::storage:
          taken = storage_step(w.workspace_id);
          break;
        case Step::network:
          taken = network_step(w.workspace_id);
          break;
        case Step::launch:
          taken = launch_step(w.workspace_id);
          break;
        case Step::release:
          taken = release_step(w.workspace_id);
          break;
        case Step::none:
          break;
      }
      if (taken) return true;
    } catch (const store::StoreUnavailable&) {
      throw;
    } catch (const std::exception& e) {
      unexpected(w.workspace_id, e.what());
    }
  }
  return false;
}

bool Provisioner::storage_step(std::int64_t id) {
  const auto workspace = load(parts_.store, id);
  if (!workspace) return false;
  const auto storage = parts_.store.read_as([&](store::ReadTxn& t) { return storage_table.get(t, workspace->storage_configuration_id); });
  if (!storage) throw std::logic_error("a workspace refers to a storage configuration that is gone");
  const auto& bucket = storage->value.root_bucket_info.bucket_name;
  Expected<void, std::string> prepared;
  if (parts_.storage) prepared = parts_.storage->prepare(bucket, id);
  return take(parts_.store, id, Step::storage, [&](store::WriteTxn&, WorkspaceRecord& r) {
    if (prepared)
      next(r, Step::network);
    else
      failed(r, fmt::format("Root bucket {} cannot be used: {}", bucket, prepared.error()));
    return true;
  });
}

bool Provisioner::network_step(std::int64_t id) {
  const auto workspace = load(parts_.store, id);
  if (!workspace) return false;
  NetworkFacts facts;
  facts.workspace_region = workspace->aws_region;
  if (workspace->network_id && parts_.inventory) {
    const auto network = parts_.store.read_as([&](store::ReadTxn& t) { return networks_table.get(t, *workspace->network_id); });
    if (!network) throw std::logic_error("a workspace refers to a network that is gone");
    facts.cloud_known = true;
    facts.vpc = parts_.inventory->vpc(network->value.vpc_id);
    NetworkFacts named;
    parts_.store.read([&](store::ReadTxn& t) { add_registrations(t, network->value, named); });
    for (const auto& e : named.endpoints)
      if (const auto known = parts_.inventory->endpoint(e.aws_vpc_endpoint_id, e.region))
        facts.endpoint_vpcs.emplace(e.aws_vpc_endpoint_id, known->vpc_id);
  }
  return take(parts_.store, id, Step::network, [&](store::WriteTxn& t, WorkspaceRecord& r) {
    next(r, Step::launch);
    if (!r.network_id) return true;
    auto network = networks_table.get(t, *r.network_id);
    if (!network) throw std::logic_error("a workspace refers to a network that is gone");
    add_registrations(t, network->value, facts);
    auto verdict = judge(network->value, facts);
    network->value.vpc_status = verdict.status;
    network->value.error_messages = std::move(verdict.errors);
    network->value.warning_messages = std::move(verdict.warnings);
    if (!networks_table.update(t, network->value, network->version)) throw std::logic_error("a network record changed inside a transaction");
    t.audit().params["vpc_status"] = std::string(json::name_of(verdict.status));
    if (verdict.status == VpcStatus::BROKEN)
      failed(r, fmt::format("Network {} is BROKEN: {}", network->value.network_id, network->value.error_messages.front().error_message));
    return true;
  });
}

bool Provisioner::launch_step(std::int64_t id) {
  return take(parts_.store, id, Step::launch, [&](store::WriteTxn& t, WorkspaceRecord& r) {
    if (!r.came_up) {
      parts_.principals.on_workspace_created(t, id, r.creator_id);
      parts_.metastore.on_workspace_running(t, id, r.workspace_name, r.aws_region);
      r.came_up = true;
    }
    next(r, Step::none);
    r.workspace_status = WorkspaceStatus::RUNNING;
    r.workspace_status_message = "Workspace is running.";
    spdlog::info("workspace running workspace_id={} name=\"{}\" deployment={} region={}", id, r.workspace_name, r.deployment_name, r.aws_region);
    return true;
  });
}

bool Provisioner::release_step(std::int64_t id) {
  return take(parts_.store, id, Step::release, [&](store::WriteTxn& t, WorkspaceRecord& r) {
    if (r.came_up) {
      parts_.metastore.on_workspace_deleted(t, id);
      parts_.principals.on_workspace_deleted(t, id);
    }
    if (r.network_id) set_network_user(t, *r.network_id, std::nullopt);
    workspaces_table.erase(t, r.store_key());
    spdlog::info("workspace deleted workspace_id={} name=\"{}\"", id, r.workspace_name);
    return false;
  });
}

void Provisioner::unexpected(std::int64_t id, const std::string& what) {
  spdlog::error("provisioning step failed workspace_id={} error=\"{}\"", id, what);
  retry_ = true;
  parts_.store.write(event_of(id, Step::none), [&](store::WriteTxn& t) {
    auto found = workspaces_table.get(t, store::sortable(id));
    t.audit().outcome = store::Outcome::failed;
    t.audit().error = "an unexpected failure; the log names it";
    if (!found || found->value.step == Step::none) return false;
    auto& r = found->value;
    if (++r.attempts >= kMostAttempts)
      failed(r, "Provisioning failed unexpectedly in step " + std::string(json::name_of(r.step)) + ". The server's log names the cause.");
    return workspaces_table.update(t, r, found->version).has_value();
  });
}

}  // namespace tarn::account
