// Digests, HMAC and PBKDF2. Every function returns 1 on success and 0 on failure (in practice: out of memory).
#pragma once

#include <stddef.h>
#include <stdint.h>

enum { MARTLET_SHA1 = 0, MARTLET_SHA256 = 1, MARTLET_SHA512 = 2 };

/// The digest of `bytes` into `result`, which has room for the algorithm's length (at most 64 bytes).
int martlet_digest(int algorithm, const void *bytes, size_t length, uint8_t *result);

/// The HMAC (RFC 2104) of `message` under `key` into `result`.
int martlet_hmac(int algorithm, const void *key, size_t key_length, const void *message, size_t message_length, uint8_t *result);

/// PBKDF2 (RFC 8018 section 5.2) with HMAC into `result`.
int martlet_pbkdf2(
    int algorithm, const void *password, size_t password_length, const void *salt, size_t salt_length, int iterations,
    uint8_t *result, size_t result_length);

/// 1 when the two blocks are equal, in a time that depends on the length only.
int martlet_equal(const void *one, const void *other, size_t length);

/// A digest of what comes bit by bit; NULL on failure.
void *martlet_digest_begin(int algorithm);

/// The next bytes.
int martlet_digest_take(void *state, const void *bytes, size_t length);

/// The digest of everything so far into `result`. The state can only be freed afterwards.
int martlet_digest_end(void *state, uint8_t *result);

/// Frees the state.
void martlet_digest_free(void *state);
