#include "base/resources.h"

namespace tarn::resources {

std::filesystem::path shipped(const std::string& relative) {
  const char* home = std::getenv("TARN_HOME");
  return std::filesystem::path(home ? home : TARN_SOURCE_DIR) / relative;
}

std::filesystem::path cache() {
  if (const char* set = std::getenv("TARN_CACHE")) return set;
  const char* home = std::getenv("HOME");
  return std::filesystem::path(home ? home : "/root") / ".cache" / "tarn";
}

}  // namespace tarn::resources
