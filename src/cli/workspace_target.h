#pragma once
// Where a verb's calls go and who makes them: the options that several verbs share, and the session that they lead to.
#include <string>
#include <utility>

#include "client/session.h"

namespace CLI {
class App;
}

namespace tarn::cli {

struct WorkspaceTarget {
  std::string data, as, workspace;
};

/// --data, --as and --workspace. `target` must outlive the parsing.
void add_target_options(CLI::App& verb, WorkspaceTarget& target);
/// The session that the options name, and the workspace's deployment name in it.
client::Result<std::pair<client::Session, std::string>> connect(const WorkspaceTarget& target);

}  // namespace tarn::cli
