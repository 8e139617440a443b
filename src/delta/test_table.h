#pragma once
// What this room's tests share: a small table in memory.
#include <gtest/gtest.h>

#include "delta/log_files.h"
#include "delta/memory_objects.h"

namespace tarn::delta::testing {

inline const objects::Url kRoot{"lake", "t/events"};

inline Metadata simple_metadata(std::vector<std::string> partitions = {}) {
  Metadata m;
  m.schema.fields = {{"id", "long", true, {}}, {"name", "string", true, {}}};
  if (!partitions.empty()) m.schema.fields.push_back({"day", "date", true, {}});
  m.partition_columns = std::move(partitions);
  return m;
}

inline AddFile file(std::string path, std::uint64_t size = 10) {
  AddFile f;
  f.path = std::move(path);
  f.size = size;
  f.stats = R"({"numRecords":1,"minValues":{"id":1},"maxValues":{"id":1},"nullCount":{"id":0}})";
  return f;
}

inline Commit append(std::string path) {
  Commit c;
  c.add = {file(std::move(path))};
  c.user_name = "ann@example.com";
  return c;
}

inline Commit removal(const std::string& path) {
  Commit c;
  c.operation = Operation::delete_;
  c.remove.resize(1);
  c.remove[0].path = path;
  c.read_files = {path};
  c.blind_append = false;
  return c;
}

inline std::vector<std::string> paths(const Snapshot& s) {
  std::vector<std::string> out;
  for (const auto& f : s.files) out.push_back(f.path);
  std::sort(out.begin(), out.end());
  return out;
}

class TableTest : public ::testing::Test {
 protected:
  std::int64_t must(Result<std::int64_t> r) {
    EXPECT_TRUE(r) << r.error().message;
    return r.value_or(-1);
  }
  /// The error, or a success as an error that no test expects.
  template <class T>
  Error error_of(const Result<T>& r) {
    EXPECT_FALSE(r) << "it succeeded";
    return r ? Error{Errc::storage, "it succeeded"} : r.error();
  }
  std::shared_ptr<const Snapshot> now(DeltaLog& l) {
    auto s = l.snapshot(kRoot);
    EXPECT_TRUE(s) << s.error().message;
    return s.value_or(nullptr);
  }
  /// Replaces a file of the log by hand.
  void write_log(const std::string& name, std::string text) { objects.write(log_url(kRoot, name), std::move(text)); }
  std::string read_log(const std::string& name) { return objects.read(log_url(kRoot, name)); }
  /// Opens the table anew, as another process would.
  Result<std::shared_ptr<const Snapshot>> fresh(std::optional<std::int64_t> version = {}) {
    DeltaLog other(objects, *parquet, clock);
    return other.snapshot(kRoot, version);
  }

  FakeClock clock{1'763'850'000'000};
  MemoryObjects objects;
  std::unique_ptr<ParquetCodec> parquet = duckdb_parquet_codec(objects);
  DeltaLog log{objects, *parquet, clock};
};

}  // namespace tarn::delta::testing
