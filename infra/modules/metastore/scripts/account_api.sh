#!/bin/sh
# One call of the account API, as the principal of the environment:
#   account_api.sh METHOD PATH [BODY]       PATH below /api/2.0/accounts/ID
# DATABRICKS_CLIENT_ID and DATABRICKS_CLIENT_SECRET, or DATABRICKS_TOKEN. The answer goes to stdout; an error to stderr, exit 1.
# Credentials travel on stdin: they are in no argument list that another user of the machine could read.
set -eu
: "${DATABRICKS_ACCOUNTS_URL:?}" "${DATABRICKS_ACCOUNT_ID:?}"
base="${DATABRICKS_ACCOUNTS_URL%/}"
limits="--silent --show-error --connect-timeout 15 --max-time 120"

if [ -n "${DATABRICKS_CLIENT_ID:-}" ]; then
  answer=$(printf 'user = "%s:%s"\n' "$DATABRICKS_CLIENT_ID" "${DATABRICKS_CLIENT_SECRET:?}" |
    curl $limits --fail --config - --data 'grant_type=client_credentials&scope=all-apis' \
      "$base/oidc/accounts/$DATABRICKS_ACCOUNT_ID/v1/token") ||
    { echo "no token for $DATABRICKS_CLIENT_ID from $base" >&2; exit 1; }
  token=$(printf '%s' "$answer" | sed -n 's/.*"access_token" *: *"\([^"]*\)".*/\1/p')
else
  token=${DATABRICKS_TOKEN:?set DATABRICKS_CLIENT_ID and DATABRICKS_CLIENT_SECRET, or DATABRICKS_TOKEN}
fi

url="$base/api/2.0/accounts/$DATABRICKS_ACCOUNT_ID$2"
body="${3:-}"
answer=$(printf 'header = "Authorization: Bearer %s"\n' "$token" |
  curl $limits --config - --request "$1" ${body:+--header 'Content-Type: application/json' --data "$body"} \
    --write-out '\n%{http_code}' "$url")
status=$(printf '%s' "$answer" | tail -n 1)
printf '%s\n' "$answer" | sed '$d'
case "$status" in
  2??) ;;
  *) echo "$1 $2 answered $status: $(printf '%s' "$answer" | sed '$d')" >&2; exit 1 ;;
esac
