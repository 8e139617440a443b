#pragma once
// What one statement did on a connection, from DuckDB's own profiler. Its settings are locked for SQL, so they are set behind it.
#include <map>
#include <optional>

#include "engine/child/instance.h"
#include "engine/profile.h"

namespace tarn::engine::child {

/// Profiles the next statement that is started on the connection. The connection is as before once this is gone.
class Profiling {
 public:
  Profiling(const Borrowed& connection, bool wanted);
  Profiling(const Profiling&) = delete;
  ~Profiling();
  /// When the statement has a plan and has not ended, for DuckDB lets go of the plan then: which files the planner left in it.
  void planned();
  /// After its last row was fetched, or the last that anybody wants. Nothing: not wanted, or DuckDB kept none. (Its peak of memory is not told:
  /// DuckDB 1.5.5 adds up what it should compare, OperatorInformation::AddMetric.)
  std::optional<Profile> taken();

 private:
  struct Scan {
    std::string file;
    std::int64_t files = 0;
    std::optional<std::int64_t> bytes;
  };
  const Borrowed& connection_;
  const bool wanted_;
  std::map<const void*, Scan> scans_;  // by node of DuckDB's tree
  bool spilled_before_ = true;         // files for what does not fit were there when it began
  bool all_known_ = true;
};

}  // namespace tarn::engine::child
