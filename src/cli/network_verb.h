#pragma once
// tarn network trace|probe|up|down|status. Exit code 0 if the connection stands (trace, probe) or the work is done, else 1.

namespace CLI {
class App;
}

namespace tarn::cli {

void add_network_verb(CLI::App& app, int& exit_code);

}  // namespace tarn::cli
