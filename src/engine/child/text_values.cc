#include "engine/child/text_values.h"

#include <charconv>
#include <cmath>
#include <cstring>
#include <limits>

namespace tarn::engine::child {
namespace {

template <class T>
void append_floating(std::string& out, T value) {
  if (std::isnan(value)) return void(out += "NaN");
  if (std::signbit(value)) out += '-', value = -value;
  if (std::isinf(value)) return void(out += "Infinity");
  if (value == 0) return void(out += "0.0");
  char text[32];
  auto end = std::to_chars(text, text + sizeof text, value, std::chars_format::scientific).ptr;
  // Where one digit would do Java takes the closest of two digits: 4.9E-324, not 5.0E-324.
  if (text[1] == 'e') end = std::to_chars(text, text + sizeof text, value, std::chars_format::scientific, 1).ptr;
  // d[.ddd]e±xx: the digits and the exponent, laid out again as Java does.
  const char* e = static_cast<const char*>(std::memchr(text, 'e', static_cast<std::size_t>(end - text)));
  int exponent = 0;
  std::from_chars(e[1] == '+' ? e + 2 : e + 1, end, exponent);
  std::string digits(1, text[0]);
  if (e - text > 2) digits.append(text + 2, static_cast<std::size_t>(e - text - 2));
  if (digits.size() == 2 && digits[1] == '0') digits.pop_back();
  if (exponent < -3 || exponent >= 7) {
    out += digits[0];
    out += '.';
    digits.size() > 1 ? out.append(digits, 1) : out.append("0");
    out += 'E';
    out += std::to_string(exponent);
  } else if (exponent < 0) {
    out += "0.";
    out.append(static_cast<std::size_t>(-exponent - 1), '0');
    out += digits;
  } else {
    const auto whole = static_cast<std::size_t>(exponent) + 1;
    if (digits.size() < whole) digits.append(whole - digits.size(), '0');
    out.append(digits, 0, whole);
    out += '.';
    digits.size() > whole ? out.append(digits, whole) : out.append("0");
  }
}

void append_padded(std::string& out, std::int64_t value, int width) {
  char text[24];
  const auto end = std::to_chars(text, text + sizeof text, value).ptr;
  for (auto n = end - text; n < width; ++n) out += '0';
  out.append(text, end);
}

std::int64_t floor_div(std::int64_t a, std::int64_t b) { return a / b - (a % b != 0 && (a < 0) != (b < 0)); }

struct Day {
  std::int64_t year;
  int month, day;
};

// Howard Hinnant's days-to-civil algorithm (public domain description), proleptic Gregorian.
Day civil(std::int64_t days) {
  days += 719468;
  const auto era = floor_div(days, 146097);
  const auto doe = days - era * 146097;
  const auto yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
  const auto doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
  const auto mp = (5 * doy + 2) / 153;
  const int month = static_cast<int>(mp < 10 ? mp + 3 : mp - 9);
  return {yoe + era * 400 + (month <= 2 ? 1 : 0), month, static_cast<int>(doy - (153 * mp + 2) / 5 + 1)};
}

void append_day(std::string& out, std::int64_t days) {
  const auto d = civil(days);
  if (d.year < 0) out += '-';
  if (d.year > 9999) out += '+';
  append_padded(out, d.year < 0 ? -d.year : d.year, 4);
  out += '-';
  append_padded(out, d.month, 2);
  out += '-';
  append_padded(out, d.day, 2);
}

/// Length of the valid UTF-8 sequence at p, 0 if there is none.
std::size_t sequence(const unsigned char* p, std::size_t left) {
  const auto tail = [&](std::size_t i) { return i < left && (p[i] & 0xC0) == 0x80; };
  if (p[0] < 0x80) return 1;
  if (p[0] >= 0xC2 && p[0] <= 0xDF) return tail(1) ? 2 : 0;
  if (p[0] >= 0xE0 && p[0] <= 0xEF) {
    if (!tail(1) || !tail(2) || (p[0] == 0xE0 && p[1] < 0xA0) || (p[0] == 0xED && p[1] > 0x9F)) return 0;
    return 3;
  }
  if (p[0] >= 0xF0 && p[0] <= 0xF4) {
    if (!tail(1) || !tail(2) || !tail(3) || (p[0] == 0xF0 && p[1] < 0x90) || (p[0] == 0xF4 && p[1] > 0x8F)) return 0;
    return 4;
  }
  return 0;
}

}  // namespace

void append_double(std::string& out, double value) { append_floating(out, value); }
void append_float(std::string& out, float value) { append_floating(out, value); }

void append_unsigned128(std::string& out, unsigned __int128 value) {
  char text[40];
  char* p = text + sizeof text;
  do *--p = static_cast<char>('0' + static_cast<int>(value % 10));
  while (value /= 10);
  out.append(p, text + sizeof text);
}

void append_decimal(std::string& out, __int128 value, unsigned scale) {
  auto magnitude = static_cast<unsigned __int128>(value);
  if (value < 0) out += '-', magnitude = 0 - magnitude;
  if (scale == 0) return append_unsigned128(out, magnitude);
  std::string digits;
  append_unsigned128(digits, magnitude);
  if (digits.size() <= scale) digits.insert(0, scale + 1 - digits.size(), '0');
  out.append(digits, 0, digits.size() - scale);
  out += '.';
  out.append(digits, digits.size() - scale);
}

void append_date(std::string& out, std::int32_t days) {
  if (days == std::numeric_limits<std::int32_t>::max()) return void(out += "infinity");
  if (days == -std::numeric_limits<std::int32_t>::max()) return void(out += "-infinity");
  append_day(out, days);
}

void append_timestamp(std::string& out, std::int64_t micros, bool utc) {
  if (micros == std::numeric_limits<std::int64_t>::max()) return void(out += "infinity");
  if (micros == -std::numeric_limits<std::int64_t>::max()) return void(out += "-infinity");
  constexpr std::int64_t day = 86'400'000'000;
  const auto days = floor_div(micros, day);
  const auto ms = (micros - days * day) / 1000;
  append_day(out, days);
  out += 'T';
  append_padded(out, ms / 3'600'000, 2);
  out += ':';
  append_padded(out, ms / 60'000 % 60, 2);
  out += ':';
  append_padded(out, ms / 1000 % 60, 2);
  out += '.';
  append_padded(out, ms % 1000, 3);
  if (utc) out += 'Z';
}

void append_time(std::string& out, std::int64_t nanos) {
  append_padded(out, nanos / 3'600'000'000'000, 2);
  out += ':';
  append_padded(out, nanos / 60'000'000'000 % 60, 2);
  out += ':';
  append_padded(out, nanos / 1'000'000'000 % 60, 2);
  if (auto fraction = nanos % 1'000'000'000) {
    int width = 9;
    while (fraction % 10 == 0) fraction /= 10, --width;
    out += '.';
    append_padded(out, fraction, width);
  }
}

void append_interval(std::string& out, std::int32_t months, std::int32_t days, std::int64_t micros) {
  const auto start = out.size();
  const auto unit = [&](std::int64_t n, const char* name) {
    if (n == 0) return;
    if (out.size() > start) out += ' ';
    out += std::to_string(n);
    out += name;
  };
  unit(months / 12, " years");
  unit(months % 12, " months");
  unit(days, " days");
  unit(micros / 3'600'000'000, " hours");
  unit(micros / 60'000'000 % 60, " minutes");
  if (const auto rest = micros % 60'000'000) {
    if (out.size() > start) out += ' ';
    const auto magnitude = rest < 0 ? -rest : rest;
    if (rest < 0) out += '-';
    out += std::to_string(magnitude / 1'000'000);
    if (auto fraction = magnitude % 1'000'000) {
      int width = 6;
      while (fraction % 10 == 0) fraction /= 10, --width;
      out += '.';
      append_padded(out, fraction, width);
    }
    out += " seconds";
  }
  if (out.size() == start) out += "0 seconds";
}

void append_uuid(std::string& out, unsigned __int128 value) {
  constexpr char hex[] = "0123456789abcdef";
  for (int i = 0; i < 32; ++i) {
    if (i == 8 || i == 12 || i == 16 || i == 20) out += '-';
    out += hex[static_cast<int>(value >> (124 - 4 * i)) & 15];
  }
}

void append_base64(std::string& out, std::string_view bytes) {
  constexpr char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  const auto at = [&](std::size_t i) { return i < bytes.size() ? static_cast<unsigned char>(bytes[i]) : 0u; };
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const auto n = at(i) << 16 | at(i + 1) << 8 | at(i + 2);
    out += digits[n >> 18];
    out += digits[n >> 12 & 63];
    out += i + 1 < bytes.size() ? digits[n >> 6 & 63] : '=';
    out += i + 2 < bytes.size() ? digits[n & 63] : '=';
  }
}

void append_json_string(std::string& out, std::string_view text) {
  constexpr char hex[] = "0123456789abcdef";
  out += '"';
  const auto* p = reinterpret_cast<const unsigned char*>(text.data());
  const auto* const end = p + text.size();
  const auto* run = p;
  const auto flush = [&] { out.append(reinterpret_cast<const char*>(run), static_cast<std::size_t>(p - run)); };
  while (p < end) {
    if (*p >= 0x20 && *p < 0x80 && *p != '"' && *p != '\\') {
      ++p;
      continue;
    }
    if (*p >= 0x80) {
      if (const auto n = sequence(p, static_cast<std::size_t>(end - p))) {
        p += n;
        continue;
      }
      flush();
      out += "\xEF\xBF\xBD";
      run = ++p;
      continue;
    }
    flush();
    out += '\\';
    switch (*p) {
      case '"':
        out += '"';
        break;
      case '\\':
        out += '\\';
        break;
      case '\n':
        out += 'n';
        break;
      case '\r':
        out += 'r';
        break;
      case '\t':
        out += 't';
        break;
      case '\b':
        out += 'b';
        break;
      case '\f':
        out += 'f';
        break;
      default:
        out += "u00", out += hex[*p >> 4], out += hex[*p & 15];
    }
    run = ++p;
  }
  flush();
  out += '"';
}

}  // namespace tarn::engine::child
