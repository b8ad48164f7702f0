#include "COpenSSLCertificate.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>

uint8_t *martlet_read_file(const char *path, size_t limit, size_t *length) {
    FILE *file = fopen(path, "rb");
    if (file == NULL) return NULL;
    uint8_t *block = NULL;
    size_t used = 0;
    size_t capacity = 0;
    for (;;) {
        if (used == capacity) {
            size_t wanted = capacity == 0 ? 8192 : 2 * capacity;
            uint8_t *grown = used > limit ? NULL : OPENSSL_realloc(block, wanted);
            if (grown == NULL) {
                errno = used > limit ? EFBIG : ENOMEM;
                goto failed;
            }
            block = grown;
            capacity = wanted;
        }
        errno = 0;
        size_t count = fread(block + used, 1, capacity - used, file);
        used += count;
        if (count == 0) {
            if (ferror(file)) goto failed;
            fclose(file);
            *length = used;
            return block;
        }
    }
failed:;
    int reason = errno;
    fclose(file);
    OPENSSL_clear_free(block, capacity);
    errno = reason;
    return NULL;
}

void martlet_file_error(char *text, size_t capacity) {
    int reason = errno;
    snprintf(text, capacity, "%s", reason == 0 ? "cannot be read" : strerror(reason));
}
