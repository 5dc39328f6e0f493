// A plan of two inputs and a product.
#include "bench/product.h"

#include "plan/workers/sharing.h"
#include "plan/workers/team.h"

namespace backpass::bench {

MatrixProduct::MatrixProduct(const ArrayView& a, const ArrayView& b, void* out, DType dtype, bool transpose_a,
                             bool transpose_b, Precision precision, int threads)
    : threads_(resolve_threads(threads)) {
  PlanSpec spec;
  spec.inputs = {{input(a.shape, dtype, "a")}, {input(b.shape, dtype, "b")}};
  const Tensor product = matmul(spec.inputs[0].tensor, spec.inputs[1].tensor, transpose_a, transpose_b, precision);
  shape_ = product.shape();
  spec.outputs = {{product, {kFirstExternal + 2, 0}}};
  spec.dtype = dtype;
  plan_ = std::make_unique<Plan>(spec);
  arena_.reserve(plan_->arena_bytes());
  slots_.assign(kFirstExternal, nullptr);
  slots_[kArena] = arena_.data();
  for (const ArrayView* view : {&a, &b})  // a plan only reads its inputs
    slots_.push_back(static_cast<std::byte*>(const_cast<void*>(view->data)));
  slots_.push_back(static_cast<std::byte*>(out));
}

void MatrixProduct::run(std::int64_t times) {
  PlanRun run{slots_};
  run.threads = threads_;
  auto loop = [&] {
    for (std::int64_t i = 0; i < times; ++i) plan_->run(run);
  };
  Team::with(times > 1 && plan_->shared() ? threads_ : 1, loop);
}

}  // namespace backpass::bench
