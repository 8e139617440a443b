#pragma once
// How a unit is planned and applied. A plan runs code that nobody approved: sandboxed, the platform read-only, no credential. An apply runs what was
// approved, sandboxed too, and the credential stays in the proxy.
#include <functional>
#include <memory>
#include <string>

#include "review/config.h"
#include "review/mask.h"
#include "review/principal.h"

namespace tarn::review {

struct UnitPlan {
  bool ok = false;  // false: `text` says why
  bool changes = false;
  std::string summary;   // "1 to create, 0 to change, 0 to delete"
  std::string text;      // for people, masked, as a diff
  std::string artifact;  // what an apply carries out
  std::string digest;    // of what the plan would do: equal for equal plans
};

struct UnitApply {
  bool ok = false;
  bool another_plan = false;  // planned again, it is not what was reviewed: nothing was done
  std::string summary, text;  // masked
};

class Runner {
 public:
  virtual ~Runner() = default;
  /// `checkout`: the repository's clean files, this run's own.
  virtual UnitPlan plan(const UnitSpec& unit, const std::string& checkout) = 0;
  virtual UnitApply apply(const UnitSpec& unit, const std::string& checkout, const std::string& artifact, const std::string& digest) = 0;
  /// A plan of main that should be empty.
  virtual UnitPlan drift(const UnitSpec& unit, const std::string& checkout) = 0;
};

/// `state`: the service's folder. `mask` and `principal` must outlive it. `cancelled` is asked while commands run. Throws std::runtime_error if its
/// authority cannot be made.
std::unique_ptr<Runner> make_runner(const Config& config, Principal& principal, Mask& mask, std::function<bool()> cancelled);

}  // namespace tarn::review
