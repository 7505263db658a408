/* bpe.c - from a piece of text to token ids.
 *
 *     piece --in the vocabulary and sure to be one token?--> id
 *       |
 *       +--> symbols (bytes or characters) in a linked list
 *              heap of possible merges, best rank first, then leftmost
 *              pop, merge the pair, push the two new neighbours, until none is left --> ids
 *
 * A piece may be a whole text (sentencepiece's are).  It is cut where no merge
 * can ever join the two characters that meet, which changes nothing but time.
 *
 * Two hash tables with open addressing: token bytes -> id, and pair of ids ->
 * (rank, id).  A token is "whole" when merging its own text gives itself; that
 * is noted when its text is merged for the first time, and spares common words
 * the merging from then on.  Working it out for all tokens took half of the
 * time that opening a tokenizer takes. */
#include "model/bpe.h"

#include <stdatomic.h>
#include <string.h>

#include "base/rng.h"
#include "base/text.h"
#include "model/bytelevel.h"

enum { MAX_ID = 1 << 24, MAX_MERGES = 1 << 24 };
enum { TOKEN_PRESENT = 1, TOKEN_LITERAL = 2 }; /* literal: not spelled in the byte alphabet */
#define NO_RANK UINT32_MAX

struct token {
    uint32_t at, len; /* in text */
    uint8_t flags;
    _Atomic bool whole; /* found to be whole; the one member that encoding writes, the same value from every thread */
};

struct merge_slot {
    uint64_t pair; /* left << 32 | right */
    uint32_t rank; /* NO_RANK: the slot is free */
    int32_t id;
};

struct ap_bpe {
    char *place;
    bool byte_level, ignore_merges, fuse_unk;
    struct ap_buf text;
    struct token *token; /* (size,) by id */
    int32_t size;
    int32_t *vocab; /* (vocab_mask + 1,) ids, -1 free */
    size_t vocab_mask;
    struct merge_slot *merge; /* (merge_mask + 1,) */
    size_t merge_mask;
    int32_t byte_id[256]; /* byte-level: the token of each byte; else <0x00>..<0xFF> with byte fallback; -1 */
    int32_t unk;          /* or -1 */
    uint64_t *joint;      /* bits (256, JOINT_CHARS): a merge joins a side that ends with this byte to one that begins
                             with a character of this hash; NULL: pieces are not cut */
};
enum { JOINT_CHARS = 4096 };

struct ap_bpe_symbol {
    int32_t id; /* -1: merged away */
    int32_t prev, next;
};

struct ap_bpe_merge {
    uint64_t order; /* rank << 32 | position */
    int32_t id;     /* what the pair becomes */
};

void ap__bpe_scratch_deinit(struct ap_bpe_scratch *s)
{
    ap__free(s->symbol);
    ap__free(s->heap);
    *s = (struct ap_bpe_scratch){0};
}

/* ------------------------------------------------------------------ the tables */

static int32_t vocab_find(const struct ap_bpe *b, const char *text, size_t len, bool literal)
{
    size_t slot = (size_t)ap__hash64(text, len, literal) & b->vocab_mask;
    for (; b->vocab[slot] >= 0; slot = (slot + 1) & b->vocab_mask) {
        const struct token *t = &b->token[b->vocab[slot]];
        if (t->len == len && ((t->flags & TOKEN_LITERAL) != 0) == literal && memcmp(b->text.data + t->at, text, len) == 0)
            return b->vocab[slot];
    }
    return -1;
}

static void vocab_insert(struct ap_bpe *b, int32_t id)
{
    const struct token *t = &b->token[id];
    size_t slot = (size_t)ap__hash64(b->text.data + t->at, t->len, (t->flags & TOKEN_LITERAL) != 0) & b->vocab_mask;
    while (b->vocab[slot] >= 0)
        slot = (slot + 1) & b->vocab_mask;
    b->vocab[slot] = id;
}

/* Where the pair is or would be. */
static struct merge_slot *merge_find(const struct ap_bpe *b, int32_t left, int32_t right)
{
    uint64_t pair = (uint64_t)(uint32_t)left << 32 | (uint32_t)right;
    uint64_t hash = pair * UINT64_C(0x9E3779B97F4A7C15);
    size_t slot = (size_t)(hash ^ hash >> 32) & b->merge_mask;
    while (b->merge[slot].rank != NO_RANK && b->merge[slot].pair != pair)
        slot = (slot + 1) & b->merge_mask;
    return &b->merge[slot];
}

