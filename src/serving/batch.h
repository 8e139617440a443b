#pragma once
// Rows of a SQL statement (ai_query) asked of an endpoint by threads that may block. They meet the rights, limits, features, signature, counts and
// inference table that single requests meet. One request holds at most 256 rows and 1 MB; four are under way at a time. Thread-safe.
#include "access/object_permissions.h"
#include "serving/capture.h"
#include "serving/runtime.h"

namespace tarn::serving {

struct RowAnswer {
  enum class Kind { null, value, failed } kind = Kind::null;
  std::string text;  // a string as it is, anything else as JSON; failed: why, for people
};

class Batches {
 public:
  Batches(Runtime& runtime, CaptureLog& capture, access::ObjectPermissions& permissions, const Clock& clock)
      : runtime_(runtime), capture_(capture), permissions_(permissions), clock_(clock) {}

  /// The SQL type of an endpoint's answer to one row, by its model's signature. Needs CAN_QUERY. Error invalid: the signature does not tell.
  Result<std::string> type_of(const access::Context& ctx, const std::string& endpoint);
  /// One answer for each input, which is JSON: an object is a record of the model's columns, any other value its only column. `each`: what is wrong
  /// with a row is that row's answer; otherwise the first refusal is the call's. A full queue or a scorer that ended is tried again within the
  /// request's time. `cancelled` is asked while it waits.
  Result<std::vector<RowAnswer>> ask(const access::Context& ctx, const std::string& endpoint, const std::vector<std::string>& inputs, bool each,
                                     const std::function<bool()>& cancelled);

 private:
  struct Part;
  Result<std::shared_ptr<const View>> endpoint_of(const access::Context& ctx, const std::string& name);
  Result<std::shared_ptr<const Model>> model_of(const View& view, const Served& served, Steady::time_point deadline,
                                                const std::function<bool()>& cancelled) const;
  void send(const access::Context& ctx, Part& part, const json::array& rows, const std::function<bool()>& cancelled);
  Result<std::vector<RowAnswer>> answers(const access::Context& ctx, Part& part, const json::array& rows, const std::function<bool()>& cancelled);

  Runtime& runtime_;
  CaptureLog& capture_;
  access::ObjectPermissions& permissions_;
  const Clock& clock_;
};

}  // namespace tarn::serving
