#pragma once
// tarn serve: one JSON line on standard output when ready; SIGTERM and SIGINT drain. Exit code 0 after a clean end, 1 if it cannot start.
namespace CLI {
class App;
}

namespace tarn::app {

void add_serve_verb(CLI::App& app, int& exit_code);

}  // namespace tarn::app
