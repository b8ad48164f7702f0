#include "CLibXML2.h"

#include <libxml/parser.h>
#include <libxml/parserInternals.h>
#include <libxml/dict.h>
#include <libxml/xmlerror.h>
#include <stdlib.h>
#include <string.h>

// A dictionary that names from outside have filled this far is thrown away together with its context: at 10 MB libxml2 would refuse every
// new name, from everyone.
enum { DICTIONARY_LIMIT = 1 << 20 };

struct clibxml2_parser {
    xmlParserCtxtPtr context;
    unsigned depth;
    const long *ends;
    size_t end_count;
    size_t children;
    int is_refused;
    int wants_dump;
    uint8_t *dump;
    size_t dump_length;
    size_t dump_capacity;
};

static void append(clibxml2_parser *parser, const void *bytes, size_t length) {
    if (!parser->wants_dump) return;
    if (length > parser->dump_capacity - parser->dump_length) {
        size_t capacity = (parser->dump_length + length) * 2;
        uint8_t *dump = realloc(parser->dump, capacity);
        if (dump == NULL) {
            parser->is_refused = 1;
            return;
        }
        parser->dump = dump;
        parser->dump_capacity = capacity;
    }
    if (length > 0) memcpy(parser->dump + parser->dump_length, bytes, length);
    parser->dump_length += length;
}

static void append_byte(clibxml2_parser *parser, uint8_t byte) { append(parser, &byte, 1); }

static void append_string(clibxml2_parser *parser, const xmlChar *string) {
    if (string != NULL) append(parser, string, strlen((const char *)string));
}

// Without entity substitution libxml2 hands over every & of an attribute value as &#38;.
static void append_value(clibxml2_parser *parser, const xmlChar *value, size_t length) {
    for (size_t index = 0; index < length; index += 1) {
        append_byte(parser, value[index]);
        if (length - index >= 5 && memcmp(value + index, "&#38;", 5) == 0) index += 4;
    }
}

static void start_element(
    void *user, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri, int namespace_count, const xmlChar **namespaces,
    int attribute_count, int default_count, const xmlChar **attributes
) {
    (void)prefix, (void)namespace_count, (void)namespaces, (void)default_count;
    clibxml2_parser *parser = user;
    parser->depth += 1;
    if (!parser->wants_dump || parser->depth == 1) return;
    append_byte(parser, 1);
    if (uri != NULL) append_value(parser, uri, strlen((const char *)uri));
    append_byte(parser, 0);
    append_string(parser, name);
    append_byte(parser, 0);
    for (int index = 0; index < attribute_count; index += 1) {
        // Name, prefix, namespace, start and end of the value.
        const xmlChar **attribute = attributes + index * 5;
        append_byte(parser, 2);
        if (attribute[2] != NULL) append_value(parser, attribute[2], strlen((const char *)attribute[2]));
        append_byte(parser, 0);
        append_string(parser, attribute[0]);
        append_byte(parser, 0);
        append_value(parser, attribute[3], (size_t)(attribute[4] - attribute[3]));
        append_byte(parser, 0);
    }
    append_byte(parser, 4);
}

static void end_element(void *user, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri) {
    (void)name, (void)prefix, (void)uri;
    clibxml2_parser *parser = user;
    parser->depth -= 1;
    if (parser->depth == 0) return;
    append_byte(parser, 3);
    if (parser->depth > 1) return;
    // A boundary where the caller sees none, or none where it sees one.
    if (parser->children >= parser->end_count || xmlByteConsumed(parser->context) != parser->ends[parser->children]) parser->is_refused = 1;
    parser->children += 1;
}

static void characters(void *user, const xmlChar *text, int length) {
    clibxml2_parser *parser = user;
    if (parser->depth < 2) parser->is_refused = 1;
    append(parser, text, (size_t)length);
}

static void refuse_comment(void *user, const xmlChar *value) {
    (void)value;
    ((clibxml2_parser *)user)->is_refused = 1;
}

static void refuse_instruction(void *user, const xmlChar *target, const xmlChar *data) {
    (void)target, (void)data;
    ((clibxml2_parser *)user)->is_refused = 1;
}

static void refuse_reference(void *user, const xmlChar *name) {
    (void)name;
    ((clibxml2_parser *)user)->is_refused = 1;
}

