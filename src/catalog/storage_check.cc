#include "catalog/storage_check.h"

#include "base/ids.h"

namespace tarn::catalog {
namespace {

objects::Url parts(std::string_view url) {
  const std::string_view rest = url.substr(5);  // s3://, as checked_url spells it
  const auto slash = rest.find('/');
  if (slash == rest.npos) return {.bucket = std::string(rest), .key = ""};
  return {.bucket = std::string(rest.substr(0, slash)), .key = std::string(rest.substr(slash + 1))};
}

CheckedItem item(CheckedOperation op, const objects::Result<void>& r) {
  return {op, r ? CheckResult::PASS : CheckResult::FAIL, r ? std::nullopt : std::optional(r.error().message)};
}

template <class T>
objects::Result<void> only_error(const objects::Result<T>& r) {
  if (!r) return fail(r.error());
  return {};
}

}  // namespace

Result<void> check_reachable(objects::ObjectStore& objects, std::string_view url) {
  const auto at = parts(url);
  if (objects.provide_bucket(at.bucket)) return {};
  return fail(
      Error{Errc::permission_denied,
            fmt::format("AWS IAM role does not have READ permissions on url {}. Please contact your account admin to update the storage credential. "
                        "(There is no bucket '{}'.)",
                        url, at.bucket)});
}

ValidationAnswer try_storage(objects::ObjectStore& objects, const std::string& url, bool read_only) {
  using enum CheckedOperation;
  const auto at = parts(url);
  const auto listed = only_error(objects.list(at.bucket, at.key.empty() ? "" : at.key + "/", "", 1));
  ValidationAnswer out{.isDir = listed.has_value()};
  out.results = {item(PATH_EXISTS, listed), item(LIST, listed), item(READ, listed)};
  if (read_only) {
    out.results.push_back({WRITE, CheckResult::SKIP, "read only"});
    out.results.push_back({DELETE_, CheckResult::SKIP, "read only"});
    return out;
  }
  const objects::Url trial{.bucket = at.bucket, .key = (at.key.empty() ? "" : at.key + "/") + "_credential_validation_" + new_uuid()};
  const auto put = only_error(objects.put(trial, "x"));
  out.results.push_back(item(WRITE, put));
  out.results.push_back(put ? item(DELETE_, objects.remove(trial)) : CheckedItem{DELETE_, CheckResult::SKIP, "nothing was written"});
  return out;
}

}  // namespace tarn::catalog
