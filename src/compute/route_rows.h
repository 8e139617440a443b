#pragma once
// Private to compute/: how its routes are written down.
#include "compute/common.h"
#include "compute/routes.h"

namespace tarn::compute {

inline api::Route row(api::Method m, std::string pattern, std::string group, api::Handler h, api::Auth auth = api::Auth::authenticated) {
  return {.method = m,
          .pattern = std::move(pattern),
          .surface = api::Surface::workspace,
          .auth = auth,
          .group = std::move(group),
          .handler = std::move(h)};
}
inline api::Result nothing(const Result<void>& r) {
  if (!r) return fail(wire(r.error()));
  return api::ok();
}
template <class T, class F>
api::Result answered(const Result<T>& r, F&& encode) {
  if (!r) return fail(wire(r.error()));
  return api::ok(json::value(encode(*r)));
}

}  // namespace tarn::compute
