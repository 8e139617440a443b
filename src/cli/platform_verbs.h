#pragma once
// tarn plan | apply | drift | destroy. Exit codes: plan and drift 0 clean, 2 changes, 1 error; apply and destroy 0 done, 1 error.
#include <string>

#include "client/session.h"
#include "platform/plan.h"
#include "platform/remote.h"

namespace CLI {
class App;
}

namespace tarn::cli {

/// Adds the four verbs; the chosen one's callback leaves its exit code in `exit_code`.
void add_platform_verbs(CLI::App& app, int& exit_code);

/// What the verbs do, for callers inside the program (the demo). The desired state is the folder's, the observed one the session's.
struct Planned {
  platform::Plan plan;
  std::vector<platform::Diagnostic> problems;
  std::optional<std::string> failure;
};
Planned plan_folder(client::Session& session, const std::string& folder, bool drift);

}  // namespace tarn::cli
