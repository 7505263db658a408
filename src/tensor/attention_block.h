/* attention_block.h - what attention's two directions share: rows of queries and blocks of keys are packed, what a row must
 * not see is hidden.
 *
 * An item (attention_plan.h) packs its query rows once and takes the keys of each stream in blocks of AP_KEYS, rows in
 * groups that stay in the first cache. */
#ifndef AP_ATTENTION_BLOCK_H
#define AP_ATTENTION_BLOCK_H

#include "tensor/attention_plan.h"
#include "tensor/product.h"

#define AP_MASKED -1e30f /* a score no visible key can have; its power of 2 is 0 */
enum { AP_GROUP = 4 * AP_TILE };

_Static_assert(AP_KEYS % AP_PANEL == 0, "a block of keys is whole panels");
_Static_assert(AP_MAX_HEAD_WIDTH % AP_PANEL == 0, "the widest head is whole panels");
_Static_assert(AP_KEYS * AP_MAX_HEAD_WIDTH <= AP_ITEM_NUMBERS, "a block of keys fits");

AP_INLINE int32_t ap__whole_lanes(int32_t n)
{
    return (n + AP_LANES - 1) / AP_LANES * AP_LANES;
}

/* Visits the rows of an item: row r of the pack is query `query`, head `head`. */
#define AP_FOR_ROWS(plan, piece, pieces, head0)                                                                    \
    for (int32_t p_ = 0, r = 0; p_ < (pieces); p_++)                                                               \
        for (int32_t i_ = 0, query = (piece)[p_].run->q_start + (piece)[p_].from; i_ < (piece)[p_].count;          \
             i_++, query++)                                                                                        \
            for (int32_t head = (head0), end_ = head + (plan)->heads; head < end_; head++, r++)

/* Rows row[i] of src (rows ld apart) as (n, width), zero behind Dh: in place when they
 * stand in a stretch of whole vectors, else copied to dst.  *apart is their distance. */
const float *ap__rows_pack(float *dst, const float *src, size_t ld, const int32_t *row, int32_t n, int32_t Dh,
                           int32_t width, int32_t *apart);
/* dst (Dh, AP_KEYS) = rows row[i] of src as columns, zero up to whole lanes. */
void ap__rows_transpose(float *dst, const float *src, size_t ld, const int32_t *row, int32_t n, int32_t Dh);
/* dst (rows, width) = factor * the item's rows of src (Tq, H*Dh). */
void ap__item_pack(float *dst, const float *src, const struct ap_plan *plan, const struct ap_piece *piece, int32_t pieces,
                   int32_t head0, float factor);
/* position (rows,) of the item's rows, when a window asks for them. */
void ap__item_positions(int32_t *position, const struct ap_plan *plan, const struct ap_piece *piece, int32_t pieces);

/* First row of a stream that sees key `from` of it. */
int32_t ap__first_row(const struct ap_stream *stream, int32_t from, int32_t heads);
/* First key of the stream to be taken: a whole number of blocks, all hidden from all rows, stands before it. */
int32_t ap__first_key(const struct ap_stream *stream, const int32_t *position, int32_t window);
/* Keys among the n from `from` on that the last of some rows sees, and with it the others. */
int32_t ap__keys_seen(const struct ap_stream *stream, int32_t last, int32_t from, int32_t n, int32_t heads);
/* S (rows, AP_KEYS), from row r of the item on: hide what is behind a row's own position or before its window, and the
 * padding.  A row that sees nothing of this block keeps the maximum AP_MASKED; what it adds up until it sees its first key
 * is multiplied by 0 then, and it always sees itself. */
void ap__scores_hide(float *S, const struct ap_plan *plan, const struct ap_stream *stream, const int32_t *position, int32_t r,
                     int32_t rows, int32_t from, int32_t seen);

/* Queries x keys of the whole plan, per head, and how many threads that is worth (at most AP_MAX_THREADS). */
enum { AP_MAX_THREADS = 256 };
double ap__attention_cost(const struct ap_plan *plan);
int32_t ap__attention_threads(const struct ap_plan *plan, double cost);

#endif
