#include "COpenSSLSignature.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

// EdDSA hashes by itself and refuses to be told how.
static const EVP_MD *digest_for(const EVP_PKEY *key) {
    int kind = EVP_PKEY_get_base_id(key);
    return kind == EVP_PKEY_ED25519 || kind == EVP_PKEY_ED448 ? NULL : EVP_sha256();
}

uint8_t *martlet_sign(struct evp_pkey_st *key, const uint8_t *bytes, size_t length, size_t *signature_length) {
    ERR_clear_error();
    uint8_t *signature = NULL;
    size_t capacity = 0;
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    if (context != NULL && EVP_DigestSignInit(context, NULL, digest_for(key), NULL, key) == 1 &&
        EVP_DigestSign(context, NULL, &capacity, bytes, length) == 1 && (signature = OPENSSL_malloc(capacity)) != NULL) {
        if (EVP_DigestSign(context, signature, &capacity, bytes, length) == 1) {
            *signature_length = capacity;
        } else {
            OPENSSL_free(signature);
            signature = NULL;
        }
    }
    EVP_MD_CTX_free(context);
    return signature;
}

int martlet_verify_signature(
    struct x509_st *certificate, const uint8_t *bytes, size_t length, const uint8_t *signature, size_t signature_length) {
    ERR_clear_error();
    EVP_PKEY *key = X509_get0_pubkey(certificate);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    int verified = key != NULL && context != NULL &&
        EVP_DigestVerifyInit(context, NULL, digest_for(key), NULL, key) == 1 &&
        EVP_DigestVerify(context, signature, signature_length, bytes, length) == 1;
    EVP_MD_CTX_free(context);
    ERR_clear_error();
    return verified;
}
