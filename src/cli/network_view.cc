#include "cli/network_view.h"

namespace tarn::cli {
namespace {

std::string_view colour_of(network::Outcome o) { return o == network::Outcome::connected ? "32" : o == network::Outcome::dropped ? "31" : "33"; }

}  // namespace

std::string trace_view(const network::Trace& t, const Style& style) {
  using network::Direction, network::Verdict;
  std::string out = style.paint("1", fmt::format("{}  ->  {}", t.from, t.to)) + "\n";
  if (!t.name.empty()) out += style.paint("2", "  " + t.name) + "\n";
  auto direction = Direction::out;
  for (std::size_t i = 0; i < t.hops.size(); ++i) {
    const auto& h = t.hops[i];
    if (h.direction != direction) out += style.paint("2", h.direction == Direction::back ? "  and the answer's way back:" : "  and after it:") + "\n";
    direction = h.direction;
    const bool ends = static_cast<int>(i) == t.culprit;
    const auto mark = h.verdict == Verdict::pass ? style.paint("32", "->") : style.paint(h.verdict == Verdict::drop ? "31" : "33", "x ");
    out += fmt::format("  {} {}: {}", mark, ends ? style.paint("1", h.at) : h.at, h.what);
    if (!h.place.empty()) out += "  " + style.paint("2", h.place);
    out += "\n";
  }
  out += style.paint(colour_of(t.outcome), std::string(json::name_of(t.outcome))) + "\n";
  if (!t.cause.empty()) out += "  cause: " + t.cause + "\n  cure:  " + t.cure + "\n";
  return out;
}

std::string status_view(const network::Status& s, const Style& style) {
  using network::State;
  std::string out = fmt::format("network '{}' is {}", s.network,
                                style.paint(s.state == State::up     ? "32"
                                            : s.state == State::down ? "2"
                                                                     : "31",
                                            json::name_of(s.state)));
  if (s.state == State::partial) out += ": what was begun was not finished; 'tarn network up' builds it anew, 'tarn network down' clears it away";
  out += fmt::format("\n{} namespaces\n", s.namespaces.size());
  for (const auto& r : s.residents) out += fmt::format("  {}: {} ({})\n", r.name, r.program, r.pid);
  return out;
}

}  // namespace tarn::cli
