// The relation that a snapshot becomes, run by DuckDB over files in a local object store.
#include "delta/data_files.h"

#include <duckdb.h>

#include <filesystem>
#include <fstream>

#include "base/ids.h"
#include "delta/column_mapping.h"
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

TEST_F(Relation, VariantsAreBytesWhereWeWroteThemAndAskedOfStatisticsWhereOthersDid) {
  create({{"id", "bigint"}}, {}, {write("a.parquet", "SELECT 1::BIGINT AS id")});
  Snapshot s = **log.snapshot(kRoot);
  s.metadata.schema.fields.push_back({"v", "variant", true, {}});
  const auto sql = [&](const std::string& path, const std::string& stats) {
    auto file = std::make_shared<AddFile>(*s.files.entries[0].file);
    file->path = path, file->stats = stats;
    s.files.entries[0].file = file;
    return *relation_sql(*data_files(s, kRoot, objects));
  };
  const auto bare = sql("part-0-c000.bare-variants.snappy.parquet", "");
  EXPECT_NE(bare.find("spark_variant_joined(d.\"v\".metadata"), std::string::npos) << bare;
  EXPECT_EQ(bare.find("variant_to_parquet_variant"), std::string::npos) << bare;
  const auto without = sql("a.parquet", R"({"numRecords":9,"nullCount":{"v":0}})");
  EXPECT_NE(without.find("ELSE spark_parse_json('null', false) END"), std::string::npos) << without;
  const auto all = sql("a.parquet", R"({"numRecords":9,"nullCount":{"v":9}})");
  EXPECT_NE(all.find("ELSE NULL END"), std::string::npos) << all;
  EXPECT_EQ(all.find("spark_variant_refused"), std::string::npos) << all;
  const auto some = sql("a.parquet", R"({"numRecords":9,"nullCount":{"v":4}})");
  EXPECT_NE(some.find("WHERE n_.\"v\" IS NULL) = 4 THEN NULL ELSE CAST(spark_variant_refused("), std::string::npos) << some;
  const auto unknown = sql("a.parquet", R"({"numRecords":9})");
  EXPECT_NE(unknown.find("ELSE CAST(spark_variant_refused("), std::string::npos) << unknown;
}

TEST_F(Relation, VariantsInsideOtherTypesAreRefusedWhereTheyAreUsed) {
  create({{"id", "bigint"}}, {}, {write("a.parquet", "SELECT 1::BIGINT AS id")});
  Snapshot s = **log.snapshot(kRoot);
  EXPECT_TRUE(data_files(s, kRoot, objects)->plain());
  s.metadata.schema.fields.push_back({"a", *delta_type("array<variant>"), true, {}});
  const auto files = *data_files(s, kRoot, objects);
  EXPECT_FALSE(files.plain());
  EXPECT_NE(files.read_only.find("column `a`"), std::string::npos) << files.read_only;
  EXPECT_NE(relation_sql(files)->find("spark_variant_refused(NULL, '[UNSUPPORTED_FEATURE] Column `a`"), std::string::npos);
  EXPECT_EQ(run("SELECT id FROM " + *relation_sql(files, {.columns = {"id"}})), std::vector<std::string>{"1"});
}

TEST_F(Relation, RowsThatADeletionVectorNamesAreNotRead) {
  create({{"id", "bigint"}, {"p", "string"}}, {"p"},
         {write("a.parquet", "SELECT range AS id FROM range(6)", {{"p", "x"}}),
          write("b.parquet", "SELECT range + 100 AS id FROM range(3000)", {{"p", "y"}})});
  Snapshot s = **log.snapshot(kRoot);
  RowNumbers many;
  for (std::uint64_t r = 0; r < 3000; r += 3) many.push_back(r);
  const auto vectors = *write_vectors(objects, kRoot, {{0, 5}, many});
  for (std::size_t i = 0; i < 2; ++i) {
    auto with = std::make_shared<AddFile>(*s.files.entries[i].file);
    with->deletion_vector = vectors[i];
    s.files.entries[i].file = with;
  }
  const auto t = *data_files(s, kRoot, objects);
  EXPECT_TRUE(t.plain());
  EXPECT_EQ(run("SELECT p, count(*), min(id), max(id) FROM " + *relation_sql(t) + " GROUP BY p"),
            (std::vector<std::string>{"x|4|1|4", "y|2000|101|3099"}));
  EXPECT_EQ(run("SELECT r, id FROM " + *relation_sql(t, {.row_column = "r", .files = std::vector<std::size_t>{0}})),
            (std::vector<std::string>{"1|1", "2|2", "3|3", "4|4"}))
      << "rows keep their places";
  auto turned = t;
  for (auto& f : turned.files) f.only = true;
  EXPECT_EQ(run("SELECT p, count(*), min(id) FROM " + *relation_sql(turned) + " GROUP BY p"), (std::vector<std::string>{"x|2|0", "y|1000|100"}));
}

