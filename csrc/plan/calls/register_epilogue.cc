// Recognising bias, relu and relu_grad at the beginning of an epilogue.
#include "plan/calls/register_epilogue.h"

namespace backpass {
namespace {

bool is_value(const Operand& operand, Layout layout) { return operand.layout == layout && !operand.in_register; }

bool is_product(const Operand& operand, int product) {
  return is_value(operand, Layout::full) && operand.index == product;
}

bool is_register(const Operand& operand, int index) {
  return operand.layout != Layout::none && operand.in_register && operand.index == index;
}

bool starts_with(const Program& program, Elementwise fn) {
  return !program.instructions.empty() && program.instructions[0].code == Code::elementwise &&
         program.instructions[0].fn == fn;
}

void drop_first(Program& program) { program.instructions.erase(program.instructions.begin()); }

// Whoever reads the register `from` reads the product instead; false where the product would be read or overwritten
// before.
bool redirect(Program& program, int from, int product) {
  bool overwritten = false;
  for (Instruction& i : program.instructions) {
    for (Operand* operand : {&i.a, &i.b}) {
      if (is_product(*operand, product) && !overwritten) return false;
      if (!is_register(*operand, from)) continue;
      if (overwritten || operand->layout != Layout::full) return false;
      *operand = {Layout::full, false, product};
    }
    if (is_register(i.out, from) || is_register(i.out2, from) || is_register(i.out3, from)) return true;
    overwritten = overwritten || is_product(i.out, product);
  }
  return true;
}

// Of many products each has a row of its own.
bool is_row_by_product(const Program& program, const Operand& operand, Dim rows) {
  if (operand.layout != Layout::strided) return false;
  const View& view = program.views[static_cast<std::size_t>(operand.view)];
  return view.step == 0 && view.rows == rows && !view.column && view.blocks.size() == 1 &&
         view.blocks[0].a == program.cols;
}

// add(product, row) becomes a bias, and so does a row for each product of so many rows.
int take_bias(Program& program, int product, Dim rows) {
  if (!starts_with(program, Elementwise::add)) return -1;
  Program rest = program;
  const Instruction first = rest.instructions[0];
  drop_first(rest);
  // A row beside a single row covers it in full.
  const bool row = is_value(first.b, Layout::row) || is_row_by_product(program, first.b, rows) ||
                   (rest.rows == 1 && is_value(first.b, Layout::full));
  if (!is_product(first.a, product) || !row || first.b.index == product) return -1;
  const bool here = is_product(first.out, product);
  if (!here && !(first.out.in_register && redirect(rest, first.out.index, product))) return -1;
  program = std::move(rest);
  return first.b.index;
}

bool take_relu(Program& program, int product) {
  if (!starts_with(program, Elementwise::relu)) return false;
  const Instruction& first = program.instructions[0];
  if (!is_product(first.a, product) || !is_product(first.out, product)) return false;
  drop_first(program);
  return true;
}

int take_relu_grad(Program& program, int product) {
  if (!starts_with(program, Elementwise::relu_grad)) return -1;
  const Instruction first = program.instructions[0];
  const bool fits = is_product(first.a, product) && is_value(first.b, Layout::full) && first.b.index != product &&
                    is_product(first.out, product);
  if (!fits) return -1;
  drop_first(program);
  return first.b.index;
}

}  // namespace

RegisterEpilogue take_register_epilogue(Program& program, int product, Dim rows) {
  RegisterEpilogue taken;
  taken.bias_by_product = !program.instructions.empty() && program.instructions[0].b.layout == Layout::strided;
  taken.bias = take_bias(program, product, rows);
  taken.relu = take_relu(program, product);
  if (!taken.relu) taken.relu_out = take_relu_grad(program, product);
  return taken;
}

}  // namespace backpass
