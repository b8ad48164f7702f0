// TLS over memory: the caller brings ciphertext and carries ciphertext away, OpenSSL never sees a socket.
#pragma once

#include "COpenSSLCertificate.h"

struct ssl_ctx_st;
struct martlet_tls;

/// What all connections of one kind have in common.
struct martlet_context_plan {
    int is_server;
    /// The lowest and the highest version: 12 or 13.
    int minimum_version;
    int maximum_version;
    /// Ask clients for a certificate; whatever comes, and nothing too, is accepted and judged later.
    int requests_client_certificate;
    /// The application protocols of a server in wire form (RFC 7301 section 3.1); must outlive the context.
    const struct martlet_bytes *alpn;
    /// Own certificate, the certificates that lead to its authority, and key; NULL for a client without.
    struct stack_st_X509 *chain;
    struct evp_pkey_st *key;
};

struct martlet_bytes {
    const uint8_t *bytes;
    size_t length;
};

/// NULL on failure, with the reason queued for `martlet_take_error`.
struct ssl_ctx_st *martlet_context_new(const struct martlet_context_plan *plan);
void martlet_context_free(struct ssl_ctx_st *context);
/// The certificate that its connections show; NULL if none. Lives as long as the context.
struct x509_st *martlet_context_certificate(const struct ssl_ctx_st *context);

/// A connection. `server_name` (SNI) and `alpn` (wire form) are for clients and may be NULL.
struct martlet_tls *martlet_tls_new(
    struct ssl_ctx_st *context, int is_server, const char *server_name, const uint8_t *alpn, size_t alpn_length);
void martlet_tls_free(struct martlet_tls *tls);

enum { MARTLET_TLS_FAILED = -1, MARTLET_TLS_WANTS_INPUT = 0, MARTLET_TLS_DONE = 1, MARTLET_TLS_CLOSED = 2 };

/// Lends ciphertext for the following calls; it must stay valid until `martlet_tls_end_input`.
void martlet_tls_begin_input(struct martlet_tls *tls, const void *bytes, size_t length);
void martlet_tls_end_input(struct martlet_tls *tls);

/// Each returns a `MARTLET_TLS_…`; after FAILED the reason waits for `martlet_take_error`.
int martlet_tls_handshake(struct martlet_tls *tls);
int martlet_tls_read(struct martlet_tls *tls, void *bytes, size_t capacity, size_t *count);
int martlet_tls_write(struct martlet_tls *tls, const void *bytes, size_t length);

/// Whether a read could give anything: input that was not looked at, or a record of which a part was read or came.
int martlet_tls_has_unread(const struct martlet_tls *tls);
/// Sends close_notify once.
void martlet_tls_shutdown(struct martlet_tls *tls);

int martlet_tls_has_output(const struct martlet_tls *tls);
/// The ciphertext to be sent, now the caller's, to be given to `martlet_tls_free_output`; NULL when there is none.
struct martlet_bytes martlet_tls_take_output(struct martlet_tls *tls);
void martlet_tls_free_output(struct martlet_bytes output);

/// 1 for TLS 1.3, 0 for TLS 1.2.
int martlet_tls_is_version13(const struct martlet_tls *tls);
const char *martlet_tls_cipher(const struct martlet_tls *tls);
const char *martlet_tls_server_name(const struct martlet_tls *tls);
struct martlet_bytes martlet_tls_alpn(const struct martlet_tls *tls);

/// The keying material exporter (RFC 5705, RFC 8446 section 7.5) with an empty context; 1 on success.
int martlet_tls_export(struct martlet_tls *tls, const char *label, size_t label_length, uint8_t *result, size_t length);

/// Borrowed: valid as long as the connection; NULL when there is none.
struct x509_st *martlet_tls_peer_certificate(const struct martlet_tls *tls);
struct stack_st_X509 *martlet_tls_peer_chain(const struct martlet_tls *tls);
