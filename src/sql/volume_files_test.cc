// Files of volumes in SQL: by the volume's own privileges and nothing else.
#include <gmock/gmock.h>

#include "sql/testing.h"

namespace tarn::sql::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

class VolumeFiles : public ::testing::Test {
 protected:
  World world;
  std::string managed;  // s3:// URL of the managed volume m
  void SetUp() override {
    const auto admin = world.as("automation");
    const auto m = world.catalog->volumes().create(admin, {.catalog_name = "main", .schema_name = "s", .name = "m"});
    ASSERT_TRUE(m) << m.error().message;
    managed = m->storage_location;
    const auto x = world.catalog->volumes().create(admin, {.catalog_name = "main",
                                                           .schema_name = "s",
                                                           .name = "x",
                                                           .volume_type = catalog::VolumeType::EXTERNAL,
                                                           .storage_location = "s3://lake/data/x"});
    ASSERT_TRUE(x) << x.error().message;
    for (const auto& base : {managed, std::string("s3://lake/data/x")}) {
      put(base + "/in/a.csv", "id,name\n1,one\n2,two\n");
      put(base + "/in/b.csv", "id,name\n3,three\n");
      put(base + "/in/_c.csv", "garbage\n");
      put(base + "/in/deep/d.csv", "id,name\n4,four\n");
      put(base + "/j.json", "{\"id\": 5}\n");
    }
    must("GRANT USE CATALOG, USE SCHEMA ON CATALOG main TO `account users`");
  }
  void put(const std::string& url, const std::string& content) {
    const auto at = objects::Url::parse(url);
    ASSERT_TRUE(at && world.objects->put(*at, content)) << url;
  }
  void must(const std::string& sql, const std::string& who = "automation") { (void)rows(sql, who); }
  std::vector<std::string> rows(const std::string& sql, const std::string& who = "automation") {
    Collector sink;
    const auto done = world.run(world.as(who), sql, sink);
    EXPECT_TRUE(done) << sql << "\n" << (done ? "" : done.error().message);
    return sink.rows;
  }
  std::string refusal(const std::string& sql, const std::string& who = "automation", std::int64_t workspace = 1) {
    Collector sink;
    const auto done = world.run(world.as(who, workspace), sql, sink);
    EXPECT_FALSE(done) << sql;
    // Whatever went wrong, where the volume lies is not told.
    if (done) return "";
    for (const auto& place : {std::string("s3://meta"), std::string("s3://lake"), world.folder.string()})
      EXPECT_THAT(done.error().message, Not(HasSubstr(place))) << sql;
    return done.error().message;
  }
};

TEST_F(VolumeFiles, AreReadByTheirPath) {
  for (const std::string v : {"m", "x"}) {
    const auto base = "/Volumes/main/s/" + v;
    EXPECT_THAT(rows("SELECT id, name FROM read_files('" + base + "/in', format => 'csv', header => true) ORDER BY id"),
                ElementsAre("1|one", "2|two", "3|three", "4|four"));
    EXPECT_THAT(rows("SELECT id FROM read_files('dbfs:" + base + "/in/*.csv', format => 'csv', header => true) ORDER BY id"),
                ElementsAre("1", "2", "3"));
    EXPECT_THAT(rows("SELECT id FROM read_files('" + base + "/in/{a,deep/d}.csv', format => 'csv', header => true) ORDER BY id"),
                ElementsAre("1", "2", "4"));
    EXPECT_THAT(rows("SELECT count(*) FROM csv.`" + base + "/in/a.csv`"), ElementsAre("3")) << "without a header";
    EXPECT_THAT(rows("SELECT * FROM json.`dbfs:" + base + "/j.json`"), ElementsAre("5"));
    must("CREATE TABLE t_" + v + " AS SELECT * FROM read_files('" + base + "//in/a.csv', format => 'csv', header => true)");
    EXPECT_THAT(rows("SELECT * FROM t_" + v + " ORDER BY id"), ElementsAre("1|one|NULL", "2|two|NULL"));
  }
  // s3:// paths have patterns, too.
  EXPECT_THAT(rows("SELECT id FROM read_files('s3://lake/data/x/in/[ab].csv', format => 'csv', header => true) ORDER BY id"),
              ElementsAre("1", "2", "3"));
}

