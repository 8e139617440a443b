// Which files of its tables a statement reads: those that the log does not rule out by what the statement asks of their rows.
#include "sql/resolver.h"
#include "sql/types.h"

namespace tarn::sql {
namespace {

std::optional<delta::ColumnBound::Op> op_of(std::string_view text) {
  using Op = delta::ColumnBound::Op;
  static const std::map<std::string_view, Op> known{{"=", Op::equal},   {"in", Op::equal},         {"<", Op::less},           {"<=", Op::less_equal},
                                                    {">", Op::greater}, {">=", Op::greater_equal}, {"not null", Op::not_null}};
  const auto found = known.find(text);
  return found == known.end() ? std::nullopt : std::optional(found->second);
}

/// A parameter's value under the name of how it is compared; nothing: it is NULL, or of a type that is not.
std::optional<delta::BoundValue> given(const Session& session, const std::string& name) {
  const auto at = session.parameters.find(name);
  if (at == session.parameters.end() || !at->second.value) return std::nullopt;
  const auto type = lower(at->second.type);
  for (const auto* number : {"tinyint", "smallint", "int", "bigint", "byte", "short", "integer", "long", "decimal"})
    if (type == number || (type.starts_with("decimal(") && std::string_view(number) == "decimal"))
      return delta::BoundValue{*at->second.value, "decimal"};
  if (type.empty() || type == "string" || type == "date" || type == "timestamp" || type == "timestamp_ntz")
    return delta::BoundValue{*at->second.value, type.empty() ? "string" : type};
  return std::nullopt;
}

}  // namespace

std::vector<delta::ColumnBound> Resolver::bounds_of(const Session& session, const Rewrite& rewrite, std::size_t relation) {
  std::vector<delta::ColumnBound> out;
  // What a text means as a moment depends on the session's zone; the log knows UTC alone.
  if (!session.zone().empty()) return out;
  for (const auto& b : rewrite.bounds) {
    const auto op = op_of(b.op);
    if (static_cast<std::size_t>(b.relation) != relation || !op) continue;
    delta::ColumnBound one{b.column, *op, {}};
    for (const auto& v : b.values) {
      auto value = v.parameter.empty() ? delta::BoundValue{v.text, v.type} : given(session, v.parameter);
      if (value) one.values.push_back(*std::move(value));
    }
    if (one.values.size() == b.values.size()) out.push_back(std::move(one));
  }
  return out;
}

Result<void> Resolver::settle_files(Relation& relation, const std::vector<delta::ColumnBound>& bounds) {
  const auto table = std::exchange(relation.table, nullptr);
  if (!table) return {};
  std::optional<std::vector<std::size_t>> files;
  if (table->files.files.size() > 1 && !bounds.empty()) files = delta::files_that_may_hold(*table->snapshot, table->files, bounds);
  if (files) {
    auto some = delta::relation_sql(table->files, {.files = files});
    if (!some) return fail(from_delta(some.error()));
    relation.sql = *std::move(some);
    relation.skipped = static_cast<std::int64_t>(table->files.files.size() - files->size());
  }
  if (!table->remote) return {};
  TARN_TRY(held, tables_.hold(*table, files));
  relation.held.push_back(std::move(held));
  return {};
}

}  // namespace tarn::sql
