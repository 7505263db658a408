/* peft_config.c - adapter_config.json to ranks and scales of linears, and back.
 *
 *     refuse what is not plain LoRA -> r, lora_alpha
 *     for each linear of each layer, by its module name "model.layers.0.self_attn.q_proj":
 *         excluded?  targeted?  -> rank and alpha: the first pattern that matches, else r and lora_alpha
 *
 * Names match as in PEFT: in a list a whole name or its end after a dot, a string is a regular expression for
 * the whole name, the keys of rank_pattern and alpha_pattern are regular expressions for its end. */
#include "model/peft_config.h"

#include "base/file.h"
#include "base/json.h"
#include "base/text.h"
#include "model/pattern.h"
#include <math.h>
#include <string.h>

enum { MAX_RANK = 4096, MAX_PATTERNS = 4096 };

/* ---- what is refused ---- */

static bool is_empty(const json_t *v)
{
    return v == NULL || json_is_null(v) || json_is_false(v) || (json_is_object(v) && json_object_size(v) == 0) ||
           (json_is_array(v) && json_array_size(v) == 0) || (json_is_string(v) && json_string_length(v) == 0);
}

static ap_status refuse(const char *place, const char *key, const json_t *value, struct ap_err *err)
{
    char *text = ap__json_dump(value);
    ap_status status = ap__fail(err, AP_E_FORMAT, place, "`%s` is %.120s, which is not supported", key,
                                text != NULL ? text : "set");
    ap__free(text);
    return status;
}

/* Values of init_lora_weights that leave the base as it was; the others (PiSSA, OLoRA, LoftQ, CorDA, LoRA-GA)
 * subtract the first factors from it. */
static bool base_untouched(const json_t *init)
{
    const char *name = json_string_value(init);
    return name == NULL || strcmp(name, "gaussian") == 0 || strcmp(name, "eva") == 0 || strcmp(name, "orthogonal") == 0;
}

static ap_status check_plain(const json_t *root, const char *place, struct ap_err *err)
{
    static const char *const must_be_empty[] = {
        "use_dora",          "modules_to_save",  "fan_in_fan_out",    "lora_bias",    "use_qalora",
        "use_bdlora",        "target_parameters", "layer_replication", "arrow_config", "kasa_config",
        "velora_config",     "monteclora_config", "trainable_token_indices", "alora_invocation_tokens"};
    const json_t *type = json_object_get(root, "peft_type"), *bias = json_object_get(root, "bias");
    const json_t *init = json_object_get(root, "init_lora_weights");
    if (type == NULL)
        return ap__fail(err, AP_E_FORMAT, place, "`peft_type` is missing");
    if (!json_is_string(type) || strcmp(json_string_value(type), "LORA") != 0)
        return refuse(place, "peft_type", type, err);
    if (!is_empty(bias) && !(json_is_string(bias) && strcmp(json_string_value(bias), "none") == 0))
        return refuse(place, "bias", bias, err);
    for (size_t i = 0; i < sizeof must_be_empty / sizeof *must_be_empty; i++) {
        const json_t *v = json_object_get(root, must_be_empty[i]);
        if (!is_empty(v))
            return refuse(place, must_be_empty[i], v, err);
    }
    return base_untouched(init) ? AP_OK : refuse(place, "init_lora_weights", init, err);
}

/* ---- which modules ---- */

/* before + regex + after, anchored on both sides. */
static ap_status compile(const char *before, const char *regex, const char *place, struct ap_pattern **out,
                         struct ap_err *err)
{
    struct ap_buf text;
    ap__buf_init(&text, 0);
    ap_status status = ap__buf_printf(&text, "\\A%s(?:%s)\\z", before, regex);
    status = status != AP_OK ? ap__fail(err, status, place, "no memory for a pattern")
                             : ap__pattern_compile(ap__buf_cstr(&text), place, out, err);
    ap__buf_deinit(&text);
    return status;
}

static ap_status matches(const struct ap_pattern *p, const char *module, bool *yes, struct ap_err *err)
{
    struct ap_matches found = {0};
    ap_status status = ap__pattern_find(p, module, strlen(module), &found, err);
    *yes = found.n > 0;
    ap__matches_deinit(&found);
    return status;
}

