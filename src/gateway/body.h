#pragma once
// A request body as it arrives: in memory, or, for uploads beyond a threshold, in a spool file that this object deletes.
#include <cstdint>
#include <string>
#include <string_view>

namespace tarn::gateway {

class Body {
 public:
  enum class Error { none, too_large, disk };
  /// Without a spool folder everything stays in memory.
  void expect(std::uint64_t limit, std::uint64_t spool_above = 0, std::string spool_dir = {});
  ~Body();
  Body() = default;
  Body(const Body&) = delete;
  Body& operator=(const Body&) = delete;

  /// Takes the next bytes. After an error nothing more is taken.
  Error append(std::string_view part);
  /// Closes the spool file (not synced: storage moves or copies it and syncs what it keeps).
  Error finish();

  std::uint64_t size() const { return size_; }
  std::uint64_t limit() const { return limit_; }
  std::string& memory() { return memory_; }
  const std::string& file() const { return file_; }  // empty: it is in memory

 private:
  Error flush();
  std::uint64_t limit_ = 0, spool_above_ = 0, size_ = 0;
  std::string spool_dir_, memory_, file_;
  int fd_ = -1;
};

}  // namespace tarn::gateway
