// Counts allocations: preload it, and malloc, calloc, realloc, aligned_alloc, posix_memalign, memalign and mmap of the
// whole process add up. Read the totals through the two functions at the end.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <malloc.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/types.h>

// glibc's own names for what is interposed here; dlsym itself allocates.
extern void* __libc_malloc(size_t);
extern void* __libc_calloc(size_t, size_t);
extern void* __libc_realloc(void*, size_t);
extern void* __libc_memalign(size_t, size_t);
extern void __libc_free(void*);

static atomic_long calls;       // of any of the functions
static atomic_long live_bytes;  // allocated and not freed

static void* counted(void* block) {
  atomic_fetch_add(&calls, 1);
  if (block) atomic_fetch_add(&live_bytes, (long)malloc_usable_size(block));
  return block;
}

void* malloc(size_t size) { return counted(__libc_malloc(size)); }
void* calloc(size_t count, size_t size) { return counted(__libc_calloc(count, size)); }
void* memalign(size_t alignment, size_t size) { return counted(__libc_memalign(alignment, size)); }
void* aligned_alloc(size_t alignment, size_t size) { return counted(__libc_memalign(alignment, size)); }

int posix_memalign(void** out, size_t alignment, size_t size) {
  void* block = counted(__libc_memalign(alignment, size));
  if (!block) return ENOMEM;
  *out = block;
  return 0;
}

void* realloc(void* old, size_t size) {
  if (old) atomic_fetch_sub(&live_bytes, (long)malloc_usable_size(old));
  return counted(__libc_realloc(old, size));
}

void free(void* block) {
  if (block) atomic_fetch_sub(&live_bytes, (long)malloc_usable_size(block));
  __libc_free(block);
}

void* mmap(void* address, size_t length, int protection, int flags, int file, off_t offset) {
  static void* (*next)(void*, size_t, int, int, int, off_t);
  if (!next) next = (void* (*)(void*, size_t, int, int, int, off_t))dlsym(RTLD_NEXT, "mmap");
  atomic_fetch_add(&calls, 1);
  return next(address, length, protection, flags, file, offset);
}

long allocation_calls(void) { return atomic_load(&calls); }
long allocation_live_bytes(void) { return atomic_load(&live_bytes); }
