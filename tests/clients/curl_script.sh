#!/bin/sh
# Runs under `tarn rehearse`: curl, the vendor's host names, nothing of Tarn in sight. Each check is a line of JSON.
set -u
account=https://accounts.cloud.databricks.com
workspace=https://acme-landing.cloud.databricks.com
failed=0

check() { # GROUP CHECK FOUND WANTED
  if [ "$3" = "$4" ]; then passed=true; else passed=false failed=1; fi
  jq -nc --arg group "$1" --arg check "$2" --argjson passed "$passed" --arg found "$3" --arg wanted "$4" \
    '{group: $group, check: $check, passed: $passed, detail: ("found " + $found + ", wanted " + $wanted)}'
}
token() { curl -sS -u "$CLIENT_ID:$CLIENT_SECRET" -d grant_type=client_credentials -d scope=all-apis "$1" | jq -r .access_token; }

a=$(token "$account/oidc/accounts/$ACCOUNT_ID/v1/token")
w=$(token "$workspace/oidc/v1/token")
get() { curl -sS -H "Authorization: Bearer $1" "$2"; }
post() { curl -sS -H "Authorization: Bearer $1" -H 'Content-Type: application/json' -d "$3" "$2"; }

check workspaces list "$(get "$a" "$account/api/2.0/accounts/$ACCOUNT_ID/workspaces" | jq -r '[.[].deployment_name] | sort | join(" ")')" 'acme-landing acme-pipeline'
check networks list "$(get "$a" "$account/api/2.0/accounts/$ACCOUNT_ID/networks" | jq length)" 2
check current_user me "$(get "$w" "$workspace/api/2.0/preview/scim/v2/Me" | jq -r .userName)" "$CLIENT_ID"
check catalogs get "$(get "$w" "$workspace/api/2.1/unity-catalog/catalogs/landing_raw" | jq -r .name)" landing_raw
check tables 'a missing one is refused' "$(get "$w" "$workspace/api/2.1/unity-catalog/tables/landing_raw.flights.nothing" | jq -r .error_code)" TABLE_DOES_NOT_EXIST
check statement_execution rows "$(post "$w" "$workspace/api/2.0/sql/statements" "{\"statement\":\"SELECT 1 + 1\",\"warehouse_id\":\"$WAREHOUSE\",\"wait_timeout\":\"30s\"}" |
  jq -r '.result.data_array[0][0]')" 2
check authentication 'no token' "$(curl -sS -o /dev/null -w '%{http_code}' "$workspace/api/2.1/unity-catalog/catalogs")" 401

# Storage, signed by curl itself, under AWS' own names.
curl -sS -X PATCH -o /dev/null -H "Authorization: Bearer $w" -d "{\"changes\":[{\"principal\":\"$CLIENT_ID\",\"add\":[\"EXTERNAL_USE_LOCATION\"]}]}" \
  "$workspace/api/2.1/unity-catalog/permissions/external_location/landing-files"
path='s3://acme-landing-files/curl'
vended=$(post "$w" "$workspace/api/2.0/unity-catalog/temporary-path-credentials" "{\"url\":\"$path\",\"operation\":\"PATH_READ_WRITE\"}" | jq .aws_temp_credentials)
signed() { # ARGUMENTS OF CURL…
  curl -sS --aws-sigv4 "aws:amz:$AWS_REGION:s3" --user "$(echo "$vended" | jq -r '.access_key_id + ":" + .secret_access_key')" \
    -H "x-amz-security-token: $(echo "$vended" | jq -r .session_token)" -o /dev/null -w '%{http_code}' "$@"
}
empty='x-amz-content-sha256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'
hello="x-amz-content-sha256: $(printf hello | sha256sum | cut -d' ' -f1)"
here="https://acme-landing-files.s3.$AWS_REGION.amazonaws.com/curl"
check S3 'put with vended credentials' "$(signed -X PUT -H "$hello" --data-binary hello "$here/hello.txt")" 200
check S3 'get with vended credentials' "$(signed -H "$empty" "$here/hello.txt")" 200
check S3 'outside of what was vended' "$(signed -H "$empty" "https://acme-landing-files.s3.$AWS_REGION.amazonaws.com/other/hello.txt")" 403
check proxy 'nothing else is reachable' "$(curl -s -o /dev/null -w '%{http_connect}' https://example.com/)" 403
exit $failed
