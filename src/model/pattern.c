/* pattern.c - Oniguruma's regular expressions through PCRE2.
 *
 *     "\s+(?!\S)|\w" --translate--> "\p{White_Space}+(?!\P{White_Space})|[\p{Alphabetic}...]" --compile, JIT--> code
 *
 * What differs: \s, \w and \h mean other characters, ^ and $ match at lines,
 * sets may be nested or intersected (refused here). */
#include "model/pattern.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <string.h>

#include "base/text.h"

#define WORD "\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}"

struct ap_pattern {
    pcre2_code *code;
    char *place;
};

/* ------------------------------------------------------------------ memory */

static void *pcre_alloc(size_t size, void *unused)
{
    (void)unused;
    return ap__alloc(size);
}

static void pcre_free(void *p, void *unused)
{
    (void)unused;
    ap__free(p);
}

void ap__matches_deinit(struct ap_matches *m)
{
    pcre2_match_data_free(m->scratch);
    ap__free(m->at);
    *m = (struct ap_matches){0};
}

void ap__pattern_free(struct ap_pattern *p)
{
    if (!p)
        return;
    pcre2_code_free(p->code);
    ap__free(p->place);
    ap__free(p);
}

/* ------------------------------------------------------------------ compiling */

/* The escape \c of Oniguruma in PCRE2's words; NULL: the same in both; "": has no counterpart. */
static const char *translate_escape(char c, bool in_set)
{
    switch (c) {
    case 's': return "\\p{White_Space}";
    case 'S': return "\\P{White_Space}";
    case 'w': return in_set ? WORD : "[" WORD "]";
    case 'W': return in_set ? "" : "[^" WORD "]";
    case 'h': return in_set ? "0-9a-fA-F" : "[0-9a-fA-F]";
    case 'H': return in_set ? "" : "[^0-9a-fA-F]";
    case 'K':
    case 'g':
    case 'C': return "";
    default: return NULL;
    }
}

static ap_status unsupported(const char *regex, const char *place, const char *what, struct ap_err *err)
{
    return ap__fail(err, AP_E_FORMAT, place, "%s in the regular expression `%.200s` is not supported", what, regex);
}

/* One step of the translation at *p; advances it. */
static ap_status translate_one(const char *regex, const char **p, bool *in_set, const char *place, struct ap_buf *out,
                               struct ap_err *err)
{
    const char *at = *p;
    if (*at == '\\' && at[1]) {
        const char *as = translate_escape(at[1], *in_set);
        if (as && !*as)
            return unsupported(regex, place, "an escape", err);
        if (as)
            ap__buf_puts(out, as);
        else
            ap__buf_add(out, at, 2);
        *p += 2;
        return AP_OK;
    }
    if (*in_set && (ap__starts_with(at, "&&") || (*at == '[' && at[1] != ':')))
        return unsupported(regex, place, "a set in a set", err);
    if (*in_set && ap__starts_with(at, "[:")) { /* a POSIX class: its end is not the set's */
        const char *end = strstr(at, ":]");
        if (!end)
            return unsupported(regex, place, "an unclosed class", err);
        ap__buf_add(out, at, (size_t)(end + 2 - at));
        *p = end + 2;
        return AP_OK;
    }
    if (*at == '[' || *at == ']')
        *in_set = *at == '[';
    ap__buf_putc(out, *at);
    *p += 1;
    return AP_OK;
}

static ap_status translate(const char *regex, const char *place, struct ap_buf *out, struct ap_err *err)
{
    bool in_set = false;
    for (const char *p = regex; *p;)
        AP_TRY(translate_one(regex, &p, &in_set, place, out, err));
    return out->failed ? ap__fail(err, AP_E_MEMORY, place, "out of memory") : AP_OK;
}

/* pcre: already in PCRE2's syntax; shown: what the file says. */
static ap_status compile(const char *pcre, const char *shown, const char *place, struct ap_pattern **out,
                         struct ap_err *err)
{
    int code = 0;
    PCRE2_SIZE at = 0;
    struct ap_pattern *p = ap__alloc(sizeof *p);
    pcre2_general_context *general = pcre2_general_context_create(pcre_alloc, pcre_free, NULL);
    pcre2_compile_context *context = general ? pcre2_compile_context_create(general) : NULL;
    ap_status status = AP_OK;
    if (!p || !context || !(p->place = ap__strdup(place))) {
        status = ap__fail(err, AP_E_MEMORY, place, "out of memory");
        goto done;
    }
    p->code = pcre2_compile((PCRE2_SPTR)pcre, PCRE2_ZERO_TERMINATED,
                            PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C, &code, &at, context);
    if (!p->code) {
        char why[128] = "";
        pcre2_get_error_message(code, (PCRE2_UCHAR *)why, sizeof why);
        status = ap__fail(err, code == PCRE2_ERROR_HEAP_FAILED || code == 121 ? AP_E_MEMORY : AP_E_FORMAT, place,
                          "the regular expression `%.200s` does not compile: %s", shown, why);
        goto done;
    }
    pcre2_jit_compile(p->code, PCRE2_JIT_COMPLETE); /* without it matching is slower, not different */
    *out = p;
    p = NULL;
done:
    pcre2_compile_context_free(context);
    pcre2_general_context_free(general);
    ap__pattern_free(p);
    return status;
}

