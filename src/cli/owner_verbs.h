#pragma once
// Verbs of a data folder's owner, over the control socket: status, token, vendor register-prefix, backup. Exit code 0 done, 1 not.
namespace CLI {
class App;
}

namespace tarn::cli {

void add_owner_verbs(CLI::App& app, int& exit_code);

}  // namespace tarn::cli
