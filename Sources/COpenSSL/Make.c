#include "COpenSSLMake.h"

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <string.h>

struct evp_pkey_st *martlet_key_make(void) {
    ERR_clear_error();
    return EVP_EC_gen("P-256");
}

static GENERAL_NAME *make_general_name(int kind, const char *text) {
    GENERAL_NAME *name = GENERAL_NAME_new();
    ASN1_STRING *value = ASN1_STRING_type_new(kind == MARTLET_NAME_XMPP ? V_ASN1_UTF8STRING : V_ASN1_IA5STRING);
    if (name == NULL || value == NULL || ASN1_STRING_set(value, text, (int)strlen(text)) != 1) goto failed;
    if (kind == MARTLET_NAME_DNS) {
        GENERAL_NAME_set0_value(name, GEN_DNS, value);
        return name;
    }
    ASN1_TYPE *wrapped = ASN1_TYPE_new();
    if (wrapped == NULL) goto failed;
    ASN1_TYPE_set(wrapped, kind == MARTLET_NAME_XMPP ? V_ASN1_UTF8STRING : V_ASN1_IA5STRING, value);
    value = NULL;
    ASN1_OBJECT *identifier = OBJ_nid2obj(kind == MARTLET_NAME_XMPP ? NID_XmppAddr : NID_SRVName);
    if (GENERAL_NAME_set0_othername(name, identifier, wrapped) == 1) return name;
    ASN1_TYPE_free(wrapped);
failed:
    ASN1_STRING_free(value);
    GENERAL_NAME_free(name);
    return NULL;
}

static int add_names(X509 *certificate, const struct martlet_certificate_plan *plan) {
    if (plan->name_count == 0) return 1;
    GENERAL_NAMES *names = GENERAL_NAMES_new();
    int ok = names != NULL;
    for (size_t i = 0; ok && i < plan->name_count; i++) {
        GENERAL_NAME *name = make_general_name(plan->name_kinds[i], plan->names[i]);
        ok = name != NULL && sk_GENERAL_NAME_push(names, name) > 0;
        if (!ok) GENERAL_NAME_free(name);
    }
    ok = ok && X509_add1_ext_i2d(certificate, NID_subject_alt_name, names, 0, X509V3_ADD_DEFAULT) == 1;
    GENERAL_NAMES_free(names);
    return ok;
}

static int add_extension(X509 *certificate, X509 *issuer, int identifier, const char *value) {
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, identifier, value);
    int ok = extension != NULL && X509_add_ext(certificate, extension, -1) == 1;
    X509_EXTENSION_free(extension);
    return ok;
}

static int add_extensions(X509 *certificate, X509 *issuer, int uses) {
    int is_authority = uses & MARTLET_USE_AUTHORITY;
    const char *extended = NULL;
    if ((uses & MARTLET_USE_SERVER) && (uses & MARTLET_USE_CLIENT)) extended = "serverAuth,clientAuth";
    else if (uses & MARTLET_USE_SERVER) extended = "serverAuth";
    else if (uses & MARTLET_USE_CLIENT) extended = "clientAuth";
    return add_extension(certificate, issuer, NID_basic_constraints, is_authority ? "critical,CA:TRUE" : "critical,CA:FALSE")
        && add_extension(
               certificate, issuer, NID_key_usage, is_authority ? "critical,keyCertSign,cRLSign" : "critical,digitalSignature")
        && (extended == NULL || add_extension(certificate, issuer, NID_ext_key_usage, extended))
        && add_extension(certificate, issuer, NID_subject_key_identifier, "hash")
        && add_extension(certificate, issuer, NID_authority_key_identifier, "keyid:always");
}

// 127 random bits: unique without a register, positive, within the 20 bytes of RFC 5280 section 4.1.2.2.
static int set_serial(X509 *certificate) {
    BIGNUM *number = BN_new();
    int ok = number != NULL && BN_rand(number, 127, BN_RAND_TOP_ANY, BN_RAND_BOTTOM_ANY) == 1
        && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate)) != NULL;
    BN_free(number);
    return ok;
}

static int set_subject(X509 *certificate, const char *common_name) {
    if (common_name == NULL) return 1;
    X509_NAME *name = X509_get_subject_name(certificate);
    return X509_NAME_add_entry_by_NID(name, NID_commonName, MBSTRING_UTF8, (const unsigned char *)common_name, -1, -1, 0) == 1;
}

struct x509_st *martlet_certificate_make(
    const struct martlet_certificate_plan *plan, struct evp_pkey_st *key, struct x509_st *issuer,
    struct evp_pkey_st *issuer_key) {
    ERR_clear_error();
    X509 *certificate = X509_new();
    if (certificate == NULL) return NULL;
    X509 *signer = issuer == NULL ? certificate : issuer;
    int ok = X509_set_version(certificate, X509_VERSION_3) == 1 && set_serial(certificate)
        && ASN1_TIME_set(X509_getm_notBefore(certificate), (time_t)plan->not_before) != NULL
        && ASN1_TIME_set(X509_getm_notAfter(certificate), (time_t)plan->not_after) != NULL
        && set_subject(certificate, plan->common_name)
        && X509_set_issuer_name(certificate, X509_get_subject_name(signer)) == 1 && X509_set_pubkey(certificate, key) == 1
        && add_extensions(certificate, signer, plan->uses) && add_names(certificate, plan)
        && X509_sign(certificate, issuer == NULL ? key : issuer_key, EVP_sha256()) > 0;
    if (ok) return certificate;
    X509_free(certificate);
    return NULL;
}

static char *take_text(BIO *bio, int ok, size_t *length) {
    char *text = NULL;
    char *held = NULL;
    long size = ok && bio != NULL ? BIO_get_mem_data(bio, &held) : 0;
    if (size > 0 && (text = OPENSSL_malloc((size_t)size)) != NULL) {
        memcpy(text, held, (size_t)size);
        *length = (size_t)size;
    }
    BIO_free(bio);
    return text;
}

char *martlet_certificate_pem(struct x509_st *certificate, size_t *length) {
    BIO *bio = BIO_new(BIO_s_mem());
    return take_text(bio, bio != NULL && PEM_write_bio_X509(bio, certificate) == 1, length);
}

char *martlet_key_pem(struct evp_pkey_st *key, size_t *length) {
    BIO *bio = BIO_new(BIO_s_secmem());
    return take_text(bio, bio != NULL && PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) == 1, length);
}
