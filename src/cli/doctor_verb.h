#pragma once
// tarn doctor: what is wrong, why, and the cure. Exit code 0 unless there is a problem.
namespace CLI {
class App;
}

namespace tarn::cli {

void add_doctor_verb(CLI::App& app, int& exit_code);

}  // namespace tarn::cli
