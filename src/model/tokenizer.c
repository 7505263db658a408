/* tokenizer.c - tokenizer.json put together: text to ids and back.
 *
 *     text "<|user|>Caf\xC3\xA9 \xFF!"
 *       added tokens as written     <|user|> | Caf\xC3\xA9 \xFF!
 *       valid UTF-8, or stray bytes            Caf\xC3\xA9_ | FF | !
 *       normalizer, then added tokens that are looked for in normal form
 *       pre-tokenizer                          Caf\xC3\xA9 | _
 *       BPE                                    ids; stray bytes have tokens of their own
 *
 * The post_processor, truncation and padding of the file are not used: what
 * stands around a text is the template's business. */
#include "model/tokenizer.h"

#include <string.h>

#include "base/text.h"
#include "model/added_tokens.h"
#include "model/bpe.h"
#include "model/decoder.h"
#include "model/normalizer.h"
#include "model/pretokenizer.h"
#include "model/tokenizer_files.h"

struct ap_tokenizer {
    struct ap_normalizer *normalizer;
    struct ap_pretokenizer *pretokenizer;
    struct ap_bpe *bpe;
    struct ap_decoder *decoder;
    struct ap_added added;
    int32_t size;
};

/* ------------------------------------------------------------------ opening */

static ap_status build(struct ap_tokenizer *tok, const json_t *root, const char *place, struct ap_err *err)
{
    AP_TRY(ap__normalizer_new(json_object_get(root, "normalizer"), place, &tok->normalizer, err));
    AP_TRY(ap__pretokenizer_new(json_object_get(root, "pre_tokenizer"), place, &tok->pretokenizer, err));
    bool byte_level = ap__pretokenizer_byte_level(tok->pretokenizer);
    AP_TRY(ap__decoder_new(json_object_get(root, "decoder"), place, byte_level, &tok->decoder, err));
    AP_TRY(ap__bpe_new(json_object_get(root, "model"), place, byte_level, &tok->bpe, err));
    AP_TRY(ap__added_init(&tok->added, json_object_get(root, "added_tokens"), place, tok->normalizer, tok->bpe, err));
    int32_t size = ap__bpe_size(tok->bpe);
    tok->size = tok->added.size > size ? tok->added.size : size;
    return AP_OK;
}

ap_status ap__tokenizer_open(const char *path, struct ap_tokenizer **out, struct ap_err *err)
{
    json_t *root = NULL;
    char *place = NULL;
    struct ap_tokenizer *tok = ap__alloc(sizeof *tok);
    ap_status status = tok ? ap__tokenizer_files_load(path, &root, &place, err)
                           : ap__fail(err, AP_E_MEMORY, path, "out of memory");
    if (status == AP_OK)
        status = build(tok, root, place, err);
    if (status == AP_OK) {
        *out = tok;
        tok = NULL;
    }
    json_decref(root);
    ap__free(place);
    ap__tokenizer_free(tok);
    return status;
}

void ap__tokenizer_free(struct ap_tokenizer *tok)
{
    if (!tok)
        return;
    ap__added_deinit(&tok->added);
    ap__bpe_free(tok->bpe);
    ap__decoder_free(tok->decoder);
    ap__pretokenizer_free(tok->pretokenizer);
    ap__normalizer_free(tok->normalizer);
    ap__free(tok);
}

/* ------------------------------------------------------------------ text to ids */

/* One call's working memory and what it is about. */
struct encoder {
    const struct ap_tokenizer *tok;
    bool specials;
    struct ap_pieces pieces;
    struct ap_bpe_scratch bpe;
    struct ap_buf normal;
    struct ap_ids *out;
};

/* Where a stretch of text stands: at the very beginning; right after bytes that belong to the same text. */
struct where {
    bool first, continues;
};

