// For timegm.
#define _DEFAULT_SOURCE

#include "COpenSSLCertificate.h"

#include <limits.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <string.h>
#include <time.h>

// Without a callback OpenSSL would ask for the passphrase on the terminal.
static int refuse_passphrase(char *buffer, int size, int writing, void *context) {
    (void)buffer, (void)size, (void)writing, (void)context;
    return -1;
}

struct stack_st_X509 *martlet_chain_parse(const void *pem, size_t length) {
    ERR_clear_error();
    BIO *bio = length > INT_MAX ? NULL : BIO_new_mem_buf(length == 0 ? "" : pem, (int)length);
    STACK_OF(X509) *chain = sk_X509_new_null();
    X509 *certificate;
    while (bio != NULL && chain != NULL && (certificate = PEM_read_bio_X509(bio, NULL, refuse_passphrase, NULL)) != NULL) {
        if (sk_X509_push(chain, certificate) <= 0) {
            X509_free(certificate);
            break;
        }
    }
    BIO_free(bio);
    unsigned long code = ERR_peek_last_error();
    int at_end = ERR_GET_LIB(code) == ERR_LIB_PEM && ERR_GET_REASON(code) == PEM_R_NO_START_LINE;
    if (chain == NULL || sk_X509_num(chain) == 0 || !at_end) {
        martlet_chain_free(chain);
        return NULL;
    }
    ERR_clear_error();
    return chain;
}

void martlet_chain_free(struct stack_st_X509 *chain) { sk_X509_pop_free(chain, X509_free); }

int martlet_chain_count(const struct stack_st_X509 *chain) { return sk_X509_num(chain); }

struct x509_st *martlet_chain_at(const struct stack_st_X509 *chain, int index) { return sk_X509_value(chain, index); }

struct evp_pkey_st *martlet_key_parse(const void *pem, size_t length) {
    ERR_clear_error();
    BIO *bio = length > INT_MAX ? NULL : BIO_new_mem_buf(length == 0 ? "" : pem, (int)length);
    if (bio == NULL) return NULL;
    EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, refuse_passphrase, NULL);
    BIO_free(bio);
    return key;
}

void martlet_key_free(struct evp_pkey_st *key) { EVP_PKEY_free(key); }

int martlet_key_matches(const struct x509_st *certificate, struct evp_pkey_st *key) {
    ERR_clear_error();
    return X509_check_private_key(certificate, key) == 1;
}

void martlet_certificate_free(struct x509_st *certificate) { X509_free(certificate); }

void martlet_certificate_retain(struct x509_st *certificate) { X509_up_ref(certificate); }

void martlet_key_retain(struct evp_pkey_st *key) { EVP_PKEY_up_ref(key); }

typedef void (*name_visitor)(void *, int, const uint8_t *, size_t);

static void visit(name_visitor each, void *context, int kind, const ASN1_STRING *text) {
    each(context, kind, ASN1_STRING_get0_data(text), (size_t)ASN1_STRING_length(text));
}

static void visit_general_name(name_visitor each, void *context, const GENERAL_NAME *name) {
    if (name->type == GEN_DNS) {
        visit(each, context, MARTLET_NAME_DNS, name->d.dNSName);
        return;
    }
    if (name->type == GEN_OTHERNAME) {
        int identifier = OBJ_obj2nid(name->d.otherName->type_id);
        const ASN1_TYPE *value = name->d.otherName->value;
        if (identifier == NID_SRVName && value->type == V_ASN1_IA5STRING) {
            visit(each, context, MARTLET_NAME_SRV, value->value.ia5string);
            return;
        }
        if (identifier == NID_XmppAddr && value->type == V_ASN1_UTF8STRING) {
            visit(each, context, MARTLET_NAME_XMPP, value->value.utf8string);
            return;
        }
    }
    each(context, MARTLET_NAME_OTHER, (const uint8_t *)"", 0);
}

void martlet_certificate_names(struct x509_st *certificate, void *context, name_visitor each) {
    int criticality = 0;
    GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, &criticality, NULL);
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) visit_general_name(each, context, sk_GENERAL_NAME_value(names, i));
    // A subjectAltName that is there but cannot be read must not make the commonName count.
    if (names == NULL && criticality != -1) each(context, MARTLET_NAME_OTHER, (const uint8_t *)"", 0);
    GENERAL_NAMES_free(names);
    const X509_NAME *subject = X509_get_subject_name(certificate);
    for (int i = -1; (i = X509_NAME_get_index_by_NID(subject, NID_commonName, i)) >= 0;) {
        unsigned char *text = NULL;
        int length = ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, i)));
        if (length >= 0) each(context, MARTLET_NAME_COMMON, text, (size_t)length);
        OPENSSL_free(text);
    }
    ERR_clear_error();
}

void martlet_certificate_subject(const struct x509_st *certificate, int issuer, char *text, size_t capacity) {
    if (capacity == 0) return;
    const X509_NAME *name = issuer ? X509_get_issuer_name(certificate) : X509_get_subject_name(certificate);
    text[0] = 0;
    BIO *bio = BIO_new(BIO_s_mem());
    if (bio != NULL && X509_NAME_print_ex(bio, name, 0, XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB) >= 0) {
        int length = BIO_read(bio, text, (int)(capacity - 1 > INT_MAX ? INT_MAX : capacity - 1));
        text[length < 0 ? 0 : length] = 0;
    }
    BIO_free(bio);
    ERR_clear_error();
}

static int64_t seconds(const ASN1_TIME *time) {
    struct tm parts;
    if (time == NULL || ASN1_TIME_to_tm(time, &parts) != 1) {
        ERR_clear_error();
        return 0;
    }
    return (int64_t)timegm(&parts);
}

int64_t martlet_certificate_not_before(const struct x509_st *certificate) {
    return seconds(X509_get0_notBefore(certificate));
}

int64_t martlet_certificate_not_after(const struct x509_st *certificate) { return seconds(X509_get0_notAfter(certificate)); }

int martlet_certificate_is_self_signed(struct x509_st *certificate) {
    int result = X509_self_signed(certificate, 1);
    ERR_clear_error();
    return result == 1;
}

uint8_t *martlet_certificate_der(struct x509_st *certificate, size_t *length) {
    unsigned char *block = NULL;
    int size = i2d_X509(certificate, &block);
    *length = size < 0 ? 0 : (size_t)size;
    return block;
}

uint8_t *martlet_certificate_public_key_der(struct x509_st *certificate, size_t *length) {
    unsigned char *block = NULL;
    int size = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &block);
    *length = size < 0 ? 0 : (size_t)size;
    return block;
}

void martlet_release(void *block) { OPENSSL_free(block); }

size_t martlet_certificate_end_point(struct x509_st *certificate, uint8_t *result) {
    int digest = NID_undef;
    if (X509_get_signature_info(certificate, &digest, NULL, NULL, NULL) != 1 || digest == NID_undef) {
        ERR_clear_error();
        return 0;
    }
    if (digest == NID_md5 || digest == NID_sha1) digest = NID_sha256;
    const EVP_MD *algorithm = EVP_get_digestbynid(digest);
    unsigned int length = 0;
    if (algorithm == NULL || X509_digest(certificate, algorithm, result, &length) != 1) {
        ERR_clear_error();
        return 0;
    }
    return length;
}
