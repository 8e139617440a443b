// The relation that a snapshot becomes, run by DuckDB over files in a local object store.
#include "delta/data_files.h"

#include <duckdb.h>

#include <filesystem>
#include <fstream>

#include "base/ids.h"
#include "delta/paths.h"
#include "delta/stats.h"
#include "delta/test_table.h"
#include "objects/local_objects.h"

namespace tarn::delta {
namespace {

using namespace testing;

class Relation : public ::testing::Test {
 protected:
  Relation() : folder(std::filesystem::temp_directory_path() / ("tarn-test-" + new_hex(8))), objects(folder.string()) {
    EXPECT_TRUE(objects.create_bucket("lake"));
    EXPECT_EQ(duckdb_open(nullptr, &db), DuckDBSuccess);
    EXPECT_EQ(duckdb_connect(db, &connection), DuckDBSuccess);
    run("SET TimeZone = 'UTC'");
  }
  ~Relation() override {
    duckdb_disconnect(&connection);
    duckdb_close(&db);
    std::error_code ignored;
    std::filesystem::remove_all(folder, ignored);
  }

  /// All rows as text, sorted: "1|x|NULL".
  std::vector<std::string> run(const std::string& sql) {
    duckdb_result result;
    std::vector<std::string> out;
    if (duckdb_query(connection, sql.c_str(), &result) != DuckDBSuccess) {
      ADD_FAILURE() << duckdb_result_error(&result) << "\n" << sql.substr(0, 2000);
      duckdb_destroy_result(&result);
      return out;
    }
    for (idx_t r = 0; r < duckdb_row_count(&result); ++r) {
      std::string row;
      for (idx_t c = 0; c < duckdb_column_count(&result); ++c) {
        char* text = duckdb_value_varchar(&result, c, r);
        row += (c ? "|" : "") + std::string(text ? text : "NULL");
        duckdb_free(text);
      }
      out.push_back(row);
    }
    duckdb_destroy_result(&result);
    std::sort(out.begin(), out.end());
    return out;
  }
  std::vector<std::string> rows(const RelationOptions& options = {}) {
    const auto snapshot = log.snapshot(kRoot);
    EXPECT_TRUE(snapshot) << snapshot.error().message;
    table = *data_files(**snapshot, kRoot, objects);
    const auto sql = relation_sql(table, options);
    EXPECT_TRUE(sql) << sql.error().message;
    return run("SELECT CAST(COLUMNS(*) AS VARCHAR) FROM " + *sql);
  }
  /// Writes a file with a query's rows where the log will look for it.
  AddFile write(const std::string& path, const std::string& query, std::map<std::string, std::optional<std::string>> partition = {}) {
    const auto local = *objects.local_path(data_url(kRoot, path));
    std::filesystem::create_directories(std::filesystem::path(local).parent_path());
    run("COPY (" + query + ") TO " + sql_string(local) + " (FORMAT parquet)");
    AddFile f = file(path, std::filesystem::file_size(local));
    f.partition_values = std::move(partition);
    return f;
  }
  void create(std::vector<std::pair<std::string, std::string>> columns, std::vector<std::string> partitions, std::vector<AddFile> files) {
    Metadata m;
    for (auto& [name, type] : columns) m.schema.fields.push_back({name, *delta_type(type), true, {}});
    m.partition_columns = std::move(partitions);
    const auto made = log.create(kRoot, m, std::move(files), "ann");
    ASSERT_TRUE(made) << made.error().message;
  }
  void append(AddFile f) {
    Commit c;
    c.add.push_back(std::move(f));
    const auto done = log.commit(kRoot, (*log.snapshot(kRoot))->version, c);
    ASSERT_TRUE(done) << done.error().message;
  }