TEST_F(VolumeFiles, NamesThatLookLikePatternsAreNames) {
  put(managed + "/odd/[ab].csv", "id\n7\n");
  put(managed + "/odd/a.csv", "id\n8\n");
  must("CREATE TABLE odd (id BIGINT)");
  EXPECT_THAT(rows("COPY INTO odd FROM '/Volumes/main/s/m/odd' FILEFORMAT = CSV FILES = ('[ab].csv') FORMAT_OPTIONS ('header' = 'true')"),
              ElementsAre("1|1|0"));
  EXPECT_THAT(rows("SELECT id FROM odd"), ElementsAre("7"));
  EXPECT_THAT(rows("SELECT id FROM read_files('/Volumes/main/s/m/odd/[ab].csv', format => 'csv', header => true)"), ElementsAre("8"));
  EXPECT_THAT(rows("SELECT id FROM read_files('/Volumes/main/s/m/odd/\\\\[ab].csv', format => 'csv', header => true)"), ElementsAre("7"));
}

TEST_F(VolumeFiles, SayWhatTheyAreWhereAsked) {
  put(managed + "/odd/a b%[1].json", "{\"id\": 1}\n");
  EXPECT_THAT(
      rows("SELECT id, _metadata.file_path, f._metadata.file_name, _metadata.file_size, _metadata.file_block_start, _metadata.file_block_length, "
           "_metadata.file_modification_time > TIMESTAMP '2020-01-01 00:00:00' FROM read_files('/Volumes/main/s/m/odd', format => 'json') AS f"),
      ElementsAre("1|dbfs:/Volumes/main/s/m/odd/a%20b%25%5B1%5D.json|a%20b%25%5B1%5D.json|10|0|10|true"));
  EXPECT_THAT(
      rows("SELECT _metadata.file_name, count(*) FROM read_files('s3://lake/data/x/in', format => 'csv', header => true) GROUP BY ALL ORDER BY 1"),
      ElementsAre("a.csv|2", "b.csv|1", "d.csv|1"));
  EXPECT_THAT(rows("SELECT *, _metadata.file_path FROM csv.`s3://lake/data/x/in/b.csv` ORDER BY 1 LIMIT 1"),
              ElementsAre("3|three|s3://lake/data/x/in/b.csv"));
  EXPECT_THAT(rows("SELECT * FROM read_files('/Volumes/main/s/m/in/b.csv', format => 'csv', header => true) a JOIN "
                   "json.`/Volumes/main/s/m/j.json` b ON a._metadata.file_name <> b._metadata.file_name"),
              ElementsAre("3|three|NULL|5"));
  // A column of the files' own comes first.
  put(managed + "/own.json", "{\"_metadata\": \"mine\", \"file_\": 1}\n");
  EXPECT_THAT(rows("SELECT _metadata FROM json.`/Volumes/main/s/m/own.json`"), ElementsAre("mine"));
  put(managed + "/taken.json", "{\"file_\": 1, \"FILE__\": 2}\n");
  EXPECT_THAT(rows("SELECT *, _metadata.file_name FROM json.`/Volumes/main/s/m/taken.json`"), ElementsAre("2|1|taken.json"));
  must(
      "CREATE TABLE told AS SELECT id, _metadata.file_name AS name, _metadata AS m FROM read_files('/Volumes/main/s/m/in', format => 'csv', header "
      "=> true)");
  EXPECT_THAT(rows("SELECT name, m.file_name FROM told WHERE id = 4"), ElementsAre("d.csv|d.csv"));
}

TEST_F(VolumeFiles, AreCopiedOnce) {
  must("CREATE TABLE copied (id BIGINT, name STRING)");
  const std::string rest = " FILEFORMAT = CSV FORMAT_OPTIONS ('header' = 'true')";
  EXPECT_THAT(rows("COPY INTO copied FROM '/Volumes/main/s/x/in'" + rest), ElementsAre("4|4|0"));
  EXPECT_THAT(rows("COPY INTO copied FROM 'dbfs:/Volumes/main/s/x/in/*'" + rest), ElementsAre("0|0|0"));
  EXPECT_THAT(rows("COPY INTO copied FROM 's3://lake/data/x/in'" + rest), ElementsAre("0|0|0")) << "the same files by their other name";
}

