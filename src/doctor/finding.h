#pragma once
// What a check found, for people and machines. Pure data.
#include <string>
#include <vector>

#include "base/json.h"
#include "doctor/edges.h"

namespace tarn::doctor {

enum class Level {
  ok,
  unknown,  // could not be looked at from here; the summary says why
  warning,
  problem
};
BOOST_DESCRIBE_ENUM(Level, ok, unknown, warning, problem)

struct Finding {
  std::string check;  // egress, account-admin, metastore, …
  Level level = Level::ok;
  std::string summary;              // one line: what is, naming the value
  std::string cause, cure;          // empty when ok
  std::optional<std::string> edge;  // the sharp edge, if it is one
};
BOOST_DESCRIBE_STRUCT(Finding, (), (check, level, summary, cause, cure, edge))

using Findings = std::vector<Finding>;

inline Finding ok(std::string check, std::string summary) { return {std::move(check), Level::ok, std::move(summary), "", "", std::nullopt}; }
inline Finding at_edge(std::string check, Edge edge, std::string summary) {
  const auto& r = remedy(edge);
  return {std::move(check), Level::problem, std::move(summary), std::string(r.cause), std::string(r.cure), std::string(json::name_of(edge))};
}

/// The worst level decides a verb's exit: 0 unless there is a problem.
inline bool healthy(const Findings& all) {
  return std::none_of(all.begin(), all.end(), [](const Finding& f) { return f.level == Level::problem; });
}

/// Lines for a terminal: a mark and a summary each, cause and cure below what is not ok.
std::string render(const Findings& findings);

}  // namespace tarn::doctor
