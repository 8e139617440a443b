#pragma once
// What a statement did in the engine: the few numbers that the history keeps of it, and the tree of its operators as JSON for those who may see it.
#include <map>
#include <string>

#include "base/json.h"
#include "sql/executor_types.h"

namespace tarn::sql {

/// Statements that took at least this long keep their profile in the store, as long as they are in the history; others while they are held.
inline constexpr std::int64_t kProfileKeptFromMs = 100;
/// And of each workspace so many, the newest.
inline constexpr std::size_t kMostProfilesKept = 10'000;

/// Brings what the statement's requests did into its metrics. `guarded`: it reads what its caller may not see all of. Then there are no operators
/// and no counts of what was read: a plan's shape, its conditions and its rows tell of the rows behind a filter, just as EXPLAIN would.
/// `details`: what operators were told (conditions, columns) is kept too.
void settle(Metrics& metrics, const engine::Work& work, bool guarded, bool details);

/// The kept text as `profile` of a reply. `details` false: without what operators were told and which tables they read.
json::value shown_profile(const std::string& kept, bool details);

}  // namespace tarn::sql
