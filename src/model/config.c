/* config.c - config.json: read strictly, write as transformers expects it. */
#include "model/config.h"

#include "base/file.h"
#include "base/json.h"
#include "tensor/backend.h"
#include <string.h>

/* A value in an error message, cut to something readable. */
static void describe(const json_t *value, char *out, size_t size)
{
    char *text = json_is_string(value) ? ap__strdup(json_string_value(value)) : ap__json_dump(value);
    snprintf(out, size, "%.80s", text != NULL ? text : "?");
    ap__free(text);
}

static ap_status unsupported(const char *place, const char *key, const json_t *value, const char *only,
                             struct ap_err *err)
{
    char text[96];
    describe(value, text, sizeof text);
    return ap__fail(err, AP_E_FORMAT, place, "`%s` is %s, which is not supported (only %s)", key, text, only);
}

/* Keys that change what the model computes must be absent or have the plain value. */
static ap_status check_plain(const json_t *root, const char *place, struct ap_err *err)
{
    static const char *const must_be_false[] = {"attention_bias", "mlp_bias"};
    static const char *const must_be_absent[] = {"quantization_config", "sliding_window", "num_local_experts",
                                                 "num_experts"};
    const json_t *v = json_object_get(root, "model_type");
    if (!json_is_string(v))
        return ap__fail(err, AP_E_FORMAT, place, "`model_type` is missing or not a string");
    if (strcmp(json_string_value(v), "llama") != 0)
        return unsupported(place, "model_type", v, "llama", err);
    v = json_object_get(root, "hidden_act");
    if (v != NULL && (!json_is_string(v) || strcmp(json_string_value(v), "silu") != 0))
        return unsupported(place, "hidden_act", v, "silu", err);
    for (size_t i = 0; i < sizeof must_be_false / sizeof *must_be_false; i++) {
        v = json_object_get(root, must_be_false[i]);
        if (v != NULL && !json_is_false(v) && !json_is_null(v))
            return unsupported(place, must_be_false[i], v, "false", err);
    }
    for (size_t i = 0; i < sizeof must_be_absent / sizeof *must_be_absent; i++) {
        v = json_object_get(root, must_be_absent[i]);
        if (v != NULL && !json_is_null(v))
            return unsupported(place, must_be_absent[i], v, "null", err);
    }
    return AP_OK;
}

/* RoPE parameters stand in `rope_parameters` (transformers 5) or in `rope_theta` and `rope_scaling`. */
static ap_status read_rope(const json_t *root, const char *place, struct ap_config *c, struct ap_err *err)
{
    static const char *const groups[] = {"rope_parameters", "rope_scaling"};
    c->theta = (float)ap__json_f64_or(root, "rope_theta", 10000.0);
    for (size_t i = 0; i < 2; i++) {
        const json_t *group = json_object_get(root, groups[i]);
        if (group == NULL || json_is_null(group))
            continue;
        const char *type = ap__json_str_or(group, "rope_type", ap__json_str_or(group, "type", "default"));
        if (!json_is_object(group) || strcmp(type, "default") != 0)
            return unsupported(place, groups[i], group, "rope_type default", err);
        c->theta = (float)ap__json_f64_or(group, "rope_theta", (double)c->theta);
    }
    const json_t *part = json_object_get(root, "partial_rotary_factor");
    if (part != NULL && json_number_value(part) != 1.0)
        return unsupported(place, "partial_rotary_factor", part, "1.0", err);
    return AP_OK;
}

static ap_status read_size(const json_t *root, const char *key, const char *place, int64_t otherwise,
                           int32_t *out, struct ap_err *err)
{
    int64_t value = otherwise;
    const json_t *v = json_object_get(root, key);
    if (otherwise < 0 || (v != NULL && !json_is_null(v)))
        AP_TRY(ap__json_i64(root, key, place, &value, err));
    if (value < 1 || value > INT32_MAX)
        return ap__fail(err, AP_E_FORMAT, place, "`%s` must be a positive number, got %lld", key, (long long)value);
    *out = (int32_t)value;
    return AP_OK;
}

/* bos/eos may be a number, a list (the first one counts) or null. */
static int32_t read_token(const json_t *root, const char *key)
{
    const json_t *v = json_object_get(root, key);
    if (json_is_array(v))
        v = json_array_get(v, 0);
    json_int_t id = json_is_integer(v) ? json_integer_value(v) : -1;
    return id >= 0 && id < INT32_MAX ? (int32_t)id : -1;
}

static ap_status read_config(const json_t *root, const char *place, struct ap_config *c, struct ap_err *err)
{
    if (!json_is_object(root))
        return ap__fail(err, AP_E_FORMAT, place, "config.json must hold an object");
    AP_TRY(check_plain(root, place, err));
    AP_TRY(read_rope(root, place, c, err));
    AP_TRY(read_size(root, "hidden_size", place, -1, &c->D, err));
    AP_TRY(read_size(root, "num_hidden_layers", place, -1, &c->L, err));
    AP_TRY(read_size(root, "num_attention_heads", place, -1, &c->H, err));
    AP_TRY(read_size(root, "num_key_value_heads", place, c->H, &c->Hkv, err));
    AP_TRY(read_size(root, "head_dim", place, c->D / c->H > 0 ? c->D / c->H : 1, &c->Dh, err));
    AP_TRY(read_size(root, "intermediate_size", place, -1, &c->F, err));
    AP_TRY(read_size(root, "vocab_size", place, -1, &c->V, err));
    AP_TRY(read_size(root, "max_position_embeddings", place, 2048, &c->max_position, err));
    c->eps = (float)ap__json_f64_or(root, "rms_norm_eps", 1e-6);
    c->tied = ap__json_bool_or(root, "tie_word_embeddings", false);
    c->bos = read_token(root, "bos_token_id");
    c->eos = read_token(root, "eos_token_id");
    return ap__config_check(c, place, err);
}

