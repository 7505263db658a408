/* jinja_lexer.h - template text to tokens.
 *
 *     "Hi {{ name | upper }}\n"  ->  DATA "Hi "  VAR_BEGIN  NAME name  OP |  NAME upper  VAR_END  DATA "\n"
 *
 * Comments are gone, raw blocks are DATA, and the white space that -, +, trim_blocks and lstrip_blocks take away
 * (both are on, as transformers sets them) is gone from the DATA.  The last line break of the source is dropped. */
#ifndef AP_JINJA_LEXER_H
#define AP_JINJA_LEXER_H

#include "jinja/jinja_value.h"

enum ap_jtoken_kind {
    AP_JT_DATA,        /* text */
    AP_JT_VAR_BEGIN,
    AP_JT_VAR_END,
    AP_JT_BLOCK_BEGIN,
    AP_JT_BLOCK_END,
    AP_JT_NAME,        /* text */
    AP_JT_STRING,      /* text, escapes resolved */
    AP_JT_INT,
    AP_JT_FLOAT,
    AP_JT_OP,          /* text: the operator */
    AP_JT_END          /* of the template */
};

struct ap_jtoken {
    enum ap_jtoken_kind kind;
    int32_t line;
    struct ap_jtext text;
    union {
        int64_t i;
        double f;
    };
};

struct ap_jtokens {
    struct ap_jtoken *v; /* (n,), the last one is END */
    size_t n, cap;
};

/* Tokens' texts lie in the arena or are literals; name is for messages.  The caller releases tokens->v (ap__free),
 * also after a failure. */
ap_status ap__jinja_lex(struct ap_arena *arena, const char *source, size_t len, const char *name,
                        struct ap_jtokens *tokens, struct ap_err *err) AP_MUST_CHECK;

#endif
