#define _GNU_SOURCE
#include "CLMDB.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

// A line of LMDB's list is "pid thread transaction", in decimal, hexadecimal, decimal; the first one is a heading.
static int look_at_reader(const char *line, void *context) {
    size_t *oldest = context;
    int pid;
    size_t thread, transaction;
    if (sscanf(line, "%d %zx %zu", &pid, &thread, &transaction) == 3 && transaction < *oldest) *oldest = transaction;
    return 0;
}

size_t martlet_lmdb_oldest_reader(MDB_env *environment, size_t last) {
    size_t oldest = last;
    mdb_reader_list(environment, look_at_reader, &oldest);
    return oldest;
}

int martlet_lmdb_allocate(int descriptor, off_t offset, off_t length) {
    return fallocate(descriptor, FALLOC_FL_KEEP_SIZE, offset, length) == 0 ? 0 : errno;
}
