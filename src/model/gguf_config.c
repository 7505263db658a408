/* gguf_config.c - metadata "ARCH.block_count" and so on to a config.json in memory, which config.c reads.
 *
 *     general.architecture   llama (with a window: mistral), qwen2, qwen3
 *     ARCH.*                 sizes, epsilon, rope.freq_base, rope.scaling.*
 *     token_embd.weight      V rows; no output.weight: the head is tied
 *     blk.0.attn_*.bias      biases
 *     rope_freqs.weight      llama3's scaling, already worked out */
#include "model/gguf_config.h"

#include "tensor/backend.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

struct reader {
    const struct ap_gguf *g;
    const char *arch;
    json_t *config;
    struct ap_err *err;
};

/* "ARCH.name" */
static const char *key_of(const struct reader *r, const char *name, char out[128])
{
    snprintf(out, 128, "%s.%s", r->arch, name);
    return out;
}

static ap_status set(const struct reader *r, const char *key, json_t *value)
{
    return json_object_set_new(r->config, key, value) == 0
               ? AP_OK
               : ap__fail(r->err, AP_E_MEMORY, ap__gguf_path(r->g), "out of memory");
}

static ap_status copy_integer(const struct reader *r, const char *name, const char *key, bool required)
{
    char full[128];
    int64_t value = INT64_MIN;
    AP_TRY(ap__gguf_i64(r->g, key_of(r, name, full), required, &value, r->err));
    return value == INT64_MIN ? AP_OK : set(r, key, json_integer(value));
}

static ap_status copy_real(const struct reader *r, const char *name, const char *key, json_t *to, bool required)
{
    char full[128];
    double value = (double)NAN;
    AP_TRY(ap__gguf_f64(r->g, key_of(r, name, full), required, &value, r->err));
    if (!isnan(value) && json_object_set_new(to, key, json_real(value)) != 0)
        return ap__fail(r->err, AP_E_MEMORY, ap__gguf_path(r->g), "out of memory");
    return AP_OK;
}

static bool has_tensor(const struct ap_gguf *g, const char *name)
{
    for (size_t i = 0; i < ap__gguf_count(g); i++)
        if (strcmp(ap__gguf_name(g, i), name) == 0)
            return true;
    return false;
}

/* ------------------------------------------------------------------ the parts */

static ap_status read_sizes(const struct reader *r)
{
    static const struct {
        const char *name, *key;
        bool required;
    } sizes[] = {{"embedding_length", "hidden_size", true},
                 {"block_count", "num_hidden_layers", true},
                 {"feed_forward_length", "intermediate_size", true},
                 {"attention.head_count", "num_attention_heads", true},
                 {"attention.head_count_kv", "num_key_value_heads", false},
                 {"attention.key_length", "head_dim", false},
                 {"context_length", "max_position_embeddings", true}};
    struct ap_tensor_view embedding;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        AP_TRY(copy_integer(r, sizes[i].name, sizes[i].key, sizes[i].required));
    AP_TRY(ap__gguf_get(r->g, "token_embd.weight", &embedding, r->err));
    AP_TRY(set(r, "vocab_size", json_integer(embedding.ndim == 2 ? embedding.shape[0] : 0)));
    AP_TRY(set(r, "tie_word_embeddings", json_boolean(!has_tensor(r->g, "output.weight"))));
    AP_TRY(copy_real(r, "rope.freq_base", "rope_theta", r->config, false));
    return copy_real(r, "attention.layer_norm_rms_epsilon", "rms_norm_eps", r->config, true);
}

/* What config.json calls family, window and biases. */
static ap_status read_family(const struct reader *r)
{
    char key[128];
    int64_t window = 0, experts = 0, key_length = 0, value_length = 0;
    const char *type = r->arch;
    AP_TRY(ap__gguf_i64(r->g, key_of(r, "attention.sliding_window", key), false, &window, r->err));
    AP_TRY(ap__gguf_i64(r->g, key_of(r, "expert_count", key), false, &experts, r->err));
    AP_TRY(ap__gguf_i64(r->g, key_of(r, "attention.key_length", key), false, &key_length, r->err));
    AP_TRY(ap__gguf_i64(r->g, key_of(r, "attention.value_length", key), false, &value_length, r->err));
    if (experts > 0)
        return ap__fail(r->err, AP_E_FORMAT, ap__gguf_path(r->g), "mixtures of experts are not supported");
    if (value_length != key_length && value_length != 0 && key_length != 0)
        return ap__fail(r->err, AP_E_FORMAT, ap__gguf_path(r->g), "keys of %lld and values of %lld numbers are not supported",
                        (long long)key_length, (long long)value_length);
    if (strcmp(type, "llama") == 0 && window > 0) {
        type = "mistral";
        AP_TRY(set(r, "sliding_window", json_integer(window)));
    }
    AP_TRY(set(r, "model_type", json_string(type)));
    if (strcmp(type, "llama") == 0)
        AP_TRY(set(r, "mlp_bias", json_boolean(has_tensor(r->g, "blk.0.ffn_gate.bias"))));
    if (strcmp(type, "llama") == 0 || strcmp(type, "qwen3") == 0)
        AP_TRY(set(r, "attention_bias", json_boolean(has_tensor(r->g, "blk.0.attn_q.bias"))));
    return AP_OK;
}

