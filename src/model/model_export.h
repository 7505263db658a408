/* model_export.h - a trained model to the files that other programs load, and the proof that they hold it.
 *
 *     base (as it was held in training) + adapter --write--> hf, gguf: merged     peft, gguf-lora: the adapter
 *                        |                                        |
 *                        |                                     reload
 *                        +-- every weight equal after its dtype's rounding (verify.c)
 *                        +-- logits of sample sequences within what that rounding explains
 *
 * The trained model itself is never merged for the comparison: it computes W x + s B (A x) as in training. */
#ifndef AP_MODEL_EXPORT_H
#define AP_MODEL_EXPORT_H

#include "model/transformer.h"

enum ap_export_format { AP_EXPORT_HF, AP_EXPORT_PEFT, AP_EXPORT_GGUF, AP_EXPORT_GGUF_LORA, AP_EXPORT_FORMATS };
const char *ap__export_format_name(enum ap_export_format format); /* "hf", "peft", "gguf", "gguf-lora" */
bool ap__export_format_read(const char *name, enum ap_export_format *out);
/* "f32", "bf16", "f16", "q8_0": what matrices can be written in. */
bool ap__export_dtype_read(const char *name, enum ap_dtype *out);

/* All strings borrowed. */
struct ap_export {
    enum ap_export_format format;
    const char *base;               /* Hugging Face folder or .gguf file */
    struct ap_model_options held;   /* as it was in training: what is merged into */
    const char *adapter;            /* PEFT folder; NULL: the base alone (hf, gguf) */
    const char *base_name;          /* what peft's config calls the base; NULL: its path */
    bool cast;                      /* matrices in dtype; else as the base's are stored, or BF16 if those are in blocks */
    enum ap_dtype dtype;            /* hf: F32, BF16, F16; gguf: also Q8_0 */
    int64_t shard_bytes;            /* hf, when the base has no shards: ceiling of a file, 0 = 5e9 */
    const char *out;                /* folder (hf, peft) or file */
};

/* AP_E_ARG for what does not fit together (an adapter format without an adapter, a dtype that the format has not).
 * *same_text (may be NULL): as ap__gguf_write_model says, true for the other formats. */
ap_status ap__export_write(const struct ap_export *e, bool *same_text, struct ap_err *err) AP_MUST_CHECK;

/* What a comparison found. */
struct ap_export_check {
    enum ap_dtype dtype;      /* of the written matrices */
    int64_t weights;          /* numbers compared one by one */
    int64_t tokens;           /* positions whose logits were compared */
    double difference, largest; /* the largest difference of two logits; the largest logit of the trained model */
    double error, ceiling;    /* of all logits, |written - trained| / |trained| in the 2-norm; what is still rounding */
    int64_t other_choice;     /* positions where another token is the likeliest */
};
/* Reload e->out and compare with the trained model on n sequences.  A mismatch is AP_E_STATE naming the tensor and
 * its numbers, or the logits; *out is filled as far as it went. */
ap_status ap__export_verify(const struct ap_export *e, const struct ap_seq *seq, int32_t n,
                            struct ap_export_check *out, struct ap_err *err) AP_MUST_CHECK;

/* Base and adapter as in training; for both of the above. */
ap_status ap__export_open_trained(const struct ap_export *e, struct ap_model **out, struct ap_err *err) AP_MUST_CHECK;

#endif
