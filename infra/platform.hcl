# The platform as people write it: every *.yaml of the folder as one document, the very files that `tarn plan` and `tarn apply` read.
locals {
  folder = get_env("PLATFORM_DIR", "${get_terragrunt_dir()}/../platform")
  files  = [for name in sort(fileset(local.folder, "*.{yaml,yml}")) : yamldecode(file("${local.folder}/${name}"))]

  account = merge([for f in local.files : try(f.account, {})]...)
  region  = local.account.region

  credentials         = concat([for f in local.files : try(f.credentials, [])]...)
  storage             = concat([for f in local.files : try(f.storage, [])]...)
  vpc_endpoints       = concat([for f in local.files : try(f.vpc_endpoints, [])]...)
  private_access      = concat([for f in local.files : try(f.private_access, [])]...)
  networks            = concat([for f in local.files : try(f.networks, [])]...)
  workspaces          = concat([for f in local.files : try(f.workspaces, [])]...)
  metastore           = merge([for f in local.files : try(f.metastore, {})]...)
  storage_credentials = concat([for f in local.files : try(f.storage_credentials, [])]...)
  external_locations  = concat([for f in local.files : try(f.external_locations, [])]...)
  catalogs            = concat([for f in local.files : try(f.catalogs, [])]...)
  users               = concat([for f in local.files : try(f.users, [])]...)
  groups              = concat([for f in local.files : try(f.groups, [])]...)
  entitlements        = concat([for f in local.files : try(f.entitlements, [])]...)
  pools               = concat([for f in local.files : try(f.pools, [])]...)
  policies            = concat([for f in local.files : try(f.policies, [])]...)

  # YAML 1.1, which yamldecode speaks, takes the bare word `on` for a boolean, even as a key.
  grants = [
    for g in concat([for f in local.files : try(f.grants, [])]...) : { on = try(g["on"], g["true"]), to = g.to, allow = g.allow }
  ]

  account_id   = get_env("DATABRICKS_ACCOUNT_ID")
  accounts_url = get_env("DATABRICKS_ACCOUNTS_URL", "https://accounts.cloud.databricks.com")
}
