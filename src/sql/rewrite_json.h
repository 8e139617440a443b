#pragma once
// The sidecar's rewrite messages. Private to the room.
#include "sql/analysis.h"

namespace tarn::sql {

json::object constants_json(const std::map<std::string, Constant>& constants);
json::object to_json(const RewriteRequest& request);
/// Throws boost::system::system_error for a shape that sidecar/rewrite.py never sends (a broken build).
Rewrite rewrite_of(const json::value& answer);
/// Everything that the answer depends on.
std::string cache_key(const RewriteRequest& request);

}  // namespace tarn::sql
