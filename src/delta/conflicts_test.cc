// Two writers that read the same version: which of their commits may follow each other, as delta-io decides it.
#include "delta/test_table.h"

namespace tarn::delta {
namespace {

using namespace testing;

class Conflicts : public TableTest {
 protected:
  void SetUp() override {
    must(log.create(kRoot, simple_metadata({"day"}), {}, "ann"));
    Commit first;
    for (const char* name : {"a.parquet", "b.parquet"}) {
      first.add.push_back(file(name));
      first.add.back().partition_values = {{"day", name[0] == 'a' ? "2024-01-01" : "2024-01-02"}};
    }
    read = must(log.commit(kRoot, 0, first));
  }
  Commit append_to(std::string path, std::string day) {
    Commit c = append(std::move(path));
    c.add[0].partition_values = {{"day", std::move(day)}};
    return c;
  }
  Commit reading_append(std::string path) {
    Commit c = append_to(std::move(path), "2024-01-03");
    c.blind_append = false;
    c.read_whole_table = true;
    return c;
  }
  /// `ours` after `theirs`, both having read the same version.
  Result<std::int64_t> race(Commit theirs, Commit ours) {
    DeltaLog other(objects, *parquet, clock);
    EXPECT_TRUE(other.commit(kRoot, read, std::move(theirs)));
    return log.commit(kRoot, read, std::move(ours));
  }
  void expect_conflict(const Result<std::int64_t>& r, std::string_view error_class) {
    const Error e = error_of(r);
    EXPECT_EQ(e.code, Errc::conflict);
    EXPECT_TRUE(e.message.starts_with(error_class)) << e.message;
  }
  void serializable() { read = must(log.set_properties(kRoot, {{"delta.isolationLevel", "Serializable"}}, "ann")); }

