#pragma once
// How plans, applies and drift look: for people (colours on a terminal) and as JSON.
#include <string>
#include <vector>

#include "platform/plan.h"

namespace tarn::cli {

struct Style {
  bool colour = false;
  static Style of_stdout();
  std::string paint(std::string_view code, std::string_view text) const;  // code: "32" green, "31" red, "33" yellow, "2" dim, "1" bold
};

/// The plan with its changes and, last, a line that counts them. `empty` is what a plan without changes says.
std::string plan_view(const platform::Plan& plan, const Style& style, std::string_view empty);
std::string problems_view(const std::vector<platform::Diagnostic>& problems, const Style& style);

}  // namespace tarn::cli
