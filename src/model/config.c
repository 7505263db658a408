/* config.c - config.json: read strictly, write as transformers expects it. */
#include "model/config.h"

#include "base/file.h"
#include "tensor/backend.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Names, and what transformers takes for keys that are absent. */
static const struct {
    const char *type, *architecture;
    int32_t kv_heads, head_width, max_position; /* 0 = from the other sizes */
} families[AP_FAMILY_COUNT] = {
    [AP_LLAMA] = {"llama", "LlamaForCausalLM", 0, 0, 2048},
    [AP_MISTRAL] = {"mistral", "MistralForCausalLM", 8, 0, 131072},
    [AP_QWEN2] = {"qwen2", "Qwen2ForCausalLM", 32, 0, 32768},
    [AP_QWEN3] = {"qwen3", "Qwen3ForCausalLM", 32, 128, 32768},
};
enum { DEFAULT_WINDOW = 4096, DEFAULT_WINDOW_FROM = 28 }; /* of mistral and the qwens */

const char *ap__family_name(enum ap_family family)
{
    return (unsigned)family < AP_FAMILY_COUNT ? families[family].type : "?";
}

float ap__attention_scale(const struct ap_config *c)
{
    double grown = ap__rope_attention(&c->rope);
    return 1.0f / sqrtf((float)c->Dh) * (float)(grown * grown);
}

/* ---- reading ---- */

/* A value in an error message, cut to something readable. */
static void describe(const json_t *value, char *out, size_t size)
{
    char *text = json_is_string(value) ? ap__strdup(json_string_value(value)) : ap__json_dump(value);
    snprintf(out, size, "%.80s", text != NULL ? text : "?");
    ap__free(text);
}

ap_status ap__config_unsupported(const char *place, const char *key, const json_t *value, const char *only,
                                 struct ap_err *err)
{
    char text[96];
    describe(value, text, sizeof text);
    return ap__fail(err, AP_E_FORMAT, place, "`%s` is %s, which is not supported (only %s)", key, text, only);
}

static ap_status read_family(const json_t *root, const char *place, struct ap_config *c, struct ap_err *err)
{
    const json_t *v = json_object_get(root, "model_type");
    int f = 0;
    if (!json_is_string(v))
        return ap__fail(err, AP_E_FORMAT, place, "`model_type` is missing or not a string");
    while (f < AP_FAMILY_COUNT && strcmp(json_string_value(v), families[f].type) != 0)
        f++;
    c->family = (enum ap_family)f;
    return f < AP_FAMILY_COUNT ? AP_OK
                               : ap__config_unsupported(place, "model_type", v, "llama, mistral, qwen2, qwen3", err);
}

/* true or false; absent and null are false. */
static ap_status read_flag(const json_t *root, const char *key, const char *place, bool *out, struct ap_err *err)
{
    const json_t *v = json_object_get(root, key);
    *out = json_is_true(v);
    return v == NULL || json_is_boolean(v) || json_is_null(v)
               ? AP_OK
               : ap__config_unsupported(place, key, v, "true or false", err);
}

/* Keys that change what the model computes must be absent or have the plain value. */
static ap_status check_plain(const json_t *root, const char *place, struct ap_err *err)
{
    static const char *const must_be_absent[] = {"quantization_config", "num_local_experts", "num_experts"};
    const json_t *v = json_object_get(root, "hidden_act");
    if (v != NULL && (!json_is_string(v) || strcmp(json_string_value(v), "silu") != 0))
        return ap__config_unsupported(place, "hidden_act", v, "silu", err);
    for (size_t i = 0; i < sizeof must_be_absent / sizeof *must_be_absent; i++) {
        v = json_object_get(root, must_be_absent[i]);
        if (v != NULL && !json_is_null(v))
            return ap__config_unsupported(place, must_be_absent[i], v, "null", err);
    }
    return AP_OK;
}

/* A number from 1 on; absent or null is `otherwise`, or a failure when that is 0. */
static ap_status read_size(const json_t *root, const char *key, const char *place, int64_t otherwise,
                           int32_t *out, struct ap_err *err)
{
    int64_t value = otherwise;
    const json_t *v = json_object_get(root, key);
    if (otherwise == 0 || (v != NULL && !json_is_null(v)))
        AP_TRY(ap__json_i64(root, key, place, &value, err));
    if (value < 1 || value > INT32_MAX)
        return ap__fail(err, AP_E_FORMAT, place, "`%s` must be a positive number, got %lld", key, (long long)value);
    *out = (int32_t)value;
    return AP_OK;
}

