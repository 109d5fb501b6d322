# SPDX-License-Identifier: MIT
# Each bench/<name>.cpp is a program of its own. Peers that are installed are measured beside polyproc:
# POLYPROC_BENCH_BOOST, POLYPROC_BENCH_ZMQ and POLYPROC_BENCH_GOOGLE are 1 or 0.
file(GLOB _benches CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/bench/*.cpp)
add_custom_target(benches)

find_package(Boost 1.74 QUIET)
find_package(benchmark QUIET)
find_package(PkgConfig QUIET)
if(PkgConfig_FOUND)
  pkg_check_modules(ZMQ QUIET IMPORTED_TARGET libzmq)
endif()

foreach(_source IN LISTS _benches)
  get_filename_component(_name ${_source} NAME_WE)
  add_executable(bench_${_name} ${_source})
  set_target_properties(bench_${_name} PROPERTIES OUTPUT_NAME ${_name} CXX_EXTENSIONS OFF
                                                  RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/bench)
  target_link_libraries(bench_${_name} PRIVATE polyproc::core $<TARGET_NAME_IF_EXISTS:Boost::headers>
                                               $<TARGET_NAME_IF_EXISTS:benchmark::benchmark>
                                               $<TARGET_NAME_IF_EXISTS:PkgConfig::ZMQ> rt)
  target_compile_definitions(bench_${_name} PRIVATE POLYPROC_BENCH_BOOST=$<TARGET_EXISTS:Boost::headers>
                                                    POLYPROC_BENCH_GOOGLE=$<TARGET_EXISTS:benchmark::benchmark>
                                                    POLYPROC_BENCH_ZMQ=$<TARGET_EXISTS:PkgConfig::ZMQ>)
  polyproc_warnings(bench_${_name})
  add_dependencies(benches bench_${_name})
endforeach()
