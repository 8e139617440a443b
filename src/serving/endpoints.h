#pragma once
// Serving endpoints as they are kept: made, configured, tagged, limited, removed. What they want is in the store; runtime.h makes it so and
// tells here how an update ended. CAN_VIEW shows an endpoint, CAN_QUERY lets ask it, CAN_MANAGE change it; whoever names a model in a
// configuration must hold EXECUTE on it, and it is loaded with that person's rights for as long as it is served. Thread-safe; blocks on the
// store. Source: REST API reference "Serving endpoints".
#include "access/object_permissions.h"
#include "catalog/models.h"
#include "serving/types.h"

namespace tarn::serving {

/// A configuration as requests bring it, names checked.
struct NewConfig {
  std::vector<ServedEntity> served_entities;
  std::vector<TrafficRoute> routes;
  std::optional<Canary> canary;
  std::optional<Capture> capture;
};
struct NewEndpoint {
  std::string name;
  std::optional<std::string> description;
  std::vector<Tag> tags;
  std::vector<RateLimit> rate_limits;
  std::optional<Capture> gateway_capture;
  std::optional<NewConfig> config;
};

class Endpoints {
 public:
  /// All must outlive this. Declares the kind serving-endpoints.
  Endpoints(store::Store& store, access::ObjectPermissions& permissions, catalog::Models& models, catalog::Catalog& catalog, const Clock& clock);
  /// Called after each change, on any thread. At start-up.
  void on_change(std::function<void()> told) { changed_ = std::move(told); }

  Result<Endpoint> create(const access::Context& ctx, const NewEndpoint& request);
  Result<Endpoint> get(const access::Context& ctx, const std::string& name, std::string_view level = "CAN_VIEW");
  /// Those that the caller may view.
  std::vector<Endpoint> list(const access::Context& ctx);
  Result<void> remove(const access::Context& ctx, const std::string& name);
  /// Starts an update; invalid_state while one is under way.
  Result<Endpoint> update_config(const access::Context& ctx, const std::string& name, const NewConfig& config);
  Result<Endpoint> set_tags(const access::Context& ctx, const std::string& name, const std::vector<Tag>& add, const std::vector<std::string>& remove);
  Result<Endpoint> set_limits(const access::Context& ctx, const std::string& name, const std::vector<RateLimit>& limits);
  Result<Endpoint> set_gateway(const access::Context& ctx, const std::string& name, const std::vector<RateLimit>& limits,
                               const std::optional<Capture>& capture);

  // For the runtime, as the platform.
  std::vector<Endpoint> all();
  /// The pending configuration serves: it becomes the active one, if it still is that version.
  void promote(std::int64_t workspace_id, const std::string& name, std::int64_t version);
  void update_failed(std::int64_t workspace_id, const std::string& name, std::int64_t version, const std::string& why);
  /// Takes the canary's traffic away, if the active configuration still is that version.
  void roll_back(std::int64_t workspace_id, const std::string& name, std::int64_t version, const std::string& why);

  void on_workspace_deleted(store::WriteTxn& t, std::int64_t workspace_id) const;
  std::string level_of(const access::Context& ctx, const Endpoint& e) { return permissions_.level_of(ctx, {kPermissionType, e.id}); }

 private:
  Result<Config> checked(const access::Context& ctx, const NewConfig& wanted, const std::optional<Config>& before);
  Result<void> check_capture(const access::Context& ctx, const Capture& c);
  Result<Endpoint> change(const access::Context& ctx, const std::string& name, const char* action,
                          const std::function<Result<void>(Endpoint&)>& body);
  void by_platform(std::int64_t workspace_id, const std::string& name, const char* action, const std::function<bool(Endpoint&)>& body);
  Error told(const access::Context& ctx, const char* action, const std::string& name, Error e);

  store::Store& store_;
  access::ObjectPermissions& permissions_;
  catalog::Models& models_;
  catalog::Catalog& catalog_;
  const Clock& clock_;
  std::function<void()> changed_;
};

}  // namespace tarn::serving