  std::int64_t read = 0;
};

TEST_F(Conflicts, BlindAppendsFollowEachOther) {
  EXPECT_EQ(must(race(append_to("x.parquet", "2024-01-01"), append_to("y.parquet", "2024-01-01"))), read + 2);
}

TEST_F(Conflicts, AReaderMayComeBeforeABlindAppendUnlessSerializable) {
  EXPECT_EQ(must(race(append_to("x.parquet", "2024-01-01"), reading_append("y.parquet"))), read + 2);
  serializable();
  expect_conflict(race(append_to("z.parquet", "2024-01-01"), reading_append("w.parquet")), "[DELTA_CONCURRENT_APPEND.WITH_PARTITION_HINT]");
}

TEST_F(Conflicts, AnAppendThatReadTheTableConflictsWithAnotherSuch) {
  const auto r = race(reading_append("x.parquet"), reading_append("y.parquet"));
  expect_conflict(r,
                  "[DELTA_CONCURRENT_APPEND.WITH_PARTITION_HINT] Transaction conflict detected. a concurrent WRITE added data to table "
                  "s3://lake/t/events committed at version 2.");
  EXPECT_NE(r.error().message.find("in the partition [day=2024-01-03]"), std::string::npos);
}

TEST_F(Conflicts, OnlyThePartitionsThatWereReadMatter) {
  Commit ours = reading_append("y.parquet");
  ours.read_whole_table = false;
  ours.read_partitions = {{{"day", "2024-01-01"}}};
  EXPECT_EQ(must(race(reading_append("x.parquet"), ours)), read + 2);
  read += 2;
  Commit theirs = reading_append("v.parquet");
  theirs.add[0].partition_values["day"] = "2024-01-01";
  ours.add[0].path = "w.parquet";
  expect_conflict(race(theirs, ours), "[DELTA_CONCURRENT_APPEND.WITH_PARTITION_HINT]");
}

TEST_F(Conflicts, AFileThatWasReadMayNotBeDeleted) {
  Commit ours = append_to("y.parquet", "2024-01-01");
  ours.blind_append = false;
  ours.read_partitions = {{{"day", "2024-01-01"}}};
  ours.read_files = {"a.parquet"};
  expect_conflict(race(removal("a.parquet"), ours), "[DELTA_CONCURRENT_DELETE_READ.WITH_PARTITION_HINT]");
}

TEST_F(Conflicts, AnythingDeletedIsAConflictForWhoReadEverything) {
  expect_conflict(race(removal("b.parquet"), reading_append("y.parquet")), "[DELTA_CONCURRENT_DELETE_READ.WITHOUT_HINT]");
}

TEST_F(Conflicts, AFileIsDeletedOnce) {
  Commit ours = removal("a.parquet");
  expect_conflict(race(removal("a.parquet"), ours), "[DELTA_CONCURRENT_DELETE_READ");
  read = now(log)->version;
  Commit blind = removal("b.parquet");
  blind.read_files.clear();
  expect_conflict(race(removal("b.parquet"), blind), "[DELTA_CONCURRENT_DELETE_DELETE.WITH_PARTITION_HINT]");
}

TEST_F(Conflicts, DeletesOfDifferentFilesFollowEachOther) {
  EXPECT_EQ(must(race(removal("a.parquet"), removal("b.parquet"))), read + 2);
  EXPECT_TRUE(now(log)->files.empty());
}

TEST_F(Conflicts, ADeleteMayComeBeforeABlindAppend) { EXPECT_EQ(must(race(append_to("x.parquet", "2024-01-01"), removal("a.parquet"))), read + 2); }

TEST_F(Conflicts, AMetadataChangeStopsEverybody) {
  DeltaLog other(objects, *parquet, clock);
  must(other.set_properties(kRoot, {{"owner", "ann"}}, "ann"));
  const auto r = log.commit(kRoot, read, append_to("y.parquet", "2024-01-01"));
  expect_conflict(r,
                  "[DELTA_METADATA_CHANGED] MetadataChangedException: The metadata of the Delta table s3://lake/t/events has been changed by a "
                  "concurrent update. Please try the operation again.");
  EXPECT_NE(r.error().message.find("Conflicting commit: {"), std::string::npos);
}

TEST_F(Conflicts, AProtocolChangeStopsEverybody) {
  Commit upgrade;
  upgrade.operation = Operation::set_properties;
  upgrade.protocol = Protocol{1, 3, {}, {}};
  expect_conflict(race(upgrade, append_to("y.parquet", "2024-01-01")), "[DELTA_PROTOCOL_CHANGED] ProtocolChangedException:");
}

TEST_F(Conflicts, AnApplicationCommitsABatchOnce) {
  Commit theirs = append_to("x.parquet", "2024-01-01"), ours = append_to("y.parquet", "2024-01-01");
  theirs.transaction = {"stream", 7};
  ours.transaction = {"stream", 8};
  expect_conflict(race(theirs, ours), "[DELTA_CONCURRENT_TRANSACTION] ConcurrentTransactionException:");
  Commit again = append_to("z.parquet", "2024-01-01");
  again.transaction = {"stream", 7};
  const auto v = now(log)->version;
  EXPECT_EQ(must(log.commit(kRoot, v, again)), v) << "the batch is known; nothing is written";
  again.transaction = {"stream", 8};
  EXPECT_EQ(must(log.commit(kRoot, v, again)), v + 1);
  EXPECT_EQ(now(log)->transactions.at("stream").version, 8);
}

TEST_F(Conflicts, ATableMayNotBeCreatedTwiceAtOnce) {
  const objects::Url elsewhere{"lake", "t/new"};
  DeltaLog other(objects, *parquet, clock);
  objects.before_put = [&] { ASSERT_TRUE(other.create(elsewhere, simple_metadata(), {}, "bob")); };
  const Error e = error_of(log.create(elsewhere, simple_metadata(), {}, "ann"));
  EXPECT_EQ(e.code, Errc::already_exists);
}

TEST_F(Conflicts, ALostRaceIsReplayedOnTopOfTheWinner) {
  DeltaLog other(objects, *parquet, clock);
  objects.before_put = [&] { must(other.commit(kRoot, read, append_to("x.parquet", "2024-01-01"))); };
  EXPECT_EQ(must(log.commit(kRoot, read, append_to("y.parquet", "2024-01-01"))), read + 2);
  EXPECT_EQ(paths(*now(log)), (std::vector<std::string>{"a.parquet", "b.parquet", "x.parquet", "y.parquet"}));
}

TEST_F(Conflicts, ALostRaceThatConflictsLeavesNothingBehind) {
  DeltaLog other(objects, *parquet, clock);
  objects.before_put = [&] { must(other.commit(kRoot, read, removal("a.parquet"))); };
  expect_conflict(log.commit(kRoot, read, removal("a.parquet")), "[DELTA_CONCURRENT_DELETE_READ");
  EXPECT_EQ(now(log)->version, read + 1);
}

TEST_F(Conflicts, AWriterMustHaveReadAVersionThatExists) {
  EXPECT_EQ(error_of(log.commit(kRoot, 99, append_to("y.parquet", "2024-01-01"))).code, Errc::invalid_request);
  EXPECT_EQ(error_of(log.commit(kRoot, -1, append_to("y.parquet", "2024-01-01"))).code, Errc::invalid_request);
}

}  // namespace
}  // namespace tarn::delta
