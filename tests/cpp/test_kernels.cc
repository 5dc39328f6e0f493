// Every kernel of every available instruction set against a plain reference. Usage: test_kernels [isa | environment]
#include "kernel_testing.h"
#include "kernels/amx_permission.h"
#include "test_kernels_elementwise.h"
#include "test_kernels_matmul.h"
#include "test_kernels_rows.h"
#include "test_kernels_update.h"

using namespace backpass::kernels;
using namespace backpass::kernels::testing;

template <class T>
void test_table(Isa isa) {
  Kernels<T> kernels = table<T>(isa);
  kernels.tiles = kernels.tiles && amx_permitted();
  const std::string label = std::string(name(isa)) + " " + type_name<T>() + " ";
  for (int i = 0; i < backpass::kElementwiseCount; ++i) {
    check(kernels.elementwise[i] != nullptr, label + "elementwise " + std::to_string(i) + " is missing");
  }
  test_matmul(kernels, label);
  test_elementwise(kernels, label);
  test_rows(kernels, label);
  test_updates(kernels, label);
}

void test_dispatch() {
  set_isa(find_isa("scalar"));
  check(current_isa() == find_isa("scalar"), "set_isa");
  std::string message;
  try {
    parse_isa("foo");
  } catch (const std::invalid_argument& error) {
    message = error.what();
  }
  check(message.find("[isa] unknown \"foo\"; available: scalar") == 0, "parse_isa(\"foo\") says: " + message);
}

// What the first use of the kernels does: prints the choice, or what is wrong with BACKPASS_ISA.
int print_choice() {
  try {
    std::printf("%s\n", name(current_isa()));
    return 0;
  } catch (const std::invalid_argument& error) {
    std::printf("%s\n", error.what());
    return 1;
  }
}

int main(int argc, char** argv) {
  if (argc > 1 && std::string(argv[1]) == "environment") return print_choice();
  for (Isa isa : available_isas()) {
    if (argc > 1 && std::string(argv[1]) != name(isa)) continue;
    const long before = checks;
    test_table<float>(isa);
    test_table<double>(isa);
    std::printf("%s: %ld checks\n", name(isa), checks - before);
  }
  if (checks == 0) {
    std::printf("no such instruction set here: %s\n", argv[1]);
    return 1;
  }
  test_dispatch();
  std::printf("%ld checks, %ld failed\n", checks, failures);
  return failures == 0 ? 0 : 1;
}
