#pragma once
// What the settings of workspaces and the account refuse. routes.cc maps each to the wire.
#include "base/result.h"

namespace tarn::settings {

enum class Errc {
  bad_request,  // an unknown key or a value that a key does not take: workspace-conf's own shape
  invalid,
  not_found,
  already_exists,
  quota_exceeded,
  locked_out,     // the change would shut its own caller out
  setting_unset,  // 404 with the etag to write with
  conflict,       // 409 with the etag to write with
  not_enabled
};
struct Error {
  Errc code;
  std::string message;
  std::string etag{};  // of setting_unset and conflict
};
template <class T>
using Result = Expected<T, Error>;

}  // namespace tarn::settings
