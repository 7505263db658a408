/* formula_scan.c - text -> tokens, one table for both notations.
 *
 *   "∀x (A(x) → B)"  ->  FORALL NAME OPEN NAME OPEN NAME CLOSE IMPLIES NAME CLOSE END
 *
 * Names are letters, digits, _ and non-ASCII letters; what looks like a symbol
 * (U+0080..00BF, U+2000..2FFF) never belongs to a name. */
#include "functions/formula_scan.h"
#include "base/text.h"
#include <string.h>

static const struct {
    const char *text;
    enum ap_token_kind kind;
} symbols[] = {
    /* longer ones before their prefixes */
    {"<->", AP_TOKEN_IFF},   {"<=>", AP_TOKEN_IFF},  {"↔", AP_TOKEN_IFF},       {"⟷", AP_TOKEN_IFF},
    {"⇔", AP_TOKEN_IFF},     {"⟺", AP_TOKEN_IFF},    {"->", AP_TOKEN_IMPLIES},  {"=>", AP_TOKEN_IMPLIES},
    {"→", AP_TOKEN_IMPLIES}, {"⇒", AP_TOKEN_IMPLIES}, {"⟹", AP_TOKEN_IMPLIES}, {"⟶", AP_TOKEN_IMPLIES},
    {"!=", AP_TOKEN_UNEQUAL}, {"≠", AP_TOKEN_UNEQUAL}, {"&&", AP_TOKEN_AND},    {"&", AP_TOKEN_AND},
    {"/\\", AP_TOKEN_AND},   {"∧", AP_TOKEN_AND},    {"||", AP_TOKEN_OR},       {"|", AP_TOKEN_OR},
    {"\\/", AP_TOKEN_OR},    {"∨", AP_TOKEN_OR},     {"⊕", AP_TOKEN_XOR},       {"⊻", AP_TOKEN_XOR},
    {"¬", AP_TOKEN_NOT},     {"~", AP_TOKEN_NOT},    {"!", AP_TOKEN_NOT},       {"∀", AP_TOKEN_FORALL},
    {"∃", AP_TOKEN_EXISTS},  {"(", AP_TOKEN_OPEN},   {"[", AP_TOKEN_OPEN},      {")", AP_TOKEN_CLOSE},
    {"]", AP_TOKEN_CLOSE},   {",", AP_TOKEN_COMMA},  {".", AP_TOKEN_DOT},       {":", AP_TOKEN_DOT},
    {"=", AP_TOKEN_EQUAL},
};

static const struct {
    const char *text;
    enum ap_token_kind kind;
} words[] = {
    {"forall", AP_TOKEN_FORALL}, {"all", AP_TOKEN_FORALL}, {"exists", AP_TOKEN_EXISTS}, {"not", AP_TOKEN_NOT},
    {"and", AP_TOKEN_AND},       {"or", AP_TOKEN_OR},      {"xor", AP_TOKEN_XOR},
};

static size_t blank_len(const char *s, size_t n)
{
    if (n > 0 && *s != '\0' && strchr(" \t\r\n", *s) != NULL)
        return 1;
    return n >= 2 && memcmp(s, "\xC2\xA0", 2) == 0 ? 2 : 0; /* no-break space */
}

/* Bytes of one character of a name, 0 when it is none. */
static size_t name_char_len(const char *s, size_t n)
{
    unsigned char c = (unsigned char)*s;
    if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_')
        return 1;
    if (c < 0xC3 || c == 0xE2)
        return 0;
    return (size_t)ap__utf8_len(s, n);
}

static size_t name_len(const char *s, size_t n)
{
    size_t i = 0, step;
    while (i < n && (step = name_char_len(s + i, n - i)) > 0)
        i += step;
    return i;
}

static enum ap_token_kind word_kind(const char *s, size_t n)
{
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (strlen(words[i].text) == n && memcmp(words[i].text, s, n) == 0)
            return words[i].kind;
    }
    return AP_TOKEN_NAME;
}

struct ap_token ap__token_at(const char *text, size_t len, size_t pos)
{
    size_t blank;
    while (pos < len && (blank = blank_len(text + pos, len - pos)) > 0)
        pos += blank;
    const char *s = text + pos;
    size_t n = len - pos;
    if (n == 0)
        return (struct ap_token){AP_TOKEN_END, s, 0};
    size_t name = name_len(s, n);
    if (name > 0)
        return (struct ap_token){word_kind(s, name), s, name};
    for (size_t i = 0; i < sizeof symbols / sizeof *symbols; i++) {
        size_t m = strlen(symbols[i].text);
        if (m <= n && memcmp(symbols[i].text, s, m) == 0)
            return (struct ap_token){symbols[i].kind, s, m};
    }
    int bad = ap__utf8_len(s, n);
    return (struct ap_token){AP_TOKEN_BAD, s, bad > 0 ? (size_t)bad : 1};
}

int32_t ap__column_at(const char *text, size_t pos)
{
    int32_t column = 1;
    for (size_t i = 0; i < pos; i++)
        column += ((unsigned char)text[i] & 0xC0) != 0x80;
    return column;
}
