// The product of split operands over a model of the tiles, with the vectors of one instruction set: every size and
// storage with guards, its accuracy, and what values leave it to the other kernels. With TEST_TILE_INSTRUCTIONS, over
// the instructions themselves, which the processor carries out, or a handler of signals where it has none.
#include <algorithm>
#include <functional>

#include "kernels/amx_permission.h"
#include "tile_model.h"
#ifdef TEST_TILE_INSTRUCTIONS
#include "kernels/tile_amx.h"
#include "tile_instructions.h"
#endif
#if defined(__AVX512F__)
#include "kernels/vec_avx512.h"
#elif defined(__AVX2__)
#include "kernels/vec_avx2.h"
#elif defined(__aarch64__)
#include "kernels/vec_neon.h"
#else
#include "kernels/vec_scalar.h"
#endif
// The vocabularies come first.
#include "kernels/tiles-inl.h"
#include "test_kernels_matmul.h"

using namespace backpass::kernels;
using namespace backpass::kernels::testing;

namespace {

constexpr MatmulPath kSplits[] = {MatmulPath::split1, MatmulPath::split3, MatmulPath::split6};

long others = 0;  // products that were left to the other kernels
void other_matmul(const MatmulBlock<float>& block) noexcept {
  ++others;
  table<float>(find_isa("scalar")).matmul(block);
}
void model_matmul(const MatmulBlock<float>& block) noexcept { tile_matmul(block, &other_matmul); }

Kernels<float> model_table() {
  Kernels<float> kernels = table<float>(find_isa("scalar"));
  kernels.matmul = &model_matmul;
  kernels.tiles = true;
  return kernels;
}

bool machine_has_vectors() {
#if defined(__AVX512F__)
  return find_isa("avx512") != nullptr;
#elif defined(__AVX2__)
  return find_isa("avx2") != nullptr;
#else
  return true;
#endif
}

// Where every instruction is emulated, one way or another, fewer sizes do.
#if defined(TEST_TILE_INSTRUCTIONS) || defined(__aarch64__)
constexpr bool kSlow = true;
#else
constexpr bool kSlow = false;
#endif

// Sizes around tiles, panels and passes; 0 as well.
void test_sizes() {
  using Sizes = std::vector<Size>;
  const Kernels<float> kernels = model_table();
  for (Size m : kSlow ? Sizes{0, 33} : Sizes{0, 1, 15, 16, 33}) {
    for (Size n : kSlow ? Sizes{1, 48} : Sizes{0, 1, 16, 31, 48}) {
      for (Size k : kSlow ? Sizes{0, 2, 65} : Sizes{0, 1, 2, 31, 32, 65}) test_product(kernels, m, n, k, "tiles ");
    }
  }
  if (kSlow) return;
  for (Size k : {511, 512, 513, 1030}) test_product(kernels, 18, 33, k, "tiles ");
  test_product(kernels, 257, 33, 40, "tiles ");
  test_product(kernels, 530, 1, 3, "tiles ");
}

struct Product {
  Size m, n, k;
  std::vector<float> a, b;  // (m, k), (k, n)
  Product(Size m_, Size n_, Size k_) : m(m_), n(n_), k(k_) {
    Numbers numbers{static_cast<std::uint64_t>(k_)};
    for (auto [values, size] : {std::pair{&a, m * k}, std::pair{&b, k * n}}) {
      values->resize(static_cast<std::size_t>(size));
      for (float& x : *values) x = static_cast<float>(numbers());
    }
  }
  float& at_a(Size i, Size p) { return a[static_cast<std::size_t>(i * k + p)]; }
  float& at_b(Size p, Size j) { return b[static_cast<std::size_t>(p * n + j)]; }

