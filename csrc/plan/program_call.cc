// A program as a call of its own: its space cut into blocks of rows, or of columns where rows are few.
#include <algorithm>
#include <sstream>

#include "plan/calls.h"

namespace backpass {
namespace {

// Enough elements per task to hide its overhead; enough tasks for any machine.
constexpr Dim kTaskElements = 4096, kMostTasks = 64;

struct Cut {
  Dim rows, cols, down, across;
};

Cut cut_space(const Program& program) {
  const Dim elements = program.rows * program.cols;
  const Dim per_task = std::max(kTaskElements, ceil_div(elements, kMostTasks));
  Cut cut{std::max<Dim>(1, program.rows), std::max<Dim>(1, program.cols), 1, 1};
  cut.rows = std::clamp<Dim>(per_task / cut.cols, 1, cut.rows);
  if (!program.whole_rows && cut.cols > per_task) cut.cols = per_task;
  cut.down = std::max<Dim>(1, ceil_div(program.rows, cut.rows));
  cut.across = std::max<Dim>(1, ceil_div(program.cols, cut.cols));
  return cut;
}

template <class T>
class ProgramCall final : public Call {
 public:
  ProgramCall(const kernels::Kernels<T>& k, Program program)
      : k_(k), program_(std::move(program)), cut_(cut_space(program_)) {
    tasks = cut_.down * cut_.across;
    finishes = !program_.sums.empty();
    scratch_bytes = static_cast<std::size_t>(program_.registers) * program_.register_elements() * sizeof(T);
    describe();
  }

  void run(const Context& context, Dim task, std::byte* scratch) const noexcept override {
    double* partials = nullptr;
    if (finishes) {
      partials = reinterpret_cast<double*>(context.address[program_.sums[0].partials]) +
                 static_cast<std::size_t>(task) * program_.sums.size();
      std::fill_n(partials, program_.sums.size(), 0.0);
    }
    const Dim row = task / cut_.across * cut_.rows, col = task % cut_.across * cut_.cols;
    run_program(k_, program_, context,
                {row, std::min(cut_.rows, program_.rows - row), col, std::min(cut_.cols, program_.cols - col)},
                reinterpret_cast<T*>(scratch), partials);
  }

  void finish(const Context& context) const noexcept override { finish_sums<T>(program_, context, tasks); }

 private:
  void describe() {
    bool labels = false, lse = false, random = false;
    for (const Instruction& i : program_.instructions) {
      labels = labels || i.code == Code::take_label;
      lse = lse || (i.code == Code::softmax && i.out2.layout != Layout::none);
      random = random || i.code == Code::random_keep;
    }
    name = lse && (labels || !program_.sums.empty()) ? "softmax_cross_entropy"
           : program_.whole_rows                     ? "rowwise"
                                                     : "elementwise";
    std::ostringstream text;
    text << '(' << program_.rows << ", " << program_.cols << "); " << program_.describe();
    detail = text.str();
    const double elements = static_cast<double>(program_.rows * program_.cols);
    flops = elements * static_cast<double>(program_.instructions.size());
    cost = kNanosecondsPerCall * static_cast<double>(tasks) + flops * 0.25 + (lse ? elements * 1.5 : 0);
    bytes = elements * sizeof(T) * 2;
  }

  const kernels::Kernels<T>& k_;
  Program program_;
  Cut cut_;
};

}  // namespace

template <class T>
CallPtr make_program_call(const kernels::Kernels<T>& k, Program program) {
  return std::make_unique<ProgramCall<T>>(k, std::move(program));
}

Dim program_tasks(const Program& program) {
  const Cut cut = cut_space(program);
  return cut.down * cut.across;
}

template CallPtr make_program_call<float>(const kernels::Kernels<float>&, Program);
template CallPtr make_program_call<double>(const kernels::Kernels<double>&, Program);

}  // namespace backpass
