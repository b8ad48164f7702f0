// Certificate path validation (RFC 5280) outside of the handshake, so that its result is a value and not a broken connection.
#pragma once

#include "COpenSSLCertificate.h"

struct x509_store_st;

/// An empty set of trust anchors.
struct x509_store_st *martlet_store_new(void);
void martlet_store_free(struct x509_store_st *store);
/// Adds the authorities that the system trusts; 1 on success.
int martlet_store_add_system(struct x509_store_st *store);
int martlet_store_add(struct x509_store_st *store, struct x509_st *certificate);

enum {
    MARTLET_PROBLEM_OTHER = 0,
    MARTLET_PROBLEM_EXPIRED = 1,
    MARTLET_PROBLEM_NOT_YET_VALID = 2,
    MARTLET_PROBLEM_SELF_SIGNED = 3,
    MARTLET_PROBLEM_UNTRUSTED_ROOT = 4,
    MARTLET_PROBLEM_UNKNOWN_ISSUER = 5,
    MARTLET_PROBLEM_PURPOSE = 6,
    MARTLET_PROBLEM_WEAK = 7,
    MARTLET_PROBLEM_SIGNATURE = 8,
};

/// One thing wrong with a chain.
struct martlet_problem {
    /// One of `MARTLET_PROBLEM_…`.
    int kind;
    /// OpenSSL's number for it.
    int code;
    /// 0 is the peer's own certificate, 1 its issuer and so on.
    int depth;
    int64_t not_before;
    int64_t not_after;
    /// Subject and issuer of the certificate concerned, terminated.
    char subject[200];
    char issuer[200];
};

/// Checks `leaf` with the help of `others` against `store` at `time` (seconds since 1970; negative: now). It must be
/// good for a TLS server; where its holder is the client of the connection (`as_client`), one for clients is as good. Returns how
/// many problems were written; 0 means verified.
size_t martlet_verify(
    struct x509_store_st *store, struct x509_st *leaf, struct stack_st_X509 *others, int as_client, int64_t time,
    struct martlet_problem *problems, size_t capacity);

/// OpenSSL's own words for a problem's code.
const char *martlet_problem_text(int code);

/// The time of the machine in seconds since 1970, which is what OpenSSL compares with.
int64_t martlet_now(void);
