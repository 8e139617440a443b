# What Tarn links against. Debian provides everything but DuckDB and nanoarrow, which deps/fetch.py puts,
# pinned and verified, into the cache (TARN_CACHE, default ~/.cache/tarn).
find_package(Threads REQUIRED)
find_package(OpenSSL REQUIRED)
find_package(SQLite3 REQUIRED)
find_package(CURL REQUIRED)
find_package(Boost 1.81 REQUIRED COMPONENTS json url)
find_package(yaml-cpp REQUIRED)
find_package(spdlog REQUIRED)
find_package(fmt REQUIRED)
find_package(prometheus-cpp REQUIRED COMPONENTS core)
find_package(GTest REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(PQ REQUIRED IMPORTED_TARGET libpq)
pkg_check_modules(EDIT REQUIRED IMPORTED_TARGET libedit)
pkg_check_modules(ZSTD REQUIRED IMPORTED_TARGET libzstd)

if(DEFINED ENV{TARN_CACHE})
  set(TARN_CACHE "$ENV{TARN_CACHE}" CACHE PATH "where deps/fetch.py put the pinned downloads")
else()
  set(TARN_CACHE "$ENV{HOME}/.cache/tarn" CACHE PATH "where deps/fetch.py put the pinned downloads")
endif()

set(duckdb_library "${TARN_CACHE}/duckdb-node-bindings-linux-x64-1.5.5-r.5/package/libduckdb.so")
set(duckdb_include "${TARN_CACHE}/duckdb-1.5.5/duckdb-1.5.5/external/duckdb/src/include")
if(NOT EXISTS "${duckdb_library}" OR NOT EXISTS "${duckdb_include}/duckdb.h")
  message(FATAL_ERROR "DuckDB 1.5.5 is not in ${TARN_CACHE}: run deps/fetch.py (make build does)")
endif()
add_library(duckdb SHARED IMPORTED)
set_target_properties(duckdb PROPERTIES IMPORTED_LOCATION "${duckdb_library}" IMPORTED_NO_SONAME OFF)
target_include_directories(duckdb SYSTEM INTERFACE "${duckdb_include}")

# nanoarrow's C sources with the IPC writer; its flatcc runtime is vendored in the same tree.
set(nanoarrow_root "${TARN_CACHE}/nanoarrow-0.9.0/nanoarrow-0.9.0/subprojects/arrow-nanoarrow")
