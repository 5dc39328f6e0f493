// Sleeping on a word in memory, with a limit of time that std::atomic's wait does not have.
#pragma once

#include <errno.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <climits>
#include <cstdint>

namespace backpass {

using FutexWord = std::atomic<std::uint32_t>;
static_assert(sizeof(FutexWord) == 4 && FutexWord::is_always_lock_free);

// Sleeps while the word holds `seen`; false where the time has run out. May return early.
inline bool futex_wait(FutexWord& word, std::uint32_t seen, std::int64_t seconds) noexcept {
  const timespec limit{static_cast<time_t>(seconds), 0};
  return syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, seen, &limit, nullptr, 0) == 0 || errno != ETIMEDOUT;
}

inline void futex_wake_all(FutexWord& word) noexcept {
  syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, INT_MAX, nullptr, nullptr, 0);
}

}  // namespace backpass
