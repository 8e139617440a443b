#pragma once
// Children of the server: started with exactly the descriptors that they are given, in a process group of their own (a terminal's interrupt is for
// the server, which ends its children itself), with no signal blocked or ignored.
#include <sys/types.h>

#include <string>
#include <utility>
#include <vector>

#include "base/result.h"

namespace tarn {

struct Spawn {
  std::string program;                   // absolute
  std::vector<std::string> arguments;    // the first is the program's own name
  std::vector<std::string> environment;  // NAME=VALUE
  /// What the child's descriptors 0, 1, 2, … are: one of ours, or /dev/null, read from (0) or written to. All others are closed for it.
  static constexpr int kNull = -1;
  std::vector<int> descriptors{kNull, kNull, kNull};
  std::string folder;  // empty: this process's
};

/// The child's id; else an errno.
Expected<pid_t, int> spawn(const Spawn& what);

}  // namespace tarn
