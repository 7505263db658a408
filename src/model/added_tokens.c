/* added_tokens.c - find added tokens in text.
 *
 *     text:  "a cat <|end|> b"
 *                   ^ a byte that starts some pattern? the longest pattern that fits
 *                     single_word: no letter may touch it; lstrip, rstrip: it swallows spaces around
 *
 * A match that is turned down still uses up its text, as in Hugging Face's tokenizers. */
#include "model/added_tokens.h"

#include "base/text.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

enum { MAX_ADDED = 1 << 17, MAX_ID = 1 << 24 };

/* ------------------------------------------------------------------ reading the list */

static ap_status read_pattern(struct ap_added_token *t, const char *place, const struct ap_normalizer *normalizer,
                              struct ap_err *err)
{
    struct ap_buf pattern;
    ap__buf_init(&pattern, 0);
    ap_status status = AP_OK;
    if (t->normalized && ap__utf8_valid(t->content, strlen(t->content)))
        status = ap__normalizer_apply(normalizer, t->content, strlen(t->content), false, &pattern, NULL,
                                      err);
    else
        status = ap__buf_puts(&pattern, t->content);
    if (status == AP_OK) {
        t->pattern_len = pattern.len;
        t->pattern = ap__buf_take(&pattern);
        status = t->pattern ? AP_OK : AP_E_MEMORY;
    }
    if (status == AP_E_MEMORY)
        status = ap__fail(err, AP_E_MEMORY, place, "out of memory for the added tokens");
    ap__buf_deinit(&pattern);
    return status;
}

static ap_status read_token(struct ap_added *a, const json_t *item, const char *place,
                            const struct ap_normalizer *normalizer, const struct ap_bpe *bpe, struct ap_err *err)
{
    struct ap_added_token *t = &a->token[a->count];
    const char *content = NULL;
    int64_t id = -1;
    AP_TRY(ap__json_str(item, "content", place, &content, err));
    AP_TRY(ap__json_i64(item, "id", place, &id, err));
    int32_t known = ap__bpe_id(bpe, content);
    size_t len = 0;
    if (id < 0 || id >= MAX_ID || (known >= 0 && known != id) || (known < 0 && ap__bpe_text(bpe, (int32_t)id, &len)))
        return ap__fail(err, AP_E_FORMAT, place, "the added token `%.100s` has id %lld, which disagrees with the vocabulary",
                        content, (long long)id);
    a->count++; /* from here on freed with the rest */
    t->id = (int32_t)id;
    t->special = ap__json_bool_or(item, "special", false);
    t->single_word = ap__json_bool_or(item, "single_word", false);
    t->lstrip = ap__json_bool_or(item, "lstrip", false);
    t->rstrip = ap__json_bool_or(item, "rstrip", false);
    t->normalized = ap__json_bool_or(item, "normalized", !t->special);
    if (!(t->content = ap__strdup(content)))
        return ap__fail(err, AP_E_MEMORY, place, "out of memory for the added tokens");
    return read_pattern(t, place, normalizer, err);
}

static int longest_first(const void *a, const void *b)
{
    const struct ap_added_token *x = a, *y = b;
    if (x->pattern_len != y->pattern_len)
        return x->pattern_len > y->pattern_len ? -1 : 1;
    return (x->id > y->id) - (x->id < y->id);
}

static ap_status index_tokens(struct ap_added *a, const char *place, struct ap_err *err)
{
    qsort(a->token, a->count, sizeof *a->token, longest_first);
    for (size_t i = 0; i < a->count; i++)
        a->size = a->token[i].id >= a->size ? a->token[i].id + 1 : a->size;
    a->by_id = ap__alloc_array((size_t)a->size, sizeof *a->by_id);
    if (!a->by_id)
        return ap__fail(err, AP_E_MEMORY, place, "out of memory for the added tokens");
    memset(a->by_id, 0xFF, (size_t)a->size * sizeof *a->by_id);
    for (size_t i = 0; i < a->count; i++) {
        const struct ap_added_token *t = &a->token[i];
        if (a->by_id[t->id] >= 0 && strcmp(a->token[a->by_id[t->id]].content, t->content) != 0)
            return ap__fail(err, AP_E_FORMAT, place, "two added tokens have id %d", t->id);
        a->by_id[t->id] = (int32_t)i;
        if (t->pattern_len > 0)
            a->starts[t->normalized][(uint8_t)t->pattern[0]] = true;
        a->spelled[(uint8_t)t->content[0]] = true;
        a->any_normalized = a->any_normalized || t->normalized;
    }
    return AP_OK;
}

ap_status ap__added_init(struct ap_added *a, const json_t *list, const char *place,
                         const struct ap_normalizer *normalizer, const struct ap_bpe *bpe, struct ap_err *err)
{
    size_t n = json_array_size(list);
    *a = (struct ap_added){0};
    if (n > MAX_ADDED)
        return ap__fail(err, AP_E_TOO_LARGE, place, "%zu added tokens; the limit is %d", n, MAX_ADDED);
    a->token = ap__alloc_array(n, sizeof *a->token);
    if (!a->token)
        return ap__fail(err, AP_E_MEMORY, place, "out of memory for the added tokens");
    ap_status status = AP_OK;
    for (size_t i = 0; status == AP_OK && i < n; i++)
        status = read_token(a, json_array_get(list, i), place, normalizer, bpe, err);
    if (status == AP_OK)
        status = index_tokens(a, place, err);
    if (status != AP_OK)
        ap__added_deinit(a);
    return status;
}