ap_status ap__pattern_compile(const char *regex, const char *place, struct ap_pattern **out, struct ap_err *err)
{
    struct ap_buf pcre;
    ap__buf_init(&pcre, 1 << 20);
    ap_status status = translate(regex, place, &pcre, err);
    if (status == AP_OK)
        status = compile(ap__buf_cstr(&pcre), regex, place, out, err);
    ap__buf_deinit(&pcre);
    return status;
}

ap_status ap__pattern_literal(const char *text, const char *place, struct ap_pattern **out, struct ap_err *err)
{
    struct ap_buf pcre;
    ap__buf_init(&pcre, 1 << 20);
    for (const char *p = text; *p; p++) {
        bool plain = (*p & 0x80) || (*p >= '0' && *p <= '9') || (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z');
        if (!plain)
            ap__buf_putc(&pcre, '\\');
        ap__buf_putc(&pcre, *p);
    }
    ap_status status = pcre.failed ? ap__fail(err, AP_E_MEMORY, place, "out of memory")
                                   : compile(ap__buf_cstr(&pcre), text, place, out, err);
    ap__buf_deinit(&pcre);
    return status;
}

ap_status ap__pattern_new(const json_t *spec, const char *place, struct ap_pattern **out, struct ap_err *err)
{
    const char *literal = json_string_value(json_object_get(spec, "String"));
    const char *regex = json_string_value(json_object_get(spec, "Regex"));
    if (literal)
        return ap__pattern_literal(literal, place, out, err);
    if (regex)
        return ap__pattern_compile(regex, place, out, err);
    return ap__fail(err, AP_E_FORMAT, place, "a pattern needs a `String` or a `Regex`");
}

/* ------------------------------------------------------------------ matching */

static ap_status prepare(const struct ap_pattern *p, struct ap_matches *m, struct ap_err *err)
{
    m->n = 0;
    if (m->scratch)
        return AP_OK;
    pcre2_general_context *general = pcre2_general_context_create(pcre_alloc, pcre_free, NULL);
    if (general)
        m->scratch = pcre2_match_data_create(1, general);
    pcre2_general_context_free(general);
    return m->scratch ? AP_OK : ap__fail(err, AP_E_MEMORY, p->place, "out of memory");
}

static ap_status match_failed(const struct ap_pattern *p, int code, struct ap_err *err)
{
    char why[128] = "";
    pcre2_get_error_message(code, (PCRE2_UCHAR *)why, sizeof why);
    return ap__fail(err, code == PCRE2_ERROR_NOMEMORY ? AP_E_MEMORY : AP_E_LIMIT, p->place,
                    "a regular expression gave up on a text: %s", why);
}

ap_status ap__pattern_find(const struct ap_pattern *p, const char *text, size_t len, struct ap_matches *m,
                           struct ap_err *err)
{
    AP_TRY(prepare(p, m, err));
    size_t from = 0, last = SIZE_MAX; /* last: end of the previous match */
    while (from <= len) {
        int code = pcre2_match(p->code, (PCRE2_SPTR)text, len, from, PCRE2_NO_UTF_CHECK, m->scratch, NULL);
        if (code == PCRE2_ERROR_JIT_STACKLIMIT)
            code = pcre2_match(p->code, (PCRE2_SPTR)text, len, from, PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT, m->scratch, NULL);
        if (code == PCRE2_ERROR_NOMATCH)
            break;
        if (code < 0)
            return match_failed(p, code, err);
        const PCRE2_SIZE *at = pcre2_get_ovector_pointer(m->scratch);
        if (at[0] >= at[1] && at[0] == last) { /* an empty match right after a match would repeat for ever */
            int step = from < len ? ap__utf8_len(text + from, len - from) : 1;
            from += (size_t)(step > 0 ? step : 1);
            continue;
        }
        size_t end = at[1] > at[0] ? at[1] : at[0]; /* \K could put the start behind the end */
        AP_TRY(ap__grow((void **)&m->at, &m->cap, m->n + 1, sizeof *m->at, err));
        m->at[m->n++] = (struct ap_piece){(uint32_t)at[0], (uint32_t)(end - at[0])};
        from = last = end;
    }
    return AP_OK;
}
