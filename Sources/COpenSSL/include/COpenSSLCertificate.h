// Certificates, keys and what is written in them. Functions that return a pointer return NULL on failure, with the reason
// queued for `martlet_take_error`.
#pragma once

#include <stddef.h>
#include <stdint.h>

struct x509_st;
struct evp_pkey_st;
struct stack_st_X509;

/// All certificates in PEM text, in their order; NULL when there is none or one is damaged.
struct stack_st_X509 *martlet_chain_parse(const void *pem, size_t length);
void martlet_chain_free(struct stack_st_X509 *chain);
int martlet_chain_count(const struct stack_st_X509 *chain);
/// Borrowed: valid as long as the chain.
struct x509_st *martlet_chain_at(const struct stack_st_X509 *chain, int index);

/// The private key in PEM text. A key under a passphrase is refused, nobody is asked for it.
struct evp_pkey_st *martlet_key_parse(const void *pem, size_t length);
void martlet_key_free(struct evp_pkey_st *key);
/// 1 when the key belongs to the certificate.
int martlet_key_matches(const struct x509_st *certificate, struct evp_pkey_st *key);

void martlet_certificate_free(struct x509_st *certificate);
/// Adds a reference, to be given back with the matching `…_free`.
void martlet_certificate_retain(struct x509_st *certificate);
void martlet_key_retain(struct evp_pkey_st *key);

enum { MARTLET_NAME_DNS = 0, MARTLET_NAME_SRV = 1, MARTLET_NAME_XMPP = 2, MARTLET_NAME_OTHER = 3, MARTLET_NAME_COMMON = 4 };

/// Calls `each` for every subjectAltName and for every commonName of the subject, in the certificate's order.
void martlet_certificate_names(
    struct x509_st *certificate, void *context, void (*each)(void *context, int kind, const uint8_t *bytes, size_t length));

/// The subject (or the issuer) in one line after RFC 4514, cut to fit, always terminated.
void martlet_certificate_subject(const struct x509_st *certificate, int issuer, char *text, size_t capacity);

/// Seconds since 1970 of the validity's end points; 0 when unreadable.
int64_t martlet_certificate_not_before(const struct x509_st *certificate);
int64_t martlet_certificate_not_after(const struct x509_st *certificate);

/// 1 when subject and issuer are one and the certificate's key has signed it.
int martlet_certificate_is_self_signed(struct x509_st *certificate);

/// The certificate, or its SubjectPublicKeyInfo, as DER in a block to be released with `martlet_release`.
uint8_t *martlet_certificate_der(struct x509_st *certificate, size_t *length);
uint8_t *martlet_certificate_public_key_der(struct x509_st *certificate, size_t *length);
void martlet_release(void *block);

/// The hash for tls-server-end-point (RFC 5929 section 4.1) into `result` (64 bytes); its length, or 0 where undefined.
size_t martlet_certificate_end_point(struct x509_st *certificate, uint8_t *result);

/// A whole file in a block to be released with `martlet_release`; NULL, with errno set, also when it is longer than `limit`.
uint8_t *martlet_read_file(const char *path, size_t limit, size_t *length);
/// The words for errno.
void martlet_file_error(char *text, size_t capacity);
