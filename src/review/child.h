#pragma once
// A command run to its end, bounded in time and in what is kept of its output; it gets exactly the environment that is given, and it dies with us.
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace tarn::review {

struct ChildSpec {
  std::vector<std::string> command;      // [0] is looked up in the PATH of `environment`
  std::vector<std::string> environment;  // NAME=value
  std::string folder;                    // working directory; empty: ours
  int seconds = 60;
  std::size_t most_output = 1u << 20;  // of each stream; the rest is read and dropped
  int extra_fd = -1;                   // becomes descriptor 3
  std::function<bool()> cancelled;     // asked a few times a second; true ends it as the time limit does
};

struct ChildResult {
  int exit_code = -1;  // 128 + signal; -1: did not start
  bool timed_out = false;
  std::string out, err;
  bool out_cut = false, err_cut = false;
};

ChildResult run(const ChildSpec& spec);

}  // namespace tarn::review
