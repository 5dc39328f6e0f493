// What the processor and the operating system support.
#pragma once

namespace backpass::kernels {

bool cpu_has_avx2();    // AVX2 and FMA
bool cpu_has_avx512();  // AVX-512 F, DQ, BW and VL, besides AVX2

}  // namespace backpass::kernels
