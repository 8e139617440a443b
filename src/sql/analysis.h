#pragma once
// What the parser says of a statement: described structs that mirror the sidecar's JSON (sidecar/analyze.py, tokens.py, rewrite.py).
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "sql/errors.h"

namespace tarn::sql {

enum class StatementKind {
  query,
  insert,
  create_table,
  create_view,
  delete_,
  update,
  copy_into,
  merge,
  alter,
  optimize,
  vacuum,
  restore,
  explain,
  create_catalog,
  create_schema,
  drop_catalog,
  drop_schema,
  drop_table,
  drop_view,
  create_function,
  drop_function,
  grant,
  revoke,
  show_grants,
  show_catalogs,
  show_schemas,
  show_tables,
  show_views,
  show_dropped,
  undrop,
  show_columns,
  show_create_table,
  show_properties,
  show_partitions,
  show_table_extended,
  list_files,
  describe_table,
  describe_history,
  describe_detail,
  describe_namespace,
  use_catalog,
  use_schema,
  create_policy,
  drop_policy,
  show_policies,
  describe_policy,
  describe_query,
  create_securable,  // volumes, external locations, storage credentials, functions: securables.h; what is shared, connections: sharing.h
  drop_securable,
  show_securables,
  show_principals,
  describe_securable,
  show_current,
  declare_variable,
  set_variable,
  drop_variable,
  set_config
};
// More of them than BOOST_DESCRIBE_ENUM takes in one list.
// clang-format off
BOOST_DESCRIBE_ENUM_BEGIN(StatementKind)
#define TARN_KIND(name) BOOST_DESCRIBE_ENUM_ENTRY(StatementKind, name)
TARN_KIND(query) TARN_KIND(insert) TARN_KIND(create_table) TARN_KIND(create_view) TARN_KIND(delete_) TARN_KIND(update) TARN_KIND(copy_into)
TARN_KIND(merge) TARN_KIND(alter) TARN_KIND(optimize) TARN_KIND(vacuum) TARN_KIND(restore) TARN_KIND(explain) TARN_KIND(create_catalog)
TARN_KIND(create_schema) TARN_KIND(drop_catalog) TARN_KIND(drop_schema) TARN_KIND(drop_table) TARN_KIND(drop_view)
TARN_KIND(create_function) TARN_KIND(drop_function) TARN_KIND(grant) TARN_KIND(revoke) TARN_KIND(show_grants) TARN_KIND(show_catalogs)
TARN_KIND(show_schemas) TARN_KIND(show_tables) TARN_KIND(show_views) TARN_KIND(show_dropped) TARN_KIND(undrop) TARN_KIND(show_columns) TARN_KIND(show_create_table)
TARN_KIND(show_properties) TARN_KIND(show_partitions) TARN_KIND(show_table_extended) TARN_KIND(list_files) TARN_KIND(describe_table)
TARN_KIND(describe_history) TARN_KIND(describe_detail) TARN_KIND(describe_namespace) TARN_KIND(use_catalog) TARN_KIND(use_schema)
TARN_KIND(create_policy) TARN_KIND(drop_policy) TARN_KIND(show_policies) TARN_KIND(describe_policy) TARN_KIND(describe_query)
TARN_KIND(create_securable) TARN_KIND(drop_securable) TARN_KIND(show_securables) TARN_KIND(show_principals) TARN_KIND(describe_securable) TARN_KIND(show_current)
TARN_KIND(declare_variable) TARN_KIND(set_variable) TARN_KIND(drop_variable) TARN_KIND(set_config)
#undef TARN_KIND
BOOST_DESCRIBE_ENUM_END(StatementKind)
    // clang-format on