/* "q_proj" or "self_attn.q_proj" for "model.layers.0.self_attn.q_proj". */
static bool ends_with_name(const char *module, const char *name)
{
    size_t n = strlen(module), k = strlen(name);
    return ap__ends_with(module, name) && (n == k || (k > 0 && module[n - k - 1] == '.'));
}

/* A list of names, or a pattern. */
struct selector {
    const char *key;
    const json_t *list;         /* NULL: a pattern */
    struct ap_pattern *pattern; /* NULL with a list */
    bool all;                   /* "all-linear" */
};

static ap_status read_selector(const json_t *root, const char *key, const char *place, struct selector *out,
                               struct ap_err *err)
{
    const json_t *v = json_object_get(root, key);
    *out = (struct selector){.key = key};
    if (json_is_string(v)) {
        out->all = strcmp(json_string_value(v), "all-linear") == 0;
        return out->all ? AP_OK : compile("", json_string_value(v), place, &out->pattern, err);
    }
    out->list = json_is_null(v) ? NULL : v;
    for (size_t i = 0; i < json_array_size(v); i++) {
        const char *name = json_string_value(json_array_get(v, i));
        if (name == NULL || strcmp(name, "lm_head") == 0 || ends_with_name(name, "embed_tokens"))
            return ap__fail(err, AP_E_FORMAT, place, "`%s` names `%s`; only q_proj, k_proj, v_proj, o_proj, gate_proj, "
                            "up_proj and down_proj can have an adapter", key, name != NULL ? name : "?");
    }
    return out->list == NULL || json_is_array(v) ? AP_OK : refuse(place, key, v, err);
}

/* *whole: named in full, which layers_to_transform does not restrict. */
static ap_status selects(const struct selector *s, const char *module, bool *yes, bool *whole, struct ap_err *err)
{
    *yes = s->all;
    *whole = s->list == NULL;
    if (s->pattern != NULL)
        return matches(s->pattern, module, yes, err);
    for (size_t i = 0; i < json_array_size(s->list); i++) {
        const char *name = json_string_value(json_array_get(s->list, i));
        *yes = *yes || ends_with_name(module, name);
        *whole = *whole || strcmp(module, name) == 0;
    }
    return AP_OK;
}

/* layers_to_transform: a number or a list, absent for all layers. */
static bool has_layer(const json_t *layers, int32_t l)
{
    if (json_is_integer(layers))
        return json_integer_value(layers) == l;
    for (size_t i = 0; i < json_array_size(layers); i++)
        if (json_integer_value(json_array_get(layers, i)) == l)
            return true;
    return is_empty(layers);
}

static ap_status check_layers(const json_t *root, const char *place, struct ap_err *err)
{
    const json_t *layers = json_object_get(root, "layers_to_transform"), *at = json_object_get(root, "layers_pattern");
    const json_t *name = json_array_size(at) == 1 ? json_array_get(at, 0) : at;
    if (!is_empty(layers) && !json_is_integer(layers) && !json_is_array(layers))
        return refuse(place, "layers_to_transform", layers, err);
    if (is_empty(layers) || is_empty(at) || (json_is_string(name) && ends_with_name("model.layers", json_string_value(name))))
        return AP_OK;
    return refuse(place, "layers_pattern", at, err);
}

/* ---- rank and alpha of a module ---- */

struct numbers {
    struct ap_pattern **pattern; /* (n,) */
    double *value;               /* (n,) */
    size_t n;
};

static void free_numbers(struct numbers *p)
{
    for (size_t i = 0; i < p->n; i++)
        ap__pattern_free(p->pattern[i]);
    ap__free(p->pattern);
    ap__free(p->value);
}

