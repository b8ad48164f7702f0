#include "COpenSSLErrors.h"

#include <openssl/err.h>
#include <openssl/pemerr.h>
#include <openssl/ssl.h>
#include <openssl/x509err.h>
#include <stdio.h>

// The reasons that an operator meets, said in words; OpenSSL's own text serves for the rest.
static const char *words_for_tls(int reason) {
    switch (reason) {
    case SSL_R_HTTP_REQUEST:
    case SSL_R_HTTPS_PROXY_REQUEST: return "the other side speaks HTTP, not TLS";
    case SSL_R_WRONG_VERSION_NUMBER: return "the other side does not speak TLS, or only an outdated version";
    case SSL_R_UNSUPPORTED_PROTOCOL:
    case SSL_R_VERSION_TOO_LOW: return "no TLS version in common: the other side offers less than is required here";
    case SSL_R_NO_SHARED_CIPHER: return "no cipher in common";
    case SSL_R_NO_SUITABLE_KEY_SHARE:
    case SSL_R_NO_SHARED_GROUPS: return "no key exchange group in common";
    case SSL_R_NO_APPLICATION_PROTOCOL: return "no application protocol (ALPN) in common";
    case SSL_R_DECRYPTION_FAILED_OR_BAD_RECORD_MAC: return "a record was damaged or forged on its way";
    case SSL_R_EE_KEY_TOO_SMALL: return "the certificate's key is too short";
    case SSL_R_CA_KEY_TOO_SMALL: return "the key of an issuing certificate is too short";
    case SSL_R_CA_MD_TOO_WEAK: return "the certificate is signed with an outdated digest";
    case SSL_R_NO_RENEGOTIATION: return "the other side refused to renegotiate";
    default: return NULL;
    }
}

static const char *words_for_pem(int reason) {
    switch (reason) {
    case PEM_R_NO_START_LINE: return "it contains no PEM block of the kind expected";
    case PEM_R_BAD_PASSWORD_READ:
    case PEM_R_BAD_DECRYPT: return "it is encrypted with a passphrase";
    default: return NULL;
    }
}

void martlet_take_error(char *text, size_t capacity) {
    unsigned long code = ERR_peek_error();
    int reason = ERR_GET_REASON(code);
    const char *words = NULL;
    if (ERR_GET_LIB(code) == ERR_LIB_SSL) {
        words = words_for_tls(reason);
        if (words == NULL && reason > SSL_AD_REASON_OFFSET && reason < SSL_AD_REASON_OFFSET + 256) {
            snprintf(
                text, capacity, "the other side ended it with the alert: %s",
                SSL_alert_desc_string_long(reason - SSL_AD_REASON_OFFSET));
            ERR_clear_error();
            return;
        }
    } else if (ERR_GET_LIB(code) == ERR_LIB_PEM) {
        words = words_for_pem(reason);
    } else if (ERR_GET_LIB(code) == ERR_LIB_X509 && reason == X509_R_KEY_VALUES_MISMATCH) {
        words = "the key does not belong to the certificate";
    }
    if (words == NULL) words = ERR_reason_error_string(code);
    snprintf(text, capacity, "%s", words == NULL ? "unspecified OpenSSL error" : words);
    ERR_clear_error();
}