static size_t table_size(size_t entries)
{
    size_t size = 64;
    while (size < 2 * entries)
        size *= 2;
    return size;
}

/* ------------------------------------------------------------------ encoding */

static void heap_push(struct ap_bpe_scratch *s, struct ap_bpe_merge m)
{
    size_t i = s->heap_n++;
    for (; i > 0 && m.order < s->heap[(i - 1) / 2].order; i = (i - 1) / 2)
        s->heap[i] = s->heap[(i - 1) / 2];
    s->heap[i] = m;
}

static struct ap_bpe_merge heap_pop(struct ap_bpe_scratch *s)
{
    struct ap_bpe_merge top = s->heap[0], last = s->heap[--s->heap_n];
    size_t i = 0;
    for (size_t child = 1; child < s->heap_n; child = 2 * i + 1) {
        child += child + 1 < s->heap_n && s->heap[child + 1].order < s->heap[child].order;
        if (last.order <= s->heap[child].order)
            break;
        s->heap[i] = s->heap[child];
        i = child;
    }
    s->heap[i] = last;
    return top;
}

/* Push the merge of symbol `left` with the one after it, if there is one. */
static void consider(const struct ap_bpe *b, struct ap_bpe_scratch *s, int32_t left)
{
    if (left < 0 || s->symbol[left].next < 0)
        return;
    const struct merge_slot *m = merge_find(b, s->symbol[left].id, s->symbol[s->symbol[left].next].id);
    if (m->rank != NO_RANK)
        heap_push(s, (struct ap_bpe_merge){(uint64_t)m->rank << 32 | (uint32_t)left, m->id});
}

static void merge_all(const struct ap_bpe *b, struct ap_bpe_scratch *s, int32_t n)
{
    s->heap_n = 0;
    for (int32_t i = 0; i < n; i++)
        consider(b, s, i);
    while (s->heap_n > 0) {
        struct ap_bpe_merge top = heap_pop(s);
        int32_t left = (int32_t)(uint32_t)top.order, right = s->symbol[left].next;
        if (s->symbol[left].id < 0 || right < 0)
            continue;
        const struct merge_slot *m = merge_find(b, s->symbol[left].id, s->symbol[right].id);
        if (m->rank == NO_RANK || m->id != top.id)
            continue; /* one of the two has become something else */
        int32_t after = s->symbol[right].next;
        s->symbol[left].id = top.id;
        s->symbol[left].next = after;
        s->symbol[right].id = -1;
        if (after >= 0)
            s->symbol[after].prev = left;
        consider(b, s, s->symbol[left].prev);
        consider(b, s, left);
    }
}

static void add_symbol(struct ap_bpe_scratch *s, int32_t *n, int32_t id)
{
    s->symbol[*n] = (struct ap_bpe_symbol){id, *n - 1, *n + 1};
    (*n)++;
}

/* The symbols of one character that is no token: its bytes, or the unknown token. */
static void add_fallback(const struct ap_bpe *b, struct ap_bpe_scratch *s, int32_t *n, const char *bytes, size_t len,
                         bool *unknown)
{
    bool all = !b->byte_level; /* of a byte-level vocabulary a byte itself is missing */
    for (size_t i = 0; i < len; i++)
        all = all && b->byte_id[(uint8_t)bytes[i]] >= 0;
    for (size_t i = 0; all && i < len; i++)
        add_symbol(s, n, b->byte_id[(uint8_t)bytes[i]]);
    if (all || b->unk < 0)
        return;
    if (!(*unknown && b->fuse_unk))
        add_symbol(s, n, b->unk);
    *unknown = true;
}

static int32_t make_symbols(const struct ap_bpe *b, struct ap_bpe_scratch *s, const char *piece, size_t len)
{
    int32_t n = 0;
    bool unknown = false; /* the symbol before is an unknown token */
    for (size_t i = 0; i < len;) {
        int step = b->byte_level ? 1 : ap__utf8_len(piece + i, len - i);
        step = step > 0 ? step : 1;
        int32_t id = b->byte_level ? b->byte_id[(uint8_t)piece[i]] : vocab_find(b, piece + i, (size_t)step, false);
        if (id >= 0) {
            add_symbol(s, &n, id);
            unknown = false;
        } else
            add_fallback(b, s, &n, piece + i, (size_t)step, &unknown);
        i += (size_t)step;
    }
    if (n > 0)
        s->symbol[n - 1].next = -1;
    return n;
}

