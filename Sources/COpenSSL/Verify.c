#include "COpenSSLVerify.h"

#include <openssl/err.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>
#include <string.h>
#include <time.h>

struct x509_store_st *martlet_store_new(void) {
    ERR_clear_error();
    X509_STORE *store = X509_STORE_new();
    // A certificate in the operator's own file is trusted as it stands, even when it is not a root.
    if (store != NULL) X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN);
    return store;
}

void martlet_store_free(struct x509_store_st *store) { X509_STORE_free(store); }

int martlet_store_add_system(struct x509_store_st *store) {
    int ok = X509_STORE_set_default_paths(store) == 1;
    ERR_clear_error();
    return ok;
}

int martlet_store_add(struct x509_store_st *store, struct x509_st *certificate) {
    ERR_clear_error();
    return X509_STORE_add_cert(store, certificate) == 1;
}

static int kind_of(int code) {
    switch (code) {
    case X509_V_ERR_CERT_HAS_EXPIRED: return MARTLET_PROBLEM_EXPIRED;
    case X509_V_ERR_CERT_NOT_YET_VALID: return MARTLET_PROBLEM_NOT_YET_VALID;
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT: return MARTLET_PROBLEM_SELF_SIGNED;
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN: return MARTLET_PROBLEM_UNTRUSTED_ROOT;
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE: return MARTLET_PROBLEM_UNKNOWN_ISSUER;
    case X509_V_ERR_INVALID_PURPOSE: return MARTLET_PROBLEM_PURPOSE;
    case X509_V_ERR_EE_KEY_TOO_SMALL:
    case X509_V_ERR_CA_KEY_TOO_SMALL:
    case X509_V_ERR_CA_MD_TOO_WEAK: return MARTLET_PROBLEM_WEAK;
    case X509_V_ERR_CERT_SIGNATURE_FAILURE: return MARTLET_PROBLEM_SIGNATURE;
    default: return MARTLET_PROBLEM_OTHER;
    }
}

struct record {
    struct martlet_problem *problems;
    size_t capacity;
    size_t count;
};

static void add_problem(struct record *record, int code, int depth, X509 *certificate) {
    for (size_t i = 0; i < record->count; i++) {
        if (record->problems[i].code == code && record->problems[i].depth == depth) return;
    }
    if (record->count == record->capacity) return;
    struct martlet_problem *problem = &record->problems[record->count++];
    memset(problem, 0, sizeof *problem);
    problem->kind = kind_of(code);
    problem->code = code;
    problem->depth = depth;
    if (certificate == NULL) return;
    problem->not_before = martlet_certificate_not_before(certificate);
    problem->not_after = martlet_certificate_not_after(certificate);
    martlet_certificate_subject(certificate, 0, problem->subject, sizeof problem->subject);
    martlet_certificate_subject(certificate, 1, problem->issuer, sizeof problem->issuer);
}

// Goes on after every problem, so that the operator hears all of them at once.
static int record_problem(int ok, X509_STORE_CTX *context) {
    if (!ok) {
        add_problem(
            X509_STORE_CTX_get_ex_data(context, 0), X509_STORE_CTX_get_error(context),
            X509_STORE_CTX_get_error_depth(context), X509_STORE_CTX_get_current_cert(context));
    }
    return 1;
}

static void verify_as(
    const char *role, X509_STORE *store, X509 *leaf, STACK_OF(X509) *others, int64_t time, struct record *record) {
    record->count = 0;
    X509_STORE_CTX *context = X509_STORE_CTX_new();
    if (context == NULL || X509_STORE_CTX_init(context, store, leaf, others) != 1
        || X509_STORE_CTX_set_default(context, role) != 1 || X509_STORE_CTX_set_ex_data(context, 0, record) != 1) {
        add_problem(record, X509_V_ERR_OUT_OF_MEM, 0, leaf);
    } else {
        X509_VERIFY_PARAM *parameters = X509_STORE_CTX_get0_param(context);
        // 112 bits of security, which is also the level of the handshake.
        X509_VERIFY_PARAM_set_auth_level(parameters, 2);
        if (time >= 0) X509_VERIFY_PARAM_set_time(parameters, (time_t)time);
        X509_STORE_CTX_set_verify_cb(context, record_problem);
        int result = X509_verify_cert(context);
        int code = X509_STORE_CTX_get_error(context);
        // Internal failures return without asking the callback.
        if (result != 1 && record->count == 0) {
            add_problem(record, code == X509_V_OK ? X509_V_ERR_UNSPECIFIED : code, 0, leaf);
        }
    }
    X509_STORE_CTX_free(context);
    ERR_clear_error();
}

static int has_purpose_problem(const struct record *record) {
    for (size_t i = 0; i < record->count; i++) {
        if (record->problems[i].kind == MARTLET_PROBLEM_PURPOSE) return 1;
    }
    return 0;
}

size_t martlet_verify(
    struct x509_store_st *store, struct x509_st *leaf, struct stack_st_X509 *others, int as_client, int64_t time,
    struct martlet_problem *problems, size_t capacity) {
    struct record record = {problems, capacity, 0};
    // Authorities issue certificates for servers only, and XMPP servers act as clients of one another with them.
    verify_as("ssl_server", store, leaf, others, time, &record);
    if (as_client && has_purpose_problem(&record)) {
        verify_as("ssl_client", store, leaf, others, time, &record);
        if (has_purpose_problem(&record)) verify_as("ssl_server", store, leaf, others, time, &record);
    }
    return record.count;
}

const char *martlet_problem_text(int code) { return X509_verify_cert_error_string(code); }

int64_t martlet_now(void) { return (int64_t)time(NULL); }
