#pragma once
// What account asks about a VPC when a workspace attaches to it, answered from the network's model.
#include <functional>
#include <memory>

#include "account/settings.h"
#include "network/topology.h"

namespace tarn::network {

/// Pure parts, for tests and the class below.
std::optional<account::VpcInventory::Vpc> vpc_facts(const Topology& t, std::string_view vpc_id);
std::optional<account::VpcInventory::Endpoint> endpoint_facts(const Topology& t, std::string_view aws_vpc_endpoint_id, std::string_view region);

/// Thread-safe if `current` is. `current` gives the network as it is now, never null.
class Inventory final : public account::VpcInventory {
 public:
  explicit Inventory(std::function<std::shared_ptr<const Topology>()> current) : current_(std::move(current)) {}
  std::optional<Vpc> vpc(std::string_view id) override { return vpc_facts(*current_(), id); }
  std::optional<Endpoint> endpoint(std::string_view id, std::string_view region) override { return endpoint_facts(*current_(), id, region); }

 private:
  const std::function<std::shared_ptr<const Topology>()> current_;
};

}  // namespace tarn::network