/* Room for len symbols: each merge pushes two candidates and removes a symbol. */
static ap_status reserve(struct ap_bpe_scratch *s, size_t len, struct ap_err *err)
{
    AP_TRY(ap__grow((void **)&s->symbol, &s->symbol_cap, len + 1, sizeof *s->symbol, err));
    return ap__grow((void **)&s->heap, &s->heap_cap, 3 * len + 1, sizeof *s->heap, err);
}

static ap_status encode_merging(const struct ap_bpe *b, const char *piece, size_t len, struct ap_bpe_scratch *s,
                                struct ap_ids *out, struct ap_err *err)
{
    AP_TRY(reserve(s, len, err));
    int32_t n = make_symbols(b, s, piece, len);
    if (n > 1)
        merge_all(b, s, n);
    for (int32_t i = n > 0 ? 0 : -1; i >= 0; i = s->symbol[i].next)
        AP_TRY(ap__ids_add(out, s->symbol[i].id, err));
    return AP_OK;
}

/* The bit of `joint` for a byte and the character (n bytes) after it. */
static size_t joint_bit(char before, const char *c, size_t n)
{
    uint32_t bits = 0;
    memcpy(&bits, c, n < sizeof bits ? n : sizeof bits);
    return (size_t)(uint8_t)before * JOINT_CHARS + (bits * UINT32_C(0x9E3779B1) >> 20);
}

static bool is_whole(const struct ap_bpe *b, int32_t id)
{
    return id >= 0 && atomic_load_explicit(&b->token[id].whole, memory_order_relaxed);
}

/* The text of token id (-1: of none) has become out's ids from `first` on. */
static void note_whole(const struct ap_bpe *b, int32_t id, const struct ap_ids *out, size_t first)
{
    if (id >= 0 && out->n == first + 1 && out->id[first] == id)
        atomic_store_explicit(&b->token[id].whole, true, memory_order_relaxed);
}

static ap_status encode_part(const struct ap_bpe *b, const char *part, size_t len, struct ap_bpe_scratch *s,
                             struct ap_ids *out, struct ap_err *err)
{
    int32_t id = vocab_find(b, part, len, false);
    size_t first = out->n;
    if (is_whole(b, id))
        return ap__ids_add(out, id, err);
    AP_TRY(encode_merging(b, part, len, s, out, err));
    note_whole(b, id, out, first);
    return AP_OK;
}

/* Part by part, as far as parts cannot join. */
static ap_status encode_parts(const struct ap_bpe *b, const char *piece, size_t len, struct ap_bpe_scratch *s,
                              struct ap_ids *out, struct ap_err *err)
{
    size_t start = 0;
    for (size_t i = 0; i < len;) {
        int step = ap__utf8_len(piece + i, len - i);
        size_t n = step > 0 ? (size_t)step : 1;
        size_t bit = i > start ? joint_bit(piece[i - 1], piece + i, n) : 0;
        if (i > start && !(b->joint[bit / 64] >> bit % 64 & 1)) {
            AP_TRY(encode_part(b, piece + start, i - start, s, out, err));
            start = i;
        }
        i += n;
    }
    return start < len ? encode_part(b, piece + start, len - start, s, out, err) : AP_OK;
}

ap_status ap__bpe_encode(const struct ap_bpe *bpe, const char *piece, size_t len, struct ap_bpe_scratch *s,
                         struct ap_ids *out, struct ap_err *err)
{
    if (len > (size_t)1 << 30)
        return ap__fail(err, AP_E_TOO_LARGE, bpe->place, "a piece of %zu bytes is too long", len);
    int32_t id = vocab_find(bpe, piece, len, false);
    size_t first = out->n;
    if ((id >= 0 && bpe->ignore_merges) || is_whole(bpe, id))
        return ap__ids_add(out, id, err);
    AP_TRY((bpe->joint ? encode_parts : encode_merging)(bpe, piece, len, s, out, err));
    note_whole(bpe, id, out, first);
    return AP_OK;
}

/* ------------------------------------------------------------------ reading the vocabulary */

