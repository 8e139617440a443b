// The program: a table of verbs.
#include <CLI/CLI.hpp>
#include <cstring>

#include "app/restore_verb.h"
#include "app/serve_verb.h"
#include "base/log.h"
#include "cli/control.h"
#include "cli/demo_verb.h"
#include "cli/doctor_verb.h"
#include "cli/network_verb.h"
#include "cli/owner_verbs.h"
#include "cli/platform_verbs.h"
#include "cli/query_verb.h"
#include "cli/rehearse_verb.h"
#include "cli/review_verb.h"
#include "cli/run_verb.h"
#include "cli/sql_verb.h"
#include "compute/node/agent.h"
#include "engine/engine.h"
#include "review/sandbox.h"
#include "serving/scorer.h"

int main(int argc, char** argv) {
  // Children of a server; not for people, so not in the help.
  if (argc > 1 && std::strcmp(argv[1], "engine") == 0) return tarn::engine::engine_main(argc - 1, argv + 1);
  if (argc > 1 && std::strcmp(argv[1], "node") == 0) return tarn::compute::node::node_main(argc - 1, argv + 1);
  if (argc > 1 && std::strcmp(argv[1], "review-sandbox") == 0) return tarn::review::sandbox_main(argc - 1, argv + 1);
  if (argc > 1 && std::strcmp(argv[1], "scorer") == 0) return tarn::serving::scorer_main(argc - 1, argv + 1);
  CLI::App app("Tarn: a governed lakehouse and AI platform that speaks the Databricks API");
  app.set_version_flag("--version", "tarn " TARN_VERSION);
  app.require_subcommand(1);
  app.footer("Begin with:  tarn demo\nEach verb has examples:  tarn plan --help");
  int exit_code = 0;
  tarn::log::init("warn");
  tarn::app::add_serve_verb(app, exit_code);
  tarn::cli::add_owner_verbs(app, exit_code);
  tarn::app::add_restore_verb(app, exit_code);
  tarn::cli::add_platform_verbs(app, exit_code);
  tarn::cli::add_sql_verb(app, exit_code);
  tarn::cli::add_rehearse_verb(app, exit_code);
  tarn::cli::add_review_verb(app, exit_code);
  tarn::cli::add_run_verb(app, exit_code);
  tarn::cli::add_query_verb(app, exit_code);
  tarn::cli::add_doctor_verb(app, exit_code, TARN_VERSION, [](const std::string& data, const std::string& what) {
    auto answer = tarn::cli::Control(data).call("GET", "/" + what);
    return answer ? std::optional(*std::move(answer)) : std::nullopt;
  });
  tarn::cli::add_network_verb(app, exit_code);
  tarn::cli::add_demo_verb(app, exit_code);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    // CLI11's own codes are many; the world knows 0 and 1 (2 means "changes" for plan and drift).
    return app.exit(e) == 0 ? 0 : 1;
  }
  return exit_code;
}
