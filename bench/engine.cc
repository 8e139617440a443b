// The SQL engine alone, through its pool: latency of a small statement, throughput of eight callers, streaming, the first statement of a scope.
//   bench_engine PATH/tarn-engine
#include "engine/engine.h"

#include <cstdio>
#include <filesystem>
#include <thread>

#include "base/ids.h"

namespace {

using namespace tarn::engine;
using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point t) { return std::chrono::duration<double>(Clock::now() - t).count(); }

bool run(Pool& pool, const Scope& scope, const std::string& sql, Format format = Format::json_array, std::size_t* bytes = nullptr,
         bool keep_plan = false) {
  Request request;
  request.keep_plan = keep_plan;
  request.sql = sql;
  request.format = format;
  Sink sink;
  sink.chunk = [&](std::string chunk, std::int64_t) {
    if (bytes) *bytes += chunk.size();
    return true;
  };
  const auto result = pool.run(scope, request, sink);
  if (!result) std::fprintf(stderr, "%s\n", result.error().message.c_str());
  return result.has_value();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 64;
  const auto folder = std::filesystem::temp_directory_path() / ("tarn-bench-" + tarn::new_hex(6));
  for (const char* name : {"a", "b", "spill"}) std::filesystem::create_directories(folder / name);
  const Scope a{{(folder / "a").string()}, {(folder / "a").string()}}, b{{(folder / "b").string()}, {}};
  {
    Options options;
    options.binary = argv[1];
    options.spill_directory = (folder / "spill").string();
    options.extensions = default_extensions();
    Pool pool(options);
    auto begin = Clock::now();
    if (!run(pool, a, "SELECT 1")) return 1;
    std::printf("| first statement of the first scope, process started for it | %.0f ms |\n", seconds_since(begin) * 1e3);
    while (pool.stats().starts < 2) std::this_thread::yield();
    std::this_thread::sleep_for(std::chrono::seconds(1));  // the spare loads its extensions
    begin = Clock::now();
    if (!run(pool, b, "SELECT 1")) return 1;
    std::printf("| first statement of another scope, with a spare process | %.1f ms |\n", seconds_since(begin) * 1e3);

    constexpr int rounds = 5000;
    for (const bool kept : {false, true}) {
      const char* how = kept ? ", its plan kept" : "";
      std::vector<double> times;
      for (int i = 0; i < rounds; ++i) {
        begin = Clock::now();
        if (!run(pool, a, "SELECT 1", Format::json_array, nullptr, kept)) return 1;
        times.push_back(seconds_since(begin) * 1e3);
      }
      std::sort(times.begin(), times.end());
      std::printf("| SELECT 1%s, one caller | p50 %.3f ms, p99 %.3f ms |\n", how, times[rounds / 2], times[rounds * 99 / 100]);

      begin = Clock::now();
      std::vector<std::thread> threads;
      std::atomic<bool> good{true};
      for (int t = 0; t < 8; ++t)
        threads.emplace_back([&] {
          for (int i = 0; i < rounds / 4; ++i)
            if (!run(pool, a, "SELECT 1", Format::json_array, nullptr, kept)) good = false;
        });
      for (auto& t : threads) t.join();
      if (!good) return 1;
      std::printf("| SELECT 1%s, eight callers | %.0f statements/s |\n", how, rounds * 2 / seconds_since(begin));
    }

    for (const auto& [name, format] : {std::pair{"JSON_ARRAY", Format::json_array}, std::pair{"ARROW_STREAM", Format::arrow_stream}}) {
      std::size_t bytes = 0;
      begin = Clock::now();
      if (!run(pool, a, "SELECT i, 'value ' || i AS s, i / 7 AS d FROM range(10000000) r(i)", format, &bytes)) return 1;
      const auto s = seconds_since(begin);
      std::printf("| 10,000,000 rows of 3 columns as %s | %.2f s, %.0f MB/s |\n", name, s, static_cast<double>(bytes) / s / 1e6);
    }
    begin = Clock::now();
    WriteRequest w;
    w.query = "SELECT i, 'value ' || i AS s, i / 7 AS d FROM range(10000000) r(i)";
    w.directory = (folder / "a").string();
    const auto files = pool.write_parquet(a, w);
    if (!files) return 1;
    std::printf("| 10,000,000 rows of 3 columns to %zu Parquet files | %.2f s |\n", files->size(), seconds_since(begin));
  }
  std::filesystem::remove_all(folder);
}
