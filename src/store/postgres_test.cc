// What only a shared database can do: several servers on one store, and a database that goes away.
#include <gtest/gtest.h>

#include <barrier>

#include "store/postgres_for_tests.h"
#include "store/store.h"

namespace tarn::store {
namespace {

struct Two : testing::Test {
  FakeClock clock;
  std::string url = postgres_for_tests().fresh_url();
  std::unique_ptr<Store> a = open_store(url, clock), b = open_store(url, clock);
};

TEST_F(Two, ServersSeeEachOthersWritesAndGenerations) {
  const auto before = b->generation();
  a->write({.action = "x"}, [](WriteTxn& t) { return t.insert("k", "1", "{}", {}).has_value(); });
  EXPECT_GT(b->generation(), before);
  EXPECT_EQ(a->generation(), b->generation());
  EXPECT_TRUE(b->read_as([](ReadTxn& t) { return t.get("k", "1"); }));
  EXPECT_EQ(b->audit_log({.action = "x"}, 10).size(), 1u);
}

TEST_F(Two, OneServerWinsAUniqueValue) {
  for (int round = 0; round < 10; ++round) {
    std::barrier start(2);
    std::atomic<int> won = 0, lost = 0;
    auto race = [&](Store& store, const std::string& key) {
      start.arrive_and_wait();
      store.write({.action = "race"}, [&](WriteTxn& t) {
        const auto r = t.insert("k", key, "{}", {{"name", "only-" + std::to_string(round), true}});
        r ? ++won : ++lost;
        EXPECT_TRUE(r || r.error() == PutError::unique_taken);
        return r.has_value();
      });
    };
    std::jthread first([&] { race(*a, "a" + std::to_string(round)); }), second([&] { race(*b, "b" + std::to_string(round)); });
    first.join();
    second.join();
    EXPECT_EQ(won, 1);
    EXPECT_EQ(lost, 1);
  }
}

TEST_F(Two, WritersOfTwoServersLoseNoUpdate) {
  a->write({}, [](WriteTxn& t) { return t.insert("k", "n", "0", {}).has_value(); });
  auto count = [](Store& store) {
    for (int i = 0; i < 50; ++i)
      store.write({.action = "count"},
                  [](WriteTxn& t) { return t.update("k", "n", std::to_string(std::stoi(t.get("k", "n")->body) + 1), {}).has_value(); });
  };
  {
    std::jthread first([&] { count(*a); }), second([&] { count(*b); });
  }
  EXPECT_EQ(a->read_as([](ReadTxn& t) { return t.get("k", "n"); })->body, "100");
  const auto log = a->audit_log({.action = "count"}, 1000);
  ASSERT_EQ(log.size(), 100u);
}

TEST(Postgres, IsUnavailableWhileTheServerIsAwayAndAnswersOnceItIsBack) {
  PostgresForTests server;
  FakeClock clock;
  const auto store = open_store(server.url(), clock);
  auto put = [&](const char* key) { store->write({.action = "put"}, [&](WriteTxn& t) { return t.insert("k", key, "{}", {}).has_value(); }); };
  put("1");
  store->read([](ReadTxn& t) { EXPECT_TRUE(t.get("k", "1")); });
  server.stop();
  EXPECT_THROW(put("2"), StoreUnavailable);
  EXPECT_THROW(store->read([](ReadTxn& t) { t.get("k", "1"); }), StoreUnavailable);
  EXPECT_THROW(store->generation(), StoreUnavailable);
  store->audit_later({.action = "kept"});
  server.start();
  put("3");
  store->flush_audit();
  EXPECT_EQ(store->audit_log({.action = "kept"}, 10).size(), 1u);
  EXPECT_EQ(store->read_as([](ReadTxn& t) { return t.count("k", ""); }), 2);
}

TEST(Postgres, SaysWhyItCannotBeReached) {
  FakeClock clock;
  try {
    open_store("postgresql:///none?host=/nonexistent", clock);
    FAIL();
  } catch (const StoreUnavailable& e) {
    EXPECT_NE(std::string(e.what()).find("/nonexistent"), std::string::npos) << e.what();
  }
  EXPECT_THROW(open_store("mysql://x", clock), StoreUnavailable);
}

TEST(Postgres, ServersThatStartTogetherMigrateOnce) {
  FakeClock clock;
  const auto url = postgres_for_tests().fresh_url();
  std::vector<std::jthread> threads;
  std::atomic<int> up = 0;
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([&] {
      open_store(url, clock)->generation();
      ++up;
    });
  threads.clear();
  EXPECT_EQ(up, 4);
}

TEST(Postgres, RefusesASchemaFromTheFuture) {
  FakeClock clock;
  const auto url = postgres_for_tests().fresh_url();
  open_store(url, clock);
  PostgresConnection(url).run("UPDATE schema_version SET value=999");
  EXPECT_THROW(open_store(url, clock), StoreUnavailable);
}

}  // namespace
}  // namespace tarn::store
