# tarn_module(NAME SOURCES a.cc … [APART b.cc …] [DEPENDS room …] [LIBRARIES lib …] [TESTS a_test.cc …] [ON_EACH_STORE])
# One room: a static library tarn_NAME and, where it has tests, one GoogleTest binary test_NAME registered with ctest.
# ON_EACH_STORE: its fixtures use store/store_for_tests.h, and the tests run on SQLite and again on PostgreSQL.
# Headers are most of what a compiler reads here, so a room is compiled four files at a time: what a file keeps to itself (an unnamed
# namespace) must still have a name of its own within the room. Compiled alone all the same: files of routes and of command-line verbs, whose
# request bodies and arguments have short names, and what APART lists.
# DEPENDS are rooms below it; a room sees another's headers only through this list.
add_library(tarn_options INTERFACE)
# subobject-linkage: speaks of unnamed namespaces in included files, which is what a file of four is made of.
target_compile_options(tarn_options INTERFACE -Wall -Wextra -Wno-missing-field-initializers -Wno-subobject-linkage)
target_compile_definitions(tarn_options INTERFACE
  BOOST_ASIO_SEPARATE_COMPILATION BOOST_BEAST_SEPARATE_COMPILATION BOOST_ASIO_NO_DEPRECATED)
target_include_directories(tarn_options INTERFACE "${CMAKE_SOURCE_DIR}/src")
target_link_libraries(tarn_options INTERFACE fmt::fmt Boost::json Boost::url spdlog::spdlog OpenSSL::SSL OpenSSL::Crypto Threads::Threads)
target_link_options(tarn_options INTERFACE -fuse-ld=mold)

# One precompiled header for all rooms: the standard library, Boost.JSON and Describe, fmt. Asio and Beast are compiled once, in base.
add_library(tarn_pch OBJECT "${CMAKE_SOURCE_DIR}/src/base/pch.cc")
target_link_libraries(tarn_pch PUBLIC tarn_options)
target_precompile_headers(tarn_pch PRIVATE "${CMAKE_SOURCE_DIR}/src/base/pch.h")

function(tarn_module NAME)
  cmake_parse_arguments(M "ON_EACH_STORE" "" "SOURCES;APART;DEPENDS;LIBRARIES;TESTS;TEST_LIBRARIES" ${ARGN})
  add_library(tarn_${NAME} STATIC ${M_SOURCES})
  set_target_properties(tarn_${NAME} PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 4)
  set(alone ${M_SOURCES})
  list(FILTER alone INCLUDE REGEX "routes|_verbs?\\.cc")
  if(alone OR M_APART)
    set_source_files_properties(${alone} ${M_APART} PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON)
  endif()
  target_precompile_headers(tarn_${NAME} REUSE_FROM tarn_pch)
  target_link_libraries(tarn_${NAME} PUBLIC tarn_options ${M_LIBRARIES})
  foreach(room ${M_DEPENDS})
    target_link_libraries(tarn_${NAME} PUBLIC tarn_${room})
  endforeach()
  if(M_TESTS)
    add_executable(test_${NAME} ${M_TESTS})
    target_precompile_headers(test_${NAME} REUSE_FROM tarn_pch)
    target_link_libraries(test_${NAME} PRIVATE tarn_${NAME} ${M_TEST_LIBRARIES} GTest::gtest GTest::gmock GTest::gtest_main)
    target_compile_definitions(test_${NAME} PRIVATE TARN_SOURCE_DIR="${CMAKE_SOURCE_DIR}")
    add_test(NAME ${NAME} COMMAND test_${NAME})
    set_tests_properties(${NAME} PROPERTIES TIMEOUT 300)
    if(M_ON_EACH_STORE)
      add_test(NAME ${NAME}.postgresql COMMAND test_${NAME})
      set_tests_properties(${NAME}.postgresql PROPERTIES TIMEOUT 600 ENVIRONMENT TARN_TEST_STORE=postgresql)
    endif()
  endif()
endfunction()