TEST_F(VolumeFiles, AreListed) {
  const auto listed = rows("LIST '/Volumes/main/s/m/in'");
  ASSERT_EQ(listed.size(), 4u);
  EXPECT_THAT(listed[0], HasSubstr("dbfs:/Volumes/main/s/m/in/_c.csv|_c.csv|8|"));
  EXPECT_THAT(listed[1], HasSubstr("dbfs:/Volumes/main/s/m/in/a.csv|a.csv|20|"));
  EXPECT_EQ(listed[3], "dbfs:/Volumes/main/s/m/in/deep|deep|0|0");
  EXPECT_THAT(rows("LIST '/Volumes/main/s/m/in/a.csv'"), ElementsAre(HasSubstr("dbfs:/Volumes/main/s/m/in/a.csv|a.csv|20|")));
  EXPECT_EQ(rows("LIST '/Volumes/main/s/m/in/' LIMIT 2").size(), 2u);
  EXPECT_THAT(rows("LIST 's3://lake/data/x'"), ElementsAre("s3://lake/data/x/in|in|0|0", HasSubstr("s3://lake/data/x/j.json|j.json|10|")));
  EXPECT_THAT(refusal("LIST '/Volumes/main/s/m/none'"), HasSubstr("[PATH_NOT_FOUND] Path does not exist: /Volumes/main/s/m/none"));
  EXPECT_THAT(refusal("LIST '/Volumes/main/s/m' LIMIT 1002"), HasSubstr("1 to 1001"));
  EXPECT_THAT(refusal("LIST '/Volumes/main/s/m'", "ana"), HasSubstr("[INSUFFICIENT_PERMISSIONS]"));
  const auto empty = world.catalog->volumes().create(world.as("automation"), {.catalog_name = "main", .schema_name = "s", .name = "e"});
  ASSERT_TRUE(empty);
  EXPECT_TRUE(rows("LIST '/Volumes/main/s/e'").empty());
}

TEST_F(VolumeFiles, NeedReadVolumeAndNothingElseWillDo) {
  const std::string csv = ", format => 'csv', header => true)";
  const auto read = [&](const std::string& path) { return "SELECT id FROM read_files('" + path + "'" + csv; };
  must("GRANT READ FILES, WRITE FILES ON EXTERNAL LOCATION lake TO `ana@acme.test`");
  for (const char* v : {"m", "x"})
    EXPECT_THAT(refusal(read(std::string("/Volumes/main/s/") + v + "/in"), "ana"), HasSubstr("User does not have READ VOLUME on Volume 'main.s."));
  Collector sink;
  const auto by_url = world.run(world.as("ana"), read("s3://lake/data/x/in"), sink);
  ASSERT_FALSE(by_url) << "the location's grants do not reach into a volume";
  EXPECT_THAT(by_url.error().message, HasSubstr("READ VOLUME"));
  ASSERT_FALSE(world.run(world.as("ana"), read("s3://lake/data/*"), sink)) << "nor over it";

  must("GRANT READ VOLUME ON VOLUME main.s.x TO `eve@acme.test`");
  EXPECT_EQ(rows(read("/Volumes/main/s/x/in/a.csv"), "eve").size(), 2u) << "and are not needed for it";
  EXPECT_THAT(refusal(read("/Volumes/main/s/m/in"), "eve"), HasSubstr("[INSUFFICIENT_PERMISSIONS]"));
  must("CREATE TABLE into_here (id BIGINT, name STRING)");
  must("GRANT SELECT, MODIFY ON TABLE into_here TO `eve@acme.test`");
  EXPECT_THAT(refusal("COPY INTO main.s.into_here FROM '/Volumes/main/s/m/in' FILEFORMAT = CSV", "eve"), HasSubstr("READ VOLUME"));

  // Without the way there nothing is told of what lies at its end.
  must("REVOKE USE SCHEMA ON CATALOG main FROM `account users`");
  const auto there = refusal(read("/Volumes/main/s/x/in"), "eve"), missing = refusal(read("/Volumes/main/s/none/in"), "eve");
  EXPECT_THAT(there, HasSubstr("USE SCHEMA"));
  EXPECT_EQ(there, missing);
}

TEST_F(VolumeFiles, AreOutOfReachWhereTheirCatalogIsNotBound) {
  const auto admin = world.as("automation");
  must("GRANT READ VOLUME ON VOLUME main.s.x TO `eve@acme.test`");
  const std::string sql = "SELECT id FROM read_files('/Volumes/main/s/x/in/a.csv', format => 'csv', header => true)";
  Collector sink;
  EXPECT_TRUE(world.run(world.as("eve", 2), sql, sink));
  catalog::CatalogChange change;
  change.isolation_mode = catalog::CatalogIsolation::ISOLATED;
  ASSERT_TRUE(world.catalog->catalog_service().update(admin, "main", change));
  ASSERT_TRUE(world.catalog->bindings().update(admin, catalog::SecurableType::CATALOG, "main", {{.workspace_id = 1}}, {{.workspace_id = 2}}));
  EXPECT_THAT(refusal(sql, "eve", 2), HasSubstr("not accessible in current workspace"));
  EXPECT_EQ(rows(sql, "eve").size(), 2u);
}

