// What every backend must do: each test runs on SQLite and on PostgreSQL.
#include <gtest/gtest.h>

#include <barrier>

#include "store/postgres_for_tests.h"
#include "store/store.h"

namespace tarn::store {
namespace {

struct Thing {
  std::string name;
  std::string owner;
  std::string external_id;
  std::string store_key() const { return key({"t", name}); }
  std::vector<IndexEntry> store_indexes() const { return {{"owner", owner}, {"external_id", external_id, true}}; }
};
BOOST_DESCRIBE_STRUCT(Thing, (), (name, owner, external_id))
constexpr Collection<Thing> things{"test.thing"};

struct TestError {
  std::string message;
};
using Done = Expected<std::int64_t, TestError>;

struct StoreConformance : testing::TestWithParam<const char*> {
  std::string fresh_url() { return GetParam() == std::string_view("sqlite") ? "sqlite::memory:" : postgres_for_tests().fresh_url(); }
  FakeClock clock;
  std::string url = fresh_url();
  std::unique_ptr<Store> store = open_store(url, clock);

  Expected<std::int64_t, PutError> insert(const Thing& thing) {
    std::optional<Expected<std::int64_t, PutError>> out;
    store->write({.action = "insert", .principal = "ann"}, [&](WriteTxn& t) { return out.emplace(things.insert(t, thing)).has_value(); });
    return *out;
  }
};

TEST_P(StoreConformance, KeepsRecordsUniqueValuesAndVersions) {
  EXPECT_EQ(*insert({"a", "ann", "1"}), 1);
  EXPECT_EQ(insert({"a", "ann", "2"}).error(), PutError::already_exists);
  EXPECT_EQ(insert({"b", "ann", "1"}).error(), PutError::unique_taken);
  EXPECT_FALSE(store->read_as([](ReadTxn& t) { return things.get(t, key({"t", "b"})); }));
  store->write({}, [&](WriteTxn& t) {
    EXPECT_EQ(*things.update(t, {"a", "bob", "3"}, 1), 2);
    EXPECT_EQ(things.update(t, {"a", "bob", "3"}, 1).error(), PutError::version_changed);
    EXPECT_EQ(things.update(t, {"none", "bob", "9"}).error(), PutError::not_found);
    return true;
  });
  store->read([](ReadTxn& t) {
    EXPECT_EQ(things.find(t, "external_id", "3")->value.owner, "bob");
    EXPECT_FALSE(things.find(t, "external_id", "1"));
    EXPECT_TRUE(things.scan_index(t, "owner", "ann").empty());
  });
}

TEST_P(StoreConformance, ScansByKeysetInByteOrder) {
  for (const char* n : {"b", "a", "Z", "a1", "\xc3\xa9"}) ASSERT_TRUE(insert({n, "ann", n}));
  store->read([](ReadTxn& t) {
    std::vector<std::string> names;
    std::string after;
    while (true) {
      const auto page = things.scan(t, prefix({"t"}), after, 2);
      if (page.empty()) break;
      for (const auto& x : page) names.push_back(x.name);
      after = page.back().store_key();
    }
    EXPECT_EQ(names, (std::vector<std::string>{"Z", "a", "a1", "b", "\xc3\xa9"}));
    EXPECT_EQ(things.scan_index(t, "owner", "ann", key({"t", "a"}), 2).size(), 2u);
    EXPECT_EQ(t.count("test.thing", key({"t", "a"})), 2);
  });
}

TEST_P(StoreConformance, CommitsTheEventWithTheWriteAndTheRefusalAlone) {
  const auto before = store->generation();
  ASSERT_TRUE(insert({"a", "ann", "1"}));
  EXPECT_GT(store->generation(), before);
  const auto after = store->generation();
  const Done refused = store->write_as({.action = "denied-thing", .principal = "eve"}, [&](WriteTxn& t) -> Done {
    EXPECT_TRUE(things.insert(t, {"b", "eve", "2"}));
    t.audit().outcome = Outcome::denied;
    t.audit().status = 403;
    return fail(TestError{"no"});
  });
  EXPECT_FALSE(refused);
  EXPECT_EQ(store->generation(), after);
  EXPECT_FALSE(store->read_as([](ReadTxn& t) { return things.get(t, key({"t", "b"})); }));
  const auto log = store->audit_log({}, 10);
  ASSERT_EQ(log.size(), 2u);
  EXPECT_EQ(log[0].event.outcome, Outcome::success);
  EXPECT_EQ(log[1].event.outcome, Outcome::denied);
  EXPECT_EQ(log[1].event.error, "no");
  EXPECT_EQ(store->audit_log({.principal = "eve"}, 10).size(), 1u);
}

TEST_P(StoreConformance, GroupsTheAuditOfReads) {
  for (int i = 0; i < 100; ++i) store->audit_later({.action = "getTable", .principal = "ann"});
  store->flush_audit();
  EXPECT_EQ(store->audit_log({.action = "getTable"}, 1000).size(), 100u);
}

TEST_P(StoreConformance, AThrowingBodyLeavesNothing) {
  EXPECT_THROW(store->write({},
                            [&](WriteTxn& t) -> bool {
                              EXPECT_TRUE(things.insert(t, {"a", "ann", "1"}));
                              throw std::runtime_error("broken");
                            }),
               std::runtime_error);
  EXPECT_TRUE(store->read_as([](ReadTxn& t) { return things.scan(t); }).empty());
  EXPECT_TRUE(insert({"a", "ann", "1"}));
}

TEST_P(StoreConformance, ScansPrefixesWhateverTheirLastByte) {
  for (const char* n : {"a\x7f", "a\x7f!", "a\xc2\xbf", "a\xc2\xbfz", "b", "\xf4\x8f\xbf\xbd"}) ASSERT_TRUE(insert({n, "ann", n}));
  store->read([](ReadTxn& t) {
    EXPECT_EQ(things.scan(t, key({"t", "a\x7f"})).size(), 2u);
    EXPECT_EQ(things.scan(t, key({"t", "a\xc2\xbf"})).size(), 2u);
    EXPECT_EQ(things.scan(t, key({"t", "a"})).size(), 4u);
    EXPECT_EQ(things.scan(t).size(), 6u);
    EXPECT_EQ(t.count("test.thing", key({"t", "\xf4\x8f\xbf\xbd"})), 1);
  });
}

TEST_P(StoreConformance, FindsNothingUnderNamesThatAreNoText) {
  ASSERT_TRUE(insert({"a", "ann", "1"}));
  for (const std::string& bad : {std::string("\xff"), std::string("a\0b", 3), std::string("\xed\xa0\x80"), std::string("\xc3")}) {
    store->read([&](ReadTxn& t) {
      EXPECT_FALSE(things.get(t, bad));
      EXPECT_FALSE(things.find(t, "external_id", bad));
      EXPECT_TRUE(things.scan_index(t, "owner", bad).empty());
      EXPECT_EQ(t.count("test.thing", bad), 0);
    });
    store->write({}, [&](WriteTxn& t) {
      EXPECT_FALSE(t.erase("test.thing", bad));
      EXPECT_EQ(t.update("test.thing", bad, "{}", {}).error(), PutError::not_found);
      return true;
    });
  }
}

TEST_P(StoreConformance, SerialisesWritersOfAllThreads) {
  ASSERT_TRUE(insert({"counter", "0", "c"}));
  constexpr int kThreads = 4, kEach = 25;
  std::vector<std::jthread> threads;
  for (int i = 0; i < kThreads; ++i)
    threads.emplace_back([&] {
      for (int k = 0; k < kEach; ++k)
        store->write({.action = "count"}, [&](WriteTxn& t) {
          auto c = things.get(t, key({"t", "counter"}))->value;
          c.owner = std::to_string(std::stoi(c.owner) + 1);
          return things.update(t, c).has_value();
        });
    });
  threads.clear();
  EXPECT_EQ(store->read_as([](ReadTxn& t) { return things.get(t, key({"t", "counter"})); })->value.owner, std::to_string(kThreads * kEach));
  const auto log = store->audit_log({.action = "count"}, 1000);
  ASSERT_EQ(log.size(), static_cast<std::size_t>(kThreads * kEach));
  for (std::size_t i = 1; i < log.size(); ++i) EXPECT_LT(log[i - 1].sequence, log[i].sequence);
}

TEST_P(StoreConformance, ReadsOneSnapshotWhileWritersCommit) {
  ASSERT_TRUE(insert({"a", "0", "1"}));
  ASSERT_TRUE(insert({"b", "0", "2"}));
  std::jthread writer([&](std::stop_token stop) {
    for (int n = 1; !stop.stop_requested(); ++n)
      store->write({}, [&](WriteTxn& t) {
        return things.update(t, {"a", std::to_string(n), "1"}) && things.update(t, {"b", std::to_string(n), "2"});
      });
  });
  std::set<std::string> seen;
  for (const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20); seen.size() < 5 && std::chrono::steady_clock::now() < end;) {
    store->read([&](ReadTxn& t) {
      const auto a = things.get(t, key({"t", "a"}))->value.owner, b = things.get(t, key({"t", "b"}))->value.owner;
      EXPECT_EQ(a, b);
      seen.insert(a);
    });
  }
  EXPECT_GE(seen.size(), 5u);
}

INSTANTIATE_TEST_SUITE_P(Backends, StoreConformance, testing::Values("sqlite", "postgresql"), [](const auto& i) { return std::string(i.param); });

}  // namespace
}  // namespace tarn::store
