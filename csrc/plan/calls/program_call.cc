// A program as a call of its own: its space cut into blocks of rows, or of columns where rows are few.
#include <algorithm>
#include <sstream>

#include "plan/calls/calls.h"

namespace backpass {
namespace {

// Enough elements per task to hide its overhead; enough tasks for any machine.
constexpr Dim kProgramElements = 4096, kMostProgramTasks = 64;

struct Cut {
  Dim rows, cols, down, across;
};

bool walks_in(const Lanes& lanes, const Program& program) { return lanes && program.rows == lanes.rows; }

Cut cut_space(const Program& program, const Lanes& lanes) {
  if (walks_in(lanes, program)) return {lanes.most_rows(), program.cols, lanes.count, 1};
  const Dim elements = program.rows * program.cols;
  const Dim per_task = std::max(kProgramElements, ceil_div(elements, kMostProgramTasks));
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
  ProgramCall(const kernels::Kernels<T>& k, Program program, const Lanes& lanes)
      : k_(k), program_(std::move(program)), lanes_(lanes), cut_(cut_space(program_, lanes)) {
    tasks = cut_.down * cut_.across;
    in_lanes = walks_in(lanes, program_);
    finishes = !program_.sums.empty();
    scratch_bytes = static_cast<std::size_t>(program_.all_registers()) * program_.register_elements() * sizeof(T);
    describe();
  }

  void run(const Context& context, Dim task, std::byte* scratch) const noexcept override {
    double* partials = nullptr;
    if (finishes) {
      partials = reinterpret_cast<double*>(context.address[program_.sums[0].partials]) +
                 static_cast<std::size_t>(task) * program_.sums.size();
      std::fill_n(partials, program_.sums.size(), 0.0);
    }
    run_program(k_, program_, context, tile(task), reinterpret_cast<T*>(scratch), partials);
  }

  void finish(const Context& context) const noexcept override { finish_sums<T>(program_, context, tasks); }

 private:
  Tile tile(Dim task) const noexcept {
    if (in_lanes) return lanes_.tile(task, program_.cols);
    const Dim row = task / cut_.across * cut_.rows, col = task % cut_.across * cut_.cols;
    return {row, std::min(cut_.rows, program_.rows - row), col, std::min(cut_.cols, program_.cols - col)};
  }

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
  Lanes lanes_;
  Cut cut_;
};

}  // namespace

template <class T>
CallPtr make_program_call(const kernels::Kernels<T>& k, Program program, const Lanes& lanes) {
  return std::make_unique<ProgramCall<T>>(k, std::move(program), lanes);
}

Dim program_tasks(const Program& program, const Lanes& lanes) {
  const Cut cut = cut_space(program, lanes);
  return cut.down * cut.across;
}

template CallPtr make_program_call<float>(const kernels::Kernels<float>&, Program, const Lanes&);
template CallPtr make_program_call<double>(const kernels::Kernels<double>&, Program, const Lanes&);

}  // namespace backpass
