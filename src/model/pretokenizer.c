/* pretokenizer.c - a list of cuts, each made within the pieces of the one before.
 *
 *     "I've 2 cats"   ByteLevel           "I" "'ve" " 2" " cats"
 *                     Metaspace           "_I've_2_cats", cut before each "_" when it splits
 *                     Split, Digits, ...  a pattern and what becomes of its matches
 *
 * Every cut is a pattern with a behaviour; only the space before the text and
 * Metaspace's replacement change the text itself.  ByteLevel's alphabet is
 * never written out: the vocabulary is turned into bytes instead. */
#include "model/pretokenizer.h"

#include <string.h>

enum { MAX_STEPS = 64 };
#define TEXT_MAX ((size_t)1 << 30)

#define GPT2_REGEX "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+"

enum behaviour { REMOVED, ISOLATED, MERGED_WITH_PREVIOUS, MERGED_WITH_NEXT, CONTIGUOUS, BEHAVIOURS };
static const char *const behaviour_name[BEHAVIOURS] = {"Removed", "Isolated", "MergedWithPrevious", "MergedWithNext",
                                                       "Contiguous"};

enum step_kind { STEP_CUT, STEP_PREFIX_SPACE, STEP_METASPACE };
enum prefix { PREFIX_NEVER, PREFIX_FIRST, PREFIX_ALWAYS };

struct step {
    enum step_kind kind;
    enum behaviour behaviour;
    bool invert;
    struct ap_pattern *pattern;
    char space[8]; /* STEP_METASPACE: what stands for a space, one character */
    enum prefix prefix;
};

struct ap_pretokenizer {
    char *place;
    struct step step[MAX_STEPS];
    int32_t count;
    bool byte_level;
};

/* ------------------------------------------------------------------ reading the configuration */

static ap_status new_step(struct ap_pretokenizer *p, enum step_kind kind, struct step **out, struct ap_err *err)
{
    if (p->count == MAX_STEPS)
        return ap__fail(err, AP_E_TOO_LARGE, p->place, "more than %d pre-tokenizers", MAX_STEPS);
    *out = &p->step[p->count++];
    **out = (struct step){.kind = kind};
    return AP_OK;
}

static ap_status new_cut(struct ap_pretokenizer *p, const char *regex, enum behaviour behaviour, bool invert,
                         struct ap_err *err)
{
    struct step *s = NULL;
    AP_TRY(new_step(p, STEP_CUT, &s, err));
    s->behaviour = behaviour;
    s->invert = invert;
    return ap__pattern_compile(regex, p->place, &s->pattern, err);
}

static ap_status read_behaviour(const json_t *spec, const char *place, const char *otherwise, enum behaviour *out,
                                struct ap_err *err)
{
    const char *name = ap__json_str_or(spec, "behavior", otherwise);
    for (int i = 0; i < BEHAVIOURS; i++) {
        if (strcmp(name, behaviour_name[i]) == 0) {
            *out = (enum behaviour)i;
            return AP_OK;
        }
    }
    return ap__fail(err, AP_E_FORMAT, place, "the behavior `%s` of a pre-tokenizer is not supported", name);
}

static ap_status read_split(struct ap_pretokenizer *p, const json_t *spec, struct ap_err *err)
{
    struct step *s = NULL;
    AP_TRY(new_step(p, STEP_CUT, &s, err));
    AP_TRY(read_behaviour(spec, p->place, "", &s->behaviour, err));
    s->invert = ap__json_bool_or(spec, "invert", false);
    return ap__pattern_new(json_object_get(spec, "pattern"), p->place, &s->pattern, err);
}

static ap_status read_byte_level(struct ap_pretokenizer *p, const json_t *spec, struct ap_err *err)
{
    struct step *s = NULL;
    p->byte_level = true;
    if (ap__json_bool_or(spec, "add_prefix_space", true))
        AP_TRY(new_step(p, STEP_PREFIX_SPACE, &s, err));
    return ap__json_bool_or(spec, "use_regex", true) ? new_cut(p, GPT2_REGEX, ISOLATED, false, err) : AP_OK;
}

static ap_status read_metaspace(struct ap_pretokenizer *p, const json_t *spec, struct ap_err *err)
{
    const char *space = ap__json_str_or(spec, "replacement", "\xE2\x96\x81");
    /* before `prepend_scheme` there was add_prefix_space: true meant always */
    const char *old = ap__json_bool_or(spec, "add_prefix_space", true) ? "always" : "never";
    const char *scheme = ap__json_str_or(spec, "prepend_scheme", old);
    struct step *s = NULL;
    AP_TRY(new_step(p, STEP_METASPACE, &s, err));
    if (strlen(space) == 0 || strlen(space) > 4)
        return ap__fail(err, AP_E_FORMAT, p->place, "`replacement` of Metaspace must be one character");
    strcpy(s->space, space);
    if (strcmp(scheme, "always") == 0)
        s->prefix = PREFIX_ALWAYS;
    else if (strcmp(scheme, "first") == 0)
        s->prefix = PREFIX_FIRST;
    else if (strcmp(scheme, "never") != 0)
        return ap__fail(err, AP_E_FORMAT, p->place, "`prepend_scheme` of Metaspace is always, first or never, got `%s`",
                        scheme);
    if (!ap__json_bool_or(spec, "split", true))
        return AP_OK;
    AP_TRY(new_step(p, STEP_CUT, &s, err));
    s->behaviour = MERGED_WITH_NEXT;
    return ap__pattern_literal(space, p->place, &s->pattern, err);
}