static ap_status read_numbers(const json_t *root, const char *key, const char *place, struct numbers *out,
                              struct ap_err *err)
{
    const json_t *map = json_object_get(root, key);
    const char *name;
    json_t *v;
    *out = (struct numbers){0};
    if (is_empty(map))
        return AP_OK;
    if (!json_is_object(map) || json_object_size(map) > MAX_PATTERNS)
        return refuse(place, key, map, err);
    out->pattern = ap__alloc_array(json_object_size(map), sizeof *out->pattern);
    out->value = ap__alloc_array(json_object_size(map), sizeof *out->value);
    if (out->pattern == NULL || out->value == NULL)
        return ap__fail(err, AP_E_MEMORY, place, "no memory for `%s`", key);
    json_object_foreach((json_t *)(uintptr_t)map, name, v) {
        if (!json_is_number(v))
            return refuse(place, key, map, err);
        out->value[out->n] = json_number_value(v);
        AP_TRY(compile("(?:.*\\.)?", name, place, &out->pattern[out->n], err));
        out->n++;
    }
    return AP_OK;
}

/* The first pattern that matches decides, as in PEFT; *value is kept when none does. */
static ap_status number_for(const struct numbers *p, const char *module, double *value, struct ap_err *err)
{
    for (size_t i = 0; i < p->n; i++) {
        bool yes = false;
        AP_TRY(matches(p->pattern[i], module, &yes, err));
        if (yes) {
            *value = p->value[i];
            return AP_OK;
        }
    }
    return AP_OK;
}

/* ---- the whole file ---- */

struct reader {
    const char *place;
    const json_t *layers;
    struct selector targets, excluded;
    struct numbers ranks, alphas;
    double rank, alpha;
};

static ap_status open_reader(const json_t *root, const char *place, struct reader *r, struct ap_err *err)
{
    int64_t rank = 0;
    *r = (struct reader){.place = place, .layers = json_object_get(root, "layers_to_transform")};
    AP_TRY(check_plain(root, place, err));
    AP_TRY(check_layers(root, place, err));
    AP_TRY(ap__json_i64(root, "r", place, &rank, err));
    AP_TRY(ap__json_f64(root, "lora_alpha", place, &r->alpha, err));
    r->rank = (double)rank;
    if (is_empty(json_object_get(root, "target_modules")))
        return ap__fail(err, AP_E_FORMAT, place, "`target_modules` is missing");
    AP_TRY(read_selector(root, "target_modules", place, &r->targets, err));
    AP_TRY(read_selector(root, "exclude_modules", place, &r->excluded, err));
    AP_TRY(read_numbers(root, "rank_pattern", place, &r->ranks, err));
    return read_numbers(root, "alpha_pattern", place, &r->alphas, err);
}

static void close_reader(struct reader *r)
{
    ap__pattern_free(r->targets.pattern);
    ap__pattern_free(r->excluded.pattern);
    free_numbers(&r->ranks);
    free_numbers(&r->alphas);
}

static ap_status shape_of(const struct reader *r, int32_t l, const char *module, struct ap_lora_shape *out,
                          struct ap_err *err)
{
    bool yes, excluded, whole;
    double rank = r->rank, alpha = r->alpha;
    AP_TRY(selects(&r->excluded, module, &excluded, &whole, err));
    AP_TRY(selects(&r->targets, module, &yes, &whole, err));
    if (!yes || excluded || !(whole || has_layer(r->layers, l)))
        return AP_OK;
    AP_TRY(number_for(&r->ranks, module, &rank, err));
    AP_TRY(number_for(&r->alphas, module, &alpha, err));
    if (!(rank >= 1.0 && rank <= MAX_RANK) || rank != floor(rank) || !(alpha > 0.0))
        return ap__fail(err, AP_E_FORMAT, r->place, "`%s` gets rank %g and alpha %g; a rank is from 1 to %d, an alpha "
                        "positive", module, rank, alpha, MAX_RANK);
    *out = (struct ap_lora_shape){(int32_t)rank, (float)alpha};
    return AP_OK;
}

static ap_status read_shapes(const struct reader *r, const struct ap_model *m, struct ap_lora_shape *shape,
                             struct ap_err *err)
{
    char module[64];
    bool any = false;
    for (int32_t i = 0; i < m->config.L * AP_LINEAR_COUNT; i++) {
        ap__lora_module(m, i / AP_LINEAR_COUNT, i % AP_LINEAR_COUNT, module);
        AP_TRY(shape_of(r, i / AP_LINEAR_COUNT, module, &shape[i], err));
        any = any || shape[i].rank > 0;
    }
    return any ? AP_OK : ap__fail(err, AP_E_FORMAT, r->place, "`target_modules` selects no linear of this model, whose "
                                  "layers have q_proj, k_proj, v_proj, o_proj, gate_proj, up_proj, down_proj");
}