static ap_status encode_plain(struct encoder *e, const char *text, size_t len, struct where w, struct ap_err *err)
{
    AP_TRY(ap__pretokenizer_cut(e->tok->pretokenizer, text, len, w.first, w.continues, &e->pieces, err));
    for (size_t i = 0; i < e->pieces.n; i++)
        AP_TRY(ap__bpe_encode(e->tok->bpe, e->pieces.text.data + e->pieces.at[i].start, e->pieces.at[i].len, &e->bpe,
                              e->out, err));
    return AP_OK;
}

/* Valid UTF-8 without added tokens of the first kind. */
static ap_status encode_valid(struct encoder *e, const char *text, size_t len, struct where w, struct ap_err *err)
{
    struct ap_added_match m;
    size_t at = 0;
    ap__buf_clear(&e->normal);
    bool trimmed = false;
    AP_TRY(ap__normalizer_apply(e->tok->normalizer, text, len, w.continues, &e->normal, &trimmed, err));
    w.first = w.first && !trimmed;
    const char *normal = ap__buf_cstr(&e->normal);
    while (ap__added_find(&e->tok->added, true, e->specials, normal, e->normal.len, at, &m)) {
        AP_TRY(encode_plain(e, normal + at, m.start - at, w, err));
        AP_TRY(ap__ids_add(e->out, m.id, err));
        at = m.end;
        w = (struct where){0};
    }
    return encode_plain(e, normal + at, e->normal.len - at, w, err);
}

static ap_status encode_stray(struct encoder *e, uint8_t byte, struct ap_err *err)
{
    int32_t id = ap__bpe_byte(e->tok->bpe, byte);
    return id >= 0 ? ap__ids_add(e->out, id, err) : AP_OK;
}

/* Any bytes without added tokens of the first kind. */
static ap_status encode_bytes(struct encoder *e, const char *text, size_t len, struct where w, struct ap_err *err)
{
    for (size_t at = 0; at < len;) {
        size_t end = at;
        for (int n; end < len && (n = ap__utf8_len(text + end, len - end)) > 0;)
            end += (size_t)n;
        if (end > at)
            AP_TRY(encode_valid(e, text + at, end - at, w, err));
        w = (struct where){.continues = true};
        if (end < len)
            AP_TRY(encode_stray(e, (uint8_t)text[end++], err));
        at = end;
    }
    return AP_OK;
}

/* The first place in (start, end) across which no token may be seen; `end` when there is none. */
static size_t apart_within(const struct ap_encode_place *place, size_t start, size_t end)
{
    for (size_t i = 0; i < place->apart_count; i++)
        if (place->apart[i] > start && place->apart[i] < end)
            return place->apart[i];
    return end;
}

/* Normalizing moves bytes, so tokens that are looked for in normal form are kept apart by cutting the text. */
static ap_status encode_between(struct encoder *e, const char *text, size_t start, size_t end, struct where w,
                                const struct ap_encode_place *place, struct ap_err *err)
{
    while (start < end) {
        size_t stop = e->tok->added.any_normalized ? apart_within(place, start, end) : end;
        AP_TRY(encode_bytes(e, text + start, stop - start, w, err));
        w = (struct where){.continues = true};
        start = stop;
    }
    return AP_OK;
}

static ap_status encode_all(struct encoder *e, const char *text, size_t len, const struct ap_encode_place *place,
                            struct ap_err *err)
{
    struct ap_added_match m;
    const struct ap_added *added = &e->tok->added;
    bool inside = place->before >= 0 && !ap__added_get(added, place->before);
    struct where w = {.first = place->before < 0, .continues = inside};
    size_t at = ap__added_swallows(added, place->before, text, len), from = at;
    while (ap__added_find(added, false, e->specials, text, len, from, &m)) {
        size_t apart = apart_within(place, m.start, m.end);
        from = apart < m.end ? apart : m.end;
        if (apart < m.end)
            continue;
        AP_TRY(encode_between(e, text, at, m.start, w, place, err));
        AP_TRY(ap__ids_add(e->out, m.id, err));
        at = m.end;
        w = (struct where){0};
    }
    return encode_between(e, text, at, len, w, place, err);
}

