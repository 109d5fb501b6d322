# SPDX-License-Identifier: MIT
# Each examples/<name>.cpp is a program of its own, linked as a user would link it.
file(GLOB _examples CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/examples/*.cpp)
add_custom_target(examples)
foreach(_source IN LISTS _examples)
  get_filename_component(_name ${_source} NAME_WE)
  add_executable(example_${_name} ${_source})
  set_target_properties(example_${_name} PROPERTIES OUTPUT_NAME ${_name} CXX_EXTENSIONS OFF
                                                    RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/examples)
  target_link_libraries(example_${_name} PRIVATE polyproc::core)
  polyproc_warnings(example_${_name})
  add_dependencies(examples example_${_name})
endforeach()
