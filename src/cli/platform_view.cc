#include "cli/platform_view.h"

#include <unistd.h>

#include "base/json_read.h"

namespace tarn::cli {
Style Style::of_stdout() { return {isatty(STDOUT_FILENO) == 1 && !std::getenv("NO_COLOR")}; }

std::string Style::paint(std::string_view code, std::string_view text) const {
  return colour ? fmt::format("\033[{}m{}\033[0m", code, text) : std::string(text);
}

std::string plan_view(const platform::Plan& plan, const Style& style, std::string_view empty) {
  using platform::Action;
  if (plan.clean()) return std::string(empty) + "\n";
  std::string out;
  int counts[4] = {};
  for (const auto& c : plan.changes) {
    ++counts[static_cast<int>(c.action)];
    const auto [sign, code] = c.action == Action::create    ? std::pair("+", "32")
                              : c.action == Action::update  ? std::pair("~", "33")
                              : c.action == Action::delete_ ? std::pair("-", "31")
                                                            : std::pair("?", "35");
    out +=
        fmt::format("  {} {}{}\n", style.paint(code, sign), style.paint("1", c.address()), c.place.empty() ? "" : "  " + style.paint("2", c.place));
    if (c.action == Action::create)
      for (const auto& entry : c.after.as_object())
        if (!(entry.value().is_string() && entry.value().as_string().empty()))
          out += fmt::format("      {}: {}\n", std::string_view(entry.key()), platform::shown(entry.value()));
    for (const auto& name : c.fields) {
      const auto *before = json::find(c.before, {name}), *after = json::find(c.after, {name});
      out += fmt::format("      {}: {} {} {}\n", name, before ? platform::shown(*before) : "(none)", style.paint("33", "->"),
                         after ? platform::shown(*after) : "(none)");
    }
  }
  out += fmt::format("\n{} to create, {} to change, {} to delete", counts[0], counts[1], counts[2]);
  if (counts[3]) out += fmt::format(", {} not in the YAML", counts[3]);
  return out + ".\n";
}

std::string problems_view(const std::vector<platform::Diagnostic>& problems, const Style& style) {
  std::string out;
  for (const auto& p : problems) out += style.paint("31", "error") + ": " + p.text() + "\n";
  return out;
}

}  // namespace tarn::cli
