#include "COpenSSLTLS.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

// Judged after the handshake by `martlet_verify`, because XMPP servers go on with an unverified peer (RFC 6120 section 13.7.2,
// XEP-0220) and because the operator wants all the reasons.
static int accept_any_certificate(X509_STORE_CTX *context, void *unused) {
    (void)unused;
    X509_STORE_CTX_set_error(context, X509_V_OK);
    return 1;
}

static int select_protocol(
    SSL *ssl, const unsigned char **selected, unsigned char *selected_length, const unsigned char *offered,
    unsigned int offered_length, void *context) {
    (void)ssl;
    const struct martlet_bytes *own = context;
    unsigned char *found = NULL;
    if (SSL_select_next_proto(&found, selected_length, own->bytes, (unsigned int)own->length, offered, offered_length)
        != OPENSSL_NPN_NEGOTIATED) {
        // RFC 7301 section 3.2, and it stops cross-protocol attacks.
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    }
    *selected = found;
    return SSL_TLSEXT_ERR_OK;
}

static int use_identity(SSL_CTX *context, const struct martlet_context_plan *plan) {
    if (plan->chain == NULL) return 1;
    if (SSL_CTX_use_certificate(context, sk_X509_value(plan->chain, 0)) != 1) return 0;
    for (int i = 1; i < sk_X509_num(plan->chain); i++) {
        if (SSL_CTX_add1_chain_cert(context, sk_X509_value(plan->chain, i)) != 1) return 0;
    }
    return SSL_CTX_use_PrivateKey(context, plan->key) == 1;
}

static int version(int number) { return number == 13 ? TLS1_3_VERSION : TLS1_2_VERSION; }

struct ssl_ctx_st *martlet_context_new(const struct martlet_context_plan *plan) {
    ERR_clear_error();
    SSL_CTX *context = SSL_CTX_new(plan->is_server ? TLS_server_method() : TLS_client_method());
    if (context == NULL) return NULL;
    SSL_CTX_set_options(
        context, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET | SSL_OP_CIPHER_SERVER_PREFERENCE
            | SSL_OP_PRIORITIZE_CHACHA);
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    // Nothing may leave traces of one connection in another, and tickets cost memory and 0-RTT is not wanted.
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_num_tickets(context, 0);
    // Do not send our root, nor search the system store for intermediates: the operator's file says what is sent.
    SSL_CTX_set_mode(context, SSL_MODE_NO_AUTO_CHAIN);
    SSL_CTX_set_security_level(context, 2);
    int ok = SSL_CTX_set_min_proto_version(context, version(plan->minimum_version)) == 1
        && SSL_CTX_set_max_proto_version(context, version(plan->maximum_version)) == 1
        // Forward secrecy and authenticated encryption only (RFC 9325 section 4.2). AES-128 first: enough for everybody, and its
        // hash, SHA-256, is built into processors: the key schedule's hash with SHA-384 was a tenth of a login's instructions.
        && SSL_CTX_set_cipher_list(context, "ECDHE+AESGCM+AES128:ECDHE+AESGCM:ECDHE+CHACHA20") == 1
        && SSL_CTX_set_ciphersuites(
               context, "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256")
            == 1
        // X25519 first: P-256 costs 3.3 kB more of memory for each connection and a quarter more time.
        && SSL_CTX_set1_groups_list(context, "X25519:P-256:P-384") == 1 && use_identity(context, plan);
    if (!ok) {
        SSL_CTX_free(context);
        return NULL;
    }
    SSL_CTX_set_verify(
        context, !plan->is_server || plan->requests_client_certificate ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, NULL);
    SSL_CTX_set_cert_verify_callback(context, accept_any_certificate, NULL);
    if (plan->is_server && plan->alpn != NULL) {
        SSL_CTX_set_alpn_select_cb(context, select_protocol, (void *)plan->alpn);
    }
    return context;
}

void martlet_context_free(struct ssl_ctx_st *context) { SSL_CTX_free(context); }

struct x509_st *martlet_context_certificate(const struct ssl_ctx_st *context) { return SSL_CTX_get0_certificate(context); }