static ap_status read_end_tokens(const struct reader *r)
{
    int64_t bos = -1, eos = -1;
    AP_TRY(ap__gguf_i64(r->g, "tokenizer.ggml.bos_token_id", false, &bos, r->err));
    AP_TRY(ap__gguf_i64(r->g, "tokenizer.ggml.eos_token_id", false, &eos, r->err));
    AP_TRY(set(r, "bos_token_id", bos >= 0 ? json_integer(bos) : json_null()));
    return set(r, "eos_token_id", eos >= 0 ? json_integer(eos) : json_null());
}

static ap_status read_yarn(const struct reader *r, double factor, json_t *scaling)
{
    double attention = 1.0;
    char key[128];
    AP_TRY(copy_real(r, "rope.scaling.yarn_beta_fast", "beta_fast", scaling, false));
    AP_TRY(copy_real(r, "rope.scaling.yarn_beta_slow", "beta_slow", scaling, false));
    AP_TRY(ap__gguf_f64(r->g, key_of(r, "rope.scaling.attn_factor", key), false, &attention, r->err));
    if (attention != 1.0) /* llama.cpp multiplies it with what the paper has */
        json_object_set_new(scaling, "attention_factor", json_real(attention * (0.1 * log(factor) + 1.0)));
    return AP_OK;
}

/* As in all of Meta's models, unless the file says better. */
static ap_status read_llama3(const struct reader *r, json_t *scaling)
{
    char key[128];
    struct ap_tensor_view view;
    float last = 1.0f;
    int64_t original = 8192;
    AP_TRY(ap__gguf_get(r->g, AP_GGUF_ROPE_FACTORS, &view, r->err));
    if (view.dtype == AP_F32 && view.ndim == 1) /* the slowest frequency is scaled in full */
        memcpy(&last, (const float *)view.data + view.shape[0] - 1, sizeof last);
    json_object_set_new(scaling, "factor", json_real(isfinite(last) ? (double)last : 0.0));
    json_object_set_new(scaling, "low_freq_factor", json_real(1.0));
    json_object_set_new(scaling, "high_freq_factor", json_real(4.0));
    AP_TRY(copy_real(r, AP_GGUF_LLAMA3_FACTOR, "factor", scaling, false));
    AP_TRY(copy_real(r, AP_GGUF_LLAMA3_LOW, "low_freq_factor", scaling, false));
    AP_TRY(copy_real(r, AP_GGUF_LLAMA3_HIGH, "high_freq_factor", scaling, false));
    AP_TRY(ap__gguf_i64(r->g, key_of(r, AP_GGUF_LLAMA3_ORIGINAL, key), false, &original, r->err));
    json_object_set_new(scaling, "original_max_position_embeddings", json_integer(original));
    json_object_set_new(scaling, "rope_type", json_string("llama3"));
    return AP_OK;
}

/* The value of rope_scaling; empty when there is none.  A type that is not given is linear, as in llama.cpp. */
static ap_status read_scaling(const struct reader *r, json_t *scaling)
{
    char key[128];
    const char *type = "linear";
    int64_t original = 0;
    double factor = 1.0;
    if (has_tensor(r->g, AP_GGUF_ROPE_FACTORS))
        return read_llama3(r, scaling);
    AP_TRY(ap__gguf_str(r->g, key_of(r, "rope.scaling.type", key), false, &type, r->err));
    AP_TRY(ap__gguf_f64(r->g, key_of(r, "rope.scaling.factor", key), false, &factor, r->err));
    if (strcmp(type, "none") == 0 || (strcmp(type, "linear") == 0 && (factor == 1.0 || factor == 0.0)))
        return AP_OK;
    json_object_set_new(scaling, "rope_type", json_string(type));
    json_object_set_new(scaling, "factor", json_real(factor));
    if (strcmp(type, "yarn") != 0)
        return AP_OK;
    AP_TRY(ap__gguf_i64(r->g, key_of(r, "rope.scaling.original_context_length", key), false, &original, r->err));
    if (original > 0)
        json_object_set_new(scaling, "original_max_position_embeddings", json_integer(original));
    return read_yarn(r, factor, scaling);
}