  std::filesystem::path folder;
  objects::LocalObjects objects;
  FakeClock clock;
  std::unique_ptr<ParquetCodec> parquet = duckdb_parquet_codec(objects);
  DeltaLog log{objects, *parquet, clock};
  duckdb_database db = nullptr;
  duckdb_connection connection = nullptr;
  DataFiles table;
};

TEST_F(Relation, ColumnsComeInOrderAndType) {
  create({{"id", "bigint"}, {"name", "string"}}, {}, {write("a.parquet", "SELECT 'x' AS name, 1::INTEGER AS id")});
  append(write("b.parquet", "SELECT 2::BIGINT AS id, 'y' AS name, 7 AS unknown"));
  EXPECT_EQ(rows(), (std::vector<std::string>{"1|x", "2|y"}));
  EXPECT_EQ(run("SELECT DISTINCT typeof(id), typeof(name) FROM " + *relation_sql(table)), std::vector<std::string>{"BIGINT|VARCHAR"});
  EXPECT_EQ(rows({.columns = {"name"}}), (std::vector<std::string>{"x", "y"}));
  EXPECT_EQ(relation_sql(table, {.columns = {"nope"}}).error().code, Errc::invalid_request);
}

TEST_F(Relation, ATableWithoutFilesHasNoRowsAndItsColumns) {
  create({{"id", "bigint"}, {"at", "timestamp"}, {"s", "struct<a:int,b:array<string>>"}}, {}, {});
  EXPECT_TRUE(rows().empty());
  EXPECT_EQ(run("SELECT column_name, column_type FROM (DESCRIBE SELECT * FROM " + *relation_sql(table) + ")"),
            (std::vector<std::string>{"at|TIMESTAMP WITH TIME ZONE", "id|BIGINT", "s|STRUCT(a INTEGER, b VARCHAR[])"}));
}

TEST_F(Relation, ColumnsThatOlderFilesLackAreNull) {
  create({{"id", "bigint"}}, {}, {write("a.parquet", "SELECT 1::BIGINT AS id")});
  Commit c;
  c.operation = Operation::change_columns;
  c.metadata = (*log.snapshot(kRoot))->metadata;
  c.metadata->schema.fields.insert(c.metadata->schema.fields.begin(), {"added", *delta_type("struct<a:int>"), true, {}});
  ASSERT_TRUE(log.commit(kRoot, 0, c));
  append(write("b.parquet", "SELECT 2::BIGINT AS id, {'a': 5} AS added"));
  EXPECT_EQ(rows(), (std::vector<std::string>{"NULL|1", "{'a': 5}|2"}));
}

TEST_F(Relation, PartitionValuesComeFromTheLogWhateverTheFolderSays) {
  create({{"id", "bigint"}, {"day", "date"}, {"who", "string"}, {"n", "int"}}, {"day", "who", "n"},
         {write("day=1999-01-01/a.parquet", "SELECT 1::BIGINT AS id", {{"day", "2024-01-01"}, {"who", "o'neil \"x\""}, {"n", "-3"}}),
          write("b.parquet", "SELECT 2::BIGINT AS id", {{"day", std::nullopt}, {"who", ""}, {"n", std::nullopt}}),
          write("c.parquet", "SELECT 3::BIGINT AS id", {{"day", "2024-01-01"}, {"who", "o'neil \"x\""}, {"n", "-3"}})});
  EXPECT_EQ(rows(), (std::vector<std::string>{"1|2024-01-01|o'neil \"x\"|-3", "2|NULL|NULL|NULL", "3|2024-01-01|o'neil \"x\"|-3"}));
  EXPECT_EQ(run("SELECT DISTINCT typeof(day), typeof(n) FROM " + *relation_sql(table)), std::vector<std::string>{"DATE|INTEGER"});
}

TEST_F(Relation, TimestampPartitionsInBothSpellings) {
  create({{"id", "bigint"}, {"at", "timestamp"}}, {"at"},
         {write("a.parquet", "SELECT 1::BIGINT AS id", {{"at", "2024-01-01 10:00:00.5"}}),
          write("b.parquet", "SELECT 2::BIGINT AS id", {{"at", "2024-01-01T10:00:00.500000Z"}})});
  EXPECT_EQ(rows(), (std::vector<std::string>{"1|2024-01-01 10:00:00.5+00", "2|2024-01-01 10:00:00.5+00"}));
}

TEST_F(Relation, ManyPartitionsAreOneScan) {
  std::vector<AddFile> files;
  for (int i = 0; i < 100; ++i)
    files.push_back(write(fmt::format("p={}/f.parquet", i), fmt::format("SELECT {}::BIGINT AS id", i), {{"p", std::to_string(i * 10)}}));
  create({{"id", "bigint"}, {"p", "int"}}, {"p"}, files);
  const auto all = rows();
  EXPECT_EQ(all.size(), 100u);
  EXPECT_TRUE(std::binary_search(all.begin(), all.end(), "42|420"));
  EXPECT_EQ(run("SELECT count(*), sum(id), sum(p) FROM " + *relation_sql(table)), std::vector<std::string>{"100|4950|49500"});
}

TEST_F(Relation, NamesWithPatternCharactersNameOneFile) {
  create({{"id", "bigint"}}, {}, {write("f[ab]*.parquet", "SELECT 1::BIGINT AS id"), write("who's it? %20.parquet", "SELECT 2::BIGINT AS id")});
  write("fa-not-in-the-table.parquet", "SELECT 99::BIGINT AS id");
  EXPECT_EQ(rows(), (std::vector<std::string>{"1", "2"}));
}

TEST_F(Relation, ARewriteFindsARowsFileAndPlace) {
  create({{"id", "bigint"}, {"p", "string"}}, {"p"},
         {write("a.parquet", "SELECT range AS id FROM range(3)", {{"p", "x"}}),
          write("b.parquet", "SELECT range + 10 AS id FROM range(2)", {{"p", "y"}})});
  const auto found = rows({.file_column = "_file", .row_column = "_row", .columns = {"id"}});
  ASSERT_EQ(found.size(), 5u);
  for (const auto& [row, at] :
       {std::pair("1|", "a.parquet|1"), std::pair("2|", "a.parquet|2"), std::pair("10|", "b.parquet|0"), std::pair("11|", "b.parquet|1")})
    EXPECT_TRUE(std::binary_search(found.begin(), found.end(), row + table.root + "/" + at)) << row;
  EXPECT_EQ(rows({.columns = {"id"}, .files = std::vector<std::size_t>{1}}), (std::vector<std::string>{"10", "11"}));
  EXPECT_TRUE(rows({.files = std::vector<std::size_t>{}}).empty());
  EXPECT_FALSE(relation_sql(table, {.files = std::vector<std::size_t>{2}}));
  EXPECT_EQ(table.files[0].rows, 1) << "as its statistics say";
}

TEST_F(Relation, TenThousandFilesAreNamedInOneStatement) {
  const AddFile one = write("f0.parquet", "SELECT 1::BIGINT AS id");
  const auto first = *objects.local_path(data_url(kRoot, "f0.parquet"));
  std::vector<AddFile> files{one};
  for (int i = 1; i < 10'000; ++i) {
    files.push_back(file(fmt::format("f{}.parquet", i)));
    std::filesystem::create_hard_link(first, *objects.local_path(data_url(kRoot, files.back().path)));
  }
  create({{"id", "bigint"}}, {}, files);
  const auto s = *log.snapshot(kRoot);
  table = *data_files(*s, kRoot, objects);
  EXPECT_EQ(run("SELECT count(*), sum(id) FROM " + *relation_sql(table)), std::vector<std::string>{"10000|10000"});
}

TEST_F(Relation, WhatPlainParquetCannotSayGoesToDeltaScan) {
  create({{"id", "bigint"}}, {}, {write("a.parquet", "SELECT 1::BIGINT AS id")});
  Snapshot s = **log.snapshot(kRoot);
  EXPECT_TRUE(data_files(s, kRoot, objects)->plain());
  s.metadata.configuration["delta.columnMapping.mode"] = "name";
  const auto mapped = *data_files(s, kRoot, objects);
  EXPECT_EQ(mapped.needs_delta_scan, "column mapping");
  EXPECT_EQ(*relation_sql(mapped),
            "(SELECT CAST(\"id\" AS BIGINT) AS \"id\" FROM delta_scan('" + (folder / "lake/t/events").string() + "', version = 0))");
  EXPECT_FALSE(relation_sql(mapped, {.row_column = "r"}));
  s.metadata.configuration.clear();
  auto with_dv = std::make_shared<AddFile>(*s.files.entries[0].file);
  with_dv->deletion_vector = json::object{{"storageType", "i"}};
  s.files.entries[0].file = with_dv;
  EXPECT_EQ(data_files(s, kRoot, objects)->needs_delta_scan, "deletion vectors");
  s.files.entries.clear();
  s.metadata.schema.fields[0].metadata["delta.typeChanges"] = json::array{};
  EXPECT_EQ(data_files(s, kRoot, objects)->needs_delta_scan, "type widening");
}

TEST_F(Relation, TheLogWorksOverFoldersAsItDoesInMemory) {
  create({{"id", "bigint"}}, {}, {});
  for (int i = 0; i < 12; ++i) append(file("f" + std::to_string(i)));
  log.drain();
  DeltaLog other(objects, *parquet, clock);
  EXPECT_EQ((*other.snapshot(kRoot))->files.size(), 12u);
  for (int v = 0; v < 10; ++v) std::filesystem::remove(folder / "lake/t/events/_delta_log" / commit_name(v));
  DeltaLog third(objects, *parquet, clock);
  EXPECT_EQ((*third.snapshot(kRoot))->files.size(), 12u) << "from the checkpoint";
  const auto before = *log.snapshot(kRoot);
  EXPECT_EQ((*log.snapshot(kRoot)).get(), before.get()) << "what the commit left in the cache is recognised";
}

}  // namespace
}  // namespace tarn::delta
