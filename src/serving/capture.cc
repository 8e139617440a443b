#include "serving/capture.h"

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <random>

#include "base/ids.h"
#include "base/log.h"

namespace tarn::serving {
namespace {

namespace fs = std::filesystem;
constexpr auto kSpoolEvery = std::chrono::milliseconds(200);
constexpr int kFlushTurns = 15;                   // of kSpoolEvery: 3 s
constexpr std::size_t kMostText = 256u << 10;     // of one request or answer
constexpr std::size_t kMostBuffered = 64u << 20;  // rows that wait for their spool
constexpr std::uint64_t kMostSpool = 64u << 20;   // of one endpoint
constexpr std::size_t kBatchRows = 500;

/// A string literal of Databricks SQL.
std::string sql_text(std::string_view text) {
  std::string out = "'";
  for (const char c : text) {
    if (c == '\\' || c == '\'') out += '\\';
    if (c == '\n')
      out += "\\n";
    else if (c == '\r')
      out += "\\r";
    else if (c != '\0')
      out += c;
  }
  return out + "'";
}

std::string date_of(Millis at) { return to_rfc3339(at).substr(0, 10); }

std::uint64_t bytes_in(const fs::path& folder) {
  std::uint64_t n = 0;
  std::error_code ignored;
  for (const auto& f : fs::directory_iterator(folder, ignored)) n += f.file_size(ignored);
  return n;
}

}  // namespace

bool sampled(double fraction) {
  if (fraction >= 1) return true;
  thread_local std::mt19937 engine{std::random_device{}()};
  return std::uniform_real_distribution<>(0, 1)(engine) < fraction;
}

CaptureLog::CaptureLog(std::string folder, identity::Directory& directory, Run run)
    : folder_(std::move(folder)), directory_(directory), run_(std::move(run)) {}

void CaptureLog::start() {
  fs::create_directories(folder_);
  thread_ = std::jthread([this](std::stop_token stop) { keep(stop); });
}

void CaptureLog::stop() {
  if (!thread_.joinable()) return;
  thread_.request_stop();
  thread_.join();
}

void CaptureLog::add(const Endpoint& endpoint, const Capture& capture, CaptureRow row) {
  if (row.request.size() > kMostText) row.request.resize(kMostText);
  if (row.response.size() > kMostText) row.response.resize(kMostText);
  const std::size_t size = row.request.size() + row.response.size() + 300;
  std::lock_guard lock(mutex_);
  if (bytes_ + size > kMostBuffered) return;
  bytes_ += size;
  auto& [target, rows] = rows_[endpoint.id];
  target = {.endpoint_id = endpoint.id,
            .endpoint_name = endpoint.name,
            .catalog = capture.catalog_name,
            .schema = capture.schema_name,
            .table = capture.table(),
            .workspace_id = endpoint.workspace_id,
            .as_principal = endpoint.creator_id};
  rows.push_back(std::move(row));
}

void CaptureLog::keep(std::stop_token stop) {
  for (int turn = 1;; ++turn) {
    {
      std::unique_lock lock(mutex_);
      wake_.wait_for(lock, stop, kSpoolEvery, [] { return false; });
    }
    const bool last = stop.stop_requested();
    try {
      spool();
      if (turn % kFlushTurns == 0 || last) flush();
    } catch (const std::exception& e) {
      spdlog::warn("serving: an inference table's spool fails cause=\"{}\"", e.what());
    }
    if (last) return;
  }
}

void CaptureLog::spool() {
  decltype(rows_) rows;
  {
    std::lock_guard lock(mutex_);
    rows.swap(rows_);
    bytes_ = 0;
  }
  for (auto& [id, waiting] : rows) {
    auto& [target, list] = waiting;
    const fs::path folder = fs::path(folder_) / id;
    fs::create_directories(folder);
    if (bytes_in(folder) > kMostSpool) {
      spdlog::warn("serving: the inference table {} cannot be written and its spool is full; rows dropped rows={}", target.full(), list.size());
      continue;
    }
    for (std::size_t from = 0; from < list.size(); from += kBatchRows) {
      // A batch is one file, whole or not there: first the target, then a row a line.
      const std::string name = fmt::format("{:019}-{}.jsonl", list[from].timestamp, new_hex(4));
      const auto next = folder / ("." + name);
      std::ofstream out(next, std::ios::trunc);
      out << json::encode_text(target) << "\n";
      for (std::size_t i = from; i < std::min(list.size(), from + kBatchRows); ++i) out << json::encode_text(list[i]) << "\n";
      if (!out.flush()) throw std::runtime_error("cannot write " + next.string());
      out.close();
      fresh_.insert(name);
      fs::rename(next, folder / name);
    }
  }
}

void CaptureLog::flush() {
  std::error_code ignored;
  for (const auto& endpoint : fs::directory_iterator(folder_, ignored)) {
    std::vector<fs::path> files;
    for (const auto& f : fs::directory_iterator(endpoint.path(), ignored))
      if (!f.path().filename().string().starts_with('.')) files.push_back(f.path());
    std::ranges::sort(files);
    for (const auto& file : files) {
      std::ifstream in(file);
      std::string head;
      std::getline(in, head);
      const auto target = json::decode_text<CaptureTarget>(head);
      const bool old = !fresh_.contains(file.filename().string());
      if (!target || write_batch(*target, file.string(), old)) {
        fs::remove(file, ignored);
        fresh_.erase(file.filename().string());
      } else {
        break;  // in order, and not again and again
      }
    }
    if (files.empty()) fs::remove(endpoint.path(), ignored);
  }
}

bool CaptureLog::write_batch(const CaptureTarget& t, const std::string& file, bool old) {
  const auto caller = directory_.caller(t.as_principal, t.workspace_id);
  if (!caller) {
    spdlog::warn("serving: the inference table {} is not written: whose rights it needs is gone", t.full());
    return false;
  }
  access::Context ctx;
  ctx.caller = *caller;
  ctx.workspace_id = t.workspace_id;
  ctx.request_id = "inference-table-" + t.endpoint_name;
  std::ifstream in(file);
  std::string line, values, first;
  std::getline(in, line);
  while (std::getline(in, line)) {
    const auto r = json::decode_text<CaptureRow>(line, {.absent = json::Absent::keep});
    if (!r) continue;
    if (first.empty()) first = r->request_id;
    values += fmt::format(
        "{}({},{},DATE'{}',{},{},{},{},{},{},map_from_arrays(array('endpoint_name','model_name','model_version','served_model','requester'),array({},"
        "{},{},{},{})))",
        values.empty() ? "" : ",", sql_text(r->client_request_id), sql_text(r->request_id), date_of(r->timestamp), r->timestamp, r->status,
        fmt::format("CAST({} AS DOUBLE)", r->sampling_fraction), r->execution_ms, sql_text(r->request), sql_text(r->response),
        sql_text(t.endpoint_name), sql_text(r->entity_name), sql_text(r->entity_version), sql_text(r->served_model), sql_text(r->requester));
  }
  if (values.empty()) return true;
  const auto run = [&](const std::string& sql) {
    auto done = run_(ctx, sql);
    if (!done) spdlog::warn("serving: the inference table {} is not written cause=\"{}\"", t.full(), done.error());
    return done;
  };
  if (!made_.contains(t.full())) {
    if (!run("CREATE TABLE IF NOT EXISTS " + t.full() +
             " (client_request_id STRING, databricks_request_id STRING, date DATE, timestamp_ms BIGINT, status_code INT, sampling_fraction DOUBLE, "
             "execution_time_ms BIGINT, request STRING, response STRING, request_metadata MAP<STRING, STRING>)"))
      return false;
    made_.insert(t.full());
  }
  if (old) {  // of a process that ended: its commit may have been the last thing it did
    const auto there = run("SELECT count(*) FROM " + t.full() + " WHERE databricks_request_id = " + sql_text(first));
    if (!there) return false;
    if (*there != "0") return true;
  }
  if (run("INSERT INTO " + t.full() + " VALUES " + values)) return true;
  made_.erase(t.full());  // somebody may have dropped it
  return false;
}

}  // namespace tarn::serving
