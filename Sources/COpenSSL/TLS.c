#include "COpenSSLTLS.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

// The two ends that OpenSSL's BIO needs: input is the caller's own buffer, output grows only while something waits in it.
struct martlet_tls {
    SSL *ssl;
    const uint8_t *input;
    size_t input_left;
    uint8_t *output;
    size_t output_length;
    size_t output_capacity;
};

static int pipe_read(BIO *bio, char *bytes, size_t capacity, size_t *count) {
    struct martlet_tls *tls = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    if (tls->input_left == 0) {
        BIO_set_retry_read(bio);
        *count = 0;
        return -1;
    }
    *count = capacity < tls->input_left ? capacity : tls->input_left;
    memcpy(bytes, tls->input, *count);
    tls->input += *count;
    tls->input_left -= *count;
    return 1;
}

static int pipe_write(BIO *bio, const char *bytes, size_t length, size_t *count) {
    struct martlet_tls *tls = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    size_t needed = tls->output_length + length;
    if (needed > tls->output_capacity) {
        size_t capacity = needed < 2 * tls->output_capacity ? 2 * tls->output_capacity : needed;
        uint8_t *grown = realloc(tls->output, capacity);
        if (grown == NULL) return -1;
        tls->output = grown;
        tls->output_capacity = capacity;
    }
    memcpy(tls->output + tls->output_length, bytes, length);
    tls->output_length = needed;
    *count = length;
    return 1;
}

static long pipe_control(BIO *bio, int command, long number, void *pointer) {
    (void)bio, (void)number, (void)pointer;
    return command == BIO_CTRL_FLUSH;
}

static int pipe_create(BIO *bio) {
    BIO_set_init(bio, 1);
    return 1;
}

static pthread_once_t method_once = PTHREAD_ONCE_INIT;
static BIO_METHOD *method;

static void make_method(void) {
    method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "martlet");
    if (method == NULL) return;
    BIO_meth_set_read_ex(method, pipe_read);
    BIO_meth_set_write_ex(method, pipe_write);
    BIO_meth_set_ctrl(method, pipe_control);
    BIO_meth_set_create(method, pipe_create);
}

struct martlet_tls *martlet_tls_new(
    struct ssl_ctx_st *context, int is_server, const char *server_name, const uint8_t *alpn, size_t alpn_length) {
    ERR_clear_error();
    pthread_once(&method_once, make_method);
    struct martlet_tls *tls = calloc(1, sizeof *tls);
    BIO *bio = method == NULL || tls == NULL ? NULL : BIO_new(method);
    if (bio == NULL || (tls->ssl = SSL_new(context)) == NULL) {
        BIO_free(bio);
        free(tls);
        return NULL;
    }
    BIO_set_data(bio, tls);
    SSL_set_bio(tls->ssl, bio, bio);
    if (is_server) {
        SSL_set_accept_state(tls->ssl);
        return tls;
    }
    SSL_set_connect_state(tls->ssl);
    if ((server_name != NULL && SSL_set_tlsext_host_name(tls->ssl, server_name) != 1)
        || (alpn_length > 0 && SSL_set_alpn_protos(tls->ssl, alpn, (unsigned int)alpn_length) != 0)) {
        martlet_tls_free(tls);
        return NULL;
    }
    return tls;
}

void martlet_tls_free(struct martlet_tls *tls) {
    if (tls == NULL) return;
    SSL_free(tls->ssl);
    free(tls->output);
    free(tls);
}

void martlet_tls_begin_input(struct martlet_tls *tls, const void *bytes, size_t length) {
    tls->input = bytes;
    tls->input_left = length;
}

void martlet_tls_end_input(struct martlet_tls *tls) {
    tls->input = NULL;
    tls->input_left = 0;
}