static ap_status add_token(struct ap_bpe *b, const char *entry, const json_t *value, struct ap_err *err)
{
    int64_t id = json_integer_value(value);
    if (!json_is_integer(value) || id < 0 || id >= b->size)
        return ap__fail(err, AP_E_FORMAT, b->place, "the vocabulary's `%.100s` has no valid id", entry);
    struct token *t = &b->token[id];
    if (t->flags)
        return ap__fail(err, AP_E_FORMAT, b->place, "the vocabulary's `%.100s` shares its id %lld", entry, (long long)id);
    t->at = (uint32_t)b->text.len;
    t->flags = TOKEN_PRESENT;
    if (b->byte_level && !ap__bytelevel_decode(entry, strlen(entry), &b->text))
        t->flags |= TOKEN_LITERAL;
    if (!b->byte_level || t->flags & TOKEN_LITERAL)
        ap__buf_puts(&b->text, entry);
    if (b->text.failed)
        return ap__fail(err, AP_E_MEMORY, b->place, "out of memory for the vocabulary");
    t->len = (uint32_t)(b->text.len - t->at);
    return AP_OK;
}

static ap_status read_vocab(struct ap_bpe *b, const json_t *model, struct ap_err *err)
{
    json_t *vocab = json_object_get(model, "vocab"), *value;
    const char *entry;
    int64_t highest = -1;
    if (!json_is_object(vocab))
        return ap__fail(err, AP_E_FORMAT, b->place, "the model has no `vocab` object");
    json_object_foreach(vocab, entry, value)
        highest = json_integer_value(value) > highest ? json_integer_value(value) : highest;
    if (highest >= MAX_ID)
        return ap__fail(err, AP_E_TOO_LARGE, b->place, "the vocabulary has id %lld; the limit is %d", (long long)highest,
                        MAX_ID - 1);
    size_t slots = table_size(json_object_size(vocab));
    b->size = (int32_t)highest + 1;
    b->token = ap__alloc_array((size_t)b->size, sizeof *b->token);
    b->vocab = ap__alloc_array(slots, sizeof *b->vocab);
    if (!b->token || !b->vocab || ap__buf_putc(&b->text, '\0') != AP_OK) /* text.data is never NULL */
        return ap__fail(err, AP_E_MEMORY, b->place, "out of memory for the vocabulary");
    memset(b->vocab, 0xFF, slots * sizeof *b->vocab);
    b->vocab_mask = slots - 1;
    json_object_foreach(vocab, entry, value)
        AP_TRY(add_token(b, entry, value, err));
    for (int32_t id = 0; id < b->size; id++)
        if (b->token[id].flags)
            vocab_insert(b, id);
    return AP_OK;
}

/* The id of an entry as the file spells it (n bytes); bytes is overwritten, and `failed` when there is no room. */
static int32_t find_entry(const struct ap_bpe *b, const char *entry, size_t n, struct ap_buf *bytes)
{
    ap__buf_clear(bytes);
    bool spelled = b->byte_level && ap__bytelevel_decode(entry, n, bytes);
    return spelled ? vocab_find(b, ap__buf_cstr(bytes), bytes->len, false) : vocab_find(b, entry, n, b->byte_level);
}

/* Whether token `id` is the text of one token and then that of another. */
static bool is_joined(const struct ap_bpe *b, int32_t id, int32_t left, int32_t right)
{
    if (id >= b->size || !b->token[id].flags || b->token[id].flags & TOKEN_LITERAL)
        return false;
    const struct token *t = &b->token[id], *l = &b->token[left], *r = &b->token[right];
    const char *text = b->text.data + t->at;
    return t->len == l->len + r->len && memcmp(text, b->text.data + l->at, l->len) == 0 &&
           memcmp(text + l->len, b->text.data + r->at, r->len) == 0;
}

/* id[0], id[1]: left and right; id[2]: what they merge to, all of them tokens; false otherwise.  Tokens are mostly numbered
 * in the order of merges, so the one after the last id[2] is tried first. */