ap_status ap__config_load(const char *dir, struct ap_config *out, struct ap_err *err)
{
    json_t *root = NULL;
    struct ap_config c = {0};
    char *path = ap__path_join(dir, "config.json");
    ap_status status = path != NULL ? ap__json_load(path, &root, err)
                                    : ap__fail(err, AP_E_MEMORY, dir, "out of memory");
    if (status == AP_OK)
        status = read_config(root, path, &c, err);
    if (status == AP_OK)
        *out = c;
    json_decref(root);
    ap__free(path);
    return status;
}

ap_status ap__config_check(const struct ap_config *c, const char *place, struct ap_err *err)
{
    const struct {
        const char *key;
        int32_t value, max;
    } sizes[] = {{"hidden_size", c->D, 1 << 16},
                 {"num_hidden_layers", c->L, 1 << 10},
                 {"num_attention_heads", c->H, 1 << 10},
                 {"num_key_value_heads", c->Hkv, 1 << 10},
                 {"head_dim", c->Dh, AP_MAX_HEAD_WIDTH},
                 {"intermediate_size", c->F, 1 << 18},
                 {"vocab_size", c->V, 1 << 21},
                 {"max_position_embeddings", c->max_position, 1 << 24}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        if (sizes[i].value < 1 || sizes[i].value > sizes[i].max)
            return ap__fail(err, AP_E_FORMAT, place, "`%s` must be from 1 to %d, got %d", sizes[i].key, sizes[i].max,
                            sizes[i].value);
    if (c->H % c->Hkv != 0)
        return ap__fail(err, AP_E_FORMAT, place,
                        "`num_attention_heads` (%d) must be a multiple of `num_key_value_heads` (%d)", c->H, c->Hkv);
    if (c->Dh % 2 != 0)
        return ap__fail(err, AP_E_FORMAT, place, "`head_dim` must be even for RoPE, got %d", c->Dh);
    if (!(c->theta > 0.0f) || !(c->eps > 0.0f))
        return ap__fail(err, AP_E_FORMAT, place, "`rope_theta` and `rms_norm_eps` must be positive");
    return AP_OK;
}

int64_t ap__config_parameters(const struct ap_config *c)
{
    int64_t D = c->D, q = (int64_t)c->H * c->Dh, kv = (int64_t)c->Hkv * c->Dh;
    int64_t layer = 2 * D + 2 * q * D + 2 * kv * D + 3 * (int64_t)c->F * D;
    return (c->tied ? 1 : 2) * (int64_t)c->V * D + c->L * layer + D;
}

static ap_status add_token(struct ap_buf *b, const char *key, int32_t id)
{
    return id < 0 ? ap__buf_printf(b, "  \"%s\": null,\n", key) : ap__buf_printf(b, "  \"%s\": %d,\n", key, id);
}

ap_status ap__config_save(const struct ap_config *c, const char *dir, enum ap_dtype dtype, struct ap_err *err)
{
    struct ap_buf b;
    ap_status status;
    char *path = ap__path_join(dir, "config.json");
    ap__buf_init(&b, 0);
    /* A failed append marks the buffer; it is checked once below. */
    (void)ap__buf_puts(&b, "{\n  \"architectures\": [\"LlamaForCausalLM\"],\n  \"model_type\": \"llama\",\n");
    (void)ap__buf_puts(&b, "  \"attention_bias\": false,\n  \"mlp_bias\": false,\n  \"hidden_act\": \"silu\",\n");
    (void)add_token(&b, "bos_token_id", c->bos);
    (void)add_token(&b, "eos_token_id", c->eos);
    (void)ap__buf_printf(&b, "  \"hidden_size\": %d,\n  \"intermediate_size\": %d,\n  \"head_dim\": %d,\n", c->D, c->F,
                         c->Dh);
    (void)ap__buf_printf(&b,
                         "  \"num_hidden_layers\": %d,\n  \"num_attention_heads\": %d,\n"
                         "  \"num_key_value_heads\": %d,\n  \"vocab_size\": %d,\n",
                         c->L, c->H, c->Hkv, c->V);
    (void)ap__buf_printf(&b, "  \"max_position_embeddings\": %d,\n  \"rms_norm_eps\": %.9g,\n  \"rope_theta\": %.9g,\n",
                         c->max_position, (double)c->eps, (double)c->theta);
    (void)ap__buf_printf(&b, "  \"tie_word_embeddings\": %s,\n  \"torch_dtype\": \"%s\"\n}\n",
                         c->tied ? "true" : "false", dtype == AP_BF16 ? "bfloat16" : "float32");
    status = path == NULL || b.failed ? ap__fail(err, AP_E_MEMORY, dir, "out of memory")
                                      : ap__file_write(path, b.data, b.len, err);
    ap__buf_deinit(&b);
    ap__free(path);
    return status;
}