static ap_status read_sizes(const json_t *root, const char *place, struct ap_config *c, struct ap_err *err)
{
    int32_t kv = families[c->family].kv_heads, width = families[c->family].head_width;
    AP_TRY(read_size(root, "hidden_size", place, 0, &c->D, err));
    AP_TRY(read_size(root, "num_hidden_layers", place, 0, &c->L, err));
    AP_TRY(read_size(root, "num_attention_heads", place, 0, &c->H, err));
    if (kv == 0 || json_is_null(json_object_get(root, "num_key_value_heads")))
        kv = c->H;
    AP_TRY(read_size(root, "num_key_value_heads", place, kv, &c->Hkv, err));
    if (width == 0 || json_is_null(json_object_get(root, "head_dim")))
        width = c->D / c->H > 0 ? c->D / c->H : 1;
    AP_TRY(read_size(root, "head_dim", place, width, &c->Dh, err));
    AP_TRY(read_size(root, "intermediate_size", place, 0, &c->F, err));
    AP_TRY(read_size(root, "vocab_size", place, 0, &c->V, err));
    return read_size(root, "max_position_embeddings", place, families[c->family].max_position, &c->max_position, err);
}

/* `layer_types` says for each layer whether it has the window; those that have it must be the last ones. */
static ap_status read_layer_types(const json_t *list, const char *place, struct ap_config *c, struct ap_err *err)
{
    int32_t full = 0;
    bool windows = false, plain = json_is_array(list) && json_array_size(list) == (size_t)c->L;
    for (size_t l = 0; plain && l < (size_t)c->L; l++) {
        const char *type = json_string_value(json_array_get(list, l));
        bool windowed = type != NULL && strcmp(type, "sliding_attention") == 0;
        plain = windowed || (type != NULL && strcmp(type, "full_attention") == 0 && !windows);
        windows = windows || windowed;
        full += !windowed;
    }
    /* Only the qwens read this key, in the others it must say what they do anyway. */
    bool qwen = c->family == AP_QWEN2 || c->family == AP_QWEN3, fits = qwen || full == (c->window > 0 ? 0 : c->L);
    if (!plain || !fits || (windows && c->window == 0))
        return ap__config_unsupported(place, "layer_types", list,
                                      "full_attention, then sliding_attention as `sliding_window` asks for", err);
    c->window_from = qwen ? full : 0;
    return AP_OK;
}

static ap_status read_window(const json_t *root, const char *place, struct ap_config *c, struct ap_err *err)
{
    const json_t *v = json_object_get(root, "sliding_window"), *types = json_object_get(root, "layer_types");
    bool qwen = c->family == AP_QWEN2 || c->family == AP_QWEN3, used = c->family == AP_MISTRAL;
    if (qwen)
        AP_TRY(read_flag(root, "use_sliding_window", place, &used, err));
    if (c->family == AP_LLAMA && v != NULL && !json_is_null(v))
        return ap__config_unsupported(place, "sliding_window", v, "null in a llama", err);
    if (used && !json_is_null(v))
        AP_TRY(read_size(root, "sliding_window", place, DEFAULT_WINDOW, &c->window, err));
    int64_t from = DEFAULT_WINDOW_FROM;
    v = json_object_get(root, "max_window_layers");
    if (qwen && used && v != NULL)
        AP_TRY(ap__json_i64(root, "max_window_layers", place, &from, err));
    if (from < 0 || from > INT32_MAX)
        return ap__config_unsupported(place, "max_window_layers", v, "a number of layers", err);
    c->window_from = qwen && c->window > 0 ? (int32_t)from : 0;
    return types != NULL && !json_is_null(types) ? read_layer_types(types, place, c, err) : AP_OK;
}

static int32_t token_id(const json_t *v)
{
    json_int_t id = json_is_integer(v) ? json_integer_value(v) : -1;
    return id >= 0 && id < INT32_MAX ? (int32_t)id : -1;
}

/* bos/eos may be a number, a list or null; the first of a list is the one that is used. */
static void read_tokens(const json_t *root, struct ap_config *c)
{
    const json_t *bos = json_object_get(root, "bos_token_id"), *eos = json_object_get(root, "eos_token_id");
    c->bos = token_id(json_is_array(bos) ? json_array_get(bos, 0) : bos);
    c->eos = token_id(json_is_array(eos) ? json_array_get(eos, 0) : eos);
    for (size_t i = 1; i < json_array_size(eos) && c->other_eos_count < AP_MAX_OTHER_EOS; i++)
        if (token_id(json_array_get(eos, i)) >= 0)
            c->other_eos[c->other_eos_count++] = token_id(json_array_get(eos, i));
}

