#pragma once
// Names and rights, in one place: what a query refers to, resolved against the catalog, authorised, and compiled to DuckDB SQL that
// reads exactly that. A view's body runs with its owner's rights; current_user() inside it is still the caller.
// Thread-safe. The only code of the room that turns a name into data.
#include <span>

#include "access/caller.h"
#include "catalog/catalog.h"
#include "sql/analysis.h"
#include "sql/engine_port.h"
#include "sql/questions.h"
#include "sql/sessions.h"
#include "sql/tables.h"

namespace tarn::sql {

struct Parameter {
  std::optional<std::string> value;  // nothing: NULL
  std::string type = "STRING";
};

/// What one statement runs under.
struct Session {
  /// The time zone of the session; empty: UTC.
  std::string zone() const { return state ? state->zone() : std::string(); }
  access::Context ctx;
  std::string catalog, schema;  // defaults for unqualified names; empty: none
  std::map<std::string, Parameter> parameters;
  std::string statement_id;
  engine::CancelToken* cancel = nullptr;
  /// What holds for its statements where the session itself says nothing: the workspace's configuration.
  std::int64_t statement_timeout = 0;  // milliseconds
  bool use_cached_result = true;
  bool legacy_access_off = false;  // the workspace's setting disable_legacy_access: hive_metastore says so
  /// What lasts beyond the statement; null: nothing does.
  std::shared_ptr<SessionState> state{};
  /// The query is only to be shown, not run: what its reader may not see behind is left out of it.
  bool outline = false;
  /// Its queries run on Sail.
  bool sail = false;
  /// A decimal did not fit 64 bits: they are computed in as many digits as their types have.
  bool wide_decimals = false;
};

/// For what is known in UTC alone.
Error only_in_utc(const Session& session, const std::string& what);

/// A query ready for the engine.
struct Compiled {
  std::string sql;
  std::vector<std::string> columns;
  std::vector<std::string> types;                                           // of the columns, Databricks SQL's spelling
  std::vector<std::string> declared;                                        // as a RelationColumn's, of each column
  std::vector<std::string> directories;                                     // sorted, unique
  std::vector<std::string> read_tables;                                     // full names as referred to: a view counts as itself
  std::vector<std::string> views;                                           // every view on the way down
  std::vector<std::vector<std::pair<std::string, std::string>>> lineage;    // output column -> (table, column)
  std::vector<std::optional<std::pair<std::string, std::string>>> origins;  // output column -> (table, column), where it is nothing else
  std::vector<std::shared_ptr<const void>> held;                            // files of remote storage, on this machine while the query lives
  std::vector<std::string> bases;                                           // tables under all views
  std::int64_t files = 0, bytes = 0;                                        // of the tables
  std::int64_t skipped = 0;                                                 // files of these that the engine is not given at all
  std::map<std::string, std::string> places;                                // the tables' names by their folders
  bool outside = false;                                                     // reads files that are no table's, or the platform's own rows
  bool guarded = false;                                                     // reads what the caller may not see all of: errors must not tell
  bool asks = false;                                                        // models (ai_query): its text is good for one run
};

/// A DELETE's or UPDATE's expressions over its target.
struct CompiledChange {
  std::string predicate, alias;
  std::vector<std::pair<std::string, std::string>> assignments;
  std::vector<std::string> directories, read_tables;
  std::vector<catalog::LineageEdge> lineage;
  std::vector<std::shared_ptr<const void>> held;  // as Compiled's
  std::vector<delta::ColumnBound> bounds;         // of the rows that are changed
  bool guarded = false;
};

/// Rows that the platform itself provides (information_schema, system.access), as a DuckDB relation. Nothing: no such table.
class SystemTables;
/// Files outside tables (read_files, csv.`s3://…`).
class FileSources;

/// A query over one relation: the text around it, and what its outputs are.
struct Around {
  std::string before, after;
  std::vector<std::string> types;               // Databricks SQL's spelling
  std::vector<std::vector<std::string>> reads;  // the relation's columns that each output uses
  bool volatile_ = false;                       // it answers otherwise at another time or for another user
};

/// A query for Sail: its text, with what stands in the place of each table.
struct SailQuery {
  struct Input {
    std::string text;  // Sail reads it itself. Empty: the rows of `relation` are written down for it
    std::string relation;
    std::vector<std::string> directories;  // that `relation` reads
    std::vector<RelationColumn> columns;
  };
  std::vector<Piece> pieces;
  std::vector<Input> inputs;
  std::vector<std::string> directories;  // that Sail reads itself, sorted
  Compiled known;                        // all but the text; columns, types and lineage only as far as they are known before it ran
};

class Resolver {
 public:
  Resolver(catalog::Catalog& catalog, Parser& parser, Tables& tables, SystemTables& system, FileSources& files)
      : catalog_(catalog), parser_(parser), tables_(tables), system_(system), files_(files) {}

