#include "app/sql_engines.h"

#include <filesystem>

#include "cli/child_process.h"
#include "compute/fleet.h"

namespace tarn::app {
namespace {

std::string beside(const char* program) { return (std::filesystem::path(cli::own_binary()).parent_path() / program).string(); }

}  // namespace

SqlEngines::SqlEngines(const Ground& g)
    : group(g.group.empty() ? nullptr : std::make_unique<compute::node::ServerGroup>(g.group, compute::this_host().cpus * 256)),
      pool({.binary = beside("tarn-engine"),
            .threads = g.least.threads,
            .memory_bytes = g.least.memory_bytes,
            .spill_directory = g.data + "/spool",
            .spill_bytes = g.least.spill_bytes,
            .started = joined(),
            .answer = g.answer}),
      sail({.launcher = beside("tarn-sail"),
            .spool = g.data + "/spool",
            .threads = g.least.threads,
            .memory_bytes = g.least.memory_bytes,
            .started = joined()}),
      engine(sql::pool_engine(pool)) {}

std::function<void(int)> SqlEngines::joined() {
  return [this](int pid) {
    if (group) group->join(pid);
  };
}

}  // namespace tarn::app
