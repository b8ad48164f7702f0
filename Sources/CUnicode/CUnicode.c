#include "CUnicode.h"

#include <idn2.h>
#include <stdlib.h>
#include <string.h>
#include <unicase.h>
#include <unictype.h>
#include <uninorm.h>

// Longest label handed to libidn2: 63 code points of 4 bytes, rounded up.
#define LABEL_CAPACITY 256

uint32_t cunicode_general_category(uint32_t code_point) {
    // libunistring's bits are in the order of the header, but that is its own affair: translated here once.
    static const struct {
        uint32_t theirs, ours;
    } bits[] = {
        {UC_CATEGORY_MASK_Lu, CUNICODE_LU}, {UC_CATEGORY_MASK_Ll, CUNICODE_LL}, {UC_CATEGORY_MASK_Lt, CUNICODE_LT},
        {UC_CATEGORY_MASK_Lm, CUNICODE_LM}, {UC_CATEGORY_MASK_Lo, CUNICODE_LO}, {UC_CATEGORY_MASK_Mn, CUNICODE_MN},
        {UC_CATEGORY_MASK_Mc, CUNICODE_MC}, {UC_CATEGORY_MASK_Me, CUNICODE_ME}, {UC_CATEGORY_MASK_Nd, CUNICODE_ND},
        {UC_CATEGORY_MASK_Nl, CUNICODE_NL}, {UC_CATEGORY_MASK_No, CUNICODE_NO}, {UC_CATEGORY_MASK_Pc, CUNICODE_PC},
        {UC_CATEGORY_MASK_Pd, CUNICODE_PD}, {UC_CATEGORY_MASK_Ps, CUNICODE_PS}, {UC_CATEGORY_MASK_Pe, CUNICODE_PE},
        {UC_CATEGORY_MASK_Pi, CUNICODE_PI}, {UC_CATEGORY_MASK_Pf, CUNICODE_PF}, {UC_CATEGORY_MASK_Po, CUNICODE_PO},
        {UC_CATEGORY_MASK_Sm, CUNICODE_SM}, {UC_CATEGORY_MASK_Sc, CUNICODE_SC}, {UC_CATEGORY_MASK_Sk, CUNICODE_SK},
        {UC_CATEGORY_MASK_So, CUNICODE_SO}, {UC_CATEGORY_MASK_Zs, CUNICODE_ZS}, {UC_CATEGORY_MASK_Zl, CUNICODE_ZL},
        {UC_CATEGORY_MASK_Zp, CUNICODE_ZP}, {UC_CATEGORY_MASK_Cc, CUNICODE_CC}, {UC_CATEGORY_MASK_Cf, CUNICODE_CF},
        {UC_CATEGORY_MASK_Cs, CUNICODE_CS}, {UC_CATEGORY_MASK_Co, CUNICODE_CO}, {UC_CATEGORY_MASK_Cn, CUNICODE_CN},
    };
    const uint32_t theirs = uc_general_category(code_point).bitmask;
    for (size_t i = 0; i < sizeof bits / sizeof bits[0]; i++) {
        if (bits[i].theirs == theirs) return bits[i].ours;
    }
    return CUNICODE_CN;
}

int cunicode_bidi_class(uint32_t code_point) {
    switch (uc_bidi_class(code_point)) {
    case UC_BIDI_L: return CUNICODE_BIDI_L;
    case UC_BIDI_R: return CUNICODE_BIDI_R;
    case UC_BIDI_AL: return CUNICODE_BIDI_AL;
    case UC_BIDI_AN: return CUNICODE_BIDI_AN;
    case UC_BIDI_EN: return CUNICODE_BIDI_EN;
    case UC_BIDI_ES: return CUNICODE_BIDI_ES;
    case UC_BIDI_CS: return CUNICODE_BIDI_CS;
    case UC_BIDI_ET: return CUNICODE_BIDI_ET;
    case UC_BIDI_ON: return CUNICODE_BIDI_ON;
    case UC_BIDI_BN: return CUNICODE_BIDI_BN;
    case UC_BIDI_NSM: return CUNICODE_BIDI_NSM;
    default: return CUNICODE_BIDI_OTHER;
    }
}

int cunicode_joining_type(uint32_t code_point) {
    switch (uc_joining_type(code_point)) {
    case UC_JOINING_TYPE_L: return CUNICODE_JOINING_L;
    case UC_JOINING_TYPE_D: return CUNICODE_JOINING_D;
    case UC_JOINING_TYPE_R: return CUNICODE_JOINING_R;
    case UC_JOINING_TYPE_T: return CUNICODE_JOINING_T;
    default: return CUNICODE_JOINING_OTHER;
    }
}

