/* rope.c - scaled frequencies, and how a config.json asks for them.
 *
 *     "rope_scaling": {"rope_type": "llama3", "factor": 8, ...} --read, check--> struct ap_rope
 *         --frequencies--> inv_freq (Dh/2,)     --write--> "rope_scaling" */
#include "model/rope.h"

#include "model/config.h"
#include <math.h>
#include <string.h>

static const char *const type_name[AP_ROPE_TYPE_COUNT] = {"default", "linear", "llama3", "yarn"};

/* ---- reading ---- */

/* Which types know a key, as bits. */
static const struct {
    const char *key;
    unsigned types;
} known_key[] = {
    {"type", ~0u},
    {"rope_type", ~0u},
    {"rope_theta", ~0u},
    {"partial_rotary_factor", ~0u},
    {"factor", 1u << AP_ROPE_LINEAR | 1u << AP_ROPE_LLAMA3 | 1u << AP_ROPE_YARN},
    {"original_max_position_embeddings", 1u << AP_ROPE_LLAMA3 | 1u << AP_ROPE_YARN},
    {"low_freq_factor", 1u << AP_ROPE_LLAMA3},
    {"high_freq_factor", 1u << AP_ROPE_LLAMA3},
    {"beta_fast", 1u << AP_ROPE_YARN},
    {"beta_slow", 1u << AP_ROPE_YARN},
    {"attention_factor", 1u << AP_ROPE_YARN},
    {"mscale", 1u << AP_ROPE_YARN},
    {"mscale_all_dim", 1u << AP_ROPE_YARN},
    {"truncate", 1u << AP_ROPE_YARN},
};

/* A key that this type does not have may ask for something that is not computed here. */
static ap_status check_keys(const json_t *group, enum ap_rope_type type, const char *place, struct ap_err *err)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)group, key, value)
    {
        size_t i = 0, n = sizeof known_key / sizeof *known_key;
        while (i < n && (strcmp(known_key[i].key, key) != 0 || !(known_key[i].types & 1u << type)))
            i++;
        if (i == n && !json_is_null(value))
            return ap__config_unsupported(place, key, value, "what scales the rotary embedding by known rules", err);
    }
    return AP_OK;
}

static ap_status read_type(const json_t *group, const char *place, enum ap_rope_type *out, struct ap_err *err)
{
    const json_t *v = json_object_get(group, "rope_type");
    int type = 0;
    v = v != NULL ? v : json_object_get(group, "type");
    while (v != NULL && type < AP_ROPE_TYPE_COUNT &&
           (!json_is_string(v) || strcmp(json_string_value(v), type_name[type]) != 0))
        type++;
    if (type == AP_ROPE_TYPE_COUNT)
        return ap__config_unsupported(place, "rope_type", v, "default, linear, llama3, yarn", err);
    *out = (enum ap_rope_type)type;
    return AP_OK;
}

/* A number that must be there for this type unless `otherwise` is one; null counts as absent. */
static ap_status read_number(const json_t *group, const char *key, const char *place, double otherwise, double *out,
                             struct ap_err *err)
{
    const json_t *v = json_object_get(group, key);
    *out = otherwise;
    return isnan(otherwise) || (v != NULL && !json_is_null(v)) ? ap__json_f64(group, key, place, out, err) : AP_OK;
}

/* 0.1 m ln(s) + 1, as the paper finds it by experiment (section 3.4); DeepSeek's m. */
static double grown(double scale, double m)
{
    return scale > 1.0 ? 0.1 * m * log(scale) + 1.0 : 1.0;
}

