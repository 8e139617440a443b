#include "settings/ip_access_lists.h"

#include "base/ids.h"

namespace tarn::settings {
namespace {

std::int64_t scope_of(const access::Context& ctx) { return ctx.workspace_id.value_or(0); }
const char* service_of(const access::Context&) { return "accounts"; }

IpAccessList shown(const IpListRecord& r) {
  return {.list_id = r.list_id,
          .label = r.label,
          .ip_addresses = r.ip_addresses,
          .address_count = static_cast<std::int64_t>(r.ip_addresses.size()),
          .list_type = r.list_type,
          .created_at = r.created_at,
          .updated_at = r.updated_at,
          .created_by = r.created_by,
          .updated_by = r.updated_by,
          .enabled = r.enabled};
}

Error missing(const std::string& id) { return {Errc::not_found, "IP access list with ID " + id + " does not exist."}; }

Result<void> apply(IpListRecord& r, const IpListRequest& q, bool whole) {
  const auto required = [&](bool there, const char* field) -> Result<void> {
    if (there || !whole) return {};
    return fail(Error{Errc::invalid, fmt::format("Field '{}' is required", field)});
  };
  TARN_CHECK(required(q.label.has_value(), "label"));
  TARN_CHECK(required(q.list_type.has_value(), "list_type"));
  if (q.label) {
    if (q.label->empty() || q.label->size() > 256) return fail(Error{Errc::invalid, "Field 'label' must have 1 to 256 characters"});
    r.label = *q.label;
  }
  if (q.list_type) {
    const auto type = json::enum_of<ListType>(*q.list_type);
    if (!type) return fail(Error{Errc::invalid, "Field 'list_type' must be ALLOW or BLOCK, got '" + *q.list_type + "'"});
    r.list_type = *type;
  }
  if (q.ip_addresses.present() || whole) {
    for (const auto& a : q.ip_addresses.content)
      if (!parse_range(a)) return fail(Error{Errc::invalid, "Field 'ip_addresses' must hold IPv4 addresses and CIDR ranges, got '" + a + "'"});
    r.ip_addresses = q.ip_addresses.content;
  }
  if (q.enabled) r.enabled = *q.enabled;
  return {};
}

/// Writes a list and checks what must hold of all lists of its scope.
Result<void> put(store::WriteTxn& t, const access::Context& ctx, const IpListRecord& r) {
  if (!kIpLists.put(t, r))
    return fail(
        Error{Errc::already_exists, fmt::format("IP access list with type ({}) and label ({}) already exists", json::name_of(r.list_type), r.label)});
  std::size_t addresses = 0;
  for (const auto& l : kIpLists.scan(t, store::prefix({store::sortable(r.scope)}))) addresses += l.ip_addresses.size();
  if (addresses > IpAccessLists::kMostAddresses)
    return fail(Error{Errc::quota_exceeded, fmt::format("All IP access lists together may hold {} addresses and ranges; these would be {}",
                                                        IpAccessLists::kMostAddresses, addresses)});
  TARN_CHECK(still_admitted(t, ctx, r.scope));
  changed(t);
  return {};
}

}  // namespace

Result<void> still_admitted(store::ReadTxn& t, const access::Context& ctx, std::int64_t scope) {
  // Requests of the platform itself come from nowhere.
  if (ctx.source_ip.empty() || read_scope(t, scope).admits(ctx.source_ip)) return {};
  return fail(Error{Errc::locked_out, fmt::format("Your current IP {} will not be allowed to access the {} under current configuration",
                                                  ctx.source_ip, scope == 0 ? "account" : "workspace")});
}

Result<IpAccessList> IpAccessLists::create(const access::Context& ctx, const IpListRequest& request) {
  return store_.write_as(ctx.event(service_of(ctx), "createIpAccessList", {{"label", request.label.value_or("")}}),
                         [&](store::WriteTxn& t) -> Result<IpAccessList> {
                           IpListRecord r{.scope = scope_of(ctx), .list_id = new_uuid()};
                           TARN_CHECK(apply(r, request, true));
                           r.created_at = r.updated_at = clock_.now();
                           r.created_by = r.updated_by = ctx.caller.id;
                           TARN_CHECK(put(t, ctx, r));
                           t.audit().params["ipAccessListId"] = r.list_id;
                           return shown(r);
                         });
}

Result<IpAccessList> IpAccessLists::get(const access::Context& ctx, const std::string& list_id) {
  const auto found = store_.read_as([&](store::ReadTxn& t) { return kIpLists.get(t, store::key({store::sortable(scope_of(ctx)), list_id})); });
  if (!found) return fail(missing(list_id));
  return shown(found->value);
}

std::vector<IpAccessList> IpAccessLists::list(const access::Context& ctx) {
  std::vector<IpAccessList> out;
  for (const auto& r : store_.read_as([&](store::ReadTxn& t) { return kIpLists.scan(t, store::prefix({store::sortable(scope_of(ctx))})); }))
    out.push_back(shown(r));
  return out;
}

Result<void> IpAccessLists::change(const access::Context& ctx, const std::string& list_id, const IpListRequest& request, bool whole) {
  return store_.write_as(ctx.event(service_of(ctx), "updateIpAccessList", {{"ipAccessListId", list_id}}), [&](store::WriteTxn& t) -> Result<void> {
    auto found = kIpLists.get(t, store::key({store::sortable(scope_of(ctx)), list_id}));
    if (!found) return fail(missing(list_id));
    if (whole && !request.enabled) return fail(Error{Errc::invalid, "Field 'enabled' is required"});
    TARN_CHECK(apply(found->value, request, whole));
    found->value.updated_at = clock_.now();
    found->value.updated_by = ctx.caller.id;
    return put(t, ctx, found->value);
  });
}

Result<void> IpAccessLists::remove(const access::Context& ctx, const std::string& list_id) {
  return store_.write_as(ctx.event(service_of(ctx), "deleteIpAccessList", {{"ipAccessListId", list_id}}), [&](store::WriteTxn& t) -> Result<void> {
    if (!kIpLists.erase(t, store::key({store::sortable(scope_of(ctx)), list_id}))) return fail(missing(list_id));
    TARN_CHECK(still_admitted(t, ctx, scope_of(ctx)));
    changed(t);
    return {};
  });
}

std::optional<std::string> IpAccessLists::refusal(std::optional<std::int64_t> workspace_id, std::string_view source_ip) {
  if (snapshots_.of(workspace_id.value_or(0))->admits(source_ip)) return std::nullopt;
  if (workspace_id) return fmt::format("Source IP address: {} is blocked by Databricks IP ACL for workspace: {}", source_ip, *workspace_id);
  return fmt::format("Source IP address: {} is blocked by Databricks IP ACL for account", source_ip);
}

}  // namespace tarn::settings