TEST_F(VolumeFiles, NoPathLeadsOutOfAVolume) {
  const auto read = [&](const std::string& path) { return refusal("SELECT * FROM read_files('" + path + "', format => 'csv')"); };
  put("s3://lake/data/secret.csv", "secret\n");
  for (const char* path : {"/Volumes/main/s/x/../secret.csv", "/Volumes/main/s/x/in/../../secret.csv", "dbfs:/Volumes/main/s/x/./in",
                           "/Volumes/main/s/../s/x/in", "/Volumes/main/s/x/../*", "/Volumes/main/s", "/Volumes/main/s/*"})
    EXPECT_THAT(read(path), HasSubstr("[PATH_INVALID]")) << path;
  for (const char* path : {"dbfs:/tmp/a.csv", "dbfs:/Volumes"}) EXPECT_THAT(read(path), HasSubstr("[UNSUPPORTED_FEATURE]")) << path;
  for (const char* path : {"/Volumes", "/etc/passwd", "file:/etc/passwd"}) EXPECT_THAT(read(path), HasSubstr("[PATH_INVALID]")) << path;
  EXPECT_THAT(read("/Volumes/main/s/x/*/../../secret.csv"), HasSubstr("[PATH_NOT_FOUND]"));
  EXPECT_THAT(read("/Volumes/main/s/nothing/a.csv"), HasSubstr("[UC_VOLUME_NOT_FOUND] Volume `main`.`s`.`nothing` does not exist."));
  EXPECT_THAT(read("/Volumes/main/s/x/none.csv"), HasSubstr("[PATH_NOT_FOUND] Path does not exist: /Volumes/main/s/x/none.csv"));
}

TEST_F(VolumeFiles, ALinkInAVolumeLeadsNowhere) {
  const auto in = world.folder / "objects/lake/data/x";
  std::filesystem::create_symlink("/etc", in / "etc");
  std::filesystem::create_symlink("/etc/hostname", in / "host.csv");
  put("s3://lake/data/secret/s.csv", "secret\n");
  std::filesystem::create_symlink(world.folder / "objects/lake/data/secret", in / "up");
  for (const char* path : {"/Volumes/main/s/x/etc/passwd", "/Volumes/main/s/x/host.csv", "/Volumes/main/s/x/up/s.csv", "/Volumes/main/s/x/*/s.csv"})
    EXPECT_THAT(refusal(std::string("SELECT * FROM read_files('") + path + "', format => 'csv')"), HasSubstr("[PATH_NOT_FOUND]")) << path;
  EXPECT_THAT(refusal("LIST '/Volumes/main/s/x/etc/passwd'"), HasSubstr("[PATH_NOT_FOUND]"));
}

TEST_F(VolumeFiles, AreGoneWithTheirVolume) {
  const std::string sql = "SELECT id FROM read_files('/Volumes/main/s/x/in/a.csv', format => 'csv', header => true)";
  EXPECT_EQ(rows(sql).size(), 2u);
  ASSERT_TRUE(world.catalog->volumes().remove(world.as("automation"), "main.s.x"));
  EXPECT_THAT(refusal(sql), HasSubstr("[UC_VOLUME_NOT_FOUND]"));
}

TEST_F(VolumeFiles, AFileThatDoesNotParseIsNamedWithoutItsPlace) {
  put(managed + "/bad.json", "{\"id\": \n");
  const auto message = refusal("SELECT * FROM json.`/Volumes/main/s/m/bad.json`");
  EXPECT_THAT(message, HasSubstr("bad.json"));
  EXPECT_THAT(rows("EXPLAIN SELECT * FROM json.`/Volumes/main/s/m/j.json`").at(0), Not(HasSubstr(world.folder.string())));
}

TEST_F(VolumeFiles, WhatADriverDoesIsRefusedByName) {
  EXPECT_THAT(refusal("PUT '/tmp/a' INTO '/Volumes/main/s/m/a'"), HasSubstr("The statement PUT is not supported"));
  EXPECT_THAT(refusal("GET '/Volumes/main/s/m/a' TO '/tmp/a'"), HasSubstr("The statement GET is not supported"));
  EXPECT_THAT(refusal("REMOVE '/Volumes/main/s/m/a'"), HasSubstr("The statement REMOVE is not supported"));
}

}  // namespace
}  // namespace tarn::sql::testing