TEST_F(Relation, MappedColumnsAreFoundByTheirPhysicalNamesOrNumbers) {
  for (const char* mode : {"name", "id"}) {
    Metadata m;
    m.schema.fields = {{"id", "long", true, {}},
                       {"who", *delta_type("struct<first:string,tags:array<struct<t:int>>>"), true, {}},
                       {"m", *delta_type("map<string,struct<v:bigint>>"), true, {}},
                       {"p", "string", true, {}}};
    m.partition_columns = {"p"};
    m.configuration["delta.columnMapping.mode"] = mode;
    assign_columns(m, false);
    const auto physical = physical_metadata(m);
    const auto name = [&](std::size_t i) { return sql_identifier(physical.schema.fields[i].name); };
    const auto& who = physical.schema.fields[1].type.at("fields");
    const auto path = std::string("mapped-") + mode + ".parquet";
    const auto local = *objects.local_path(data_url(kRoot, path));
    std::filesystem::create_directories(std::filesystem::path(local).parent_path());
    const auto logical = "SELECT 7::BIGINT AS id, {'first': 'ana', 'tags': [{'t': 1}, NULL]} AS who, MAP {'k': {'v': 5::BIGINT}} AS m";
    std::string list;
    for (std::size_t i = 0; i < 3; ++i)
      list += (i ? ", " : "") + to_physical(m.schema.fields[i].type, sql_identifier(m.schema.fields[i].name)) + " AS " + name(i);
    run("COPY (SELECT " + list + " FROM (" + logical + ")) TO " + sql_string(local) + " (FORMAT parquet, FIELD_IDS " + field_ids(m) + ")");
    EXPECT_EQ(run("SELECT count(*) FROM parquet_schema(" + sql_string(local) + ") WHERE field_id IS NOT NULL"), std::vector<std::string>{"7"});
    EXPECT_EQ(
        run("SELECT count(*) FROM parquet_schema(" + sql_string(local) + ") WHERE name = " + sql_string(who.at(0).at("name").as_string().c_str())),
        std::vector<std::string>{"1"});
    AddFile f = file(path);
    f.stats.clear();
    f.partition_values[physical.partition_columns[0]] = "x";
    Snapshot s;
    s.metadata = m;
    s.files.entries.push_back({0, std::make_shared<AddFile>(f)});
    s.metadata.schema.fields[0].name = "number";  // renamed since
    s.metadata.schema.fields.push_back({"later", "string", true, {}});
    assign_columns(s.metadata, false);
    const auto t = *data_files(s, kRoot, objects);
    EXPECT_EQ(run("SELECT CAST(COLUMNS(*) AS VARCHAR) FROM " + *relation_sql(t)),
              std::vector<std::string>{"7|{'first': ana, 'tags': [{'t': 1}, NULL]}|{k={'v': 5}}|x|NULL"})
        << mode;
  }
}

TEST_F(Relation, WidenedColumnsAreReadAsTheyAreNow) {
  create({{"n", "bigint"}, {"d", "double"}, {"x", "decimal(20,4)"}, {"at", "timestamp_ntz"}}, {},
         {write("a.parquet", "SELECT 5::INTEGER AS n, 1.5::FLOAT AS d, 2.25::DECIMAL(10,2) AS x, DATE '2024-02-29' AS at")});
  EXPECT_EQ(rows(), std::vector<std::string>{"5|1.5|2.2500|2024-02-29 00:00:00"});
}

TEST_F(Relation, RowsTellTheirIdsAndVersions) {
  create({{"id", "bigint"}}, {},
         {write("a.parquet", "SELECT range AS id FROM range(2)"),
          write("b.parquet", "SELECT 9::BIGINT AS id, 40::BIGINT AS \"_rid\", NULL::BIGINT AS \"_ver\"")});
  Snapshot s = **log.snapshot(kRoot);
  s.metadata.configuration["delta.rowTracking.materializedRowIdColumnName"] = "_rid";
  s.metadata.configuration["delta.rowTracking.materializedRowCommitVersionColumnName"] = "_ver";
  for (std::size_t i = 0; i < 2; ++i) {
    auto with = std::make_shared<AddFile>(*s.files.entries[i].file);
    with->extra = json::object{{"baseRowId", 100 * (static_cast<std::int64_t>(i) + 1)}, {"defaultRowCommitVersion", 3}};
    s.files.entries[i].file = with;
  }
  const auto t = *data_files(s, kRoot, objects);
  EXPECT_EQ(run("SELECT id, rid, ver FROM " + *relation_sql(t, {.row_id_column = "rid", .row_version_column = "ver"})),
            (std::vector<std::string>{"0|100|3", "1|101|3", "9|40|3"}));
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