static bool find_pair(const struct ap_bpe *b, const char *l, size_t l_len, const char *r, size_t r_len,
                      struct ap_buf *bytes, int32_t id[3])
{
    int32_t guess = id[2] + 1;
    id[0] = find_entry(b, l, l_len, bytes);
    id[1] = find_entry(b, r, r_len, bytes);
    if (id[0] < 0 || id[1] < 0)
        return false;
    if (is_joined(b, guess, id[0], id[1])) {
        id[2] = guess;
        return true;
    }
    ap__buf_clear(bytes);
    ap__buf_add(bytes, b->text.data + b->token[id[0]].at, b->token[id[0]].len);
    ap__buf_add(bytes, b->text.data + b->token[id[1]].at, b->token[id[1]].len);
    id[2] = vocab_find(b, ap__buf_cstr(bytes), bytes->len, false);
    return id[2] >= 0;
}

/* A merge is ["left", "right"] or "left right"; files exist whose tokens have spaces themselves, so that every space
 * may be the one between. */
static ap_status add_merge(struct ap_bpe *b, const json_t *item, size_t rank, struct ap_buf *bytes, int32_t id[3],
                           struct ap_err *err)
{
    const char *l = json_string_value(json_array_get(item, 0)), *r = json_string_value(json_array_get(item, 1));
    const char *text = json_string_value(item);
    bool found = json_array_size(item) == 2 && l && r;
    if (found)
        found = find_pair(b, l, strlen(l), r, strlen(r), bytes, id);
    for (const char *space = text ? strchr(text, ' ') : NULL; space && !found; space = strchr(space + 1, ' '))
        found = find_pair(b, text, (size_t)(space - text), space + 1, strlen(space + 1), bytes, id);
    if (bytes->failed)
        return ap__fail(err, AP_E_MEMORY, b->place, "out of memory for the merges");
    if (!found)
        return ap__fail(err, AP_E_FORMAT, b->place, "merge %zu is not a pair of tokens that make a token", rank);
    struct merge_slot *slot = merge_find(b, id[0], id[1]);
    *slot = (struct merge_slot){(uint64_t)(uint32_t)id[0] << 32 | (uint32_t)id[1], (uint32_t)rank, id[2]};
    return AP_OK;
}

static ap_status read_merges(struct ap_bpe *b, const json_t *model, struct ap_err *err)
{
    json_t *list = NULL;
    struct ap_buf bytes;
    ap__buf_init(&bytes, 0);
    AP_TRY(ap__json_array(model, "merges", b->place, &list, err));
    size_t n = json_array_size(list), slots = table_size(n);
    if (n > MAX_MERGES)
        return ap__fail(err, AP_E_TOO_LARGE, b->place, "%zu merges; the limit is %d", n, MAX_MERGES);
    b->merge = ap__alloc_array(slots, sizeof *b->merge);
    if (!b->merge)
        return ap__fail(err, AP_E_MEMORY, b->place, "out of memory for the merges");
    b->merge_mask = slots - 1;
    for (size_t i = 0; i < slots; i++)
        b->merge[i].rank = NO_RANK;
    ap_status status = AP_OK;
    int32_t id[3] = {-1, -1, -1};
    for (size_t i = 0; status == AP_OK && i < n; i++)
        status = add_merge(b, json_array_get(list, i), i, &bytes, id, err);
    ap__buf_deinit(&bytes);
    return status;
}

static void find_byte_tokens(struct ap_bpe *b, bool byte_fallback)
{
    for (int byte = 0; byte < 256; byte++) {
        char name[8] = {(char)byte};
        size_t len = 1;
        if (!b->byte_level)
            len = (size_t)snprintf(name, sizeof name, "<0x%02X>", (unsigned)byte);
        b->byte_id[byte] = b->byte_level || byte_fallback ? vocab_find(b, name, len, false) : -1;
    }
}

static bool is_byte_token(const struct ap_bpe *b, int32_t id)
{
    for (int byte = 0; byte < 256; byte++)
        if (b->byte_id[byte] == id)
            return true;
    return false;
}

/* Unknown tokens that fuse, and merges of bytes, would be seen across a cut. */
static bool may_cut(const struct ap_bpe *b)
{
    bool all_bytes = true;
    for (int byte = 0; byte < 256; byte++)
        all_bytes = all_bytes && b->byte_id[byte] >= 0;
    return !b->byte_level && !b->ignore_merges && (all_bytes || b->unk < 0 || !b->fuse_unk);
}

