/* transformer.h - a Llama-architecture decoder over packed token trees.
 *
 *     ids -> embedding -> L x [ rmsnorm, q/k/v, rope, tree attention, o, + ; rmsnorm, swiglu, + ]
 *         -> rmsnorm -> log-probs at trained rows only
 *
 * forward keeps what backward needs in the step's arena; backward accumulates
 * into the gradients of whatever is trainable (LoRA factors or all weights). */
#ifndef AP_TRANSFORMER_H
#define AP_TRANSFORMER_H

#include "model/config.h" /* struct ap_config: D, L, H, Hkv, Dh, F, V, theta, eps, tied, max_position ... */
#include "tensor/backend.h"
#include "tree/token_tree.h"

enum ap_train_mode { AP_FROZEN, AP_LORA, AP_FULL };

struct ap_lora_config {
    int32_t rank;
    float alpha;
    uint32_t targets; /* bit set of AP_LORA_Q ... AP_LORA_DOWN */
};
enum { AP_LORA_Q = 1, AP_LORA_K = 2, AP_LORA_V = 4, AP_LORA_O = 8, AP_LORA_GATE = 16, AP_LORA_UP = 32,
       AP_LORA_DOWN = 64, AP_LORA_ALL = 127 };

struct ap_model; /* weights (mapped or owned), optional adapter, gradients */

struct ap_model_options {
    bool convert;             /* hold the blocks' matrices in base_dtype rather than as they are stored */
    enum ap_dtype base_dtype;
};
/* What `--base-dtype` says: "f32", "bf16", "int8", "nf4" (scales in 8 bits), "nf4-single" (in f32), NULL = as stored.
 * place names the option or key in the error. */
ap_status ap__base_dtype_read(const char *text, const char *place, struct ap_model_options *out,
                              struct ap_err *err) AP_MUST_CHECK;
/* Open a Hugging Face folder (config.json, *.safetensors) or a .gguf file; frozen, weights mapped where they can be.
 * options NULL: everything as it is stored. */
ap_status ap__model_open(const char *path, const struct ap_model_options *options, struct ap_model **out,
                         struct ap_err *err) AP_MUST_CHECK;
/* A fresh random model (seeded), trainable in full. */
ap_status ap__model_new(const struct ap_config *config, uint64_t seed, struct ap_model **out,
                        struct ap_err *err) AP_MUST_CHECK;
/* Write config.json + model.safetensors (f32 or bf16), an adapter in use merged in.  Each file is replaced atomically. */
ap_status ap__model_save(const struct ap_model *m, const char *dir, enum ap_dtype dtype, struct ap_err *err) AP_MUST_CHECK;
void ap__model_free(struct ap_model *m);
const struct ap_config *ap__model_config(const struct ap_model *m);
int64_t ap__model_parameters(const struct ap_model *m);

/* Make all weights trainable (copies mapped weights) / attach a fresh adapter (A random by seed, B zero). */
ap_status ap__model_train_full(struct ap_model *m, struct ap_err *err) AP_MUST_CHECK;
ap_status ap__model_add_lora(struct ap_model *m, const struct ap_lora_config *lora, uint64_t seed,
                             struct ap_err *err) AP_MUST_CHECK;
/* PEFT folder: adapter_config.json + adapter_model.safetensors (peft_config.h says what of it is supported).  Loaded
 * is also a .gguf file of an adapter. */
ap_status ap__lora_load(struct ap_model *m, const char *dir, struct ap_err *err) AP_MUST_CHECK;
/* How many numbers such an adapter has, and its largest rank; no model is needed. */
ap_status ap__lora_measure(const char *dir, int64_t *numbers, int32_t *rank, struct ap_err *err) AP_MUST_CHECK;
ap_status ap__lora_save(const struct ap_model *m, const char *dir, const char *base_name, struct ap_err *err) AP_MUST_CHECK;
/* With an adapter attached: compute as if it were absent (the DPO reference), or with it. */
void ap__model_use_adapter(struct ap_model *m, bool use);

/* Every trainable tensor, for optimizers and checkpoints. */
struct ap_model_param {
    const char *name; /* borrowed */
    float *w, *g;     /* (n,) values and gradient */
    int64_t n;
    int32_t rows, cols; /* cols 0 for vectors */
    bool hidden;        /* a hidden matrix (Muon) rather than embedding, norm or head */
};
int32_t ap__model_params(struct ap_model *m, struct ap_model_param *out, int32_t cap); /* returns the count */
void ap__model_zero_grad(struct ap_model *m);

/* Trade time for memory in training: forward keeps only what enters each block, backward computes the rest of a
 * block again.  The same gradients bit for bit, in a third more time. */
void ap__model_recompute(struct ap_model *m, bool recompute);

/* Forward over a pack; logp (N,) of its targets.  step arena: activations live there until its reset. */
struct ap_activations; /* what forward keeps; in the arena */
ap_status ap__model_forward(struct ap_model *m, const struct ap_pack *pack, struct ap_arena *step, bool keep,
                            float *logp, struct ap_activations **acts, struct ap_err *err) AP_MUST_CHECK; /* acts: set with keep only */
/* Accumulate gradients for dlogp (N,) = dLoss/dlogp. */
ap_status ap__model_backward(struct ap_model *m, const struct ap_pack *pack, struct ap_activations *acts,
                             const float *dlogp, struct ap_arena *step, struct ap_err *err) AP_MUST_CHECK;

/* Training in parts that share a beginning of P tokens, the trunk: it passes forward once, then every part forward
 * and backward, then the trunk backward.  Each part's pack contains the trunk as its first segment, of exactly P rows
 * (give the trunk to ap__pack_build as one more sequence), predicts nothing from it, and has at most `most` rows
 * behind it.  The trunk and what its backward needs live in the arena; parts are made behind it and released. */
struct ap_trunk;
ap_status ap__model_trunk(struct ap_model *m, const int32_t *token, int32_t P, int32_t most, struct ap_arena *step,
                          struct ap_trunk **out, struct ap_err *err) AP_MUST_CHECK;
ap_status ap__model_forward_on(struct ap_model *m, const struct ap_trunk *trunk, const struct ap_pack *pack,
                               struct ap_arena *step, bool keep, float *logp, struct ap_activations **acts,
                               struct ap_err *err) AP_MUST_CHECK; /* trunk NULL: as ap__model_forward */
const struct ap_pack *ap__trunk_pack(const struct ap_trunk *trunk); /* its rows: one segment, no targets; borrowed */
ap_status ap__model_trunk_backward(struct ap_model *m, struct ap_trunk *trunk, struct ap_arena *step,
                                   struct ap_err *err) AP_MUST_CHECK;
/* Full logits (T,V) of a pack, for tests and inspection. */
ap_status ap__model_logits(struct ap_model *m, const struct ap_pack *pack, struct ap_arena *step, float *logits,
                           struct ap_err *err) AP_MUST_CHECK;

#endif
