// Create, append, overwrite, delete, read: over an object store in memory.
#include "delta/test_table.h"

namespace tarn::delta {
namespace {

using namespace testing;
using Log = TableTest;

TEST_F(Log, ATableIsCreatedAppendedToAndRead) {
  EXPECT_EQ(must(log.create(kRoot, simple_metadata(), {}, "ann")), 0);
  EXPECT_EQ(must(log.commit(kRoot, 0, append("a.parquet"))), 1);
  EXPECT_EQ(must(log.commit(kRoot, 1, append("b.parquet"))), 2);
  DeltaLog other{objects, *parquet, clock};
  for (DeltaLog* l : {&log, &other}) {
    const auto s = now(*l);
    EXPECT_EQ(s->version, 2);
    EXPECT_EQ(paths(*s), (std::vector<std::string>{"a.parquet", "b.parquet"}));
    EXPECT_EQ(s->protocol, (Protocol{1, 2, {}, {}}));
    EXPECT_EQ(s->metadata.schema.fields[1].name, "name");
  }
}

TEST_F(Log, OldVersionsStayReadable) {
  must(log.create(kRoot, simple_metadata(), {}, "ann"));
  must(log.commit(kRoot, 0, append("a.parquet")));
  must(log.commit(kRoot, 1, removal("a.parquet")));
  EXPECT_EQ(paths(**log.snapshot(kRoot, 1)), (std::vector<std::string>{"a.parquet"}));
  EXPECT_TRUE((*log.snapshot(kRoot, 2))->files.empty());
  EXPECT_EQ((*log.snapshot(kRoot, 2))->tombstones.size(), 1u);
  const auto beyond = log.snapshot(kRoot, 3);
  ASSERT_FALSE(beyond);
  EXPECT_EQ(beyond.error().code, Errc::version_not_found);
  EXPECT_EQ(beyond.error().message, "[DELTA_VERSION_NOT_FOUND] Cannot time travel Delta table to version 3. Available versions: [0, 2].");
}

TEST_F(Log, AFolderWithoutALogIsNoTable) {
  const auto s = log.snapshot(kRoot);
  ASSERT_FALSE(s);
  EXPECT_EQ(s.error().code, Errc::not_a_table);
}

TEST_F(Log, ATableIsCreatedOnce) {
  must(log.create(kRoot, simple_metadata(), {}, "ann"));
  const auto again = log.create(kRoot, simple_metadata(), {}, "bob");
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, Errc::already_exists);
}

TEST_F(Log, CommitsTellWhoDidWhat) {
  must(log.create(kRoot, simple_metadata(), {file("c.parquet", 7)}, "ann"));
  must(log.commit(kRoot, 0, append("a.parquet")));
  const auto h = log.history(kRoot, 10);
  ASSERT_TRUE(h);
  ASSERT_EQ(h->size(), 2u);
  EXPECT_EQ((*h)[0].version, 1);
  EXPECT_EQ((*h)[0].operation, "WRITE");
  EXPECT_EQ((*h)[0].user_name, "ann@example.com");
  EXPECT_EQ((*h)[0].operation_parameters.at("mode"), "Append");
  EXPECT_EQ((*h)[0].operation_metrics.at("numOutputRows"), "1");
  EXPECT_EQ((*h)[0].isolation_level, "WriteSerializable");
  EXPECT_EQ((*h)[0].blind_append, true);
  EXPECT_EQ((*h)[0].read_version, 0);
  EXPECT_TRUE((*h)[0].engine_info.starts_with("Tarn/"));
  EXPECT_EQ((*h)[1].operation, "CREATE TABLE AS SELECT");
  EXPECT_EQ(log.history(kRoot, 1)->size(), 1u);
}

TEST_F(Log, NothingIsReadAgainWhenNothingChanged) {
  must(log.create(kRoot, simple_metadata(), {}, "ann"));
  must(log.commit(kRoot, 0, append("a.parquet")));
  now(log);
  objects.gets = objects.heads = objects.lists = 0;
  const auto first = now(log);
  EXPECT_EQ(objects.gets, 0);
  EXPECT_EQ(objects.lists, 0);
  EXPECT_LE(objects.heads, 2);
  EXPECT_EQ(now(log).get(), first.get());
  DeltaLog other{objects, *parquet, clock};
  must(other.commit(kRoot, 1, append("b.parquet")));
  objects.gets = objects.lists = 0;
  EXPECT_EQ(now(log)->version, 2);
  EXPECT_EQ(objects.gets, 1);
  EXPECT_EQ(objects.lists, 0);
}

TEST_F(Log, ATableThatWasDroppedAndMadeAgainIsNotTakenForTheOldOne) {
  must(log.create(kRoot, simple_metadata(), {}, "ann"));
  must(log.commit(kRoot, 0, append("old.parquet")));
  now(log);
  DeltaLog other{objects, *parquet, clock};
  (void)objects.remove_all({"lake", "t/events/"});
  EXPECT_EQ(log.snapshot(kRoot).error().code, Errc::not_a_table);
  must(other.create(kRoot, simple_metadata(), {}, "bob"));
  must(other.commit(kRoot, 0, append("new.parquet")));
  EXPECT_EQ(paths(*now(log)), (std::vector<std::string>{"new.parquet"}));
  (void)objects.remove_all({"lake", "t/events/"});
  must(other.create(kRoot, simple_metadata(), {}, "bob"));
  must(other.commit(kRoot, 0, append("third.parquet")));
  EXPECT_EQ(paths(*now(log)), (std::vector<std::string>{"third.parquet"}));
}

TEST_F(Log, CheckpointsComeEveryTenVersionsAndAreEnoughAlone) {
  must(log.create(kRoot, simple_metadata(), {}, "ann"));
  for (int v = 0; v < 12; ++v) must(log.commit(kRoot, v, append("f" + std::to_string(v) + " %ü.parquet")));
  must(log.commit(kRoot, 12, removal("f3 %ü.parquet")));
  for (int v = 13; v < 20; ++v) must(log.commit(kRoot, v, append("g" + std::to_string(v) + ".parquet")));
  log.drain();
  EXPECT_NE(objects.read(log_url(kRoot, "_last_checkpoint")).find("\"version\":20"), std::string::npos);
  EXPECT_FALSE(objects.read(log_url(kRoot, checkpoint_name(10))).empty());
  const auto before = now(log);
  for (int v = 0; v <= 20; ++v) (void)objects.remove(log_url(kRoot, commit_name(v)));
  DeltaLog other{objects, *parquet, clock};
  const auto after = now(other);
  ASSERT_TRUE(after);
  EXPECT_EQ(after->version, 20);
  EXPECT_EQ(paths(*after), paths(*before));
  EXPECT_EQ(after->files[0].stats, before->files[0].stats);
  EXPECT_EQ(after->metadata.id, before->metadata.id);
  EXPECT_EQ(after->tombstones.size(), 1u);
}

TEST_F(Log, AnAnswerThatWasLostIsNotCommittedTwice) {
  must(log.create(kRoot, simple_metadata(), {}, "ann"));
  objects.lose_answers = 1;
  EXPECT_EQ(must(log.commit(kRoot, 0, append("a.parquet"))), 1);
  EXPECT_EQ(paths(*now(log)), (std::vector<std::string>{"a.parquet"}));
  objects.fail_puts = 1;
  const auto lost = log.commit(kRoot, 1, append("b.parquet"));
  ASSERT_FALSE(lost);
  EXPECT_EQ(lost.error().code, Errc::storage);
  EXPECT_EQ(now(log)->version, 1);
}

TEST_F(Log, AWriterThatAlwaysLosesGivesUpAfterTwentyRetries) {
  must(log.create(kRoot, simple_metadata(), {}, "ann"));
  DeltaLog other{objects, *parquet, clock};
  int n = 0;
  std::function<void()> interfere = [&] {
    const auto v = (*other.snapshot(kRoot))->version;
    must(other.commit(kRoot, v, append("rival" + std::to_string(n++) + ".parquet")));
    objects.before_put = interfere;
  };
  objects.before_put = [&] { objects.before_put = nullptr, interfere(); };
  const auto r = log.commit(kRoot, 0, append("mine.parquet"));
  objects.before_put = nullptr;
  ASSERT_FALSE(r);
  EXPECT_EQ(r.error().code, Errc::conflict);
  EXPECT_NE(r.error().message.find("DELTA_MAX_COMMIT_RETRIES_EXCEEDED"), std::string::npos);
  EXPECT_EQ(n, 21);
}

}  // namespace
}  // namespace tarn::delta
