# One kernel source, compiled once per instruction set. The flags belong to these files alone: the rest of the library
# is compiled for the baseline of the architecture.
if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64|amd64)$")
  set(backpass_isas scalar avx2 avx512 amx)
elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "^(aarch64|arm64|ARM64)$")
  set(backpass_isas scalar neon)
else()
  set(backpass_isas scalar)
endif()

set(backpass_flags_avx2 -mavx2 -mfma)
set(backpass_flags_avx512 -mavx512f -mavx512dq -mavx512bw -mavx512vl -mfma -mprefer-vector-width=512
    # gcc 12 warns about its own intrinsics header (bug 105593).
    -Wno-uninitialized -Wno-maybe-uninitialized)
set(backpass_flags_amx ${backpass_flags_avx512} -mamx-tile -mamx-bf16)

foreach(isa scalar neon avx2 avx512 amx)
  set(source ${CMAKE_CURRENT_LIST_DIR}/isa_${isa}.cc)
  if(isa IN_LIST backpass_isas)
    set_source_files_properties(${source} PROPERTIES COMPILE_OPTIONS "-fno-exceptions;${backpass_flags_${isa}}")
  else()
    # The library's glob has it already; a header file only is not compiled.
    set_source_files_properties(${source} PROPERTIES HEADER_FILE_ONLY ON)
  endif()
endforeach()