static ap_status encode(const struct ap_tokenizer *tok, const char *text, size_t len, bool specials,
                        const struct ap_encode_place *place, struct ap_ids *out, struct ap_err *err)
{
    struct encoder e = {.tok = tok, .specials = specials, .out = out};
    size_t before = out->n;
    ap__buf_init(&e.normal, 0);
    ap_status status = encode_all(&e, text, len, place, err);
    if (status != AP_OK)
        out->n = before;
    ap__buf_deinit(&e.normal);
    ap__bpe_scratch_deinit(&e.bpe);
    ap__pieces_deinit(&e.pieces);
    return status;
}

ap_status ap__tokenizer_encode(const struct ap_tokenizer *tok, const char *text, size_t len, bool specials,
                               struct ap_ids *out, struct ap_err *err)
{
    return encode(tok, text, len, specials, &(struct ap_encode_place){.before = -1}, out, err);
}

ap_status ap__tokenizer_encode_at(const struct ap_tokenizer *tok, const char *text, size_t len,
                                  const struct ap_encode_place *place, struct ap_ids *out, struct ap_err *err)
{
    return encode(tok, text, len, true, place, out, err);
}

bool ap__tokenizer_find_added(const struct ap_tokenizer *tok, const char *text, size_t len, size_t from,
                              struct ap_added_span *out)
{
    size_t at;
    const struct ap_added_token *t = ap__added_spelled(&tok->added, text, len, from, &at);
    if (!t)
        return false;
    int width = ap__utf8_len(t->content, strlen(t->content));
    *out = (struct ap_added_span){.start = at, .end = at + strlen(t->content), .id = t->id, .special = t->special,
                                  .second = at + (size_t)(width > 0 ? width : 1), .cuts = !t->normalized};
    out->next = out->end + ap__added_swallows(&tok->added, t->id, text + out->end, len - out->end);
    return true;
}

ap_status ap__tokenizer_cut(const struct ap_tokenizer *tok, const char *text, size_t len, struct ap_pieces *out,
                            struct ap_err *err)
{
    struct ap_buf normal;
    bool trimmed = false;
    ap__buf_init(&normal, 0);
    ap_status status = ap__normalizer_apply(tok->normalizer, text, len, false, &normal, &trimmed, err);
    if (status == AP_OK)
        status = ap__pretokenizer_cut(tok->pretokenizer, ap__buf_cstr(&normal), normal.len, !trimmed, false, out, err);
    ap__buf_deinit(&normal);
    return status;
}

/* ------------------------------------------------------------------ ids to text */

ap_status ap__tokenizer_decode(const struct ap_tokenizer *tok, const int32_t *id, size_t n, bool specials,
                               struct ap_buf *out, struct ap_err *err)
{
    struct ap_part *part = ap__alloc_array(n, sizeof *part);
    size_t parts = 0;
    ap_status status = AP_OK;
    if (!part)
        return ap__fail(err, AP_E_MEMORY, NULL, "out of memory for %zu tokens", n);
    for (size_t i = 0; i < n; i++) {
        const struct ap_added_token *added = ap__added_get(&tok->added, id[i]);
        struct ap_part p = {0};
        if (added && added->special && !specials)
            continue;
        p.text = added ? added->pattern : ap__bpe_text(tok->bpe, id[i], &p.len);
        p.len = added ? added->pattern_len : p.len;
        if (!p.text) {
            status = ap__fail(err, AP_E_ARG, NULL, "there is no token %d", id[i]);
            goto done;
        }
        part[parts++] = p;
    }
    status = ap__decoder_run(tok->decoder, part, parts, out, err);
done:
    ap__free(part);
    return status;
}

int32_t ap__tokenizer_size(const struct ap_tokenizer *tok)
{
    return tok->size;
}

int32_t ap__tokenizer_id(const struct ap_tokenizer *tok, const char *token)
{
    for (size_t i = 0; i < tok->added.count; i++)
        if (strcmp(tok->added.token[i].content, token) == 0)
            return tok->added.token[i].id;
    return ap__bpe_id(tok->bpe, token);
}