ap_status ap__peft_config_read(const char *path, const struct ap_model *m, struct ap_peft_config *out,
                               struct ap_err *err)
{
    json_t *root = NULL;
    struct reader r = {0};
    *out = (struct ap_peft_config){0};
    AP_TRY(ap__json_load(path, &root, err));
    ap_status status = open_reader(root, path, &r, err);
    if (status != AP_OK)
        goto done;
    out->alpha = (float)r.alpha;
    out->stabilised = ap__json_bool_or(root, "use_rslora", false);
    out->shape = ap__alloc_array((size_t)(m->config.L * AP_LINEAR_COUNT), sizeof *out->shape);
    if (out->shape == NULL)
        status = ap__fail(err, AP_E_MEMORY, path, "no memory for an adapter's shape");
    else
        status = read_shapes(&r, m, out->shape, err);
    if (status != AP_OK) {
        ap__free(out->shape);
        out->shape = NULL;
    }
done:
    close_reader(&r);
    json_decref(root);
    return status;
}

/* ---- writing ---- */

/* PEFT writes whole numbers as such. */
static json_t *number_json(double v)
{
    return v == floor(v) && fabs(v) < 1e15 ? json_integer((json_int_t)v) : json_real(v);
}

/* Every layer adapts the same linears. */
static bool is_uniform(const struct ap_model *m)
{
    for (int32_t i = AP_LINEAR_COUNT; i < m->config.L * AP_LINEAR_COUNT; i++)
        if ((m->pair[i].a != NULL) != (m->pair[i % AP_LINEAR_COUNT].a != NULL))
            return false;
    return true;
}

/* target_modules by their short names if these say it, else in full; the pairs that differ into the patterns. */
static void list_modules(const struct ap_model *m, json_t *targets, json_t *ranks, json_t *alphas)
{
    bool uniform = is_uniform(m);
    char module[64];
    for (int32_t i = 0; i < m->config.L * AP_LINEAR_COUNT; i++) {
        const struct ap_lora_pair *p = &m->pair[i];
        if (p->a == NULL)
            continue;
        ap__lora_module(m, i / AP_LINEAR_COUNT, i % AP_LINEAR_COUNT, module);
        if (!uniform || i < AP_LINEAR_COUNT)
            json_array_append_new(targets, json_string(uniform ? ap__lora_linear_name(i) : module));
        if (p->A.rows != m->lora.rank)
            json_object_set_new(ranks, module, json_integer(p->A.rows));
        if (p->alpha != m->lora.alpha)
            json_object_set_new(alphas, module, number_json((double)p->alpha));
    }
}

ap_status ap__peft_config_write(const struct ap_model *m, const char *path, const char *base_name, struct ap_err *err)
{
    json_t *targets = json_array(), *ranks = json_object(), *alphas = json_object();
    list_modules(m, targets, ranks, alphas);
    json_t *root = json_pack("{s:s, s:s, s:s?, s:i, s:o, s:f, s:s, s:b, s:b, s:b, s:b, s:o, s:o, s:o}", "peft_type",
                             "LORA", "task_type", "CAUSAL_LM", "base_model_name_or_path", base_name, "r", m->lora.rank,
                             "lora_alpha", number_json((double)m->lora.alpha), "lora_dropout", 0.0, "bias", "none",
                             "fan_in_fan_out", 0, "inference_mode", 1, "init_lora_weights", 1, "use_rslora",
                             m->lora_stabilised, "target_modules", targets, "rank_pattern", ranks, "alpha_pattern",
                             alphas);
    char *text = root != NULL ? ap__json_dump(root) : NULL;
    ap_status status = text != NULL ? ap__file_write(path, text, strlen(text), err)
                                    : ap__fail(err, AP_E_MEMORY, path, "out of memory");
    ap__free(text);
    json_decref(root);
    return status;
}
