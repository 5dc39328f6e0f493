// Fails allocations on purpose: preload it, and allocation number `first` from arm(first) on, and every one after it
// within `count`, returns no memory. Only those of the arming thread count.
#define _GNU_SOURCE
#include <errno.h>
#include <stddef.h>

// glibc's own names for what is interposed here.
extern void* __libc_malloc(size_t);
extern void* __libc_calloc(size_t, size_t);
extern void* __libc_realloc(void*, size_t);
extern void* __libc_memalign(size_t, size_t);

static __thread long left = -1;  // until the next failure; negative: never
static __thread long failures;   // left to make
static __thread long failed;     // so far

static int fails(void) {
  if (left < 0) return 0;
  if (left > 0) {
    --left;
    return 0;
  }
  ++failed;
  if (--failures == 0) left = -1;
  errno = ENOMEM;
  return 1;
}

void* malloc(size_t size) { return fails() ? NULL : __libc_malloc(size); }
void* calloc(size_t count, size_t size) { return fails() ? NULL : __libc_calloc(count, size); }
void* realloc(void* old, size_t size) { return fails() ? NULL : __libc_realloc(old, size); }
void* memalign(size_t alignment, size_t size) { return fails() ? NULL : __libc_memalign(alignment, size); }
void* aligned_alloc(size_t alignment, size_t size) { return memalign(alignment, size); }

int posix_memalign(void** out, size_t alignment, size_t size) {
  void* block = memalign(alignment, size);
  if (!block) return ENOMEM;
  *out = block;
  return 0;
}

// Allocation `first` (0: the next) and `count - 1` after it fail.
void arm(long first, long count) {
  failed = 0;
  failures = count;
  left = first;
}

// No more failures; how many there were.
long disarm(void) {
  left = -1;
  return failed;
}
