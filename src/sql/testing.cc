#include "sql/testing.h"

#include <future>

#include "base/ids.h"
#include "store/store_for_tests.h"

namespace tarn::sql::testing {

SidecarParser& shared_parser() {
  static SidecarParser parser;
  return parser;
}

engine::Pool& shared_pool() {
  static engine::Pool pool([] {
    engine::Options o;
    o.binary = TARN_ENGINE_PROGRAM;
    o.memory_bytes = 512u << 20;
    return o;
  }());
  return pool;
}

World::World() {
  folder = std::filesystem::temp_directory_path() / ("tarn-sql-" + new_hex(6));
  std::filesystem::create_directories(folder);
  store = store::store_for_tests(clock);
  objects = std::make_unique<objects::LocalObjects>((folder / "objects").string());
  for (const char* b : {"meta", "lake", "raw"}) (void)objects->create_bucket(b);
  catalog = std::make_unique<catalog::UnityCatalog>(*store, directory, vendor, *objects, workspaces, clock, std::string(catalog::testing::kAccount),
                                                    "us-east-1");
  codec = delta::duckdb_parquet_codec(*objects);
  log = std::make_unique<delta::DeltaLog>(*objects, *codec, clock);
  engine = pool_engine(shared_pool());
  executor = std::make_unique<Executor>(*catalog, shared_parser(), *objects, *log, *engine, std::string(catalog::testing::kAccount));
  catalog->exchange().set_secrets(&sealed);
  executor->set_secrets(&secrets);
  ids["automation"] = directory.add(identity::Kind::service_principal, "11111111-2222-3333-4444-555555555555");
  for (const char* u : {"ana", "bob", "eve"}) ids[u] = directory.add(identity::Kind::user, std::string(u) + "@acme.test");
  ids["engineers"] = directory.add(identity::Kind::group, "engineers");
  directory.join(ids["bob"], ids["engineers"]);
  const auto admin = as("automation");
  auto account = admin;
  account.workspace_id.reset();
  const auto must = [](const auto& r) {
    if (!r) throw std::runtime_error(r.error().message);
    return *r;
  };
  const auto done = [](const auto& r) {
    if (!r) throw std::runtime_error(r.error().message);
  };
  const auto metastore = must(catalog->metastores().create(account, {.name = "main", .region = "us-east-1", .storage_root = "s3://meta/root"}));
  for (const std::int64_t w : {1, 2}) done(catalog->metastores().assign(account, w, metastore.metastore_id, std::nullopt, false));
  done(catalog->credentials().create(admin, std::nullopt,
                                     {.name = "cred", .aws_iam_role = catalog::AwsIamRoleRequest{"arn:aws:iam::123456789012:role/lake"}}));
  done(catalog->locations().create(admin, {.name = "lake", .url = "s3://lake/data", .credential_name = "cred"}));
  done(catalog->catalog_service().create(admin, {.name = "main"}));
  done(catalog->schema_service().create(admin, {.name = "s", .catalog_name = "main"}));
}

void World::on_sail(bool yes) {
  if (!sail_pool) {
    sail_pool = std::make_unique<sail::Pool>(sail::Options{.launcher = TARN_SAIL_PROGRAM, .spool = (folder / "spool").string()});
    executor->set_sail(sail_pool.get());
  }
  on_sail_ = yes;
}

World::~World() {
  executor.reset(), sail_pool.reset(), log.reset(), codec.reset();
  std::error_code ignored;
  std::filesystem::remove_all(folder, ignored);
}

access::Context World::as(const std::string& name, std::int64_t workspace) {
  access::Context c{.caller = *directory.caller(ids.at(name), workspace), .workspace_id = workspace, .request_id = "test"};
  c.caller.account_admin = c.caller.workspace_admin = name == "automation";
  c.caller.entitlements = {"databricks-sql-access"};
  c.caller.group_names = {"account users"};
  c.caller.workspace_groups = {"users"};
  for (const auto g : c.caller.group_ids)
    if (const auto p = directory.get_principal(g)) c.caller.group_names.insert(p->name);
  return c;
}

Result<Done> World::run(const access::Context& ctx, const std::string& sql, ResultSink& sink, std::map<std::string, Parameter> parameters) {
  Session session{.ctx = ctx,
                  .catalog = default_catalog,
                  .schema = default_schema,
                  .parameters = std::move(parameters),
                  .statement_id = "statement-" + std::to_string(++statements_),
                  .state = state,
                  .sail = on_sail_};
  return executor->run(session, sql, {}, sink);
}

namespace {
void await(Statement& statement) {
  std::promise<void> done;
  statement.on_done([&] { done.set_value(); });
  if (done.get_future().wait_for(std::chrono::seconds(120)) != std::future_status::ready) throw std::runtime_error("a statement hangs");
}
}  // namespace

std::shared_ptr<Statement> finished(Statements& statements, const access::Context& ctx, StatementRequest request) {
  auto s = statements.submit(ctx, std::move(request));
  if (!s) throw std::runtime_error(s.error().message);
  await(**s);
  return *s;
}

std::string told(Statements& statements, const access::Context& ctx, StatementRequest request) {
  auto s = statements.submit(ctx, std::move(request));
  if (!s) return s.error().message;
  await(**s);
  return (*s)->snapshot().error_message;
}

void WarehouseTest::SetUp() {
  statements.recover();
  const auto w = warehouses.create(world.as("automation"), {.name = "shared", .cluster_size = "2X-Small"});
  ASSERT_TRUE(w) << w.error().message;
  id = w->id;
}

}  // namespace tarn::sql::testing
