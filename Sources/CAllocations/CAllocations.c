#include "CAllocations.h"

#include <stddef.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define STANDS_BACK 1
#endif
#endif

static __thread uint64_t count;
static __thread uint64_t bytes;

#ifndef STANDS_BACK
// The C library's own names for its allocator; it has no hooks any more.
extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *block, size_t size);

void *malloc(size_t size) {
    count += 1;
    bytes += size;
    return __libc_malloc(size);
}

void *calloc(size_t elements, size_t size) {
    count += 1;
    bytes += elements * size;
    return __libc_calloc(elements, size);
}

void *realloc(void *block, size_t size) {
    count += 1;
    bytes += size;
    return __libc_realloc(block, size);
}
#endif

uint64_t callocations_of_thread(void) { return count; }
uint64_t callocations_bytes_of_thread(void) { return bytes; }
