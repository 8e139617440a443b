# nanoarrow's C sources with its IPC writer and the flatcc runtime that it vendors, as one static library (C, no warnings of ours).
set(nanoarrow_source "${nanoarrow_root}/src/nanoarrow")
file(GLOB flatcc_root "${nanoarrow_root}/../flatcc-*")
if(NOT EXISTS "${nanoarrow_source}/nanoarrow.h" OR NOT flatcc_root)
  message(FATAL_ERROR "nanoarrow 0.9.0 is not in ${TARN_CACHE}: run deps/fetch.py (make build does)")
endif()
set(NANOARROW_VERSION "0.9.0")
set(NANOARROW_VERSION_MAJOR 0)
set(NANOARROW_VERSION_MINOR 9)
set(NANOARROW_VERSION_PATCH 0)
set(NANOARROW_NAMESPACE_DEFINE "#define NANOARROW_NAMESPACE TarnArrow")
configure_file("${nanoarrow_source}/nanoarrow_config.h.in" "${CMAKE_BINARY_DIR}/nanoarrow/nanoarrow/nanoarrow_config.h" @ONLY)
add_library(nanoarrow STATIC
  ${nanoarrow_source}/common/array.c ${nanoarrow_source}/common/array_stream.c ${nanoarrow_source}/common/schema.c ${nanoarrow_source}/common/utils.c
  ${nanoarrow_source}/ipc/codecs.c ${nanoarrow_source}/ipc/decoder.c ${nanoarrow_source}/ipc/encoder.c ${nanoarrow_source}/ipc/reader.c ${nanoarrow_source}/ipc/writer.c
  ${flatcc_root}/src/runtime/builder.c ${flatcc_root}/src/runtime/emitter.c ${flatcc_root}/src/runtime/refmap.c ${flatcc_root}/src/runtime/verifier.c)
target_include_directories(nanoarrow SYSTEM PUBLIC "${nanoarrow_root}/src" "${CMAKE_BINARY_DIR}/nanoarrow" "${CMAKE_BINARY_DIR}/nanoarrow/nanoarrow")
target_include_directories(nanoarrow SYSTEM PRIVATE "${flatcc_root}/include")
target_compile_options(nanoarrow PRIVATE -w)
