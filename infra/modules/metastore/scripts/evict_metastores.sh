#!/bin/sh
# Detaches and deletes the metastores of METASTORE_IDS (ids, blank between). Nothing to do is well done.
set -eu
api="$(dirname "$0")/account_api.sh"
for metastore in ${METASTORE_IDS:-}; do
  workspaces=$("$api" GET "/metastores/$metastore/workspaces" | sed -n 's/.*"workspace_ids" *: *\[\([^]]*\)\].*/\1/p' | tr ',"' '  ')
  for workspace in $workspaces; do
    "$api" DELETE "/workspaces/$workspace/metastores/$metastore" >/dev/null
    echo "detached the default metastore $metastore from workspace $workspace"
  done
  "$api" DELETE "/metastores/$metastore?force=true" >/dev/null
  echo "deleted the default metastore $metastore"
done
