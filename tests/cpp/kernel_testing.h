// What the kernel tests share: arrays against a forbidden page, references, and counting of what failed.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

#include "kernels/dispatch.h"

namespace backpass::kernels::testing {

inline long checks = 0, failures = 0;

// What references are computed in: wider than T. Not wider than needed, because AArch64 has no quadruple precision.
template <class T>
struct WiderThan;
template <>
struct WiderThan<float> {
  using Type = double;
};
template <>
struct WiderThan<double> {
  using Type = long double;
};
template <class T>
using Wide = typename WiderThan<T>::Type;

// Counts, and prints the first failures.
inline bool check(bool good, const std::string& what) {
  ++checks;
  if (good) return true;
  if (++failures <= 40) std::printf("FAILED %s\n", what.c_str());
  return false;
}

// n elements that end at a page which may not be touched, with guard values before them.
template <class T>
class Guarded {
 public:
  explicit Guarded(Size n) : n_(n) {
    const std::size_t page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
    const std::size_t bytes = static_cast<std::size_t>(n) * sizeof(T) + kGuard;
    const std::size_t body = (bytes + page - 1) / page * page;
    size_ = body + page;
    base_ =
        static_cast<unsigned char*>(mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    mprotect(base_ + body, page, PROT_NONE);
    std::memset(base_, 0xA5, body);
    data_ = reinterpret_cast<T*>(base_ + body) - n;
  }
  Guarded(const Guarded&) = delete;
  Guarded& operator=(const Guarded&) = delete;
  ~Guarded() {
    check(intact(), "guard before an array");
    munmap(base_, size_);
  }
  T* data() { return data_; }
  T& operator[](Size i) { return data_[i]; }
  Size size() const { return n_; }

 private:
  static constexpr std::size_t kGuard = 64;
  bool intact() const {
    const auto* guard = reinterpret_cast<const unsigned char*>(data_) - kGuard;
    for (std::size_t i = 0; i < kGuard; ++i) {
      if (guard[i] != 0xA5) return false;
    }
    return true;
  }
  Size n_;
  std::size_t size_;
  unsigned char* base_;
  T* data_;
};

// Small linear congruential numbers in [-1, 1).
struct Numbers {
  std::uint64_t state = 1;
  double operator()() {
    state = state * 6364136223846793005ull + 1442695040888963407ull;
    return static_cast<double>(state >> 11) * 0x1p-52 - 1;
  }
  template <class T>
  void fill(Guarded<T>& x, double scale = 1) {
    for (Size i = 0; i < x.size(); ++i) x[i] = static_cast<T>(scale * (*this)());
  }
};

// A (rows, cols) matrix with gaps between its rows; the gaps hold a pattern that must survive.
template <class T>
struct Matrix {
  Size rows, cols, ld;
  Guarded<T> values;
  Matrix(Size rows_, Size cols_, Size gap, Numbers& numbers, double scale = 1)
      : rows(rows_), cols(cols_), ld(cols_ + gap), values(rows_ > 0 ? (rows_ - 1) * (cols_ + gap) + cols_ : 0) {
    numbers.fill(values, scale);
    for (Size i = 0; i + 1 < rows; ++i) {
      for (Size j = cols; j < ld; ++j) values[i * ld + j] = static_cast<T>(77);
    }
  }
  T* data() { return values.data(); }
  T& operator()(Size i, Size j) { return values[i * ld + j]; }
  bool gaps_intact() {
    for (Size i = 0; i + 1 < rows; ++i) {
      for (Size j = cols; j < ld; ++j) {
        if (values[i * ld + j] != static_cast<T>(77)) return false;
      }
    }
    return true;
  }
};

// Distance in units of the last place of the reference, as T has it; 0 where both are nan or the same infinity.
template <class T>
double ulps(T got, Wide<T> want) {
  const T rounded = static_cast<T>(want);
  if (std::isnan(rounded) || std::isnan(got)) return std::isnan(rounded) && std::isnan(got) ? 0 : 1e30;
  if (std::isinf(rounded) || std::isinf(got)) return rounded == got ? 0 : 1e30;
  int exponent = 0;
  std::frexp(rounded, &exponent);
  const int lowest = std::numeric_limits<T>::min_exponent;
  if (rounded == 0 || exponent < lowest) exponent = lowest;
  const Wide<T> ulp = std::ldexp(static_cast<Wide<T>>(1), exponent - std::numeric_limits<T>::digits);
  return static_cast<double>(std::fabs(static_cast<Wide<T>>(got) - want) / ulp);
}

template <class T>
bool close(T got, Wide<T> want, Wide<T> tolerance) {
  if (std::isnan(want)) return std::isnan(got);
  return std::fabs(static_cast<Wide<T>>(got) - want) <= tolerance;
}

template <class T>
constexpr double epsilon() {
  return static_cast<double>(std::numeric_limits<T>::epsilon());
}

template <class T>
std::string type_name() {
  return sizeof(T) == 4 ? "float" : "double";
}

}  // namespace backpass::kernels::testing