  /// At start-up; must outlive this. Without it ai_query is refused.
  void set_questions(Questions* questions) { questions_ = questions; }
  /// A name of one to three parts with the session's defaults. Error: not_found where a default is missing, invalid for more parts.
  Result<catalog::TableName> qualify(const Session& session, const std::vector<std::string>& parts) const;
  /// The same for `catalog.schema` or `schema`.
  Result<std::pair<std::string, std::string>> qualify_schema(const Session& session, const std::vector<std::string>& parts) const;

  /// `final`: the rows go to a client, so that what the engine holds as numbers (intervals, times of day) becomes text.
  Result<Compiled> compile(const Session& session, const std::string& sql, const Analysis& analysis, bool final = false);
  /// The query of an INSERT into a table.
  Result<Compiled> compile_insert(const Session& session, const std::string& sql, const Analysis& analysis, const OpenTable& target);
  /// A query for Sail. A table that it reads as it is comes by its folder; what has a policy or a feature that it does not know, views, files and
  /// rows of the platform come as rows that the first engine writes down. Errors: as compile's; unsupported for what Sail may not be asked.
  /// on_sail.cc
  Result<SailQuery> compile_sail(const Session& session, const std::string& sql, const Analysis& analysis, const OpenTable* target);
  /// Its text, with these texts for its inputs.
  static Result<std::string> sail_text(const Session& session, const SailQuery& query, const std::vector<std::string>& inputs);
  Result<CompiledChange> compile_change(const Session& session, const std::string& sql, const Analysis& analysis, const OpenTable& target,
                                        const catalog::TableInfo& info);

  /// A MERGE's clauses, over the target and a source with these columns; what subqueries in its values read is resolved as any query's. `evolved`:
  /// the target as it becomes WITH SCHEMA EVOLUTION; else null.
  Result<MergePlan> compile_merge(const Session& session, const std::string& sql, const Analysis& analysis, const std::vector<RelationColumn>& source,
                                  const OpenTable& target, const catalog::TableInfo& info, const OpenTable* evolved = nullptr);
  /// A table's own expressions (constraints, generated columns) over rows with its columns: `sql` is a query of one table, called what it may. They
  /// read nothing else, and call no function of the catalog.
  Result<Around> compile_around(const Session& session, const std::string& sql, const std::vector<RelationColumn>& columns);
  /// One value that reads nothing (a column's DEFAULT), as a DuckDB expression.
  Result<std::string> compile_value(const Session& session, const std::string& expression);
  /// The body of a function as a query that yields one column of no rows, compiled as its owner's: for checking it when it is made.
  Result<Compiled> compile_function(const Session& session, const catalog::FunctionInfo& function, bool temporary = false);
  /// The session's own function that a name means; null: none.  temporary_functions.cc
  static std::shared_ptr<const catalog::FunctionInfo> temporary_function(const Session& session, const std::vector<std::string>& parts);
  /// What a table with these columns, filter and masks would be to its readers, over no rows: for checking them before they are set.
  Result<Compiled> compile_policies(const Session& session, const catalog::TableInfo& info);
  /// Brings the catalog's columns of a table up to its log's, where they differ: another writer changed them, or a server ended between the log's
  /// commit and the catalog's.
  Result<void> follow_log(const Session& session, const catalog::TableInfo& info, const OpenTable& table);

  /// A parameter that the statement names, with its type in Databricks SQL's spelling. Error: invalid (not given, or no scalar).
  static Result<Parameter> parameter(const Session& session, const std::string& name);
  /// The vendor's text for a catalog refusal about a table.
  static Result<void> no_legacy(const Session& session, const std::string& catalog);
  static Error table_error(const catalog::Error& e, const catalog::TableName& name);
  static Error catalog_error(const catalog::Error& e);

