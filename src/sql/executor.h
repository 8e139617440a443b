#pragma once
// One statement from text to result, on the calling thread: parsed, resolved, authorised, run, recorded (lineage). Everything that a
// statement may do is in the table of run(); what is not there was refused by the parser. Thread-safe.
#include "objects/object_store.h"
#include "sql/executor_types.h"
#include "sql/file_sources.h"
#include "sql/resolver.h"
#include "sql/result_cache.h"
#include "sql/securables.h"
#include "sql/system_tables.h"

namespace tarn::sail {
class Lease;
class Pool;
}  // namespace tarn::sail

namespace tarn::sql {

class Executor {
 public:
  Executor(catalog::UnityCatalog& catalog, Parser& parser, objects::ObjectStore& objects, delta::DeltaLog& log, Engine& engine,
           std::string account_id)
      : catalog_(catalog),
        parser_(parser),
        objects_(objects),
        engine_(engine),
        tables_(objects, log, engine),
        system_(catalog, std::move(account_id)),
        files_(catalog, objects, engine, parser),
        resolver_(catalog, parser, tables_, system_, files_),
        securables_(catalog, resolver_) {}

  /// The rows of system.query.history; set once, before the first statement.
  void set_history(HistorySource source) { system_.set_history(std::move(source)); }
  /// What ai_query asks. At start-up; must outlive this. Without it ai_query is refused.
  void set_questions(Questions* questions) { resolver_.set_questions(questions); }
  /// What runs the queries of sessions with `sail`. At start-up; must outlive this. Without it they are refused.
  void set_sail(sail::Pool* pool) { sail_ = pool; }
  /// Whom SHOW USERS and SHOW GROUPS list. At start-up; must outlive this.
  void set_principals(Principals* principals) { securables_.set_principals(principals); }
  void set_secrets(SecretValues* secrets) { securables_.set_secrets(secrets); }
  Result<Done> run(const Session& session, const std::string& given, const ResultOptions& options, ResultSink& sink);
  /// At start-up: where other rooms bring their tables of the system catalog.
  SystemTables& system() { return system_; }

  /// What a setting is for a statement of this session, by the name that the vendor's manual has.
  static std::string setting(const Session& session, std::string_view name);

 private:
  using Rows = std::vector<std::vector<std::optional<std::string>>>;
  struct Call {
    const Session& session;
    const std::string& sql;
    const Analysis& analysis;
    const ResultOptions& options;
    ResultSink& sink;
    bool& guarded;  // it reads what its caller may not see all of
    Metrics& metrics;
  };
  struct Target {
    catalog::TableName name;
    catalog::TableInfo info;
    std::shared_ptr<const OpenTable> table;
  };

  /// A query ready for the engine; of a session on Sail, what is left is to read the rows that Sail has made.
  Result<Compiled> ready(const Call& c, const std::string& sql, const Analysis& analysis, bool final = false, const OpenTable* target = nullptr);
  Result<Compiled> on_sail(const Call& c, const std::string& sql, const Analysis& analysis, bool final, const OpenTable* target);  // on_sail.cc
  /// Statements whose rows the default engine would compute, where the warehouse's is another.
  static Result<void> not_on_sail(const Session& session, StatementKind kind);
  Result<Done> query(const Call& c);    // executor.cc
  Result<Done> explain(const Call& c);  // explain.cc
  /// The last column's texts of all rows, one after another.
  Result<std::string> column_of(const Call& c, const std::string& sql, const std::vector<std::string>& directories);
  Result<std::string> sail_plan(const Call& c, const std::string& sql, const Analysis& analysis);  // on_sail.cc
  Result<std::shared_ptr<sail::Lease>> lease_for(const Call& c, const SailQuery& query);
  /// The engine's plan of a query.
  Result<std::string> plan_of(const Call& c, const std::string& sql, const std::vector<std::string>& directories);
  /// What a statement that is no query would do, and the plan of what it reads; `shown`: the session whose plans leave out what is hidden.
  Result<std::string> plan_of_command(const Call& c, const Session& shown, const std::string& sql, const Analysis& a);
  /// Rows that the platform made itself, all columns strings unless said otherwise.
  Result<Done> deliver(const Call& c, std::vector<ResultColumn> columns, const Rows& rows);
  Result<Done> affected(const Call& c, std::int64_t rows, bool inserted);

