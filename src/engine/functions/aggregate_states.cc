#include "engine/functions/aggregate_states.h"

#include <atomic>
#include <duckdb.hpp>
#include <duckdb/catalog/catalog.hpp>
#include <duckdb/catalog/catalog_entry/aggregate_function_catalog_entry.hpp>

namespace tarn::engine::functions {
namespace {

// One function for all aggregates of the C API, which finds the aggregate's own in the data that it is bound with.
std::atomic<duckdb::aggregate_update_t> c_api_update{nullptr};

void update_rows(duckdb::Vector inputs[], duckdb::AggregateInputData& data, duckdb::idx_t input_count, duckdb::Vector& state, duckdb::idx_t count) {
  duckdb::Vector each(state.GetType());
  each.Reference(state);  // the caller goes on with its own
  each.Flatten(count);
  // The C API makes lists plain, and leaves their items as they are.
  for (duckdb::idx_t i = 0; i < input_count; ++i)
    if (inputs[i].GetType().id() == duckdb::LogicalTypeId::LIST) {
      inputs[i].Flatten(count);
      duckdb::ListVector::GetEntry(inputs[i]).Flatten(duckdb::ListVector::GetListSize(inputs[i]));
    }
  c_api_update.load()(inputs, data, input_count, each, count);
}

}  // namespace

std::string with_state_per_row(duckdb_connection connection, const std::string& name) {
  auto& context = *reinterpret_cast<duckdb::Connection*>(connection)->context;  // as duckdb's own C API reads the handle
  std::string failure;
  try {
    context.RunFunctionInTransaction([&] {
      auto& catalog = duckdb::Catalog::GetSystemCatalog(context);
      auto entry = catalog.GetEntry<duckdb::AggregateFunctionCatalogEntry>(context, DEFAULT_SCHEMA, name, duckdb::OnEntryNotFound::RETURN_NULL);
      if (!entry) {
        failure = "DuckDB does not know the function " + name;
        return;
      }
      for (auto& overload : entry->functions.functions) {
        c_api_update = overload.GetStateUpdateCallback();
        overload.SetStateUpdateCallback(update_rows);
      }
    });
  } catch (const std::exception& e) {
    failure = e.what();
  }
  return failure;
}

}  // namespace tarn::engine::functions
