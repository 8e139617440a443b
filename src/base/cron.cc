#include "base/cron.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <fstream>
#include <map>
#include <mutex>
#include <sstream>

namespace tarn {
namespace {

using namespace std::chrono;

std::int64_t big_endian(std::string_view bytes) {
  std::uint64_t n = 0;
  for (const char c : bytes) n = n << 8 | static_cast<unsigned char>(c);
  if (bytes.size() == 4) return static_cast<std::int32_t>(n);
  return static_cast<std::int64_t>(n);
}

std::vector<std::string> split(const std::string& text, char at) {
  std::vector<std::string> out;
  std::string part;
  std::istringstream in(text);
  while (std::getline(in, part, at)) out.push_back(part);
  return out;
}

std::optional<int> number(std::string_view text) {
  int n = 0;
  const auto r = std::from_chars(text.data(), text.data() + text.size(), n);
  if (text.empty() || r.ec != std::errc() || r.ptr != text.data() + text.size()) return std::nullopt;
  return n;
}

struct Field {
  const char* name;
  int low, high;
  std::vector<std::string> names;  // names[0] stands for `low`
};

std::optional<int> value_of(const Field& f, std::string text) {
  std::ranges::transform(text, text.begin(), [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  for (std::size_t i = 0; i < f.names.size(); ++i)
    if (f.names[i] == text) return f.low + static_cast<int>(i);
  const auto n = number(text);
  if (!n || *n < f.low || *n > f.high) return std::nullopt;
  return n;
}

/// One part of a list: `*`, a, a-b, a/s, a-b/s. The error names it.
Expected<void, std::string> read_part(const Field& f, const std::string& part, std::set<int>& out) {
  const auto bad = [&] { return fail(fmt::format("'{}' is not a value of the field {} ({} to {})", part, f.name, f.low, f.high)); };
  const auto slash = part.find('/');
  const std::string range = part.substr(0, slash);
  int step = 1, low = f.low, high = f.high;
  if (slash != part.npos) {
    const auto n = number(std::string_view(part).substr(slash + 1));
    if (!n || *n < 1 || *n > f.high) return bad();
    step = *n;
  }
  if (range != "*") {
    const auto dash = range.find('-');
    const auto a = value_of(f, range.substr(0, dash));
    if (!a) return bad();
    low = *a;
    if (dash != range.npos) {
      const auto b = value_of(f, range.substr(dash + 1));
      if (!b) return bad();
      high = *b;
    } else if (slash == part.npos) {
      high = low;
    }
  }
  if (low <= high) {
    for (int i = low; i <= high; i += step) out.insert(i);
  } else {  // wraps around, as FRI-MON does
    for (int i = low; i <= f.high; i += step) out.insert(i);
    for (int i = f.low + (step - (f.high - low + 1) % step) % step; i <= high; i += step) out.insert(i);
  }
  return {};
}

Expected<void, std::string> read_list(const Field& f, const std::string& text, std::set<int>& out) {
  if (text.empty() || text.back() == ',') return fail(fmt::format("the field {} is empty", f.name));
  for (const auto& part : split(text, ',')) TARN_CHECK(read_part(f, part, out));
  return {};
}

const Field kSeconds{"seconds", 0, 59, {}}, kMinutes{"minutes", 0, 59, {}}, kHours{"hours", 0, 23, {}}, kMonthDays{"day-of-month", 1, 31, {}},
    kMonths{"month", 1, 12, {"JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"}},
    kWeekDays{"day-of-week", 1, 7, {"SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"}}, kYears{"year", 1970, 2099, {}};

}  // namespace

std::shared_ptr<const TimeZone> TimeZone::find(const std::string& name) {
  static std::mutex mutex;
  static std::map<std::string, std::shared_ptr<const TimeZone>> known;
  if (name.empty() || name.size() > 60 || name.find("..") != name.npos || name.front() == '/' ||
      name.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_+-/") != name.npos)
    return nullptr;
  const std::lock_guard lock(mutex);
  if (const auto i = known.find(name); i != known.end()) return i->second;
  std::ifstream file("/usr/share/zoneinfo/" + name, std::ios::binary);
  std::ostringstream all;
  all << file.rdbuf();
  const std::string bytes = all.str();
  auto zone = std::make_shared<TimeZone>();
  if (name == "UTC" || name == "Etc/UTC" || name == "GMT") return known[name] = zone;
  // TZif (RFC 8536): a version 1 block, then the same with 64-bit times, which is the one to read.
  const auto header = [&](std::size_t at, int(&counts)[6]) {
    if (bytes.size() < at + 44 || bytes.compare(at, 4, "TZif") != 0) return false;
    for (int i = 0; i < 6; ++i) counts[i] = static_cast<int>(big_endian(std::string_view(bytes).substr(at + 20 + 4u * static_cast<unsigned>(i), 4)));
    return true;
  };
  int n[6];
  if (!header(0, n) || bytes[4] < '2') return nullptr;
  const std::size_t second = 44u + static_cast<std::size_t>(n[3]) * 5 + static_cast<std::size_t>(n[4]) * 6 + static_cast<std::size_t>(n[5]) +
                             static_cast<std::size_t>(n[2]) * 8 + static_cast<std::size_t>(n[1]) + static_cast<std::size_t>(n[0]);
  if (!header(second, n)) return nullptr;
  const auto times = static_cast<std::size_t>(n[3]), types = static_cast<std::size_t>(n[4]);
  const std::size_t at = second + 44, index = at + times * 8, kinds = index + times;
  if (types == 0 || bytes.size() < kinds + types * 6) return nullptr;
  const auto offset_of = [&](std::size_t type) { return type < types ? big_endian(std::string_view(bytes).substr(kinds + type * 6, 4)) : 0; };
  zone->first_ = offset_of(0);
  for (std::size_t i = 0; i < times; ++i) {
    zone->starts_.push_back(big_endian(std::string_view(bytes).substr(at + i * 8, 8)));
    zone->offsets_.push_back(offset_of(static_cast<unsigned char>(bytes[index + i])));
  }
  return known[name] = zone;
}

std::int64_t TimeZone::offset_at(std::int64_t utc) const {
  const auto i = std::ranges::upper_bound(starts_, utc);
  return i == starts_.begin() ? first_ : offsets_[static_cast<std::size_t>(i - starts_.begin()) - 1];
}

std::optional<std::int64_t> TimeZone::to_utc(std::int64_t local) const {
  // The offsets in force a day before and a day after cover every change at this moment; the larger gives the earlier moment.
  std::set<std::int64_t, std::greater<>> candidates{offset_at(local - 86'400), offset_at(local), offset_at(local + 86'400)};
  for (const auto offset : candidates)
    if (offset_at(local - offset) == offset) return local - offset;
  return std::nullopt;
}

Expected<Cron, std::string> Cron::parse(const std::string& expression) {
  std::vector<std::string> parts;
  std::istringstream in(expression.substr(0, 500));
  for (std::string p; in >> p;) parts.push_back(p);
  if (parts.size() != 6 && parts.size() != 7)
    return fail(fmt::format("it must have 6 or 7 fields (seconds minutes hours day-of-month month day-of-week [year]), got {}", parts.size()));
  Cron c;
  TARN_CHECK(read_list(kSeconds, parts[0], c.seconds_));
  TARN_CHECK(read_list(kMinutes, parts[1], c.minutes_));
  TARN_CHECK(read_list(kHours, parts[2], c.hours_));
  TARN_CHECK(read_list(kMonths, parts[4], c.months_));
  if (parts.size() == 7 && parts[6] != "*") TARN_CHECK(read_list(kYears, parts[6], c.years_));
  const auto days = [&](const Field& f, const std::string& text, Days& out, bool week) -> Expected<void, std::string> {
    if (text == "?" || text == "*") {
      out.any = true;
      out.question = text == "?";
      return {};
    }
    for (auto part : split(text, ',')) {
      std::ranges::transform(part, part.begin(), [](unsigned char ch) { return static_cast<char>(std::toupper(ch)); });
      const auto bad = [&] { return fail(fmt::format("'{}' is not a value of the field {}", part, f.name)); };
      if (part == "L") {
        if (week)
          out.plain.insert(7);
        else
          out.last = true;
      } else if (!week && part == "LW") {
        out.last_weekday = true;
      } else if (!week && part.starts_with("L-")) {
        const auto n = number(std::string_view(part).substr(2));
        if (!n || *n < 1 || *n > 30) return bad();
        out.last_minus = *n;
      } else if (!week && part.size() > 1 && part.back() == 'W') {
        const auto n = value_of(f, part.substr(0, part.size() - 1));
        if (!n) return bad();
        out.nearest.insert(*n);
      } else if (week && part.size() > 1 && part.back() == 'L') {
        const auto n = value_of(f, part.substr(0, part.size() - 1));
        if (!n) return bad();
        out.last_of.insert(*n);
      } else if (const auto hash = part.find('#'); week && hash != part.npos) {
        const auto n = value_of(f, part.substr(0, hash));
        const auto nth = number(std::string_view(part).substr(hash + 1));
        if (!n || !nth || *nth < 1 || *nth > 5) return bad();
        out.nth_of.emplace_back(*n, *nth);
      } else {
        TARN_CHECK(read_part(f, part, out.plain));
      }
    }
    return {};
  };
  TARN_CHECK(days(kMonthDays, parts[3], c.month_days_, false));
  TARN_CHECK(days(kWeekDays, parts[5], c.week_days_, true));
  if (c.month_days_.question == c.week_days_.question) return fail(std::string("exactly one of day-of-month and day-of-week must be '?'"));
  return c;
}

bool Cron::day_matches(std::int64_t y, unsigned m, unsigned d) const {
  const year_month_day date{year(static_cast<int>(y)), month(m), day(d)};
  const unsigned last = static_cast<unsigned>(year_month_day_last{date.year(), month_day_last{date.month()}}.day());
  const auto weekday_of = [&](unsigned one) {
    return static_cast<int>(weekday{sys_days{year_month_day{date.year(), date.month(), day(one)}}}.c_encoding()) + 1;
  };
  const auto near = [&](unsigned wanted) {  // the weekday nearest to it, within the month
    wanted = std::min(wanted, last);
    const int w = weekday_of(wanted);
    if (w == 7) return wanted > 1 ? wanted - 1 : wanted + 2;
    if (w == 1) return wanted < last ? wanted + 1 : wanted - 2;
    return wanted;
  };
  const int dom = static_cast<int>(d);
  const auto& md = month_days_;
  bool by_month = md.any || md.plain.contains(dom) || (md.last && d == last) || (md.last_weekday && d == near(last)) ||
                  (md.last_minus && static_cast<int>(last) - md.last_minus == dom);
  for (const int n : md.nearest) by_month = by_month || (n <= static_cast<int>(last) && d == near(static_cast<unsigned>(n)));
  const auto& wd = week_days_;
  const int dow = weekday_of(d);
  bool by_week = wd.any || wd.plain.contains(dow) || (wd.last_of.contains(dow) && d + 7 > last);
  for (const auto& [n, nth] : wd.nth_of) by_week = by_week || (n == dow && static_cast<int>((d - 1) / 7) + 1 == nth);
  return by_month && by_week;
}

std::optional<Millis> Cron::next(Millis after, const TimeZone& zone) const {
  const std::int64_t from = after / 1000 + 1;  // the next whole second
  std::int64_t local = from + zone.offset_at(from);
  auto today = floor<days>(sys_seconds{seconds{local}});
  std::int64_t second_of_day = local - sys_seconds{today}.time_since_epoch().count();
  for (int i = 0; i < 12 * 366; ++i, today += days{1}, second_of_day = 0) {
    const year_month_day date{today};
    const int y = static_cast<int>(date.year());
    if (!years_.empty() && (y > *years_.rbegin())) return std::nullopt;
    if (!months_.contains(static_cast<int>(static_cast<unsigned>(date.month()))) || (!years_.empty() && !years_.contains(y)) ||
        !day_matches(y, static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day())))
      continue;
    for (const int h : hours_)
      for (const int m : minutes_)
        for (const int s : seconds_) {
          const std::int64_t of_day = h * 3600 + m * 60 + s;
          if (of_day < second_of_day) continue;
          const auto utc = zone.to_utc(sys_seconds{today}.time_since_epoch().count() + of_day);
          if (utc && *utc >= from) return *utc * 1000;
        }
  }
  return std::nullopt;
}

}  // namespace tarn