static void refuse_subset(void *user, const xmlChar *name, const xmlChar *external, const xmlChar *system) {
    (void)name, (void)external, (void)system;
    ((clibxml2_parser *)user)->is_refused = 1;
}

static void received_error(void *user, xmlErrorPtr error) {
    // A namespace name need not be a valid URI (Namespaces in XML 1.0 §2.2 deprecates no more than relative ones), though libxml2 counts
    // it among the errors.
    if (error->level >= XML_ERR_ERROR && error->code != XML_WAR_NS_URI) ((clibxml2_parser *)user)->is_refused = 1;
}

static int renew_context(clibxml2_parser *parser) {
    if (parser->context != NULL) xmlFreeParserCtxt(parser->context);
    parser->context = xmlNewParserCtxt();
    if (parser->context == NULL) return 0;
    xmlSAXHandlerPtr sax = parser->context->sax;
    memset(sax, 0, sizeof *sax);
    sax->initialized = XML_SAX2_MAGIC;
    sax->startElementNs = start_element;
    sax->endElementNs = end_element;
    sax->characters = characters;
    sax->ignorableWhitespace = characters;
    sax->cdataBlock = characters;
    sax->comment = refuse_comment;
    sax->processingInstruction = refuse_instruction;
    sax->reference = refuse_reference;
    sax->internalSubset = refuse_subset;
    sax->externalSubset = refuse_subset;
    sax->serror = received_error;
    parser->context->userData = parser;
    // Never XML_PARSE_NOENT, XML_PARSE_DTDLOAD or XML_PARSE_HUGE.
    return xmlCtxtUseOptions(parser->context, XML_PARSE_NONET) == 0;
}

clibxml2_parser *clibxml2_parser_create(void) {
    xmlInitParser();
    clibxml2_parser *parser = calloc(1, sizeof *parser);
    if (parser == NULL) return NULL;
    if (!renew_context(parser)) {
        clibxml2_parser_destroy(parser);
        return NULL;
    }
    return parser;
}

void clibxml2_parser_destroy(clibxml2_parser *parser) {
    if (parser == NULL) return;
    if (parser->context != NULL) xmlFreeParserCtxt(parser->context);
    free(parser->dump);
    free(parser);
}

int clibxml2_parser_check(
    clibxml2_parser *parser, const uint8_t *document, size_t length, const long *ends, size_t end_count, int wants_dump
) {
    if (length > INT32_MAX || document[length] != 0) return 0;
    parser->depth = 0;
    parser->ends = ends;
    parser->end_count = end_count;
    parser->children = 0;
    parser->is_refused = 0;
    parser->wants_dump = wants_dump;
    parser->dump_length = 0;
    if (parser->context == NULL && !renew_context(parser)) return 0;
    // New, or reset after the document before.
    xmlParserCtxtPtr context = parser->context;
    // The complete document is here, so the pull parser reads it in place, without the copies and special cases of the push parser (which
    // leaves carriage returns in CDATA sections, XML 1.0 §2.11), and without an input buffer, which it would ask for more at every name.
    // A document that begins with a start tag has no way to name an encoding: it is UTF-8.
    xmlParserInputPtr input = xmlNewStringInputStream(context, document);
    if (input == NULL) {
        // No memory, of which the context keeps a note.
        xmlFreeParserCtxt(context);
        parser->context = NULL;
        return 0;
    }
    if ((size_t)(input->end - input->cur) != length) {
        // A zero byte, where libxml2 would stop reading.
        xmlFreeInputStream(input);
        return 0;
    }
    inputPush(context, input);
    xmlParseDocument(context);
    parser->ends = NULL;
    int is_good = context->wellFormed && !parser->is_refused && parser->depth == 0 && parser->children == end_count;
    // After a failure xmlCtxtReset leaves namespace declarations of the refused document in scope, where the next one would find them.
    if (!is_good || xmlDictGetUsage(context->dict) > DICTIONARY_LIMIT) {
        xmlFreeParserCtxt(context);
        parser->context = NULL;
    } else {
        // Lets go of the document.
        xmlCtxtReset(context);
    }
    return is_good;
}

const uint8_t *clibxml2_parser_dump(const clibxml2_parser *parser, size_t *length) {
    *length = parser->dump_length;
    return parser->dump;
}

size_t clibxml2_parser_dictionary_bytes(const clibxml2_parser *parser) {
    return parser->context == NULL ? 0 : xmlDictGetUsage(parser->context->dict);
}
