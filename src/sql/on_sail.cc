// Queries of warehouses whose engine is Sail (docs/decisions/0016-sail-on-warehouses.md). The policy is the same and applied in the same place: what
// the reader may see only a part of reaches Sail as rows, after its filter, its masks and its view. Sail's rows come back as files, which the first
// engine delivers and writes into tables like rows of its own.
#include <boost/algorithm/string/replace.hpp>

#include "base/text.h"
#include "sail/sail.h"
#include "sql/executor.h"
#include "sql/gathering.h"
#include "sql/types.h"

namespace tarn::sql {
namespace {

constexpr const char* kElsewhere = " Use a warehouse of the default engine. SQLSTATE: 0A000";

/// A text and a name in Spark SQL.
std::string spark_string(std::string_view text) {
  std::string out = "'";
  for (const char ch : text) {
    if (ch == '\\' || ch == '\'') out += '\\';
    out += ch;
  }
  return out + "'";
}

/// What Sail says where Spark has a class: a part of its message, and what stands before and behind it (nothing behind: in its place).
constexpr std::tuple<const char*, const char*, const char*> kSparks[] = {
    {"ivide by zero", "[DIVIDE_BY_ZERO] Division by zero. Use `try_divide` to tolerate divisor being 0 and return NULL instead. SQLSTATE: 22012", ""},
    {"ivision by zero", "[DIVIDE_BY_ZERO] Division by zero. Use `try_divide` to tolerate divisor being 0 and return NULL instead. SQLSTATE: 22012",
     ""},
    {"Remainder by zero", "[REMAINDER_BY_ZERO] Remainder by zero. Use `try_mod` to tolerate divisor being 0 and return NULL instead. SQLSTATE: 22012",
     ""},
    {"Cannot cast string", "[CAST_INVALID_INPUT] ", ". Use `try_cast` to tolerate malformed input and return NULL instead. SQLSTATE: 22018"},
    {"is out of range Int", "[CAST_OVERFLOW] ", ". Use `try_cast` to tolerate overflow and return NULL instead. SQLSTATE: 22003"},
    {"Can't cast value", "[CAST_OVERFLOW] ", ". Use `try_cast` to tolerate overflow and return NULL instead. SQLSTATE: 22003"},
    {"index is out of bounds", "[INVALID_ARRAY_INDEX_IN_ELEMENT_AT] ", ". SQLSTATE: 22003"},
    {"verflow", "[ARITHMETIC_OVERFLOW] ", ". SQLSTATE: 22003"},
};

/// Where tables lie on this machine is no caller's business; Sail leaves out the first slash at times.
std::string without_places(std::string text, const std::vector<std::string>& places) {
  for (const auto& place : places)
    for (const auto& part : {place, place.substr(1)}) {
      boost::algorithm::replace_all(text, part + "/", "");
      boost::algorithm::replace_all(text, part, "of the table");
    }
  return text;
}

Error from_sail(sail::Error e, const std::vector<std::string>& places) {
  e.message = without_places(std::move(e.message), places);
  const auto says = [&](const char* text) { return e.message.find(text) != e.message.npos; };
  switch (e.code) {
    case sail::Errc::cancelled:
      return {Errc::cancelled, e.message};
    case sail::Errc::timeout:
      return {Errc::timeout, e.message};
    case sail::Errc::unavailable:
      return {Errc::unavailable, e.message};
    case sail::Errc::storage:
      return {Errc::engine, "[TASK_WRITE_FAILED] Task failed while writing rows: " + e.message + " SQLSTATE: 58030"};
    case sail::Errc::died:
      return {Errc::engine, e.message};
    case sail::Errc::unsupported:
      return {Errc::unsupported, "[UNSUPPORTED_FEATURE] " + e.message + " is not supported by a warehouse whose engine is Sail." + kElsewhere};
    case sail::Errc::sql:
      break;
  }
  if (e.message.starts_with("[")) return {Errc::engine, e.message};  // Spark's class, from Sail itself
  for (const auto& [part, before, after] : kSparks)
    if (says(part)) return {Errc::engine, before + (std::string_view(after).empty() ? std::string() : e.message + after)};
  if (e.message.starts_with("unknown function: "))
    return {Errc::unresolved, "[UNRESOLVED_ROUTINE] Cannot resolve routine " + backticked(e.message.substr(18)) + " on Sail. SQLSTATE: 42883"};
  if (e.message.starts_with("invalid argument: found "))
    return {Errc::unsupported, "[UNSUPPORTED_FEATURE] Sail does not take this statement (" + e.message.substr(18, 200) + ")." + kElsewhere};
  return {Errc::engine, "Sail: " + e.message};
}

/// Whether Sail reads the table as it is. Others reach it as rows: of remote storage (it would need credentials), and with features of which nobody
/// has shown that it knows their rules.
bool reads(const OpenTable& table) { return !table.remote && table.snapshot->protocol.min_reader <= 1; }

/// What the parser may not know about a query that Sail can run.
bool only_unknown(const Error& e) { return e.code == Errc::unsupported || e.message.starts_with("[UNRESOLVED_ROUTINE]"); }

/// Whether both are decimals with as many digits behind the point: what fits into both is the same number.
bool same_digits(const std::string& a, const std::string& b) {
  const auto x = decimal_precision(a), y = decimal_precision(b);
  return a != b && x && y && x->scale == y->scale;
}

/// No rows of these columns, to the first engine.
std::string no_rows(const std::vector<RelationColumn>& columns) {
  std::string list;
  for (const auto& c : columns) {
    const auto type = delta::delta_type(c.type);  // none: an interval, which is a number of microseconds
    list += (list.empty() ? "" : ", ") + ("CAST(NULL AS " + (type ? delta::duckdb_type(*type) : "BIGINT") + ") AS " + delta::sql_identifier(c.name));
  }
  return "(SELECT " + list + " WHERE false)";
}

/// The same to Sail.
std::string nothing(const std::vector<RelationColumn>& columns) {
  std::string list;
  for (const auto& c : columns) list += (list.empty() ? "" : ", ") + ("CAST(NULL AS " + c.type + ") AS " + backticked(c.name));
  return "(SELECT " + list + " WHERE false)";
}

}  // namespace

Result<SailQuery> Resolver::compile_sail(const Session& session, const std::string& sql, const Analysis& analysis, const OpenTable* target) {
  if (!session.zone().empty()) return fail(only_in_utc(session, "A query on a warehouse whose engine is Sail"));
  Rights rights;
  rights.target = target;
  TARN_TRY(asked, question_of(session, sql, analysis, rights));
  SailQuery out;
  if (auto typed = parser_.rewrite(asked.request)) {
    const auto& known = **typed;
    out.known.columns = known.columns, out.known.types = known.types, out.known.declared = known.declared;
    trace(out.known, known, asked.relations);
  } else if (!only_unknown(typed.error())) {
    return fail(typed.error());
  }
  asked.request.sail = true;
  TARN_TRY(text, parser_.rewrite(asked.request));
  out.pieces = text->query;
  for (std::size_t i = 0; i < asked.relations.size(); ++i) {
    auto& r = asked.relations[i];
    SailQuery::Input input{.columns = r.columns};
    auto& known = out.known;
    if (r.table && reads(*r.table)) {
      input.text = "delta." + backticked(r.table->directory) + fmt::format(" VERSION AS OF {}", r.table->snapshot->version);
      add_unique(out.directories, {r.table->directory});
      r.table = nullptr;
    } else {
      TARN_CHECK(settle_files(r, {}));
      for (const auto& c : r.columns)
        if (c.hidden)
          return refuse(Errc::unsupported,
                        std::string("[UNSUPPORTED_FEATURE] _metadata of files is not supported by a warehouse whose engine is Sail.") + kElsewhere);
      input.relation = std::move(r.sql);
      input.directories = r.directories;
      if (i >= asked.own)
        return refuse(
            Errc::unsupported,
            std::string("[UNSUPPORTED_FEATURE] A function that reads tables is not supported by a warehouse whose engine is Sail.") + kElsewhere);
    }
    out.inputs.push_back(std::move(input));
    take_in_names(known, r);
    add_unique(known.views, r.views);
    add_unique(known.bases, r.bases);
    known.outside = known.outside || r.outside;
    known.asks = known.asks || r.asks;
    known.files += r.files, known.bytes += r.bytes;
    known.places.insert(r.places.begin(), r.places.end());
  }
  std::ranges::sort(out.directories);
  return out;
}

Result<std::string> Resolver::sail_text(const Session& session, const SailQuery& query, const std::vector<std::string>& inputs) {
  std::string out;
  const auto& caller = session.ctx.caller;
  for (const auto& p : query.pieces) {
    switch (p.kind) {
      case Piece::Kind::text:
        out += p.text;
        break;
      case Piece::Kind::relation:
        out += inputs.at(static_cast<std::size_t>(p.index));
        break;
      case Piece::Kind::parameter: {
        TARN_TRY(given, parameter(session, p.text));
        out += given.value ? "CAST(" + spark_string(*given.value) + " AS " + given.type + ")" : "CAST(NULL AS " + given.type + ")";
        break;
      }
      case Piece::Kind::user:
        out += spark_string(caller.name);
        break;
      case Piece::Kind::member:
        out += caller.group_names.contains(p.text) ? "TRUE" : "FALSE";
        break;
      case Piece::Kind::local_member:
        out += caller.group_names.contains(p.text) || caller.workspace_groups.contains(p.text) ? "TRUE" : "FALSE";
        break;
      case Piece::Kind::catalog:
        out += session.catalog.empty() ? "NULL" : spark_string(session.catalog);
        break;
      case Piece::Kind::schema:
        out += session.schema.empty() ? "NULL" : spark_string(session.schema);
        break;
      case Piece::Kind::target:
      case Piece::Kind::asker:
        throw std::logic_error("a piece that no query for Sail has");
    }
  }
  return out;
}

Result<void> Executor::not_on_sail(const Session& session, StatementKind kind) {
  if (!session.sail) return {};
  switch (kind) {
    case StatementKind::update:
    case StatementKind::delete_:
    case StatementKind::merge:
    case StatementKind::copy_into: {
      std::string word(json::name_of(kind));
      while (word.ends_with('_')) word.pop_back();
      std::ranges::transform(word, word.begin(), [](unsigned char ch) { return ch == '_' ? ' ' : static_cast<char>(std::toupper(ch)); });
      return refuse(Errc::unsupported, "[UNSUPPORTED_FEATURE] " + word + " is not supported by a warehouse whose engine is Sail." + kElsewhere);
    }
    default:
      return {};
  }
}

Result<std::string> Executor::sail_plan(const Call& c, const std::string& sql, const Analysis& analysis) {
  if (!sail_) return refuse(Errc::unavailable, "Sail is not available on this server");
  TARN_TRY(query, resolver_.compile_sail(c.session, sql, analysis, nullptr));
  c.guarded = c.guarded || query.known.guarded;
  TARN_TRY(lease, lease_for(c, query));
  // What would be written down for it stands there without rows: their number is not for everybody, and the plan does not ask for them.
  std::vector<std::string> inputs;
  for (auto& input : query.inputs) inputs.push_back(input.relation.empty() ? std::move(input.text) : nothing(input.columns));
  TARN_TRY(text, Resolver::sail_text(c.session, query, inputs));
  auto places = query.directories;
  places.push_back(lease->home());
  auto folder = lease->folder();
  if (!folder) return fail(from_sail(folder.error(), places));
  auto rows = lease->run({.sql = "EXPLAIN " + text, .directory = **folder, .timeout_ms = c.options.timeout_ms}, c.session.cancel);
  if (!rows) return fail(from_sail(rows.error(), places));
  std::string plan;
  for (const auto& file : rows->files) {
    TARN_TRY(part, column_of(c, "SELECT c0 FROM read_parquet(" + delta::sql_string(**folder + "/" + file) + ")", {lease->home()}));
    plan += part;
  }
  const std::string_view head = "== Physical Plan ==\n";
  return without_places(plan.starts_with(head) ? plan.substr(head.size()) : plan, places);
}

Result<std::shared_ptr<sail::Lease>> Executor::lease_for(const Call& c, const SailQuery& query) {
  sail::Scope scope{.principal = std::to_string(c.session.ctx.caller.id), .directories = query.directories};
  if (c.session.cancel && c.session.cancel->work()) scope.share = c.session.cancel->work()->share;
  auto leased = sail_->lease(scope, c.session.cancel, c.options.timeout_ms);
  if (!leased) return fail(from_sail(leased.error(), query.directories));
  return std::shared_ptr<sail::Lease>(*std::move(leased));
}

Result<Compiled> Executor::on_sail(const Call& c, const std::string& sql, const Analysis& analysis, bool final, const OpenTable* target) {
  if (!sail_) return refuse(Errc::unavailable, "Sail is not available on this server");
  TARN_TRY(query, resolver_.compile_sail(c.session, sql, analysis, target));
  c.guarded = c.guarded || query.known.guarded;
  auto* const cancel = c.session.cancel;
  TARN_TRY(lease, lease_for(c, query));
  auto places = query.directories;
  places.push_back(lease->home());

  Compiled out = std::move(query.known);
  std::vector<std::string> inputs;
  for (auto& input : query.inputs) {
    if (input.relation.empty()) {
      inputs.push_back(std::move(input.text));
      continue;
    }
    auto folder = lease->folder();
    if (!folder) return fail(from_sail(folder.error(), places));
    engine::WriteRequest rows{.query = "SELECT * FROM " + input.relation, .directory = **folder, .compression = "uncompressed"};
    TARN_TRY(written, engine_.write({.directories = input.directories, .writable = {**folder}}, rows, cancel));
    inputs.push_back(written.empty() ? nothing(input.columns) : "parquet." + backticked(**folder));
    out.held.push_back(*std::move(folder));
  }
  TARN_TRY(text, Resolver::sail_text(c.session, query, inputs));
  auto folder = lease->folder();
  if (!folder) return fail(from_sail(folder.error(), places));
  auto rows = lease->run({.sql = std::move(text), .directory = **folder, .timeout_ms = c.options.timeout_ms}, cancel);
  if (!rows) return fail(from_sail(rows.error(), places));

  // What the first engine reads of them, under names that are all different.
  const auto expected = out.columns.size() == rows->columns.size() ? std::exchange(out.types, {}) : std::vector<std::string>();
  std::vector<RelationColumn> columns;
  std::string relation, list, names;
  for (const auto& f : rows->files) relation += (relation.empty() ? "" : ", ") + delta::sql_string(**folder + "/" + f);
  for (std::size_t i = 0; i < rows->columns.size(); ++i) {
    auto type = rows->columns[i].type == "void" ? "string" : rows->columns[i].type;
    const auto name = fmt::format("c{}", i);
    const bool wider = !expected.empty() && same_digits(type, expected[i]);
    if (wider) type = expected[i];
    list += (i ? ", " : "") + (wider ? "CAST(" + name + " AS " + delta::duckdb_type(*delta::delta_type(type)) + ") AS " + name : name);
    // As this platform calls it, where it understands the query itself.
    names += (i ? ", " : "") + name + " AS " + backticked(expected.empty() ? rows->columns[i].name : out.columns[i]);
    columns.push_back({name, std::move(type)});
  }
  RewriteRequest request{.sql = "SELECT " + names + " FROM rows_", .relations = {columns}, .kinds = {ReferenceKind::table}, .final = final};
  TARN_TRY(shown, parser_.rewrite(request));
  relation = relation.empty() ? no_rows(columns) : "(SELECT " + list + " FROM read_parquet([" + relation + "], hive_partitioning = false))";
  out.sql.clear();
  for (const auto& p : shown->query) out.sql += p.kind == Piece::Kind::text ? p.text : relation;
  if (expected.empty()) out.lineage.clear(), out.origins.clear(), out.declared.clear();
  out.columns = shown->columns;
  out.types.clear();
  for (std::size_t i = 0; i < rows->columns.size(); ++i) {
    out.types.push_back(rows->columns[i].type == "void" ? "void" : shown->types.at(i));
    // Another type means other rows: digits that are not there, a text for a number.
    if (!expected.empty() && expected[i] != out.types[i])
      return refuse(Errc::unsupported, "[UNSUPPORTED_FEATURE] Sail gives the column " + backticked(out.columns[i]) + " the type " + out.types[i] +
                                           " where it is " + expected[i] + ". Cast it, or use a warehouse of the default engine. SQLSTATE: 0A000");
  }
  out.declared.resize(out.columns.size());
  out.outside = true;  // files of this run alone
  out.directories = {lease->home()};
  out.held.push_back(*std::move(folder));
  out.held.push_back(lease);  // last: its folder goes with its process
  return out;
}

}  // namespace tarn::sql