static ap_status read_yarn(const json_t *group, const char *place, struct ap_rope *r, struct ap_err *err)
{
    double m = 0.0, m_all = 0.0;
    AP_TRY(read_number(group, "beta_fast", place, 32.0, &r->beta_fast, err));
    AP_TRY(read_number(group, "beta_slow", place, 1.0, &r->beta_slow, err));
    AP_TRY(read_number(group, "mscale", place, 0.0, &m, err));
    AP_TRY(read_number(group, "mscale_all_dim", place, 0.0, &m_all, err));
    double usual = m > 0.0 && m_all > 0.0 ? grown(r->factor, m) / grown(r->factor, m_all) : grown(r->factor, 1.0);
    r->exact_ramp = !ap__json_bool_or(group, "truncate", true);
    return read_number(group, "attention_factor", place, usual, &r->attention, err);
}

static ap_status read_group(const json_t *group, const char *place, int32_t max_position, struct ap_rope *r,
                            struct ap_err *err)
{
    double original = 0.0;
    AP_TRY(read_type(group, place, &r->type, err));
    AP_TRY(check_keys(group, r->type, place, err));
    if (r->type == AP_ROPE_DEFAULT)
        return AP_OK;
    AP_TRY(read_number(group, "original_max_position_embeddings", place, (double)max_position, &original, err));
    if (!(original >= 1.0) || original > (double)INT32_MAX || original != floor(original))
        return ap__fail(err, AP_E_FORMAT, place, "`original_max_position_embeddings` must be a positive whole number, "
                        "got %g", original);
    /* Without a factor, the ratio of the positions says it. */
    double usual = r->type == AP_ROPE_YARN ? (double)max_position / original : (double)NAN;
    AP_TRY(read_number(group, "factor", place, usual, &r->factor, err));
    r->original_position = r->type == AP_ROPE_LINEAR ? 0 : (int32_t)original;
    if (r->type == AP_ROPE_YARN)
        return read_yarn(group, place, r, err);
    if (r->type == AP_ROPE_LLAMA3) {
        AP_TRY(read_number(group, "low_freq_factor", place, (double)NAN, &r->low_freq, err));
        AP_TRY(read_number(group, "high_freq_factor", place, (double)NAN, &r->high_freq, err));
    }
    return AP_OK;
}

ap_status ap__rope_read(const json_t *root, const char *place, int32_t max_position, struct ap_rope *out, float *theta,
                        struct ap_err *err)
{
    static const char *const groups[] = {"rope_parameters", "rope_scaling"};
    double base = ap__json_f64_or(root, "rope_theta", 10000.0);
    const json_t *part = json_object_get(root, "partial_rotary_factor"), *group = NULL;
    *out = (struct ap_rope){0};
    for (size_t i = 0; i < 2 && group == NULL; i++) {
        group = json_object_get(root, groups[i]);
        group = json_is_null(group) ? NULL : group;
        if (group != NULL && !json_is_object(group))
            return ap__config_unsupported(place, groups[i], group, "an object or null", err);
    }
    if (group != NULL) {
        AP_TRY(read_group(group, place, max_position, out, err));
        base = ap__json_f64_or(group, "rope_theta", base);
        part = json_object_get(group, "partial_rotary_factor") != NULL ? json_object_get(group, "partial_rotary_factor")
                                                                       : part;
    }
    if (part != NULL && !json_is_null(part) && json_number_value(part) != 1.0)
        return ap__config_unsupported(place, "partial_rotary_factor", part, "1.0", err);
    *theta = (float)base;
    return ap__rope_check(out, place, err);
}

ap_status ap__rope_check(const struct ap_rope *r, const char *place, struct ap_err *err)
{
    const struct {
        const char *key;
        double value;
        bool used;
    } positive[] = {{"factor", r->factor, r->type != AP_ROPE_DEFAULT},
                    {"original_max_position_embeddings", r->original_position,
                     r->type == AP_ROPE_LLAMA3 || r->type == AP_ROPE_YARN},
                    {"low_freq_factor", r->low_freq, r->type == AP_ROPE_LLAMA3},
                    {"beta_slow", r->beta_slow, r->type == AP_ROPE_YARN},
                    {"beta_fast", r->beta_fast, r->type == AP_ROPE_YARN},
                    {"attention_factor", r->attention, r->type == AP_ROPE_YARN}};
    for (size_t i = 0; i < sizeof positive / sizeof *positive; i++)
        if (positive[i].used && !(positive[i].value > 0.0 && positive[i].value < 1e9))
            return ap__fail(err, AP_E_FORMAT, place, "`%s` of the rotary embedding must be positive, got %g",
                            positive[i].key, positive[i].value);
    if (r->type == AP_ROPE_LLAMA3 && !(r->high_freq > r->low_freq && r->high_freq < 1e9))
        return ap__fail(err, AP_E_FORMAT, place, "`high_freq_factor` (%g) must be larger than `low_freq_factor` (%g)",
                        r->high_freq, r->low_freq);
    return AP_OK;
}