  std::vector<float> by(const Kernels<float>& kernels, MatmulPath path) {
    std::vector<float> c(static_cast<std::size_t>(m * n), 99.0f);
    std::vector<float> buffer(static_cast<std::size_t>(matmul_scratch(kernels, path, m, n, k)) + 16);
    float* scratch = buffer.data();
    while (reinterpret_cast<std::uintptr_t>(scratch) % 64 != 0) ++scratch;
    kernels.matmul({c.data(), n, a.data(), k, 1, b.data(), n, 1, m, n, k, path, scratch});
    return c;
  }
  std::vector<float> by_plain_loops() {
    std::vector<float> c;
    for (Size i = 0; i < m; ++i) {
      for (Size j = 0; j < n; ++j) {
        float sum = 0;
        for (Size p = 0; p < k; ++p) sum += at_a(i, p) * at_b(p, j);
        c.push_back(sum);
      }
    }
    return c;
  }
  // The worst component of |C - C64| / (|A| |B|).
  double error(const std::vector<float>& c) {
    double worst = 0;
    for (Size i = 0; i < m; ++i) {
      for (Size j = 0; j < n; ++j) {
        double want = 0, size = 0;
        for (Size p = 0; p < k; ++p) {
          const double term = static_cast<double>(at_a(i, p)) * at_b(p, j);
          want += term;
          size += std::fabs(term);
        }
        const double off = std::fabs(static_cast<double>(c[static_cast<std::size_t>(i * n + j)]) - want);
        if (size > 0) worst = std::max(worst, off / size);
      }
    }
    return worst;
  }
};

void scale_rows(Product& x) {
  Numbers numbers{7};
  for (Size i = 0; i < x.m; ++i) {
    const double scale = std::pow(10.0, 20 * numbers());
    for (Size p = 0; p < x.k; ++p) x.at_a(i, p) = static_cast<float>(x.at_a(i, p) * scale);
  }
}

// The second half is the first one's negative, but for little: sums are small beside their terms.
void cancel(Product& x) {
  for (Size p = x.k / 2; p < x.k / 2 * 2; ++p) {
    for (Size i = 0; i < x.m; ++i) x.at_a(i, p) = -x.at_a(i, p - x.k / 2) * (1 + 0x1p-12f * x.at_a(i, p));
    for (Size j = 0; j < x.n; ++j) x.at_b(p, j) = x.at_b(p - x.k / 2, j);
  }
}

// Each element is followed by its negative.
void cancel_neighbours(Product& x) {
  for (Size p = 1; p < x.k; p += 2) {
    for (Size i = 0; i < x.m; ++i) x.at_a(i, p) = -x.at_a(i, p - 1) * (1 + 0x1p-12f * x.at_a(i, p));
    for (Size j = 0; j < x.n; ++j) x.at_b(p, j) = x.at_b(p - 1, j);
  }
}

void test_accuracy() {
  const Kernels<float> kernels = model_table();
  const std::pair<const char*, std::function<void(Product&)>> kinds[] = {{"random", [](Product&) {}},
                                                                         {"badly scaled", scale_rows},
                                                                         {"cancelling", cancel},
                                                                         {"neighbours", cancel_neighbours}};
  for (const auto& [kind, prepare] : kinds) {
    for (Size k : {1, 2, 3, 4, 5, 6, 7, 8, 12, 16, 24, 31, 32, 33, 48, 64, 96, 100, 200, 512, 784, 1100, 5000}) {
      Product x(k < 1000 ? 96 : 48, 64, k);
      prepare(x);
      const double plain = x.error(x.by_plain_loops()), fma = x.error(x.by(kernels, MatmulPath::pack_ab));
      const long before = others;
      const double six = x.error(x.by(kernels, MatmulPath::split6)), three = x.error(x.by(kernels, MatmulPath::split3));
      const double one = x.error(x.by(kernels, MatmulPath::split1));
      char what[200];
      std::snprintf(what, sizeof what, "%s, k %td: plain loops %.2e, packed %.2e, six %.2e, three %.2e, one %.2e", kind,
                    k, plain, fma, six, three, one);
      std::printf("%s\n", what);
      check(others == before, std::string(what) + ": left to the other kernels");
      check((k < 4 ? six < 0x1p-22 : six <= plain) && three < 0x1.01p-15 && one < 0x1.01p-7, what);
    }
  }
}

// A machine whose tiles were wrong would not get them.
void test_known_product() {
  Kernels<float> kernels = model_table();
  check(split_products_are_right(kernels), "a product of known numbers");
  kernels.matmul = [](const MatmulBlock<float>& block) noexcept {
    model_matmul(block);
    block.c[block.ldc * 33 + 2] *= 1 + 0x1p-5f;
  };
  check(!split_products_are_right(kernels), "a product that is wrong in one element");
}

// Values at which parts, products or sums would overflow or be flushed are left to the other kernels, bit by bit.
void test_values() {
  const Kernels<float> kernels = model_table();
  const float inf = std::numeric_limits<float>::infinity();
  struct Case {
    float a, b;
    bool tiles[3];  // whether a product of the two in an otherwise plain one is for tiles, on each path
  };
  const Case cases[] = {
      {1, 1, {true, true, true}},
      {0, 0, {true, true, true}},
      {0x1p-130f, 1, {true, true, true}},
      {inf, 1, {false, false, false}},
      {1, -inf, {false, false, false}},
      {1, std::numeric_limits<float>::quiet_NaN(), {false, false, false}},
      {-0x1.8p126f, 1, {false, false, false}},
      {0x1p119f, 1, {true, true, true}},
      {0x1p80f, 0x1p60f, {false, false, false}},
      {0x1p-101f, 0x1p40f, {true, true, false}},
      {1, -0x1p-109f, {true, false, false}},
      {0x1p-70f, 0x1p-35f, {true, true, false}},
  };
  for (const Case& values : cases) {
    Product x(20, 40, 70);
    for (auto* operand : {&x.a, &x.b}) {
      for (float& value : *operand) value = value < 0 ? -1.0f : 1.0f;
    }
    x.at_a(19, 69) = values.a;
    x.at_b(68, 39) = values.b;
    for (std::size_t path = 0; path < 3; ++path) {
      const long before = others;
      const std::vector<float> got = x.by(kernels, kSplits[path]);
      const std::string what = "tiles at " + std::to_string(values.a) + " and " + std::to_string(values.b) + ", path " +
                               std::to_string(path);
      check((others == before) == values.tiles[path], what + " are not where they should be computed");
      const std::vector<float> want = x.by(kernels, MatmulPath::pack_ab);
      if (!values.tiles[path]) check(std::memcmp(got.data(), want.data(), got.size() * sizeof(float)) == 0, what);
    }
  }
}

void test_subnormals_are_zero() {
  const Kernels<float> kernels = model_table();
  for (MatmulPath path : kSplits) {
    Product x(3, 5, 2);
    for (float& value : x.a) value = 0x1.fffffcp-127f;
    for (float& value : x.b) value = 0x1p100f;
    for (float value : x.by(kernels, path)) check(value == 0, "a subnormal times 2^100 is zero on tiles");
  }
}

// Three parts are the number itself, two and one as near as their bits.
void test_parts() {
  Numbers numbers;
  for (int i = 0; i < 20000; ++i) {
    const float x = static_cast<float>(std::ldexp(numbers(), static_cast<int>(98 * numbers())));
    if (std::fabs(x) < 0x1p-100f) continue;
    float lanes[Vec<float>::kLanes];
    for (float& lane : lanes) lane = x;
    Words part[3];
    split(part, load(lanes));
    double left = x;
    bool good = true;
    for (int s = 0; s < 3; ++s) {
      store(lanes, floats(part[s]));
      left -= lanes[0];
      good = good && (__builtin_bit_cast(std::uint32_t, lanes[0]) & 0xffff) == 0;
      good = good && std::fabs(left) <= std::fabs(x) * (s == 0 ? 0x1p-8 : s == 1 ? 0x1p-16 : 0);
    }
    check(good, "parts of a number");
  }
}

}  // namespace

// Usage: test_tiles [accuracy], which measures and prints the errors instead.
int main(int argc, char** argv) {
  if (!machine_has_vectors()) {
    std::printf("no such instruction set here\n");
    return 0;
  }
  bool modelled = true;
#ifdef TEST_TILE_INSTRUCTIONS
  modelled = find_isa("amx") == nullptr;
  if (modelled) carry_out_tile_instructions();
  if (!modelled && !amx_permitted()) {
    std::printf("no such instruction set here: the system refuses it\n");
    return 0;
  }
#endif
  if (argc > 1 && std::string(argv[1]) == "accuracy") {
    test_accuracy();
  } else {
    test_parts();
    test_sizes();
    test_known_product();
    test_values();
    test_subnormals_are_zero();
  }
  check(!modelled || (tile_model.dots() > 0 && !tile_model.configured()), "tiles are used, and released");
  std::printf("%ld checks, %ld failed\n", checks, failures);
  return failures == 0 ? 0 : 1;
}