ap_status ap__config_read(const json_t *root, const char *place, struct ap_config *out, struct ap_err *err)
{
    struct ap_config c = {0};
    if (!json_is_object(root))
        return ap__fail(err, AP_E_FORMAT, place, "config.json must hold an object");
    AP_TRY(read_family(root, place, &c, err));
    AP_TRY(check_plain(root, place, err));
    AP_TRY(read_sizes(root, place, &c, err));
    AP_TRY(read_flag(root, "attention_bias", place, &c.attention_bias, err));
    AP_TRY(read_flag(root, "mlp_bias", place, &c.mlp_bias, err));
    AP_TRY(read_window(root, place, &c, err));
    AP_TRY(ap__rope_read(root, place, c.max_position, &c.rope, &c.theta, err));
    c.eps = (float)ap__json_f64_or(root, "rms_norm_eps", 1e-6);
    AP_TRY(read_flag(root, "tie_word_embeddings", place, &c.tied, err));
    read_tokens(root, &c);
    AP_TRY(ap__config_check(&c, place, err));
    *out = c;
    return AP_OK;
}

ap_status ap__config_load(const char *dir, struct ap_config *out, struct ap_err *err)
{
    json_t *root = NULL;
    char *path = ap__path_join(dir, "config.json");
    ap_status status = path != NULL ? ap__json_load(path, &root, err)
                                    : ap__fail(err, AP_E_MEMORY, dir, "out of memory");
    if (status == AP_OK)
        status = ap__config_read(root, path, out, err);
    json_decref(root);
    ap__free(path);
    return status;
}

/* ---- checking ---- */

/* What a family has no keys for cannot be saved, nor was it ever trained so. */
static ap_status check_family(const struct ap_config *c, const char *place, struct ap_err *err)
{
    bool qwen = c->family == AP_QWEN2 || c->family == AP_QWEN3;
    const char *key = NULL;
    if (c->attention_bias && (c->family == AP_MISTRAL || c->family == AP_QWEN2))
        key = "attention_bias";
    else if (c->mlp_bias && c->family != AP_LLAMA)
        key = "mlp_bias";
    else if (c->window != 0 && c->family == AP_LLAMA)
        key = "sliding_window";
    else if (c->window_from != 0 && !qwen)
        key = "max_window_layers";
    if (key != NULL)
        return ap__fail(err, AP_E_FORMAT, place, "`%s` is not supported for `model_type` %s", key,
                        ap__family_name(c->family));
    return AP_OK;
}

ap_status ap__config_check(const struct ap_config *c, const char *place, struct ap_err *err)
{
    const struct {
        const char *key;
        int32_t value, min, max;
    } sizes[] = {{"hidden_size", c->D, 1, 1 << 16},
                 {"num_hidden_layers", c->L, 1, 1 << 10},
                 {"num_attention_heads", c->H, 1, 1 << 10},
                 {"num_key_value_heads", c->Hkv, 1, 1 << 10},
                 {"head_dim", c->Dh, 1, AP_MAX_HEAD_WIDTH},
                 {"intermediate_size", c->F, 1, 1 << 18},
                 {"vocab_size", c->V, 1, 1 << 21},
                 {"max_position_embeddings", c->max_position, 1, 1 << 24},
                 {"sliding_window", c->window, 0, 1 << 24},
                 {"max_window_layers", c->window_from, 0, 1 << 10}};
    if ((unsigned)c->family >= AP_FAMILY_COUNT)
        return ap__fail(err, AP_E_FORMAT, place, "no such `model_type`");
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        if (sizes[i].value < sizes[i].min || sizes[i].value > sizes[i].max)
            return ap__fail(err, AP_E_FORMAT, place, "`%s` must be from %d to %d, got %d", sizes[i].key, sizes[i].min,
                            sizes[i].max, sizes[i].value);
    if (c->H % c->Hkv != 0)
        return ap__fail(err, AP_E_FORMAT, place,
                        "`num_attention_heads` (%d) must be a multiple of `num_key_value_heads` (%d)", c->H, c->Hkv);
    if (c->Dh % 2 != 0)
        return ap__fail(err, AP_E_FORMAT, place, "`head_dim` must be even for RoPE, got %d", c->Dh);
    if (!(c->theta > 1.0f && c->theta < 1e12f) || !(c->eps > 0.0f && c->eps < 1.0f))
        return ap__fail(err, AP_E_FORMAT, place, "`rope_theta` must be above 1 and `rms_norm_eps` between 0 and 1");
    AP_TRY(ap__rope_check(&c->rope, place, err));
    return check_family(c, place, err);
}

int64_t ap__config_parameters(const struct ap_config *c)
{
    int64_t D = c->D, q = (int64_t)c->H * c->Dh, kv = (int64_t)c->Hkv * c->Dh;
    int64_t layer = 2 * D + 2 * q * D + 2 * kv * D + 3 * (int64_t)c->F * D;
    layer += ap__config_qkv_bias(c) ? q + 2 * kv : 0;
    layer += (c->attention_bias ? D : 0) + (c->mlp_bias ? 2 * (int64_t)c->F + D : 0);
    layer += ap__config_qk_norm(c) ? 2 * (int64_t)c->Dh : 0;
    return (c->tied ? 1 : 2) * (int64_t)c->V * D + c->L * layer + D;
}

