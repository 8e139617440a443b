#include "account/prefixes.h"

#include "account/records.h"
#include "account/validate.h"

namespace tarn::account {

DeploymentPrefixes::DeploymentPrefixes(store::Store& store, const Clock& clock, Settings settings)
    : store_(store), clock_(clock), settings_(std::move(settings)) {}

Result<void> DeploymentPrefixes::register_prefix(const VendorContext& vendor, const std::string& prefix) {
  store::AuditEvent event{.service = kAuditService,
                          .action = "registerDeploymentPrefix",
                          .principal = "vendor:" + vendor.operator_name,
                          .request_id = vendor.request_id,
                          .params = {{"prefix", prefix}}};
  return store_.write_as(std::move(event), [&](store::WriteTxn& t) -> Result<void> {
    TARN_CHECK(validate::label("prefix", prefix));
    if (prefix.size() > 40) return fail(Error{Errc::invalid, fmt::format("Field 'prefix' must have at most 40 characters, got {}", prefix.size())});
    if (settings_.reserved_deployment_names.contains(prefix))
      return fail(Error{Errc::invalid, fmt::format("Field 'prefix' must not be '{}': that host is not a workspace", prefix)});
    if (const auto old = prefix_table.get(t, "prefix")) t.audit().params["replaces"] = old->value.prefix;
    if (!prefix_table.put(t, {prefix, clock_.now(), vendor.operator_name})) throw std::logic_error("the prefix record has no unique index");
    return {};
  });
}

std::optional<std::string> DeploymentPrefixes::current() {
  const auto found = store_.read_as([](store::ReadTxn& t) { return prefix_table.get(t, "prefix"); });
  return found ? std::optional(found->value.prefix) : std::nullopt;
}

}  // namespace tarn::account
