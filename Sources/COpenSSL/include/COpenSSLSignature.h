// Signatures over bytes at rest with a certificate's key. Functions that return a pointer return NULL on failure, with the
// reason queued for `martlet_take_error`.
#pragma once

#include "COpenSSLCertificate.h"

/// The signature of `key` over the SHA-256 of the bytes (over the bytes themselves where the key's algorithm has a hash of its
/// own), in a block to be released with `martlet_release`.
uint8_t *martlet_sign(struct evp_pkey_st *key, const uint8_t *bytes, size_t length, size_t *signature_length);

/// 1 when `signature` was made by the certificate's key over the bytes.
int martlet_verify_signature(
    struct x509_st *certificate, const uint8_t *bytes, size_t length, const uint8_t *signature, size_t signature_length);
