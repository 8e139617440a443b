#include <unistd.h>

#include <filesystem>

#include "base/resources.h"
#include "engine/engine.h"

namespace tarn::engine {

std::vector<std::string> default_extensions() {
  return {(resources::cache() / "duckdb-extension-delta-1.5.5/duckdb_extension_delta/extensions/v1.5.5/delta.duckdb_extension").string()};
}

int engine_main(int argc, char** argv) {
  std::error_code failure;
  const auto self = std::filesystem::read_symlink("/proc/self/exe", failure);
  const auto program = (self.parent_path() / "tarn-engine").string();
  if (argc > 0) ::execv(program.c_str(), argv);
  std::fprintf(stderr, "tarn: cannot run %s\n", program.c_str());
  return 127;
}

}  // namespace tarn::engine
