/* model_info.c - `apprentice model info`: a model's shape, and the memory it needs by base dtype and purpose.
 *
 *     parameters    7248023552
 *     family        mistral
 *     ...
 *     memory                weights     sampling      adapter   recomputed  all weights
 *       tokens                              8192         2048         2048         2048
 *       as stored            13.5 GiB     14.6 GiB ...
 *       int8 ... */
#include "cli/model_info.h"

#include "base/json.h"
#include "base/machine.h"
#include "model/memory.h"
#include "model/tokenizer_files.h"
#include "model/weights.h"

#include <stdio.h>

enum { CONTEXT = 8192, STEP = 2048, RANK = 16 };

/* Rows of the table; NULL is "as stored". */
static const char *const base_dtypes[] = {NULL, "bf16", "int8", "nf4"};
enum { BASE_DTYPES = sizeof base_dtypes / sizeof *base_dtypes };

/* Columns of the table. */
enum purpose { WEIGHTS, SAMPLING, ADAPTER, RECOMPUTED, FULL, PURPOSES };
static const char *const purpose_key[PURPOSES] = {"weights", "sampling", "adapter", "adapter_recomputed",
                                                  "all_weights"};
static const char *const purpose_text[PURPOSES] = {"weights", "sampling", "adapter", "recomputed",
                                                   "all weights"};

static int32_t tokens_of(const struct ap_config *c, enum purpose p)
{
    static const int32_t tokens[PURPOSES] = {0, CONTEXT, STEP, STEP, STEP};
    return p == SAMPLING && c->max_position < CONTEXT ? c->max_position : tokens[p];
}

static int64_t need(const struct ap_model *m, const char *base_dtype, enum purpose p)
{
    struct ap_memory memory;
    struct ap_memory_plan plan = {0};
    int32_t tokens = tokens_of(&m->config, p);
    if (ap__base_dtype_read(base_dtype, NULL, &plan.options, NULL) != AP_OK)
        return 0;
    plan.mode = p == FULL ? AP_FULL : p == ADAPTER || p == RECOMPUTED ? AP_LORA : AP_FROZEN;
    plan.recompute = p == RECOMPUTED;
    if (plan.mode == AP_LORA)
        plan.lora = (struct ap_lora_config){.rank = RANK, .alpha = 2.0f * RANK, .targets = AP_LORA_ALL};
    if (plan.mode == AP_FROZEN)
        plan.cache_tokens = tokens;
    else
        plan.max_tokens = tokens;
    ap__memory_estimate(m, &plan, &memory);
    return p == WEIGHTS ? memory.weights : memory.total;
}

/* Full training holds everything in f32, whatever the base dtype. */
static bool has_cell(int row, enum purpose p) { return p != FULL || row == 0; }

/* ---- text ---- */

static void print_bytes(int64_t bytes)
{
    double gib = (double)bytes / (1 << 30);
    printf(gib >= 0.95 ? "%9.1f GiB" : "%9.0f MiB", gib >= 0.95 ? gib : gib * 1024);
}

static void print_memory(const struct ap_model *m)
{
    printf("memory            ");
    for (enum purpose p = 0; p < PURPOSES; p++)
        printf("%13s", purpose_text[p]);
    printf("\n  tokens          ");
    for (enum purpose p = 0; p < PURPOSES; p++)
        if (tokens_of(&m->config, p) > 0)
            printf("%13d", tokens_of(&m->config, p));
        else
            printf("%13s", "");
    for (int row = 0; row < BASE_DTYPES; row++) {
        printf("\n  %-16s", base_dtypes[row] != NULL ? base_dtypes[row] : "as stored");
        for (enum purpose p = 0; p < PURPOSES; p++)
            if (has_cell(row, p))
                print_bytes(need(m, base_dtypes[row], p));
    }
    printf("\n  free now        ");
    print_bytes(ap__machine_free_memory());
    printf("\n(adapter: training one of rank %d on every linear; recomputed: the same in a third more time, when the\n"
           "former does not fit; all weights: training them in f32)\n", RANK);
}

static void print_text(const struct ap_model *m, bool has_template)
{
    const struct ap_config *c = &m->config;
    printf("parameters    %lld\nfamily        %s\ndtype         %s\ncontext       %d\nchat template %s\n",
           (long long)ap__model_parameters(m), ap__family_name(c->family), ap__dtype_name(ap__source_dtype(m->source)),
           c->max_position, has_template ? "yes" : "no");
    printf("hidden        %d\nlayers        %d\nheads         %d\nkv heads      %d\nhead width    %d\n"
           "ffn           %d\nvocabulary    %d\ntied          %s\n",
           c->D, c->L, c->H, c->Hkv, c->Dh, c->F, c->V, c->tied ? "true" : "false");
    print_memory(m);
}

/* ---- JSON ---- */

static json_t *memory_json(const struct ap_model *m)
{
    json_t *rows = json_array();
    for (int row = 0; row < BASE_DTYPES; row++) {
        json_t *o = json_pack("{s:s}", "base_dtype", base_dtypes[row] != NULL ? base_dtypes[row] : "stored");
        for (enum purpose p = 0; p < PURPOSES; p++)
            if (has_cell(row, p))
                json_object_set_new(o, purpose_key[p], json_integer(need(m, base_dtypes[row], p)));
        json_array_append_new(rows, o);
    }
    return rows;
}

static ap_status print_json(const struct ap_model *m, bool has_template, struct ap_err *err)
{
    const struct ap_config *c = &m->config;
    json_t *o = json_pack("{s:I, s:s, s:s, s:i, s:b, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:b, s:o, s:I}", "parameters",
                          (json_int_t)ap__model_parameters(m), "family", ap__family_name(c->family), "dtype",
                          ap__dtype_name(ap__source_dtype(m->source)), "context", c->max_position, "chat_template",
                          has_template, "hidden", c->D, "layers", c->L, "heads", c->H, "kv_heads", c->Hkv,
                          "head_width", c->Dh, "ffn", c->F, "vocabulary", c->V, "tied", c->tied, "memory",
                          memory_json(m), "free_memory", (json_int_t)ap__machine_free_memory());
    char *text = o != NULL ? ap__json_dump(o) : NULL;
    if (text != NULL)
        puts(text);
    ap__free(text);
    json_decref(o);
    return text != NULL ? AP_OK : ap__fail(err, AP_E_MEMORY, NULL, "no memory for the description as JSON");
}

ap_status ap__model_info(const char *path, bool as_json, struct ap_err *err)
{
    struct ap_model *m = NULL;
    json_t *config = NULL;
    AP_TRY(ap__model_open(path, NULL, &m, err));
    ap_status status = ap__tokenizer_files_config(path, &config, err);
    bool has_template = status == AP_OK && json_object_get(config, "chat_template") != NULL;
    if (status == AP_OK && as_json)
        status = print_json(m, has_template, err);
    else if (status == AP_OK)
        print_text(m, has_template);
    json_decref(config);
    ap__model_free(m);
    return status;
}