    /// A place in a query that reads something.
    enum class ReferenceKind {
      table,
      path,
      files,
      range,
      changes
    };
BOOST_DESCRIBE_ENUM(ReferenceKind, table, path, files, range, changes)

struct Reference {
  ReferenceKind kind = ReferenceKind::table;
  std::vector<std::string> parts;              // as written, outermost first
  std::string path;                            // path, files: the URL; range: its arguments
  std::map<std::string, std::string> options;  // files; changes: start_version or start_timestamp, and the same of the end
  std::optional<std::int64_t> version;         // VERSION AS OF
  std::optional<std::string> timestamp;        // TIMESTAMP AS OF
  std::string named_by;                        // IDENTIFIER(:parameter): `parts` is its value
  bool metadata = false;                       // path, files: the statement may use their column _metadata
};
BOOST_DESCRIBE_STRUCT(Reference, (), (kind, parts, path, options, version, timestamp, named_by, metadata))

/// GENERATED … AS IDENTITY (START WITH start INCREMENT BY step).
struct IdentityClause {
  bool always = true;  // else BY DEFAULT: a user may give a value
  std::int64_t start = 1, step = 1;
};
BOOST_DESCRIBE_STRUCT(IdentityClause, (), (always, start, step))

struct ColumnClause {
  std::string name;
  std::string type;  // empty where only a name was given
  bool nullable = true;
  std::optional<std::string> comment;
  // Expressions, as written; a function's parameter has only a default, and a column of PARTITION (…) has its value as one.
  std::optional<std::string> generated, default_value;
  std::optional<IdentityClause> identity;
};
BOOST_DESCRIBE_STRUCT(ColumnClause, (), (name, type, nullable, comment, generated, default_value, identity))

/// ROW FILTER function ON (columns), MASK function USING COLUMNS (columns).
struct PolicyClause {
  std::vector<std::string> function, columns;
};
BOOST_DESCRIBE_STRUCT(PolicyClause, (), (function, columns))

/// CREATE POLICY. Conditions are as written; an argument is an alias or a constant.
struct PolicyDefinition {
  struct Argument {
    std::string text;
    bool constant = false;
  };
  struct Column {
    std::string condition, alias;
  };
  bool mask = false;
  std::vector<std::string> function, to, except;
  std::string when, on_column;
  std::vector<Column> match;
  std::vector<Argument> arguments;
};
BOOST_DESCRIBE_STRUCT(PolicyDefinition::Argument, (), (text, constant))
BOOST_DESCRIBE_STRUCT(PolicyDefinition::Column, (), (condition, alias))
BOOST_DESCRIBE_STRUCT(PolicyDefinition, (), (mask, function, to, except, when, on_column, match, arguments))

/// ALTER SHARE ADD, ALTER or REMOVE: what the share lists. Empty members: not said.
struct SharedObject {
  struct Value {
    std::string column, op;
    std::optional<std::string> value, property;  // one of the two: a literal, or what the recipient's property says
  };
  std::string type;
  std::vector<std::string> name, shared_as;
  std::optional<std::string> comment, history;
  std::vector<std::vector<Value>> partitions;
};
BOOST_DESCRIBE_STRUCT(SharedObject::Value, (), (column, op, value, property))
BOOST_DESCRIBE_STRUCT(SharedObject, (), (type, name, shared_as, comment, history, partitions))

struct Analysis {
  StatementKind kind = StatementKind::query;
  std::vector<std::string> target;
  std::vector<Reference> tables;                   // in the order that Rewrite's pieces count them
  std::vector<std::vector<std::string>> routines;  // functions that are not built in, as written
  std::vector<std::string> endpoints;              // that ai_query asks without saying what they answer
  std::vector<std::string> parameters;             // named ones
  int positional = 0;
  bool if_exists = false, if_not_exists = false, or_replace = false, cascade = false, extended = false, has_query = false, overwrite = false,
       by_name = false, evolves = false, temporary = false;
  std::vector<ColumnClause> columns, returned;  // returned: RETURNS TABLE's
  // MERGE WITH SCHEMA EVOLUTION: columns that its clauses give values to; "*": all of the source's. SET VARIABLE: values, as written; empty: DEFAULT.
  std::vector<std::string> assigned;
  std::vector<std::vector<std::string>> variables;  // of the session: names as written
  std::vector<std::string> insert_columns, partitioned_by, privileges, files, cluster_by;
  std::vector<std::string> replace_using;  // INSERT ... REPLACE USING: columns
  std::optional<std::string> comment, location, like;
  std::map<std::string, std::string> properties, options, copy_options;
  std::string file_format, securable_type, principal, source;
  std::string query_text;               // a view's or function's body, EXPLAIN's statement, MERGE's source, a constraint's condition, REPLACE WHERE's
  std::optional<std::int64_t> version;  // RESTORE; SHOW TABLES DROPPED: how many at most
  std::optional<std::string> timestamp;  // RESTORE
  std::optional<PolicyClause> row_filter;
  std::map<std::string, PolicyClause> masks;  // by column
  std::optional<PolicyDefinition> policy;
  std::vector<std::string> copied;  // CREATE TABLE … LIKE: the table or view whose definition it takes
  std::string name;                 // of a policy; `target` is what it is on; a securable's new name; UNDROP: an id
  std::optional<SharedObject> shared;
  std::map<std::string, std::vector<std::string>> secrets;  // a connection's options that secret(scope, key) gives
};
BOOST_DESCRIBE_STRUCT(Analysis, (),
                      (kind, target, tables, routines, endpoints, parameters, positional, if_exists, if_not_exists, or_replace, cascade, extended,
                       has_query, overwrite, by_name, evolves, temporary, assigned, variables, columns, returned, insert_columns, replace_using,
                       partitioned_by, privileges, files, cluster_by, comment, location, like, properties, options, copy_options, file_format,
                       securable_type, principal, source, query_text, version, timestamp, row_filter, masks, policy, copied, name, shared, secrets))

/// A piece of generated SQL: its text, or a hole that the resolver fills.
struct Piece {
  enum class Kind { text, relation, target, parameter, asker, user, member, local_member, catalog, schema } kind = Kind::text;
  std::string text;  // text; the parameter's or the group's name
  int index = 0;     // relation: place in Analysis::tables
};

struct RelationColumn {
  std::string name;
  std::string type;        // Databricks SQL's spelling
  std::string declared{};  // char(n) or varchar(n) of a STRING that was declared so; else empty
  bool hidden = false;     // only a statement that names it gets it
};
BOOST_DESCRIBE_STRUCT(RelationColumn, (), (name, type, declared, hidden))

struct Assignment {
  std::string column;
  std::vector<Piece> value;
};

enum class MergeKind { matched, not_matched, by_source };
BOOST_DESCRIBE_ENUM(MergeKind, matched, not_matched, by_source)
enum class MergeAction { update, delete_, insert };

/// One WHEN of a MERGE.
struct MergeClause {
  MergeKind kind = MergeKind::matched;
  MergeAction action = MergeAction::update;
  std::vector<Piece> condition;  // empty: always
  std::vector<std::string> columns;
  std::vector<std::vector<Piece>> values;         // one for each column
  std::vector<std::vector<std::string>> sources;  // the source's columns that each value uses, lower case
};

struct MergeRewrite {
  std::string target_alias, source_alias;
  std::vector<Piece> on;
  std::vector<MergeClause> clauses;
};

/// What a WHERE says of a table's column (sidecar/bounds.py, delta/file_skipping.h): a comparison with constants.
struct BoundConstant {
  std::string parameter;   // the name of the one that it is; empty: `text` of `type`
  std::string text, type;  // as delta::BoundValue's
};
struct RelationBound {
  int relation = 0;  // its place among the relations of the request; one past them: the target
  std::string column, op;
  std::vector<BoundConstant> values;
};

struct Rewrite {
  std::vector<Piece> query;                                         // queries
  std::vector<std::string> columns;                                 // output names
  std::vector<std::string> types;                                   // and their types, Databricks SQL's spelling
  std::vector<std::string> declared;                                // and as a RelationColumn's
  std::vector<std::vector<std::pair<int, std::string>>> lineage;    // for each output (or assignment): relation and column
  std::vector<std::optional<std::pair<int, std::string>>> origins;  // of a query's outputs: the column that each is, if it is nothing else
  std::vector<RelationBound> bounds;                                // that rows must meet to be of use
  std::vector<Piece> predicate;                                     // DELETE, UPDATE
  std::vector<Assignment> assignments;
  std::string target_alias;
  std::optional<MergeRewrite> merge;
};

/// A SQL function as the parser expands it (sidecar/udf.py).
struct FunctionDef {
  std::string name;  // full
  std::vector<RelationColumn> parameters;
  std::string returns, body;            // returns: empty while it is not known yet
  std::vector<int> relations;           // what the tables of its body are, in their order: places in RewriteRequest::relations
  std::map<std::string, int> routines;  // what its body calls, by the name in it (lower case): places in RewriteRequest::functions
  std::vector<std::string> defaults{};  // of the parameters; empty text: none
  bool table = false;                   // its body is a query that makes rows of `columns`, or as it comes
  std::vector<RelationColumn> columns{};
  bool reads_data = false;  // by itself, or by what it says
};

/// A table's row filter and column masks, as calls of functions over its columns.
struct Policy {
  struct Call {
    int function = 0;  // place in RewriteRequest::functions
    std::vector<std::string> columns;
    std::vector<bool> constants{};  // where true, the text in `columns` is a value; empty: nowhere
  };
  std::optional<Call> filter;
  std::map<std::string, Call> masks;  // by column
};

/// A value of a type; nothing: NULL. The text is the engine's, which cast to the type gives the value back.
struct Constant {
  std::string type;
  std::optional<std::string> value;
};

struct RewriteRequest {
  /// Empty: relation 0 behind `policy`.
  std::string sql;
  std::vector<std::vector<RelationColumn>> relations;  // one for each of Analysis::tables
  std::vector<ReferenceKind> kinds;
  std::vector<RelationColumn> target;                  // INSERT, DELETE, UPDATE, MERGE (whose only relation is its source)
  std::optional<std::vector<RelationColumn>> evolved;  // MERGE WITH SCHEMA EVOLUTION: the target's columns with those that it gets
  std::map<std::string, std::string> defaults;         // what DEFAULT means in a column of the target, by its name in lower case
  std::vector<FunctionDef> functions;
  std::map<std::string, int> routines;            // as a FunctionDef's: what the statement itself calls
  std::optional<Policy> policy;                   // of relation 0 of an empty statement, else of the target
  std::map<std::string, std::string> parameters;  // name -> type
  std::map<std::string, Constant> variables;      // of the session, by name in lower case
  std::string zone{};                             // the session's; empty: UTC
  bool wide = false;                              // decimals in as many digits as their types have, not in 64 bits at first
  std::optional<int> probe;                       // a place in functions: that one by itself, over the columns of relation 0
  std::map<std::string, std::string> endpoints;   // of Analysis::endpoints: the SQL type of what each answers
  bool final = false;                             // for a client: intervals and times of day as text
  bool sail = false;                              // a query in Spark SQL for Sail: nothing but `query` comes back
};

/// Databricks SQL understood. Thread-safe; answers are shared and cached by text. Errors: parse, unsupported, unresolved, too_large,
/// timeout (a statement that takes the parser too long), unavailable.
class Parser {
 public:
  virtual ~Parser() = default;
  /// A parameter's text (nothing: NULL) and type, by its name.
  using Given = std::map<std::string, std::pair<std::optional<std::string>, std::string>>;
  struct Prepared {
    std::string sql;
    std::vector<std::vector<std::string>> into;  // EXECUTE IMMEDIATE ... INTO: names of variables
  };
  /// The statement with EXECUTE IMMEDIATE's text and the names that IDENTIFIER() gives in their places. Not cached.
  virtual Result<Prepared> prepare(const std::string& sql, const Given& parameters, const std::map<std::string, Constant>& variables) = 0;
  /// A value on its way into a column.
  struct Stored {
    std::string sql, from, to;  // types: Databricks SQL's spelling
  };
  /// The text of each as its column takes it: Spark's casts. Not cached; asked only where types differ.
  virtual Result<std::vector<std::string>> assign(const std::vector<Stored>& values, const std::string& zone) = 0;
  virtual Result<std::shared_ptr<const Analysis>> analyze(const std::string& sql) = 0;
  virtual Result<std::shared_ptr<const Rewrite>> rewrite(const RewriteRequest& request) = 0;
};

}  // namespace tarn::sql
