/* bpe.h - byte-pair encoding: a vocabulary, ranked merges, and the pieces' ids.
 *
 * Tokens are held as plain bytes: a byte-level vocabulary is turned back from
 * its alphabet when it is read.  Immutable; the scratch is the caller's. */
#ifndef AP_BPE_H
#define AP_BPE_H

#include "base/json.h"
#include "model/ids.h"

struct ap_bpe;

/* Room for one piece's symbols. Zero-initialise. */
struct ap_bpe_scratch {
    struct ap_bpe_symbol *symbol;
    struct ap_bpe_merge *heap;
    size_t symbol_cap, heap_n, heap_cap;
};
void ap__bpe_scratch_deinit(struct ap_bpe_scratch *s);

/* model: the `model` object of a tokenizer.json; place names the file. */
ap_status ap__bpe_new(const json_t *model, const char *place, bool byte_level, struct ap_bpe **out,
                      struct ap_err *err) AP_MUST_CHECK;
void ap__bpe_free(struct ap_bpe *bpe);

/* Append the ids of one piece. Byte-level: any bytes; else valid UTF-8. What has no token is the unknown token, or
 * nothing where the model has none. */
ap_status ap__bpe_encode(const struct ap_bpe *bpe, const char *piece, size_t len, struct ap_bpe_scratch *s,
                         struct ap_ids *out, struct ap_err *err) AP_MUST_CHECK;
/* The token of a single byte, the unknown token, or -1. */
int32_t ap__bpe_byte(const struct ap_bpe *bpe, uint8_t byte);

int32_t ap__bpe_size(const struct ap_bpe *bpe);                      /* highest id + 1 */
int32_t ap__bpe_id(const struct ap_bpe *bpe, const char *entry);     /* as the file spells it; -1 when absent */
/* Bytes of a token, not NUL-terminated; NULL when there is no such id. */
const char *ap__bpe_text(const struct ap_bpe *bpe, int32_t id, size_t *len);

#endif
