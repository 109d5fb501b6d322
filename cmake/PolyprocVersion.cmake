# SPDX-License-Identifier: MIT
# Reads the version from the header, so that program, soname, package and pkg-config file cannot disagree.
set(_config_header ${CMAKE_CURRENT_LIST_DIR}/../include/polyproc/os/config.hpp)
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${_config_header})
file(STRINGS ${_config_header} _version_lines REGEX "^#define POLYPROC_VERSION_(MAJOR|MINOR|PATCH) [0-9]+$")
string(REGEX MATCHALL "[0-9]+" _version_numbers "${_version_lines}")
list(LENGTH _version_numbers _version_length)
if(NOT _version_length EQUAL 3)
  message(FATAL_ERROR "polyproc: ${_config_header} does not define major, minor and patch version")
endif()
list(JOIN _version_numbers "." POLYPROC_VERSION)
