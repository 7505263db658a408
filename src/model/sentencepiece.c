/* sentencepiece.c - reads tokenizer.model.
 *
 *     ModelProto   1 piece (repeated)   { 1 text, 2 score (float), 3 type }
 *                  2 trainer            { 3 model type: 2 is BPE; 40..43 ids of unk, bos, eos, pad }
 *                  3 normalizer         { 3 add_dummy_prefix, 4 remove_extra_whitespaces }
 *
 * A message is a run of fields: key (number << 3 | wire type), value.  Wire
 * types are varint 0, 8 bytes 1, length-delimited 2, 4 bytes 5. */
#include "model/sentencepiece.h"

#include "base/file.h"

#include <string.h>

struct message {
    const uint8_t *at, *end;
};

struct field {
    uint32_t number, wire;
    uint64_t value;       /* varint, or the bits of 4 or 8 bytes */
    struct message bytes; /* length-delimited */
};

static bool take_varint(struct message *m, uint64_t *out)
{
    *out = 0;
    for (int shift = 0; shift < 64 && m->at < m->end; shift += 7) {
        uint8_t byte = *m->at++;
        *out |= (uint64_t)(byte & 127) << shift;
        if (byte < 128)
            return true;
    }
    return false;
}

static bool take_fixed(struct message *m, size_t size, uint64_t *out)
{
    *out = 0;
    if ((size_t)(m->end - m->at) < size)
        return false;
    memcpy(out, m->at, size);
    m->at += size;
    return true;
}

/* The next field; false at a fault. */
static bool take_field(struct message *m, struct field *f)
{
    uint64_t key;
    if (!take_varint(m, &key) || key >> 3 > UINT32_MAX)
        return false;
    f->number = (uint32_t)(key >> 3);
    f->wire = (uint32_t)(key & 7);
    switch (f->wire) {
    case 0: return take_varint(m, &f->value);
    case 1: return take_fixed(m, 8, &f->value);
    case 5: return take_fixed(m, 4, &f->value);
    case 2:
        if (!take_varint(m, &f->value) || f->value > (uint64_t)(m->end - m->at))
            return false;
        f->bytes = (struct message){m->at, m->at + f->value};
        m->at += f->value;
        return true;
    default: return false;
    }
}

static ap_status broken(const char *path, struct ap_err *err)
{
    return ap__fail(err, AP_E_FORMAT, path, "this is no sentencepiece model");
}

static bool read_piece(struct message m, struct ap_listed_token *t)
{
    struct field f;
    float score = 0.0f;
    uint64_t kind = AP_KIND_NORMAL;
    while (m.at < m.end) {
        if (!take_field(&m, &f))
            return false;
        if (f.number == 1 && f.wire == 2) {
            t->text = (const char *)f.bytes.at;
            t->len = (size_t)(f.bytes.end - f.bytes.at);
        } else if (f.number == 2 && f.wire == 5) {
            memcpy(&score, &f.value, sizeof score);
        } else if (f.number == 3 && f.wire == 0) {
            kind = f.value;
        }
    }
    t->score = score == score ? (double)score : 0.0;
    t->kind = (enum ap_token_kind)kind;
    return kind >= AP_KIND_NORMAL && kind <= AP_KIND_BYTE;
}

/* What the file says besides its pieces; counts those. */
struct summary {
    int64_t pieces;
    uint64_t type;
    bool prefix, squeeze;
};

static bool read_options(struct message m, uint32_t number, struct summary *s)
{
    struct field f;
    while (m.at < m.end) {
        if (!take_field(&m, &f))
            return false;
        if (f.wire != 0)
            continue;
        if (number == 2 && f.number == 3)
            s->type = f.value;
        if (number == 3 && f.number == 3)
            s->prefix = f.value != 0;
        if (number == 3 && f.number == 4)
            s->squeeze = f.value != 0;
    }
    return true;
}

static ap_status summarize(struct message m, const char *path, struct summary *s, struct ap_err *err)
{
    struct field f;
    *s = (struct summary){.type = 1, .prefix = true, .squeeze = true};
    while (m.at < m.end) {
        if (!take_field(&m, &f))
            return broken(path, err);
        s->pieces += f.number == 1 && f.wire == 2;
        if ((f.number == 2 || f.number == 3) && f.wire == 2 && !read_options(f.bytes, f.number, s))
            return broken(path, err);
    }
    if (s->type != 2)
        return ap__fail(err, AP_E_FORMAT, path, "sentencepiece models of type %llu are not supported, only BPE (2)",
                        (unsigned long long)s->type);
    if (s->squeeze)
        return ap__fail(err, AP_E_FORMAT, path, "`remove_extra_whitespaces` of sentencepiece is not supported");
    return AP_OK;
}

static ap_status read_pieces(struct message m, const char *path, const struct summary *s, struct ap_token_list *list,
                             struct ap_err *err)
{
    struct field f;
    int32_t n = 0;
    AP_TRY(ap__token_list_init(list, path, s->pieces, err));
    list->space_prefix = s->prefix;
    while (m.at < m.end && take_field(&m, &f)) {
        if (f.number != 1 || f.wire != 2)
            continue;
        if (!read_piece(f.bytes, &list->token[n]))
            return ap__fail(err, AP_E_FORMAT, path, "piece %d is broken", n);
        if (list->token[n].kind == AP_KIND_UNKNOWN)
            list->unk = n;
        n++;
    }
    return AP_OK;
}

ap_status ap__sentencepiece_load(const char *path, json_t **out, struct ap_err *err)
{
    struct ap_map map;
    struct ap_token_list list = {0};
    struct summary s = {0};
    AP_TRY(ap__map_open(path, &map, err));
    struct message all = {map.data, map.data + map.size};
    ap_status status = map.size > 0 ? summarize(all, path, &s, err) : broken(path, err);
    if (status == AP_OK)
        status = read_pieces(all, path, &s, &list, err);
    if (status == AP_OK)
        status = ap__token_list_sentencepiece(&list, out, err);
    ap__token_list_deinit(&list);
    ap__map_close(&map);
    return status;
}
