#pragma once
// Reading answers of others that are not worth a described struct: what is not there, or of another type, is empty.
#include <initializer_list>
#include <string>
#include <string_view>

#include "base/json.h"

namespace tarn::json {

/// The value at a path of member names; null pointer if any step is missing.
inline const value* find(const value& v, std::initializer_list<std::string_view> path) {
  const value* here = &v;
  for (const auto name : path) {
    if (!here->is_object()) return nullptr;
    here = here->as_object().if_contains(name);
    if (!here) return nullptr;
  }
  return here;
}

inline std::string text_of(const value* v) { return v && v->is_string() ? std::string(v->as_string()) : std::string(); }
inline std::string text_at(const value& v, std::initializer_list<std::string_view> path) { return text_of(find(v, path)); }
inline std::string text_at(const object& o, std::string_view name) { return text_of(o.if_contains(name)); }

/// The same where a whole number may stand for its digits, as ids do on the wire.
inline std::string id_of(const value* v) { return v && v->is_int64() ? std::to_string(v->as_int64()) : text_of(v); }

}  // namespace tarn::json
