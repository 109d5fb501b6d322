# SPDX-License-Identifier: MIT
# One test program for each folder below tests/ that holds *_test.cpp files: tests/os/ becomes test_os, and so on.
# The first word of a suite's name decides where it runs:
#   Large...   a gibibyte or more; label large, only `make test-large`
#   Sweep...   kills a process after each instruction; label sweep. Files named *sweep* are programs of their own,
#              tests/os/ becomes sweep_os, in builds without sanitizers alone
#   Soak...    long runs; label soak, only `make soak`
#   Stress...  as any other test, with more time
include(GoogleTest)
find_package(GTest REQUIRED)

set(POLYPROC_TEST_TIMEOUT 60 CACHE STRING "Seconds after which a test is ended and has failed")

file(GLOB _support CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tests/support/*.cpp)
list(FILTER _support EXCLUDE REGEX "_test\\.cpp$")
add_library(polyproc_test_support OBJECT ${_support})
target_include_directories(polyproc_test_support PUBLIC ${PROJECT_SOURCE_DIR}/tests)
target_link_libraries(polyproc_test_support PUBLIC polyproc_internal GTest::gtest GTest::gmock)
polyproc_warnings(polyproc_test_support)
# A third of the time that the tests' compilation would take otherwise.
target_precompile_headers(polyproc_test_support PRIVATE <gmock/gmock.h> <gtest/gtest.h> <fmt/format.h> <map> <optional>
                          <set> <string> <thread> <unordered_map> <variant> <vector>)
target_compile_options(polyproc_test_support PUBLIC $<$<CXX_COMPILER_ID:GNU>:-fpch-preprocess>)  # for ccache
# Most of a test runs once: with sanitizers, compiling it takes longer than running it.
target_compile_options(polyproc_test_support PUBLIC $<$<CONFIG:Debug>:-O0>)

add_custom_target(tests)
add_custom_target(sweep_tests)

# Registers the tests of `target` that match `filter`, with label and time limit in seconds.
function(polyproc_register_tests target folder filter label timeout)
  gtest_discover_tests(${target} TEST_FILTER "${filter}" DISCOVERY_MODE PRE_TEST DISCOVERY_TIMEOUT 60
                       TEST_PREFIX "test_${folder}:" WORKING_DIRECTORY ${PROJECT_SOURCE_DIR}
                       PROPERTIES LABELS "${label}" TIMEOUT ${timeout})
endfunction()

function(polyproc_add_test_program target folder)
  add_executable(${target} ${ARGN})
  set_target_properties(${target} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/tests)
  target_link_libraries(${target} PRIVATE polyproc_test_support)
  if(folder MATCHES "^(net|manager|docs)$")
    target_link_libraries(${target} PRIVATE polyproc_manager_internal)
  endif()
  target_precompile_headers(${target} REUSE_FROM polyproc_test_support)
  polyproc_warnings(${target})

  if(target MATCHES "^sweep_")
    polyproc_register_tests(${target} ${folder} "Sweep*:*/Sweep*" sweep 600)
    return()
  endif()
  set(_large "Large*:*/Large*:*.Large*")
  set(_soak "Soak*:*/Soak*")
  set(_stress "Stress*:*/Stress*")
  polyproc_register_tests(${target} ${folder} "-${_large}:${_soak}:${_stress}" unit ${POLYPROC_TEST_TIMEOUT})
  polyproc_register_tests(${target} ${folder} "${_stress}" stress 300)
  polyproc_register_tests(${target} ${folder} "${_large}" large 900)
  polyproc_register_tests(${target} ${folder} "${_soak}" soak 7200)
endfunction()

# Programs that tests start, each of one file, beside the test programs.
set(_programs)
file(GLOB _sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tests/programs/*.cpp)
foreach(_source IN LISTS _sources)
  get_filename_component(_name ${_source} NAME_WE)
  add_executable(${_name} ${_source})
  set_target_properties(${_name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/tests)
  target_link_libraries(${_name} PRIVATE polyproc)
  polyproc_warnings(${_name})
  list(APPEND _programs ${_name})
endforeach()

file(GLOB _folders LIST_DIRECTORIES true CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tests/*)
if(POLYPROC_SANITIZE STREQUAL "thread")
  list(FILTER _folders EXCLUDE REGEX "/(codec|docs)$")  # nothing in them runs beside anything
endif()
foreach(_folder IN LISTS _folders)
  file(GLOB _sources CONFIGURE_DEPENDS ${_folder}/*_test.cpp)
  if(_sources)
    get_filename_component(_name ${_folder} NAME)
    set(_sweeps ${_sources})
    list(FILTER _sweeps INCLUDE REGEX "sweep[^/]*_test\\.cpp$")
    list(FILTER _sources EXCLUDE REGEX "sweep[^/]*_test\\.cpp$")
    polyproc_add_test_program(test_${_name} ${_name} ${_sources})
    add_dependencies(test_${_name} ${_programs})
    add_dependencies(tests test_${_name})
    if(_name STREQUAL manager AND TARGET polyproc_tool)
      add_dependencies(test_manager polyproc_tool)
    endif()
    if(_sweeps AND NOT POLYPROC_SANITIZE)
      polyproc_add_test_program(sweep_${_name} ${_name} ${_sweeps})
      add_dependencies(sweep_tests sweep_${_name})
    endif()
  endif()
endforeach()

# tests/fuzz/<name>_fuzz.cpp becomes fuzz_<name>, with libFuzzer's main, and with those sources of the library alone that it
# tries: they are compiled for it, and for a minute of it the rest would take several.
if(POLYPROC_BUILD_FUZZ)
  file(GLOB _fuzzed_pickle CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/codec/*.cpp)
  list(APPEND _fuzzed_pickle ${PROJECT_SOURCE_DIR}/src/os/error.cpp)
  set(_fuzzed_wire frame handshake digest random authkey)
  list(TRANSFORM _fuzzed_wire REPLACE "(.+)" "${PROJECT_SOURCE_DIR}/src/net/\\1.cpp")
  list(APPEND _fuzzed_wire ${PROJECT_SOURCE_DIR}/src/os/error.cpp ${PROJECT_SOURCE_DIR}/src/os/fd.cpp)
  file(GLOB _fuzzed_request CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/manager/*_object.cpp
       ${PROJECT_SOURCE_DIR}/src/manager/*_objects.cpp)
  set(_fuzzed_manager arguments builtin_types call client_process event_loop native_peer object_table order peer proxy_values python_array
                      python_error python_peer slice)
  list(TRANSFORM _fuzzed_manager REPLACE "(.+)" "${PROJECT_SOURCE_DIR}/src/manager/\\1.cpp")
  list(APPEND _fuzzed_request ${_fuzzed_manager} ${PROJECT_SOURCE_DIR}/src/os/patience.cpp
       ${PROJECT_SOURCE_DIR}/src/os/pidfd.cpp ${PROJECT_SOURCE_DIR}/src/os/poll.cpp
       ${PROJECT_SOURCE_DIR}/src/net/random.cpp ${PROJECT_SOURCE_DIR}/src/os/fd.cpp)
  add_library(fuzzed_codec OBJECT ${_fuzzed_pickle})
  target_include_directories(fuzzed_codec PRIVATE ${PROJECT_SOURCE_DIR}/src)
  target_link_libraries(fuzzed_codec PRIVATE polyproc_usage)
  polyproc_warnings(fuzzed_codec)
  set(_fuzzed_pickle $<TARGET_OBJECTS:fuzzed_codec>)
  list(APPEND _fuzzed_request $<TARGET_OBJECTS:fuzzed_codec>)
  add_custom_target(fuzzers)
  foreach(_name pickle wire request)
    add_executable(fuzz_${_name} ${PROJECT_SOURCE_DIR}/tests/fuzz/${_name}_fuzz.cpp ${_fuzzed_${_name}})
    target_include_directories(fuzz_${_name} PRIVATE ${PROJECT_SOURCE_DIR}/src)
    target_link_libraries(fuzz_${_name} PRIVATE polyproc_usage)
    target_link_options(fuzz_${_name} PRIVATE -fsanitize=fuzzer)
    polyproc_warnings(fuzz_${_name})
    add_dependencies(fuzzers fuzz_${_name})
  endforeach()
  target_link_libraries(fuzz_wire PRIVATE OpenSSL::Crypto)
endif()

# Each tests/<folder>/refused/<name>.cpp must not compile, and the compiler must say what its line `// expect: ` says.
file(GLOB _refused CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tests/*/refused/*.cpp)
if(POLYPROC_SANITIZE STREQUAL "thread")
  set(_refused)
endif()
foreach(_source IN LISTS _refused)
  get_filename_component(_name ${_source} NAME_WE)
  add_test(NAME refused:${_name} WORKING_DIRECTORY ${PROJECT_SOURCE_DIR}
           COMMAND scripts/check-refused ${CMAKE_CXX_COMPILER} ${_source})
  set_tests_properties(refused:${_name} PROPERTIES LABELS unit TIMEOUT ${POLYPROC_TEST_TIMEOUT})
endforeach()

# Each example is a test; its output through a pipe is compared with tests/examples/<name>.txt where that exists.
if(TARGET examples)
  add_dependencies(tests examples)
  file(GLOB _examples CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/examples/*.cpp)
  foreach(_source IN LISTS _examples)
    get_filename_component(_name ${_source} NAME_WE)
    if(NOT TARGET example_${_name})
      continue()
    endif()
    set(_arguments)
    if(_name MATCHES "^(textstats|wordcount)$")
      set(_arguments ${PROJECT_SOURCE_DIR}/docs)  # a small folder; the large one is for the demo
    endif()
    add_test(NAME example:${_name} WORKING_DIRECTORY ${PROJECT_SOURCE_DIR}
             COMMAND scripts/run-example $<TARGET_FILE:example_${_name}> tests/examples/${_name}.txt ${_arguments})
    set_tests_properties(example:${_name} PROPERTIES LABELS example TIMEOUT ${POLYPROC_TEST_TIMEOUT})
  endforeach()
endif()
