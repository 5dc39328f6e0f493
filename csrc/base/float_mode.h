// Subnormal numbers count as zero in our workers, and only there; nor does what a kernel computes in passing, such as
// an overflow or a lane that is thrown away, trap there.
#pragma once

#include <cstdint>

#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

namespace backpass {

// Sets on this thread for its lifetime whether subnormals are flushed to zero, then puts back what was there.
class FloatMode {
 public:
  explicit FloatMode(bool flush) noexcept : before_(get()) { set(flush ? quiet(before_ | kFlush) : before_ & ~kFlush); }
  ~FloatMode() { set(before_); }
  FloatMode(const FloatMode&) = delete;
  FloatMode& operator=(const FloatMode&) = delete;

 private:
#if defined(__x86_64__)
  using Word = unsigned;
  static constexpr Word kFlush = 0x8040;                           // MXCSR: flush to zero, denormals are zero
  static Word quiet(Word word) noexcept { return word | 0x1f80; }  // all exceptions masked
  static Word get() noexcept { return _mm_getcsr(); }
  static void set(Word word) noexcept { _mm_setcsr(word); }
#elif defined(__aarch64__)
  using Word = std::uint64_t;
  static constexpr Word kFlush = 1u << 24;                                // FPCR.FZ
  static Word quiet(Word word) noexcept { return word & ~Word{0x9f00}; }  // no exception is trapped
  static Word get() noexcept {
    Word word;
    asm volatile("mrs %0, fpcr" : "=r"(word));
    return word;
  }
  static void set(Word word) noexcept { asm volatile("msr fpcr, %0" ::"r"(word)); }
#else
  using Word = unsigned;
  static constexpr Word kFlush = 0;
  static Word quiet(Word word) noexcept { return word; }
  static Word get() noexcept { return 0; }
  static void set(Word) noexcept {}
#endif
  Word before_;
};

struct FlushSubnormals : FloatMode {
  FlushSubnormals() noexcept : FloatMode(true) {}
};

// For what the host program computes in the midst of our walk.
struct HostFloatMode : FloatMode {
  HostFloatMode() noexcept : FloatMode(false) {}
};

}  // namespace backpass
