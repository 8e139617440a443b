#pragma once
// Row-at-a-time scalar functions over DuckDB's vectors: a NULL argument gives NULL, an exception from the row function the statement's error.
#include <exception>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>

#include "engine/child/handles.h"

namespace tarn::engine::functions {

template <class T>
struct Sql;
template <>
struct Sql<std::string_view> {
  static constexpr duckdb_type type = DUCKDB_TYPE_VARCHAR;
  static std::string_view at(const void* data, idx_t row) {
    auto* s = const_cast<duckdb_string_t*>(static_cast<const duckdb_string_t*>(data)) + row;
    return {duckdb_string_t_data(s), duckdb_string_t_length(*s)};
  }
};
template <>
struct Sql<std::string> {
  static constexpr duckdb_type type = DUCKDB_TYPE_VARCHAR;
  static void set(duckdb_vector out, idx_t row, const std::string& v) { duckdb_vector_assign_string_element_len(out, row, v.data(), v.size()); }
};
template <class T, duckdb_type Type>
struct Plain {
  static constexpr duckdb_type type = Type;
  static T at(const void* data, idx_t row) { return static_cast<const T*>(data)[row]; }
  static void set(duckdb_vector out, idx_t row, T v) { static_cast<T*>(duckdb_vector_get_data(out))[row] = v; }
};
template <>
struct Sql<double> : Plain<double, DUCKDB_TYPE_DOUBLE> {};
template <>
struct Sql<float> : Plain<float, DUCKDB_TYPE_FLOAT> {};
template <>
struct Sql<std::int32_t> : Plain<std::int32_t, DUCKDB_TYPE_INTEGER> {};
template <>
struct Sql<std::int64_t> : Plain<std::int64_t, DUCKDB_TYPE_BIGINT> {};

/// Registers `F`, a function std::optional<R>(A...) (nullopt: NULL), under a name. False if DuckDB refuses it.
template <auto F>
struct Scalar;
template <class R, class... A, std::optional<R> (*F)(A...)>
struct Scalar<F> {
  static duckdb_scalar_function make(const char* name) {
    auto function = duckdb_create_scalar_function();
    duckdb_scalar_function_set_name(function, name);
    for (const auto id : {Sql<A>::type...}) {
      child::LogicalType type(duckdb_create_logical_type(id));
      duckdb_scalar_function_add_parameter(function, type.get());
    }
    child::LogicalType type(duckdb_create_logical_type(Sql<R>::type));
    duckdb_scalar_function_set_return_type(function, type.get());
    duckdb_scalar_function_set_function(function, run);
    return function;
  }

 private:
  static void run(duckdb_function_info info, duckdb_data_chunk input, duckdb_vector output) {
    try {
      rows(input, output, std::index_sequence_for<A...>());
    } catch (const std::exception& e) {
      duckdb_scalar_function_set_error(info, e.what());
    }
  }
  template <std::size_t... I>
  static void rows(duckdb_data_chunk input, duckdb_vector output, std::index_sequence<I...>) {
    const void* data[] = {duckdb_vector_get_data(duckdb_data_chunk_get_vector(input, I))...};
    std::uint64_t* validity[] = {duckdb_vector_get_validity(duckdb_data_chunk_get_vector(input, I))...};
    std::uint64_t* nulls = nullptr;
    for (idx_t row = 0, n = duckdb_data_chunk_get_size(input); row < n; ++row) {
      std::optional<R> result;
      if ((... && duckdb_validity_row_is_valid(validity[I], row))) result = F(Sql<A>::at(data[I], row)...);
      if (result) {
        Sql<R>::set(output, row, *result);
      } else {
        if (!nulls) duckdb_vector_ensure_validity_writable(output), nulls = duckdb_vector_get_validity(output);
        duckdb_validity_set_row_invalid(nulls, row);
      }
    }
  }
};

}  // namespace tarn::engine::functions
