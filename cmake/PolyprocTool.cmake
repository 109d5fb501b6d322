# SPDX-License-Identifier: MIT
# The command-line tool, polyproc.
find_package(CLI11 REQUIRED)
add_executable(polyproc_tool ${PROJECT_SOURCE_DIR}/tools/polyproc.cpp)
set_target_properties(polyproc_tool PROPERTIES OUTPUT_NAME polyproc CXX_EXTENSIONS OFF
                                               RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/bin)
target_link_libraries(polyproc_tool PRIVATE polyproc::manager CLI11::CLI11)
polyproc_warnings(polyproc_tool)
if(POLYPROC_INSTALL)
  include(GNUInstallDirs)
  file(RELATIVE_PATH _libraries ${CMAKE_INSTALL_FULL_BINDIR} ${CMAKE_INSTALL_FULL_LIBDIR})
  set_target_properties(polyproc_tool PROPERTIES INSTALL_RPATH "$ORIGIN/${_libraries}")  # wherever the tree is moved to
  install(TARGETS polyproc_tool RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
endif()
