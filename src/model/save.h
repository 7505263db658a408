/* save.h - a model to a Hugging Face folder, an adapter in use merged in.
 *
 *     slots --rows at a time: f32, + scale B A--> dtype --> model.safetensors or shards + index --> config.json
 *
 * Nothing is held but a piece of one tensor, however large the model.  Files are replaced atomically. */
#ifndef AP_SAVE_H
#define AP_SAVE_H

#include "model/weights.h"

struct ap_save_options {
    const char *like;      /* a Hugging Face folder whose layout is kept: each tensor's dtype, the shards, config.json;
                              NULL: one dtype, config.json made anew */
    bool cast;             /* all tensors in `dtype`; needed when like is NULL */
    enum ap_dtype dtype;   /* a plain one */
    int64_t shard_bytes;   /* without shards in `like`: tensors per file up to this many bytes; 0 = 5e9 */
};
/* AP_E_ARG when dir is the folder `like`. */
ap_status ap__model_save_as(const struct ap_model *m, const char *dir, const struct ap_save_options *options,
                            struct ap_err *err) AP_MUST_CHECK;

/* Rows first .. first+rows-1 of slot i as f32 (rows, cols), the adapter merged in when it is in use.  A vector is one
 * row.  scratch (cols,). */
void ap__merged_rows(const struct ap_model *m, int32_t i, int32_t first, int32_t rows, float *out, double *scratch);
/* Rows and columns of slot i, a vector being one row. */
void ap__slot_shape(const struct ap_model *m, int32_t i, int32_t *rows, int32_t *cols);

#endif
