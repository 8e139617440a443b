// tarn sql: statements from the command line, a file, standard input, or typed into a shell with history.
#include "cli/sql_verb.h"

#include <histedit.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <sstream>

#include "base/sql_script.h"
#include "cli/control.h"
#include "cli/platform_view.h"
#include "cli/table_view.h"

namespace tarn::cli {
namespace {

struct Arguments {
  std::string data, as, workspace, warehouse, catalog, schema, file, format = "table";
  std::vector<std::string> statements;
  bool timing = true;
};

volatile std::sig_atomic_t interrupted = 0;

int run_one(client::Statements& sql, const Arguments& a, const std::string& statement) {
  interrupted = 0;
  const auto begun = std::chrono::steady_clock::now();
  auto result = sql.run(statement, {}, {}, [] { return !interrupted; });
  if (!result) {
    std::cerr << Style::of_stdout().paint("31", "error") << ": " << result.error().text() << "\n";
    return 1;
  }
  if (a.format == "csv")
    std::cout << csv_view(*result);
  else if (a.format == "json")
    std::cout << json_lines_view(*result);
  else {
    std::cout << table_view(*result, terminal_width());
    std::cout << fmt::format("{} row{}{} in {:.3f} s\n", result->rows.size(), result->rows.size() == 1 ? "" : "s",
                             result->truncated ? " (cut short)" : "",
                             std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count());
  }
  std::cout << std::flush;
  return 0;
}

int shell(client::Statements& sql, const Arguments& a) {
  EditLine* line = el_init("tarn", stdin, stdout, stderr);
  History* history = history_init();
  HistEvent event;
  ::history(history, &event, H_SETSIZE, 1000);
  const std::string saved = std::string(std::getenv("HOME") ? std::getenv("HOME") : ".") + "/.tarn_history";
  ::history(history, &event, H_LOAD, saved.c_str());
  static bool continued = false;
  el_set(
      line, EL_PROMPT, +[](EditLine*) -> const char* { return continued ? "   -> " : "tarn> "; });
  el_set(line, EL_EDITOR, "emacs");
  el_set(line, EL_HIST, ::history, history);
  std::cout << "Statements end with a semicolon; Ctrl-C cancels, Ctrl-D leaves.\n";
  std::string pending;
  int count = 0;
  while (const char* text = el_gets(line, &count)) {
    if (count <= 0) break;
    pending += text;
    continued = pending.find_first_not_of(" \t\r\n") != pending.npos;
    const auto last = pending.find_last_not_of(" \t\r\n");
    if (last == pending.npos || pending[last] != ';') continue;
    ::history(history, &event, H_ENTER, pending.c_str());
    for (const auto& statement : split_script(pending)) run_one(sql, a, statement);
    pending.clear();
    continued = false;
  }
  ::history(history, &event, H_SAVE, saved.c_str());
  history_end(history);
  el_end(line);
  std::cout << "\n";
  return 0;
}

/// A workspace by its name: the first label of its URL. What is no name is taken for a deployment name.
std::string deployment_of(const json::value& status, const std::string& said) {
  const auto* all = status.as_object().if_contains("workspaces");
  const auto* url = all && all->is_object() ? all->as_object().if_contains(said) : nullptr;
  if (!url || !url->is_string()) return said;
  const std::string text(url->as_string());
  const auto host = text.find("://") + 3;
  return text.substr(host, text.find('.', host) - host);
}

int run(const Arguments& a) {
  const auto failed = [](const std::string& message) {
    std::cerr << Style::of_stdout().paint("31", "error") << ": " << message << "\n";
    return 1;
  };
  auto target = a.data.empty() ? client::target_of_environment() : client::target_of_folder(a.data);
  if (!target) return failed(target.error().text());
  std::string deployment = a.workspace;
  if (!a.data.empty()) {
    const Control control(a.data);
    if (auto status = control.call("GET", "/status")) deployment = deployment_of(*status, a.workspace);
    if (!a.as.empty()) {
      auto minted = control.call("POST", "/token", json::object{{"user", a.as}, {"workspace", a.workspace}});
      if (!minted) return failed(minted.error().text());
      target->client_id.clear();
      target->client_secret.clear();
      target->token = std::string(minted->at("token").as_string());
    }
  } else if (!a.as.empty()) {
    return failed("--as needs --data: only a data folder's owner may speak for others");
  }
  client::Session session(*target);
  auto sql = client::Statements::open(session, deployment, a.warehouse);
  if (!sql) return failed(sql.error().text());
  std::signal(SIGINT, [](int) { interrupted = 1; });
  std::vector<std::string> statements;
  for (const auto& s : a.statements)
    for (auto& one : split_script(s)) statements.push_back(std::move(one));
  if (!a.file.empty() || (statements.empty() && !isatty(STDIN_FILENO))) {
    std::stringstream text;
    if (a.file.empty() || a.file == "-") {
      text << std::cin.rdbuf();
    } else {
      std::ifstream in(a.file);
      if (!in) return failed("Cannot read '" + a.file + "'");
      text << in.rdbuf();
    }
    for (auto& one : split_script(text.str())) statements.push_back(std::move(one));
  }
  // What is typed or written together is one session.
  if (auto begun = sql->begin_session(a.catalog, a.schema); !begun) return failed(begun.error().text());
  int code = 0;
  if (statements.empty() && a.file.empty() && isatty(STDIN_FILENO)) {
    code = shell(*sql, a);
  } else {
    for (const auto& s : statements)
      if ((code = run_one(*sql, a, s))) break;
  }
  sql->end_session();
  return code;
}

}  // namespace

void add_sql_verb(CLI::App& app, int& exit_code) {
  auto a = std::make_shared<Arguments>();
  CLI::App* v = app.add_subcommand("sql", "Run SQL in a workspace, or open a shell");
  v->add_option("statement", a->statements, "Statements; without any: a file, standard input, or the shell");
  v->add_option("--data", a->data, "Data folder of a running server (else the DATABRICKS_* environment says where and who)");
  v->add_option("--as", a->as, "Speak as this user or service principal (the folder's owner only)");
  v->add_option("-w,--workspace", a->workspace, "Workspace, by its deployment name (the first label of its host) or, with --data, its name")
      ->required();
  v->add_option("--warehouse", a->warehouse, "Warehouse id (default: the first one you may use)");
  v->add_option("--catalog", a->catalog, "Catalog for names with fewer than three parts");
  v->add_option("--schema", a->schema, "Schema for names of one part");
  v->add_option("-f,--file", a->file, "Read statements from a file (- for standard input)");
  v->add_option("--format", a->format, "table, csv or json")->check(CLI::IsMember({"table", "csv", "json"}));
  v->add_flag_callback(
      "--json", [a] { a->format = "json"; }, "The same as --format json");
  v->footer(
      "Examples:\n  tarn sql --data ~/tarn --as nora@acme.example -w pipeline 'SELECT * FROM pipeline_gold.flights.monthly_delays'\n  tarn sql "
      "--data ~/tarn -w acme-landing --format csv -f report.sql > report.csv");
  v->callback([a, &exit_code] { exit_code = run(*a); });
}

}  // namespace tarn::cli