static int outcome(struct martlet_tls *tls, int result) {
    switch (SSL_get_error(tls->ssl, result)) {
    case SSL_ERROR_WANT_READ: return MARTLET_TLS_WANTS_INPUT;
    case SSL_ERROR_ZERO_RETURN: return MARTLET_TLS_CLOSED;
    default: return MARTLET_TLS_FAILED;
    }
}

// What is left of another connection's error would be taken for this one's. Clearing an empty queue costs as much as a full one.
static void forget_errors(void) {
    if (ERR_peek_error() != 0) ERR_clear_error();
}

int martlet_tls_handshake(struct martlet_tls *tls) {
    forget_errors();
    int result = SSL_do_handshake(tls->ssl);
    return result == 1 ? MARTLET_TLS_DONE : outcome(tls, result);
}

int martlet_tls_read(struct martlet_tls *tls, void *bytes, size_t capacity, size_t *count) {
    forget_errors();
    *count = 0;
    int result = SSL_read_ex(tls->ssl, bytes, capacity, count);
    return result == 1 ? MARTLET_TLS_DONE : outcome(tls, result);
}

int martlet_tls_has_unread(const struct martlet_tls *tls) { return tls->input_left > 0 || SSL_has_pending(tls->ssl); }

int martlet_tls_write(struct martlet_tls *tls, const void *bytes, size_t length) {
    forget_errors();
    size_t count = 0;
    int result = SSL_write_ex(tls->ssl, bytes, length, &count);
    return result == 1 && count == length ? MARTLET_TLS_DONE : outcome(tls, result);
}

void martlet_tls_shutdown(struct martlet_tls *tls) {
    if (!SSL_is_init_finished(tls->ssl) || (SSL_get_shutdown(tls->ssl) & SSL_SENT_SHUTDOWN)) return;
    ERR_clear_error();
    SSL_shutdown(tls->ssl);
    ERR_clear_error();
}

int martlet_tls_has_output(const struct martlet_tls *tls) { return tls->output_length > 0; }

struct martlet_bytes martlet_tls_take_output(struct martlet_tls *tls) {
    struct martlet_bytes result = {tls->output, tls->output_length};
    tls->output = NULL;
    tls->output_length = 0;
    tls->output_capacity = 0;
    return result;
}

void martlet_tls_free_output(struct martlet_bytes output) { free((void *)output.bytes); }

int martlet_tls_is_version13(const struct martlet_tls *tls) { return SSL_version(tls->ssl) == TLS1_3_VERSION; }

const char *martlet_tls_cipher(const struct martlet_tls *tls) {
    const SSL_CIPHER *cipher = SSL_get_current_cipher(tls->ssl);
    return cipher == NULL ? NULL : SSL_CIPHER_standard_name(cipher);
}

const char *martlet_tls_server_name(const struct martlet_tls *tls) {
    return SSL_get_servername(tls->ssl, TLSEXT_NAMETYPE_host_name);
}

struct martlet_bytes martlet_tls_alpn(const struct martlet_tls *tls) {
    const unsigned char *name = NULL;
    unsigned int length = 0;
    SSL_get0_alpn_selected(tls->ssl, &name, &length);
    return (struct martlet_bytes){name, length};
}

int martlet_tls_export(struct martlet_tls *tls, const char *label, size_t label_length, uint8_t *result, size_t length) {
    // RFC 9266 section 4: before TLS 1.3 the value is bound to the connection only with the extended master secret.
    if (SSL_version(tls->ssl) < TLS1_3_VERSION && SSL_get_extms_support(tls->ssl) != 1) return 0;
    int ok = SSL_export_keying_material(tls->ssl, result, length, label, label_length, (const unsigned char *)"", 0, 1) == 1;
    ERR_clear_error();
    return ok;
}

struct x509_st *martlet_tls_peer_certificate(const struct martlet_tls *tls) { return SSL_get0_peer_certificate(tls->ssl); }

struct stack_st_X509 *martlet_tls_peer_chain(const struct martlet_tls *tls) { return SSL_get_peer_cert_chain(tls->ssl); }
