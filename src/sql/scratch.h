#pragma once
#include <filesystem>
#include <string>

namespace tarn::sql {

/// A folder that goes with the statement. It is made by who writes into it; here it only ends.
struct Scratch {
  explicit Scratch(std::string p) : path(std::move(p)) {}
  ~Scratch() {
    std::error_code ignored;
    std::filesystem::remove_all(path, ignored);
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  std::string path;
};

}  // namespace tarn::sql
