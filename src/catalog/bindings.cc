#include "catalog/bindings.h"

namespace tarn::catalog {
namespace {

Isolation* isolation_of(Place& place) {
  if (place.catalog && !place.schema) return &place.catalog->isolation;
  if (place.location) return &place.location->isolation;
  if (place.credential) return &place.credential->isolation;
  return nullptr;
}

std::vector<Binding> shown_bindings(const Isolation& i) {
  std::vector<Binding> out = i.bindings;
  for (auto& b : out)
    if (!b.binding_type) b.binding_type = BindingType::BINDING_TYPE_READ_WRITE;
  return out;
}

Error cannot_be_bound(SecurableType type) {
  return invalid(
      fmt::format("Workspace bindings do not apply to securables of type {}: catalog, external_location and storage_credential can be bound",
                  json::name_of(type)));
}

}  // namespace

Result<std::vector<Binding>> Bindings::get(const access::Context& ctx, SecurableType type, std::string_view name) {
  return look(core_, ctx, "getWorkspaceBindings", {{"securable_type", std::string(json::name_of(type))}, {"securable_full_name", std::string(name)}},
              [&](store::ReadTxn& t) -> Result<std::vector<Binding>> {
                TARN_TRY(place, locate_to_manage(t, ctx, type, name));
                const Isolation* isolation = isolation_of(place);
                if (!isolation) return fail(cannot_be_bound(type));
                return shown_bindings(*isolation);
              });
}

Result<std::vector<Binding>> Bindings::update(const access::Context& ctx, SecurableType type, std::string_view name, const std::vector<Binding>& add,
                                              const std::vector<Binding>& remove) {
  std::map<std::string, std::string> params{{"securable_type", std::string(json::name_of(type))}, {"securable_full_name", std::string(name)}};
  params["add"] = json::encode_text(add);
  params["remove"] = json::encode_text(remove);
  std::optional<Error> problem;
  for (const auto& b : add)
    if (!core_.workspaces.by_id(b.workspace_id)) problem = invalid(fmt::format("Workspace {} does not exist.", b.workspace_id));
  return change(core_, ctx, "updateWorkspaceBindings", params, [&](store::WriteTxn& t) -> Result<std::vector<Binding>> {
    TARN_TRY(place, locate_to_manage(t, ctx, type, name));
    Isolation* isolation = isolation_of(place);
    if (!isolation) return fail(cannot_be_bound(type));
    if (problem) return fail(*problem);
    for (const auto& b : remove) std::erase_if(isolation->bindings, [&](const Binding& have) { return have.workspace_id == b.workspace_id; });
    for (const auto& b : add) {
      std::erase_if(isolation->bindings, [&](const Binding& have) { return have.workspace_id == b.workspace_id; });
      isolation->bindings.push_back({b.workspace_id, b.binding_type.value_or(BindingType::BINDING_TYPE_READ_WRITE)});
    }
    std::sort(isolation->bindings.begin(), isolation->bindings.end(),
              [](const Binding& a, const Binding& b) { return a.workspace_id < b.workspace_id; });
    save(t, place);
    return shown_bindings(*isolation);
  });
}

}  // namespace tarn::catalog
