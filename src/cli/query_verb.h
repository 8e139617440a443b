#pragma once
// tarn query profile: what a statement did in the engine, operator by operator.

namespace CLI {
class App;
}

namespace tarn::cli {

void add_query_verb(CLI::App& app, int& exit_code);

}  // namespace tarn::cli
