#pragma once
// SQL over the Statement Execution API (/api/2.0/sql/statements), as the shell and the demo use it: submit, wait, collect all chunks.
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "client/session.h"

namespace tarn::client {

struct ResultSet {
  std::string statement_id;
  std::vector<std::string> columns, types;
  std::vector<std::vector<std::optional<std::string>>> rows;
  bool truncated = false;
};

/// One workspace's SQL through one warehouse.
class Statements {
 public:
  /// `warehouse` empty: the first one of the workspace that the caller may use; none there is an error that says how to make one.
  static Result<Statements> open(Session& session, const std::string& deployment, std::string warehouse = {});

  /// Runs one statement to its end. A statement that fails is an ApiError with the engine's error class in its text.
  /// `keep_waiting` is asked between polls; when it answers false the statement is cancelled.
  Result<ResultSet> run(const std::string& sql, const std::string& catalog = {}, const std::string& schema = {},
                        const std::function<bool()>& keep_waiting = {});
  /// Opens a session for the statements that follow: USE, variables and settings last from one to the next. Ended by end_session().
  Result<void> begin_session(const std::string& catalog = {}, const std::string& schema = {});
  void end_session();
  const std::string& warehouse() const { return warehouse_; }

 private:
  Statements(Session& session, std::string deployment, std::string warehouse)
      : session_(&session), deployment_(std::move(deployment)), warehouse_(std::move(warehouse)) {}
  Session* session_;
  std::string deployment_, warehouse_, in_session_;
};

}  // namespace tarn::client
