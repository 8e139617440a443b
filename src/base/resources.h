#pragma once
// Where the program finds what it does not carry inside: the sidecar's sources and the pinned downloads (DuckDB extensions, sqlglot, data).
#include <filesystem>

namespace tarn::resources {

/// A file or folder of the source tree that ships beside the binary, e.g. "src/sql/sidecar". TARN_HOME overrides the compiled-in root.
std::filesystem::path shipped(const std::string& relative);
/// The cache of pinned downloads (deps/pins.txt): TARN_CACHE, or ~/.cache/tarn.
std::filesystem::path cache();

}  // namespace tarn::resources
