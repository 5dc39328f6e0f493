// The kernels for AMX: those of AVX-512, and the product of split operands on tiles.
#include "kernels/tile_amx.h"
#include "kernels/vec_avx512.h"
// The vocabularies come first.
#include "kernels/tiles-inl.h"

namespace backpass::kernels {
namespace {

void matmul_on_tiles(const MatmulBlock<float>& block) noexcept { tile_matmul(block, avx512_tables().float32.matmul); }

}  // namespace

const Tables& amx_tables() noexcept {
  static const Tables tables = [] {
    Tables made = avx512_tables();
    made.float32.matmul = &matmul_on_tiles;
    made.float32.tiles = true;
    return made;
  }();
  return tables;
}

}  // namespace backpass::kernels
