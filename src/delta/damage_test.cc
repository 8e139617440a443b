// Damaged logs: an error that says where, or the way around it; never a crash, never a wrong table.
#include <filesystem>
#include <fstream>

#include "base/ids.h"
#include "delta/test_table.h"

namespace tarn::delta {
namespace {

using namespace testing;

class Damage : public TableTest {
 protected:
  void table_of(int versions) {
    must(log.create(kRoot, simple_metadata(), {}, "ann"));
    for (int v = 0; v < versions; ++v) must(log.commit(kRoot, v, append("f" + std::to_string(v) + ".parquet")));
    log.drain();
  }
  void expect_corrupt(const Result<std::shared_ptr<const Snapshot>>& r, std::string_view part) {
    const Error e = error_of(r);
    EXPECT_EQ(e.code, Errc::corrupt) << e.message;
    EXPECT_NE(e.message.find(part), std::string::npos) << e.message;
  }
  void drop(const std::string& name) { (void)objects.remove(log_url(kRoot, name)); }
};

TEST_F(Damage, ATornLineIsNamed) {
  table_of(3);
  const std::string whole = read_log(commit_name(3));
  for (const std::size_t cut : {whole.size() - 2, whole.size() / 2, std::size_t{1}}) {
    write_log(commit_name(3), whole.substr(0, cut));
    expect_corrupt(fresh(), "s3://lake/t/events/_delta_log/00000000000000000003.json is damaged: line ");
  }
  write_log(commit_name(3), "");
  expect_corrupt(fresh(), "00000000000000000003.json is damaged: it is empty");
  EXPECT_EQ((*fresh(2))->version, 2) << "older versions stay readable";
}

TEST_F(Damage, GarbageIsNamed) {
  const std::pair<const char*, const char*> cases[] = {
      {"\x01\x02\xff garbage", "line 1 is not JSON"},
      {"[1,2]", "line 1 is not a JSON object"},
      {R"({"add":7})", "add is not a JSON object"},
      {R"({"add":{"path":"x","partitionValues":{},"modificationTime":1,"dataChange":true}})", "add.size is missing"},
      {R"({"add":{"path":"x","partitionValues":{},"size":"big","modificationTime":1,"dataChange":true}})", "add.size must be a whole number"},
      {R"({"add":{"path":"x","partitionValues":{"d":7},"size":1,"modificationTime":1,"dataChange":true}})", "add.partitionValues must hold strings"},
      {R"({"add":{"path":"../../x","partitionValues":{},"size":1,"modificationTime":1,"dataChange":true}})", "has an empty, '.' or '..' segment"},
      {R"({"add":{"path":"file:///etc/passwd","partitionValues":{},"size":1,"modificationTime":1,"dataChange":true}})",
       "is outside of the table's location"},
      {R"({"remove":{"path":"/etc/passwd","dataChange":true}})", "is outside of the table's location"},
      {R"({"metaData":{"id":"x","schemaString":"{","partitionColumns":[]}})", "metaData.schemaString"},
      {R"({"metaData":{"id":"x","schemaString":"{\"type\":\"struct\",\"fields\":[]}","format":{"provider":"orc"},"partitionColumns":[]}})",
       "is not 'parquet'"},
      {R"({"protocol":{"minReaderVersion":"one","minWriterVersion":2}})", "protocol.minReaderVersion"},
  };
  table_of(1);
  for (const auto& [text, part] : cases) {
    write_log(commit_name(2), text);
    expect_corrupt(fresh(), part);
    expect_corrupt(log.snapshot(kRoot), part);
  }
  std::string deep(100'000, '[');
  write_log(commit_name(2), deep);
  expect_corrupt(fresh(), "line 1");
}

TEST_F(Damage, WhatTheProtocolAsksToIgnoreIsIgnored) {
  table_of(1);
  write_log(commit_name(2),
            "{\"fancyNewAction\":{\"x\":1}}\n\n{\"cdc\":{\"path\":\"../x\"}}\r\n{\"txn\":{\"appId\":\"a\",\"version\":1,\"later\":true}}\n");
  EXPECT_EQ(now(log)->version, 2);
  EXPECT_EQ(now(log)->transactions.at("a").version, 1);
}

TEST_F(Damage, AMissingVersionIsAGapNotAShorterTable) {
  table_of(5);
  drop(commit_name(3));
  expect_corrupt(fresh(),
                 "[DELTA_VERSIONS_NOT_CONTIGUOUS] Versions (2, 4) are not contiguous. A gap in the delta log between versions 2 and 4 was detected "
                 "while trying to load version 5");
  drop(commit_name(0));
  expect_corrupt(fresh(), "[DELTA_LOG_FILE_NOT_FOUND]");
}

TEST_F(Damage, AMissingFirstVersionIsFineBehindACheckpoint) {
  table_of(12);
  for (int v = 0; v < 10; ++v) drop(commit_name(v));
  EXPECT_EQ((*fresh())->files.size(), 12u);
  EXPECT_EQ((*fresh(11))->files.size(), 11u);
  const Error e = error_of(fresh(9));
  EXPECT_EQ(e.code, Errc::version_not_found);
  EXPECT_NE(e.message.find("Available versions: [10, 12]."), std::string::npos) << e.message;
}

TEST_F(Damage, ADamagedCheckpointIsPassedOver) {
  table_of(22);
  const std::string good = read_log(checkpoint_name(20));
  for (const std::string& bad : {std::string("PAR1 this is not Parquet PAR1"), good.substr(0, good.size() / 2), std::string(),
                                 good.substr(0, good.size() - 9) + std::string(9, 'x')}) {
    write_log(checkpoint_name(20), bad);
    const auto s = fresh();
    ASSERT_TRUE(s) << s.error().message;
    EXPECT_EQ((*s)->files.size(), 22u);
  }
  for (int v = 0; v <= 10; ++v) drop(commit_name(v));
  EXPECT_EQ((*fresh())->files.size(), 22u) << "the older checkpoint carries it";
  drop(checkpoint_name(10));
  expect_corrupt(fresh(), "The checkpoint 00000000000000000020.checkpoint.parquet of s3://lake/t/events cannot be used: cannot be read");
}

TEST_F(Damage, WhatAKilledWriterLeftOfACheckpointIsGoneAndNobodyElseMayLook) {
  namespace fs = std::filesystem;
  const fs::path folder = fs::temp_directory_path() / ("tarn-test-" + new_hex(8));
  fs::create_directories(folder / "checkpoints");
  std::ofstream(folder / "checkpoints" / "half.ndjson") << "values of a table";
  {
    const auto codec = duckdb_parquet_codec(objects, (folder / "checkpoints").string());
    EXPECT_FALSE(fs::exists(folder / "checkpoints" / "half.ndjson"));
    EXPECT_EQ(fs::status(folder / "checkpoints").permissions(), fs::perms::owner_all);
    EXPECT_TRUE(codec->write_checkpoint({R"({"protocol":{"minReaderVersion":1,"minWriterVersion":2}})"}, log_url(kRoot, checkpoint_name(1))));
    EXPECT_TRUE(fs::is_empty(folder / "checkpoints"));
  }
  fs::remove_all(folder);
}

TEST_F(Damage, ACheckpointThatLiesIsPassedOver) {
  table_of(11);
  // A checkpoint of a table that is not this: it has no metadata.
  ASSERT_TRUE(parquet->write_checkpoint({R"({"protocol":{"minReaderVersion":1,"minWriterVersion":2}})"}, log_url(kRoot, checkpoint_name(10))));
  EXPECT_EQ((*fresh())->files.size(), 11u);
  write_log("_last_checkpoint", R"({"version":1000000,"size":3})");
  EXPECT_EQ((*fresh())->version, 11);
  for (const char* text : {"", "{", "[]", R"({"version":-1})", R"({"version":"x"})", R"({"version":5})"}) {
    write_log("_last_checkpoint", text);
    EXPECT_EQ((*fresh())->files.size(), 11u) << text;
  }
}

TEST_F(Damage, TheProtocolMustBeThere) {
  write_log(commit_name(0), R"({"commitInfo":{"operation":"WRITE"}})");
  expect_corrupt(fresh(), "[DELTA_STATE_RECOVER_ERROR] The protocol of your Delta table s3://lake/t/events could not be recovered");
}

TEST_F(Damage, FilesThatAreNoCommitsAreNotTakenForSuch) {
  table_of(2);
  for (const char* name : {"00000000000000000003.json.tmp", "00000000000000000009.crc", "3.json", "0000000000000000000a.json",
                           "00000000000000000000.00000000000000000002.compacted.json", "_commits/00000000000000000007.json"})
    write_log(name, "garbage");
  EXPECT_EQ((*fresh())->version, 2);
}

TEST_F(Damage, MultiPartCheckpointsCountWhenAllPartsAreThere) {
  table_of(3);
  const auto all = *fresh();
  auto part = [](int n) { return fmt::format("{:020d}.checkpoint.{:010d}.{:010d}.parquet", 3, n, 2); };
  std::vector<std::string> first{R"({"protocol":{"minReaderVersion":1,"minWriterVersion":2}})"}, second;
  for (const auto& line : {commit_name(0), commit_name(1), commit_name(2), commit_name(3)}) {
    const std::string text = read_log(line);
    for (std::size_t at = 0; at < text.size();) {
      const auto end = text.find('\n', at);
      const auto one = text.substr(at, end - at);
      if (one.starts_with("{\"metaData\"")) first.push_back(one);
      if (one.starts_with("{\"add\"")) second.push_back(one);
      at = end + 1;
    }
  }
  ASSERT_TRUE(parquet->write_checkpoint(first, log_url(kRoot, part(1))));
  for (int v = 0; v < 3; ++v) drop(commit_name(v));
  EXPECT_EQ(error_of(fresh()).code, Errc::corrupt) << "one part alone is no checkpoint";
  ASSERT_TRUE(parquet->write_checkpoint(second, log_url(kRoot, part(2))));
  EXPECT_EQ(paths(**fresh()), paths(*all));
}

TEST_F(Damage, V2CheckpointsWithSidecarsAreRead) {
  table_of(3);
  std::vector<std::string> adds;
  for (int v = 1; v <= 3; ++v) {
    const std::string text = read_log(commit_name(v));
    adds.push_back(text.substr(text.find("{\"add\""), text.rfind('\n') - text.find("{\"add\"")));
  }
  const std::string zero = read_log(commit_name(0));
  const std::string metadata = zero.substr(zero.find("{\"metaData\""), zero.rfind('\n') - zero.find("{\"metaData\""));
  ASSERT_TRUE(parquet->write_checkpoint({adds[0], adds[1]}, log_url(kRoot, "_sidecars/one.parquet")));
  ASSERT_TRUE(parquet->write_checkpoint({adds[2]}, log_url(kRoot, "_sidecars/two.parquet")));
  const std::string top =
      R"({"checkpointMetadata":{"version":3}})"
      "\n"
      R"({"protocol":{"minReaderVersion":3,"minWriterVersion":7,"readerFeatures":["v2Checkpoint"],"writerFeatures":["v2Checkpoint"]}})"
      "\n" +
      metadata +
      "\n"
      R"({"sidecar":{"path":"one.parquet","sizeInBytes":1,"modificationTime":1}})"
      "\n"
      R"({"sidecar":{"path":"two.parquet","sizeInBytes":1,"modificationTime":1}})"
      "\n";
  const std::string name = "00000000000000000003.checkpoint.80a083e8-7026-4e79-81be-64bd76c43a11.json";
  write_log(name, top);
  for (int v = 0; v <= 3; ++v) drop(commit_name(v));
  const auto s = fresh();
  ASSERT_TRUE(s) << s.error().message;
  EXPECT_EQ((*s)->files.size(), 3u);
  EXPECT_EQ((*s)->protocol.reader_features, std::vector<std::string>{"v2Checkpoint"});
  drop("_sidecars/two.parquet");
  expect_corrupt(fresh(), "two.parquet");
  write_log(name, "{\"checkpointMetadata\":{\"version\":4}}\n" + top.substr(top.find('\n') + 1));
  expect_corrupt(fresh(), "says that it is version 4");
}

}  // namespace
}  // namespace tarn::delta
