# SPDX-License-Identifier: MIT
# The library: compiled once into objects; polyproc (shared or static) is made from them, and so is polyproc_internal,
# a static copy for tests that look at hidden parts.
file(GLOB_RECURSE _sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/*.cpp)
list(FILTER _sources EXCLUDE REGEX "/src/(net|manager)/")
if(NOT _sources)
  message(FATAL_ERROR "polyproc: no source below ${PROJECT_SOURCE_DIR}/src")
endif()

# What the library's users need as well: language level, headers, fmt (formatters are in the headers) and threads.
add_library(polyproc_usage INTERFACE)
target_compile_features(polyproc_usage INTERFACE cxx_std_20)
target_include_directories(polyproc_usage INTERFACE $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>
                                                    $<INSTALL_INTERFACE:include>)
target_link_libraries(polyproc_usage INTERFACE fmt::fmt Threads::Threads)
if(POLYPROC_FAIL_POINTS)
  target_compile_definitions(polyproc_usage INTERFACE POLYPROC_FAIL_POINTS=1)
endif()

function(polyproc_add_objects name)
  add_library(${name} OBJECT ${ARGN})
  set_target_properties(${name} PROPERTIES CXX_EXTENSIONS OFF POSITION_INDEPENDENT_CODE ON
                                           CXX_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON)
  target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR}/src)
  # Calls within the library are direct, and may be inlined: nobody is to replace one of its functions from outside.
  target_compile_options(${name} PRIVATE $<$<CXX_COMPILER_ID:GNU>:-fno-semantic-interposition>)
  target_link_libraries(${name} PRIVATE polyproc_usage)
  polyproc_warnings(${name})
endfunction()

# A library of the objects, polyproc::<component> outside.
function(polyproc_add_library name component objects)
  add_library(${name} $<TARGET_OBJECTS:${objects}>)
  add_library(polyproc::${component} ALIAS ${name})
  # Before 1.0 each minor version may change the binary interface, and the soname says so (docs/versioning.md).
  set_target_properties(${name} PROPERTIES EXPORT_NAME ${component} LINKER_LANGUAGE CXX VERSION ${PROJECT_VERSION}
                        SOVERSION ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR})
  if(NOT POLYPROC_SANITIZE)
    # A missing piece is an error of the library's build, not of its users'.
    target_link_options(${name} PRIVATE LINKER:--no-undefined)
  endif()
endfunction()

polyproc_add_objects(polyproc_objects ${_sources})
# What nearly every source includes takes most of its compilation's time. (CMAKE_DISABLE_PRECOMPILE_HEADERS builds without.)
target_precompile_headers(polyproc_objects PRIVATE <algorithm> <atomic> <chrono> <functional> <memory> <mutex> <optional> <span>
                          <string> <string_view> <unordered_map> <vector> <fmt/format.h>)
target_compile_options(polyproc_objects PRIVATE $<$<CXX_COMPILER_ID:GNU>:-fpch-preprocess>)  # for ccache
polyproc_add_library(polyproc core polyproc_objects)
target_link_libraries(polyproc PUBLIC polyproc_usage)

# Component manager: what needs OpenSSL, which a child that is spawned should not have to load.
if(POLYPROC_BUILD_MANAGER)
  find_package(OpenSSL REQUIRED)
  file(GLOB _sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/net/*.cpp ${PROJECT_SOURCE_DIR}/src/manager/*.cpp)
  polyproc_add_objects(polyproc_manager_objects ${_sources})
  target_precompile_headers(polyproc_manager_objects REUSE_FROM polyproc_objects)
  target_compile_options(polyproc_manager_objects PRIVATE $<$<CXX_COMPILER_ID:GNU>:-fpch-preprocess>)
  target_link_libraries(polyproc_manager_objects PRIVATE OpenSSL::SSL)
  polyproc_add_library(polyproc_manager manager polyproc_manager_objects)
  set_target_properties(polyproc_manager PROPERTIES OUTPUT_NAME polyproc-manager)
  target_link_libraries(polyproc_manager PUBLIC polyproc PRIVATE OpenSSL::SSL)
endif()

# Component asio: headers for programs that run on Boost.Asio.
add_library(polyproc_asio INTERFACE)
add_library(polyproc::asio ALIAS polyproc_asio)
set_target_properties(polyproc_asio PROPERTIES EXPORT_NAME asio)
target_link_libraries(polyproc_asio INTERFACE polyproc Boost::headers)

# A program that only opens arenas must be able to release the queues of the dead, but a static link takes no object that
# nobody names; the arena cannot name what is above it. So the link does.
set(POLYPROC_STATIC_LINK_OPTION)
get_target_property(_type polyproc TYPE)
if(_type STREQUAL "STATIC_LIBRARY")
  set(POLYPROC_STATIC_LINK_OPTION "-Wl,--undefined=polyproc_release_queues")  # polyproc.pc has it too
  target_link_options(polyproc INTERFACE LINKER:--undefined=polyproc_release_queues)
endif()

if(POLYPROC_BUILD_TESTS)
  add_library(polyproc_internal STATIC $<TARGET_OBJECTS:polyproc_objects>)
  set_target_properties(polyproc_internal PROPERTIES LINKER_LANGUAGE CXX)
  target_include_directories(polyproc_internal INTERFACE ${PROJECT_SOURCE_DIR}/src)
  target_link_options(polyproc_internal INTERFACE LINKER:--undefined=polyproc_release_queues)
  target_link_libraries(polyproc_internal PUBLIC polyproc_usage)
  if(POLYPROC_BUILD_MANAGER)
    add_library(polyproc_manager_internal STATIC $<TARGET_OBJECTS:polyproc_manager_objects>)
    set_target_properties(polyproc_manager_internal PROPERTIES LINKER_LANGUAGE CXX)
    target_link_libraries(polyproc_manager_internal PUBLIC polyproc_internal OpenSSL::SSL)
  endif()
endif()
