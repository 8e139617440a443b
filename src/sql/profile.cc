#include "sql/profile.h"

#include <cmath>

namespace tarn::sql {
namespace {

std::string table_of(const std::map<std::string, std::string>& places, const std::string& file) {
  for (const auto& [directory, name] : places)
    if (file.starts_with(directory + "/")) return name;
  return {};
}

double milliseconds(double seconds) { return std::round(seconds * 1e6) / 1e3; }

/// The operators from `at` on that are deeper than `above`, as trees; `at` is then behind them.
json::array trees(const Metrics& m, const std::vector<engine::Operator>& all, std::size_t& at, std::int64_t above, bool details) {
  json::array out;
  while (at < all.size() && static_cast<std::int64_t>(all[at].depth) > above) {
    const auto& o = all[at++];
    json::object one{{"name", o.name}, {"rows", o.rows}, {"time_ms", milliseconds(o.seconds)}};
    if (o.files_planned) one["files"] = *o.files_planned;
    if (o.files_opened && o.files_planned) one["files_opened"] = std::min(*o.files_opened, *o.files_planned);
    if (details) {
      if (const auto name = table_of(m.places, o.file); !name.empty()) one["table"] = name;
      json::object told;
      for (const auto& [key, value] : o.details) told[key] = value;
      if (!told.empty()) one["details"] = std::move(told);
    }
    if (auto children = trees(m, all, at, o.depth, details); !children.empty()) one["children"] = std::move(children);
    out.push_back(std::move(one));
  }
  return out;
}

void add(std::optional<std::int64_t>& sum, std::optional<std::int64_t> part, bool first) {
  if (first)
    sum = part;
  else
    sum = sum && part ? std::optional(*sum + *part) : std::nullopt;
}

void highest(std::optional<std::int64_t>& most, std::optional<std::int64_t> one, bool first) {
  if (first)
    most = one;
  else
    most = most && one ? std::optional(std::max(*most, *one)) : std::nullopt;
}

json::value without_details(json::value v) {
  if (auto* list = v.if_array())
    for (auto& one : *list) one = without_details(std::move(one));
  if (auto* o = v.if_object()) {
    o->erase("details");
    o->erase("table");
    for (const char* key : {"children", "operators"})
      if (auto* inner = o->if_contains(key)) *inner = without_details(std::move(*inner));
  }
  return v;
}

}  // namespace

void settle(Metrics& m, const engine::Work& work, bool guarded, bool details) {
  m.written_bytes = work.written_bytes;
  if (work.profiles.empty()) return;
  double cpu = 0;
  std::optional<std::int64_t> files, bytes, rows_read, bytes_read;
  json::array requests;
  for (bool first = true; const auto& p : work.profiles) {
    cpu += p.cpu_seconds;
    add(rows_read, p.rows_read, first), add(bytes_read, p.bytes_read, first);
    add(files, p.files, first), add(bytes, p.file_bytes, first);
    highest(m.spilled_bytes, p.spilled_bytes, first);
    first = false;
    json::object one{{"rows", p.rows}, {"time_ms", milliseconds(p.seconds)}, {"cpu_time_ms", milliseconds(p.cpu_seconds)}};
    if (!guarded) {
      std::size_t at = 0;
      one["operators"] = trees(m, p.operators, at, -1, details);
      if (p.operators_left_out > 0) one["operators_left_out"] = p.operators_left_out;
      requests.push_back(std::move(one));
    }
  }
  m.task_ms = static_cast<std::int64_t>(std::llround(cpu * 1e3));
  if (guarded) {
    m.spilled_bytes = std::nullopt;
    m.profile = boost::json::serialize(json::object{{"withheld", true}});
    return;
  }
  m.rows_read = rows_read, m.bytes_read = bytes_read;
  if (!files && m.files > 0 && m.skipped == m.files && work.profiles.size() == 1) files = bytes = 0;
  // A table that a statement reads twice counts twice, here as there.
  if (m.files > 0 && files && *files <= m.files && work.profiles.size() == 1) {
    m.pruned_files = m.files - *files;
    if (bytes) m.pruned_bytes = std::max<std::int64_t>(0, m.bytes - *bytes);
    m.files = *files;
    if (bytes) m.bytes = *bytes;
  } else if (m.files == 0 && files) {
    m.files = *files;
    if (bytes) m.bytes = *bytes;
  }
  m.profile = boost::json::serialize(json::object{{"requests", std::move(requests)}});
  m.places.clear();
}

json::value shown_profile(const std::string& kept, bool details) {
  auto parsed = json::parse(kept);
  if (!parsed || !parsed->is_object()) return json::object{};
  auto out = std::move(parsed->as_object());
  if (out.contains("withheld")) {
    out["message"] =
        "The statement reads rows through a row filter, a column mask or a view whose tables its user may not read; what its operators "
        "did would tell of what is behind them.";
    return out;
  }
  if (auto* requests = out.if_contains("requests"); requests && !details)
    for (auto& one : requests->as_array()) one = without_details(std::move(one));
  return out;
}

}  // namespace tarn::sql
