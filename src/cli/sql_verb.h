#pragma once
// tarn sql. Exit code 0 if every statement succeeded, 1 at the first that did not.
namespace CLI {
class App;
}

namespace tarn::cli {

void add_sql_verb(CLI::App& app, int& exit_code);

}  // namespace tarn::cli
