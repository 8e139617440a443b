#pragma once
// What statements gather from the relations that they read. Private to the room.
#include <algorithm>
#include <string>
#include <vector>

namespace tarn::sql {

inline void add_unique(std::vector<std::string>& to, const std::vector<std::string>& from) {
  for (const auto& f : from)
    if (std::ranges::find(to, f) == to.end()) to.push_back(f);
}

/// What reading one more relation means for a query, a change or a merge, wherever its folders are read.
void take_in_names(auto& out, const auto& relation) {
  out.held.insert(out.held.end(), relation.held.begin(), relation.held.end());
  out.guarded = out.guarded || relation.guarded;
  if (!relation.name.empty()) add_unique(out.read_tables, {relation.name});
  add_unique(out.read_tables, relation.behind);
}

void take_in(auto& out, const auto& relation) {
  add_unique(out.directories, relation.directories);
  take_in_names(out, relation);
}

}  // namespace tarn::sql
