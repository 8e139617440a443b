#include "review/config.h"

#include <sys/stat.h>
#include <yaml-cpp/yaml.h>

#include <charconv>
#include <fstream>
#include <sstream>

namespace tarn::review {
namespace {

json::value scalar(const YAML::Node& node) {
  const std::string text = node.Scalar();
  if (node.Tag() == "!") return json::value(text);  // quoted
  if (text == "true") return true;
  if (text == "false") return false;
  if (text == "null" || text == "~" || text.empty()) return nullptr;
  std::int64_t whole = 0;
  const char* end = text.data() + text.size();
  if (auto [p, ec] = std::from_chars(text.data(), end, whole); ec == std::errc() && p == end) return whole;
  return json::value(text);
}

json::value convert(const YAML::Node& node, int depth = 0) {
  if (depth > 16) throw YAML::Exception(node.Mark(), "nested more than 16 deep");
  if (node.IsSequence()) {
    json::array out;
    for (const auto& item : node) out.push_back(convert(item, depth + 1));
    return out;
  }
  if (node.IsMap()) {
    json::object out;
    for (const auto& entry : node) {
      const std::string name = entry.first.Scalar();
      if (out.contains(name)) throw YAML::Exception(entry.first.Mark(), "'" + name + "' is given twice");
      out[name] = convert(entry.second, depth + 1);
    }
    return out;
  }
  return node.IsScalar() ? scalar(node) : json::value(nullptr);
}

bool is_relative_and_inside(std::string_view path) {
  if (path.empty() || path.front() == '/') return false;
  for (std::size_t at = 0; at <= path.size();) {
    const auto end = std::min(path.find('/', at), path.size());
    if (path.substr(at, end - at) == "..") return false;
    at = end + 1;
  }
  return true;
}

bool is_word(std::string_view text) {
  return !text.empty() && text.size() <= 100 &&
         std::all_of(text.begin(), text.end(), [](unsigned char c) { return std::isalnum(c) || c == '-' || c == '_' || c == '.' || c == '/'; });
}

struct Checker {
  std::vector<std::string> problems;
  void need(bool ok, std::string message) {
    if (!ok) problems.push_back(std::move(message));
  }
};

void check_target(const TargetSpec& t, Checker& c) {
  if (t.data) {
    c.need(!t.host && !t.account_id && !t.client_id && !t.client_secret_file, "target: 'data' stands alone; it says the host and the principal");
    return;
  }
  c.need(t.host && t.host->starts_with("https://"), "target.host is required (https://accounts.cloud.databricks.com), or target.data");
  c.need(t.account_id.has_value(), "target.account_id is required");
  c.need(t.client_id.has_value(), "target.client_id is required");
  c.need(t.client_secret_file.has_value(), "target.client_secret_file is required");
}

void check_repository(const Config& config, const RepositorySpec& r, Checker& c) {
  const std::string at = "repositories '" + r.repository + "': ";
  c.need(r.repository.find('/') != std::string::npos && is_word(r.repository), at + "repository must be OWNER/NAME");
  c.need(r.url.starts_with("https://") || r.url.starts_with("http://"), at + "url must begin with https:// (or http://)");
  c.need(!r.url.ends_with('/'), at + "url must not end with a slash");
  c.need(!r.units.empty(), at + "units must name at least one");
  c.need(is_word(r.main()) && !r.main().starts_with('-'), at + "branch '" + r.main() + "' is not a branch name");
  c.need(r.approvals.value_or(1) >= 0 && r.approvals.value_or(1) <= 20, at + "approvals must be 0 to 20");
  if (r.drift) c.need(r.drift->every_minutes >= 1 && r.drift->every_minutes <= 10080, at + "drift.every_minutes must be 1 to 10080");
  std::set<std::string> names;
  for (const auto& u : r.units) {
    c.need(is_word(u.name) && u.name.find("..") == std::string::npos && !u.name.starts_with('/'),
           at + "unit name '" + u.name + "' must be letters, digits, - _ . /");
    c.need(names.insert(u.name).second, at + "unit '" + u.name + "' is given twice");
    c.need(is_relative_and_inside(u.path), at + "unit '" + u.name + "': path '" + u.path + "' must be a folder inside the repository");
    if (u.workflow) c.need(config.workflow(*u.workflow) != nullptr, at + "unit '" + u.name + "': no workflow '" + *u.workflow + "'");
  }
}

}  // namespace

const RepositorySpec* Config::repository(std::string_view name) const {
  for (const auto& r : repositories)
    if (r.repository == name) return &r;
  return nullptr;
}

const WorkflowSpec* Config::workflow(std::string_view name) const {
  for (const auto& w : workflows)
    if (w.name == name) return &w;
  return nullptr;
}

Expected<Config, std::string> parse_config(const std::string& yaml, const std::string& file) {
  json::value document;
  try {
    document = convert(YAML::Load(yaml));
  } catch (const YAML::Exception& e) {
    return fail(fmt::format("{}:{}: {}", file, e.mark.line + 1, e.msg));
  }
  auto decoded = json::decode<Config>(document, {.unknown = json::Unknown::refuse});
  if (!decoded) return fail(file + ": '" + decoded.error().field + "' " + decoded.error().problem);
  Checker c;
  c.need(!decoded->state.empty(), "state must name a folder");
  c.need(!decoded->repositories.empty(), "repositories must name at least one");
  check_target(decoded->target, c);
  std::set<std::string> workflows, repositories;
  for (const auto& w : decoded->workflows) {
    c.need(workflows.insert(w.name).second, "workflow '" + w.name + "' is given twice");
    c.need(!w.plan.empty() && !w.show.empty() && !w.show_json.empty() && !w.apply.empty(),
           "workflow '" + w.name + "' needs plan, show, show_json and apply");
  }
  for (const auto& r : decoded->repositories) {
    c.need(repositories.insert(r.repository).second, "repository '" + r.repository + "' is given twice");
    check_repository(*decoded, r, c);
  }
  if (const auto& s = decoded->sandbox) {
    for (const auto& list : {s->read_only, s->writable_by_apply})
      for (const auto& path : list) c.need(path.size() > 1 && path.front() == '/', "sandbox: '" + path + "' must be an absolute path");
    const auto within = [&](const char* name, std::optional<std::int64_t> v, std::int64_t low, std::int64_t high) {
      c.need(!v || (*v >= low && *v <= high), fmt::format("sandbox.{} must be {} to {}", name, low, high));
    };
    if (const auto& b = s->state_bucket) {
      c.need(!b->bucket.empty() && !b->region.empty(), "sandbox.state_bucket needs bucket and region");
      c.need(b->access_key_id_file.has_value() == b->secret_access_key_file.has_value(), "sandbox.state_bucket: give both key files or none");
      c.need(b->access_key_id_file || decoded->target.data,
             "sandbox.state_bucket: key files are required, unless target.data is a Tarn, which lends them");
    }
    within("plan_minutes", s->plan_minutes, 1, 240);
    within("apply_minutes", s->apply_minutes, 1, 480);
    within("output_kb", s->output_kb, 16, 65536);
    within("memory_mb", s->memory_mb, 128, 1 << 20);
    within("disk_mb", s->disk_mb, 16, 1 << 20);
  }
  if (c.problems.empty()) return *std::move(decoded);
  std::string all;
  for (const auto& p : c.problems) all += (all.empty() ? "" : "\n") + file + ": " + p;
  return fail(std::move(all));
}

Expected<Config, std::string> load_config(const std::string& file) {
  std::ifstream in(file);
  std::stringstream text;
  text << in.rdbuf();
  if (!in) return fail("Cannot read '" + file + "'");
  return parse_config(text.str(), file);
}

Expected<std::string, std::string> read_secret(const std::string& file) {
  struct stat info {};
  if (::stat(file.c_str(), &info) != 0) return fail("Cannot read the secret file '" + file + "': " + std::strerror(errno));
  if (info.st_mode & 077) return fail("The secret file '" + file + "' can be read by others: chmod 600 it");
  std::ifstream in(file);
  std::string line;
  std::getline(in, line);
  while (!line.empty() && std::isspace(static_cast<unsigned char>(line.back()))) line.pop_back();
  if (line.empty()) return fail("The secret file '" + file + "' is empty");
  return line;
}

bool glob_matches(std::string_view p, std::string_view s) {
  if (p.empty()) return s.empty();
  if (p.starts_with("**")) {
    auto rest = p.substr(2);
    if (rest.starts_with('/') && glob_matches(rest.substr(1), s)) return true;  // `**/x` also means x itself
    for (std::size_t i = 0; i <= s.size(); ++i)
      if (glob_matches(rest, s.substr(i))) return true;
    return false;
  }
  if (p.front() == '*') {
    for (std::size_t i = 0; i <= s.size(); ++i) {
      if (glob_matches(p.substr(1), s.substr(i))) return true;
      if (i < s.size() && s[i] == '/') return false;
    }
    return false;
  }
  return !s.empty() && p.front() == s.front() && glob_matches(p.substr(1), s.substr(1));
}

bool touches(const UnitSpec& unit, std::string_view path) {
  std::string_view folder = unit.path;
  while (folder.ends_with('/')) folder.remove_suffix(1);
  if (folder == "." || (path.starts_with(folder) && (path.size() == folder.size() || path[folder.size()] == '/'))) return true;
  return std::any_of(unit.watch.begin(), unit.watch.end(), [&](const std::string& w) { return glob_matches(w, path); });
}

}  // namespace tarn::review
