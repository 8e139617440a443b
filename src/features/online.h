#pragma once
// Online values of feature tables: an indexed copy in memory of the newest row of each key, loaded with the rights of whoever serves the model
// and kept fresh by the table's commits. Staleness: a commit is in the copy at most kPoll plus the time of one load after it. A copy that
// cannot be loaded any more (a right revoked, the table dropped) answers nothing rather than old values.
//
// A model brings its lookups along as feature_spec.json in its folder (python/tarn_features.py writes it):
//   {"lookups": [{"table": "c.s.t", "keys": {"COLUMN OF TABLE": "COLUMN OF REQUEST"}, "features": ["a", "b"], "timeseries": "ts"}]}
// Thread-safe; opening blocks.
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <unordered_map>

#include "access/caller.h"
#include "base/json.h"
#include "base/result.h"

namespace tarn::features {

using Error = std::string;  // a text for people
template <class T>
using Result = Expected<T, Error>;

struct Lookup {
  std::string table;
  std::map<std::string, std::string> keys;
  std::vector<std::string> features;
  std::optional<std::string> timeseries;
};
BOOST_DESCRIBE_STRUCT(Lookup, (), (table, keys, features, timeseries))
struct Spec {
  std::vector<Lookup> lookups;
};
BOOST_DESCRIBE_STRUCT(Spec, (), (lookups))

struct Rows {
  std::vector<std::string> types;  // of the columns, as Databricks SQL spells them
  std::vector<std::vector<std::optional<std::string>>> rows;
};
/// Runs a statement as a caller.
using Query = std::function<Result<Rows>(const access::Context&, const std::string& sql)>;

/// The indexed copy of one lookup's table.
class Copy {
 public:
  Copy(Lookup lookup, access::Context ctx, const Query& query) : lookup_(std::move(lookup)), ctx_(std::move(ctx)), query_(query) {}
  /// Loads if the table has commits that the copy has not. The error stays with the copy until a load goes well.
  Result<void> refresh();
  const Lookup& lookup() const { return lookup_; }

  struct Values {
    std::vector<std::string> types;
    std::unordered_map<std::string, std::vector<json::value>> by_key;
    std::string version;
  };
  /// The newest copy; every feature of one request comes from one of them.
  Result<std::shared_ptr<const Values>> values() const;

 private:
  Result<std::shared_ptr<const Values>> load(const std::string& version) const;
  const Lookup lookup_;
  const access::Context ctx_;
  const Query& query_;
  std::mutex loading_;
  mutable std::mutex mutex_;
  std::shared_ptr<const Values> values_;
  Error why_ = "it is not loaded yet";
};

/// The lookups of one model.
class Features {
 public:
  explicit Features(std::vector<std::shared_ptr<Copy>> copies) : copies_(std::move(copies)) {}
  /// A scoring request with the features that its keys name, as dataframe_records; keys that the model does not take are left out. What a request
  /// brings itself stays. A key without a row gives nulls. `wanted`: the model's columns.
  Result<std::string> filled(std::string_view body, const std::vector<std::string>& wanted) const;
  const std::vector<std::shared_ptr<Copy>>& copies() const { return copies_; }

 private:
  std::vector<std::shared_ptr<Copy>> copies_;
};

class Online {
 public:
  static constexpr auto kPoll = std::chrono::seconds(2);
  explicit Online(Query query) : query_(std::move(query)) {}
  ~Online() { stop(); }
  void start();
  void stop();
  /// Reads a spec and loads its tables as the caller.
  Result<std::shared_ptr<const Features>> open(const access::Context& ctx, std::string_view spec);

 private:
  void follow(std::stop_token stop);
  const Query query_;
  std::mutex mutex_;
  std::condition_variable_any wake_;
  std::vector<std::weak_ptr<Copy>> copies_;
  std::jthread thread_;
};

}  // namespace tarn::features
