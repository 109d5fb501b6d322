# SPDX-License-Identifier: MIT
# Install rules: library, headers, the CMake package with its components, and the pkg-config file.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(_package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/polyproc)

install(TARGETS polyproc polyproc_usage EXPORT polyproc-core
        LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
        ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
if(POLYPROC_BUILD_MANAGER)
  install(TARGETS polyproc_manager EXPORT polyproc-manager
          LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
          ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
  install(EXPORT polyproc-manager NAMESPACE polyproc:: DESTINATION ${_package_dir})
endif()
install(TARGETS polyproc_asio EXPORT polyproc-asio)
install(EXPORT polyproc-asio NAMESPACE polyproc:: DESTINATION ${_package_dir})
set_target_properties(polyproc_usage PROPERTIES EXPORT_NAME core_usage)
install(EXPORT polyproc-core NAMESPACE polyproc:: DESTINATION ${_package_dir})
install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/polyproc DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
        FILES_MATCHING PATTERN "*.hpp")

configure_package_config_file(${PROJECT_SOURCE_DIR}/cmake/polyproc-config.cmake.in
                              ${PROJECT_BINARY_DIR}/polyproc-config.cmake INSTALL_DESTINATION ${_package_dir})
# A minor version before 1.0 may break its users; the version file refuses such a mix.
write_basic_package_version_file(${PROJECT_BINARY_DIR}/polyproc-config-version.cmake
                                 COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/polyproc-config.cmake ${PROJECT_BINARY_DIR}/polyproc-config-version.cmake
        DESTINATION ${_package_dir})

# Below the prefix, paths are written relative to it; absolute ones (some distributions) stay as they are.
function(polyproc_pc_path variable folder)
  cmake_path(IS_ABSOLUTE folder absolute)
  if(absolute)
    set(${variable} ${folder} PARENT_SCOPE)
  else()
    set(${variable} "\${prefix}/${folder}" PARENT_SCOPE)
  endif()
endfunction()
polyproc_pc_path(_pc_libdir "${CMAKE_INSTALL_LIBDIR}")
polyproc_pc_path(_pc_includedir "${CMAKE_INSTALL_INCLUDEDIR}")
file(RELATIVE_PATH _pc_prefix ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig ${CMAKE_INSTALL_PREFIX})
configure_file(${PROJECT_SOURCE_DIR}/cmake/polyproc.pc.in ${PROJECT_BINARY_DIR}/polyproc.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/polyproc.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
if(POLYPROC_BUILD_MANAGER)
  set(_pc_openssl "openssl")  # a static library leaves it to its users
  if(BUILD_SHARED_LIBS)
    set(_pc_openssl "")
  endif()
  configure_file(${PROJECT_SOURCE_DIR}/cmake/polyproc-manager.pc.in ${PROJECT_BINARY_DIR}/polyproc-manager.pc @ONLY)
  install(FILES ${PROJECT_BINARY_DIR}/polyproc-manager.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
endif()
install(FILES ${PROJECT_SOURCE_DIR}/LICENSE ${PROJECT_SOURCE_DIR}/THIRD_PARTY.md
        DESTINATION ${CMAKE_INSTALL_DOCDIR})
