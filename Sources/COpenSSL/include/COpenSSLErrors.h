// What OpenSSL says when it fails.
#pragma once

#include <stddef.h>

/// Writes the reason of this thread's oldest queued error into `text` (always terminated), then clears the queue.
void martlet_take_error(char *text, size_t capacity);