 private:
  static constexpr std::size_t kDeepestView = 16;
  struct Rights {
    std::optional<std::string> owner;  // of the view whose body is being compiled
    std::vector<std::string> views;    // the way here
    bool final = false;
    const OpenTable* target = nullptr;  // of the INSERT whose query it is
  };
  struct Relation {
    std::string name;  // for lineage; empty: none
    std::vector<RelationColumn> columns;
    std::string sql;
    std::vector<std::string> directories, views;
    std::vector<std::shared_ptr<const void>> held;
    std::vector<std::string> bases, behind;  // behind: what a temporary view reads
    std::int64_t files = 0, bytes = 0, skipped = 0;
    std::map<std::string, std::string> places;
    bool guarded = false, outside = false, asks = false;
    std::shared_ptr<const OpenTable> table;  // whose files are not settled yet
  };
  /// A query for the parser, with what it reads resolved; `own`: the first of the relations are the statement's, the others its functions'.
  struct Question {
    std::vector<Relation> relations;
    std::size_t own = 0;
    RewriteRequest request;
  };
  Result<Question> question_of(const Session& session, const std::string& sql, const Analysis& analysis, const Rights& rights);
  Result<Compiled> compile(const Session& session, const std::string& sql, const Analysis& analysis, const Rights& rights);
  /// Where each output column comes from.
  static void trace(Compiled& out, const Rewrite& rewritten, std::span<const Relation> relations);
  /// `whole`: with all files of tables; else who calls settles them once it is known which of them can matter.
  Result<std::vector<Relation>> resolve(const Session& session, const Analysis& analysis, const Rights& rights, bool whole = true);
  Result<Relation> resolve(const Session& session, const Reference& reference, const Rights& rights, bool whole = true);
  Result<Relation> view(const Session& session, const catalog::TableInfo& info, const Rights& rights);
  /// The columns of a view over its query as it is by now: each one's place among the query's, and its value where that must be cast (over
  /// `view_.cN`; else empty). `follows`: the view takes over what its query has become. Errors: invalid (INCOMPATIBLE_VIEW_SCHEMA_CHANGE,
  /// CANNOT_UP_CAST_DATATYPE), unsupported, and the parser's for types that do not convert.  view_schemas.cc
  struct ViewColumns {
    std::vector<RelationColumn> columns;
    std::vector<std::size_t> places;
    std::vector<std::string> values;
    std::vector<std::optional<std::string>> comments;  // that it takes over with EVOLUTION; else empty
    bool follows = false;
  };
  Result<ViewColumns> view_columns(const Session& session, const catalog::TableInfo& info, const Compiled& body);
  Result<void> follow_view(const Session& session, const catalog::TableInfo& info, const ViewColumns& now);
  // skipping.cc
  /// What rows of a relation must meet to matter to the statement, as far as it is known here.
  static std::vector<delta::ColumnBound> bounds_of(const Session& session, const Rewrite& rewrite, std::size_t relation);
  /// Of a relation that is a table: its files without those that hold no such row, held where they are copies.
  Result<void> settle_files(Relation& relation, const std::vector<delta::ColumnBound>& bounds);
  // temporary_views.cc
  Result<Relation> temporary(const Session& session, const std::string& name, const TemporaryView& made, const Rights& rights);
  // governed.cc
  /// A SQL function for the parser; what its body reads is added to `relations`, resolved with the rights of the function's owner; of a temporary
  /// one with those of the session, whose temporary views and functions it knows.
  Result<FunctionDef> define(const Session& session, const catalog::FunctionInfo& function, const Rights& rights, std::vector<Relation>& relations,
                             std::vector<FunctionDef>& functions, bool temporary = false);
  /// The catalog's functions among the names that a statement or a body calls, for the parser; one that is not there is left to it to refuse.
  Result<std::map<std::string, int>> routines(const Session& session, const Analysis& analysis, const Rights& rights,
                                              std::vector<Relation>& relations, std::vector<FunctionDef>& functions);
  /// A table's filter and masks for the parser. Whatever is wrong with one refuses the table.
  Result<Policy> policy_of(const Session& session, const catalog::TableInfo& info, const std::vector<RelationColumn>& columns, const Rights& rights,
                           std::vector<FunctionDef>& functions, std::vector<Relation>& relations);
  /// The table behind its filter and masks.
  Result<Relation> governed(const Session& session, const catalog::TableInfo& info, Relation base, const Rights& rights);
  /// The filter and masks of a table that is changed, into the request.
  Result<void> add_policy(const Session& session, const catalog::TableInfo& info, const OpenTable& target, RewriteRequest& request);
  /// A relation that whoever reads it may not see behind: what he asks of its rows is asked after it, never within it.
  static Result<Relation> guarded(const Session& session, Relation relation);
  bool sees_all(const Session& session, const Rights& rights, const std::vector<std::string>& bases);
  Result<std::string> fill(const Session& session, const std::vector<Piece>& pieces, std::span<const Relation> relations,
                           std::vector<std::shared_ptr<const void>>& held) const;
  /// What a statement's text means by its session.
  static void add_session(const Session& session, RewriteRequest& request);
  /// The session's variables that a statement may mean.
  static std::map<std::string, Constant> variables(const Session& session, const std::string& sql);
  Result<void> add_endpoints(const Session& session, const Analysis& analysis, RewriteRequest& request) const;

  catalog::Catalog& catalog_;
  Parser& parser_;
  Tables& tables_;
  SystemTables& system_;
  FileSources& files_;
  Questions* questions_ = nullptr;
};

}  // namespace tarn::sql
