// libxml2 as a judge of complete documents. No libxml2 type appears here: its headers on Debian pull in ICU's, which contradict Swift's own.

#pragma once

#include <stddef.h>
#include <stdint.h>

/// A reusable libxml2 SAX2 parser. Belongs to one thread at a time.
typedef struct clibxml2_parser clibxml2_parser;

/// A parser, or NULL without memory.
clibxml2_parser *_Nullable clibxml2_parser_create(void);

void clibxml2_parser_destroy(clibxml2_parser *_Nullable parser);

/// Parses a UTF-8 document: a root element with `end_count` children and no text beside them, each of which ends where `ends` says
/// (bytes from the start). Returns 1 if it is well-formed, also as to namespaces, and has no document type, comment, processing
/// instruction or entity reference; else 0.
///
/// The document is followed by a zero byte, which `length` does not count. With `wants_dump` what was read can be fetched afterwards.
int clibxml2_parser_check(
    clibxml2_parser *_Nonnull parser, const uint8_t *_Nonnull document, size_t length, const long *_Nonnull ends,
    size_t end_count, int wants_dump);

/// What the last check with `wants_dump` read inside the root: `01 namespace 00 name 00`, per attribute `02 namespace 00 name 00
/// value 00`, then `04` and the content, text as it is, then `03`. Valid until the next call.
const uint8_t *_Nullable clibxml2_parser_dump(const clibxml2_parser *_Nonnull parser, size_t *_Nonnull length);

/// Bytes of names the parser's dictionary holds. It only ever grows.
size_t clibxml2_parser_dictionary_bytes(const clibxml2_parser *_Nonnull parser);
