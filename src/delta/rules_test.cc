// What a commit may and may not do: protocol features, table properties, constraints, paths.
#include "delta/actions.h"
#include "delta/checkpoint.h"
#include "delta/column_mapping.h"
#include "delta/deletion_vector.h"
#include "delta/features.h"
#include "delta/paths.h"
#include "delta/protocol.h"
#include "delta/test_table.h"

namespace tarn::delta {
namespace {

using namespace testing;
using Rules = TableTest;

/// Version 0 of a table by hand.
std::string version_zero(std::string_view protocol, std::string_view fields, std::string_view configuration = "{}") {
  json::object m{{"id", "5fba94ed-9794-4965-ba6e-6ee3c0d22af9"},
                 {"format", {{"provider", "parquet"}, {"options", json::object{}}}},
                 {"partitionColumns", json::array{}}};
  m["schemaString"] = fmt::format(R"({{"type":"struct","fields":[{}]}})", fields);
  m["configuration"] = *json::parse(configuration);
  return fmt::format("{{\"protocol\":{}}}\n{{\"metaData\":{}}}\n", protocol, boost::json::serialize(m));
}
constexpr std::string_view kId = R"({"name":"id","type":"long","nullable":true,"metadata":{}})";

TEST_F(Rules, AnUnknownReaderFeatureRefusesReadsByName) {
  write_log(
      commit_name(0),
      version_zero(
          R"({"minReaderVersion":3,"minWriterVersion":7,"readerFeatures":["deletionVectors","timeWarp"],"writerFeatures":["deletionVectors","timeWarp"]})",
          kId));
  const Error e = error_of(log.snapshot(kRoot));
  EXPECT_EQ(e.code, Errc::unsupported_feature);
  EXPECT_EQ(e.message,
            "[DELTA_UNSUPPORTED_FEATURES_FOR_READ] Unsupported Delta read feature: table \"s3://lake/t/events\" requires reader table feature(s) "
            "that are unsupported by Tarn: timeWarp.");
}

TEST_F(Rules, AnUnknownWriterFeatureRefusesWritesByNameButNotReads) {
  write_log(
      commit_name(0),
      version_zero(R"({"minReaderVersion":1,"minWriterVersion":7,"writerFeatures":["appendOnly","rowTracking","timeWarp","icebergCompatV2"]})", kId));
  EXPECT_EQ(now(log)->version, 0);
  const Error e = error_of(log.commit(kRoot, 0, append("a.parquet")));
  EXPECT_EQ(e.code, Errc::unsupported_feature);
  EXPECT_NE(e.message.find("requires writer table feature(s) that are unsupported by Tarn: timeWarp, icebergCompatV2."), std::string::npos)
      << e.message;
}

TEST_F(Rules, VersionsFromTheFutureAreRefused) {
  write_log(commit_name(0), version_zero(R"({"minReaderVersion":4,"minWriterVersion":7})", kId));
  EXPECT_NE(error_of(log.snapshot(kRoot)).message.find("DELTA_INVALID_PROTOCOL_VERSION"), std::string::npos);
}

TEST_F(Rules, LegacyVersionsAreWritableUntilTheTableUsesWhatWeCannotKeep) {
  const std::string legacy = R"({"minReaderVersion":1,"minWriterVersion":6})";
  struct Case {
    std::string fields, configuration, refused;
  };
  const Case cases[] = {
      {std::string(kId), "{}", ""},
      {std::string(kId), R"({"delta.constraints.positive":"id > 0"})", "checkConstraints"},
      {R"({"name":"id","type":"long","nullable":true,"metadata":{"delta.invariants":"{}"}})", "{}", "invariants"},
      {R"({"name":"id","type":"long","nullable":true,"metadata":{"delta.generationExpression":"x+1"}})", "{}", "generatedColumns"},
      {R"({"name":"id","type":"long","nullable":true,"metadata":{"delta.identity.start":1}})", "{}", "identityColumns"},
      {R"({"name":"id","type":"long","nullable":true,"metadata":{"CURRENT_DEFAULT":"7"}})", "{}", "allowColumnDefaults"},
      {R"({"name":"s","type":{"type":"struct","fields":[{"name":"id","type":"long","nullable":true,"metadata":{"delta.invariants":"{}"}}]},"nullable":true,"metadata":{}})",
       "{}", "invariants"},
      {std::string(kId), R"({"delta.columnMapping.mode":"name"})", ""},
  };
  for (const auto& c : cases) {
    (void)objects.remove_all({"lake", "t/events/"});
    write_log(commit_name(0), version_zero(legacy, c.fields, c.configuration));
    const auto r = log.commit(kRoot, 0, append("a.parquet"));
    if (c.refused.empty()) {
      EXPECT_TRUE(r) << r.error().message;
    } else {
      const Error e = error_of(r);
      EXPECT_EQ(e.code, Errc::unsupported_feature);
      EXPECT_NE(e.message.find("Tarn: " + c.refused + "."), std::string::npos) << e.message;
    }
  }
}

TEST_F(Rules, ChangeDataFeedAllowsAppendsAndRefusesRewrites) {
  write_log(commit_name(0), version_zero(R"({"minReaderVersion":1,"minWriterVersion":4})", kId, R"({"delta.enableChangeDataFeed":"true"})"));
  EXPECT_EQ(must(log.commit(kRoot, 0, append("a.parquet"))), 1);
  Commit rewrite = removal("a.parquet");
  rewrite.add = {file("b.parquet")};
  EXPECT_NE(error_of(log.commit(kRoot, 1, rewrite)).message.find("changeDataFeed"), std::string::npos);
  EXPECT_EQ(must(log.commit(kRoot, 1, removal("a.parquet"))), 2);
}

TEST_F(Rules, AnAppendOnlyTableKeepsItsRows) {
  Metadata m = simple_metadata();
  m.configuration["delta.appendOnly"] = "true";
  must(log.create(kRoot, m, {}, "ann"));
  must(log.commit(kRoot, 0, append("a.parquet")));
  const Error e = error_of(log.commit(kRoot, 1, removal("a.parquet")));
  EXPECT_EQ(e.code, Errc::constraint);
  EXPECT_NE(e.message.find("This table is configured to only allow appends."), std::string::npos);
  Commit compaction = removal("a.parquet");
  compaction.operation = Operation::optimize;
  compaction.remove[0].data_change = false;
  compaction.add = {file("b.parquet")};
  compaction.add[0].data_change = false;
  EXPECT_EQ(must(log.commit(kRoot, 1, compaction)), 2) << "rearranging rows is no change of data";
}

TEST_F(Rules, NotNullColumnsRefuseFilesWithNulls) {
  Metadata m = simple_metadata();
  m.schema.fields[0].nullable = false;
  must(log.create(kRoot, m, {}, "ann"));
  Commit c = append("a.parquet");
  c.add[0].stats = R"({"numRecords":2,"nullCount":{"id":1,"name":2}})";
  const Error e = error_of(log.commit(kRoot, 0, c));
  EXPECT_EQ(e.code, Errc::constraint);
  EXPECT_EQ(e.message, "[DELTA_NOT_NULL_CONSTRAINT_VIOLATED] NOT NULL constraint violated for column: id.");
}

TEST_F(Rules, PathsThatLeaveTheTableAreRefusedOnTheWayIn) {
  must(log.create(kRoot, simple_metadata(), {}, "ann"));
  for (const char* path : {"", "../a.parquet", "x/../../a.parquet", "/etc/passwd", "s3://other/x.parquet", "x//y.parquet", "./a.parquet",
                           "_delta_log/00000000000000000009.json"}) {
    const Error e = error_of(log.commit(kRoot, 0, append(path)));
    EXPECT_EQ(e.code, Errc::invalid_request) << path;
  }
  EXPECT_EQ(now(log)->version, 0);
}

TEST_F(Rules, PathsAreEncodedAsTheProtocolSays) {
  EXPECT_EQ(encode_path("day=2024-01-01/a b%ü?#.parquet"), "day=2024-01-01/a%20b%25%C3%BC%3F%23.parquet");
  EXPECT_EQ(encode_path("time=10:00/x"), "time=10%3A00/x");
  for (const char* path : {"day=1/a b%ü?#[x].parquet", "a:b", "100%.parquet", "time=10%3A00/part-0"}) {
    const auto back = decode_path(encode_path(path), kRoot);
    ASSERT_TRUE(back);
    EXPECT_EQ(*back, path);
  }
  EXPECT_EQ(*decode_path("s3://lake/t/events/x%20y", kRoot), "s3://lake/t/events/x y");
  EXPECT_EQ(data_url(kRoot, "s3://lake/t/events/x y").key, "t/events/x y");
  for (const char* uri : {"%2e%2e/x", "a/%2E%2E/x", "%", "%4", "%zz", "a%00b", "file:///etc/passwd", "/etc/passwd", "s3://lake/t/events2/x",
                          "s3://lake/t/events/../x", "s3://elsewhere/t/events/x"})
    EXPECT_FALSE(decode_path(uri, kRoot)) << uri;
  EXPECT_EQ(partition_folder({"day", "who"}, {{"day", "2024-01-01"}, {"who", "a/b:c"}}), "day=2024-01-01/who=a%2Fb%3Ac/");
  EXPECT_EQ(partition_folder({"day"}, {{"day", std::nullopt}}), "day=__HIVE_DEFAULT_PARTITION__/");
}

TEST_F(Rules, ACommitFitsTheVersionItFollows) {
  must(log.create(kRoot, simple_metadata(), {file("a.parquet")}, "ann"));
  EXPECT_NE(error_of(log.commit(kRoot, 0, append("a.parquet"))).message.find("already in the table"), std::string::npos);
  EXPECT_NE(error_of(log.commit(kRoot, 0, removal("z.parquet"))).message.find("'z.parquet' to remove is not in the table"), std::string::npos);
  Commit twice = append("b.parquet");
  twice.add.push_back(file("b.parquet"));
  EXPECT_NE(error_of(log.commit(kRoot, 0, twice)).message.find("twice"), std::string::npos);
  Commit partitioned = append("b.parquet");
  partitioned.add[0].partition_values = {{"day", "2024-01-01"}};
  EXPECT_EQ(error_of(log.commit(kRoot, 0, partitioned)).code, Errc::invalid_request);
}

TEST_F(Rules, ColumnsAreAddedButNotChangedUnderExistingFiles) {
  must(log.create(kRoot, simple_metadata(), {file("a.parquet")}, "ann"));
  const auto with = [&](auto change) {
    Commit c;
    c.operation = Operation::change_columns;
    c.metadata = now(log)->metadata;
    change(*c.metadata);
    return log.commit(kRoot, now(log)->version, c);
  };
  EXPECT_TRUE(with([](Metadata& m) { m.schema.fields.push_back({"extra", "double", true, {}}); }));
  EXPECT_EQ(now(log)->metadata.schema.fields.size(), 3u);
  EXPECT_EQ(error_of(with([](Metadata& m) { m.schema.fields[0].type = "string"; })).code, Errc::invalid_request);
  EXPECT_EQ(error_of(with([](Metadata& m) { m.schema.fields[0].nullable = false; })).code, Errc::invalid_request);
  EXPECT_EQ(error_of(with([](Metadata& m) { m.schema.fields.push_back({"must", "integer", false, {}}); })).code, Errc::invalid_request);
  EXPECT_EQ(error_of(with([](Metadata& m) { m.id = "another"; })).code, Errc::invalid_request);
  EXPECT_NE(error_of(with([](Metadata& m) { m.partition_columns = {"name"}; })).message.find("DELTA_UNSUPPORTED_PARTITION_COLUMN_CHANGE"),
            std::string::npos);
}

TEST_F(Rules, PropertiesAreKnownAndReadable) {
  must(log.create(kRoot, simple_metadata(), {}, "ann"));
  const auto set = [&](const char* key, const char* v) { return log.set_properties(kRoot, {{key, v}}, "ann"); };
  EXPECT_TRUE(set("team", "flights"));
  EXPECT_TRUE(set("delta.checkpointInterval", "3"));
  EXPECT_TRUE(set("delta.deletedFileRetentionDuration", "interval 2 weeks 1 day"));
  const std::pair<const char*, const char*> refused[] = {{"delta.checkpointInterval", "0"},
                                                         {"delta.appendOnly", "maybe"},
                                                         {"delta.enableChangeDataFeed", "often"},
                                                         {"delta.enableIcebergCompatV2", "true"},
                                                         {"delta.rowTracking.materializedRowIdColumnName", "id"},
                                                         {"delta.deletedFileRetentionDuration", "soon"},
                                                         {"delta.noSuchThing", "1"},
                                                         {"delta.minWriterVersion", "8"},
                                                         {"delta.constraints.c", "id > 0"},
                                                         {"delta.columnMapping.mode", "sideways"},
                                                         {"delta.isolationLevel", "Chaos"}};
  for (const auto& [key, v] : refused) {
    const Error e = error_of(set(key, v));
    EXPECT_EQ(e.code, Errc::invalid_request) << key;
    EXPECT_NE(e.message.find(key), std::string::npos) << e.message;
  }
  EXPECT_TRUE(log.set_properties(kRoot, {{"team", std::nullopt}}, "ann"));
  EXPECT_FALSE(now(log)->metadata.configuration.contains("team"));
  EXPECT_EQ(now(log)->metadata.configuration.at("delta.checkpointInterval"), "3");
}

TEST_F(Rules, AWriterThatSaysWhatItHonoursMayWrite) {
  Metadata m = simple_metadata();
  m.configuration["delta.constraints.positive"] = "id > 0";
  must(log.create(kRoot, m, {}, "ann"));
  EXPECT_TRUE(supports(now(log)->protocol, "checkConstraints"));
  Commit c = append("a.parquet");
  EXPECT_NE(error_of(log.commit(kRoot, 0, c)).message.find("checkConstraints"), std::string::npos);
  c.honours = {"checkConstraints"};
  EXPECT_EQ(must(log.commit(kRoot, 0, c)), 1);
}

TEST_F(Rules, PropertiesBringTheProtocolThatTheyNeed) {
  must(log.create(kRoot, simple_metadata(), {}, "ann"));
  EXPECT_EQ(now(log)->protocol, Protocol{}) << "a plain table stays what every reader knows";
  must(log.set_properties(kRoot, {{"delta.enableDeletionVectors", "true"}}, "ann"));
  auto p = now(log)->protocol;
  EXPECT_EQ(p.min_reader, 3);
  EXPECT_EQ(p.reader_features, std::vector<std::string>{"deletionVectors"});
  EXPECT_EQ(p.writer_features, (std::vector<std::string>{"appendOnly", "deletionVectors", "invariants"})) << "with what version 2 stood for";
  must(log.set_properties(kRoot, {{"delta.enableChangeDataFeed", "true"}}, "ann"));
  EXPECT_TRUE(supports(now(log)->protocol, "changeDataFeed"));
  EXPECT_EQ(now(log)->protocol.reader_features, p.reader_features) << "no reader need know of it";
  must(log.set_properties(kRoot, {{"delta.feature.v2Checkpoint", "supported"}}, "ann"));
  EXPECT_TRUE(supports(now(log)->protocol, "v2Checkpoint"));
  EXPECT_FALSE(now(log)->metadata.configuration.contains("delta.feature.v2Checkpoint"));
  EXPECT_EQ(error_of(log.set_properties(kRoot, {{"delta.feature.timeWarp", "supported"}}, "ann")).code, Errc::unsupported_feature);
  must(log.set_properties(kRoot, {{"delta.enableInCommitTimestamps", "true"}}, "ann"));
  EXPECT_EQ(now(log)->metadata.configuration.at("delta.inCommitTimestampEnablementVersion"), "4");
  EXPECT_EQ((*fresh())->protocol, now(log)->protocol);
}

TEST_F(Rules, MappedColumnsAreNumberedOnceAndForAll) {
  must(log.create(kRoot, simple_metadata(), {file("a.parquet")}, "ann"));
  must(log.set_properties(kRoot, {{"delta.columnMapping.mode", "name"}}, "ann"));
  auto m = now(log)->metadata;
  EXPECT_EQ(physical_name(m.schema.fields[1]), "name") << "files are called so already";
  EXPECT_EQ(m.configuration.at("delta.columnMapping.maxColumnId"), "2");
  const auto change = [&](const Metadata& to) {
    Commit c;
    c.operation = Operation::change_columns;
    c.metadata = to;
    return log.commit(kRoot, now(log)->version, c);
  };
  m.schema.fields[1].name = "called";
  m.schema.fields.erase(m.schema.fields.begin());
  must(change(m));
  m = now(log)->metadata;
  m.schema.fields.push_back({"id", "string", true, {}});
  must(change(m));
  m = now(log)->metadata;
  EXPECT_EQ(column_id(m.schema.fields[1]), 3) << "another column of the same name";
  EXPECT_TRUE(physical_name(m.schema.fields[1]).starts_with("col-"));
  EXPECT_EQ(error_of(log.set_properties(kRoot, {{"delta.columnMapping.mode", "none"}}, "ann")).code, Errc::invalid_request);
}

TEST_F(Rules, RowsAreNumberedWhereTheTableTracksThem) {
  Metadata m = simple_metadata();
  m.configuration["delta.enableRowTracking"] = "true";
  must(log.create(kRoot, m, {}, "ann"));
  EXPECT_TRUE(now(log)->metadata.configuration.contains("delta.rowTracking.materializedRowIdColumnName"));
  Commit two = append("a.parquet");
  two.add[0].stats = R"({"numRecords":7})";
  two.add.push_back(file("b.parquet"));
  must(log.commit(kRoot, 0, two));
  must(log.commit(kRoot, 0, append("c.parquet")));  // a writer that had not seen the others' rows
  const auto base = [&](const char* path) { return now(log)->files.find(path)->extra.at("baseRowId").as_int64(); };
  EXPECT_EQ(base("a.parquet"), 0);
  EXPECT_EQ(base("b.parquet"), 7);
  EXPECT_EQ(base("c.parquet"), 8);
  EXPECT_EQ(now(log)->files.find("c.parquet")->extra.at("defaultRowCommitVersion").as_int64(), 2);
  Commit blind = append("d.parquet");
  blind.add[0].stats.clear();
  EXPECT_EQ(error_of(log.commit(kRoot, 2, blind)).code, Errc::invalid_request);
}

TEST_F(Rules, AFileComesAgainWithAnotherDeletionVector) {
  Metadata m = simple_metadata();
  m.configuration["delta.enableDeletionVectors"] = "true";
  must(log.create(kRoot, m, {file("a.parquet")}, "ann"));
  const auto marked = [&](std::uint64_t row) {
    Commit c = removal("a.parquet");
    c.add = {file("a.parquet")};
    c.add[0].deletion_vector = (*write_vectors(objects, kRoot, {{row}}))[0];
    return c;
  };
  auto first = marked(0), second = marked(1);
  must(log.commit(kRoot, 0, first));
  EXPECT_EQ(now(log)->files.size(), 1u);
  EXPECT_EQ(error_of(log.commit(kRoot, 0, second)).code, Errc::conflict) << "it would bring back the first's row";
  EXPECT_EQ(error_of(log.commit(kRoot, 1, first)).code, Errc::invalid_request) << "the same vector again";
  must(log.commit(kRoot, 1, second));
  EXPECT_EQ((*fresh())->files.size(), 1u);
  EXPECT_EQ(dv_id((*fresh())->files[0].deletion_vector), dv_id(second.add[0].deletion_vector));
}

TEST_F(Rules, AFileIsRemovedAsItsLogSpellsIt) {
  must(log.create(kRoot, simple_metadata(), {}, "ann"));
  // Another writer's spelling of p=é/a.parquet: whoever compares paths as text must find it again.
  write_log(commit_name(1), R"({"add":{"path":"p=é/a.parquet","partitionValues":{},"size":1,"modificationTime":1,"dataChange":true}})"
                            "\n");
  ASSERT_EQ(now(log)->files[0].path, "p=é/a.parquet");
  must(log.commit(kRoot, 1, removal("p=é/a.parquet")));
  EXPECT_NE(read_log(commit_name(2)).find(R"("remove":{"path":"p=é/a.parquet")"), std::string::npos) << read_log(commit_name(2));
  must(log.commit(kRoot, 2, append("p=é/b.parquet")));
  must(log.commit(kRoot, 3, removal("p=é/b.parquet")));
  EXPECT_NE(read_log(commit_name(4)).find(R"("remove":{"path":"p=%C3%A9/b.parquet")"), std::string::npos);
  EXPECT_TRUE((*fresh())->files.empty());
}

TEST_F(Rules, OldLogsAreCleanedUpToACheckpoint) {
  Metadata m = simple_metadata();
  m.configuration["delta.logRetentionDuration"] = "interval 2 days";
  must(log.create(kRoot, m, {}, "ann"));
  for (int v = 0; v < 14; ++v) must(log.commit(kRoot, v, append(fmt::format("f{}.parquet", v))));
  log.drain();
  const auto clean = [&](Millis later) { return clean_log(objects, kRoot, m, clock.now() + later).value(); };
  constexpr Millis day = 24LL * 3600 * 1000;
  EXPECT_EQ(clean(day), 0u) << "nothing is old";
  EXPECT_EQ(clean(5 * day), 10u) << "the commits before the checkpoint of version 10";
  EXPECT_EQ((*fresh())->files.size(), 14u);
  EXPECT_EQ(error_of(fresh(5)).code, Errc::version_not_found);
  EXPECT_EQ(clean(5 * day), 0u);
}

TEST_F(Rules, ATableWithTimestampNtzDeclaresTheFeature) {
  Metadata m = simple_metadata();
  m.schema.fields.push_back({"at", *delta_type("struct<t:timestamp_ntz>"), true, {}});
  must(log.create(kRoot, m, {}, "ann"));
  const Protocol p = now(log)->protocol;
  EXPECT_EQ(p.min_reader, 3);
  EXPECT_EQ(p.min_writer, 7);
  EXPECT_EQ(p.reader_features, std::vector<std::string>{"timestampNtz"});
  EXPECT_EQ(must(log.commit(kRoot, 0, append("a.parquet"))), 1);
}

TEST_F(Rules, InCommitTimestampsAlwaysGrow) {
  write_log(commit_name(0), R"({"commitInfo":{"inCommitTimestamp":1763850000500,"operation":"CREATE TABLE"}})"
                            "\n" +
                                version_zero(R"({"minReaderVersion":1,"minWriterVersion":7,"writerFeatures":["inCommitTimestamp"]})", kId,
                                             R"({"delta.enableInCommitTimestamps":"true"})"));
  EXPECT_EQ(now(log)->timestamp, 1763850000500);
  must(log.commit(kRoot, 0, append("a.parquet")));  // the clock stands half a second earlier
  EXPECT_TRUE(read_log(commit_name(1)).starts_with(R"({"commitInfo":{"inCommitTimestamp":1763850000501,)"));
  EXPECT_EQ(now(log)->timestamp, 1763850000501);
  EXPECT_EQ((*fresh())->timestamp, 1763850000501);
}

TEST_F(Rules, ARemoveCarriesTheFilesDeletionVectorAndPartition) {
  write_log(
      commit_name(0),
      version_zero(R"({"minReaderVersion":3,"minWriterVersion":7,"readerFeatures":["deletionVectors"],"writerFeatures":["deletionVectors"]})", kId) +
          R"({"add":{"path":"a.parquet","partitionValues":{},"size":5,"modificationTime":1,"dataChange":true,"deletionVector":{"storageType":"u","pathOrInlineDv":"abc","offset":1,"sizeInBytes":4,"cardinality":2},"tags":{"k":"v"}}})"
          "\n");
  EXPECT_TRUE(now(log)->has_deletion_vectors());
  must(log.commit(kRoot, 0, removal("a.parquet")));
  EXPECT_NE(
      read_log(commit_name(1)).find(R"("deletionVector":{"storageType":"u","pathOrInlineDv":"abc","offset":1,"sizeInBytes":4,"cardinality":2})"),
      std::string::npos);
  EXPECT_TRUE(now(log)->files.empty());
  EXPECT_TRUE((*fresh())->files.empty());
}

TEST_F(Rules, Intervals) {
  EXPECT_EQ(parse_interval("interval 1 week"), 604'800'000);
  EXPECT_EQ(parse_interval("INTERVAL 2 days 3 hours"), 183'600'000);
  EXPECT_EQ(parse_interval("interval"), std::nullopt);
  EXPECT_EQ(parse_interval("interval 1 fortnight"), std::nullopt);
  EXPECT_EQ(parse_interval("interval -1 day"), std::nullopt);
}

}  // namespace
}  // namespace tarn::delta
