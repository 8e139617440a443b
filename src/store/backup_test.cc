// Backups across backends, upgrades from released schemas, secrets and the rotation of the root key.
#include "store/backup.h"

#include <gtest/gtest.h>
#include <sqlite3.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "store/postgres_for_tests.h"
#include "store/root_key.h"
#include "store/secrets.h"

namespace tarn::store {
namespace {

namespace fs = std::filesystem;

struct Folder {
  Folder() {
    std::string t = (fs::temp_directory_path() / "store-XXXXXX").string();
    path = ::mkdtemp(t.data());
  }
  ~Folder() { fs::remove_all(path); }
  std::string path;
};

std::string read_file(const std::string& path) {
  std::ifstream in(path);
  return {std::istreambuf_iterator<char>(in), {}};
}

struct Backup : testing::TestWithParam<std::pair<const char*, const char*>> {
  std::unique_ptr<Store> open(std::string_view backend) {
    return open_store(backend == "sqlite" ? "sqlite::memory:" : postgres_for_tests().fresh_url(), clock);
  }
  FakeClock clock;
  Folder folder;
  std::string key_file = folder.path + "/root.key";
};

TEST_P(Backup, RestoresEverythingIntoAnyBackend) {
  const auto from = open(GetParam().first), to = open(GetParam().second);
  const auto keys = load_root_key(folder.path);
  const Secrets secrets(keys);
  from->write({.action = "create", .principal = "ann", .params = {{"name", "\"quoted\" \xc3\xa9\n"}}}, [&](WriteTxn& t) {
    EXPECT_TRUE(t.insert("a", key({"x", "1"}), R"({"text":"\u0001 é"})", {{"owner", "ann"}, {"name", "one", true}}));
    EXPECT_TRUE(t.insert("b", "2", "{}", {}));
    secrets.put(t, "room", "geheim");
    return true;
  });
  from->write({.action = "update"}, [](WriteTxn& t) { return t.update("b", "2", "{\"n\":1}", {}).has_value(); });
  from->audit_later({.action = "read"});
  const auto made = backup(*from, key_file, folder.path + "/b", clock);
  EXPECT_EQ(made.records, 3);
  EXPECT_EQ(made.audit_records, 3);
  EXPECT_EQ(read_file(folder.path + "/b/records.jsonl").find("geheim"), std::string::npos);
  EXPECT_THROW(backup(*from, key_file, folder.path + "/b", clock), StoreUnavailable);

  const std::string new_key = folder.path + "/restored.key";
  restore(folder.path + "/b", *to, new_key);
  struct stat s {};
  ASSERT_EQ(::stat(new_key.c_str(), &s), 0);
  EXPECT_EQ(s.st_mode & 0777, 0600u);
  const auto restored_keys = load_root_key("", new_key);
  const Secrets restored(restored_keys);
  to->read([&](ReadTxn& t) {
    EXPECT_EQ(t.get("b", "2")->version, 2);
    EXPECT_EQ(t.get("a", key({"x", "1"}))->body, R"({"text":"\u0001 é"})");
    EXPECT_EQ(t.find("a", "name", "one")->key, key({"x", "1"}));
    EXPECT_EQ(t.scan_index("a", "owner", "ann", "", 10).size(), 1u);
    EXPECT_EQ(restored.get(t, "room"), "geheim");
  });
  EXPECT_GT(to->generation(), made.generation);
  const auto before = from->audit_log({}, 100), after = to->audit_log({}, 100);
  ASSERT_EQ(before.size(), after.size());
  for (std::size_t i = 0; i < before.size(); ++i) {
    EXPECT_EQ(before[i].sequence, after[i].sequence);
    EXPECT_EQ(json::encode_text(before[i].event), json::encode_text(after[i].event));
  }
  // It goes on from there: unique values hold, audit numbers rise.
  to->write({.action = "next"}, [](WriteTxn& t) {
    EXPECT_EQ(t.insert("a", "other", "{}", {{"name", "one", true}}).error(), PutError::unique_taken);
    return t.insert("c", "3", "{}", {}).has_value();
  });
  EXPECT_GT(to->audit_log({.action = "next"}, 10).at(0).sequence, after.back().sequence);
  EXPECT_THROW(restore(folder.path + "/b", *to, ""), StoreUnavailable);  // no longer empty
}

INSTANTIATE_TEST_SUITE_P(Backends, Backup,
                         testing::Values(std::pair{"sqlite", "sqlite"}, std::pair{"sqlite", "postgresql"}, std::pair{"postgresql", "sqlite"},
                                         std::pair{"postgresql", "postgresql"}),
                         [](const auto& i) { return std::string(i.param.first) + "_to_" + i.param.second; });

TEST(BackupFiles, AChangedBackupRestoresNothing) {
  FakeClock clock;
  Folder folder;
  const auto from = open_store("sqlite::memory:", clock), to = open_store("sqlite::memory:", clock);
  from->write({}, [](WriteTxn& t) { return t.insert("k", "1", "{}", {}).has_value(); });
  backup(*from, "", folder.path + "/b", clock);
  EXPECT_FALSE(fs::exists(folder.path + "/b/root.key"));
  std::ofstream(folder.path + "/b/records.jsonl", std::ios::app) << R"({"kind":"k","key":"2","version":1,"body":"{}"})"
                                                                 << "\n";
  try {
    restore(folder.path + "/b", *to, "");
    FAIL();
  } catch (const StoreUnavailable& e) {
    EXPECT_NE(std::string(e.what()).find("records.jsonl"), std::string::npos);
  }
  EXPECT_EQ(to->read_as([](ReadTxn& t) { return t.count("k", ""); }), 0);
  fs::remove(folder.path + "/b/audit.jsonl");
  EXPECT_THROW(verify_backup(folder.path + "/b"), StoreUnavailable);
}

TEST(BackupFiles, KeepsAnotherRootKey) {
  FakeClock clock;
  Folder folder;
  load_root_key(folder.path);
  const auto from = open_store("sqlite::memory:", clock), to = open_store("sqlite::memory:", clock);
  from->write({}, [](WriteTxn& t) { return t.insert("k", "1", "{}", {}).has_value(); });
  backup(*from, folder.path + "/root.key", folder.path + "/b", clock);
  fs::remove(folder.path + "/root.key");
  load_root_key(folder.path);
  const auto other = read_file(folder.path + "/root.key");
  EXPECT_THROW(restore(folder.path + "/b", *to, folder.path + "/root.key"), StoreUnavailable);
  EXPECT_EQ(read_file(folder.path + "/root.key"), other);
  EXPECT_EQ(to->read_as([](ReadTxn& t) { return t.count("k", ""); }), 0);
}

/// Opens what an earlier release left behind (tests/store/BACKEND_NNNN.sql, one for each released schema) and uses it.
void works_after_upgrade(Store& store) {
  store.read([](ReadTxn& t) {
    EXPECT_EQ(t.get("test.thing", key({"t", "a"}))->version, 3);
    EXPECT_EQ(t.find("test.thing", "external_id", "1")->key, key({"t", "a"}));
    EXPECT_EQ(t.scan_index("test.thing", "owner", "ann", "", 10).size(), 2u);
  });
  EXPECT_EQ(store.audit_log({.action = "insert"}, 10).size(), 2u);
  EXPECT_EQ(store.generation(), 5);
  store.write({.action = "update"}, [](WriteTxn& t) { return t.update("test.thing", key({"t", "a"}), "{}", {}, 3).has_value(); });
  EXPECT_EQ(store.generation(), 6);
}

std::vector<std::string> fixtures(const std::string& backend) {
  std::vector<std::string> out;
  for (const auto& f : fs::directory_iterator(TARN_SOURCE_DIR "/tests/store"))
    if (f.path().filename().string().starts_with(backend + "_") && f.path().extension() == ".sql") out.push_back(f.path());
  EXPECT_FALSE(out.empty());
  return out;
}

TEST(Upgrade, SqliteFromEachReleasedSchema) {
  for (const auto& file : fixtures("sqlite")) {
    SCOPED_TRACE(file);
    Folder folder;
    const std::string path = folder.path + "/store.db";
    sqlite3* db = nullptr;
    ASSERT_EQ(sqlite3_open(path.c_str(), &db), SQLITE_OK);
    ASSERT_EQ(sqlite3_exec(db, read_file(file).c_str(), nullptr, nullptr, nullptr), SQLITE_OK) << sqlite3_errmsg(db);
    sqlite3_close(db);
    FakeClock clock;
    works_after_upgrade(*open_store("sqlite:" + path, clock));
  }
}

TEST(Upgrade, PostgresFromEachReleasedSchema) {
  for (const auto& file : fixtures("postgres")) {
    SCOPED_TRACE(file);
    const auto url = postgres_for_tests().fresh_url();
    PostgresConnection(url).run(read_file(file));
    FakeClock clock;
    works_after_upgrade(*open_store(url, clock));
  }
}

TEST(RootKey, RotationWrapsEverySecretAnewAndRetiresTheOldKey) {
  FakeClock clock;
  Folder folder;
  auto keys = load_root_key(folder.path);
  const auto held = keys;  // as a room holds it
  const Secrets secrets(held);
  const auto store = open_store("sqlite::memory:", clock);
  store->write({}, [&](WriteTxn& t) {
    for (int i = 0; i < 5; ++i) secrets.put(t, "room-" + std::to_string(i), "secret " + std::to_string(i));
    return true;
  });
  const auto old_file = read_file(folder.path + "/root.key");
  const auto old_keys = load_root_key(folder.path);
  EXPECT_EQ(rotate_root_key(*store, keys, {.service = "accounts", .action = "rotateRootKey", .principal = "ann"}, folder.path), 5u);
  EXPECT_EQ(read_file(folder.path + "/root.key").find(old_file.substr(0, 64)), std::string::npos);
  const auto fresh = load_root_key(folder.path);  // a restart
  store->read([&](ReadTxn& t) {
    for (int i = 0; i < 5; ++i) {
      EXPECT_EQ(secrets.get(t, "room-" + std::to_string(i)), "secret " + std::to_string(i));
      EXPECT_EQ(Secrets(fresh).get(t, "room-" + std::to_string(i)), "secret " + std::to_string(i));
      EXPECT_THROW(Secrets(old_keys).get(t, "room-" + std::to_string(i)), std::runtime_error);
    }
  });
  store->write({}, [&](WriteTxn& t) {
    secrets.put(t, "room-9", "after");
    return true;
  });
  EXPECT_EQ(store->read_as([&](ReadTxn& t) { return Secrets(fresh).get(t, "room-9"); }), "after");
  EXPECT_EQ(store->audit_log({.action = "rotateRootKey"}, 10).at(0).event.params.at("secrets"), "5");
}

TEST(RootKey, ARotationThatFindsAForeignSecretKeepsTheOldKey) {
  FakeClock clock;
  Folder folder;
  auto keys = load_root_key(folder.path);
  const crypto::Keyring foreign(std::string(32, 'f'));
  const auto store = open_store("sqlite::memory:", clock);
  store->write({}, [&](WriteTxn& t) {
    Secrets(keys).put(t, "mine", "1");
    Secrets(foreign).put(t, "theirs", "2");
    return true;
  });
  EXPECT_THROW(rotate_root_key(*store, keys, {}, folder.path), std::runtime_error);
  EXPECT_EQ(store->read_as([&](ReadTxn& t) { return Secrets(load_root_key(folder.path)).get(t, "mine"); }), "1");
}

TEST(RootKey, IsPrivateAndRefusedWhenItIsNot) {
  Folder folder;
  load_root_key(folder.path);
  struct stat s {};
  ASSERT_EQ(::stat((folder.path + "/root.key").c_str(), &s), 0);
  EXPECT_EQ(s.st_mode & 0777, 0600u);
  ::chmod((folder.path + "/root.key").c_str(), 0644);
  EXPECT_THROW(load_root_key(folder.path), StoreUnavailable);
  EXPECT_THROW(load_root_key(folder.path, folder.path + "/none"), StoreUnavailable);
  std::ofstream(folder.path + "/short") << "abcd\n";
  ::chmod((folder.path + "/short").c_str(), 0600);
  EXPECT_THROW(load_root_key(folder.path, folder.path + "/short"), StoreUnavailable);
}

}  // namespace
}  // namespace tarn::store
