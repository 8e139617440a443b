#pragma once
// Row-at-a-time scalar functions over DuckDB's vectors: a NULL argument gives NULL, an exception from the row function the statement's error.
#include <exception>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

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
/// Bytes that are no text.
struct BlobView {
  std::string_view bytes;
};
struct Blob {
  std::string bytes;
};
template <>
struct Sql<BlobView> {
  static constexpr duckdb_type type = DUCKDB_TYPE_BLOB;
  static BlobView at(const void* data, idx_t row) { return {Sql<std::string_view>::at(data, row)}; }
};
template <>
struct Sql<Blob> {
  static constexpr duckdb_type type = DUCKDB_TYPE_BLOB;
  static void set(duckdb_vector out, idx_t row, const Blob& v) { duckdb_vector_assign_string_element_len(out, row, v.bytes.data(), v.bytes.size()); }
};
/// Days since 1970-01-01.
struct Date {
  std::int32_t days = 0;
};
/// Microseconds since 1970-01-01 00:00:00, of no zone.
struct Timestamp {
  std::int64_t micros = 0;
};
struct Interval {
  std::int32_t months = 0, days = 0;
  std::int64_t micros = 0;
};
using Strings = std::vector<std::optional<std::string>>;
template <>
struct Sql<Date> : Plain<Date, DUCKDB_TYPE_DATE> {};
template <>
struct Sql<Timestamp> : Plain<Timestamp, DUCKDB_TYPE_TIMESTAMP> {};
template <>
struct Sql<Interval> : Plain<Interval, DUCKDB_TYPE_INTERVAL> {};
template <>
struct Sql<bool> : Plain<bool, DUCKDB_TYPE_BOOLEAN> {};
template <>
struct Sql<__int128> {
  static constexpr duckdb_type type = DUCKDB_TYPE_HUGEINT;
  static __int128 at(const void* data, idx_t row) {
    const auto& h = static_cast<const duckdb_hugeint*>(data)[row];
    return static_cast<__int128>(static_cast<unsigned __int128>(h.upper) << 64 | h.lower);
  }
};
/// A list of text.
template <>
struct Sql<Strings> {
  static constexpr duckdb_type type = DUCKDB_TYPE_LIST;
  static void set(duckdb_vector out, idx_t row, const Strings& v) {
    const auto start = duckdb_list_vector_get_size(out);
    duckdb_list_vector_reserve(out, start + v.size());
    duckdb_list_vector_set_size(out, start + v.size());
    const auto child = duckdb_list_vector_get_child(out);
    for (std::size_t i = 0; i < v.size(); ++i) {
      if (v[i]) {
        duckdb_vector_assign_string_element_len(child, start + i, v[i]->data(), v[i]->size());
      } else {
        duckdb_vector_ensure_validity_writable(child);
        duckdb_validity_set_row_invalid(duckdb_vector_get_validity(child), start + i);
      }
    }
    static_cast<duckdb_list_entry*>(duckdb_vector_get_data(out))[row] = {start, v.size()};
  }
};
/// An argument that may be NULL without making the result NULL.
template <class T>
struct Sql<std::optional<T>> {
  static constexpr duckdb_type type = Sql<T>::type;
};
template <class T>
inline constexpr bool nullable = false;
template <class T>
inline constexpr bool nullable<std::optional<T>> = true;

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
    child::LogicalType type(duckdb_create_logical_type(Sql<R>::type == DUCKDB_TYPE_LIST ? DUCKDB_TYPE_VARCHAR : Sql<R>::type));
    child::LogicalType list(Sql<R>::type == DUCKDB_TYPE_LIST ? duckdb_create_list_type(type.get()) : nullptr);
    duckdb_scalar_function_set_return_type(function, list ? list.get() : type.get());
    if ((... || nullable<A>)) duckdb_scalar_function_set_special_handling(function);
    duckdb_scalar_function_set_function(function, run);
    return function;
  }

 private:
  template <class T>
  static T argument(const void* data, std::uint64_t* validity, idx_t row) {
    if constexpr (nullable<T>) {
      if (!duckdb_validity_row_is_valid(validity, row)) return std::nullopt;
      return Sql<typename T::value_type>::at(data, row);
    } else {
      return Sql<T>::at(data, row);
    }
  }
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
      if ((... && (nullable<A> || duckdb_validity_row_is_valid(validity[I], row)))) result = F(argument<A>(data[I], validity[I], row)...);
      if (result) {
        Sql<R>::set(output, row, *result);
      } else {
        if (!nulls) duckdb_vector_ensure_validity_writable(output), nulls = duckdb_vector_get_validity(output);
        duckdb_validity_set_row_invalid(nulls, row);
      }
    }
  }
};

/// A function's name and how it is made. Overloads of a name stand together.
struct Entry {
  const char* name;
  duckdb_scalar_function (*make)(const char* name);
};

/// An error that reaches the user as it is: its class in brackets, its text, its SQLSTATE.
[[noreturn]] inline void raise(std::string_view error_class, const std::string& text, std::string_view state) {
  throw std::runtime_error("[" + std::string(error_class) + "] " + text + " SQLSTATE: " + std::string(state));
}

}  // namespace tarn::engine::functions
