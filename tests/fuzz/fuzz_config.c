/* fuzz_config.c - libFuzzer entry: bytes as a config.json.
 *
 *     make fuzz FUZZ=config
 *
 * A configuration that is accepted is sound (ap__config_check), gives finite
 * frequencies, and reads back as it was written. */
#include "model/config.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static bool same(const struct ap_config *a, const struct ap_config *b)
{
    const struct ap_rope *r = &a->rope, *s = &b->rope;
    bool windows = true;
    for (int32_t l = 0; l < a->L; l++)
        windows = windows && ap__layer_window(a, l) == ap__layer_window(b, l);
    return windows && a->family == b->family && a->D == b->D && a->L == b->L && a->H == b->H && a->Hkv == b->Hkv &&
           a->Dh == b->Dh && a->F == b->F && a->V == b->V && a->max_position == b->max_position && a->theta == b->theta &&
           a->eps == b->eps && a->tied == b->tied && a->attention_bias == b->attention_bias && a->mlp_bias == b->mlp_bias &&
           a->bos == b->bos && a->eos == b->eos && a->other_eos_count == b->other_eos_count && r->type == s->type &&
           r->factor == s->factor && r->original_position == s->original_position && r->low_freq == s->low_freq &&
           r->high_freq == s->high_freq && r->beta_fast == s->beta_fast && r->beta_slow == s->beta_slow &&
           r->attention == s->attention && r->exact_ramp == s->exact_ramp;
}

static void check_round_trip(const struct ap_config *c)
{
    struct ap_config back;
    struct ap_err err;
    struct ap_buf text;
    json_t *root = NULL;
    ap__buf_init(&text, 0);
    ap__config_write(c, AP_F32, &text);
    if (ap__json_parse(text.data, text.len, "written", &root, &err) != AP_OK ||
        ap__config_read(root, "written", &back, &err) != AP_OK || !same(c, &back))
        abort();
    json_decref(root);
    ap__buf_deinit(&text);
}

static void check_frequencies(const struct ap_config *c)
{
    float *f = malloc((size_t)c->Dh / 2 * sizeof *f); /* exact, so that the sanitizer sees an overrun */
    ap__rope_frequencies(&c->rope, (double)c->theta, c->Dh, f);
    for (int32_t i = 0; i < c->Dh / 2; i++)
        if (!isfinite(f[i]))
            abort();
    if (!isfinite(ap__attention_scale(c)) || ap__config_parameters(c) < 1)
        abort();
    free(f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    json_t *root = NULL;
    struct ap_config c;
    struct ap_err err;
    if (ap__json_parse((const char *)data, size, "fuzz", &root, &err) != AP_OK)
        return 0;
    if (ap__config_read(root, "fuzz", &c, &err) == AP_OK) {
        if (ap__config_check(&c, "fuzz", &err) != AP_OK)
            abort();
        check_frequencies(&c);
        check_round_trip(&c);
    }
    json_decref(root);
    return 0;
}