/* ------------------------------------------------------------------ llama3's factors */

void ap__gguf_rope_factors(const struct ap_config *c, float *factors)
{
    static const struct ap_rope plain = {0};
    float plain_freq[AP_MAX_HEAD_WIDTH / 2], freq[AP_MAX_HEAD_WIDTH / 2];
    ap__rope_frequencies(&plain, (double)c->theta, c->Dh, plain_freq);
    ap__rope_frequencies(&c->rope, (double)c->theta, c->Dh, freq);
    for (int32_t i = 0; i < c->Dh / 2; i++)
        factors[i] = plain_freq[i] / freq[i];
}

/* The rotary embedding turns heads as a whole. */
static ap_status check_turned(const struct reader *r, const struct ap_config *c)
{
    char key[128];
    int64_t turned = c->Dh;
    AP_TRY(ap__gguf_i64(r->g, key_of(r, "rope.dimension_count", key), false, &turned, r->err));
    return turned == c->Dh ? AP_OK
                           : ap__fail(r->err, AP_E_FORMAT, ap__gguf_path(r->g),
                                      "`%s` is %lld, which is not supported (only the head's %d)", key, (long long)turned,
                                      c->Dh);
}

/* What the metadata let us work out must be what the file has. */
static ap_status check_factors(const struct reader *r, const struct ap_config *c)
{
    float factors[AP_MAX_HEAD_WIDTH / 2];
    struct ap_tensor_view view;
    if (c->rope.type != AP_ROPE_LLAMA3)
        return AP_OK;
    AP_TRY(ap__gguf_get(r->g, AP_GGUF_ROPE_FACTORS, &view, r->err));
    if (view.dtype != AP_F32 || view.ndim != 1 || view.shape[0] != c->Dh / 2)
        return ap__fail(r->err, AP_E_FORMAT, ap__gguf_path(r->g), "`" AP_GGUF_ROPE_FACTORS "` must be %d F32 numbers",
                        c->Dh / 2);
    ap__gguf_rope_factors(c, factors);
    for (int32_t i = 0; i < c->Dh / 2; i++) {
        float stored;
        memcpy(&stored, (const float *)view.data + i, sizeof stored);
        if (!(fabsf(stored - factors[i]) <= 1e-4f * factors[i]))
            return ap__fail(r->err, AP_E_FORMAT, ap__gguf_path(r->g),
                            "`" AP_GGUF_ROPE_FACTORS "` does not scale as Llama 3 does: number %d is %g, not %g", i,
                            (double)stored, (double)factors[i]);
    }
    return AP_OK;
}

/* ------------------------------------------------------------------ all of it */

static ap_status read_all(struct reader *r, json_t *scaling, struct ap_config *out)
{
    AP_TRY(read_sizes(r));
    AP_TRY(read_family(r));
    AP_TRY(read_end_tokens(r));
    AP_TRY(read_scaling(r, scaling));
    if (json_object_size(scaling) > 0)
        AP_TRY(set(r, "rope_scaling", json_incref(scaling)));
    AP_TRY(ap__config_read(r->config, ap__gguf_path(r->g), out, r->err));
    AP_TRY(check_turned(r, out));
    return check_factors(r, out);
}

ap_status ap__gguf_config(const struct ap_gguf *g, struct ap_config *out, struct ap_err *err)
{
    struct reader r = {.g = g, .config = json_object(), .err = err};
    json_t *scaling = json_object();
    ap_status status = r.config && scaling ? ap__gguf_str(g, "general.architecture", true, &r.arch, err)
                                           : ap__fail(err, AP_E_MEMORY, ap__gguf_path(g), "out of memory");
    if (status == AP_OK && strcmp(r.arch, "llama") != 0 && strcmp(r.arch, "qwen2") != 0 && strcmp(r.arch, "qwen3") != 0)
        status = ap__fail(err, AP_E_FORMAT, ap__gguf_path(g),
                          "`general.architecture` is %.60s, which is not supported (only llama, qwen2, qwen3)", r.arch);
    if (status == AP_OK)
        status = read_all(&r, scaling, out);
    json_decref(scaling);
    json_decref(r.config);
    return status;
}
