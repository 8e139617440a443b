#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <limits>

#include "engine/child/text_values.h"
#include "engine/functions/families.h"

namespace tarn::engine::functions {
namespace {

using Text = std::optional<std::string>;
using Wide = unsigned __int128;

std::string_view trimmed(std::string_view s) {
  while (!s.empty() && static_cast<unsigned char>(s.front()) <= ' ') s.remove_prefix(1);
  while (!s.empty() && static_cast<unsigned char>(s.back()) <= ' ') s.remove_suffix(1);
  return s;
}

[[noreturn]] void malformed_number(std::string_view s, std::string_view type) {
  raise("CAST_INVALID_INPUT",
        fmt::format("The value '{}' of the type \"STRING\" cannot be cast to \"{}\" because it is malformed. Correct the value as per the syntax, or "
                    "change its target type. "
                    "Use `try_cast` to tolerate malformed input and return NULL instead.",
                    s, type),
        "22018");
}

std::optional<std::int64_t> string_to_integral(std::string_view text, std::string_view type, bool attempt) {
  const auto s = trimmed(text);
  const bool plus = s.starts_with('+');
  std::int64_t v = 0;
  const auto body = plus ? s.substr(1) : s;
  const auto r = std::from_chars(body.data(), body.data() + body.size(), v);
  const std::int64_t top = type == "TINYINT"    ? 127
                           : type == "SMALLINT" ? 32767
                           : type == "INT"      ? 2147483647
                                                : std::numeric_limits<std::int64_t>::max();
  if (body.empty() || (plus && body[0] == '-') || r.ec != std::errc() || r.ptr != body.data() + body.size() || v > top || v < -top - 1) {
    if (attempt) return {};
    malformed_number(text, type);
  }
  return v;
}

std::optional<double> string_to_double(std::string_view text, std::string_view type, bool attempt) {
  auto s = trimmed(text);
  std::string low(s);
  for (auto& c : low) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  if (low == "nan") return std::numeric_limits<double>::quiet_NaN();
  if (low == "inf" || low == "+inf" || low == "infinity" || low == "+infinity") return std::numeric_limits<double>::infinity();
  if (low == "-inf" || low == "-infinity") return -std::numeric_limits<double>::infinity();
  std::string_view body = low;
  if (body.size() > 1 && (body.back() == 'd' || body.back() == 'f')) body.remove_suffix(1);
  const bool plus = body.starts_with('+');
  if (plus) body.remove_prefix(1);
  double v = 0;
  std::from_chars_result r{};
  if (type == "FLOAT") {
    float f = 0;
    r = std::from_chars(body.data(), body.data() + body.size(), f);
    v = f;
  } else {
    r = std::from_chars(body.data(), body.data() + body.size(), v);
  }
  const bool shape =
      !body.empty() && (std::isdigit(static_cast<unsigned char>(body[0])) || body[0] == '.' ||
                        (body[0] == '-' && !plus && body.size() > 1 && (std::isdigit(static_cast<unsigned char>(body[1])) || body[1] == '.')));
  if (shape && r.ec == std::errc::result_out_of_range && r.ptr == body.data() + body.size()) {
    const auto e = body.find("e-");
    return e != std::string_view::npos ? (body[0] == '-' ? -0.0 : 0.0)
           : body[0] == '-'            ? -std::numeric_limits<double>::infinity()
                                       : std::numeric_limits<double>::infinity();
  }
  if (!shape || r.ec != std::errc() || r.ptr != body.data() + body.size()) {
    if (attempt) return {};
    malformed_number(text, type);
  }
  return v;
}

std::optional<bool> string_to_boolean(std::string_view text, bool attempt) {
  std::string s(trimmed(text));
  for (auto& c : s) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  if (s == "t" || s == "true" || s == "y" || s == "yes" || s == "1") return true;
  if (s == "f" || s == "false" || s == "n" || s == "no" || s == "0") return false;
  if (attempt) return {};
  malformed_number(text, "BOOLEAN");
}

/// An exact number: sign, digits without leading zeros, digits after the point.
struct Exact {
  bool negative = false;
  std::string digits;
  std::int64_t scale = 0;  // may be negative
};

std::optional<Exact> exact_of(std::string_view s) {
  Exact out;
  if (s.starts_with('-') || s.starts_with('+')) out.negative = s[0] == '-', s.remove_prefix(1);
  bool point = false, any = false;
  std::size_t i = 0;
  for (; i < s.size(); ++i) {
    if (s[i] == '.' && !point) {
      point = true;
    } else if (s[i] >= '0' && s[i] <= '9') {
      any = true;
      out.digits += s[i];
      out.scale += point;
    } else {
      break;
    }
  }
  if (!any) return {};
  if (i < s.size()) {
    if (s[i] != 'e' && s[i] != 'E') return {};
    auto e = s.substr(i + 1);
    if (e.starts_with('+')) e.remove_prefix(1);
    int exponent = 0;
    const auto r = std::from_chars(e.data(), e.data() + e.size(), exponent);
    if (e.empty() || r.ec != std::errc() || r.ptr != e.data() + e.size() || std::abs(exponent) > 10000) return {};
    out.scale -= exponent;
  }
  out.digits.erase(0, std::min(out.digits.find_first_not_of('0'), out.digits.size()));
  return out;
}

void increment(std::string& digits) {
  std::size_t i = digits.size();
  while (i > 0 && digits[i - 1] == '9') digits[--i] = '0';
  if (i == 0)
    digits.insert(digits.begin(), '1');
  else
    ++digits[i - 1];
}

/// How what is cut off counts: 'r' half up, 'b' half to even, '<' down to the floor, '>' up to the ceiling, 't' towards zero.
void rescale(Exact& x, std::int64_t scale, char mode) {
  if (x.scale <= scale) {
    if (!x.digits.empty()) x.digits.append(static_cast<std::size_t>(scale - x.scale), '0');
    x.scale = scale;
    return;
  }
  const auto cut = static_cast<std::size_t>(x.scale - scale);
  std::string full = x.digits.size() < cut ? std::string(cut - x.digits.size(), '0') + x.digits : x.digits;
  const std::string rest = full.substr(full.size() - cut);
  full.resize(full.size() - cut);
  const bool some = rest.find_first_not_of('0') != std::string::npos;
  const bool half = rest[0] == '5' && rest.find_first_not_of('0', 1) == std::string::npos;
  const bool odd = !full.empty() && (full.back() - '0') % 2;
  const bool up = mode == 'r'   ? rest[0] >= '5'
                  : mode == 'b' ? rest[0] > '5' || (rest[0] == '5' && !half) || (half && odd)
                  : mode == '<' ? some && x.negative
                  : mode == '>' ? some && !x.negative
                                : false;
  if (up) increment(full);
  full.erase(0, std::min(full.find_first_not_of('0'), full.size()));
  x.digits = full;
  x.scale = scale;
}

std::string plain(const Exact& x) {
  std::string d = x.digits;
  if (x.scale < 0) {
    if (!d.empty()) d.append(static_cast<std::size_t>(-x.scale), '0');
    return (x.negative && !d.empty() ? "-" : "") + (d.empty() ? "0" : d);
  }
  const auto s = static_cast<std::size_t>(x.scale);
  if (d.size() <= s) d.insert(0, s + 1 - d.size(), '0');
  if (s) d.insert(d.size() - s, ".");
  return (x.negative && !x.digits.empty() ? "-" : "") + d;
}

/// Text as the digits of DECIMAL(p,s), rounded half up.
Text decimal_text(std::string_view text, std::string_view type, bool attempt) {
  auto x = exact_of(trimmed(text));
  if (!x) {
    if (attempt) return {};
    malformed_number(text, type);
  }
  int p = 38, s = 0;
  std::from_chars(type.data() + 8, type.data() + type.size(), p);
  if (const auto comma = type.find(','); comma != std::string_view::npos) std::from_chars(type.data() + comma + 1, type.data() + type.size(), s);
  rescale(*x, s, 'r');
  if (x->digits.size() > static_cast<std::size_t>(p)) {
    if (attempt) return {};
    raise("NUMERIC_VALUE_OUT_OF_RANGE.WITH_SUGGESTION",
          fmt::format("The {} cannot be represented as Decimal({}, {}). If necessary set \"spark.sql.ansi.enabled\" to \"false\" to bypass this "
                      "error, and return NULL instead.",
                      trimmed(text), p, s),
          "22003");
  }
  return plain(*x);
}

using Digits = std::vector<std::uint32_t>;  // base 10^9, least first

Digits digits_of(const std::string& s) {
  Digits out;
  for (auto end = s.size(); end > 0;) {
    const auto start = end > 9 ? end - 9 : 0;
    std::uint32_t v = 0;
    std::from_chars(s.data() + start, s.data() + end, v);
    out.push_back(v);
    end = start;
  }
  while (!out.empty() && out.back() == 0) out.pop_back();
  return out;
}

std::string times(const std::string& a, const std::string& b) {
  const auto x = digits_of(a), y = digits_of(b);
  std::vector<std::uint64_t> z(x.size() + y.size() + 1);
  for (std::size_t i = 0; i < x.size(); ++i) {
    std::uint64_t carry = 0;
    for (std::size_t j = 0; j < y.size() || carry; ++j) {
      const auto v = z[i + j] + carry + (j < y.size() ? static_cast<std::uint64_t>(x[i]) * y[j] : 0);
      z[i + j] = v % 1'000'000'000, carry = v / 1'000'000'000;
    }
  }
  while (!z.empty() && z.back() == 0) z.pop_back();
  std::string out;
  for (auto i = z.rbegin(); i != z.rend(); ++i) out += out.empty() ? std::to_string(*i) : fmt::format("{:09}", *i);
  return out;
}

/// a / b as an exact number with `scale` digits after the point and whether something was left, by long division.
Exact over(const Exact& a, const Exact& b, std::int64_t scale) {
  Exact out;
  out.negative = a.negative != b.negative;
  // digits(a) * 10^k / digits(b) has scale a.scale + k - b.scale; one digit more than wanted, and a mark for the rest.
  const auto k = scale + 1 + b.scale - a.scale;
  std::string n = a.digits;
  std::string cut;
  if (k >= 0)
    n.append(static_cast<std::size_t>(k), '0');
  else if (static_cast<std::size_t>(-k) < n.size())
    cut = n.substr(n.size() - static_cast<std::size_t>(-k)), n.resize(n.size() - static_cast<std::size_t>(-k));
  else
    cut = n, n.clear();
  Wide d = 0, r = 0;
  for (const char c : b.digits) d = d * 10 + static_cast<unsigned>(c - '0');
  if (b.digits.size() > 37) raise("UNSUPPORTED_FEATURE", "A divisor of more than 37 digits is not supported by this warehouse.", "0A000");
  for (const char c : n) {
    r = r * 10 + static_cast<unsigned>(c - '0');
    const auto q = static_cast<int>(r / d);
    r %= d;
    if (q || !out.digits.empty()) out.digits += static_cast<char>('0' + q);
  }
  // A rest that is not zero must not look like an exact half.
  out.digits += r || cut.find_first_not_of('0') != std::string::npos ? '1' : '0';
  out.scale = scale + 2;
  out.digits.erase(0, std::min(out.digits.find_first_not_of('0'), out.digits.size()));
  return out;
}

Exact plus(Exact a, Exact b) {
  const auto scale = std::max(a.scale, b.scale);
  rescale(a, scale, 't'), rescale(b, scale, 't');
  const auto size = std::max(a.digits.size(), b.digits.size());
  a.digits.insert(0, size - a.digits.size(), '0'), b.digits.insert(0, size - b.digits.size(), '0');
  Exact out;
  out.scale = scale;
  if (a.negative == b.negative) {
    out.negative = a.negative;
    int carry = 0;
    for (std::size_t i = size; i-- > 0;) {
      const int v = a.digits[i] - '0' + b.digits[i] - '0' + carry;
      out.digits.insert(out.digits.begin(), static_cast<char>('0' + v % 10));
      carry = v / 10;
    }
    if (carry) out.digits.insert(out.digits.begin(), '1');
  } else {
    const bool swap = a.digits < b.digits;
    const auto &x = swap ? b : a, &y = swap ? a : b;
    out.negative = x.negative;
    int borrow = 0;
    for (std::size_t i = size; i-- > 0;) {
      int v = x.digits[i] - y.digits[i] - borrow;
      borrow = v < 0;
      out.digits.insert(out.digits.begin(), static_cast<char>('0' + (v + 10) % 10));
    }
  }
  out.digits.erase(0, std::min(out.digits.find_first_not_of('0'), out.digits.size()));
  return out;
}

/// Exact arithmetic on decimal text, the result rounded half up to a scale: + - * /, d (whole quotient), r b < > (rounding of the first).
Text decimal_math(std::string_view op, std::string_view left, std::string_view right, std::int32_t scale) {
  auto a = exact_of(left);
  if (!a) throw std::runtime_error("a decimal that is none: " + std::string(left));
  if (op == "r" || op == "b" || op == "<" || op == ">") {
    rescale(*a, scale, op[0]);
    return plain(*a);
  }
  auto b = exact_of(right);
  if (!b) throw std::runtime_error("a decimal that is none: " + std::string(right));
  Exact out;
  if (op == "*") {
    out = {a->negative != b->negative, times(a->digits, b->digits), a->scale + b->scale};
  } else if (op == "/" || op == "d") {
    out = over(*a, *b, op == "d" ? 0 : scale);
  } else {
    if (op == "-") b->negative = !b->negative;
    out = plus(*a, *b);
  }
  rescale(out, scale, op == "d" ? 't' : 'r');
  return plain(out);
}

/// Micros as seconds with six digits.
Text micros_text(std::int64_t micros) {
  std::string out;
  child::append_decimal(out, micros, 6);
  return out;
}
std::optional<std::int64_t> exact_micros(std::string_view text) {
  auto x = exact_of(text);
  if (!x) return {};
  rescale(*x, 6, '<');
  std::int64_t v = 0;
  const auto digits = (x->negative ? "-" : "") + (x->digits.empty() ? std::string("0") : x->digits);
  if (std::from_chars(digits.data(), digits.data() + digits.size(), v).ec != std::errc()) raise("ARITHMETIC_OVERFLOW", "long overflow.", "22003");
  return v;
}

std::optional<std::int64_t> float_to_integral(double v, std::string_view type, bool attempt) {
  const double t = std::trunc(v);
  if (type == "SATURATE") {
    if (std::isnan(v)) return 0;
    return t >= 9223372036854775807.0    ? std::numeric_limits<std::int64_t>::max()
           : t <= -9223372036854775808.0 ? std::numeric_limits<std::int64_t>::min()
                                         : static_cast<std::int64_t>(t);
  }
  const double top = type == "TINYINT" ? 127.0 : type == "SMALLINT" ? 32767.0 : type == "INT" ? 2147483647.0 : 9223372036854775807.0;
  const bool good = type == "BIGINT" ? t < top && t >= -top : t <= top && t >= -top - 1;
  if (std::isnan(v) || !good) {
    if (attempt) return {};
    std::string shown;
    child::append_double(shown, v);
    raise("CAST_OVERFLOW",
          fmt::format("The value {}D of the type \"DOUBLE\" cannot be cast to \"{}\" due to an overflow. Use `try_cast` to tolerate overflow and "
                      "return NULL instead.",
                      shown, type),
          "22003");
  }
  return static_cast<std::int64_t>(t);
}

std::optional<double> round_double(double v, std::int32_t scale, bool even) {
  if (std::isnan(v) || std::isinf(v)) return v;
  std::string shown;
  child::append_double(shown, v);
  auto x = exact_of(shown);
  rescale(*x, scale, even ? 'b' : 'r');
  const auto out = plain(*x);
  double r = 0;
  std::from_chars(out.data(), out.data() + out.size(), r);
  return r;
}

std::optional<std::int64_t> floor_divided(std::int64_t a, std::int64_t b) { return a / b - (a % b != 0 && (a < 0) != (b < 0)); }

/// A sum or product that must fit its type.
std::optional<std::int64_t> check_sum(__int128 v, std::string_view kind) {
  const bool small = kind.starts_with("ym");
  if (v > (small ? __int128{INT32_MAX} : __int128{INT64_MAX}) || v < (small ? __int128{INT32_MIN} : __int128{INT64_MIN})) {
    if (kind == "bigint")
      raise("ARITHMETIC_OVERFLOW", "long overflow. If necessary set \"spark.sql.ansi.enabled\" to \"false\" to bypass this error.", "22003");
    raise(kind.ends_with('+') ? "INTERVAL_ARITHMETIC_OVERFLOW.WITH_SUGGESTION" : "INTERVAL_ARITHMETIC_OVERFLOW.WITHOUT_SUGGESTION",
          "Integer overflow while operating with intervals. Try devising appropriate values for the interval parameters.", "22015");
  }
  return static_cast<std::int64_t>(v);
}
std::optional<std::int64_t> check_interval(__int128 v, std::string_view from, std::string_view to, bool attempt) {
  const bool small = to.find("YEAR") != std::string_view::npos || to.find("MONTH") != std::string_view::npos;
  if (v > (small ? __int128{INT32_MAX} : __int128{INT64_MAX}) || v < (small ? __int128{INT32_MIN} : __int128{INT64_MIN})) {
    if (attempt) return {};
    raise(
        "CAST_OVERFLOW",
        fmt::format(
            "The value of the type \"{}\" cannot be cast to \"{}\" due to an overflow. Use `try_cast` to tolerate overflow and return NULL instead.",
            from, to),
        "22003");
  }
  return static_cast<std::int64_t>(v);
}

std::optional<std::int64_t> shift_left(std::int64_t v, std::int32_t n, std::int32_t bits) {
  if (bits == 64) return static_cast<std::int64_t>(static_cast<std::uint64_t>(v) << (n & 63));
  return static_cast<std::int32_t>(static_cast<std::uint32_t>(v) << (n & 31));
}
std::optional<std::int64_t> shift_right(std::int64_t v, std::int32_t n, std::int32_t bits) {
  return bits == 64 ? v >> (n & 63) : static_cast<std::int32_t>(v) >> (n & 31);
}
std::optional<std::int64_t> shift_right_unsigned(std::int64_t v, std::int32_t n, std::int32_t bits) {
  if (bits == 64) return static_cast<std::int64_t>(static_cast<std::uint64_t>(v) >> (n & 63));
  return static_cast<std::int32_t>(static_cast<std::uint32_t>(v) >> (n & 31));
}
std::optional<std::int32_t> bit_count(std::int64_t v) { return __builtin_popcountll(static_cast<std::uint64_t>(v)); }
std::optional<std::int32_t> getbit(std::int64_t v, std::int32_t at, std::int32_t bits) {
  if (at < 0)
    raise("INVALID_PARAMETER_VALUE.BIT_POSITION_RANGE",
          fmt::format("The value of parameter(s) `pos` in `getbit` is invalid: expects an integer value in [0, {}), but got {}.", bits, at), "22023");
  if (at >= bits)
    raise("INVALID_PARAMETER_VALUE.BIT_POSITION_RANGE",
          fmt::format("The value of parameter(s) `pos` in `getbit` is invalid: expects an integer value in [0, {}), but got {}.", bits, at), "22023");
  return static_cast<std::int32_t>(v >> at & 1);
}
Text binary_digits(std::int64_t v) { return fmt::format("{:b}", static_cast<std::uint64_t>(v)); }

std::optional<std::int64_t> width_bucket(double v, double low, double high, std::int64_t n) {
  if (n <= 0 || n == INT64_MAX || std::isnan(v) || std::isnan(low) || std::isnan(high) || low == high || std::isinf(low) || std::isinf(high))
    return {};
  if (low < high) {
    if (v < low) return 0;
    if (v >= high) return n + 1;
    return static_cast<std::int64_t>(static_cast<double>(n) * (v - low) / (high - low)) + 1;
  }
  if (v > low) return 0;
  if (v <= high) return n + 1;
  return static_cast<std::int64_t>(static_cast<double>(n) * (low - v) / (low - high)) + 1;
}

/// Spark's generator of random numbers (Marsaglia's xorshift), seeded as Spark seeds it: by two rounds of MurmurHash3 over the seed's bytes.
class XorShift {
 public:
  explicit XorShift(std::int64_t seed) {
    const auto low = hash(seed, 0x3c074a61u), high = hash(seed, low);
    state_ = static_cast<std::uint64_t>(high) << 32 | low;
  }
  std::int32_t next(int bits) {
    auto n = state_ ^ (state_ << 21);
    n ^= n >> 35;
    n ^= n << 4;
    state_ = n;
    return static_cast<std::int32_t>(n & ((std::uint64_t{1} << bits) - 1));
  }
  double uniform() { return static_cast<double>((static_cast<std::int64_t>(next(26)) << 27) + next(27)) * 0x1.0p-53; }
  double gaussian() {
    for (;;) {
      const double a = 2 * uniform() - 1, b = 2 * uniform() - 1, s = a * a + b * b;
      if (s < 1 && s != 0) return a * std::sqrt(-2 * std::log(s) / s);
    }
  }