  /// `constraints`: CHECKs by name that the table begins with.  writes.cc
  Result<Done> create_table(const Call& c, const std::map<std::string, std::string>& constraints = {});
  Result<Done> create_table_like(const Call& c);  // table_like.cc
  Result<Done> insert(const Call& c);
  Result<CompiledChange> replaced(const Call& c, const Target& target, std::vector<std::string>& equal);
  Result<Done> change(const Call& c);
  Result<Done> copy_into(const Call& c);  // copy_into.cc
  Result<Done> list_files(const Call& c);
  Result<Done> merge(const Call& c);     // merge.cc
  Result<Done> maintain(const Call& c);  // maintenance.cc: OPTIMIZE, VACUUM, RESTORE
  Result<Done> alter(const Call& c);     // alter.cc
  Result<Done> tag(const Call& c);
  Result<Done> securable(const Call& c);
  /// What a clause about columns, constraints or clustering commits; nothing: there is nothing to do.  alter_columns.cc
  Result<std::optional<delta::Commit>> column_change(const Call& c, const Target& target, const std::string& action);
  /// That generated columns, defaults and constraints can be compiled, and use what they may.
  Result<void> check_expressions(const Session& session, const delta::Metadata& metadata);
  /// Whether a value is what its writer gave or is filled up when a constraint or a generated column sees it, Delta's writers do not agree on.
  static Result<void> without_char(const delta::Metadata& metadata, const std::vector<std::string>& reads, const char* what);
  Result<void> check_unused(const Session& session, const delta::Metadata& metadata, const std::string& column);
  /// An existing Delta table that the caller may MODIFY.
  Result<Target> writable(const Session& session, const std::vector<std::string>& parts);
  /// The catalog's columns after a write that brought new ones.
  Result<void> show_evolved(const Session& session, const Target& target, const OpenTable& written);
  /// `SELECT CAST(…) …` that turns a query's columns into the table's; `sources` gets for each table column the place of its source.
  Result<std::string> shaped(const Session& session, const OpenTable& table, const Compiled& query, const std::vector<std::string>& columns,
                             bool by_name, std::string_view called, std::vector<std::optional<std::size_t>>& sources);
  /// What the table asks of the rows of a statement that gives values for the columns `provided`; `inserts`: some of its rows are new. Errors:
  /// invalid (a value for a column that has none to be given), and the parser's for an expression that it cannot read.  row_rules.cc
  Result<RowRules> rules(const Session& session, const delta::Metadata& metadata, const std::vector<std::string>& provided, bool inserts);
  /// What a new row has in a column that the statement says nothing of: its DEFAULT, as a DuckDB expression; else NULL.
  Result<std::string> default_of(const Session& session, const delta::Field& field);
  /// The rows of a table that break a condition.
  Result<std::int64_t> breaking(const Session& session, const OpenTable& table, const std::string& condition);
  void record(const Session& session, const Compiled& query, const catalog::TableName& target, const std::vector<std::string>& target_columns,
              const std::vector<std::optional<std::size_t>>& sources);

  Result<Done> create_function(const Call& c);  // functions.cc
  Result<Done> drop_function(const Call& c);
  Result<Done> create_temporary_function(const Call& c, catalog::FunctionInfo info);  // temporary_functions.cc
  Result<Done> drop_temporary_function(const Call& c);
  /// That a body which outlasts the session means nothing that does not. Error: invalid.
  Result<void> lasting_only(const Session& session, const std::string& shown, const char* type, const Analysis& body) const;
  Result<Done> govern(const Call& c, const catalog::TableName& name);
  Result<Done> policies(const Call& c);  // policies.cc: policies over tags
  Result<void> name_policies(const Call& c, catalog::NewTable& wanted);
  /// Whether the policies can be applied at all; ok where the catalog will refuse them anyway.
  Result<void> try_policies(const Call& c, catalog::TableInfo info);
  static Error withheld(Error e);

  Result<Done> create_view(const Call& c);  // definitions.cc
  /// The columns of a view over this query, called `shown`.
  Result<std::vector<catalog::ColumnInfo>> view_columns(const Call& c, const Compiled& query, const std::string& shown);
  Result<Done> create_temporary_view(const Call& c);  // temporary_views.cc
  Result<Done> create_namespace(const Call& c);
  Result<Done> drop(const Call& c);
  Result<Done> grants(const Call& c);
  Result<Done> use(const Call& c);

  Result<Done> declare(const Call& c);  // variables.cc
  Result<Done> set(const Call& c);
  Result<Done> drop_variable(const Call& c);
  Result<Done> set_config(const Call& c);
  Result<Done> show_config(const Call& c);
  Result<Done> reset_config(const Call& c);
  /// The time zone as a session holds it (empty: UTC). Error: invalid for one that the engine does not know.
  Result<std::string> known_zone(const std::string& zone);
  /// The one row of a query into variables of the session, by place. Errors: invalid (more rows than one, another number of columns), unresolved.
  Result<void> assign(const Call& c, const std::vector<std::vector<std::string>>& names, const std::string& query);
  /// The values of a query's one row as constants of these types; an empty one becomes the query's. NULLs where there is no row.
  Result<std::vector<Constant>> constants(const Call& c, const std::string& query, std::vector<std::string> types);

  Result<Done> show(const Call& c);  // descriptions.cc
  Result<Done> describe_table(const Call& c);
  Result<Done> describe_query(const Call& c);
  Result<Done> describe_history(const Call& c);
  Result<catalog::TableInfo> readable(const Session& session, const std::vector<std::string>& parts, catalog::TableName& name);

  Result<Done> show_partitions(const Call& c);  // partitions.cc
  Result<Done> show_table_extended(const Call& c);
  /// A query of the platform's own words, as the caller's: into the statement's sink or another.
  Result<Done> ask(const Call& c, const std::string& query_text, ResultSink& sink);
  /// The condition that PARTITION (…) is; empty where it names a column that the table is not partitioned by.
  Result<std::string> in_partition(const Call& c, const catalog::TableInfo& info);
  /// The partition that PARTITION (…) names: its columns and their values. Errors: invalid (not all columns), not_found.
  using Partition = std::vector<std::pair<std::string, std::string>>;
  Result<Partition> partition_of(const Call& c, const catalog::TableName& name, const catalog::TableInfo& info);

  catalog::Catalog& catalog_;
  Parser& parser_;
  objects::ObjectStore& objects_;
  Engine& engine_;
  Tables tables_;
  SystemTables system_;
  FileSources files_;
  Resolver resolver_;
  Securables securables_;
  ResultCache cache_;
  sail::Pool* sail_ = nullptr;
};

/// Whether a name matches SHOW's pattern: `*` any text, `|` alternatives, without case.
bool like(std::string_view pattern, std::string_view name);

}  // namespace tarn::sql
