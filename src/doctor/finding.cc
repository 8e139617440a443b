#include "doctor/finding.h"

namespace tarn::doctor {

std::string render(const Findings& findings) {
  std::size_t width = 0;
  for (const auto& f : findings) width = std::max(width, f.check.size());
  std::string out;
  for (const auto& f : findings) {
    const char* mark = f.level == Level::ok ? "ok     " : f.level == Level::unknown ? "?      " : f.level == Level::warning ? "warning" : "PROBLEM";
    out += fmt::format("{}  {:<{}}  {}\n", mark, f.check, width, f.summary);
    if (!f.cause.empty()) out += fmt::format("{:>{}}  cause: {}\n", "", 9 + width, f.cause);
    if (!f.cure.empty()) out += fmt::format("{:>{}}  cure:  {}\n", "", 9 + width, f.cure);
  }
  return out;
}

}  // namespace tarn::doctor
