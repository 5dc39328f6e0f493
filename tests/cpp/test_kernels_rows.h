// Softmax, reductions, copies and random numbers against plain loops.
#pragma once

#include <algorithm>
#include <utility>

#include "kernel_testing.h"

namespace backpass::kernels::testing {

template <class T>
void test_softmax(const Kernels<T>& kernels, Size rows, Size cols, Numbers& numbers, const std::string& label) {
  Matrix<T> x(rows, cols, 1, numbers, 30), y(rows, cols, 2, numbers);
  Matrix<T> shifted(rows, cols, 1, numbers);
  Guarded<T> lse(rows), lse_alone(rows), lse_shifted(rows);
  if (rows > 0 && cols > 1) x(0, 1) = -std::numeric_limits<T>::infinity();
  kernels.softmax(y.data(), y.ld, lse.data(), nullptr, 0, x.data(), x.ld, rows, cols);
  kernels.softmax(nullptr, 0, lse_alone.data(), nullptr, 0, x.data(), x.ld, rows, cols);
  kernels.softmax(nullptr, 0, lse_shifted.data(), shifted.data(), shifted.ld, x.data(), x.ld, rows, cols);
  bool good = y.gaps_intact() && shifted.gaps_intact();
  for (Size i = 0; i < rows; ++i) {
    Wide<T> total = 0, others = 0;
    const T most = cols > 0 ? *std::max_element(&x(i, 0), &x(i, 0) + cols) : 0;
    bool greatest = true;  // the first of them counts 1
    for (Size j = 0; j < cols; ++j) {
      const Wide<T> e = std::exp(static_cast<Wide<T>>(x(i, j)) - most);
      total += std::exp(static_cast<Wide<T>>(x(i, j)));
      if (x(i, j) != most || !std::exchange(greatest, false)) others += e;
      good = good && shifted(i, j) == x(i, j) - most;
    }
    const Wide<T> above = std::log1p(others);
    good = good && (cols == 0 ? lse_shifted[i] == -std::numeric_limits<T>::infinity()
                              : close(lse_shifted[i], above, 80 * epsilon<T>() * above + 1e-37));
    const Wide<T> want = std::log(total);
    good = good && (cols == 0 ? lse[i] == -std::numeric_limits<T>::infinity()
                              : close(lse[i], want, 4 * epsilon<T>() * (1 + std::fabs(want))));
    good = good && lse[i] == lse_alone[i];
    for (Size j = 0; j < cols; ++j) {
      const Wide<T> p = std::exp(static_cast<Wide<T>>(x(i, j))) / total;
      good = good && close(y(i, j), p, 40 * epsilon<T>() * p + 1e-44);
    }
  }
  kernels.softmax(x.data(), x.ld, nullptr, nullptr, 0, x.data(), x.ld, rows, cols);
  for (Size i = 0; i < rows; ++i) {
    for (Size j = 0; j < cols; ++j) good = good && x(i, j) == y(i, j);
  }
  check(good, label + "softmax " + std::to_string(rows) + " x " + std::to_string(cols));
}

// Mean taken away, and the inverse root mean square; a constant is exactly 0, and squares may overflow.
template <class T>
void test_norms(const Kernels<T>& kernels, Size rows, Size cols, Numbers& numbers, const std::string& label) {
  Matrix<T> x(rows, cols, 1, numbers), y(rows, cols, 2, numbers);
  Guarded<T> inverse(rows);
  const T huge = static_cast<T>(sizeof(T) == sizeof(float) ? 1e30 : 1e200);
  for (Size j = 0; j < cols; ++j) {
    if (rows > 1) x(1, j) = static_cast<T>(12345.678);
    if (rows > 2) x(2, j) *= huge;
  }
  kernels.center(y.data(), y.ld, x.data(), x.ld, rows, cols);
  kernels.inverse_rms(inverse.data(), x.data(), x.ld, static_cast<T>(1e-5), rows, cols);
  bool good = y.gaps_intact();
  for (Size i = 0; i < rows && cols > 0; ++i) {
    Wide<T> mean = 0, squares = 0;
    for (Size j = 0; j < cols; ++j) mean += x(i, j) / static_cast<Wide<T>>(cols);
    for (Size j = 0; j < cols; ++j) squares += static_cast<Wide<T>>(x(i, j)) * x(i, j) / static_cast<Wide<T>>(cols);
    const Wide<T> want = 1 / std::sqrt(squares + 1e-5), size = i == 2 ? huge : static_cast<T>(1);
    good = good && close(inverse[i], want, 40 * epsilon<T>() * want);
    for (Size j = 0; j < cols; ++j)
      good = good && (i == 1 ? y(i, j) == 0 : close(y(i, j), x(i, j) - mean, 40 * epsilon<T>() * size));
  }
  check(good, label + "norms " + std::to_string(rows) + " x " + std::to_string(cols));
}

template <class T>
void test_reductions(const Kernels<T>& kernels, Size rows, Size cols, Numbers& numbers, const std::string& label) {
  Matrix<T> a(rows, cols, (rows + cols) % 2, numbers);
  Guarded<T> sums(rows), tops(rows);
  Guarded<double> columns(cols), shifted(cols);
  kernels.row_sum(sums.data(), a.data(), a.ld, rows, cols);
  kernels.row_max(tops.data(), a.data(), a.ld, rows, cols);
  kernels.column_sum(columns.data(), a.data(), a.ld, rows, cols);
  kernels.column_sum_shifted(shifted.data(), a.data(), a.ld, rows, cols);
  const double sum = kernels.sum(a.data(), a.ld, rows, cols);
  bool good = true;
  Wide<T> all = 0;
  for (Size i = 0; i < rows; ++i) {
    Wide<T> want = 0, top = -std::numeric_limits<Wide<T>>::infinity();
    for (Size j = 0; j < cols; ++j) want += a(i, j), top = std::fmax(top, static_cast<Wide<T>>(a(i, j)));
    good =
        good && close(sums[i], want, epsilon<T>() * static_cast<double>(cols)) && static_cast<Wide<T>>(tops[i]) == top;
    all += want;
  }
  for (Size j = 0; j < cols; ++j) {
    Wide<T> want = 0;
    for (Size i = 0; i < rows; ++i) want += a(i, j);
    good = good && close(columns[j], want, 8 * epsilon<T>() * std::sqrt(static_cast<double>(rows) + 1));
    good = good && close(shifted[j], want, 16 * epsilon<T>() * (static_cast<double>(rows) + 1));
  }
  good = good && close(sum, all, 8 * epsilon<T>() * std::sqrt(static_cast<double>(rows * cols) + 1));
  if (rows > 1 && cols > 0) {
    a(1, cols / 2) = std::numeric_limits<T>::quiet_NaN();
    kernels.row_max(tops.data(), a.data(), a.ld, rows, cols);
    good = good && std::isnan(tops[1]) && !std::isnan(tops[0]);
  }
  check(good, label + "reductions " + std::to_string(rows) + " x " + std::to_string(cols));
}

template <class T>
void test_copies(const Kernels<T>& kernels, Size rows, Size cols, Numbers& numbers, const std::string& label) {
  Matrix<T> a(rows, cols, 1, numbers), out(rows, cols, 2, numbers), flipped(cols, rows, 1, numbers);
  Matrix<T> put(rows, cols, 1, numbers), gathered(rows, cols, 0, numbers), filled(rows, cols, 1, numbers);
  Guarded<T> values(rows), taken(rows);
  numbers.fill(values);
  Guarded<std::int32_t> labels(rows);
  Guarded<std::int64_t> index(rows);
  for (Size i = 0; i < rows; ++i) {
    labels[i] = static_cast<std::int32_t>(cols > 0 ? (i * 7 + 3) % cols : 0);
    index[i] = (i * 5 + 2) % rows;
  }
  kernels.broadcast_column(out.data(), out.ld, values.data(), rows, cols);
  kernels.fill(filled.data(), filled.ld, static_cast<T>(3), rows, cols);
  kernels.transpose(flipped.data(), flipped.ld, a.data(), a.ld, rows, cols);
  kernels.gather_rows(gathered.data(), a.data(), a.ld, index.data(), rows, cols);
  kernels.put_label(put.data(), put.ld, values.data(), labels.data(), rows, cols);
  if (cols > 0) kernels.take_label(taken.data(), a.data(), a.ld, labels.data(), rows, cols);
  bool good = out.gaps_intact() && flipped.gaps_intact() && put.gaps_intact() && filled.gaps_intact();
  for (Size i = 0; i < rows; ++i) {
    for (Size j = 0; j < cols; ++j) {
      good = good && out(i, j) == values[i] && flipped(j, i) == a(i, j) && gathered(i, j) == a(index[i], j);
      good = good && put(i, j) == (labels[i] == j ? values[i] : 0) && filled(i, j) == 3;
    }
    good = good && (cols == 0 || taken[i] == a(i, labels[i]));
  }
  check(good, label + "copies " + std::to_string(rows) + " x " + std::to_string(cols));
}

// Philox 4x32-10, one counter at a time, as the paper states it.
inline void philox_reference(std::uint32_t (&x)[4], std::uint32_t key0, std::uint32_t key1) {
  for (int round = 0; round < 10; ++round, key0 += 0x9E3779B9u, key1 += 0xBB67AE85u) {
    const std::uint64_t p0 = 0xD2511F53ull * x[0], p1 = 0xCD9E8D57ull * x[2];
    const std::uint32_t next[4] = {static_cast<std::uint32_t>(p1 >> 32) ^ x[1] ^ key0, static_cast<std::uint32_t>(p1),
                                   static_cast<std::uint32_t>(p0 >> 32) ^ x[3] ^ key1, static_cast<std::uint32_t>(p0)};
    std::memcpy(x, next, sizeof(next));
  }
}

// The distribution function of what is drawn is the word that it was drawn from.
template <class T>
void test_normal(const Kernels<T>& kernels, const RandomStream& stream, std::uint64_t start, const std::string& label) {
  Guarded<T> whole(400);
  kernels.random_normal(whole.data(), stream, start, 400);
  bool good = true;
  for (Size i = 0; i < 400; ++i) {
    const std::uint64_t e = start + static_cast<std::uint64_t>(i), block = e / 4;
    std::uint32_t x[4] = {static_cast<std::uint32_t>(block), static_cast<std::uint32_t>(block >> 32), stream.op,
                          static_cast<std::uint32_t>(stream.step)};
    philox_reference(x, static_cast<std::uint32_t>(stream.seed), static_cast<std::uint32_t>(stream.seed >> 32));
    const double expected = (x[e % 4] + 0.5) * 0x1p-32,
                 found = 0.5 * std::erfc(-static_cast<double>(whole[i]) * std::sqrt(0.5));
    good = good && std::fabs(found - expected) < (sizeof(T) == 4 ? 1e-6 : 1e-14);
  }
  for (Size first : {0, 1, 3, 64, 200})
    for (Size n : {0, 1, 3, 65, 130}) {
      Guarded<T> part(n);
      kernels.random_normal(part.data(), stream, start + static_cast<std::uint64_t>(first), n);
      for (Size i = 0; i < n; ++i) good = good && part[i] == whole[first + i];
    }
  check(good, label + "random_normal");
}

// The published known answers; then the kernel's thresholds tell its words apart to the last bit.
template <class T>
void test_random(const Kernels<T>& kernels, Numbers& numbers, const std::string& label) {
  std::uint32_t zero[4] = {0, 0, 0, 0};
  philox_reference(zero, 0, 0);
  check(zero[0] == 0x6627e8d5u && zero[1] == 0xe169c58du && zero[2] == 0xbc57ac4cu && zero[3] == 0x9b00dbd8u,
        "philox at 0");
  std::uint32_t ones[4] = {~0u, ~0u, ~0u, ~0u};
  philox_reference(ones, ~0u, ~0u);
  check(ones[0] == 0x408f276du && ones[1] == 0x41c83b0eu && ones[2] == 0xa20bc7c6u && ones[3] == 0x6d5451fdu,
        "philox at ~0");
  const std::uint32_t words[4] = {0x6627e8d5u, 0xe169c58du, 0xbc57ac4cu, 0x9b00dbd8u};
  for (Size e = 0; e < 4; ++e) {
    T kept = -1, lost = -1;
    kernels.random_keep(&kept, {0, 0, 0}, static_cast<std::uint64_t>(e), 1, words[e] * 0x1p-32, 2);
    kernels.random_keep(&lost, {0, 0, 0}, static_cast<std::uint64_t>(e), 1, (words[e] + 1.0) * 0x1p-32, 2);
    check(kept == 2 && lost == 0, label + "random word " + std::to_string(e));
  }
  const RandomStream stream{0x123456789abcdef0ull, 17, 0x500000003ull};
  const std::uint64_t start = (std::uint64_t{1} << 34) - 150;  // the block's high word changes on the way
  Guarded<T> whole(400);
  kernels.random_keep(whole.data(), stream, start, 400, 0.3, 5);
  bool good = true;
  for (Size i = 0; i < 400; ++i) {
    const std::uint64_t e = start + static_cast<std::uint64_t>(i), block = e / 4;
    std::uint32_t x[4] = {static_cast<std::uint32_t>(block), static_cast<std::uint32_t>(block >> 32), 17, 3};
    philox_reference(x, 0x9abcdef0u, 0x12345678u);
    good = good && whole[i] == (x[e % 4] >= 0.3 * 0x1p32 ? 5 : 0);
  }
  for (Size first : {0, 1, 2, 3, 5, 63, 64, 65, 200}) {
    for (Size n : {0, 1, 3, 4, 63, 64, 65, 130}) {
      Guarded<T> part(n);
      kernels.random_keep(part.data(), stream, start + static_cast<std::uint64_t>(first), n, 0.3, 5);
      for (Size i = 0; i < n; ++i) good = good && part[i] == whole[first + i];
    }
  }
  Guarded<T> edge(9);
  kernels.random_keep(edge.data(), stream, 0, 9, 0, 1);
  for (Size i = 0; i < 9; ++i) good = good && edge[i] == 1;
  kernels.random_keep(edge.data(), stream, 0, 9, 1, 1);
  for (Size i = 0; i < 9; ++i) good = good && edge[i] == 0;
  check(good, label + "random_keep");
  test_normal(kernels, stream, start, label);
  (void)numbers;
}

template <class T>
void test_rows(const Kernels<T>& kernels, const std::string& label) {
  Numbers numbers;
  const Size v = kernels.vector;
  for (Size rows : {Size{0}, Size{1}, v - 1, v + 1, Size{31}, Size{33}, Size{100}}) {
    for (Size cols : {Size{0}, Size{1}, Size{2}, v - 1, v, v + 1, Size{10}, 4 * v, 4 * v + 3, Size{130}}) {
      test_softmax(kernels, rows, cols, numbers, label);
      test_norms(kernels, rows, cols, numbers, label);
      test_reductions(kernels, rows, cols, numbers, label);
      test_copies(kernels, rows, cols, numbers, label);
    }
  }
  test_random(kernels, numbers, label);
}

}  // namespace backpass::kernels::testing
