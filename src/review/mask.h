#pragma once
// Nothing secret leaves through a comment, an issue or a log: texts go through a Mask first. It knows the service's own secrets by value, and
// the shapes of everybody's (tokens, keys, values of attributes named so). Thread-safe after construction.
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace tarn::review {

class Mask {
 public:
  /// Values shorter than 8 characters are not secrets and are ignored. Also masks their base64 and percent-encoded spellings.
  void learn(std::string_view secret);
  std::string text(std::string_view in) const;
  /// Strings anywhere in a document, and all of a member whose name says secret.
  json::value document(const json::value& in) const;

 private:
  mutable std::mutex mutex_;
  std::set<std::string, std::greater<>> values_;
};

inline constexpr std::string_view kMasked = "(masked)";

}  // namespace tarn::review
