// For benchmarks: the limits of the machine, one matrix product alone, steps without Python.
#include "arrays.h"
#include "bench/limits.h"
#include "bench/product.h"
#include "bindings.h"
#include "fit.h"

namespace backpass::python {
namespace {

// A product, and what keeps the memory that it reads and writes.
struct Product {
  Product(const py::array& a, const py::array& b, py::array out, bool transpose_a, bool transpose_b,
          const std::string& precision, int threads)
      : arrays{a, b, out},
        product(view(a, out), view(b, out), out.mutable_data(), parse_dtype(py::str(out.dtype())), transpose_a,
                transpose_b, parse_precision(precision), threads) {
    if (view(out, out).shape != product.shape()) throw std::invalid_argument("[MatrixProduct] out has another shape");
  }
  static ArrayView view(const py::array& array, const py::array& out) {
    if (!(array.flags() & py::array::c_style) || !array.dtype().is(out.dtype()))
      throw std::invalid_argument("[MatrixProduct] arrays must be of one type and contiguous");
    return argument(array, "MatrixProduct", "an array").view;
  }

  py::array arrays[3];
  bench::MatrixProduct product;
};

double repeat_step(Session& session, const py::object& x, const py::object& y, std::int64_t times) {
  const Data data(session.taker, x, y, py::none(), "repeat_step");
  data.require_castable_to(session.network.dtype(), "repeat_step");
  const WithoutLock release;
  double loss = 0;
  for (std::int64_t i = 0; i < times; ++i) loss = session.trainer.step(data.rows);
  return loss;
}

}  // namespace

void bind_bench(py::module_& module) {
  const py::call_guard<WithoutLock> without_lock;
  module.def(
      "fma_peak",
      [](const std::string& dtype, double seconds, int threads) {
        return bench::fma_peak(parse_dtype(dtype), seconds, threads);
      },
      py::arg("dtype"), py::arg("seconds"), py::arg("threads"), without_lock);
  module.def("triad_bandwidth", &bench::triad_bandwidth, py::arg("bytes"), py::arg("seconds"), py::arg("threads"),
             without_lock);
  module.def("repeat_step", &repeat_step, py::arg("trainer"), py::arg("x"), py::arg("y"), py::arg("times"));
  py::class_<Product>(module, "MatrixProduct")
      .def(py::init<py::array, py::array, py::array, bool, bool, std::string, int>(), py::arg("a"), py::arg("b"),
           py::arg("out"), py::arg("transpose_a"), py::arg("transpose_b"), py::arg("precision"), py::arg("threads"))
      .def(
          "run", [](Product& self, std::int64_t times) { self.product.run(times); }, py::arg("times"), without_lock);
}

}  // namespace backpass::python
