#include "ml/checks.h"

#include <map>

namespace tarn::ml {
namespace {

constexpr std::size_t kKeyLength = 250, kParamLength = 6000, kTagLength = 8000, kExperimentTagLength = 20'000;

auto too_long(const FieldPath& path, std::size_t limit) {
  return refuse(Errc::invalid, fmt::format("'{}' exceeds the maximum length of {} characters", path.text(), limit));
}
auto bad_value(const FieldPath& path, std::string_view value, std::string_view why) {
  return refuse(Errc::invalid, fmt::format("Invalid value \"{}\" for parameter '{}' supplied: {}", value, path.text(), why));
}

/// As posixpath.normpath leaves it.
bool normal_path(std::string_view name) {
  if (name.starts_with('/') || name.ends_with('/')) return false;
  std::size_t at = 0;
  for (;;) {
    const auto slash = name.find('/', at);
    const auto part = name.substr(at, slash == name.npos ? name.npos : slash - at);
    if (part.empty() || part == "." || part == "..") return false;
    if (slash == name.npos) return true;
    at = slash + 1;
  }
}

}  // namespace

std::string FieldPath::text() const {
  if (list.empty()) return std::string(name);
  return name.empty() ? fmt::format("{}[{}]", list, index) : fmt::format("{}[{}].{}", list, index, name);
}

Result<void> check_name(std::string_view name, const FieldPath& path) {
  if (name.empty()) return refuse(Errc::invalid, fmt::format("Missing value for required parameter '{}'. A key name must be provided.", path.text()));
  for (const char c : name)
    if (!std::isalnum(static_cast<unsigned char>(c)) && static_cast<signed char>(c) >= 0 &&
        std::string_view("/_.-: ").find(c) == std::string_view::npos)
      return bad_value(path, name,
                       "Names may only contain alphanumerics, underscores (_), dashes (-), periods (.), spaces ( ), colon(:) and slashes (/).");
  if (!normal_path(name))
    return bad_value(path, name, "Names may be treated as files in certain cases, and must not resolve to other names when treated as such.");
  if (name.size() > kKeyLength) return too_long(path, kKeyLength);
  return {};
}

Result<void> check_metric(const Metric& m, const FieldPath& path) {
  TARN_CHECK(check_name(m.key, path / "key"));
  if (m.timestamp < 0)
    return refuse(
        Errc::invalid,
        fmt::format("Invalid value {} for parameter '{}' supplied: metric '{}' (value={}). Timestamp must be a nonnegative long (64-bit integer) ",
                    m.timestamp, (path / "timestamp").text(), m.key, m.value));
  return {};
}

Result<void> check_param(const KeyValue& p, const FieldPath& path) {
  TARN_CHECK(check_name(p.key, path / "key"));
  if (p.value.size() > kParamLength) return too_long(path / "value", kParamLength);
  return {};
}

Result<void> check_tag(const KeyValue& t, const FieldPath& path) {
  TARN_CHECK(check_name(t.key, path / "key"));
  if (t.value.size() > kTagLength) return too_long(path / "value", kTagLength);
  return {};
}

Result<void> check_experiment_tag(const KeyValue& t) {
  TARN_CHECK(check_name(t.key, "key"));
  if (t.value.size() > kExperimentTagLength) return too_long("value", kExperimentTagLength);
  return {};
}

Result<void> check_dataset(const DatasetInput& d, const FieldPath& path) {
  const auto sized = [&](std::string_view name, std::string_view value, std::size_t limit, bool needed) -> Result<void> {
    if (needed && value.empty()) return refuse(Errc::invalid, fmt::format("Missing value for required parameter '{}'.", (path / name).text()));
    if (value.size() > limit) return too_long(path / name, limit);
    return {};
  };
  TARN_CHECK(sized("dataset.name", d.dataset.name, 500, true));
  TARN_CHECK(sized("dataset.digest", d.dataset.digest, 36, true));
  TARN_CHECK(sized("dataset.source", d.dataset.source, 65'535, true));
  TARN_CHECK(sized("dataset.schema", d.dataset.schema.value_or(""), 1'048'575, false));
  TARN_CHECK(sized("dataset.profile", d.dataset.profile.value_or(""), 16'777'215, false));
  for (const auto& t : d.tags) {
    TARN_CHECK(sized("tags.key", t.key, 255, true));
    TARN_CHECK(sized("tags.value", t.value, 500, false));
  }
  return {};
}

Result<void> check_batch(const Batch& b) {
  const auto bounded = [](std::string_view what, std::size_t n, std::size_t limit) -> Result<void> {
    if (n <= limit) return {};
    return refuse(Errc::invalid,
                  fmt::format("A batch logging request can contain at most {} {}. Got {} {}. Please split up {} across multiple requests "
                              "and try again.",
                              limit, what, n, what, what));
  };
  TARN_CHECK(bounded("metrics", b.metrics.size(), 1000));
  TARN_CHECK(bounded("params", b.params.size(), 100));
  TARN_CHECK(bounded("tags", b.tags.size(), 100));
  TARN_CHECK(bounded("metrics, params, and tags", b.metrics.size() + b.params.size() + b.tags.size(), 1000));
  for (std::size_t i = 0; i < b.metrics.size(); ++i) TARN_CHECK(check_metric(b.metrics[i], {"metrics", i}));
  for (std::size_t i = 0; i < b.params.size(); ++i) TARN_CHECK(check_param(b.params[i], {"params", i}));
  for (std::size_t i = 0; i < b.tags.size(); ++i) TARN_CHECK(check_tag(b.tags[i], {"tags", i}));
  std::map<std::string_view, std::string_view> seen;
  for (const auto& p : b.params)
    if (!seen.emplace(p.key, p.value).second)
      return refuse(Errc::invalid,
                    fmt::format("Duplicate parameter keys have been submitted: {}. Please ensure the request contains only one param value "
                                "per param key.",
                                p.key));
  return {};
}

Result<std::string> checked_artifact_path(std::string_view path) {
  while (path.ends_with('/')) path.remove_suffix(1);
  if (path.empty()) return std::string();
  const bool control = std::ranges::any_of(path, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == '\\'; });
  if (control || path.size() > 900 || !normal_path(path)) return refuse(Errc::invalid, fmt::format("Invalid artifact path: '{}'", path));
  return std::string(path);
}

}  // namespace tarn::ml
