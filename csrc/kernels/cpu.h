// What the processor and the operating system support.
#pragma once

namespace backpass::kernels {

bool cpu_has_avx2();    // AVX2 and FMA
bool cpu_has_avx512();  // AVX-512 F, DQ, BW and VL, besides AVX2
bool cpu_has_amx();     // AMX tiles and bfloat16, besides AVX-512; use needs a permission: see amx_permission.h

}  // namespace backpass::kernels
