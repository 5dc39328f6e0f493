# One kernel source, compiled once per instruction set. The flags belong to these files alone: the rest of the library
# is compiled for the baseline of the architecture.
if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64|amd64)$")
  set(backpass_known_isas scalar avx2 avx512 amx)
elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "^(aarch64|arm64|ARM64)$")
  set(backpass_known_isas scalar neon)
else()
  set(backpass_known_isas scalar)
endif()

set(backpass_flags_avx2 -mavx2 -mfma)
set(backpass_flags_avx512 -mavx512f -mavx512dq -mavx512bw -mavx512vl -mfma -mprefer-vector-width=512
    # gcc 12 warns about its own intrinsics header (bug 105593).
    -Wno-uninitialized -Wno-maybe-uninitialized)
set(backpass_flags_amx ${backpass_flags_avx512} -mamx-tile -mamx-bf16)

set(BACKPASS_ISAS "" CACHE STRING "Instruction sets to compile, as \"scalar;avx2\"; scalar always is. Empty: all")
foreach(isa ${BACKPASS_ISAS})
  if(NOT isa IN_LIST backpass_known_isas)
    list(JOIN backpass_known_isas ", " known)
    message(FATAL_ERROR "BACKPASS_ISAS: unknown \"${isa}\"; on ${CMAKE_SYSTEM_PROCESSOR} there are ${known}")
  endif()
endforeach()
set(wanted ${BACKPASS_ISAS} scalar)
if("amx" IN_LIST wanted)
  list(APPEND wanted avx512)  # whose kernels amx takes for all but products on tiles
endif()
set(backpass_isas "")
set(backpass_isa_definitions "")
foreach(isa ${backpass_known_isas})
  if(NOT BACKPASS_ISAS OR isa IN_LIST wanted)
    list(APPEND backpass_isas ${isa})
    string(TOUPPER ${isa} upper)
    list(APPEND backpass_isa_definitions BACKPASS_ISA_${upper})
  endif()
endforeach()

file(GLOB isa_sources ${CMAKE_CURRENT_LIST_DIR}/isa_*.cc)
foreach(source ${isa_sources})
  string(REGEX REPLACE ".*/isa_(.*)\\.cc$" "\\1" isa ${source})
  if(isa IN_LIST backpass_isas)
    set_source_files_properties(${source} PROPERTIES COMPILE_OPTIONS "-fno-exceptions;${backpass_flags_${isa}}")
  else()
    # The library's glob has it already; a header file only is not compiled.
    set_source_files_properties(${source} PROPERTIES HEADER_FILE_ONLY ON)
  endif()
endforeach()
set_source_files_properties(${CMAKE_CURRENT_LIST_DIR}/isas.cc PROPERTIES COMPILE_DEFINITIONS
                                                                         "${backpass_isa_definitions}")