/* ---- writing ---- */

void ap__rope_write(const struct ap_rope *r, struct ap_buf *out)
{
    if (r->type == AP_ROPE_DEFAULT) {
        (void)ap__buf_puts(out, "null");
        return;
    }
    (void)ap__buf_printf(out, "{\n    \"rope_type\": \"%s\",\n    \"factor\": %#.17g", type_name[r->type], r->factor);
    if (r->type != AP_ROPE_LINEAR)
        (void)ap__buf_printf(out, ",\n    \"original_max_position_embeddings\": %d", r->original_position);
    if (r->type == AP_ROPE_LLAMA3)
        (void)ap__buf_printf(out, ",\n    \"low_freq_factor\": %#.17g,\n    \"high_freq_factor\": %#.17g", r->low_freq,
                             r->high_freq);
    if (r->type == AP_ROPE_YARN)
        (void)ap__buf_printf(out,
                             ",\n    \"beta_fast\": %#.17g,\n    \"beta_slow\": %#.17g,\n    \"attention_factor\": %#.17g",
                             r->beta_fast, r->beta_slow, r->attention);
    if (r->type == AP_ROPE_YARN && r->exact_ramp) /* a key of transformers 5 that older ones warn of */
        (void)ap__buf_puts(out, ",\n    \"truncate\": false");
    (void)ap__buf_puts(out, "\n  }");
}

/* ---- frequencies ---- */

static double llama3(const struct ap_rope *r, double f)
{
    double turns = r->original_position * f / (2.0 * M_PI); /* original_position / wavelength */
    if (turns > r->high_freq)
        return f;
    if (turns < r->low_freq)
        return f / r->factor;
    double smooth = (turns - r->low_freq) / (r->high_freq - r->low_freq);
    return (1.0 - smooth) * f / r->factor + smooth * f;
}

/* The i (a fraction) whose frequency turns `turns` times within the original positions. */
static double index_of(const struct ap_rope *r, double turns, double theta, int32_t Dh)
{
    return Dh * log(r->original_position / (turns * 2.0 * M_PI)) / (2.0 * log(theta));
}

static double yarn(const struct ap_rope *r, double theta, int32_t Dh, int32_t i, double f)
{
    double low = index_of(r, r->beta_fast, theta, Dh), high = index_of(r, r->beta_slow, theta, Dh);
    low = fmax(r->exact_ramp ? low : floor(low), 0.0);
    high = fmin(r->exact_ramp ? high : ceil(high), Dh - 1.0);
    double width = high == low ? 0.001 : high - low;
    double ramp = fmin(fmax((i - low) / width, 0.0), 1.0);
    return f / r->factor * ramp + f * (1.0 - ramp);
}

void ap__rope_frequencies(const struct ap_rope *r, double theta, int32_t Dh, float *inv_freq)
{
    for (int32_t i = 0; i < Dh / 2; i++) {
        double f = pow(theta, -2.0 * i / Dh);
        f = r->type == AP_ROPE_LINEAR ? f / r->factor : r->type == AP_ROPE_LLAMA3 ? llama3(r, f) : f;
        inv_freq[i] = (float)(r->type == AP_ROPE_YARN ? yarn(r, theta, Dh, i, f) : f);
    }
}