static ap_status read_one(struct ap_pretokenizer *p, const json_t *spec, const char *type, struct ap_err *err)
{
    enum behaviour behaviour = ISOLATED;
    if (p->byte_level) /* its alphabet would have to be written out for whatever follows */
        return ap__fail(err, AP_E_FORMAT, p->place, "the pre-tokenizer `%s` after ByteLevel is not supported", type);
    if (strcmp(type, "ByteLevel") == 0)
        return read_byte_level(p, spec, err);
    if (strcmp(type, "Metaspace") == 0)
        return read_metaspace(p, spec, err);
    if (strcmp(type, "Split") == 0)
        return read_split(p, spec, err);
    if (strcmp(type, "Digits") == 0)
        return new_cut(p, ap__json_bool_or(spec, "individual_digits", false) ? "\\p{N}" : "\\p{N}+", ISOLATED, false,
                       err);
    if (strcmp(type, "Whitespace") == 0)
        return new_cut(p, "\\w+|[^\\w\\s]+", REMOVED, true, err);
    if (strcmp(type, "WhitespaceSplit") == 0)
        return new_cut(p, "\\s", REMOVED, false, err);
    if (strcmp(type, "Punctuation") == 0) {
        AP_TRY(read_behaviour(spec, p->place, "Isolated", &behaviour, err));
        return new_cut(p, "[!-/:-@\\[-`{-~\\p{P}]", behaviour, false, err);
    }
    return ap__fail(err, AP_E_FORMAT, p->place, "the pre-tokenizer `%s` is not supported", type);
}

static ap_status read_steps(struct ap_pretokenizer *p, const json_t *spec, int depth, struct ap_err *err)
{
    const char *type = NULL;
    if (!spec || json_is_null(spec))
        return AP_OK;
    if (depth > 8)
        return ap__fail(err, AP_E_TOO_LARGE, p->place, "pre-tokenizers nested too deeply");
    AP_TRY(ap__json_str(spec, "type", p->place, &type, err));
    if (strcmp(type, "Sequence") != 0)
        return read_one(p, spec, type, err);
    json_t *list = NULL;
    AP_TRY(ap__json_array(spec, "pretokenizers", p->place, &list, err));
    for (size_t i = 0; i < json_array_size(list); i++)
        AP_TRY(read_steps(p, json_array_get(list, i), depth + 1, err));
    return AP_OK;
}

ap_status ap__pretokenizer_new(const json_t *spec, const char *place, struct ap_pretokenizer **out,
                               struct ap_err *err)
{
    struct ap_pretokenizer *p = ap__alloc(sizeof *p);
    if (!p || !(p->place = ap__strdup(place))) {
        ap__free(p);
        return ap__fail(err, AP_E_MEMORY, place, "out of memory");
    }
    ap_status status = read_steps(p, spec, 0, err);
    if (status != AP_OK) {
        ap__pretokenizer_free(p);
        return status;
    }
    *out = p;
    return AP_OK;
}

void ap__pretokenizer_free(struct ap_pretokenizer *p)
{
    if (!p)
        return;
    for (int32_t i = 0; i < p->count; i++)
        ap__pattern_free(p->step[i].pattern);
    ap__free(p->place);
    ap__free(p);
}

bool ap__pretokenizer_byte_level(const struct ap_pretokenizer *p)
{
    return p->byte_level;
}

/* ------------------------------------------------------------------ cutting */

void ap__pieces_deinit(struct ap_pieces *p)
{
    ap__buf_deinit(&p->text);
    ap__free(p->at);
    ap__free(p->old);
    ap__matches_deinit(&p->matches);
    *p = (struct ap_pieces){0};
}

/* State of one cut: the parts between and in matches arrive in order. */
struct cutter {
    struct ap_pieces *out;
    size_t first;      /* index of the first piece made from the current old piece */
    bool last_matched; /* the part before was a match */
};

static ap_status append(struct ap_pieces *out, uint32_t start, uint32_t len, struct ap_err *err)
{
    AP_TRY(ap__grow((void **)&out->at, &out->cap, out->n + 1, sizeof *out->at, err));
    out->at[out->n++] = (struct ap_piece){start, len};
    return AP_OK;
}

