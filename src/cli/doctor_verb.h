#pragma once
// tarn doctor [egress]. Exit code 0 unless a check found a problem, then 1.
#include <functional>
#include <optional>
#include <string>

#include "base/json.h"

namespace CLI {
class App;
}

namespace tarn::cli {

/// What doctor asks a running server over the data folder's owner-only control socket: its answer to `verb`, or nothing if it cannot be asked.
using AskControl = std::function<std::optional<json::value>(const std::string& data_dir, const std::string& verb)>;

/// `ask` is asked for "doctor": {"version": …, "deployment_prefix": … or null}. `version` is this program's.
void add_doctor_verb(CLI::App& app, int& exit_code, std::string version, AskControl ask);

}  // namespace tarn::cli
