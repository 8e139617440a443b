#pragma once
// tarn rehearse: runs a command whose calls to the vendor reach the local server. Exit code: the command's.
namespace CLI {
class App;
}

namespace tarn::cli {

void add_rehearse_verb(CLI::App& app, int& exit_code);

}  // namespace tarn::cli
