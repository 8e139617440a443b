#pragma once
// `tarn review serve`: the webhooks' door, the workers, the drift clock and the owner's control socket around one Reviewer. Owns its threads; they
// end in stop().
#include <chrono>
#include <memory>
#include <string>

#include "review/config.h"

namespace tarn::review {

class Service {
 public:
  /// Opens the state folder and listens. Throws std::runtime_error (or store::StoreUnavailable) with a text for people.
  explicit Service(Config config);
  ~Service();
  /// {"ready": true, "webhooks": "http://…", "repositories": […]}
  json::object status() const;
  /// Takes no further webhooks; a running plan is cut and planned again after the next start, a running apply may finish within `patience`.
  void stop(std::chrono::milliseconds patience);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tarn::review
