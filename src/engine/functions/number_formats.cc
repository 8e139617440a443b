// Numbers as text and back by a format of digits: to_number, to_char, format_number.
#include <fmt/format.h>

#include <algorithm>

#include "engine/functions/families.h"

namespace tarn::engine::functions {
namespace {

using Text = std::optional<std::string>;

/// to_number(text, format): the digits as plain decimal text.
Text to_number(std::string_view text, std::string_view format, bool attempt) {
  const auto bad = [&]() -> Text {
    if (attempt) return {};
    raise("INVALID_FORMAT.MISMATCH_INPUT",
          fmt::format("The format is invalid: '{}'. The input \"STRING\" '{}' does not match the format.", format, text), "42601");
  };
  std::string s(text), f(format);
  std::erase(s, ' ');
  bool negative = false;
  const auto mark = [&](std::string_view token) {
    return f.starts_with(token) ? (f.erase(0, token.size()), 1) : f.ends_with(token) ? (f.erase(f.size() - token.size()), 2) : 0;
  };
  const int pr = mark("PR");
  if (pr && s.starts_with('<') && s.ends_with('>')) negative = true, s = s.substr(1, s.size() - 2);
  for (const auto* token : {"S", "MI"})
    if (const int at = mark(token)) {
      if (at == 1 && !s.empty() && (s[0] == '-' || s[0] == '+')) negative = s[0] == '-', s.erase(0, 1);
      if (at == 2 && !s.empty() && (s.back() == '-' || s.back() == '+')) negative = s.back() == '-', s.pop_back();
    }
  if (f.starts_with('$') || f.starts_with('L')) {
    f.erase(0, 1);
    if (!s.empty() && s[0] == '$')
      s.erase(0, 1);
    else
      return bad();
  }
  if (f.starts_with("S") && !s.empty() && (s[0] == '-' || s[0] == '+')) negative = s[0] == '-', s.erase(0, 1), f.erase(0, 1);
  const auto point = [](const std::string& t) { return std::min(t.find('.'), t.find('D')); };
  const auto fp = point(f), sp = s.find('.');
  std::string fw = f.substr(0, fp), ff = fp == std::string::npos ? "" : f.substr(fp + 1);
  std::string sw = s.substr(0, sp), sf = sp == std::string::npos ? "" : s.substr(sp + 1);
  if (fp == std::string::npos && sp != std::string::npos) return bad();
  if (sf.size() > ff.size() || !std::ranges::all_of(sf, [](char c) { return c >= '0' && c <= '9'; })) return bad();
  // From the right: digits against 0 and 9, separators against separators.
  std::string digits;
  std::size_t i = sw.size(), j = fw.size();
  while (i > 0) {
    if (j == 0) return bad();
    const char c = sw[i - 1], k = fw[j - 1];
    if (k == ',' || k == 'G') {
      if (c != ',') return bad();
    } else if (c < '0' || c > '9') {
      return bad();
    } else {
      digits.insert(digits.begin(), c);
    }
    --i, --j;
  }
  // A run of digits that starts with 0 wants as many digits; with 9, so many at most.
  const auto zero = fw.find('0');
  std::size_t nines = 0;
  for (std::size_t k = 0; k < j; ++k) nines += fw[k] == '0' || fw[k] == '9';
  if (zero == 0 && nines > 0) return bad();
  if (digits.empty() && sf.empty()) return bad();
  std::string out = negative ? "-" : "";
  out += digits.empty() ? "0" : digits;
  if (!ff.empty()) out += "." + sf;
  if (out.ends_with('.')) out.pop_back();
  return out;
}

Text to_char(std::string_view number, std::string_view format) {
  const bool negative = number.starts_with('-');
  if (negative) number.remove_prefix(1);
  std::string f(format), head, tail;
  bool sign_front = false, sign_back = false, mi_front = false, mi_back = false, brackets = false;
  if (f.ends_with("PR")) brackets = true, f.erase(f.size() - 2);
  if (f.starts_with("S")) sign_front = true, f.erase(0, 1);
  if (f.ends_with("S")) sign_back = true, f.pop_back();
  if (f.starts_with("MI")) mi_front = true, f.erase(0, 2);
  if (f.ends_with("MI")) mi_back = true, f.erase(f.size() - 2);
  bool dollar = f.starts_with('$') || f.starts_with('L');
  if (dollar) f.erase(0, 1);
  const auto fp = std::min(f.find('.'), f.find('D'));
  const std::string fw = f.substr(0, fp), ff = fp == std::string::npos ? "" : f.substr(fp + 1);
  const auto np = number.find('.');
  std::string whole(number.substr(0, np)), fraction(np == std::string_view::npos ? "" : number.substr(np + 1));
  whole.erase(0, std::min(whole.find_first_not_of('0'), whole.size()));
  while (fraction.size() > ff.size() && fraction.back() == '0') fraction.pop_back();
  const auto places = static_cast<std::size_t>(std::ranges::count_if(fw, [](char c) { return c == '0' || c == '9'; }));
  std::string body;
  if (whole.size() > places || fraction.size() > ff.size()) {
    for (const char c : fw) body += c == '0' || c == '9' ? '#' : ',';
    if (fp != std::string::npos) body += "." + std::string(ff.size(), '#');
  } else {
    std::size_t skip = places - whole.size(), seen = 0, used = 0;
    bool zeros = false;
    for (const char c : fw) {
      if (c == '0' || c == '9') {
        zeros = zeros || c == '0';
        // Nothing before the point is a zero.
        if (seen++ < skip)
          body += zeros || (seen == places && whole.empty()) ? '0' : ' ';
        else
          body += whole[used++];
      } else {
        body += body.empty() || body.back() == ' ' ? ' ' : ',';
      }
    }
    if (fp != std::string::npos) {
      fraction.append(ff.size() - fraction.size(), '0');
      body += "." + fraction;
    }
  }
  const auto first = body.find_first_not_of(' ');
  const auto place = first == std::string::npos ? body.size() : first;
  std::string lead;
  if (dollar) lead = "$";
  if (sign_front) lead = (negative ? "-" : "+") + lead;
  if (mi_front) lead = (negative ? "-" : " ") + lead;
  if (brackets && negative) lead = "<" + lead;
  body.insert(place, lead);
  if (sign_back) body += negative ? "-" : "+";
  if (mi_back) body += negative ? "-" : " ";
  if (brackets) body += negative ? ">" : " ";
  return body;  // a format without a sign shows none
}

Text format_number(std::string_view number, std::int32_t places) {
  if (places < 0) return {};
  const bool negative = number.starts_with('-');
  if (negative) number.remove_prefix(1);
  const auto np = number.find('.');
  std::string whole(number.substr(0, np)), fraction(np == std::string_view::npos ? "" : number.substr(np + 1));
  if (fraction.size() > static_cast<std::size_t>(places)) {
    // Half to even, as Java's DecimalFormat rounds.
    const auto cut = static_cast<std::size_t>(places);
    const std::string rest = fraction.substr(cut);
    fraction.resize(cut);
    std::string all = whole + fraction;
    const bool half = rest[0] == '5' && rest.find_first_not_of('0', 1) == std::string::npos;
    if (rest[0] > '5' || (rest[0] == '5' && !half) || (half && (all.back() - '0') % 2)) {
      std::size_t i = all.size();
      while (i > 0 && all[i - 1] == '9') all[--i] = '0';
      if (i == 0)
        all.insert(0, "1");
      else
        ++all[i - 1];
    }
    whole = all.substr(0, all.size() - cut), fraction = all.substr(all.size() - cut);
  }
  fraction.append(static_cast<std::size_t>(places) - fraction.size(), '0');
  for (auto i = static_cast<std::ptrdiff_t>(whole.size()) - 3; i > 0; i -= 3) whole.insert(static_cast<std::size_t>(i), ",");
  const bool zero = (whole + fraction).find_first_not_of("0,") == std::string::npos;
  return (negative && !zero ? "-" : std::string()) + whole + (places ? "." + fraction : "");
}

constexpr Entry entries_of_formats[] = {
    {"spark_to_number", Scalar<to_number>::make},
    {"spark_to_char", Scalar<to_char>::make},
    {"spark_format_number", Scalar<format_number>::make},
};

}  // namespace

std::span<const Entry> format_entries() { return entries_of_formats; }

}  // namespace tarn::engine::functions
