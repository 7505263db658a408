/* json_quick.c - one pass over the text, jansson's values out.
 *
 *     value --> object   key : value , ...       a key is copied, jansson wants its NUL
 *               array    value , ...
 *               string   without escapes used where it stands, with escapes put together in r->text
 *               integer, true, false, null
 *
 * jansson reads a byte per call of a function and copies each string three
 * times: 58 ms for a tokenizer.json of 3 MB, this 20 ms.  It stays what decides
 * what is JSON and what is wrong with a text; test_base_data.c compares. */
#include "base/json_quick.h"

#include "base/alloc.h"
#include "base/text.h"

#include <ctype.h>
#include <string.h>

enum { MAX_DEPTH = 64, MAX_KEY = 1023, MAX_DIGITS = 18 };

struct reader {
    const char *at, *end;
    int depth;
    struct ap_buf text; /* of the last string that had escapes */
};

static json_t *read_value(struct reader *r);

static void skip_blanks(struct reader *r)
{
    while (r->at < r->end && (*r->at == ' ' || *r->at == '\n' || *r->at == '\r' || *r->at == '\t'))
        r->at++;
}

/* Goes over c when it comes next. */
static bool take(struct reader *r, char c)
{
    skip_blanks(r);
    bool is = r->at < r->end && *r->at == c;
    r->at += is;
    return is;
}

/* Goes over characters that stand for themselves in a string. */
static void skip_plain(struct reader *r)
{
    while (r->at < r->end) {
        unsigned char c = (unsigned char)*r->at;
        int n = c < 0x80 ? 1 : ap__utf8_len(r->at, (size_t)(r->end - r->at));
        if (n <= 0 || c == '"' || c == '\\' || c < 0x20)
            return;
        r->at += n;
    }
}

/* The four digits of \uXXXX to r->text; no halves of surrogate pairs. */
static bool read_code(struct reader *r)
{
    int code = 0;
    for (int i = 0; i < 4; i++, r->at++) {
        static const char digits[] = "0123456789abcdef";
        if (r->at == r->end || !isxdigit((unsigned char)*r->at))
            return false;
        code = code << 4 | (int)(strchr(digits, tolower((unsigned char)*r->at)) - digits);
    }
    if (code == 0 || (code >= 0xD800 && code < 0xE000))
        return false;
    if (code >= 0x800)
        ap__buf_putc(&r->text, (char)(0xE0 | code >> 12));
    if (code >= 0x80)
        ap__buf_putc(&r->text, (char)(code >= 0x800 ? 0x80 | (code >> 6 & 0x3F) : 0xC0 | code >> 6));
    ap__buf_putc(&r->text, (char)(code >= 0x80 ? 0x80 | (code & 0x3F) : code));
    return true;
}

/* What a backslash begins. */
static bool read_escape(struct reader *r)
{
    static const char name[] = "\"\\/bfnrt", meaning[] = "\"\\/\b\f\n\r\t";
    char c = ++r->at < r->end ? *r->at++ : '\0';
    const char *found = c ? strchr(name, c) : NULL;
    if (c == 'u')
        return read_code(r);
    if (found)
        ap__buf_putc(&r->text, meaning[found - name]);
    return found != NULL;
}

/* Behind the opening quote; the text is borrowed from the input or from r->text. */
static bool read_string(struct reader *r, const char **text, size_t *len)
{
    const char *start = r->at;
    skip_plain(r);
    *text = start;
    *len = (size_t)(r->at - start);
    if (r->at < r->end && *r->at == '"') {
        r->at++;
        return true;
    }
    ap__buf_clear(&r->text);
    for (;; skip_plain(r)) {
        ap__buf_add(&r->text, start, (size_t)(r->at - start));
        if (r->at == r->end || *r->at == '"')
            break;
        if (*r->at != '\\' || !read_escape(r))
            return false;
        start = r->at;
    }
    *text = ap__buf_cstr(&r->text);
    *len = r->text.len;
    return !r->text.failed && take(r, '"');
}

static bool read_member(struct reader *r, json_t *object)
{
    char key[MAX_KEY + 1];
    const char *text;
    size_t len;
    if (!take(r, '"') || !read_string(r, &text, &len) || len > MAX_KEY)
        return false;
    memcpy(key, text, len);
    key[len] = '\0';
    return take(r, ':') && json_object_set_new_nocheck(object, key, read_value(r)) == 0;
}

static bool read_item(struct reader *r, json_t *array)
{
    return json_array_append_new(array, read_value(r)) == 0;
}

/* Behind the opening bracket. */
static json_t *read_container(struct reader *r, json_t *container, bool (*read_part)(struct reader *, json_t *),
                              char close)
{
    bool good = container != NULL && ++r->depth <= MAX_DEPTH;
    if (good && !take(r, close)) {
        do
            good = read_part(r, container);
        while (good && take(r, ','));
        good = good && take(r, close);
    }
    r->depth--;
    if (!good) {
        json_decref(container);
        return NULL;
    }
    return container;
}

static json_t *read_integer(struct reader *r)
{
    bool negative = take(r, '-');
    const char *first = r->at;
    json_int_t value = 0;
    while (r->at < r->end && *r->at >= '0' && *r->at <= '9' && r->at - first < MAX_DIGITS)
        value = 10 * value + (*r->at++ - '0');
    bool more = r->at < r->end && strchr("0123456789.eE", *r->at) != NULL;
    if (r->at == first || more || (*first == '0' && r->at - first > 1))
        return NULL;
    return json_integer(negative ? -value : value);
}

static json_t *read_word(struct reader *r, const char *word, json_t *value)
{
    size_t len = strlen(word);
    if ((size_t)(r->end - r->at) < len || memcmp(r->at, word, len) != 0)
        return NULL;
    r->at += len;
    return value; /* true, false and null are never freed */
}

static json_t *read_value(struct reader *r)
{
    const char *text;
    size_t len;
    skip_blanks(r);
    switch (r->at < r->end ? *r->at : '\0') {
    case '{': r->at++; return read_container(r, json_object(), read_member, '}');
    case '[': r->at++; return read_container(r, json_array(), read_item, ']');
    case '"': r->at++; return read_string(r, &text, &len) ? json_stringn_nocheck(text, len) : NULL;
    case 't': return read_word(r, "true", json_true());
    case 'f': return read_word(r, "false", json_false());
    case 'n': return read_word(r, "null", json_null());
    default: return read_integer(r);
    }
}

json_t *ap__json_quick(const char *text, size_t len)
{
    struct reader r = {.at = text, .end = text + len};
    ap__buf_init(&r.text, 0);
    json_t *value = read_value(&r);
    skip_blanks(&r);
    if (r.at < r.end) { /* something behind it */
        json_decref(value);
        value = NULL;
    }
    ap__buf_deinit(&r.text);
    return value;
}
