#include "platform/network.h"

#include <filesystem>
#include <fstream>
#include <sstream>

namespace tarn::platform {
namespace {

template <class T>
const T* named(const std::vector<T>& all, const std::string& name) {
  const auto i = std::find_if(all.begin(), all.end(), [&](const T& x) { return x.name == name; });
  return i == all.end() ? nullptr : &*i;
}
template <class T>
bool has_id(const std::vector<T>& all, const std::string& id) {
  return std::any_of(all.begin(), all.end(), [&](const T& x) { return x.id == id; });
}

}  // namespace

std::vector<network::Tenant> tenants_of(const Config& c) {
  std::vector<network::Tenant> out;
  for (const auto& w : c.workspaces) {
    const auto* n = w.network ? named(c.networks, *w.network) : nullptr;
    if (!n) continue;
    network::Tenant t{.workspace = w.name, .subnets = n->subnet_ids, .security_groups = n->security_group_ids};
    if (const auto* p = w.private_access ? named(c.private_access, *w.private_access) : nullptr) {
      t.has_private_access = true;
      t.private_access = p->name;
      t.public_access = p->public_access.value_or(false);
      t.any_endpoint = p->level.value_or(PrivateAccessLevel::ACCOUNT) == PrivateAccessLevel::ACCOUNT;
      // ACCOUNT means any that is registered with the account.
      for (const auto& e : c.vpc_endpoints)
        if (t.any_endpoint || std::find(p->allowed_endpoints.begin(), p->allowed_endpoints.end(), e.name) != p->allowed_endpoints.end())
          t.allowed_endpoints.push_back(e.aws_vpc_endpoint_id);
      t.any_endpoint = false;
    }
    out.push_back(std::move(t));
  }
  return out;
}

std::string place_of(const Loaded& loaded, std::string path) {
  while (!path.empty()) {
    if (const auto text = loaded.place(path); !text.empty()) return text;
    const auto cut = path.find_last_of(".[");
    path.resize(cut == path.npos ? 0 : cut);
  }
  return "";
}

std::vector<network::Problem> check_network(const Config& c) {
  if (c.vpcs.empty() && c.transit_gateways.empty() && c.services.empty()) return {};
  std::vector<network::Problem> out;
  if (auto built = network::build(c, tenants_of(c)); !built) out = std::move(built).error();
  for (std::size_t i = 0; i < c.networks.size(); ++i) {
    const auto& n = c.networks[i];
    const auto path = "networks[" + std::to_string(i) + "]";
    const auto vpc = std::find_if(c.vpcs.begin(), c.vpcs.end(), [&](const auto& v) { return v.id == n.vpc_id; });
    if (vpc == c.vpcs.end()) {
      out.push_back({path, fmt::format("network '{}' registers VPC {}, which 'vpcs' does not have", n.name, n.vpc_id)});
      continue;
    }
    for (const auto& id : n.subnet_ids)
      if (!has_id(vpc->subnets, id))
        out.push_back({path, fmt::format("network '{}' registers subnet {}, which VPC {} does not have", n.name, id, vpc->id)});
    for (const auto& id : n.security_group_ids)
      if (!has_id(vpc->security_groups, id))
        out.push_back({path, fmt::format("network '{}' registers security group {}, which VPC {} does not have", n.name, id, vpc->id)});
  }
  for (std::size_t i = 0; i < c.vpc_endpoints.size(); ++i) {
    const auto& e = c.vpc_endpoints[i];
    if (std::none_of(c.vpcs.begin(), c.vpcs.end(), [&](const auto& v) { return has_id(v.endpoints, e.aws_vpc_endpoint_id); }))
      out.push_back({"vpc_endpoints[" + std::to_string(i) + "]",
                     fmt::format("VPC endpoint '{}' registers {}, which no VPC of 'vpcs' has", e.name, e.aws_vpc_endpoint_id)});
  }
  return out;
}

Expected<network::Topology, std::vector<Diagnostic>> network_of(const Loaded& loaded) {
  if (!loaded.ok()) return fail(loaded.problems);
  if (loaded.config.vpcs.empty()) return fail(std::vector<Diagnostic>{{"", 0, "there is no network: no file has a section 'vpcs'"}});
  auto built = network::build(loaded.config, tenants_of(loaded.config));
  if (built) return *std::move(built);
  std::vector<Diagnostic> out;
  for (const auto& p : built.error()) out.push_back({place_of(loaded, p.path), 0, p.message});
  return fail(std::move(out));
}

Loaded load_path(const std::string& path) {
  std::error_code ec;
  if (std::filesystem::is_directory(path, ec)) return load(path);
  std::ifstream in(path);
  std::stringstream text;
  text << in.rdbuf();
  if (!in) {
    Loaded out;
    out.problems.push_back({path, 0, "cannot be read"});
    return out;
  }
  return load_texts({{path, text.str()}});
}

}  // namespace tarn::platform