void ap__added_deinit(struct ap_added *a)
{
    for (size_t i = 0; i < a->count; i++) {
        ap__free(a->token[i].content);
        ap__free(a->token[i].pattern);
    }
    ap__free(a->token);
    ap__free(a->by_id);
    *a = (struct ap_added){0};
}

const struct ap_added_token *ap__added_get(const struct ap_added *a, int32_t id)
{
    return id >= 0 && id < a->size && a->by_id[id] >= 0 ? &a->token[a->by_id[id]] : NULL;
}

/* ------------------------------------------------------------------ finding them */

/* The character that starts at text[i], or the replacement character for stray bytes; *width = its bytes. */
static utf8proc_int32_t char_at(const char *text, size_t len, size_t i, size_t *width)
{
    utf8proc_int32_t c = 0;
    utf8proc_ssize_t n = utf8proc_iterate((const utf8proc_uint8_t *)text + i, (utf8proc_ssize_t)(len - i), &c);
    *width = n > 0 ? (size_t)n : 1;
    return n > 0 ? c : 0xFFFD;
}

/* The start of the character before text[i]; i > 0. */
static size_t char_before(const char *text, size_t i)
{
    size_t at = i - 1;
    while (at > 0 && i - at < 4 && ((unsigned char)text[at] & 0xC0) == 0x80)
        at--;
    return at;
}

static bool is_word(utf8proc_int32_t c)
{
    utf8proc_category_t k = utf8proc_category(c);
    return (k >= UTF8PROC_CATEGORY_LU && k <= UTF8PROC_CATEGORY_NL) || k == UTF8PROC_CATEGORY_PC;
}

static bool touches_word(const char *text, size_t len, size_t start, size_t end)
{
    size_t width = 0;
    return (start > 0 && is_word(char_at(text, start, char_before(text, start), &width))) ||
           (end < len && is_word(char_at(text, len, end, &width)));
}

static size_t skip_spaces_back(const char *text, size_t floor, size_t start)
{
    size_t width = 0;
    while (start > floor) {
        size_t at = char_before(text, start);
        if (at < floor || !ap__char_is_space(char_at(text, start, at, &width)))
            break;
        start = at;
    }
    return start;
}

static size_t skip_spaces(const char *text, size_t len, size_t end)
{
    size_t width = 0;
    while (end < len && ap__char_is_space(char_at(text, len, end, &width)))
        end += width;
    return end;
}

size_t ap__added_swallows(const struct ap_added *a, int32_t id, const char *text, size_t len)
{
    const struct ap_added_token *t = ap__added_get(a, id);
    return t && t->rstrip ? skip_spaces(text, len, 0) : 0;
}

static const struct ap_added_token *longest_at(const struct ap_added *a, bool normalized, const char *text, size_t len)
{
    for (size_t i = 0; i < a->count; i++) {
        const struct ap_added_token *t = &a->token[i];
        if (t->normalized == normalized && t->pattern_len > 0 && t->pattern_len <= len && t->pattern[0] == *text &&
            memcmp(t->pattern, text, t->pattern_len) == 0)
            return t;
    }
    return NULL;
}

bool ap__added_find(const struct ap_added *a, bool normalized, bool specials, const char *text, size_t len,
                    size_t from, struct ap_added_match *out)
{
    for (size_t i = from; i < len; i++) {
        if (!a->starts[normalized][(uint8_t)text[i]])
            continue;
        const struct ap_added_token *t = longest_at(a, normalized, text + i, len - i);
        if (!t)
            continue;
        size_t end = i + t->pattern_len;
        if ((t->special && !specials) || (t->single_word && touches_word(text, len, i, end))) {
            i = end - 1;
            continue;
        }
        *out = (struct ap_added_match){.start = t->lstrip ? skip_spaces_back(text, from, i) : i,
                                       .end = t->rstrip ? skip_spaces(text, len, end) : end,
                                       .id = t->id};
        return true;
    }
    return false;
}

const struct ap_added_token *ap__added_spelled(const struct ap_added *a, const char *text, size_t len, size_t from,
                                               size_t *at)
{
    for (*at = from; *at < len; ++*at) {
        const struct ap_added_token *found = NULL;
        size_t longest = 0;
        if (!a->spelled[(uint8_t)text[*at]])
            continue;
        for (size_t i = 0; i < a->count; i++) {
            size_t n = strlen(a->token[i].content);
            if (n > longest && n <= len - *at && memcmp(a->token[i].content, text + *at, n) == 0) {
                found = &a->token[i];
                longest = n;
            }
        }
        if (found)
            return found;
    }
    return NULL;
}
