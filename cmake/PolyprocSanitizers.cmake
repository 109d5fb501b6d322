# SPDX-License-Identifier: MIT
# Instruments everything built here with the sanitizers named in POLYPROC_SANITIZE. Global on purpose: a program is
# either instrumented as a whole or not at all.
if(POLYPROC_SANITIZE)
  list(JOIN POLYPROC_SANITIZE "," _sanitizers)
  add_compile_options(-fsanitize=${_sanitizers} -fno-omit-frame-pointer)
  if(_sanitizers MATCHES "undefined")
    # It opens a pipe to look at an object's type, and reports an error where the process has no descriptor left.
    add_compile_options(-fno-sanitize=vptr)
  endif()
  add_link_options(-fsanitize=${_sanitizers})
  if("undefined" IN_LIST POLYPROC_SANITIZE)
    add_compile_options(-fno-sanitize-recover=undefined)
  endif()
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # Instrumented code makes GCC see uninitialised values where there are none; -Wtsan tells that the thread sanitizer
    # does not model fences, which is no fault of the code.
    add_compile_options(-Wno-maybe-uninitialized -Wno-tsan)
  endif()
endif()
