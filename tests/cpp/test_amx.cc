// When tiles are used: leave of the operating system, and the cost model. Usage: test_amx [tiny_stack]
#include <signal.h>

#include "kernel_testing.h"
#include "kernels/amx_permission.h"
#include "kernels/dispatch.h"
#include "kernels/split_path.h"

using namespace backpass;
using namespace backpass::kernels;
using namespace backpass::kernels::testing;

namespace {

int asked = 0;  // a digit for each probe, in the order of questions

template <int number, bool answer>
bool probe() {
  asked = 10 * asked + number;
  return answer;
}

// Each is asked where all before it hold, and one that does not is enough.
void test_leave() {
  const auto ask = [](AmxProbes probes) {
    asked = 0;
    return amx_works(probes);
  };
  check(!ask({probe<1, false>, probe<2, true>, probe<3, true>}) && asked == 1, "tiles that are not offered");
  check(!ask({probe<1, true>, probe<2, false>, probe<3, true>}) && asked == 12, "tiles that are refused");
  check(!ask({probe<1, true>, probe<2, true>, probe<3, false>}) && asked == 123, "tiles that are wrong");
  check(ask({probe<1, true>, probe<2, true>, probe<3, true>}) && asked == 123, "tiles that work");
}

void test_no_tiles_without_the_instructions() {
  const Isa amx = find_isa("amx");
  for (Isa isa : available_isas()) {
    check(table<float>(isa).tiles == (isa == amx) && !table<double>(isa).tiles, "who has tiles");
    if (isa == amx) continue;
    check(!choose_split_path(table<float>(isa), Precision::medium, 4096, 4096, 4096), "tiles where there are none");
    check(why_not_split(table<float>(isa)).find("AMX-BF16") != std::string::npos, "which instructions are missing");
  }
  check(amx != nullptr || !amx_permitted(), "leave for what is not there");
}

// Lower precisions take tiles wherever higher ones do, and each its own path.
void test_cost_model() {
  for (Size m : {1, 8, 31, 32, 64, 100, 127, 128, 240, 500, 2000}) {
    for (Size n : {1, 10, 64, 128, 300, 512, 4096}) {
      for (Size k : {1, 3, 32, 100, 128, 784, 4096}) {
        const auto highest = cheapest_split(Precision::highest, m, n, k),
                   high = cheapest_split(Precision::high, m, n, k), medium = cheapest_split(Precision::medium, m, n, k);
        check((!highest || high) && (!high || medium), "a higher precision on tiles, and a lower one not");
        check(!highest || (*highest == MatmulPath::split6 && std::min({m, n, k}) >= 128), "six products");
        check(!high || *high == MatmulPath::split3, "three products");
        check(!medium || *medium == MatmulPath::split1, "one product");
      }
    }
  }
  check(cheapest_split(Precision::highest, 240, 512, 512).has_value(), "six products of large blocks");
  check(!cheapest_split(Precision::highest, 128, 128, 4096), "six products of small blocks");
  check(cheapest_split(Precision::medium, 64, 256, 256).has_value(), "one product of blocks that repay their copies");
  check(!cheapest_split(Precision::medium, 64, 64, 64), "one product of small blocks");
}

// An alternate signal stack that cannot hold the registers: the request fails with ENOSPC, and products take FMA.
int with_tiny_stack() {
  const Isa amx = find_isa("amx");
  if (amx == nullptr) {
    std::printf("no such instruction set here\n");
    return 0;
  }
  static char memory[2048];
  stack_t stack = {};
  stack.ss_sp = memory;
  stack.ss_size = sizeof memory;
  if (sigaltstack(&stack, nullptr) != 0) {
    std::printf("no such instruction set here: the stack is refused\n");
    return 0;
  }
  check(!amx_permitted(), "leave beside a tiny stack");
  check(!choose_split_path(table<float>(amx), Precision::medium, 4096, 4096, 4096), "tiles without leave");
  check(!why_not_split(table<float>(amx)).empty(), "why there are none");
  std::printf("%ld checks, %ld failed\n", checks, failures);
  return failures == 0 ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc > 1 && std::string(argv[1]) == "tiny_stack") return with_tiny_stack();
  test_leave();
  test_no_tiles_without_the_instructions();
  test_cost_model();
  std::printf("%ld checks, %ld failed\n", checks, failures);
  return failures == 0 ? 0 : 1;
}
