#!/bin/sh
# Before a destroy: the state forgets the metastore's data access, which the metastore's own deletion takes along. Run by Terragrunt in the
# initialised module, with TG_CTX_TF_PATH naming OpenTofu or Terraform.
set -eu
tf="${TG_CTX_TF_PATH:-${TERRAGRUNT_TFPATH:-terraform}}"
address='databricks_metastore_data_access.this[0]'
if "$tf" state list | grep -qxF "$address"; then "$tf" state rm "$address"; fi
