#pragma once
// Lineage: which statement moved what from where to where, across workspaces of one metastore. Writes are recorded with their statement,
// synchronously; plain reads by group commit within 100 ms (a read changes nothing and must not cost a disk sync).
// Source: Databricks docs, "View data lineage using the data lineage API" and "Lineage system tables reference".
#include <condition_variable>
#include <mutex>
#include <thread>

#include "catalog/core.h"

namespace tarn::catalog {

/// One neighbour of a table in the lineage graph, as the API tells it.
struct TableNeighbour {
  std::string name, catalog_name, schema_name, table_type = "TABLE", lineage_timestamp;
};
BOOST_DESCRIBE_STRUCT(TableNeighbour, (), (name, catalog_name, schema_name, table_type, lineage_timestamp))
struct ColumnNeighbour {
  std::string name, catalog_name, schema_name, table_name, table_type = "TABLE", lineage_timestamp;
  std::optional<std::int64_t> workspace_id;
};
BOOST_DESCRIBE_STRUCT(ColumnNeighbour, (), (name, catalog_name, schema_name, table_name, table_type, lineage_timestamp, workspace_id))

template <class N>
struct Neighbours {
  std::vector<N> upstreams, downstreams;
};

class Lineage {
 public:
  explicit Lineage(const Core& core);
  ~Lineage();

  void record(const access::Context& ctx, const LineageRecord& record);
  /// Newest first. Needs SELECT on system.access.table_lineage or column_lineage; edges of tables that the caller may not see are left out even so.
  Result<std::vector<Catalog::LineageRow>> rows(const access::Context& ctx, bool column_level);
  /// The caller must see the table (BROWSE is enough). Neighbours that the caller may not see are left out.
  Result<Neighbours<TableNeighbour>> table(const access::Context& ctx, std::string_view full_name);
  Result<Neighbours<ColumnNeighbour>> column(const access::Context& ctx, std::string_view full_name, std::string_view column);
  Result<std::vector<store::AuditRecord>> audit_rows(const access::Context& ctx, const store::AuditFilter& filter, std::size_t limit);
  /// Waits until every read recorded so far is in the store.
  void flush();

 private:
  struct Pending {
    store::AuditEvent event;
    std::vector<LineageEdgeRecord> edges;
  };
  void run();
  void write(std::vector<Pending> batch);
  std::vector<LineageEdgeRecord> edges_of(const access::Context& ctx, const LineageRecord& record, const std::string& metastore_id) const;
  template <class N, class Make>
  Result<Neighbours<N>> neighbours(const access::Context& ctx, std::string_view full_name, std::string_view column, Make&& make);

  const Core& core_;
  std::mutex mutex_;
  std::condition_variable wake_, done_;
  std::vector<Pending> pending_;
  std::uint64_t posted_ = 0, written_ = 0;
  bool stop_ = false, hurry_ = false;
  std::thread thread_;  // last: it uses everything above
};

}  // namespace tarn::catalog