/* One part of the current piece, a match or what lies between matches. */
static ap_status add_part(struct cutter *c, enum behaviour how, uint32_t start, uint32_t len, bool matched,
                          struct ap_err *err)
{
    bool any = c->out->n > c->first, merge = false, was = c->last_matched;
    c->last_matched = matched;
    switch (how) {
    case REMOVED:
        if (matched)
            return AP_OK;
        break;
    case ISOLATED: break;
    case MERGED_WITH_PREVIOUS: merge = any && matched && !was; break;
    case MERGED_WITH_NEXT: merge = any && was && !matched; break;
    case CONTIGUOUS: merge = any && matched == was; break;
    case BEHAVIOURS: break;
    }
    if (merge) {
        c->out->at[c->out->n - 1].len += len;
        return AP_OK;
    }
    return append(c->out, start, len, err);
}

static ap_status cut_piece(const struct step *s, struct ap_pieces *p, struct ap_piece piece, struct ap_err *err)
{
    struct cutter c = {.out = p, .first = p->n};
    uint32_t at = 0;
    AP_TRY(ap__pattern_find(s->pattern, p->text.data + piece.start, piece.len, &p->matches, err));
    for (size_t i = 0; i < p->matches.n; i++) {
        struct ap_piece m = p->matches.at[i];
        if (m.start > at)
            AP_TRY(add_part(&c, s->behaviour, piece.start + at, m.start - at, s->invert, err));
        AP_TRY(add_part(&c, s->behaviour, piece.start + m.start, m.len, !s->invert, err));
        at = m.start + m.len;
    }
    return at < piece.len ? add_part(&c, s->behaviour, piece.start + at, piece.len - at, s->invert, err) : AP_OK;
}

static ap_status cut_all(const struct step *s, struct ap_pieces *p, struct ap_err *err)
{
    struct ap_piece *at = p->old;
    size_t cap = p->old_cap;
    p->old = p->at;
    p->old_n = p->n;
    p->old_cap = p->cap;
    p->at = at;
    p->cap = cap;
    p->n = 0;
    for (size_t i = 0; i < p->old_n; i++)
        AP_TRY(cut_piece(s, p, p->old[i], err));
    size_t kept = 0;
    for (size_t i = 0; i < p->n; i++) /* empty matches have cut, but are no pieces */
        if (p->at[i].len > 0)
            p->at[kept++] = p->at[i];
    p->n = kept;
    return AP_OK;
}

/* Rewrite the text of every piece: spaces become s->space (when it is set), one goes before a piece that wants it. */
static ap_status respace(const struct step *s, struct ap_pieces *p, bool first, bool continues, struct ap_err *err)
{
    const char *space = s->kind == STEP_METASPACE ? s->space : " ";
    struct ap_buf text;
    ap__buf_init(&text, TEXT_MAX);
    for (size_t i = 0; i < p->n; i++) {
        const char *from = p->text.data + p->at[i].start;
        size_t len = p->at[i].len, start = text.len, wide = strlen(space);
        bool has = *from == ' ' || (len >= wide && memcmp(from, space, wide) == 0);
        bool wants = s->kind == STEP_PREFIX_SPACE || s->prefix == PREFIX_ALWAYS ||
                     (s->prefix == PREFIX_FIRST && first && i == 0);
        if (wants && !has && !(continues && i == 0))
            ap__buf_puts(&text, space);
        for (size_t k = 0; k < len; k++)
            if (from[k] == ' ')
                ap__buf_puts(&text, space);
            else
                ap__buf_putc(&text, from[k]);
        p->at[i] = (struct ap_piece){(uint32_t)start, (uint32_t)(text.len - start)};
    }
    if (text.failed) {
        ap__buf_deinit(&text);
        return ap__fail(err, AP_E_TOO_LARGE, NULL, "no room for a text of %zu bytes", p->text.len);
    }
    ap__buf_deinit(&p->text);
    p->text = text;
    return AP_OK;
}

ap_status ap__pretokenizer_cut(const struct ap_pretokenizer *p, const char *text, size_t len, bool first,
                               bool continues, struct ap_pieces *out, struct ap_err *err)
{
    out->n = 0;
    if (len > TEXT_MAX)
        return ap__fail(err, AP_E_TOO_LARGE, NULL, "a text of %zu bytes is too long", len);
    ap__buf_clear(&out->text);
    if (len == 0)
        return AP_OK;
    if (ap__buf_add(&out->text, text, len) != AP_OK)
        return ap__fail(err, AP_E_MEMORY, NULL, "out of memory");
    AP_TRY(append(out, 0, (uint32_t)len, err));
    for (int32_t i = 0; i < p->count; i++) {
        if (p->step[i].kind == STEP_CUT)
            AP_TRY(cut_all(&p->step[i], out, err));
        else
            AP_TRY(respace(&p->step[i], out, first, continues, err));
    }
    return AP_OK;
}
