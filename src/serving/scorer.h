#pragma once
// One scoring process: started confined, spoken to over a socket pair. Two sides share this file: the server's (start, frames, end) and the
// launcher's (`tarn scorer`), which confines itself and becomes the scorer.
//
// Frames, both ways, little endian: u32 length of the payload, u32 id, u8 kind, payload. A scorer's first frame is hello (id 0): JSON, {"ready":
// true, …} or {"error": why}. Then every `score` frame is answered by one frame of its id: `answer` (the reply's body), `bad_input` or `failed`
// (a text). What it prints goes to a pipe that the server keeps the end of.
#include <sys/types.h>

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "compute/node/agent.h"

namespace tarn::serving {

enum class FrameKind : std::uint8_t { hello = 0, score = 1, answer = 2, bad_input = 3, failed = 4 };
inline constexpr std::size_t kFrameHead = 9;
inline constexpr std::uint32_t kMostFrame = 64u << 20;
struct FrameHead {
  std::uint32_t length = 0, id = 0;
  FrameKind kind = FrameKind::hello;
};
std::string frame(std::uint32_t id, FrameKind kind, std::string_view payload);
FrameHead frame_head(const char* bytes);

/// What the launcher reads on its standard input.
struct ScorerOrder {
  std::string id;
  std::vector<std::string> group_paths;  // control groups to join
  std::vector<std::string> command;      // absolute program first; folders of `mounts` by their new names where isolated
  std::map<std::string, std::string> environment;
  std::map<std::string, std::string> mounts;  // name below /mnt -> folder of this machine, read only
  bool isolate = true;                        // as root: mounts, network and user of its own
  bool may_fork = false;
  std::int64_t memory_bytes = 0;
};
BOOST_DESCRIBE_STRUCT(ScorerOrder, (), (id, group_paths, command, environment, mounts, isolate, may_fork, memory_bytes))

struct ScorerProcess {
  pid_t pid = -1;
  int socket = -1;  // ours, non-blocking; whoever takes this struct closes it
  int output = -1;  // what it prints, non-blocking
  std::vector<compute::node::Group> groups;
};

/// Starts `program scorer`. The child ends with the thread that calls this. The error is a text for people.
Expected<ScorerProcess, std::string> start_scorer(const std::string& program, ScorerOrder order, const compute::NodeShare& share);

/// The verb.
int scorer_main(int argc, char** argv);

}  // namespace tarn::serving
