#pragma once
// tarn demo: the whole mission on real data, step by step. Exit code 0 only if every step held.
namespace CLI {
class App;
}

namespace tarn::cli {

void add_demo_verb(CLI::App& app, int& exit_code);

}  // namespace tarn::cli
