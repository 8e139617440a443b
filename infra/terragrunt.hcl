# What every unit shares: where its state is kept, and the versions of the tools. A unit includes this file and one of scopes/.
#
# From the environment (see README.md):
#   DATABRICKS_ACCOUNT_ID, DATABRICKS_CLIENT_ID, DATABRICKS_CLIENT_SECRET   the one service principal that owns every apply
#   DATABRICKS_ACCOUNTS_URL    another account host than the vendor's on AWS
#   PLATFORM_DIR               another folder of YAML than ../platform
#   STATE_BUCKET, STATE_REGION where states are; STATE_FOLDER: a local folder instead, for a person trying things out alone
#   ADOPT_DIR                  import blocks for what exists already (scripts/adopt.py writes them)

terragrunt_version_constraint = ">= 0.55.0, < 0.60.0"
terraform_version_constraint  = ">= 1.10.0, < 2.0.0"

locals {
  unit         = path_relative_to_include()
  state_folder = get_env("STATE_FOLDER", "")
  state_s3     = <<-EOT
    terraform {
      backend "s3" {
        bucket       = "${get_env("STATE_BUCKET", "acme-terraform-state")}"
        key          = "databricks/${local.unit}/terraform.tfstate"
        region       = "${get_env("STATE_REGION", "eu-central-1")}"
        use_lockfile = true # a lock is an object that is put only if it is absent

        # S3 encrypts every object since 2023, so `encrypt` would add nothing. The bucket's owner is known: asking who we are costs a
        # call and a right.
        skip_credentials_validation = true
        skip_requesting_account_id  = true
      }
    }
  EOT
  state_local  = <<-EOT
    terraform {
      backend "local" {
        path = "${local.state_folder}/${local.unit}/terraform.tfstate"
      }
    }
  EOT
  imports      = "${get_env("ADOPT_DIR", "/nonexistent")}/${local.unit}/imports.tf"
}

generate "backend" {
  path      = "backend.tf"
  if_exists = "overwrite_terragrunt"
  contents  = local.state_folder == "" ? local.state_s3 : local.state_local
}

generate "imports" {
  path      = "imports.tf"
  if_exists = "overwrite_terragrunt"
  contents  = fileexists(local.imports) ? file(local.imports) : "# nothing to adopt\n"
}
