#include "app/data_folder.h"

#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "base/ids.h"

namespace tarn::app {
namespace {

namespace fs = std::filesystem;

/// What a server keeps about itself in its store: made once.
struct AccountRecord {
  std::string account_id;
  std::string store_key() const { return "account"; }
  std::vector<store::IndexEntry> store_indexes() const { return {}; }
};
BOOST_DESCRIBE_STRUCT(AccountRecord, (), (account_id))
constexpr store::Collection<AccountRecord> account_table{"app.account"};

}  // namespace

std::string prepared(const std::string& folder) {
  fs::create_directories(folder);
  const std::string data = fs::canonical(folder).string();
  if (::chmod(data.c_str(), 0700) != 0) throw std::runtime_error("the data folder '" + data + "' is not this user's");
  for (const char* below : {"run", "admin", "tls", "spool", "objects", "results"}) {
    fs::create_directories(data + "/" + below);
    ::chmod((data + "/" + below).c_str(), 0700);
  }
  return data;
}

std::string account_of(store::Store& store) {
  std::string id;
  store.write({.service = "accounts", .action = "start", .principal = "System-User"}, [&](store::WriteTxn& t) {
    if (auto kept = account_table.get(t, "account")) {
      id = kept->value.account_id;
      return true;
    }
    id = new_uuid();
    return account_table.insert(t, {id}).has_value();
  });
  return id;
}

std::string server_of(const std::string& data) {
  const std::string path = data + "/run/server-id";
  std::string id;
  if (std::ifstream in(path); std::getline(in, id) && !id.empty()) return id;
  id = new_hex(8);
  std::ofstream(path, std::ios::trunc) << id << "\n";
  return id;
}

std::string whole_file(const std::string& path) {
  std::ifstream in(path);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

void write_private(const std::string& path, const std::string& text) {
  const std::string next = path + ".new";
  {
    std::ofstream out(next, std::ios::trunc);
    ::chmod(next.c_str(), 0600);
    out << text;
    if (!out.flush()) throw std::runtime_error("cannot write '" + path + "'");
  }
  fs::rename(next, path);
}

}  // namespace tarn::app
