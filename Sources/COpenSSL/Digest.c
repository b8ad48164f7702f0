#include "COpenSSLDigest.h"

#include <limits.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <pthread.h>

// Fetched once and kept for the life of the process: an implicit fetch on each call costs more than hashing a short message.
static pthread_once_t fetched = PTHREAD_ONCE_INIT;
static EVP_MD *digests[3];
// An HMAC takes its digest by name, which is a fetch again: contexts that have one are copied.
static EVP_MAC_CTX *hmacs[3];

static void fetch(void) {
    static const char *const names[3] = {"SHA1", "SHA256", "SHA512"};
    EVP_MAC *hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    for (int i = 0; i < 3; i++) {
        digests[i] = EVP_MD_fetch(NULL, names[i], NULL);
        EVP_MAC_CTX *context = hmac == NULL ? NULL : EVP_MAC_CTX_new(hmac);
        OSSL_PARAM parameters[] = {
            OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char *)names[i], 0), OSSL_PARAM_construct_end()};
        if (context != NULL && EVP_MAC_CTX_set_params(context, parameters) == 1) hmacs[i] = context;
    }
}

static int is_known(int algorithm) {
    if (algorithm < 0 || algorithm > 2) return 0;
    pthread_once(&fetched, fetch);
    return digests[algorithm] != NULL && hmacs[algorithm] != NULL;
}

int martlet_digest(int algorithm, const void *bytes, size_t length, uint8_t *result) {
    return is_known(algorithm) && EVP_Digest(bytes, length, result, NULL, digests[algorithm], NULL) == 1;
}

int martlet_hmac(
    int algorithm, const void *key, size_t key_length, const void *message, size_t message_length, uint8_t *result) {
    if (!is_known(algorithm)) return 0;
    EVP_MAC_CTX *context = EVP_MAC_CTX_dup(hmacs[algorithm]);
    if (context == NULL) return 0;
    // A null key would mean "the key of last time": an empty key still needs an address.
    const void *present_key = key_length == 0 ? "" : key;
    size_t written = 0;
    int ok = EVP_MAC_init(context, present_key, key_length, NULL) == 1
        && EVP_MAC_update(context, message_length == 0 ? (const void *)"" : message, message_length) == 1
        && EVP_MAC_final(context, result, &written, (size_t)EVP_MD_get_size(digests[algorithm])) == 1;
    EVP_MAC_CTX_free(context);
    return ok;
}

int martlet_pbkdf2(
    int algorithm, const void *password, size_t password_length, const void *salt, size_t salt_length, int iterations,
    uint8_t *result, size_t result_length) {
    if (!is_known(algorithm) || password_length > INT_MAX || salt_length > INT_MAX || result_length > INT_MAX) return 0;
    return PKCS5_PBKDF2_HMAC(
               password_length == 0 ? "" : password, (int)password_length, salt_length == 0 ? (const void *)"" : salt,
               (int)salt_length, iterations, digests[algorithm], (int)result_length, result)
        == 1;
}

int martlet_equal(const void *one, const void *other, size_t length) {
    return length == 0 || CRYPTO_memcmp(one, other, length) == 0;
}

void *martlet_digest_begin(int algorithm) {
    if (!is_known(algorithm)) return NULL;
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    if (context != NULL && EVP_DigestInit_ex2(context, digests[algorithm], NULL) == 1) return context;
    EVP_MD_CTX_free(context);
    return NULL;
}

int martlet_digest_take(void *state, const void *bytes, size_t length) { return EVP_DigestUpdate(state, bytes, length) == 1; }

int martlet_digest_end(void *state, uint8_t *result) { return EVP_DigestFinal_ex(state, result, NULL) == 1; }

void martlet_digest_free(void *state) { EVP_MD_CTX_free(state); }
