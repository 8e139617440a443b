#pragma once
// The payloads of the frames: what each request carries, encoded once here for both ends.
#include "engine/engine.h"
#include "engine/frames.h"

namespace tarn::engine {

/// Frame configure.
struct Settings {
  std::uint32_t threads = 2;
  std::uint64_t memory_bytes = 0;
  std::string spill_directory;
  std::uint64_t spill_bytes = 0;
  std::uint64_t most_row_bytes = 0;
  std::uint32_t run_as_uid = 0;   // 0: stay
  bool verify_extensions = true;  // DuckDB's signature check; it reads each file whole
  std::vector<std::string> extensions;
};

/// Frame write. `token` (a UUID) names the scratch folder `.tarn-<token>` within the directory, so that either end can clear it, and the files.
struct WriteOrder {
  WriteRequest request;
  std::string token;
};

std::string encode(const Settings& s);
std::string encode(const Scope& s);
std::string encode(const Request& r, bool profile);
std::string encode(const WriteOrder& o);
std::string encode(const std::vector<Column>& c);
std::string encode(const std::vector<WrittenFile>& f);
std::string encode(const Summary& s);
std::string encode(const Error& e);

// Each returns false for a malformed payload.
bool decode(std::string_view in, Settings& out);
bool decode(std::string_view in, Scope& out);
bool decode(std::string_view in, Request& out);
bool decode(std::string_view in, WriteOrder& out);
bool decode(std::string_view in, std::vector<Column>& out);
bool decode(std::string_view in, std::vector<WrittenFile>& out);
bool decode(std::string_view in, Summary& out);
bool decode(std::string_view in, Error& out);

}  // namespace tarn::engine
