// A of a product, copied once for all blocks that read it.
#include <algorithm>
#include <sstream>

#include "plan/calls/matmul_cut.h"

namespace backpass {
namespace {

// A task is one pass over one block of rows.
template <class T>
class PackCall final : public Call {
 public:
  PackCall(const kernels::Kernels<T>& k, int out, const MatmulSpec& spec)
      : k_(k), s_(spec), out_(out), passes_(kernels::matmul_passes(k, s_.k)) {
    s_.packed_a = true;
    rows_ = cut_blocks(k, s_).rows;
    tasks = passes_ * ceil_div(s_.m, rows_);
    name = "pack_a";
    std::ostringstream text;
    text << '(' << s_.m << ", " << s_.k << (s_.a_k != 1 ? ")T" : ")");
    detail = text.str();
    reads = {s_.a};
    writes = {out_};
    bytes = 2.0 * sizeof(T) * static_cast<double>(s_.m * s_.k);
    cost = kNanosecondsPerCall * static_cast<double>(tasks) + bytes / kBytesPerNanosecond;
  }

  void run(const Context& context, Dim task, std::byte*) const noexcept override {
    const Dim row = task / passes_ * rows_, rows = std::min(rows_, s_.m - row);
    k_.pack_a(reinterpret_cast<T*>(context.address[out_]) + row * s_.k,
              reinterpret_cast<const T*>(context.address[s_.a]) + row * s_.a_row, s_.a_row, s_.a_k, rows, s_.k,
              task % passes_);
  }

 private:
  const kernels::Kernels<T>& k_;
  MatmulSpec s_;
  int out_;
  Dim passes_, rows_;
};

}  // namespace

template <class T>
CallPtr make_pack_call(const kernels::Kernels<T>& k, int out, const MatmulSpec& spec) {
  return std::make_unique<PackCall<T>>(k, out, spec);
}

template CallPtr make_pack_call<float>(const kernels::Kernels<float>&, int, const MatmulSpec&);
template CallPtr make_pack_call<double>(const kernels::Kernels<double>&, int, const MatmulSpec&);

}  // namespace backpass
