#include "engine/child/profiling.h"

#include <charconv>
#include <duckdb.hpp>
#include <duckdb/common/multi_file/multi_file_data.hpp>
#include <duckdb/common/multi_file/multi_file_list.hpp>
#include <duckdb/common/multi_file/multi_file_states.hpp>
#include <duckdb/execution/operator/scan/physical_table_scan.hpp>
#include <duckdb/main/client_config.hpp>
#include <duckdb/main/client_data.hpp>
#include <duckdb/main/query_profiler.hpp>
#include <duckdb/storage/buffer_manager.hpp>
#include <filesystem>

namespace tarn::engine::child {
namespace {

using duckdb::MetricType;

constexpr std::size_t kMostOperators = 200, kMostDetail = 400, kMostText = 24u << 10;
constexpr idx_t kMostFilesLookedAt = 1'024;

duckdb::ClientContext& context_of(const Borrowed& b) {
  return *reinterpret_cast<duckdb::Connection*>(b.get())->context;  // as duckdb's own C API reads the handle
}

void replace_all(std::string& text, const std::string& what) {
  for (auto at = text.find(what); at != std::string::npos; at = text.find(what, at)) text.erase(at, what.size());
}

/// Cut to a length, never within a character.
std::string shortened(std::string text, std::size_t most) {
  if (text.size() <= most) return text;
  while (most > 0 && (static_cast<unsigned char>(text[most]) & 0xC0) == 0x80) --most;
  return text.substr(0, most) + "…";
}

std::string trimmed(std::string text) {
  while (!text.empty() && text.back() == ' ') text.pop_back();
  return text;
}

template <class T>
T metric(const duckdb::ProfilingInfo& info, MetricType type) {
  const auto at = info.metrics.find(type);
  return at == info.metrics.end() || at->second.IsNull() ? T{} : at->second.GetValue<T>();
}

bool scans_files(const Operator& o) { return o.name.starts_with("READ_PARQUET") || o.name.starts_with("PARQUET_SCAN"); }

}  // namespace

Profiling::Profiling(const Borrowed& connection, bool wanted) : connection_(connection), wanted_(wanted) {
  if (!wanted_) return;
  auto& context = context_of(connection_);
  auto& config = duckdb::ClientConfig::GetConfig(context);
  // A new one: the statement before may have been left unfinished, and DuckDB (1.5.5, QueryMetrics::Reset) forgets to forget its highest values.
  duckdb::ClientData::Get(context).profiler = duckdb::make_shared_ptr<duckdb::QueryProfiler>(context);
  config.emit_profiler_output = false;
  config.profiling_coverage = duckdb::ProfilingCoverage::ALL;
  config.profiler_settings = {MetricType::OPERATOR_TIMING,  MetricType::OPERATOR_CARDINALITY,      MetricType::EXTRA_INFO,
                              MetricType::TOTAL_BYTES_READ, MetricType::SYSTEM_PEAK_TEMP_DIR_SIZE, MetricType::LATENCY};
  config.enable_profiler = true;
}

Profiling::~Profiling() {
  if (wanted_) duckdb::ClientConfig::GetConfig(context_of(connection_)).enable_profiler = false;
}

void Profiling::planned() {
  if (!wanted_) return;
  spilled_before_ = duckdb::BufferManager::GetBufferManager(context_of(connection_)).GetUsedSwap() > 0;
  for (const auto& [op, node] : duckdb::QueryProfiler::Get(context_of(connection_)).GetTreeMap()) {
    if (op.get().type != duckdb::PhysicalOperatorType::TABLE_SCAN) continue;
    const auto& scan = op.get().Cast<duckdb::PhysicalTableScan>();
    if (scan.function.name == "delta_scan") all_known_ = false;
    if (!scan.bind_data || (scan.function.name != "read_parquet" && scan.function.name != "parquet_scan")) continue;
    const auto& list = *scan.bind_data->Cast<duckdb::MultiFileBindData>().file_list;
    Scan one;
    const auto count = list.GetTotalFileCount();
    one.files = static_cast<std::int64_t>(count);
    one.file = list.GetFirstFile().path;
    if (count <= kMostFilesLookedAt) {
      std::uintmax_t bytes = 0;
      for (const auto& file : list.GetAllFiles()) {
        std::error_code failure;
        const auto size = std::filesystem::file_size(file.path, failure);
        if (!failure) bytes += size;
      }
      one.bytes = static_cast<std::int64_t>(bytes);
    }
    scans_[&node.get()] = std::move(one);
  }
}

std::optional<Profile> Profiling::taken() {
  if (!wanted_) return std::nullopt;
  Profile out;
  bool any = false;
  auto& profiler = duckdb::QueryProfiler::Get(context_of(connection_));
  profiler.FinalizeMetrics();
  std::vector<std::string> folders;
  for (const auto* list : {&connection_.scope().directories, &connection_.scope().writable})
    for (auto folder : *list) folders.push_back(folder.ends_with('/') ? folder : folder + "/");
  std::size_t text = 0;
  const auto visit = [&](const auto& self, duckdb::ProfilingNode& node, std::uint32_t depth) -> void {
    if (out.operators.size() >= kMostOperators) {
      ++out.operators_left_out;
      for (auto& child : node.children) self(self, *child, depth + 1);
      return;
    }
    const auto& info = node.GetProfilingInfo();
    Operator o;
    o.depth = depth;
    o.name = trimmed(metric<std::string>(info, MetricType::OPERATOR_NAME));
    o.seconds = metric<double>(info, MetricType::OPERATOR_TIMING);
    o.rows = metric<std::int64_t>(info, MetricType::OPERATOR_CARDINALITY);
    if (info.metrics.contains(MetricType::EXTRA_INFO))
      for (const auto& [key, value] : info.GetMetricValue<duckdb::InsertionOrderPreservingMap<std::string>>(MetricType::EXTRA_INFO)) {
        if (key == "Total Files Read") {
          std::int64_t n = 0;
          std::from_chars(value.data(), value.data() + value.size(), n);
          o.files_opened = n;
          continue;
        }
        if (key == "Filename(s)" || key == "Function" || value.empty()) continue;
        auto shown = value;
        for (const auto& folder : folders) replace_all(shown, folder);
        shown = shortened(std::move(shown), kMostDetail);
        if ((text += shown.size()) > kMostText) continue;
        o.details.emplace_back(key == "__estimated_cardinality__" ? "Estimated Rows" : key, std::move(shown));
      }
    if (const auto scan = scans_.find(&node); scan != scans_.end()) {
      o.files_planned = scan->second.files;
      o.file = scan->second.file;
    }
    if (scans_files(o)) out.rows_read += o.rows;
    out.cpu_seconds += o.seconds;
    out.operators.push_back(std::move(o));
    for (auto& child : node.children) self(self, *child, depth + 1);
  };
  profiler.GetRootUnderLock([&](duckdb::optional_ptr<duckdb::ProfilingNode> root) {
    if (!root || root->children.empty()) return;
    any = true;
    const auto& info = root->GetProfilingInfo();
    out.seconds = metric<double>(info, MetricType::LATENCY);
    out.bytes_read = metric<std::int64_t>(info, MetricType::TOTAL_BYTES_READ);
    if (connection_.alone() && !spilled_before_) out.spilled_bytes = metric<std::int64_t>(info, MetricType::SYSTEM_PEAK_TEMP_DIR_SIZE);
    visit(visit, *root->children[0], 0);
  });
  if (!any) return std::nullopt;
  if (!out.operators.empty()) out.rows = out.operators[0].rows;
  if (all_known_) {
    out.files = 0, out.file_bytes = 0;
    for (const auto& [node, scan] : scans_) {
      *out.files += scan.files;
      if (out.file_bytes) out.file_bytes = scan.bytes ? std::optional(*out.file_bytes + *scan.bytes) : std::nullopt;
    }
  }
  return out;
}

}  // namespace tarn::engine::child
