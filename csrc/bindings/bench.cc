// What benchmarks ask of the core: the limits of the machine, one matrix product alone, steps without Python.
#include "bench.h"

#include <algorithm>
#include <barrier>
#include <chrono>
#include <thread>

#include "base/aligned.h"
#include "base/error.h"
#include "bench_loops.h"
#include "bindings.h"
#include "fit.h"
#include "plan/sharing.h"

namespace backpass::python {
namespace {

constexpr std::int64_t kRounds = 4096;  // some ten microseconds

// How often all threads together call their work in a second; make() gives each thread a work of its own.
template <class Make>
double calls_per_second(int threads, double seconds, const Make& make) {
  std::barrier<> start(threads);
  std::vector<double> rates(static_cast<std::size_t>(threads));
  const auto serve = [&](std::size_t thread) {
    auto work = make();
    work();  // touches its memory
    start.arrive_and_wait();
    const auto begin = std::chrono::steady_clock::now();
    double elapsed = 0, calls = 0;
    for (; elapsed < seconds; ++calls) {
      work();
      elapsed = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    }
    rates[thread] = calls / elapsed;
  };
  std::vector<std::jthread> others;
  for (std::size_t thread = 1; thread < rates.size(); ++thread) others.emplace_back(serve, thread);
  serve(0);
  others.clear();  // joins them
  double sum = 0;
  for (const double rate : rates) sum += rate;
  return sum;
}

template <class T>
double fma_peak(double seconds, int threads) {
  const BenchLoops<T> loops = bench_loops<T>();
  const double flops = 2.0 * kRounds * kChains * loops.lanes;
  const auto make = [&loops] {
    return [&loops] {
      volatile T sink = loops.chains(T{0.5}, kRounds);
      static_cast<void>(sink);
    };
  };
  return flops * calls_per_second(threads, seconds, make);
}

// Of three arrays of one thread, together `bytes` large: two are read, one is written.
struct Triad {
  Triad(std::int64_t bytes, BenchLoops<float> loops_)
      : loops(loops_), n(std::max<std::int64_t>(bytes / 12 / 64 * 64, 64)) {
    for (AlignedBuffer& array : arrays) array = AlignedBuffer(static_cast<std::size_t>(n) * sizeof(float));
  }
  void operator()() {
    for (std::int64_t done = 0; done < kRounds; done += n) {
      loops.triad(at(0), at(1), at(2), n);
      std::swap(arrays[0], arrays[1]);
    }
  }
  double bytes_of_a_call() const { return 12.0 * static_cast<double>((kRounds + n - 1) / n * n); }
  float* at(int i) const { return reinterpret_cast<float*>(arrays[i].data()); }

  BenchLoops<float> loops;
  std::int64_t n;
  AlignedBuffer arrays[3];
};

double triad(std::int64_t bytes, double seconds, int threads) {
  const auto make = [&] { return Triad(bytes, bench_loops<float>()); };
  return make().bytes_of_a_call() * calls_per_second(threads, seconds, make);
}

void check(double seconds, int threads, const char* who) {
  if (!(seconds > 0 && seconds < 60)) fail(who, "seconds must be between 0 and 60, got ", seconds);
  if (threads < 1 || threads > 4096) fail(who, "threads must be between 1 and 4096, got ", threads);
}

double repeat_step(Session& session, const py::object& x, const py::object& y, std::int64_t times) {
  const Data data(session.network, x, y, py::none(), "repeat_step");
  data.require_castable_to(session.network.dtype(), "repeat_step");
  const py::gil_scoped_release release;
  double loss = 0;
  for (std::int64_t i = 0; i < times; ++i) loss = session.trainer.step(data.x.views, data.y.views);
  return loss;
}

}  // namespace

MatrixProduct::MatrixProduct(py::array a, py::array b, py::array out, bool transpose_a, bool transpose_b,
                             const std::string& precision, int threads)
    : arrays_{std::move(a), std::move(b), std::move(out)}, threads_(resolve_threads(threads)) {
  const DType dtype = parse_dtype(py::str(arrays_[0].dtype()));
  const auto operand = [&](int i) {
    return input(Shape(arrays_[i].shape(), arrays_[i].shape() + arrays_[i].ndim()), dtype, i == 0 ? "a" : "b");
  };
  PlanSpec spec;
  spec.inputs = {{operand(0)}, {operand(1)}};
  const Tensor product =
      matmul(spec.inputs[0].tensor, spec.inputs[1].tensor, transpose_a, transpose_b, parse_precision(precision));
  spec.outputs = {{product, {kFirstExternal + 2, 0}}};
  spec.dtype = dtype;
  for (const py::array& array : arrays_)
    if (!(array.flags() & py::array::c_style) || !array.dtype().is(arrays_[0].dtype()))
      fail("MatrixProduct", "arrays must be of one type and contiguous");
  const Shape given(arrays_[2].shape(), arrays_[2].shape() + arrays_[2].ndim());
  if (given != product.shape())
    fail("MatrixProduct", "out must have shape ", to_string(product.shape()), ", got ", to_string(given));
  plan_ = std::make_unique<Plan>(spec);
  arena_.reserve(plan_->arena_bytes());
  slots_.assign(kFirstExternal, nullptr);
  slots_[kArena] = arena_.data();
  for (py::array& array : arrays_) slots_.push_back(static_cast<std::byte*>(array.mutable_data()));
}

void MatrixProduct::run(std::int64_t times) {
  PlanRun run{slots_};
  run.threads = threads_;
  auto loop = [&] {
    for (std::int64_t i = 0; i < times; ++i) plan_->run(run);
  };
  const py::gil_scoped_release release;
  Team::with(times > 1 && plan_->shared() ? threads_ : 1, loop);
}

void bind_bench(py::module_& module) {
  module.def(
      "fma_peak",
      [](const std::string& dtype, double seconds, int threads) {
        check(seconds, threads, "fma_peak");
        const py::gil_scoped_release release;
        return parse_dtype(dtype) == DType::float64 ? fma_peak<double>(seconds, threads)
                                                    : fma_peak<float>(seconds, threads);
      },
      py::arg("dtype"), py::arg("seconds"), py::arg("threads"),
      "Floating-point operations per second of multiply-adds on registers, with the vectors of `isa()`.");
  module.def(
      "triad_bandwidth",
      [](std::int64_t bytes, double seconds, int threads) {
        check(seconds, threads, "triad_bandwidth");
        const py::gil_scoped_release release;
        return triad(bytes, seconds, threads);
      },
      py::arg("bytes"), py::arg("seconds"), py::arg("threads"),
      "Bytes per second of a = b + s c, where the three arrays of a thread take `bytes` (McCalpin 1995).");
  module.def("repeat_step", &repeat_step, py::arg("trainer"), py::arg("x"), py::arg("y"), py::arg("times"),
             "The same step many times, without Python between them: the last loss.");
  py::class_<MatrixProduct>(module, "MatrixProduct")
      .def(py::init<py::array, py::array, py::array, bool, bool, std::string, int>(), py::arg("a"), py::arg("b"),
           py::arg("out"), py::arg("transpose_a"), py::arg("transpose_b"), py::arg("precision"), py::arg("threads"))
      .def("run", &MatrixProduct::run, py::arg("times"));
}

}  // namespace backpass::python
