#ifndef CALLOCATIONS_H
#define CALLOCATIONS_H

#include <stdint.h>

/// How often the calling thread has asked for memory (malloc, calloc, realloc) since it began. Linked into a program,
/// this library stands in front of the C library's allocator for all of it; 0 where a sanitizer stands there already.
uint64_t callocations_of_thread(void);

/// The bytes that it has asked for, all in all: what is copied again and again shows here.
uint64_t callocations_bytes_of_thread(void);

#endif
