// LMDB as its header has it, and what Swift cannot do with it or with its files.
#pragma once
#include <lmdb.h>
#include <sys/types.h>

// The transaction of the oldest reader, or `last` if there is no older one: what was freed since is not used again before it ends.
size_t martlet_lmdb_oldest_reader(MDB_env *environment, size_t last);

// Takes the blocks of a part of a file from the disk, without making the file longer. Returns 0 or an error number.
int martlet_lmdb_allocate(int descriptor, off_t offset, off_t length);