int cunicode_script(uint32_t code_point) {
    static const struct {
        const char *name;
        int ours;
    } scripts[] = {
        {"Greek", CUNICODE_SCRIPT_GREEK},       {"Hebrew", CUNICODE_SCRIPT_HEBREW}, {"Hiragana", CUNICODE_SCRIPT_HIRAGANA},
        {"Katakana", CUNICODE_SCRIPT_KATAKANA}, {"Han", CUNICODE_SCRIPT_HAN},
    };
    const uc_script_t *script = uc_script(code_point);
    if (script == NULL) return CUNICODE_SCRIPT_OTHER;
    for (size_t i = 0; i < sizeof scripts / sizeof scripts[0]; i++) {
        if (strcmp(script->name, scripts[i].name) == 0) return scripts[i].ours;
    }
    return CUNICODE_SCRIPT_OTHER;
}

bool cunicode_is_virama(uint32_t code_point) { return uc_combining_class(code_point) == UC_CCC_VR; }

bool cunicode_is_default_ignorable(uint32_t code_point) {
    return uc_is_property_default_ignorable_code_point(code_point);
}

bool cunicode_is_noncharacter(uint32_t code_point) { return uc_is_property_not_a_character(code_point); }

bool cunicode_has_compatibility(uint32_t code_point) {
    uint32_t buffer[32]; // the longest NFKC of one code point has 18 (U+FDFA)
    size_t length = sizeof buffer / sizeof buffer[0];
    uint32_t *result = u32_normalize(UNINORM_NFKC, &code_point, 1, buffer, &length);
    const bool changed = result == NULL || length != 1 || result[0] != code_point;
    if (result != buffer) free(result);
    return changed;
}

uint32_t cunicode_width_mapped(uint32_t code_point) {
    ucs4_t decomposition[UC_DECOMPOSITION_MAX_LENGTH];
    int tag = 0;
    const int length = uc_decomposition(code_point, &tag, decomposition);
    return length == 1 && (tag == UC_DECOMP_WIDE || tag == UC_DECOMP_NARROW) ? decomposition[0] : code_point;
}

// Moves what libunistring returned (our buffer, or its own if ours was too small) into our buffer, and frees it.
static ptrdiff_t taken(uint8_t *theirs, size_t length, uint8_t *result, size_t capacity) {
    if (theirs == NULL) return CUNICODE_FAILED;
    if (theirs == result) return (ptrdiff_t)length;
    const bool fits = length <= capacity;
    if (fits) memcpy(result, theirs, length);
    free(theirs);
    return fits ? (ptrdiff_t)length : CUNICODE_FAILED;
}

ptrdiff_t cunicode_lower(const uint8_t *text, size_t count, uint8_t *result, size_t capacity) {
    size_t length = capacity;
    uint8_t *theirs = u8_tolower(text, count, NULL, NULL, result, &length);
    return taken(theirs, length, result, capacity);
}

ptrdiff_t cunicode_nfc(const uint8_t *text, size_t count, uint8_t *result, size_t capacity) {
    size_t length = capacity;
    uint8_t *theirs = u8_normalize(UNINORM_NFC, text, count, result, &length);
    return taken(theirs, length, result, capacity);
}

ptrdiff_t cunicode_nfkc(const uint8_t *text, size_t count, uint8_t *result, size_t capacity) {
    size_t length = capacity;
    uint8_t *theirs = u8_normalize(UNINORM_NFKC, text, count, result, &length);
    return taken(theirs, length, result, capacity);
}

ptrdiff_t cunicode_a_label(const uint8_t *label, size_t count, uint8_t *result, size_t capacity) {
    uint8_t input[LABEL_CAPACITY + 1];
    if (count > LABEL_CAPACITY) return CUNICODE_FAILED;
    memcpy(input, label, count);
    input[count] = 0;
    uint8_t *theirs = NULL;
    if (idn2_lookup_u8(input, &theirs, IDN2_NFC_INPUT | IDN2_NO_TR46) != IDN2_OK) return CUNICODE_FAILED;
    const size_t length = strlen((const char *)theirs);
    const bool fits = length <= capacity;
    if (fits) memcpy(result, theirs, length);
    idn2_free(theirs);
    return fits ? (ptrdiff_t)length : CUNICODE_FAILED;
}

ptrdiff_t cunicode_u_label(const uint8_t *label, size_t count, uint8_t *result, size_t capacity) {
    char input[LABEL_CAPACITY + 1];
    if (count > LABEL_CAPACITY) return CUNICODE_FAILED;
    memcpy(input, label, count);
    input[count] = 0;
    char *theirs = NULL;
    if (idn2_to_unicode_8z8z(input, &theirs, IDN2_NO_TR46) != IDN2_OK) return CUNICODE_FAILED;
    const size_t length = strlen(theirs);
    const bool fits = length <= capacity;
    if (fits) memcpy(result, theirs, length);
    idn2_free(theirs);
    return fits ? (ptrdiff_t)length : CUNICODE_FAILED;
}
