#pragma once
// Private to compute/: why clusters end, in the vendor's words.
#include "compute/cluster_records.h"

namespace tarn::compute {

inline TerminationReason reason_of(std::string code, ReasonType type, std::map<std::string, std::string> parameters = {}) {
  return {.code = std::move(code), .type = type, .parameters = std::move(parameters)};
}

}  // namespace tarn::compute
