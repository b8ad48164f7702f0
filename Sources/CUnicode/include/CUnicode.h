// What XMPPAddress needs of libunistring (Unicode properties, normalization, case) and libidn2 (IDNA2008).
//
// Every function is pure and thread-safe, takes plain buffers that need no terminating zero, and allocates nothing that
// outlives the call. Property tables are those of the installed libraries (Debian 12: Unicode 14).

#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Answer of the functions that write to a buffer when the text is invalid, memory is short, or the result does not fit.
#define CUNICODE_FAILED (-1)

// General categories as bits (UAX #44), so that a class of them is one mask.
enum {
    CUNICODE_LU = 1 << 0, CUNICODE_LL = 1 << 1, CUNICODE_LT = 1 << 2, CUNICODE_LM = 1 << 3, CUNICODE_LO = 1 << 4,
    CUNICODE_MN = 1 << 5, CUNICODE_MC = 1 << 6, CUNICODE_ME = 1 << 7,
    CUNICODE_ND = 1 << 8, CUNICODE_NL = 1 << 9, CUNICODE_NO = 1 << 10,
    CUNICODE_PC = 1 << 11, CUNICODE_PD = 1 << 12, CUNICODE_PS = 1 << 13, CUNICODE_PE = 1 << 14, CUNICODE_PI = 1 << 15,
    CUNICODE_PF = 1 << 16, CUNICODE_PO = 1 << 17,
    CUNICODE_SM = 1 << 18, CUNICODE_SC = 1 << 19, CUNICODE_SK = 1 << 20, CUNICODE_SO = 1 << 21,
    CUNICODE_ZS = 1 << 22, CUNICODE_ZL = 1 << 23, CUNICODE_ZP = 1 << 24,
    CUNICODE_CC = 1 << 25, CUNICODE_CF = 1 << 26, CUNICODE_CS = 1 << 27, CUNICODE_CO = 1 << 28, CUNICODE_CN = 1 << 29
};

// Bidirectional classes of which RFC 5893 speaks; everything else is OTHER.
enum {
    CUNICODE_BIDI_OTHER, CUNICODE_BIDI_L, CUNICODE_BIDI_R, CUNICODE_BIDI_AL, CUNICODE_BIDI_AN, CUNICODE_BIDI_EN,
    CUNICODE_BIDI_ES, CUNICODE_BIDI_CS, CUNICODE_BIDI_ET, CUNICODE_BIDI_ON, CUNICODE_BIDI_BN, CUNICODE_BIDI_NSM
};

// Joining types of which RFC 5892 appendix A.1 speaks; everything else is OTHER.
enum { CUNICODE_JOINING_OTHER, CUNICODE_JOINING_L, CUNICODE_JOINING_D, CUNICODE_JOINING_R, CUNICODE_JOINING_T };

// Scripts of which RFC 5892 appendix A speaks; everything else is OTHER.
enum {
    CUNICODE_SCRIPT_OTHER, CUNICODE_SCRIPT_GREEK, CUNICODE_SCRIPT_HEBREW, CUNICODE_SCRIPT_HIRAGANA,
    CUNICODE_SCRIPT_KATAKANA, CUNICODE_SCRIPT_HAN
};

// The general category, as one of the bits above.
uint32_t cunicode_general_category(uint32_t code_point);
// The bidirectional class.
int cunicode_bidi_class(uint32_t code_point);
// The Arabic joining type.
int cunicode_joining_type(uint32_t code_point);
// The script.
int cunicode_script(uint32_t code_point);
// Whether the canonical combining class is Virama (9).
bool cunicode_is_virama(uint32_t code_point);
// Whether the property Default_Ignorable_Code_Point holds.
bool cunicode_is_default_ignorable(uint32_t code_point);
// Whether the property Noncharacter_Code_Point holds.
bool cunicode_is_noncharacter(uint32_t code_point);
// Whether NFKC changes the code point (HasCompat, RFC 8264 section 9.17).
bool cunicode_has_compatibility(uint32_t code_point);
// The decomposition mapping of a fullwidth or halfwidth code point, any other code point unchanged.
uint32_t cunicode_width_mapped(uint32_t code_point);

// Unicode toLowerCase() without a language. Returns the bytes written, or CUNICODE_FAILED.
ptrdiff_t cunicode_lower(const uint8_t *text, size_t count, uint8_t *result, size_t capacity);
// Normalization form C. Returns the bytes written, or CUNICODE_FAILED.
ptrdiff_t cunicode_nfc(const uint8_t *text, size_t count, uint8_t *result, size_t capacity);
// Normalization form KC. Returns the bytes written, or CUNICODE_FAILED.
ptrdiff_t cunicode_nfkc(const uint8_t *text, size_t count, uint8_t *result, size_t capacity);

// The A-label of one U-label (IDNA2008 lookup, no TR46 mapping); `label` must hold no zero byte.
// Returns the bytes written, or CUNICODE_FAILED.
ptrdiff_t cunicode_a_label(const uint8_t *label, size_t count, uint8_t *result, size_t capacity);
// The U-label of one A-label, unchecked: the caller converts it back and compares. `label` must hold no zero byte.
// Returns the bytes written, or CUNICODE_FAILED.
ptrdiff_t cunicode_u_label(const uint8_t *label, size_t count, uint8_t *result, size_t capacity);
