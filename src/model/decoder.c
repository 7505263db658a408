/* decoder.c - a list of steps over the tokens' texts, then all of them joined.
 *
 *     "_Hello" "_w" "<0xC3>" "<0xB6>" --Replace--> " Hello" " w" ...
 *              --ByteFallback--> " Hello" " w" C3 B6 --Fuse--> one part --Strip--> "Hello w\xC3\xB6"
 */
#include "model/decoder.h"

#include <string.h>

#include "base/text.h"
#include "model/pattern.h"

enum { MAX_STEPS = 32 };

enum step_kind { STEP_BYTE_FALLBACK, STEP_FUSE, STEP_REPLACE, STEP_STRIP, STEP_METASPACE, STEP_NOTHING };

struct step {
    enum step_kind kind;
    struct ap_pattern *pattern; /* REPLACE */
    char *text;                 /* REPLACE: what comes instead; STRIP, METASPACE: the character */
    int64_t start, stop;        /* STRIP: at most so many at either end */
    bool drop_first;            /* METASPACE: the first token's spaces go */
};

struct ap_decoder {
    char *place;
    struct step step[MAX_STEPS];
    int32_t count;
    bool spaced; /* no decoder: tokens are joined by spaces */
};

/* The parts at work. */
struct run {
    struct ap_arena arena; /* texts made by steps */
    struct ap_part *part;
    size_t n;
};

/* ------------------------------------------------------------------ reading the configuration */

static ap_status read_text(struct step *s, const char *text, const char *place, struct ap_err *err)
{
    s->text = ap__strdup(text);
    return s->text ? AP_OK : ap__fail(err, AP_E_MEMORY, place, "out of memory");
}

static ap_status read_replace(const json_t *spec, const char *place, struct step *s, struct ap_err *err)
{
    const char *content = NULL;
    AP_TRY(ap__json_str(spec, "content", place, &content, err));
    AP_TRY(read_text(s, content, place, err));
    return ap__pattern_new(json_object_get(spec, "pattern"), place, &s->pattern, err);
}

static ap_status read_strip(const json_t *spec, const char *place, struct step *s, struct ap_err *err)
{
    const char *content = NULL;
    AP_TRY(ap__json_str(spec, "content", place, &content, err));
    AP_TRY(ap__json_i64(spec, "start", place, &s->start, err));
    AP_TRY(ap__json_i64(spec, "stop", place, &s->stop, err));
    return read_text(s, content, place, err);
}

static ap_status read_metaspace(const json_t *spec, const char *place, struct step *s, struct ap_err *err)
{
    const char *old = ap__json_bool_or(spec, "add_prefix_space", true) ? "always" : "never";
    s->drop_first = strcmp(ap__json_str_or(spec, "prepend_scheme", old), "never") != 0;
    return read_text(s, ap__json_str_or(spec, "replacement", "\xE2\x96\x81"), place, err);
}

static ap_status read_one(struct ap_decoder *d, const json_t *spec, const char *type, bool byte_level,
                          struct ap_err *err)
{
    static const char *const names[] = {"ByteFallback", "Fuse", "Replace", "Strip", "Metaspace", "ByteLevel"};
    struct step *s = &d->step[d->count];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strcmp(type, names[i]) != 0)
            continue;
        *s = (struct step){.kind = (enum step_kind)i};
        if (byte_level != (s->kind == STEP_NOTHING))
            break;
        d->count++; /* from here on freed with the rest */
        switch (s->kind) {
        case STEP_REPLACE: return read_replace(spec, d->place, s, err);
        case STEP_STRIP: return read_strip(spec, d->place, s, err);
        case STEP_METASPACE: return read_metaspace(spec, d->place, s, err);
        case STEP_BYTE_FALLBACK:
        case STEP_FUSE:
        case STEP_NOTHING: return AP_OK;
        }
    }
    return ap__fail(err, AP_E_FORMAT, d->place, "the decoder `%s` is not supported %s a ByteLevel pre-tokenizer", type,
                    byte_level ? "with" : "without");
}

static ap_status read_steps(struct ap_decoder *d, const json_t *spec, bool byte_level, int depth, struct ap_err *err)
{
    const char *type = NULL;
    if (d->count == MAX_STEPS || depth > 8)
        return ap__fail(err, AP_E_TOO_LARGE, d->place, "more than %d decoders", MAX_STEPS);
    AP_TRY(ap__json_str(spec, "type", d->place, &type, err));
    if (strcmp(type, "Sequence") != 0)
        return read_one(d, spec, type, byte_level, err);
    json_t *list = NULL;
    AP_TRY(ap__json_array(spec, "decoders", d->place, &list, err));
    for (size_t i = 0; i < json_array_size(list); i++)
        AP_TRY(read_steps(d, json_array_get(list, i), byte_level, depth + 1, err));
    return AP_OK;
}

ap_status ap__decoder_new(const json_t *spec, const char *place, bool byte_level, struct ap_decoder **out,
                          struct ap_err *err)
{
    struct ap_decoder *d = ap__alloc(sizeof *d);
    if (!d || !(d->place = ap__strdup(place))) {
        ap__free(d);
        return ap__fail(err, AP_E_MEMORY, place, "out of memory");
    }
    ap_status status = AP_OK;
    if (spec && !json_is_null(spec))
        status = read_steps(d, spec, byte_level, 0, err);
    d->spaced = d->count == 0 && !byte_level;
    if (status != AP_OK) {
        ap__decoder_free(d);
        return status;
    }
    *out = d;
    return AP_OK;
}

void ap__decoder_free(struct ap_decoder *d)
{
    if (!d)
        return;
    for (int32_t i = 0; i < d->count; i++) {
        ap__pattern_free(d->step[i].pattern);
        ap__free(d->step[i].text);
    }
    ap__free(d->place);
    ap__free(d);
}

