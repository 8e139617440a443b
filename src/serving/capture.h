#pragma once
// Inference tables: what endpoints were asked and answered, written to CATALOG.SCHEMA.PREFIX_payload with the rights of whoever switched it on.
// A row is in a spool file within 200 ms of its answer and in the table some seconds later; a spool outlives restarts, and a batch that was
// committed just before a crash is found in the table and not written twice. What a schema refuses stays in the spool, up to 64 MB an endpoint,
// beyond which new rows are dropped, with a warning. Thread-safe.
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

#include "identity/directory.h"
#include "serving/types.h"

namespace tarn::serving {

struct CaptureRow {
  std::string request_id, client_request_id, served_model, entity_name, entity_version, requester, request, response;
  Millis timestamp = 0;
  int status = 200;
  std::int64_t execution_ms = 0;
  double sampling_fraction = 1;
};
BOOST_DESCRIBE_STRUCT(CaptureRow, (),
                      (request_id, client_request_id, served_model, entity_name, entity_version, requester, request, response, timestamp, status,
                       execution_ms, sampling_fraction))

/// What a spool is for; kept beside it.
struct CaptureTarget {
  std::string endpoint_id, endpoint_name, catalog, schema, table;
  std::int64_t workspace_id = 0, as_principal = 0;
  std::string full() const { return "`" + catalog + "`.`" + schema + "`.`" + table + "`"; }
};
BOOST_DESCRIBE_STRUCT(CaptureTarget, (), (endpoint_id, endpoint_name, catalog, schema, table, workspace_id, as_principal))

/// Whether a request is among those that are kept.
bool sampled(double fraction);

class CaptureLog {
 public:
  /// Runs a statement as a caller: its first value, or a text for people.
  using Run = std::function<Expected<std::string, std::string>(const access::Context&, const std::string& sql)>;
  CaptureLog(std::string folder, identity::Directory& directory, Run run);
  ~CaptureLog() { stop(); }
  void start();
  /// Writes what it has into spools, tries the tables once more, and ends.
  void stop();
  void add(const Endpoint& endpoint, const Capture& capture, CaptureRow row);

 private:
  void keep(std::stop_token stop);
  void spool();
  void flush();
  bool write_batch(const CaptureTarget& target, const std::string& file, bool old);

  const std::string folder_;
  identity::Directory& directory_;
  const Run run_;
  std::mutex mutex_;
  std::condition_variable_any wake_;
  std::map<std::string, std::pair<CaptureTarget, std::vector<CaptureRow>>> rows_;  // by the endpoint's id
  std::size_t bytes_ = 0;
  std::set<std::string> fresh_;  // batches of this process, which cannot be in a table yet
  std::set<std::string> made_;   // tables known to be there
  std::jthread thread_;
};

}  // namespace tarn::serving
