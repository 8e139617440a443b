#pragma once
// The families of functions, a file each. The text that Spark's reference gives for a function is its contract; a NULL argument gives NULL.
#include <span>

#include "engine/functions/vectors.h"

namespace tarn::engine::functions {

std::span<const Entry> text_entries();       // text.cc: text and bytes
std::span<const Entry> format_entries();     // number_formats.cc: numbers by formats of digits
std::span<const Entry> number_entries();     // numbers.cc: text to numbers, decimals, bits, random numbers
std::span<const Entry> time_entries();       // times.cc: dates, timestamps, times of day, their text
std::span<const Entry> pattern_entries();    // patterns.cc: Java's patterns of dates and times
std::span<const Entry> interval_entries();   // intervals.cc: intervals, their text and their arithmetic
std::span<const Entry> json_entries();       // json_text.cc: JSON as text
std::span<const Entry> csv_entries();        // csv_text.cc: one record of CSV
std::span<const Entry> hash_entries();       // hashes.cc: hash and xxhash64
std::span<const Entry> variant_entries();    // variants.cc: VARIANT, its paths and casts, and how files hold it
std::span<const Entry> theta_entries();      // theta_sketches.cc: counts of different keys, and set operations on them
std::span<const Entry> tuple_entries();      // tuple_sketches.cc: those whose keys carry a number
std::span<const Entry> hll_entries();        // hll_sketches.cc: counts of different keys in less space
std::span<const Entry> kll_entries();        // kll_sketches.cc: quantiles
std::span<const Entry> geo_entries();        // geo.cc: GEOMETRY and GEOGRAPHY
std::span<const Entry> histogram_entries();  // histograms.cc: histogram_numeric
std::span<const Entry> vector_entries();     // vector_aggregates.cc: sums and averages of vectors

// The aggregates that make sketches. Empty, or what DuckDB refuses.
std::string register_theta_aggregates(duckdb_connection connection);
std::string register_tuple_aggregates(duckdb_connection connection);
std::string register_hll_aggregates(duckdb_connection connection);
std::string register_kll_aggregates(duckdb_connection connection);
std::string register_histogram_aggregates(duckdb_connection connection);
std::string register_vector_aggregates(duckdb_connection connection);

}  // namespace tarn::engine::functions
