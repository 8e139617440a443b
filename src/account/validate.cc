#include "account/validate.h"

namespace tarn::account {

std::set<std::string> vendor_regions() {
  return {"ap-northeast-1", "ap-northeast-2", "ap-south-1", "ap-southeast-1", "ap-southeast-2", "ap-southeast-3",
          "ca-central-1",   "eu-central-1",   "eu-west-1",  "eu-west-2",      "eu-west-3",      "sa-east-1",
          "us-east-1",      "us-east-2",      "us-west-1",  "us-west-2",      "us-gov-west-1"};
}

namespace validate {
namespace {

bool lower(char c) { return c >= 'a' && c <= 'z'; }
bool digit(char c) { return c >= '0' && c <= '9'; }
bool word(char c) { return lower(c) || digit(c); }
bool all(std::string_view s, bool (*rule)(char)) { return std::all_of(s.begin(), s.end(), rule); }

auto bad(std::string_view field, std::string_view problem) { return fail(Error{Errc::invalid, fmt::format("Field '{}' {}", field, problem)}); }

std::string shown(std::string_view value) {
  constexpr std::size_t kMost = 80;
  if (value.size() <= kMost) return fmt::format("'{}'", value);
  std::size_t cut = kMost;
  while (cut > 0 && (static_cast<unsigned char>(value[cut]) & 0xc0) == 0x80) --cut;
  return fmt::format("'{}...'", value.substr(0, cut));
}

std::size_t characters(std::string_view s) {
  return static_cast<std::size_t>(std::count_if(s.begin(), s.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

bool has_control(std::string_view s) {
  for (std::size_t i = 0; i < s.size(); ++i) {
    const auto c = static_cast<unsigned char>(s[i]);
    if (c < 0x20 || c == 0x7f) return true;
    if (c == 0xc2 && i + 1 < s.size() && static_cast<unsigned char>(s[i + 1]) < 0xa0) return true;  // U+0080 to U+009F
  }
  return false;
}

/// Splits "arn:partition:service:region:account:rest"; nothing if it has another shape.
std::optional<std::array<std::string_view, 5>> arn_parts(std::string_view arn) {
  if (!arn.starts_with("arn:")) return std::nullopt;
  arn.remove_prefix(4);
  std::array<std::string_view, 5> out;
  for (std::size_t i = 0; i < 4; ++i) {
    const auto colon = arn.find(':');
    if (colon == arn.npos) return std::nullopt;
    out[i] = arn.substr(0, colon);
    arn.remove_prefix(colon + 1);
  }
  out[4] = arn;
  const auto& partition = out[0];
  if (partition != "aws" && partition != "aws-us-gov" && partition != "aws-cn") return std::nullopt;
  return out;
}

}  // namespace

Result<void> name(std::string_view field, std::string_view value, std::size_t most) {
  if (value.find_first_not_of(' ') == value.npos) return bad(field, "must not be empty");
  if (const auto n = characters(value); n > most) return bad(field, fmt::format("must have at most {} characters, got {}", most, n));
  if (has_control(value)) return bad(field, "must not contain control characters");
  return {};
}

Result<void> role_arn(std::string_view field, std::string_view value) {
  const auto parts = arn_parts(value);
  const auto path = parts ? (*parts)[4] : std::string_view();
  const bool role = path.starts_with("role/") && path.size() > 5 && path.size() <= 5 + 512 && path.back() != '/' &&
                    std::all_of(path.begin(), path.end(), [](char c) {
                      return std::isalnum(static_cast<unsigned char>(c)) || std::string_view("+=,.@_-/").find(c) != std::string_view::npos;
                    });
  if (!role || (*parts)[1] != "iam" || !(*parts)[2].empty() || (*parts)[3].size() != 12 || !all((*parts)[3], digit))
    return bad(field, "must be the ARN of an IAM role, like arn:aws:iam::123456789012:role/name; got " + shown(value));
  return {};
}

Result<std::string> key_arn(std::string_view field, std::string_view value) {
  const auto parts = arn_parts(value);
  const auto key = parts && (*parts)[4].starts_with("key/") ? (*parts)[4].substr(4) : std::string_view();
  const bool id = !key.empty() && key.size() <= 64 && all(key, [](char c) { return word(c) || c == '-'; });
  if (!id || (*parts)[1] != "kms" || (*parts)[2].empty() || (*parts)[3].size() != 12 || !all((*parts)[3], digit))
    return bad(field,
               "must be the ARN of a KMS key, like arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab; got " + shown(value));
  return std::string((*parts)[2]);
}

Result<void> bucket(std::string_view field, std::string_view value) {
  const bool ok = value.size() >= 3 && value.size() <= 63 && word(value.front()) && word(value.back()) && value.find("..") == value.npos &&
                  all(value, [](char c) { return word(c) || c == '.' || c == '-'; });
  if (!ok) return bad(field, "must be an S3 bucket name (3 to 63 of a-z, 0-9, '.' and '-'); got " + shown(value));
  return {};
}

Result<void> cloud_id(std::string_view field, std::string_view value, std::string_view prefix) {
  const auto rest = value.starts_with(prefix) ? value.substr(prefix.size()) : std::string_view();
  if (rest.empty() || rest.size() > 40 || !all(rest, [](char c) { return word(c) || c == '-'; }))
    return bad(field, fmt::format("must be an id like {}0123456789abcdef0; got {}", prefix, shown(value)));
  return {};
}

Result<void> cloud_ids(std::string_view field, const std::vector<std::string>& values, std::string_view prefix, std::size_t least, std::size_t most) {
  if (values.size() < least)
    return bad(field, fmt::format("must have at least {} {}, got {}", least, least == 1 ? "entry" : "entries", values.size()));
  if (values.size() > most) return bad(field, fmt::format("must have at most {} entries, got {}", most, values.size()));
  for (std::size_t i = 0; i < values.size(); ++i) {
    TARN_CHECK(cloud_id(fmt::format("{}[{}]", field, i), values[i], prefix));
    if (std::find(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(i), values[i]) != values.begin() + static_cast<std::ptrdiff_t>(i))
      return bad(field, fmt::format("must not name '{}' twice", values[i]));
  }
  return {};
}

Result<void> region(std::string_view field, std::string_view value, const Settings& settings) {
  if (settings.regions.contains(std::string(value))) return {};
  return bad(field, fmt::format("must be a supported region, one of {}; got {}", fmt::join(settings.regions, ", "), shown(value)));
}

Result<void> tags(std::string_view field, const std::map<std::string, std::string>& tags) {
  if (tags.size() > 45) return bad(field, fmt::format("must have at most 45 tags, got {}", tags.size()));
  for (const auto& [key, value] : tags) {
    if (key.empty()) return bad(field, "must not have an empty key");
    if (characters(key) > 127) return bad(field, fmt::format("has a key of more than 127 characters: {}", shown(key)));
    if (characters(value) > 255) return bad(fmt::format("{}.{}", field, key), "must have at most 255 characters");
    if (has_control(key) || has_control(value)) return bad(fmt::format("{}.{}", field, key), "must not contain control characters");
  }
  return {};
}

Result<void> label(std::string_view field, std::string_view value) {
  if (value.empty()) return bad(field, "must not be empty");
  if (value.size() > 63) return bad(field, fmt::format("must have at most 63 characters, got {}", value.size()));
  if (!all(value, [](char c) { return word(c) || c == '-'; }) || value.front() == '-' || value.back() == '-')
    return bad(field, "must consist of a-z, 0-9 and inner hyphens, as in a host name; got " + shown(value));
  return {};
}

}  // namespace validate
}  // namespace tarn::account
