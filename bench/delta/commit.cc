// What a commit and a read of the newest version cost, at several lengths of the log, over local folders.
//   bench_delta FOLDER [LENGTH …]      (default 10 1000 10000), one JSON line a length
// Each length has a table of its own with that many live files; 200 appends and 2,000 snapshot calls are timed one by one.
#include <chrono>
#include <filesystem>
#include <iostream>

#include "delta/log_files.h"
#include "objects/local_objects.h"

using namespace tarn;

namespace {

double milliseconds(const std::function<void()>& work) {
  const auto began = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - began).count();
}

json::object shape(std::vector<double> all) {
  std::sort(all.begin(), all.end());
  auto at = [&](double q) { return std::round(all[static_cast<std::size_t>(q * static_cast<double>(all.size() - 1))] * 1000) / 1000; };
  return {{"p50_ms", at(0.5)}, {"p99_ms", at(0.99)}, {"max_ms", at(1)}};
}

delta::Commit append(int n) {
  delta::Commit c;
  c.add.resize(1);
  c.add[0].path = fmt::format("part-{:08d}-5fba94ed-9794-4965-ba6e-6ee3c0d22af9.c000.snappy.parquet", n);
  c.add[0].size = 1'000'000;
  c.add[0].stats =
      R"({"numRecords":1000,"minValues":{"id":1,"name":"aaaaaaaaaaaa"},"maxValues":{"id":1000,"name":"zzzzzzzzzzzzzzz"},"nullCount":{"id":0,"name":3}})";
  return c;
}

void must(const auto& result) {
  if (!result) throw std::runtime_error(result.error().message);
}

void measure(const std::string& folder, int length) {
  objects::LocalObjects objects(folder);
  must(objects.create_bucket("lake"));
  const objects::Url root{"lake", fmt::format("t{}", length)};
  SystemClock clock;
  auto codec = delta::duckdb_parquet_codec(objects);
  delta::DeltaLog log(objects, *codec, clock);
  delta::Metadata metadata;
  metadata.schema.fields = {{"id", "long", true, {}}, {"name", "string", true, {}}};
  // With the usual ten a table of so many files would spend its time on checkpoints while it is filled.
  if (length > 10'000) metadata.configuration["delta.checkpointInterval"] = "1000";
  must(log.create(root, metadata, {}, "bench"));
  std::int64_t version = 0;
  int n = 0;
  while (version < length) {
    auto done = log.commit(root, version, append(n++));
    must(done);
    version = *done;
  }
  log.drain();
  std::vector<double> commits, warm, foreign, cold;
  for (int i = 0; i < 200; ++i) {
    commits.push_back(milliseconds([&] {
      auto done = log.commit(root, version, append(n++));
      must(done);
      version = *done;
    }));
  }
  log.drain();
  for (int i = 0; i < 2000; ++i) warm.push_back(milliseconds([&] { must(log.snapshot(root)); }));
  // A reader that follows somebody else's commits, and one that knows nothing yet.
  delta::DeltaLog reader(objects, *codec, clock);
  must(reader.snapshot(root));
  for (int i = 0; i < 50; ++i) {
    auto done = log.commit(root, version, append(n++));
    must(done);
    version = *done;
    foreign.push_back(milliseconds([&] { must(reader.snapshot(root)); }));
  }
  log.drain();
  for (int i = 0; i < 5; ++i) {
    delta::DeltaLog fresh(objects, *codec, clock);
    cold.push_back(milliseconds([&] { must(fresh.snapshot(root)); }));
  }
  const double checkpoint = [&] {
    (void)objects.remove(delta::log_url(root, delta::checkpoint_name(version)));
    return milliseconds([&] { must(log.checkpoint(root)); });
  }();
  // What the disk itself asks for: one durable put of the same size.
  std::vector<double> floor;
  for (int i = 0; i < 200; ++i)
    floor.push_back(milliseconds([&] { must(objects.put({"lake", fmt::format("floor/{}/{}", length, i)}, std::string(900, 'x'), true)); }));
  std::cout << json::value(json::object{{"log_length", length},
                                        {"commit", shape(commits)},
                                        {"durable_put", shape(floor)},
                                        {"snapshot_unchanged", shape(warm)},
                                        {"snapshot_one_new_commit", shape(foreign)},
                                        {"snapshot_cold", shape(cold)},
                                        {"checkpoint_ms", std::round(checkpoint * 10) / 10}})
            << std::endl;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) return std::cerr << "usage: bench_delta FOLDER [LENGTH …]\n", 2;
  std::vector<int> lengths;
  for (int i = 2; i < argc; ++i) lengths.push_back(std::atoi(argv[i]));
  if (lengths.empty()) lengths = {10, 1000, 10'000};
  for (const int length : lengths) measure(argv[1], length);
}
