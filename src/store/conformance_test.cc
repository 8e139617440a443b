// What every backend must do. PostgreSQL joins through StoreFactory when a server is given (see tests/).
#include <gtest/gtest.h>

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

struct StoreConformance : testing::Test {
  FakeClock clock;
  std::unique_ptr<Store> store = open_store("sqlite::memory:", clock);

  Expected<std::int64_t, PutError> insert(const Thing& thing) {
    std::optional<Expected<std::int64_t, PutError>> out;
    store->write({.action = "insert", .principal = "ann"}, [&](WriteTxn& t) { return out.emplace(things.insert(t, thing)).has_value(); });
    return *out;
  }
};

TEST_F(StoreConformance, KeepsRecordsUniqueValuesAndVersions) {
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

TEST_F(StoreConformance, ScansByKeysetInByteOrder) {
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

TEST_F(StoreConformance, CommitsTheEventWithTheWriteAndTheRefusalAlone) {
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

TEST_F(StoreConformance, GroupsTheAuditOfReads) {
  for (int i = 0; i < 100; ++i) store->audit_later({.action = "getTable", .principal = "ann"});
  store->flush_audit();
  EXPECT_EQ(store->audit_log({.action = "getTable"}, 1000).size(), 100u);
}

TEST_F(StoreConformance, AThrowingBodyLeavesNothing) {
  EXPECT_THROW(store->write({}, [&](WriteTxn& t) -> bool {
    EXPECT_TRUE(things.insert(t, {"a", "ann", "1"}));
    throw std::runtime_error("broken");
  }), std::runtime_error);
  EXPECT_TRUE(store->read_as([](ReadTxn& t) { return things.scan(t); }).empty());
  EXPECT_TRUE(insert({"a", "ann", "1"}));
}

}  // namespace
}  // namespace tarn::store
