// Making keys and certificates.
#pragma once

#include "COpenSSLCertificate.h"

enum { MARTLET_USE_SERVER = 1, MARTLET_USE_CLIENT = 2, MARTLET_USE_AUTHORITY = 4 };

/// What a new certificate shall say.
struct martlet_certificate_plan {
    /// The commonName of the subject, UTF-8; NULL for none.
    const char *common_name;
    /// subjectAltNames: pairs of kind (`MARTLET_NAME_…`) and terminated text.
    const int *name_kinds;
    const char *const *names;
    size_t name_count;
    /// Seconds since 1970.
    int64_t not_before;
    int64_t not_after;
    /// A sum of `MARTLET_USE_…`.
    int uses;
};

/// A new P-256 key.
struct evp_pkey_st *martlet_key_make(void);

/// A certificate for `key` signed by `issuer` with `issuer_key`; `issuer` NULL: self-signed.
struct x509_st *martlet_certificate_make(
    const struct martlet_certificate_plan *plan, struct evp_pkey_st *key, struct x509_st *issuer,
    struct evp_pkey_st *issuer_key);

/// PEM text in a block to be released with `martlet_release`.
char *martlet_certificate_pem(struct x509_st *certificate, size_t *length);
char *martlet_key_pem(struct evp_pkey_st *key, size_t *length);
