#pragma once
// Aggregates whose state is a sketch on the heap: made by the first row that has no NULL, joined with others of its kind, handed out as bytes.
// Without such a row the answer is NULL; what Spark gives there depends on constant arguments, which the statement's own text knows.
#include <memory>
#include <new>
#include <string>
#include <utility>

#include "engine/functions/aggregate_states.h"
#include "engine/functions/vectors.h"

namespace tarn::engine::functions {

/// A list of FLOATs as an argument; without a value where an item is NULL.
using Floats = std::optional<std::vector<float>>;

/// How an argument of an aggregate is typed and read.
template <class T>
struct Argument {
  static duckdb_logical_type type() { return duckdb_create_logical_type(Sql<T>::type); }
  static T at(duckdb_vector vector, idx_t row) { return Sql<T>::at(duckdb_vector_get_data(vector), row); }
};
template <>
struct Argument<Floats> {
  static duckdb_logical_type type() {
    child::LogicalType item(duckdb_create_logical_type(DUCKDB_TYPE_FLOAT));
    return duckdb_create_list_type(item.get());
  }
  static Floats at(duckdb_vector vector, idx_t row) {
    const auto entry = static_cast<const duckdb_list_entry*>(duckdb_vector_get_data(vector))[row];
    const auto items = duckdb_list_vector_get_child(vector);
    auto* valid = duckdb_vector_get_validity(items);
    for (idx_t i = entry.offset; i < entry.offset + entry.length; ++i)
      if (!duckdb_validity_row_is_valid(valid, i)) return std::nullopt;
    const auto* data = static_cast<const float*>(duckdb_vector_get_data(items)) + entry.offset;
    return std::vector<float>(data, data + entry.length);
  }
};

/// Registers an aggregate over A... that answers a BLOB. S: default-constructed, `add(A...)`, `merge(const S&)`, `std::string bytes() const`; what
/// any of them throws is the statement's error.
template <class S, class... A>
class SketchAggregate {
 public:
  static std::string add_to(duckdb_connection connection, const char* name) {
    auto function = duckdb_create_aggregate_function();
    duckdb_aggregate_function_set_name(function, name);
    for (const auto make : {Argument<A>::type...}) {
      child::LogicalType type(make());
      duckdb_aggregate_function_add_parameter(function, type.get());
    }
    child::LogicalType blob(duckdb_create_logical_type(DUCKDB_TYPE_BLOB));
    duckdb_aggregate_function_set_return_type(function, blob.get());
    duckdb_aggregate_function_set_special_handling(function);
    duckdb_aggregate_function_set_functions(function, size, create, update, combine, finish);
    duckdb_aggregate_function_set_destructor(function, destroy);
    const bool good = duckdb_register_aggregate_function(connection, function) == DuckDBSuccess;
    duckdb_destroy_aggregate_function(&function);
    return good ? with_state_per_row(connection, name) : "DuckDB refuses the function " + std::string(name);
  }

 private:
  // A plain pointer: DuckDB moves states as bytes.
  struct Held {
    S* sketch;
  };
  static Held& held(duckdb_aggregate_state state) { return *reinterpret_cast<Held*>(state); }

  static idx_t size(duckdb_function_info) { return sizeof(Held); }
  static void create(duckdb_function_info, duckdb_aggregate_state state) { held(state).sketch = nullptr; }
  static void destroy(duckdb_aggregate_state* states, idx_t count) {
    for (idx_t i = 0; i < count; ++i) delete std::exchange(held(states[i]).sketch, nullptr);
  }
  template <class F>
  static void guarded(duckdb_function_info info, F&& run) {
    try {
      run();
    } catch (const std::exception& e) {
      duckdb_aggregate_function_set_error(info, e.what());
    }
  }
  static void update(duckdb_function_info info, duckdb_data_chunk input, duckdb_aggregate_state* states) {
    guarded(info, [&] { rows(input, states, std::index_sequence_for<A...>()); });
  }
  template <std::size_t... I>
  static void rows(duckdb_data_chunk input, duckdb_aggregate_state* states, std::index_sequence<I...>) {
    const duckdb_vector vectors[] = {duckdb_data_chunk_get_vector(input, I)...};
    std::uint64_t* validity[] = {duckdb_vector_get_validity(duckdb_data_chunk_get_vector(input, I))...};
    for (idx_t row = 0, n = duckdb_data_chunk_get_size(input); row < n; ++row) {
      if (!(... && duckdb_validity_row_is_valid(validity[I], row))) continue;
      auto& sketch = held(states[row]).sketch;
      if (!sketch) sketch = new S();
      sketch->add(Argument<A>::at(vectors[I], row)...);
    }
  }
  static void combine(duckdb_function_info info, duckdb_aggregate_state* from, duckdb_aggregate_state* to, idx_t count) {
    guarded(info, [&] {
      for (idx_t i = 0; i < count; ++i) {
        const auto* source = held(from[i]).sketch;
        auto& target = held(to[i]).sketch;
        if (!source) continue;
        if (target) {
          target->merge(*source);
        } else {
          target = new S(*source);
        }
      }
    });
  }
  static void finish(duckdb_function_info info, duckdb_aggregate_state* states, duckdb_vector result, idx_t count, idx_t offset) {
    guarded(info, [&] {
      for (idx_t i = 0; i < count; ++i) {
        if (const auto* sketch = held(states[i]).sketch) {
          Sql<Blob>::set(result, offset + i, {sketch->bytes()});
        } else {
          duckdb_vector_ensure_validity_writable(result);
          duckdb_validity_set_row_invalid(duckdb_vector_get_validity(result), offset + i);
        }
      }
    });
  }
};

/// What an aggregate is called and how it is registered.
struct AggregateEntry {
  const char* name;
  std::string (*add_to)(duckdb_connection connection, const char* name);
};

inline std::string bytes_of(const auto& vector) { return {reinterpret_cast<const char*>(vector.data()), vector.size()}; }

}  // namespace tarn::engine::functions
