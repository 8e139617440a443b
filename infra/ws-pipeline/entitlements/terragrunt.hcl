include "root" {
  path = find_in_parent_folders()
}

include "scope" {
  path = "${dirname(find_in_parent_folders())}/scopes/workspace.hcl"
}

include "unit" {
  path = "${dirname(find_in_parent_folders())}/_envcommon/entitlements.hcl"
}
