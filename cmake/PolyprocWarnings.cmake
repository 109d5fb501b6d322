# SPDX-License-Identifier: MIT
# The warnings under which all code of this repository compiles; never passed on to those who use the library.
function(polyproc_warnings target)
  target_compile_options(${target} PRIVATE -Wall -Wextra -Wconversion)
endfunction()
