/* peft_config.h - PEFT's adapter_config.json: which linears get factors of which rank and scale.
 *
 *     target_modules, exclude_modules, layers_to_transform   -> which linears of which layers
 *     r, rank_pattern, lora_alpha, alpha_pattern, use_rslora -> rank and scale of each
 *
 * Read as PEFT reads it.  Keys that make something else of an adapter (DoRA, trained biases, saved modules,
 * initialisations that change the base, ...) are refused with their value; others are ignored. */
#ifndef AP_PEFT_CONFIG_H
#define AP_PEFT_CONFIG_H

#include "model/lora.h"

struct ap_peft_config {
    struct ap_lora_shape *shape; /* (L, 7); ap__free it */
    float alpha;                 /* lora_alpha */
    bool stabilised;             /* use_rslora */
};

/* For an adapter of model m. */
ap_status ap__peft_config_read(const char *path, const struct ap_model *m, struct ap_peft_config *out,
                               struct ap_err *err) AP_MUST_CHECK;
/* m's adapter; base_name: what it belongs to, may be NULL. */
ap_status ap__peft_config_write(const struct ap_model *m, const char *path, const char *base_name,
                                struct ap_err *err) AP_MUST_CHECK;

#endif
