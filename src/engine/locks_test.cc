// What no statement may reach, whatever it says.
#include <gtest/gtest.h>

#include <filesystem>

#include "engine/testing.h"

namespace tarn::engine {
namespace {

namespace fs = std::filesystem;

class Locks : public ::testing::Test {
 protected:
  Locks() {
    std::ofstream(f.folder / "data/inside.csv") << "a,b\n1,2\n";
    std::ofstream(f.folder / "secret.csv") << "a,b\n3,4\n";
    fs::create_directories(f.folder / "data-neighbour");
    std::ofstream(f.folder / "data-neighbour/n.csv") << "a,b\n5,6\n";
    fs::create_symlink(f.folder / "secret.csv", f.folder / "data/link.csv");
    fs::create_symlink(f.folder / "data-neighbour", f.folder / "data/away");
  }
  std::string at(const std::string& name) const { return "'" + (f.folder / name) + "'"; }
  Fixture f{[](Options& o) { o.extensions = default_extensions(); }};
};

TEST_F(Locks, FilesOfTheScopeAreReadable) { EXPECT_EQ(f.rows("SELECT * FROM read_csv(" + at("data/inside.csv") + ")"), R"([["1","2"]])"); }

TEST_F(Locks, FilesElsewhereAreNot) {
  for (const auto& sql : {
           std::string("SELECT * FROM read_csv('/etc/passwd')"),
           std::string("SELECT * FROM read_text('/etc/passwd')"),
           std::string("SELECT * FROM read_blob('/proc/self/environ')"),
           std::string("SELECT * FROM '/etc/passwd'"),
           "SELECT * FROM read_csv(" + at("secret.csv") + ")",
           "SELECT * FROM read_csv(" + at("data/../secret.csv") + ")",
           "SELECT * FROM read_csv(" + at("data/link.csv") + ")",
           "SELECT * FROM read_csv(" + at("data/away/n.csv") + ")",
           "SELECT * FROM read_csv(" + at("data-neighbour/n.csv") + ")",
           "SELECT * FROM read_csv('file://" + (f.folder / "secret.csv") + "')",
           std::string("SELECT * FROM parquet_metadata('/etc/passwd')"),
           std::string("SELECT * FROM sniff_csv('/etc/passwd')"),
           std::string("SELECT * FROM read_csv('/dev/stdin')"),
           std::string("SELECT * FROM read_csv('https://127.0.0.1:1/x.csv')"),
           std::string("SELECT * FROM read_csv('s3://bucket/x.csv')"),
           std::string("SELECT getenv('HOME')"),
       }) {
    const auto answer = f.rows(sql);
    EXPECT_FALSE(f.last) << sql << " answered " << answer;
    EXPECT_TRUE(f.last || f.last.error().code == Errc::sql) << sql << ": " << answer;
  }
  const auto listed = f.value("count(*) FROM glob('/etc/*')");
  EXPECT_TRUE(!f.last || listed == "\"0\"") << listed;
}

TEST_F(Locks, ADeltaTableElsewhereIsNotReadThroughTheExtension) {
  for (const auto* place : {"data/t", "t"})
    ASSERT_EQ(f.python("import pyarrow as pa, sys\nfrom deltalake import write_deltalake\nwrite_deltalake(sys.argv[1] + '/" + std::string(place) +
                       "', pa.table({'a': [1, 2, 3]}))"),
              "");
  EXPECT_EQ(f.rows("SELECT sum(a) FROM delta_scan(" + at("data/t") + ")"), R"([["6"]])");
  f.rows("SELECT sum(a) FROM delta_scan(" + at("t") + ")");
  EXPECT_FALSE(f.last);
  fs::create_symlink(f.folder / "t", f.folder / "data/s");
  f.rows("SELECT sum(a) FROM delta_scan(" + at("data/s") + ")");
  EXPECT_FALSE(f.last);
}

TEST_F(Locks, TheInstanceCannotBeChanged) {
  for (const char* sql : {"SET threads = 8",
                          "RESET lock_configuration",
                          "SET lock_configuration = false",
                          "SET enable_external_access = true",
                          "SET SESSION search_path = 'x'",
                          "PRAGMA memory_limit = '10GB'",
                          "LOAD httpfs",
                          "INSTALL httpfs",
                          "ATTACH ':memory:' AS other",
                          "ATTACH '/tmp/x.db'",
                          "DETACH memory",
                          "USE main",
                          "COPY (SELECT 1) TO '/tmp/tarn-escape.csv'",
                          "EXPORT DATABASE '/tmp/tarn-escape'",
                          "CALL enable_logging()",
                          "BEGIN",
                          "COMMIT",
                          "CHECKPOINT",
                          "VACUUM",
                          "PREPARE p AS SELECT 1",
                          "SET VARIABLE x = 1",
                          "SELECT 1; COMMIT; SELECT 2",
                          "EXPLAIN ANALYZE COPY (SELECT 1) TO '/tmp/tarn-escape.csv'"}) {
    f.rows(sql);
    EXPECT_FALSE(f.last) << sql;
    EXPECT_TRUE(f.last || f.last.error().code == Errc::sql) << sql;
  }
  EXPECT_FALSE(fs::exists("/tmp/tarn-escape.csv"));
  EXPECT_FALSE(fs::exists("/tmp/tarn-escape"));
  EXPECT_EQ(f.value("current_setting('threads'), current_setting('TimeZone'), current_setting('enable_external_access'), "
                    "current_setting('lock_configuration')"),
            R"("2","UTC","false","true")");
}

TEST_F(Locks, CopyCannotWriteIntoTheScopeEither) {
  f.rows("COPY (SELECT 1) TO " + at("data/made.csv"));
  EXPECT_FALSE(f.last);
  for (const auto* explain :
       {"EXPLAIN ANALYZE ", "EXPLAIN (ANALYZE) ", "/* x */ explain /* y */ analyze ", "SELECT 1; EXPLAIN ANALYZE ", "EXPLAIN "}) {
    f.rows(explain + ("COPY (SELECT 1) TO " + at("data/made.csv")));
    EXPECT_FALSE(f.last) << explain;
  }
  f.rows("EXPLAIN SELECT 1");
  EXPECT_TRUE(f.last);
  EXPECT_FALSE(fs::exists(f.folder / "data/made.csv"));
}

TEST_F(Locks, WhatARequestMakesEndsWithIt) {
  EXPECT_EQ(f.rows("CREATE TABLE left_behind AS SELECT 1 AS a; SELECT * FROM left_behind"), R"([["1"]])");
  EXPECT_EQ(f.rows("CREATE MACRO twice(x) AS x * 2; SELECT twice(4)"), R"([["8"]])");
  f.rows("CREATE VIEW one AS SELECT 1");
  for (const char* sql : {"SELECT * FROM left_behind", "SELECT twice(4)", "SELECT * FROM one"}) {
    f.rows(sql);
    EXPECT_FALSE(f.last) << sql;
  }
  EXPECT_EQ(f.value("count(*) FROM duckdb_tables()"), R"("0")");
}

TEST_F(Locks, WritingKeepsToTheWritableFolders) {
  WriteRequest w;
  w.query = "SELECT 1 AS a";
  for (const auto& directory :
       {f.folder / "elsewhere", f.folder / "data/../elsewhere", f.folder / "data-neighbour", std::string("data"), std::string("/tmp")}) {
    w.directory = directory;
    const auto files = f.pool->write_parquet(f.scope(), w);
    ASSERT_FALSE(files) << directory;
    EXPECT_EQ(files.error().code, Errc::sql);
  }
  w.directory = f.folder / "data/t";
  const Scope read_only{{f.folder / "data"}, {}};
  EXPECT_FALSE(f.pool->write_parquet(read_only, w));
  for (const char* query : {"SELECT 1 AS a) TO '/tmp/tarn-escape.parquet' --", "SELECT 1; SELECT 2", "COPY (SELECT 1) TO '/tmp/tarn-escape.csv'",
                            "CREATE TABLE t(a INT)", ""}) {
    w.query = query;
    EXPECT_FALSE(f.pool->write_parquet(f.scope(), w)) << query;
  }
  w.query = "SELECT 1 AS a";
  w.compression = "snappy, FORMAT csv";
  EXPECT_FALSE(f.pool->write_parquet(f.scope(), w));
  EXPECT_FALSE(fs::exists(f.folder / "elsewhere"));
  EXPECT_TRUE(!fs::exists(f.folder / "data/t") || fs::is_empty(f.folder / "data/t"));
}

TEST_F(Locks, AScopeWithoutFoldersReadsNothing) {
  Request request;
  request.sql = "SELECT * FROM read_csv(" + at("data/inside.csv") + ")";
  const auto answer = f.pool->run({}, request, {});
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, Errc::sql);
  request.sql = "SELECT 1";
  EXPECT_TRUE(f.pool->run({}, request, {}));
}

TEST_F(Locks, AFolderThatIsMadeAnewIsServed) {
  EXPECT_EQ(f.rows("SELECT * FROM read_csv(" + at("data/inside.csv") + ")"), R"([["1","2"]])");
  fs::rename(f.folder / "data", f.folder / "old");
  fs::create_directories(f.folder / "data");
  std::ofstream(f.folder / "data/inside.csv") << "a,b\n7,8\n";
  EXPECT_EQ(f.rows("SELECT * FROM read_csv(" + at("data/inside.csv") + ")"), R"([["7","8"]])");
}

TEST_F(Locks, AMissingOrRelativeFolderIsNamed) {
  Request request;
  request.sql = "SELECT 1";
  for (const auto& folder : {f.folder / "missing", std::string("data"), std::string(), f.folder / "secret.csv"}) {
    const auto answer = f.pool->run({{folder}, {}}, request, {});
    ASSERT_FALSE(answer) << folder;
    EXPECT_NE(answer.error().message.find("'" + folder + "'"), std::string::npos) << answer.error().message;
  }
}

TEST_F(Locks, TheKernelHoldsTheProcess) {
  f.rows("SELECT 1");
  const auto pid = only_child();
  ASSERT_GT(pid, 0);
  const auto status = slurp("/proc/" + std::to_string(pid) + "/status");
  EXPECT_NE(status.find("NoNewPrivs:\t1"), std::string::npos);
  EXPECT_NE(status.find("Seccomp:\t2"), std::string::npos);
  EXPECT_EQ(std::distance(fs::directory_iterator("/proc/" + std::to_string(pid) + "/fd"), {}), 4) << "0-2 and the socket";
  EXPECT_EQ(slurp("/proc/" + std::to_string(pid) + "/environ"), "");
}

}  // namespace
}  // namespace tarn::engine
