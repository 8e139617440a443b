#pragma once
// A whole platform for the room's tests: real catalog, Delta log, local objects, parser and engine; principals as a simple model.
#include <gtest/gtest.h>

#include <filesystem>

#include "access/testing.h"
#include "catalog/testing.h"
#include "objects/local_objects.h"
#include "sail/sail.h"
#include "sql/sharing.h"
#include "sql/sidecar.h"
#include "sql/statements.h"

namespace tarn::sql::testing {

namespace identity = tarn::identity;

/// Rows as text, joined: what expectations compare.
class Collector final : public ResultSink {
 public:
  void schema(std::vector<ResultColumn> c) override { columns = std::move(c); }
  bool chunk(std::string content, std::int64_t) override {
    const auto parsed = boost::json::parse(content);
    for (const auto& row : parsed.as_array()) {
      std::string line;
      for (const auto& v : row.as_array())
        line += (line.empty() && &v == row.as_array().begin() ? "" : "|") + (v.is_null() ? std::string("NULL") : std::string(v.as_string()));
      rows.push_back(std::move(line));
    }
    return true;
  }
  std::vector<ResultColumn> columns;
  std::vector<std::string> rows;
};

/// One parser and one pool of engines for all tests of the program.
SidecarParser& shared_parser();
engine::Pool& shared_pool();

/// Secrets that everyone may read but for the scope `locked`.
class FakeSecrets final : public SecretValues {
 public:
  Expected<std::string, std::string> get(const access::Context&, const std::string& scope, const std::string& key) override {
    if (scope == "locked") return fail(std::string("User does not have READ permission on scope ") + scope);
    return "sealed-" + scope + "-" + key;
  }
};

class World {
 public:
  World();
  ~World();

  /// Its statements run as on a warehouse whose engine is Sail, or no longer.
  void on_sail(bool yes = true);
  access::Context as(const std::string& name, std::int64_t workspace = 1);
  Result<Done> run(const access::Context& ctx, const std::string& sql, ResultSink& sink, std::map<std::string, Parameter> parameters = {});

  std::filesystem::path folder;
  SystemClock clock;
  std::unique_ptr<store::Store> store;
  catalog::testing::FakeDirectory directory;
  catalog::testing::FakeWorkspaces workspaces;
  catalog::testing::FakeVendor vendor;
  std::unique_ptr<objects::LocalObjects> objects;
  std::unique_ptr<catalog::UnityCatalog> catalog;
  std::unique_ptr<delta::ParquetCodec> codec;
  std::unique_ptr<delta::DeltaLog> log;
  std::unique_ptr<Engine> engine;
  std::unique_ptr<sail::Pool> sail_pool;
  std::unique_ptr<Executor> executor;
  crypto::Keyring keys{std::string(32, 'k')};
  store::Secrets sealed{keys};  // of connections
  FakeSecrets secrets;
  std::map<std::string, std::int64_t> ids;
  std::string default_catalog = "main", default_schema = "s";
  std::shared_ptr<SessionState> state = std::make_shared<SessionState>();  // of all its statements

 private:
  int statements_ = 0;
  bool on_sail_ = false;
};

/// What became of a statement, once it has ended; throws where it is refused at once or hangs.
std::shared_ptr<Statement> finished(Statements& statements, const access::Context& ctx, StatementRequest request);
/// Why it was refused or failed; empty: it succeeded.
std::string told(Statements& statements, const access::Context& ctx, StatementRequest request);

/// A warehouse named `shared` over a World, which automation owns.
class WarehouseTest : public ::testing::Test {
 protected:
  World world;
  access::testing::FakePermissions permissions;
  Warehouses warehouses{*world.store, permissions, world.clock};
  Statements statements{*world.executor, warehouses, *world.store, *world.objects, world.vendor, world.clock};
  std::string id;

  void SetUp() override;
};

}  // namespace tarn::sql::testing
