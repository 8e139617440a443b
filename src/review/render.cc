#include "review/render.h"

namespace tarn::review {
namespace {

constexpr std::string_view kCut = "… (cut: `tarn review show` has all of it)\n";

const char* word_of(UnitStatus s) {
  switch (s) {
    case UnitStatus::planning:
      return "planning …";
    case UnitStatus::planned:
      return "planned";
    case UnitStatus::clean:
      return "no changes";
    case UnitStatus::failed:
      return "plan failed";
    case UnitStatus::locked:
      return "locked";
    case UnitStatus::applying:
      return "applying …";
    case UnitStatus::applied:
      return "**applied**";
    case UnitStatus::apply_failed:
      return "**apply failed**";
    case UnitStatus::refused:
      return "refused";
    case UnitStatus::discarded:
      return "discarded";
  }
  return "?";
}

/// At the end of a line, never inside a character.
std::string shortened(const std::string& text, std::size_t most) {
  if (text.size() <= most) return text;
  auto end = text.rfind('\n', most);
  if (end == text.npos) {
    end = most;
    while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  } else {
    ++end;
  }
  return text.substr(0, end) + std::string(kCut);
}

std::string details(const std::string& summary, const std::string& block) {
  return "<details><summary>" + summary + "</summary>\n\n" + block + "\n</details>\n";
}

std::string short_commit(const std::string& id) { return id.substr(0, 10); }

std::string how_to_go_on(const RequestRecord& r) {
  const auto any = [&](UnitStatus s) { return std::any_of(r.units.begin(), r.units.end(), [&](const UnitRecord& u) { return u.status == s; }); };
  if (r.state == MergeState::closed) return "";
  if (any(UnitStatus::planning) || any(UnitStatus::applying)) return "";
  if (any(UnitStatus::planned))
    return r.state == MergeState::open
               ? "Approve, then comment `apply` or merge: exactly this is carried out, or nothing if the main branch has moved by then.\n"
               : "Comment `apply` to carry this out.\n";
  if (any(UnitStatus::failed) || any(UnitStatus::apply_failed) || any(UnitStatus::refused)) return "Comment `plan` to plan again.\n";
  return "";
}

}  // namespace

std::string plain(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '\n' || c == '\r' || c == '\t') {
      out += ' ';
    } else if (c == '<') {
      out += "&lt;";
    } else if (c == '>') {
      out += "&gt;";
    } else if (c == '&') {
      out += "&amp;";
    } else if (c == '@') {
      out += "@\u200b";  // a mention no more
    } else if (std::string_view("\\`*_[]()#!|~").find(c) != std::string_view::npos) {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) >= 0x20) {
      out += c;
    }
  }
  return out;
}

std::string code_block(std::string_view text, std::string_view language) {
  std::size_t longest = 0, run = 0;
  for (const char c : text) longest = std::max(longest, run = c == '`' ? run + 1 : 0);
  const std::string fence(std::max<std::size_t>(3, longest + 1), '`');
  std::string clean;
  for (const char c : text)
    if (c == '\n' || c == '\t' || static_cast<unsigned char>(c) >= 0x20) clean += c;
  if (!clean.ends_with('\n')) clean += '\n';
  return fence + std::string(language) + "\n" + clean + fence + "\n";
}

std::string comment_of(const RequestRecord& r, std::size_t most) {
  std::string head = "<!-- tarn review -->\n";
  if (!r.base.empty()) head += fmt::format("### Plan of `{}` onto `{}`\n\n", short_commit(r.head), short_commit(r.base));
  if (!r.notice.empty()) head += plain(r.notice) + "\n\n";
  if (!r.units.empty()) {
    head += "| unit | state | |\n|---|---|---|\n";
    for (const auto& u : r.units) {
      const std::string& what = u.status == UnitStatus::applied || u.status == UnitStatus::apply_failed ? u.applied_summary : u.summary;
      head += fmt::format("| `{}` | {} | {} |\n", u.name, word_of(u.status),
                          u.status == UnitStatus::locked ? fmt::format("by request {}: wait for it, or `unlock` there", u.locked_by) : plain(what));
    }
    head += "\n";
  }
  const std::string tail = how_to_go_on(r);
  std::size_t blocks = 0;
  for (const auto& u : r.units) blocks += !u.text.empty() + !u.applied_text.empty();
  const std::size_t room = most > head.size() + tail.size() ? most - head.size() - tail.size() : 0;
  // Short texts leave their room to long ones.
  std::vector<std::size_t> sizes;
  for (const auto& u : r.units)
    for (const auto* t : {&u.text, &u.applied_text})
      if (!t->empty()) sizes.push_back(t->size() + 400);
  std::sort(sizes.begin(), sizes.end());
  std::size_t left = room, each = 0, count = sizes.size();
  for (const auto size : sizes) {
    each = left / std::max<std::size_t>(1, count);
    if (size > each) break;
    left -= size;
    --count;
    each = std::max(each, size);
  }
  const std::size_t most_each = each > 400 ? each - 400 : 0;
  std::string body;
  for (const auto& u : r.units) {
    if (!u.applied_text.empty())
      body += details(fmt::format("<code>{}</code>: what was applied", u.name), code_block(shortened(u.applied_text, most_each), "diff"));
    if (!u.text.empty())
      body += details(fmt::format("<code>{}</code>: {}", u.name, plain(u.summary)), code_block(shortened(u.text, most_each), "diff"));
  }
  return head + body + tail;
}

std::string drift_report(const std::string& unit, const std::string& commit, const std::string& summary, const std::string& text, std::size_t most) {
  std::string out = fmt::format("What is deployed is not what `{}` of `{}` says: {}.\n\n", unit, short_commit(commit), plain(summary));
  out += details("The difference, as an apply would mend it", code_block(shortened(text, most - 1000), "diff"));
  return out + "\nEither undo it on the platform, or write it down in a merge request. This report is kept up to date and closes itself.\n";
}

}  // namespace tarn::review
