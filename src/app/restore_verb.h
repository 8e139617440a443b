#pragma once
// tarn restore: fills an empty data folder from a backup; no server may run on it.
namespace CLI {
class App;
}

namespace tarn::app {

void add_restore_verb(CLI::App& app, int& exit_code);

}  // namespace tarn::app
