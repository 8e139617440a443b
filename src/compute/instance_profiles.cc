#include "compute/instance_profiles.h"

#include <regex>

#include "compute/common.h"

namespace tarn::compute {
namespace {

struct Record : InstanceProfile {
  std::int64_t workspace_id = 0;
  std::string store_key() const { return store::key({store::sortable(workspace_id), instance_profile_arn}); }
  std::vector<store::IndexEntry> store_indexes() const { return {}; }
};
BOOST_DESCRIBE_STRUCT(Record, (InstanceProfile), (workspace_id))
constexpr store::Collection<Record> table{"compute.instance_profile"};

Result<void> checked(const AddInstanceProfile& r) {
  static const std::regex profile("arn:aws(-us-gov|-cn)?:iam::[0-9]{12}:instance-profile/[A-Za-z0-9+=,.@_/-]{1,512}");
  static const std::regex role("arn:aws(-us-gov|-cn)?:iam::[0-9]{12}:role/[A-Za-z0-9+=,.@_/-]{1,512}");
  if (!std::regex_match(r.instance_profile_arn, profile))
    return refuse(Errc::invalid,
                  "Field 'instance_profile_arn' must be the ARN of an AWS instance profile, got '" + r.instance_profile_arn.substr(0, 200) + "'");
  if (r.iam_role_arn && !r.iam_role_arn->empty() && !std::regex_match(*r.iam_role_arn, role))
    return refuse(Errc::invalid, "Field 'iam_role_arn' must be the ARN of an IAM role, got '" + r.iam_role_arn->substr(0, 200) + "'");
  return {};
}

Error missing(const std::string& arn) { return {Errc::not_found, "The instance profile '" + arn + "' does not exist in this workspace"}; }

Record record_of(const access::Context& ctx, const AddInstanceProfile& r) {
  Record out;
  out.workspace_id = workspace_of(ctx);
  out.instance_profile_arn = r.instance_profile_arn;
  if (r.iam_role_arn && !r.iam_role_arn->empty()) out.iam_role_arn = r.iam_role_arn;
  if (r.is_meta_instance_profile.value_or(false)) out.is_meta_instance_profile = true;
  return out;
}

}  // namespace

Result<void> InstanceProfiles::add(const access::Context& ctx, const AddInstanceProfile& request) {
  return store_.write_as(ctx.event("instanceProfiles", "add", {{"instance_profile_arn", request.instance_profile_arn}}),
                         [&](store::WriteTxn& t) -> Result<void> {
                           TARN_CHECK(checked(request));
                           if (!table.insert(t, record_of(ctx, request)))
                             return refuse(Errc::already_exists, "The instance profile " + request.instance_profile_arn + " has already been added");
                           return {};
                         });
}

Result<void> InstanceProfiles::edit(const access::Context& ctx, const AddInstanceProfile& request) {
  return store_.write_as(ctx.event("instanceProfiles", "edit", {{"instance_profile_arn", request.instance_profile_arn}}),
                         [&](store::WriteTxn& t) -> Result<void> {
                           TARN_CHECK(checked(request));
                           auto next = record_of(ctx, request);
                           if (const auto old = table.get(t, next.store_key()); old && !request.is_meta_instance_profile)
                             next.is_meta_instance_profile = old->value.is_meta_instance_profile;
                           if (!table.update(t, next)) return fail(missing(request.instance_profile_arn));
                           return {};
                         });
}

Result<void> InstanceProfiles::remove(const access::Context& ctx, const std::string& arn) {
  return store_.write_as(ctx.event("instanceProfiles", "remove", {{"instance_profile_arn", arn}}), [&](store::WriteTxn& t) -> Result<void> {
    if (!table.erase(t, store::key({store::sortable(workspace_of(ctx)), arn}))) return fail(missing(arn));
    return {};
  });
}

std::vector<InstanceProfile> InstanceProfiles::list(const access::Context& ctx) {
  auto all = store_.read_as([&](store::ReadTxn& t) { return table.scan(t, store::prefix({store::sortable(workspace_of(ctx))})); });
  return {all.begin(), all.end()};
}

bool InstanceProfiles::registered(store::ReadTxn& t, std::int64_t workspace_id, const std::string& arn) {
  return table.get(t, store::key({store::sortable(workspace_id), arn})).has_value();
}

void InstanceProfiles::on_workspace_deleted(store::WriteTxn& t, std::int64_t workspace_id) {
  for (const auto& p : table.scan(t, store::prefix({store::sortable(workspace_id)}))) table.erase(t, p.store_key());
}

}  // namespace tarn::compute
