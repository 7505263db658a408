/* tokenizer.h - Hugging Face tokenizer.json with BPE, byte-level or with byte fallback.
 *
 *     text -> added tokens -> normalizer -> pre-tokenizer pieces -> BPE -> ids
 *
 * Immutable after opening; safe to share between threads. */
#ifndef AP_TOKENIZER_H
#define AP_TOKENIZER_H

#include "base/alloc.h"

struct ap_tokenizer;

/* path: a model folder, a tokenizer.json or a .gguf file (tokenizer_files.h). */
ap_status ap__tokenizer_open(const char *path, struct ap_tokenizer **out, struct ap_err *err) AP_MUST_CHECK;
void ap__tokenizer_free(struct ap_tokenizer *tok);

struct ap_ids {
    int32_t *id; /* (n,) */
    size_t n, cap;
};
void ap__ids_deinit(struct ap_ids *ids);
ap_status ap__ids_add(struct ap_ids *ids, int32_t id, struct ap_err *err) AP_MUST_CHECK;

/* Append the ids of text (len bytes, any bytes).  specials: recognise added tokens
 * marked special in the text (trusted text only); false: such text is encoded as plain characters. */
ap_status ap__tokenizer_encode(const struct ap_tokenizer *tok, const char *text, size_t len, bool specials,
                               struct ap_ids *out, struct ap_err *err) AP_MUST_CHECK;
/* The pieces that text (valid UTF-8, no added tokens) is cut into before BPE; overwrites *out. */
struct ap_pieces;
ap_status ap__tokenizer_cut(const struct ap_tokenizer *tok, const char *text, size_t len, struct ap_pieces *out,
                            struct ap_err *err) AP_MUST_CHECK;
/* Append the text of n ids; special tokens are skipped unless `specials`. */
ap_status ap__tokenizer_decode(const struct ap_tokenizer *tok, const int32_t *id, size_t n, bool specials,
                               struct ap_buf *out, struct ap_err *err) AP_MUST_CHECK;
int32_t ap__tokenizer_size(const struct ap_tokenizer *tok);              /* highest id + 1 */
int32_t ap__tokenizer_id(const struct ap_tokenizer *tok, const char *token); /* exact vocabulary entry or -1 */

#endif
