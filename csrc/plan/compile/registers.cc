// Linear scan over one straight line of instructions.
#include "plan/compile/registers.h"

#include <utility>

namespace backpass {
namespace {

template <class F>
void for_operands(Instruction& i, F f) {
  f(i.a);
  f(i.b);
  f(i.out);
  f(i.out2);
  f(i.out3);
}

std::vector<int> count_reads(Program& program) {
  std::vector<int> reads(static_cast<std::size_t>(program.registers), 0);
  for (Instruction& i : program.instructions)
    for (const Operand* operand : {&i.a, &i.b})
      if (operand->in_register) ++reads[static_cast<std::size_t>(operand->index)];
  return reads;
}

bool is_scale(const Instruction& i) { return i.code == Code::elementwise && i.fn == Elementwise::scale; }

// scale(beta, scale(alpha, x)) is scale(alpha * beta, x) where nothing else reads the inner one.
void merge_scalings(Program& program) {
  const std::vector<int> reads = count_reads(program);
  std::vector<Instruction> kept;
  for (const Instruction& i : program.instructions) {
    const bool follows = is_scale(i) && !kept.empty() && is_scale(kept.back()) && i.a.in_register &&
                         kept.back().out.in_register && kept.back().out.index == i.a.index;
    if (follows && reads[static_cast<std::size_t>(i.a.index)] == 1) {
      kept.back().alpha *= i.alpha;
      kept.back().out = i.out;
    } else {
      kept.push_back(i);
    }
  }
  program.instructions = std::move(kept);
}

class Scan {
 public:
  explicit Scan(Program& program)
      : program_(program), last_(static_cast<std::size_t>(program.registers), -1), name_(last_) {}

  void run() {
    for (std::size_t at = 0; at < program_.instructions.size(); ++at)
      for_operands(program_.instructions[at], [&](Operand& o) {
        if (o.in_register) last_[static_cast<std::size_t>(o.index)] = static_cast<int>(at);
      });
    for (std::size_t at = 0; at < program_.instructions.size(); ++at)
      rename(program_.instructions[at], static_cast<int>(at));
    program_.registers = used_;
  }

 private:
  void rename(Instruction& i, int at) {
    const Operand a = i.a, b = i.b, out = i.out, out2 = i.out2, out3 = i.out3;
    rename(i.a);
    rename(i.b);
    // An elementwise function may write over an operand that covers the tile as its result does.
    const bool in_place = i.code == Code::elementwise;
    const bool a_early = in_place && a.layout == out.layout,
               b_early = in_place && b.layout == out.layout && b.index != a.index;
    if (a_early) release(a, at);
    if (b_early) release(b, at);
    rename(i.out);
    rename(i.out2);
    rename(i.out3);
    if (!a_early) release(a, at);
    if (!b_early && !(b.in_register && a.in_register && b.index == a.index)) release(b, at);
    for (const Operand& result : {out, out2, out3}) release(result, at);  // a result that nobody reads
  }

  void rename(Operand& o) {
    if (!o.in_register) return;
    int& name = name_[static_cast<std::size_t>(o.index)];
    if (name < 0) {
      if (free_.empty()) free_.push_back(used_++);
      name = free_.back();
      free_.pop_back();
    }
    o.index = name;
  }

  void release(const Operand& o, int at) {
    if (o.in_register && last_[static_cast<std::size_t>(o.index)] == at)
      free_.push_back(name_[static_cast<std::size_t>(o.index)]);
  }

  Program& program_;
  std::vector<int> last_, name_, free_;
  int used_ = 0;
};

}  // namespace

void allocate_registers(Program& program) {
  merge_scalings(program);
  Scan(program).run();
}

}  // namespace backpass