static ap_status find_joints(struct ap_bpe *b, struct ap_err *err)
{
    if (!may_cut(b))
        return AP_OK;
    b->joint = ap__alloc_array(256 * JOINT_CHARS / 64, sizeof *b->joint);
    if (!b->joint)
        return ap__fail(err, AP_E_MEMORY, b->place, "out of memory for the merges");
    for (size_t slot = 0; slot <= b->merge_mask; slot++) {
        int32_t left = (int32_t)(b->merge[slot].pair >> 32), right = (int32_t)(uint32_t)b->merge[slot].pair;
        if (b->merge[slot].rank == NO_RANK)
            continue;
        const struct token *l = &b->token[left], *r = &b->token[right];
        if (l->len == 0 || r->len == 0 || is_byte_token(b, left) || is_byte_token(b, right)) {
            ap__free(b->joint);
            b->joint = NULL;
            return AP_OK;
        }
        const char *text = b->text.data + r->at;
        int n = ap__utf8_len(text, r->len);
        size_t bit = joint_bit(b->text.data[l->at + l->len - 1], text, n > 0 ? (size_t)n : 1);
        b->joint[bit / 64] |= UINT64_C(1) << bit % 64;
    }
    return AP_OK;
}

/* What this program does not do must not be in the file. */
static ap_status check_options(const json_t *model, const char *place, struct ap_err *err)
{
    static const char *const affix[] = {"continuing_subword_prefix", "end_of_word_suffix"};
    const char *type = ap__json_str_or(model, "type", "BPE");
    if (strcmp(type, "BPE") != 0)
        return ap__fail(err, AP_E_FORMAT, place, "the tokenizer model `%s` is not supported, only BPE", type);
    if (ap__json_f64_or(model, "dropout", 0.0) > 0.0)
        return ap__fail(err, AP_E_FORMAT, place, "BPE `dropout` is not supported");
    for (int i = 0; i < 2; i++)
        if (*ap__json_str_or(model, affix[i], ""))
            return ap__fail(err, AP_E_FORMAT, place, "BPE `%s` is not supported", affix[i]);
    return AP_OK;
}

static ap_status read_model(struct ap_bpe *b, const json_t *model, struct ap_err *err)
{
    AP_TRY(check_options(model, b->place, err));
    AP_TRY(read_vocab(b, model, err));
    AP_TRY(read_merges(b, model, err));
    const char *unk = ap__json_str_or(model, "unk_token", NULL);
    b->unk = unk ? ap__bpe_id(b, unk) : -1;
    b->fuse_unk = ap__json_bool_or(model, "fuse_unk", false);
    b->ignore_merges = ap__json_bool_or(model, "ignore_merges", false);
    find_byte_tokens(b, ap__json_bool_or(model, "byte_fallback", false));
    return find_joints(b, err);
}

ap_status ap__bpe_new(const json_t *model, const char *place, bool byte_level, struct ap_bpe **out,
                      struct ap_err *err)
{
    struct ap_bpe *b = ap__alloc(sizeof *b);
    if (!b || !(b->place = ap__strdup(place))) {
        ap__free(b);
        return ap__fail(err, AP_E_MEMORY, place, "out of memory");
    }
    ap__buf_init(&b->text, 0);
    b->byte_level = byte_level;
    ap_status status = read_model(b, model, err);
    if (status != AP_OK) {
        ap__bpe_free(b);
        return status;
    }
    *out = b;
    return AP_OK;
}

void ap__bpe_free(struct ap_bpe *b)
{
    if (!b)
        return;
    ap__buf_deinit(&b->text);
    ap__free(b->token);
    ap__free(b->vocab);
    ap__free(b->joint);
    ap__free(b->merge);
    ap__free(b->place);
    ap__free(b);
}

/* ------------------------------------------------------------------ looking things up */

int32_t ap__bpe_byte(const struct ap_bpe *b, uint8_t byte)
{
    return b->byte_id[byte] >= 0 ? b->byte_id[byte] : b->unk;
}

int32_t ap__bpe_size(const struct ap_bpe *b)
{
    return b->size;
}

int32_t ap__bpe_id(const struct ap_bpe *b, const char *entry)
{
    struct ap_buf bytes;
    ap__buf_init(&bytes, 0);
    int32_t id = find_entry(b, entry, strlen(entry), &bytes);
    ap__buf_deinit(&bytes);
    return id;
}

const char *ap__bpe_text(const struct ap_bpe *b, int32_t id, size_t *len)
{
    if (id < 0 || id >= b->size || !b->token[id].flags)
        return NULL;
    *len = b->token[id].len;
    return b->text.data + b->token[id].at;
}
