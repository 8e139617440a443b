// What a view's columns are when its query's have changed since (WITH SCHEMA …): its own columns by the names that its query gave them. By default
// (COMPENSATION) values are cast to the types that the view declares; with BINDING only where nothing can be lost; with TYPE EVOLUTION the view takes
// the query's types, and with EVOLUTION its columns.
// Source: Databricks SQL language manual, "CREATE VIEW"; Spark 4.2's SessionCatalog.fromCatalogTable and ViewSyncSchemaToMetaStore.
#include "base/text.h"
#include "catalog/names.h"
#include "sql/resolver.h"
#include "sql/types.h"

namespace tarn::sql {
namespace {

std::string property(const catalog::TableInfo& info, const std::string& key) {
  const auto i = info.properties.find(key);
  return i == info.properties.end() ? std::string() : i->second;
}

int digits(const std::string& type) { return type == "tinyint" ? 3 : type == "smallint" ? 5 : type == "int" ? 10 : type == "bigint" ? 20 : 0; }

/// Spark's Cast.canUpCast for types that are no nested ones.
bool upcasts(const std::string& from, const std::string& to) {
  if (from == to || from == "void") return true;
  if (from.find('<') != from.npos || to.find('<') != to.npos) return false;
  if (to == "string") return true;
  constexpr std::array order{"tinyint", "smallint", "int", "bigint", "float", "double"};
  const auto a = std::ranges::find(order, from), b = std::ranges::find(order, to);
  if (a != order.end() && b != order.end()) return a < b;
  const auto wanted = decimal_precision(to), given = decimal_precision(from);
  if (wanted && given) return wanted->precision - wanted->scale >= given->precision - given->scale && wanted->scale >= given->scale;
  if (wanted && digits(from)) return wanted->precision - wanted->scale >= digits(from);
  if (from == "date") return to == "timestamp" || to == "timestamp_ntz";
  return (from == "timestamp" && to == "timestamp_ntz") || (from == "timestamp_ntz" && to == "timestamp");
}

/// As the catalog tells it.
const std::string& told_type(const RelationColumn& column) { return column.declared.empty() ? column.type : column.declared; }

bool nested(const std::string& type) { return type.find('<') != type.npos || type == "variant"; }

std::string upper(std::string text) {
  for (auto& ch : text) ch = static_cast<char>(std::toupper(static_cast<unsigned char>(ch)));
  return text;
}

}  // namespace

Result<Resolver::ViewColumns> Resolver::view_columns(const Session& session, const catalog::TableInfo& info, const Compiled& body) {
  const auto mode = property(info, "view.schemaMode");
  const auto shown = backticked({info.catalog_name, info.schema_name, info.name});
  const auto changed = [&](const std::string& column, std::size_t expected, std::size_t actual) {
    return refuse(Errc::invalid,
                  fmt::format("[INCOMPATIBLE_VIEW_SCHEMA_CHANGE] The SQL query of view {} has an incompatible schema change and column "
                              "{} cannot be resolved. Expected {} columns named {} but got {}. Please try to re-create the view. "
                              "SQLSTATE: 51024",
                              shown, column, expected, column, actual));
  };
  ViewColumns out;
  if (mode == "EVOLUTION") {
    std::set<std::string> seen;
    for (std::size_t i = 0; i < body.columns.size(); ++i) {
      if (!seen.insert(lower(body.columns[i])).second)
        return refuse(Errc::invalid, "[COLUMN_ALREADY_EXISTS] The column " + backticked(std::string_view(lower(body.columns[i]))) +
                                         " already exists. Choose another name or rename the existing column. SQLSTATE: 42711");
      out.columns.push_back({body.columns[i], body.types.at(i) == "void" ? "string" : body.types[i], body.declared.at(i)});
      out.places.push_back(i);
      out.values.emplace_back();
      auto& comment = out.comments.emplace_back();
      if (const auto origin = i < body.origins.size() ? body.origins[i] : std::nullopt)
        if (const auto parts = catalog::split_name(origin->first, 3, "table"))
          if (const auto table = catalog_.table_as_owner(session.ctx, info.owner, {(*parts)[0], (*parts)[1], (*parts)[2]}))
            for (const auto& c : table->columns)
              if (c.name == origin->second) comment = c.comment;
      out.follows = out.follows || i >= info.columns.size() || info.columns[i].name != out.columns.back().name ||
                    info.columns[i].type_text != told_type(out.columns.back()) || info.columns[i].comment != comment;
    }
    out.follows = out.follows || info.columns.size() != out.columns.size();
    return out;
  }
  // A view of before has no names of its query's: then it is by place.
  const bool by_name = property(info, "view.query.out.numCols") == std::to_string(info.columns.size());
  if (!by_name && body.columns.size() != info.columns.size())
    return refuse(Errc::invalid, fmt::format("[INCOMPATIBLE_VIEW_SCHEMA_CHANGE] The SQL query of view {} has an incompatible schema change: it "
                                             "yields {} columns where {} were declared. Please re-create the view. SQLSTATE: 51024",
                                             info.full_name, body.columns.size(), info.columns.size()));
  std::map<std::string, std::size_t> wanted, taken;
  std::vector<std::string> names;
  for (std::size_t i = 0; by_name && i < info.columns.size(); ++i)
    ++wanted[names.emplace_back(property(info, fmt::format("view.query.out.col.{}", i)))];
  std::vector<Parser::Stored> casts;
  std::vector<std::size_t> casted;
  for (std::size_t i = 0; i < info.columns.size(); ++i) {
    const auto& c = info.columns[i];
    std::size_t place = i;
    if (by_name) {
      std::vector<std::size_t> found;
      for (std::size_t k = 0; k < body.columns.size(); ++k)
        if (lower(body.columns[k]) == lower(names[i])) found.push_back(k);
      if (found.size() != wanted[names[i]]) return changed(names[i], wanted[names[i]], found.size());
      place = found[taken[names[i]]++];
    }
    const auto& from = body.types.at(place);
    std::string to = value_type(c.type_text);
    out.places.push_back(place);
    out.values.emplace_back();
    const bool same = from == to || (from == "void" && to == "string");
    if (!same && mode == "TYPE EVOLUTION") {
      to = from == "void" ? "string" : from;
      out.follows = true;
    } else if (!same) {
      if (mode == "BINDING" && !upcasts(from, to))
        return refuse(Errc::invalid, "[CANNOT_UP_CAST_DATATYPE] Cannot up cast " + body.columns.at(place) + " from \"" + upper(from) + "\" to \"" +
                                         upper(to) +
                                         "\". You can either add an explicit cast to the input data or choose a higher precision type of the field "
                                         "in the target object. SQLSTATE: 42846");
      if (nested(from) || nested(to))
        return refuse(Errc::unsupported, "[UNSUPPORTED_FEATURE] The view " + shown + " declares its column " + backticked(std::string_view(c.name)) +
                                             " as " + upper(to) + " and its query now yields " + upper(from) +
                                             ", which this warehouse does not convert. Create the view again. SQLSTATE: 0A000");
      casts.push_back({fmt::format("view_.c{}", place), from, to});
      casted.push_back(i);
    }
    out.columns.push_back({c.name, to, same ? body.declared.at(place) : std::string()});
  }
  if (!casts.empty()) {
    TARN_TRY(values, parser_.assign(casts, {}));  // a view means what it means in UTC
    for (std::size_t i = 0; i < casted.size(); ++i) out.values[casted[i]] = std::move(values.at(i));
  }
  return out;
}

Result<void> Resolver::follow_view(const Session& session, const catalog::TableInfo& info, const ViewColumns& now) {
  std::vector<catalog::ColumnInfo> columns;
  for (std::size_t i = 0; i < now.columns.size(); ++i) {
    std::optional<std::string> comment;
    if (i < now.comments.size()) {
      comment = now.comments[i];
    } else {
      for (const auto& c : info.columns)
        if (c.name == now.columns[i].name) comment = c.comment;
    }
    auto made = column_info(now.columns[i].name, told_type(now.columns[i]), static_cast<int>(i), true, std::move(comment));
    if (!made) return {};  // no table could hold it: the view's columns stay as they are told, its rows are the query's
    columns.push_back(*std::move(made));
  }
  if (auto done = catalog_.follow_log(session.ctx, {info.catalog_name, info.schema_name, info.name}, info.table_id, columns); !done)
    return fail(catalog_error(done.error()));
  return {};
}

}  // namespace tarn::sql