/* ------------------------------------------------------------------ the steps */

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* "<0x0A>" becomes the byte. */
static ap_status run_byte_fallback(struct run *r)
{
    for (size_t i = 0; i < r->n; i++) {
        struct ap_part *p = &r->part[i];
        if (p->len != 6 || memcmp(p->text, "<0x", 3) != 0 || p->text[5] != '>')
            continue;
        int high = hex_digit(p->text[3]), low = hex_digit(p->text[4]);
        char *byte = ap__arena_alloc(&r->arena, 1);
        if (!byte)
            return AP_E_MEMORY;
        if (high >= 0 && low >= 0) {
            *byte = (char)(high << 4 | low);
            *p = (struct ap_part){.text = byte, .len = 1, .raw = true};
        }
    }
    return AP_OK;
}

/* Take over what buf holds as the text of *p. */
static ap_status keep(struct run *r, struct ap_buf *buf, struct ap_part *p)
{
    char *text = buf->failed ? NULL : ap__arena_alloc(&r->arena, buf->len + 1);
    if (text) {
        memcpy(text, ap__buf_cstr(buf), buf->len);
        p->text = text;
        p->len = buf->len;
    }
    return text ? AP_OK : AP_E_MEMORY;
}

static ap_status run_fuse(struct run *r)
{
    struct ap_buf all;
    ap__buf_init(&all, 0);
    for (size_t i = 0; i < r->n; i++)
        ap__buf_add(&all, r->part[i].text, r->part[i].len);
    ap_status status = AP_OK;
    if (r->n > 0) {
        r->part[0].raw = false;
        status = keep(r, &all, &r->part[0]);
        r->n = 1;
    }
    ap__buf_deinit(&all);
    return status;
}

static ap_status replace_in(const struct step *s, struct run *r, struct ap_part *p, struct ap_matches *m,
                            struct ap_err *err)
{
    size_t at = 0;
    if (p->raw || !ap__utf8_valid(p->text, p->len))
        return AP_OK;
    AP_TRY(ap__pattern_find(s->pattern, p->text, p->len, m, err));
    if (m->n == 0)
        return AP_OK;
    struct ap_buf text;
    ap__buf_init(&text, 0);
    for (size_t i = 0; i < m->n; i++) {
        ap__buf_add(&text, p->text + at, m->at[i].start - at);
        ap__buf_puts(&text, s->text);
        at = m->at[i].start + m->at[i].len;
    }
    ap__buf_add(&text, p->text + at, p->len - at);
    ap_status status = keep(r, &text, p);
    ap__buf_deinit(&text);
    return status;
}

static ap_status run_replace(const struct step *s, struct run *r, struct ap_err *err)
{
    struct ap_matches m = {0};
    ap_status status = AP_OK;
    for (size_t i = 0; status == AP_OK && i < r->n; i++)
        status = replace_in(s, r, &r->part[i], &m, err);
    ap__matches_deinit(&m);
    return status;
}

static void run_strip(const struct step *s, struct run *r)
{
    size_t wide = strlen(s->text);
    for (size_t i = 0; i < r->n && wide > 0; i++) {
        struct ap_part *p = &r->part[i];
        for (int64_t k = 0; k < s->start && p->len >= wide && memcmp(p->text, s->text, wide) == 0; k++) {
            p->text += wide;
            p->len -= wide;
        }
        for (int64_t k = 0; k < s->stop && p->len >= wide && memcmp(p->text + p->len - wide, s->text, wide) == 0; k++)
            p->len -= wide;
    }
}

static ap_status run_metaspace(const struct step *s, struct run *r)
{
    size_t wide = strlen(s->text);
    ap_status status = AP_OK;
    for (size_t i = 0; i < r->n && status == AP_OK && wide > 0; i++) {
        struct ap_buf text;
        struct ap_part *p = &r->part[i];
        ap__buf_init(&text, 0);
        for (size_t k = 0; k < p->len;) {
            bool space = p->len - k >= wide && memcmp(p->text + k, s->text, wide) == 0;
            if (!space)
                ap__buf_putc(&text, p->text[k]);
            else if (i > 0 || !s->drop_first)
                ap__buf_putc(&text, ' ');
            k += space ? wide : 1;
        }
        status = keep(r, &text, p);
        ap__buf_deinit(&text);
    }
    return status;
}

static ap_status run_step(const struct step *s, struct run *r, struct ap_err *err)
{
    switch (s->kind) {
    case STEP_BYTE_FALLBACK: return run_byte_fallback(r);
    case STEP_FUSE: return run_fuse(r);
    case STEP_REPLACE: return run_replace(s, r, err);
    case STEP_STRIP: run_strip(s, r); break;
    case STEP_METASPACE: return run_metaspace(s, r);
    case STEP_NOTHING: break;
    }
    return AP_OK;
}

ap_status ap__decoder_run(const struct ap_decoder *d, struct ap_part *part, size_t n, struct ap_buf *out,
                          struct ap_err *err)
{
    struct run r = {.part = part, .n = n};
    ap_status status = AP_OK;
    ap__arena_init(&r.arena, 0);
    for (int32_t i = 0; status == AP_OK && i < d->count; i++)
        status = run_step(&d->step[i], &r, err);
    for (size_t i = 0; i < r.n && status == AP_OK; i++) {
        if (d->spaced && i > 0)
            ap__buf_putc(out, ' ');
        status = ap__buf_add(out, r.part[i].text, r.part[i].len);
    }
    if (status == AP_E_MEMORY || status == AP_E_TOO_LARGE)
        status = ap__fail(err, status, d->place, "no room for the text of %zu tokens", n);
    ap__arena_deinit(&r.arena);
    return status;
}
