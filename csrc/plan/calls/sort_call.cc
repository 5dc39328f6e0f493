// The order of elements along an axis, as indices.
#include <algorithm>
#include <bit>
#include <sstream>
#include <utility>

#include "plan/calls/calls.h"

namespace backpass {
namespace {

constexpr Dim kSortElements = 4096;  // per task
constexpr Dim kFewElements = 24;     // that are inserted one after the other
constexpr Dim kManyElements = 4096;  // for which larger digits pay

template <class T>
struct Keys;

// A key and where it came from, in one number.
template <>
struct Keys<float> {
  using Bits = std::uint32_t;
  using Record = std::uint64_t;
  static constexpr int kBits = 32;
  static Record record(Bits key, Dim index) noexcept { return Record{key} << 32 | static_cast<std::uint32_t>(index); }
  static Bits key(Record record) noexcept { return static_cast<Bits>(record >> 32); }
  static std::int32_t index(Record record) noexcept { return static_cast<std::int32_t>(record); }
};

template <>
struct Keys<double> {
  using Bits = std::uint64_t;
  struct Record {
    Bits key;
    std::int32_t index;
  };
  static constexpr int kBits = 64;
  static Record record(Bits key, Dim index) noexcept { return {key, static_cast<std::int32_t>(index)}; }
  static Bits key(Record record) noexcept { return record.key; }
  static std::int32_t index(Record record) noexcept { return record.index; }
};

// Numbers whose order as unsigned ones is that of x: those below 0 with all bits flipped, others with the sign's alone.
// -0 is 0, and what is not a number is the greatest, as in NumPy.
template <class T>
typename Keys<T>::Bits key_of(T x, bool descending) noexcept {
  using Bits = typename Keys<T>::Bits;
  constexpr Bits kSign = Bits{1} << (Keys<T>::kBits - 1);
  const Bits bits = std::bit_cast<Bits>(x + T(0));
  const Bits key = x != x ? ~Bits{0} : bits & kSign ? ~bits : bits | kSign;
  return descending ? ~key : key;
}

// How keys are cut into digits.
template <class T>
struct Digits {
  int bits, passes;
  explicit Digits(Dim n) : bits(n < kManyElements ? 8 : 11), passes((Keys<T>::kBits + bits - 1) / bits) {}
  std::size_t counts() const { return static_cast<std::size_t>(passes) << bits; }
};

// A task sorts some lines. Those that are equal keep their order in both directions.
template <class T>
class ArgsortCall final : public Call {
  using Record = typename Keys<T>::Record;

 public:
  explicit ArgsortCall(const AxisSpec& spec)
      : s_(spec), digits_(s_.reduced), lines_(std::max<Dim>(1, kSortElements / std::max<Dim>(1, s_.reduced))) {
    name = "argsort";
    std::ostringstream text;
    text << s_.outer << " x (" << s_.reduced << ", " << s_.inner << ')';
    detail = text.str();
    tasks = std::max<Dim>(1, ceil_div(s_.outer * s_.inner, lines_));
    reads = {s_.a};
    writes = {s_.out};
    scratch_bytes =
        2 * static_cast<std::size_t>(s_.reduced) * sizeof(Record) + digits_.counts() * sizeof(std::uint32_t);
    const double elements = static_cast<double>(s_.outer * s_.reduced * s_.inner);
    bytes = elements * (sizeof(T) + sizeof(std::int32_t));
    cost = kNanosecondsPerCall * static_cast<double>(tasks) + 10 * elements;
  }

  void run(const Context& context, Dim task, std::byte* scratch) const noexcept override {
    const Dim end = std::min(s_.outer * s_.inner, (task + 1) * lines_);
    for (Dim line = task * lines_; line < end; ++line) {
      const Dim begin = line / s_.inner * s_.reduced * s_.inner + line % s_.inner;
      const T* a = reinterpret_cast<const T*>(context.address[s_.a]) + begin;
      Record* records = reinterpret_cast<Record*>(scratch);
      for (Dim i = 0; i < s_.reduced; ++i) records[i] = Keys<T>::record(key_of(a[i * s_.inner], s_.reverse), i);
      const Record* sorted = s_.reduced <= kFewElements ? insert(records) : sort_by_digits(records);
      std::int32_t* out = reinterpret_cast<std::int32_t*>(context.address[s_.out]) + begin;
      for (Dim i = 0; i < s_.reduced; ++i) out[i * s_.inner] = Keys<T>::index(sorted[i]);
    }
  }

 private:
  const Record* insert(Record* records) const noexcept {
    for (Dim i = 1; i < s_.reduced; ++i) {
      const Record one = records[i];
      Dim at = i;
      for (; at > 0 && Keys<T>::key(records[at - 1]) > Keys<T>::key(one); --at) records[at] = records[at - 1];
      records[at] = one;
    }
    return records;
  }

  // The lowest digit first; each pass keeps the order of the one before. What follows the records in memory: as many
  // again, and how often each digit has each value.
  const Record* sort_by_digits(Record* from) const noexcept {
    const Dim n = s_.reduced;
    Record* to = from + n;
    std::uint32_t* counts = reinterpret_cast<std::uint32_t*>(from + 2 * n);
    const std::size_t values = std::size_t{1} << digits_.bits;
    const auto digit = [&](const Record& record, int pass) {
      return static_cast<std::size_t>(Keys<T>::key(record) >> (pass * digits_.bits)) & (values - 1);
    };
    std::fill_n(counts, digits_.counts(), 0);
    for (Dim i = 0; i < n; ++i)
      for (int pass = 0; pass < digits_.passes; ++pass)
        ++counts[static_cast<std::size_t>(pass) * values + digit(from[i], pass)];
    for (int pass = 0; pass < digits_.passes; ++pass, counts += values) {
      if (counts[digit(from[0], pass)] == static_cast<std::uint32_t>(n)) continue;  // all alike
      std::uint32_t place = 0;
      for (std::size_t value = 0; value < values; ++value) place += std::exchange(counts[value], place);
      for (Dim i = 0; i < n; ++i) to[counts[digit(from[i], pass)]++] = from[i];
      std::swap(from, to);
    }
    return from;
  }

  AxisSpec s_;
  Digits<T> digits_;
  Dim lines_;
};

}  // namespace

template <class T>
CallPtr make_argsort_call(const AxisSpec& spec) {
  return std::make_unique<ArgsortCall<T>>(spec);
}

template CallPtr make_argsort_call<float>(const AxisSpec&);
template CallPtr make_argsort_call<double>(const AxisSpec&);

}  // namespace backpass