 private:
  static std::uint32_t hash(std::int64_t seed, std::uint32_t h) {
    const auto rotated = [](std::uint32_t x, int n) { return x << n | x >> (32 - n); };
    unsigned char bytes[8];
    for (int i = 0; i < 8; ++i) bytes[i] = static_cast<unsigned char>(static_cast<std::uint64_t>(seed) >> (56 - 8 * i));
    for (int i = 0; i < 8; i += 4) {
      std::uint32_t k = bytes[i] | static_cast<std::uint32_t>(bytes[i + 1]) << 8 | static_cast<std::uint32_t>(bytes[i + 2]) << 16 |
                        static_cast<std::uint32_t>(bytes[i + 3]) << 24;
      h = rotated(h ^ rotated(k * 0xcc9e2d51u, 15) * 0x1b873593u, 13) * 5 + 0xe6546b64u;
    }
    h ^= 8;
    h = (h ^ h >> 16) * 0x85ebca6bu;
    h = (h ^ h >> 13) * 0xc2b2ae35u;
    return h ^ h >> 16;
  }
  std::uint64_t state_ = 0;
};
std::optional<double> seeded_uniform(std::int64_t seed) { return XorShift(seed).uniform(); }
std::optional<double> seeded_gaussian(std::int64_t seed) { return XorShift(seed).gaussian(); }
Text seeded_text(std::int32_t length, std::int64_t seed) {
  if (length < 0)
    raise("INVALID_PARAMETER_VALUE.LENGTH",
          fmt::format("The value of parameter(s) `length` in `randstr` is invalid: Expects `length` greater than or equal to 0, but got {}.", length),
          "22023");
  if (length > 10'000'000) raise("UNSUPPORTED_FEATURE", "randstr of more than 10,000,000 characters is not supported by this warehouse.", "0A000");
  XorShift r(seed);
  std::string out;
  for (std::int32_t i = 0; i < length; ++i) {
    const auto v = std::abs(r.next(32) % 62);
    out += static_cast<char>(v < 10 ? '0' + v : v < 36 ? 'a' + v - 10 : 'A' + v - 36);
  }
  return out;
}

/// e^x as Java's StrictMath says it: the argument is reduced by ln 2 in two parts and a rational function of five terms does the rest. The last digit
/// may be another than the nearest, and is Spark's.
std::optional<double> strict_exp(double x) {
  if (std::isnan(x)) return x;
  if (x > 7.09782712893383973096e+02) return std::numeric_limits<double>::infinity();
  if (x < -7.45133219101941108420e+02) return 0.0;
  constexpr double kHigh = 6.93147180369123816490e-01, kLow = 1.90821492927058770002e-10, kInverse = 1.44269504088896338700e+00;
  const double size = std::abs(x);
  double high = 0, low = 0, rest = x;
  int k = 0;
  if (size > 0.5 * 0.69314718055994530942) {
    if (size < 1.5 * 0.69314718055994530942) {
      k = x > 0 ? 1 : -1;
      high = x - k * kHigh, low = k * kLow;
    } else {
      k = static_cast<int>(kInverse * x + (x > 0 ? 0.5 : -0.5));
      high = x - k * kHigh, low = k * kLow;
    }
    rest = high - low;
  } else if (size < 0x1p-28) {
    return 1.0 + x;
  }
  const double t = rest * rest;
  const double c =
      rest -
      t * (1.66666666666666019037e-01 +
           t * (-2.77777777770155933842e-03 + t * (6.61375632143793436117e-05 + t * (-1.65339022054652515390e-06 + t * 4.13813679705723846039e-08))));
  if (k == 0) return 1.0 - ((rest * c) / (c - 2.0) - rest);
  return std::ldexp(1.0 - ((low - (rest * c) / (2.0 - c)) - high), k);
}
std::optional<double> strict_cosh(double x) {
  const double size = std::abs(x);
  if (std::isnan(x) || size > 709.0) return std::cosh(x);
  if (size < 0.5 * 0.69314718055994530942) {
    const double t = std::expm1(size), w = 1 + t;
    return size < 0x1p-55 ? w : 1 + (t * t) / (w + w);
  }
  const double t = *strict_exp(size);
  return size < 22 ? 0.5 * t + 0.5 / t : 0.5 * t;
}
std::optional<double> exp_minus_one(double x) { return std::expm1(x); }
std::optional<double> log_of_more(double x) { return std::log1p(x); }

constexpr Entry entries_of_numbers[] = {
    {"spark_exp", Scalar<strict_exp>::make},
    {"spark_cosh", Scalar<strict_cosh>::make},
    {"spark_expm1", Scalar<exp_minus_one>::make},
    {"spark_log1p", Scalar<log_of_more>::make},
    {"spark_rand", Scalar<seeded_uniform>::make},
    {"spark_randn", Scalar<seeded_gaussian>::make},
    {"spark_randstr", Scalar<seeded_text>::make},
    {"spark_string_to_integral", Scalar<string_to_integral>::make},
    {"spark_string_to_double", Scalar<string_to_double>::make},
    {"spark_string_to_boolean", Scalar<string_to_boolean>::make},
    {"spark_decimal_text", Scalar<decimal_text>::make},
    {"spark_decimal_math", Scalar<decimal_math>::make},
    {"spark_micros_text", Scalar<micros_text>::make},
    {"spark_exact_micros", Scalar<exact_micros>::make},
    {"spark_float_to_integral", Scalar<float_to_integral>::make},
    {"spark_round_double", Scalar<round_double>::make},
    {"spark_floor_div", Scalar<floor_divided>::make},
    {"spark_check_sum", Scalar<check_sum>::make},
    {"spark_check_interval", Scalar<check_interval>::make},
    {"spark_shiftleft", Scalar<shift_left>::make},
    {"spark_shiftright", Scalar<shift_right>::make},
    {"spark_shiftrightunsigned", Scalar<shift_right_unsigned>::make},
    {"spark_bit_count", Scalar<bit_count>::make},
    {"spark_getbit", Scalar<getbit>::make},
    {"spark_bin", Scalar<binary_digits>::make},
    {"spark_width_bucket", Scalar<width_bucket>::make},
};

}  // namespace

std::span<const Entry> number_entries() { return entries_of_numbers; }

}  // namespace tarn::engine::functions
