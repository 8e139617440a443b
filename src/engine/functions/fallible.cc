#include "engine/functions/fallible.h"

#include <duckdb.hpp>
#include <duckdb/catalog/catalog.hpp>
#include <duckdb/catalog/catalog_entry/scalar_function_catalog_entry.hpp>

namespace tarn::engine::functions {

std::string mark_fallible(duckdb_connection connection, const std::string& name) {
  auto& context = *reinterpret_cast<duckdb::Connection*>(connection)->context;  // as duckdb's own C API reads the handle
  std::string failure;
  try {
    context.RunFunctionInTransaction([&] {
      auto& catalog = duckdb::Catalog::GetSystemCatalog(context);
      auto entry = catalog.GetEntry<duckdb::ScalarFunctionCatalogEntry>(context, DEFAULT_SCHEMA, name, duckdb::OnEntryNotFound::RETURN_NULL);
      if (!entry) {
        failure = "DuckDB does not know the function " + name;
        return;
      }
      for (auto& overload : entry->functions.functions) overload.SetErrorMode(duckdb::FunctionErrors::CAN_THROW_RUNTIME_ERROR);
    });
  } catch (const std::exception& e) {
    failure = e.what();
  }
  return failure;
}

}  // namespace tarn::engine::functions
