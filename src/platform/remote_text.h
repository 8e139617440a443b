#pragma once
// Private to the room: how Remote reads what the API answers and words what it could not do.
#include <algorithm>

#include "base/json_read.h"
#include "client/session.h"

namespace tarn::platform {

inline constexpr std::string_view kAccount = "/api/2.0/accounts/{account}/";

inline std::string text(const json::value& v, std::string_view name) { return json::id_of(json::find(v, {name})); }

inline client::ApiError problem(std::string message) { return {0, "", std::move(message)}; }

inline client::Result<void> done(client::Result<json::value> answer) {
  if (!answer) return fail(std::move(answer).error());
  return {};
}

inline std::vector<std::string> texts(const json::value* v) {
  std::vector<std::string> out;
  if (v && v->is_array())
    for (const auto& x : v->as_array())
      if (x.is_string()) out.emplace_back(x.as_string());
  return out;
}
inline std::vector<std::string> texts(const json::value& v, std::string_view name) { return texts(json::find(v, {name})); }

inline json::array in_order(std::vector<std::string> names) {
  std::sort(names.begin(), names.end());
  json::array out;
  for (auto& n : names) out.push_back(json::value(n));
  return out;
}

/// "landing/ai_engineer" -> both.
inline std::pair<std::string, std::string> split(const std::string& name) {
  const auto slash = name.find('/');
  return {name.substr(0, slash), name.substr(slash + 1)};
}

/// A server of before this API, or a workspace without it.
inline bool absent(const client::ApiError& e) {
  return e.status == 404 || e.error_code == "FEATURE_DISABLED" || e.error_code == "ENDPOINT_NOT_FOUND";
}

}  // namespace tarn::platform
