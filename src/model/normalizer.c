/* normalizer.c - a list of rewriting steps, run one after the other.
 *
 *     text --step 0--> buffer --step 1--> buffer --...--> out
 *
 * Unicode forms come from utf8proc; Lowercase maps character by character as
 * Rust does (no locale, no final sigma). */
#include "model/normalizer.h"

#include "model/pattern.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

enum { MAX_STEPS = 64 };

enum step_kind { STEP_UNICODE, STEP_LOWERCASE, STEP_STRIP, STEP_PREPEND, STEP_REPLACE };

struct step {
    enum step_kind kind;
    utf8proc_option_t form; /* STEP_UNICODE */
    bool left, right;       /* STEP_STRIP */
    struct ap_pattern *pattern;
    char *text; /* what to prepend, or to put in place of a match */
};

struct ap_normalizer {
    char *place;
    struct step step[MAX_STEPS];
    int32_t count;
};

/* ------------------------------------------------------------------ reading the configuration */

static const struct {
    const char *type;
    enum step_kind kind;
    int form;
} step_types[] = {
    {"NFC", STEP_UNICODE, UTF8PROC_STABLE | UTF8PROC_COMPOSE},
    {"NFD", STEP_UNICODE, UTF8PROC_STABLE | UTF8PROC_DECOMPOSE},
    {"NFKC", STEP_UNICODE, UTF8PROC_STABLE | UTF8PROC_COMPOSE | UTF8PROC_COMPAT},
    {"NFKD", STEP_UNICODE, UTF8PROC_STABLE | UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT},
    {"Lowercase", STEP_LOWERCASE, 0},
    {"Strip", STEP_STRIP, 0},
    {"Prepend", STEP_PREPEND, 0},
    {"Replace", STEP_REPLACE, 0},
};

static ap_status read_text(const json_t *spec, const char *key, const char *place, struct step *s, struct ap_err *err)
{
    const char *text = NULL;
    AP_TRY(ap__json_str(spec, key, place, &text, err));
    s->text = ap__strdup(text);
    return s->text ? AP_OK : ap__fail(err, AP_E_MEMORY, place, "out of memory");
}

static ap_status read_step(struct ap_normalizer *n, const json_t *spec, const char *type, struct ap_err *err)
{
    struct step *s = &n->step[n->count];
    for (size_t i = 0; i < sizeof step_types / sizeof *step_types; i++) {
        if (strcmp(type, step_types[i].type) != 0)
            continue;
        *s = (struct step){.kind = step_types[i].kind, .form = (utf8proc_option_t)step_types[i].form};
        n->count++; /* from here on its parts are freed with it */
        s->left = ap__json_bool_or(spec, "strip_left", true);
        s->right = ap__json_bool_or(spec, "strip_right", true);
        if (s->kind == STEP_PREPEND)
            return read_text(spec, "prepend", n->place, s, err);
        if (s->kind != STEP_REPLACE)
            return AP_OK;
        AP_TRY(read_text(spec, "content", n->place, s, err));
        return ap__pattern_new(json_object_get(spec, "pattern"), n->place, &s->pattern, err);
    }
    return ap__fail(err, AP_E_FORMAT, n->place, "the normalizer `%s` is not supported", type);
}

/* Flattens sequences; depth guards the recursion. */
static ap_status read_steps(struct ap_normalizer *n, const json_t *spec, int depth, struct ap_err *err)
{
    const char *type = NULL;
    if (!spec || json_is_null(spec))
        return AP_OK;
    if (n->count == MAX_STEPS || depth > 8)
        return ap__fail(err, AP_E_TOO_LARGE, n->place, "more than %d normalizers", MAX_STEPS);
    AP_TRY(ap__json_str(spec, "type", n->place, &type, err));
    if (strcmp(type, "Sequence") != 0)
        return read_step(n, spec, type, err);
    json_t *list = NULL;
    AP_TRY(ap__json_array(spec, "normalizers", n->place, &list, err));
    for (size_t i = 0; i < json_array_size(list); i++)
        AP_TRY(read_steps(n, json_array_get(list, i), depth + 1, err));
    return AP_OK;
}

ap_status ap__normalizer_new(const json_t *spec, const char *place, struct ap_normalizer **out, struct ap_err *err)
{
    struct ap_normalizer *n = ap__alloc(sizeof *n);
    if (!n || !(n->place = ap__strdup(place))) {
        ap__free(n);
        return ap__fail(err, AP_E_MEMORY, place, "out of memory");
    }
    ap_status status = read_steps(n, spec, 0, err);
    if (status != AP_OK) {
        ap__normalizer_free(n);
        return status;
    }
    *out = n;
    return AP_OK;
}

void ap__normalizer_free(struct ap_normalizer *n)
{
    if (!n)
        return;
    for (int32_t i = 0; i < n->count; i++) {
        ap__pattern_free(n->step[i].pattern);
        ap__free(n->step[i].text);
    }
    ap__free(n->place);
    ap__free(n);
}

/* ------------------------------------------------------------------ the steps; each appends to out */

