#include "cli/query_verb.h"

#include <CLI/CLI.hpp>
#include <iostream>

#include "base/json_read.h"
#include "cli/platform_view.h"
#include "cli/workspace_target.h"

namespace tarn::cli {
namespace {

struct Arguments {
  WorkspaceTarget target;
  std::string id;
  bool json = false;
};

std::optional<std::int64_t> count_at(const json::value& v, const char* key) {
  const auto* n = json::find(v, {key});
  return n && n->is_int64() ? std::optional(n->as_int64()) : std::nullopt;
}

double number_at(const json::value& v, const char* key) {
  const auto* n = json::find(v, {key});
  return n && n->is_number() ? n->to_number<double>() : 0;
}

/// 1234567 as 1,234,567.
std::string grouped(std::int64_t n) {
  auto out = std::to_string(n);
  for (auto at = static_cast<std::int64_t>(out.size()) - 3; at > (n < 0 ? 1 : 0); at -= 3) out.insert(static_cast<std::size_t>(at), ",");
  return out;
}

std::string bytes(std::int64_t n) {
  constexpr const char* kUnits[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  auto value = static_cast<double>(n);
  std::size_t unit = 0;
  while (value >= 1024 && unit < 4) value /= 1024, ++unit;
  return unit == 0 ? fmt::format("{} B", n) : fmt::format("{:.1f} {}", value, kUnits[unit]);
}

/// One operator and those below it, each a line, with what it was told indented under it.
void draw(const json::value& op, const std::string& lead, bool last, bool root, const Style& style) {
  std::string line = json::text_at(op, {"name"});
  if (const auto table = json::text_at(op, {"table"}); !table.empty()) line += " " + style.paint("1", table);
  line += fmt::format("  {} rows  {:.2f} ms", grouped(count_at(op, "rows").value_or(0)), number_at(op, "time_ms"));
  if (const auto files = count_at(op, "files")) line += fmt::format("  {} file{}", grouped(*files), *files == 1 ? "" : "s");
  std::cout << lead << (root ? "" : last ? "└─ " : "├─ ") << line << "\n";
  const auto below = root ? lead : lead + (last ? "   " : "│  ");
  const auto* children = json::find(op, {"children"});
  const bool more = children && children->is_array() && !children->as_array().empty();
  if (const auto* told = json::find(op, {"details"}); told && told->is_object())
    for (const auto& [key, value] : told->as_object()) {
      if (!value.is_string()) continue;
      std::string text(value.as_string());
      for (auto& c : text)
        if (c == '\n') c = ' ';
      std::cout << below << (more ? "│    " : "     ") << style.paint("2", fmt::format("{}: {}", std::string_view(key), text)) << "\n";
    }
  if (more)
    for (const auto& child : children->as_array()) draw(child, below, &child == &children->as_array().back(), false, style);
}

void show(const json::value& p) {
  const auto style = Style::of_stdout();
  const auto* m = json::find(p, {"metrics"});
  const json::value none = json::object{};
  const auto& metrics = m ? *m : none;
  std::cout << json::text_at(p, {"query_id"}) << "  " << json::text_at(p, {"status"})
            << fmt::format("  {} ms in all, {} ms at work\n", count_at(metrics, "total_time_ms").value_or(0),
                           count_at(metrics, "execution_time_ms").value_or(0));
  const auto line = [&](const char* what, const char* key, bool size) {
    if (const auto n = count_at(metrics, key)) std::cout << fmt::format("  {:<16}{}\n", what, size ? bytes(*n) : grouped(*n));
  };
  line("rows produced", "rows_produced_count", false);
  line("rows read", "rows_read_count", false);
  line("files read", "read_files_count", false);
  line("files pruned", "pruned_files_count", false);
  line("bytes of files", "read_files_bytes", true);
  line("bytes pruned", "pruned_bytes", true);
  line("bytes read", "read_bytes", true);
  line("spilled", "spill_to_disk_bytes", true);
  line("written", "write_remote_bytes", true);
  if (const auto why = json::text_at(p, {"message"}); !why.empty()) std::cout << why << "\n";
  const auto* requests = json::find(p, {"requests"});
  if (!requests || !requests->is_array()) return;
  for (std::size_t i = 0; i < requests->as_array().size(); ++i) {
    const auto& one = requests->as_array()[i];
    std::cout << "\n";
    if (requests->as_array().size() > 1) std::cout << fmt::format("request {}: {:.2f} ms\n", i + 1, number_at(one, "time_ms"));
    if (const auto* operators = json::find(one, {"operators"}); operators && operators->is_array())
      for (const auto& op : operators->as_array()) draw(op, "", true, true, style);
    if (const auto left = count_at(one, "operators_left_out")) std::cout << fmt::format("({} more operators are not kept)\n", *left);
  }
}

int profile(const Arguments& a) {
  const auto failed = [](const client::ApiError& e) {
    std::cerr << "error: " << e.text() << "\n";
    return 1;
  };
  auto session = connect(a.target);
  if (!session) return failed(session.error());
  auto found = session->first.workspace(session->second, "GET", "/api/2.0/sql/history/queries/" + a.id + "/profile");
  if (!found) return failed(found.error());
  if (a.json)
    std::cout << boost::json::serialize(*found) << "\n";
  else
    show(*found);
  return 0;
}

}  // namespace

void add_query_verb(CLI::App& app, int& exit_code) {
  CLI::App* v = app.add_subcommand("query", "A statement of the query history");
  v->require_subcommand(1);
  auto a = std::make_shared<Arguments>();
  CLI::App* s = v->add_subcommand("profile", "What it did in the engine: operators, rows, files, times");
  s->add_option("id", a->id, "The statement's id")->required()->check([](const std::string& text) {
    return text.find_first_not_of("0123456789abcdefABCDEF-") == text.npos ? std::string() : "'" + text + "' is no statement id";
  });
  add_target_options(*s, a->target);
  s->add_flag("--json", a->json, "The same as JSON, as the API gives it");
  s->footer(
      "Examples:\n  tarn query profile --data ~/tarn -w pipeline 01f0a1b2-…\n  tarn query profile --json --data ~/tarn -w pipeline 01f0a1b2-… | jq "
      ".metrics");
  s->callback([a, &exit_code] { exit_code = profile(*a); });
}

}  // namespace tarn::cli
