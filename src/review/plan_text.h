#pragma once
// Plans as text in diff's notation (+ created, ! changed, - deleted), and as digests. Pure.
#include <string>

#include "platform/plan.h"
#include "review/mask.h"

namespace tarn::review {

std::string text_of(const platform::Plan& plan, const Mask& mask);
std::string summary_of(const platform::Plan& plan);
/// Equal for plans that do the same, wherever their lines stand.
std::string digest_of(const platform::Plan& plan);

/// What `tofu show -json PLAN` says, reduced to what an apply would do.
struct TerraformPlan {
  bool changes = false;
  std::string summary, digest;
};
Expected<TerraformPlan, std::string> read_terraform_plan(std::string_view json_text);

/// Lines of Terraform's own rendering with their sign first, so that diff colours them.
std::string as_diff(std::string_view terraform_text);

}  // namespace tarn::review
