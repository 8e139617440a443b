// Row filters and column masks: which function decides over a table's rows or a column's values. Only set here; they are applied where names become
// data (sql/governed.cc), and a table that has one is never vended (temporary.cc).
#include "catalog/names.h"
#include "catalog/tables.h"

namespace tarn::catalog {
namespace {

const ColumnInfo* column_of(const TableInfo& info, std::string_view name) {
  for (const auto& c : info.columns)
    if (folded(c.name) == folded(name)) return &c;
  return nullptr;
}

/// The function, if the caller may run it and it takes `given` of the table's columns; their names as the table spells them.
Result<RoutineRecord> checked_function(store::ReadTxn& t, const access::Context& ctx, const TableInfo& info, std::string& name,
                                       const std::string* masked, std::vector<std::string>& columns) {
  TARN_TRY(place, locate_for(t, ctx, SecurableType::FUNCTION, name, Privilege::EXECUTE));
  if (place.routine->model) return fail(does_not_exist(SecurableType::FUNCTION, name));
  name = place.full_name();
  for (auto& c : columns) {
    const auto* own = column_of(info, c);
    if (!own) return fail(invalid(fmt::format("Table '{}' has no column '{}'", info.name, c)));
    c = own->name;
  }
  const auto& f = place.routine->function.as_object();
  std::size_t takes = 0;
  if (const auto* input = f.if_contains("input_params"); input && input->is_object())
    if (const auto* list = input->as_object().if_contains("parameters"); list && list->is_array()) takes = list->as_array().size();
  const std::size_t given = columns.size() + (masked ? 1 : 0);
  if (takes != given) return fail(invalid(fmt::format("Function '{}' takes {} parameters, and {} columns are given to it", name, takes, given)));
  return *place.routine;
}

Result<RowFilter> checked(store::ReadTxn& t, const access::Context& ctx, const TableInfo& info, RowFilter filter) {
  TARN_TRY(f, checked_function(t, ctx, info, filter.function_name, nullptr, filter.input_column_names));
  const auto* type = f.function.as_object().if_contains("full_data_type");
  if (!type || !type->is_string() || folded(std::string_view(type->as_string())) != "boolean")
    return fail(invalid(fmt::format("Function '{}' cannot filter rows: it must return BOOLEAN", filter.function_name)));
  filter.function_id = f.id;
  return filter;
}

Result<ColumnMask> checked(store::ReadTxn& t, const access::Context& ctx, const TableInfo& info, const std::string& column, ColumnMask mask) {
  TARN_TRY(f, checked_function(t, ctx, info, mask.function_name, &column, mask.using_column_names));
  mask.function_id = f.id;
  return mask;
}

Result<Place> table_to_govern(store::ReadTxn& t, const access::Context& ctx, std::string_view full_name) {
  TARN_TRY(place, locate_to_manage(t, ctx, SecurableType::TABLE, full_name));
  if (place.catalog->info.catalog_type == CatalogType::SYSTEM_CATALOG)
    return fail(Error{Errc::unsupported, fmt::format("Table '{}' is the platform's: it cannot be changed.", place.full_name())});
  if (place.table->info.table_type == TableType::VIEW)
    return fail(invalid(fmt::format("'{}' is a view: filter and mask in its query, or on its tables", place.full_name())));
  return std::move(place);
}

}  // namespace

Result<void> apply_policies(store::ReadTxn& t, const access::Context& ctx, const NewTable& wanted, TableInfo& info) {
  if (info.table_type == TableType::VIEW && (wanted.row_filter || !wanted.masks.empty()))
    return fail(invalid(fmt::format("'{}' is a view: filter and mask in its query, or on its tables", info.name)));
  if (wanted.row_filter) {
    TARN_TRY(filter, checked(t, ctx, info, *wanted.row_filter));
    info.row_filter = std::move(filter);
  }
  for (const auto& [name, mask] : wanted.masks) {
    const auto at = std::ranges::find_if(info.columns, [&](const ColumnInfo& c) { return folded(c.name) == folded(name); });
    if (at == info.columns.end()) return fail(invalid(fmt::format("Table '{}' has no column '{}'", info.name, name)));
    TARN_TRY(sound, checked(t, ctx, info, at->name, mask));
    at->mask = std::move(sound);
  }
  return {};
}

Result<void> Tables::set_row_filter(const access::Context& ctx, std::string_view full_name, const std::optional<RowFilter>& filter) {
  return change(core_, ctx, "updateTables",
                {{"full_name_arg", std::string(full_name)}, {"row_filter", filter ? filter->function_name : std::string()}},
                [&](store::WriteTxn& t) -> Result<void> {
                  TARN_TRY(place, table_to_govern(t, ctx, full_name));
                  auto& info = place.table->info;
                  info.row_filter.reset();
                  if (filter) {
                    TARN_TRY(sound, checked(t, ctx, info, *filter));
                    info.row_filter = std::move(sound);
                  }
                  stamp_change(info, core_, ctx);
                  save(t, place);
                  return {};
                });
}

Result<void> Tables::set_column_mask(const access::Context& ctx, std::string_view full_name, std::string_view column,
                                     const std::optional<ColumnMask>& mask) {
  return change(core_, ctx, "updateTables",
                {{"full_name_arg", std::string(full_name)}, {"column", std::string(column)}, {"mask", mask ? mask->function_name : std::string()}},
                [&](store::WriteTxn& t) -> Result<void> {
                  TARN_TRY(place, table_to_govern(t, ctx, full_name));
                  auto& info = place.table->info;
                  const auto at = std::ranges::find_if(info.columns, [&](const ColumnInfo& c) { return folded(c.name) == folded(column); });
                  if (at == info.columns.end()) return fail(invalid(fmt::format("Table '{}' has no column '{}'", place.full_name(), column)));
                  at->mask.reset();
                  if (mask) {
                    TARN_TRY(sound, checked(t, ctx, info, at->name, *mask));
                    at->mask = std::move(sound);
                  }
                  stamp_change(info, core_, ctx);
                  save(t, place);
                  return {};
                });
}

}  // namespace tarn::catalog