static ap_status run_unicode(const struct step *s, const char *text, size_t len, struct ap_buf *out)
{
    utf8proc_uint8_t *normal = NULL;
    utf8proc_ssize_t n = utf8proc_map((const utf8proc_uint8_t *)text, (utf8proc_ssize_t)len, &normal, s->form);
    if (n < 0)
        return AP_E_MEMORY; /* the text is valid, so nothing else can fail */
    ap__buf_add(out, normal, (size_t)n);
    free(normal);
    return AP_OK;
}

static void put_char(struct ap_buf *out, utf8proc_int32_t c)
{
    utf8proc_uint8_t bytes[4];
    ap__buf_add(out, bytes, (size_t)utf8proc_encode_char(c, bytes));
}

static void run_lowercase(const char *text, size_t len, struct ap_buf *out)
{
    for (size_t i = 0; i < len;) {
        utf8proc_int32_t c = 0;
        utf8proc_ssize_t n = utf8proc_iterate((const utf8proc_uint8_t *)text + i, (utf8proc_ssize_t)(len - i), &c);
        if (c == 0x130) /* the one character whose lower case is two: i with a dot above */
            ap__buf_add(out, "i\xCC\x87", 3);
        else
            put_char(out, utf8proc_tolower(c));
        i += n > 0 ? (size_t)n : 1;
    }
}

bool ap__char_is_space(int32_t c)
{
    utf8proc_category_t k = utf8proc_category(c);
    return (c >= 9 && c <= 13) || c == 0x85 || (k >= UTF8PROC_CATEGORY_ZS && k <= UTF8PROC_CATEGORY_ZP);
}

static void run_strip(const struct step *s, const char *text, size_t len, struct ap_buf *out, bool *trimmed)
{
    size_t begin = 0, end = 0;
    bool started = !s->left;
    for (size_t i = 0; i < len;) {
        utf8proc_int32_t c = 0;
        utf8proc_ssize_t n = utf8proc_iterate((const utf8proc_uint8_t *)text + i, (utf8proc_ssize_t)(len - i), &c);
        size_t next = i + (n > 0 ? (size_t)n : 1);
        if (!ap__char_is_space(c)) {
            begin = started ? begin : i;
            started = true;
            end = next;
        }
        i = next;
    }
    if (!s->right)
        end = len;
    if (started && end > begin)
        ap__buf_add(out, text + begin, end - begin);
    *trimmed = *trimmed || begin > 0;
}

static ap_status run_replace(const struct step *s, const char *text, size_t len, struct ap_buf *out,
                             struct ap_err *err)
{
    struct ap_matches m = {0};
    size_t at = 0;
    ap_status status = ap__pattern_find(s->pattern, text, len, &m, err);
    for (size_t i = 0; status == AP_OK && i < m.n; i++) {
        ap__buf_add(out, text + at, m.at[i].start - at);
        ap__buf_puts(out, s->text);
        at = m.at[i].start + m.at[i].len;
    }
    if (status == AP_OK && at < len)
        ap__buf_add(out, text + at, len - at);
    ap__matches_deinit(&m);
    return status;
}

static ap_status run_step(const struct step *s, const char *text, size_t len, bool continues, struct ap_buf *out,
                          bool *trimmed, struct ap_err *err)
{
    switch (s->kind) {
    case STEP_UNICODE: return run_unicode(s, text, len, out);
    case STEP_LOWERCASE: run_lowercase(text, len, out); break;
    case STEP_STRIP: run_strip(s, text, len, out, trimmed); break;
    case STEP_REPLACE: return run_replace(s, text, len, out, err);
    case STEP_PREPEND:
        if (len > 0 && !continues)
            ap__buf_puts(out, s->text);
        ap__buf_add(out, text, len);
        break;
    }
    return AP_OK;
}

ap_status ap__normalizer_apply(const struct ap_normalizer *n, const char *text, size_t len, bool continues,
                               struct ap_buf *out, bool *trimmed, struct ap_err *err)
{
    struct ap_buf from, to;
    bool ignored = false;
    ap__buf_init(&from, 0);
    ap__buf_init(&to, 0);
    ap_status status = AP_OK;
    for (int32_t i = 0; status == AP_OK && i < n->count; i++) {
        ap__buf_clear(&to);
        status = run_step(&n->step[i], i ? ap__buf_cstr(&from) : text, i ? from.len : len, continues, &to,
                          trimmed ? trimmed : &ignored, err);
        if (status == AP_OK && to.failed)
            status = AP_E_MEMORY;
        struct ap_buf swap = from;
        from = to;
        to = swap;
    }
    if (status == AP_OK)
        status = ap__buf_add(out, n->count ? ap__buf_cstr(&from) : text, n->count ? from.len : len);
    if (status == AP_E_MEMORY || status == AP_E_TOO_LARGE)
        status = ap__fail(err, status, n->place, "no room for a text of %zu bytes", len);
    ap__buf_deinit(&from);
    ap__buf_deinit(&to);
    return status;
}
