#pragma once
// tarn run: what a job's run printed (followed while it runs), and when its tasks ran, as a chart or as JSON.
namespace CLI {
class App;
}
namespace tarn::cli {
void add_run_verb(CLI::App& app, int& exit_code);
}