/* ---- writing: a failed append marks the buffer, which is checked at the end ---- */

static void put_flag(struct ap_buf *b, const char *key, bool value)
{
    (void)ap__buf_printf(b, "  \"%s\": %s,\n", key, value ? "true" : "false");
}

/* min stands for none. */
static void put_count(struct ap_buf *b, const char *key, int32_t value, int32_t min)
{
    if (value <= min)
        (void)ap__buf_printf(b, "  \"%s\": null,\n", key);
    else
        (void)ap__buf_printf(b, "  \"%s\": %d,\n", key, value);
}

/* The shortest decimal that is this float. */
static void put_float(struct ap_buf *b, const char *key, float value)
{
    char text[40];
    int digits = 1;
    do
        snprintf(text, sizeof text, "%.*g", digits, (double)value);
    while (strtof(text, NULL) != value && ++digits <= 9);
    (void)ap__buf_printf(b, "  \"%s\": %s,\n", key, text);
}

static void put_eos(struct ap_buf *b, const struct ap_config *c)
{
    if (c->other_eos_count == 0) {
        put_count(b, "eos_token_id", c->eos, -1);
        return;
    }
    (void)ap__buf_printf(b, "  \"eos_token_id\": [%d", c->eos);
    for (int32_t i = 0; i < c->other_eos_count; i++)
        (void)ap__buf_printf(b, ", %d", c->other_eos[i]);
    (void)ap__buf_puts(b, "],\n");
}

/* What only some families have keys for. */
static void put_family(struct ap_buf *b, const struct ap_config *c)
{
    if (c->family == AP_LLAMA || c->family == AP_QWEN3)
        put_flag(b, "attention_bias", c->attention_bias);
    if (c->family == AP_LLAMA)
        put_flag(b, "mlp_bias", c->mlp_bias);
    else
        put_count(b, "sliding_window", c->window, 0);
    if (c->family == AP_QWEN2 || c->family == AP_QWEN3) {
        put_flag(b, "use_sliding_window", c->window > 0);
        (void)ap__buf_printf(b, "  \"max_window_layers\": %d,\n", c->window > 0 ? c->window_from : c->L);
    }
}

void ap__config_write(const struct ap_config *c, enum ap_dtype dtype, struct ap_buf *b)
{
    static const char *const dtype_name[AP_DTYPE_PLAIN] = {"float32", "bfloat16", "float16"};
    (void)ap__buf_printf(b, "{\n  \"architectures\": [\"%s\"],\n  \"model_type\": \"%s\",\n",
                         families[c->family].architecture, families[c->family].type);
    put_family(b, c);
    (void)ap__buf_puts(b, "  \"hidden_act\": \"silu\",\n");
    put_count(b, "bos_token_id", c->bos, -1);
    put_eos(b, c);
    put_count(b, "hidden_size", c->D, 0);
    put_count(b, "intermediate_size", c->F, 0);
    put_count(b, "head_dim", c->Dh, 0);
    put_count(b, "num_hidden_layers", c->L, 0);
    put_count(b, "num_attention_heads", c->H, 0);
    put_count(b, "num_key_value_heads", c->Hkv, 0);
    put_count(b, "vocab_size", c->V, 0);
    put_count(b, "max_position_embeddings", c->max_position, 0);
    put_float(b, "rms_norm_eps", c->eps);
    put_float(b, "rope_theta", c->theta);
    (void)ap__buf_puts(b, "  \"rope_scaling\": ");
    ap__rope_write(&c->rope, b);
    (void)ap__buf_puts(b, ",\n");
    put_flag(b, "tie_word_embeddings", c->tied);
    (void)ap__buf_printf(b, "  \"torch_dtype\": \"%s\"\n}\n", dtype < AP_DTYPE_PLAIN ? dtype_name[dtype] : "float32");
}

ap_status ap__config_save(const struct ap_config *c, const char *dir, enum ap_dtype dtype, struct ap_err *err)
{
    struct ap_buf b;
    char *path = ap__path_join(dir, "config.json");
    ap__buf_init(&b, 0);
    ap__config_write(c, dtype, &b);
    ap_status status = path == NULL || b.failed ? ap__fail(err, AP_E_MEMORY, dir, "out of memory")
                                                : ap__file_write(path, b.data, b.len, err);
    ap__buf_deinit(&b);
    ap__free(path);
    return status;
}
