#include "app/restore_verb.h"

#include <CLI/CLI.hpp>
#include <iostream>

#include "app/whole_backup.h"

namespace tarn::app {
namespace {

struct Arguments {
  std::string from, data, store, key_file;
  bool json = false;
};

int restore(const Arguments& a) {
  try {
    const auto sum = restore_whole(a.from, a.data, a.store, a.key_file);
    if (a.json)
      std::cout << json::encode_text(sum) << std::endl;
    else
      std::cout << fmt::format("Restored {} records, {} audit records and {} objects into {}: start it with  tarn serve --data {}\n", sum.records,
                               sum.audit_records, sum.objects, a.data, a.data);
    return 0;
  } catch (const std::exception& e) {
    std::cerr << "error: " << e.what() << "\n";
    return 1;
  }
}

}  // namespace

void add_restore_verb(CLI::App& app, int& exit_code) {
  auto a = std::make_shared<Arguments>();
  CLI::App* v = app.add_subcommand("restore", "Fill an empty data folder from a backup");
  v->add_option("backup", a->from, "Folder that `tarn backup` made")->required();
  v->add_option("--data", a->data, "Data folder to make; empty or absent")->required();
  v->add_option("--store", a->store, "Restore the metadata into this store instead of a file (an empty database)");
  v->add_option("--key-file", a->key_file, "Where to put the backup's root key (default: in the data folder)");
  v->add_flag("--json", a->json, "JSON instead of text");
  v->footer(
      "Examples:\n  tarn restore ~/backups/monday --data ~/tarn2\n  tarn restore ~/backups/monday --data ~/tarn2 --store postgresql://tarn@db/tarn");
  v->callback([a, &exit_code] { exit_code = restore(*a); });
}

}  // namespace tarn::app
