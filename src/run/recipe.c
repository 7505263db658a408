/* recipe.c - reads recipes: one reader per section, defaults first, then what the file says. */
#include "run/recipe.h"

#include "base/file.h"
#include "base/text.h"
#include "run/recipe_remote.h"

#include <string.h>

enum { RECIPE_MAX_BYTES = 1 << 20 };

/* Measured in docs/RESULTS.md; a recipe need only say what differs. */
static void set_defaults(struct ap_recipe *r)
{
    memset(r, 0, sizeof *r);
    r->seed = 1;
    r->teacher = (struct ap_recipe_actor){.samples = 2, .temperature = {0.7, 1.0}, .temperature_count = 2};
    r->student = (struct ap_recipe_actor){.samples = 4, .temperature = {0.7, 1.0}, .temperature_count = 2};
    r->collect.problems = 600;
    r->collect.augment = 0.25;
    r->collect.gold = "";
    r->collect.in_flight = 128;
    r->pairs.per_problem = 2;
    r->pairs.total = 1600;
    r->train = (struct ap_recipe_train){
        .lora = {.rank = 16, .alpha = 32.0f, .targets = AP_LORA_ALL},
        .lr = 2e-3, .warmup = 0.1, .clip = 1.0, .weight_decay = 0.0,
        .schedule = AP_SCHEDULE_LINEAR,
        .steps = 100, .batch = 16, .max_tokens = 16384,
        .dpo = {.beta = 0.5, .nll_weight = 2.0, .loss = AP_LOSS_SIGMOID},
    };
    r->control = true;
    r->evaluate.problems = 500;
    r->evaluate.samples = 4;
    r->evaluate.temperature = 0.7;
    r->evaluate.teacher = true;
}

#define KNOWN(...) (const char *const[]){__VA_ARGS__}, sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *)

/* The map under key, or NULL when it is absent. */
static ap_status read_section(const struct ap_yaml_doc *doc, const struct ap_yaml *map, const char *key, bool required,
                              const struct ap_yaml **out, struct ap_err *err)
{
    *out = ap__yaml_get(map, key);
    if (*out == NULL && required)
        return ap__yaml_fail(doc, map, err, "the section `%s` is missing", key);
    if (*out != NULL && (*out)->kind != AP_YAML_MAP)
        return ap__yaml_fail(doc, *out, err, "`%s` must be a section of keys and values", key);
    return AP_OK;
}

static ap_status read_tasks(struct ap_recipe *r, struct ap_err *err)
{
    const struct ap_yaml *tasks = ap__yaml_get(r->doc.root, "tasks");
    if (tasks == NULL || tasks->kind != AP_YAML_LIST || tasks->count == 0)
        return ap__yaml_fail(&r->doc, tasks != NULL ? tasks : r->doc.root, err,
                             "`tasks` must list at least one task (a name or a YAML file)");
    if (tasks->count > AP_RECIPE_MAX_TASKS)
        return ap__yaml_fail(&r->doc, tasks, err, "at most %d tasks, got %d", AP_RECIPE_MAX_TASKS, tasks->count);
    for (int32_t i = 0; i < tasks->count; i++) {
        if (tasks->child[i]->kind != AP_YAML_SCALAR)
            return ap__yaml_fail(&r->doc, tasks->child[i], err, "a task must be a name or a path");
        r->task[i] = tasks->child[i]->text;
    }
    r->task_count = tasks->count;
    return AP_OK;
}

static ap_status read_temperatures(const struct ap_yaml_doc *doc, const struct ap_yaml *map,
                                   struct ap_recipe_actor *actor, struct ap_err *err)
{
    const struct ap_yaml *list = ap__yaml_get(map, "temperatures");
    if (list == NULL)
        return AP_OK;
    if (list->kind != AP_YAML_LIST || list->count == 0 || list->count > AP_RECIPE_MAX_TEMPERATURES)
        return ap__yaml_fail(doc, list, err, "`temperatures` must list 1 to %d numbers", AP_RECIPE_MAX_TEMPERATURES);
    for (int32_t i = 0; i < list->count; i++) {
        const struct ap_yaml *item = list->child[i];
        if (item->kind != AP_YAML_SCALAR || !ap__parse_f64(item->text, &actor->temperature[i]) ||
            !(actor->temperature[i] >= 0.0 && actor->temperature[i] <= 10.0))
            return ap__yaml_fail(doc, item, err, "a temperature must be a number from 0 to 10");
    }
    actor->temperature_count = list->count;
    return AP_OK;
}

static ap_status read_base_dtype(const struct ap_yaml_doc *doc, const struct ap_yaml *map,
                                 struct ap_recipe_actor *actor, struct ap_err *err)
{
    struct ap_model_options options;
    struct ap_err fault;
    AP_TRY(ap__yaml_str(doc, map, "base_dtype", false, &actor->base_dtype, err));
    if (ap__base_dtype_read(actor->base_dtype, NULL, &options, &fault) != AP_OK)
        return ap__yaml_fail(doc, ap__yaml_get(map, "base_dtype"), err, "`base_dtype` %s", fault.message);
    return AP_OK;
}

static ap_status read_local(const struct ap_yaml_doc *doc, const struct ap_yaml *map, struct ap_recipe_actor *actor,
                            struct ap_err *err)
{
    AP_TRY(ap__yaml_check_keys(doc, map,
                               KNOWN("model", "adapter", "base_dtype", "cache_tokens", "samples", "temperatures"),
                               err));
    AP_TRY(ap__yaml_str(doc, map, "adapter", false, &actor->adapter, err));
    AP_TRY(read_base_dtype(doc, map, actor, err));
    return ap__yaml_i64(doc, map, "cache_tokens", false, 1, 1 << 24, &actor->cache_tokens, err);
}

static ap_status read_actor(struct ap_recipe *r, const char *key, bool required, struct ap_recipe_actor *actor,
                            struct ap_err *err)
{
    const struct ap_yaml *map;
    AP_TRY(read_section(&r->doc, r->doc.root, key, required, &map, err));
    if (map == NULL) {
        actor->samples = 0;
        return AP_OK;
    }
    if (actor == &r->teacher && ap__recipe_is_remote(map))
        AP_TRY(ap__recipe_read_remote(&r->doc, map, actor, err));
    else
        AP_TRY(read_local(&r->doc, map, actor, err));
    AP_TRY(ap__yaml_str(&r->doc, map, "model", true, &actor->model, err));
    AP_TRY(ap__yaml_i64(&r->doc, map, "samples", false, 0, 1024, &actor->samples, err));
    return read_temperatures(&r->doc, map, actor, err);
}

static ap_status read_collect(struct ap_recipe *r, struct ap_err *err)
{
    const struct ap_yaml_doc *doc = &r->doc;
    const struct ap_yaml *map;
    AP_TRY(read_section(doc, doc->root, "collect", false, &map, err));
    if (map == NULL)
        return AP_OK;
    AP_TRY(ap__yaml_check_keys(doc, map, KNOWN("problems", "augment", "gold", "in_flight"), err));
    AP_TRY(ap__yaml_i64(doc, map, "problems", false, 1, 10000000, &r->collect.problems, err));
    AP_TRY(ap__yaml_f64(doc, map, "augment", false, 0.0, 0.9, &r->collect.augment, err));
    AP_TRY(ap__yaml_str(doc, map, "gold", false, &r->collect.gold, err));
    AP_TRY(ap__yaml_i64(doc, map, "in_flight", false, 1, 4096, &r->collect.in_flight, err));
    if (strcmp(r->collect.gold, "") != 0 && strcmp(r->collect.gold, "chosen") != 0)
        return ap__yaml_fail(doc, ap__yaml_get(map, "gold"), err,
                             "`gold` takes `chosen` (teach the gold chains), got `%s`", r->collect.gold);
    return AP_OK;
}

static ap_status read_pairs(struct ap_recipe *r, struct ap_err *err)
{
    const struct ap_yaml *map;
    AP_TRY(read_section(&r->doc, r->doc.root, "pairs", false, &map, err));
    if (map == NULL)
        return AP_OK;
    AP_TRY(ap__yaml_check_keys(&r->doc, map, KNOWN("per_problem", "total"), err));
    AP_TRY(ap__yaml_i64(&r->doc, map, "per_problem", false, 1, 1000, &r->pairs.per_problem, err));
    return ap__yaml_i64(&r->doc, map, "total", false, 1, 10000000, &r->pairs.total, err);
}

static ap_status read_targets(const struct ap_yaml_doc *doc, const struct ap_yaml *map, uint32_t *targets,
                              struct ap_err *err)
{
    static const char *const names[] = {"q", "k", "v", "o", "gate", "up", "down"};
    const struct ap_yaml *list = ap__yaml_get(map, "targets");
    if (list == NULL)
        return AP_OK;
    if (list->kind == AP_YAML_SCALAR && strcmp(list->text, "all") == 0) {
        *targets = AP_LORA_ALL;
        return AP_OK;
    }
    if (list->kind != AP_YAML_LIST || list->count == 0)
        return ap__yaml_fail(doc, list, err, "`targets` takes `all` or a list of q, k, v, o, gate, up, down");
    *targets = 0;
    for (int32_t i = 0; i < list->count; i++) {
        size_t t = 0;
        while (t < 7 && (list->child[i]->kind != AP_YAML_SCALAR || strcmp(list->child[i]->text, names[t]) != 0))
            t++;
        if (t == 7)
            return ap__yaml_fail(doc, list->child[i], err, "a target is one of q, k, v, o, gate, up, down");
        *targets |= 1u << t;
    }
    return AP_OK;
}

static ap_status read_lora(const struct ap_yaml_doc *doc, const struct ap_yaml *train, struct ap_lora_config *lora,
                           struct ap_err *err)
{
    const struct ap_yaml *map;
    AP_TRY(read_section(doc, train, "lora", false, &map, err));
    if (map == NULL)
        return AP_OK;
    int64_t rank = lora->rank;
    double alpha = (double)lora->alpha;
    AP_TRY(ap__yaml_check_keys(doc, map, KNOWN("rank", "alpha", "targets"), err));
    AP_TRY(ap__yaml_i64(doc, map, "rank", false, 1, 1024, &rank, err));
    AP_TRY(ap__yaml_f64(doc, map, "alpha", false, 1e-3, 1e5, &alpha, err));
    lora->rank = (int32_t)rank;
    lora->alpha = (float)alpha;
    return read_targets(doc, map, &lora->targets, err);
}

bool ap__schedule_read(const char *text, enum ap_schedule *out)
{
    static const char *const names[] = {[AP_SCHEDULE_CONSTANT] = "constant", [AP_SCHEDULE_LINEAR] = "linear",
                                        [AP_SCHEDULE_COSINE] = "cosine", [AP_SCHEDULE_HOLD_LINEAR] = "hold-linear"};
    for (int i = 0; i < 4; i++)
        if (strcmp(text, names[i]) == 0) {
            *out = (enum ap_schedule)i;
            return true;
        }
    return false;
}

static ap_status read_schedule(const struct ap_yaml_doc *doc, const struct ap_yaml *map, enum ap_schedule *out,
                               struct ap_err *err)
{
    const char *text = NULL;
    AP_TRY(ap__yaml_str(doc, map, "schedule", false, &text, err));
    if (text != NULL && !ap__schedule_read(text, out))
        return ap__yaml_fail(doc, ap__yaml_get(map, "schedule"), err,
                             "`schedule` is one of constant, linear, cosine, hold-linear; got `%s`", text);
    return AP_OK;
}

/* The preference loss and the terms beside it. */
static ap_status read_dpo(const struct ap_yaml_doc *doc, const struct ap_yaml *map, struct ap_dpo *out,
                          struct ap_err *err)
{
    const char *loss = NULL;
    AP_TRY(ap__yaml_str(doc, map, "loss", false, &loss, err));
    if (loss != NULL && !ap__loss_read(loss, &out->loss))
        return ap__yaml_fail(doc, ap__yaml_get(map, "loss"), err,
                             "`loss` is one of sigmoid, hinge, ipo, robust; got `%s`", loss);
    AP_TRY(ap__yaml_f64(doc, map, "beta", false, 1e-6, 100.0, &out->beta, err));
    AP_TRY(ap__yaml_f64(doc, map, "label_smoothing", false, 0.0, 0.499, &out->label_smoothing, err));
    AP_TRY(ap__yaml_f64(doc, map, "nll_weight", false, 0.0, 1000.0, &out->nll_weight, err));
    AP_TRY(ap__yaml_f64(doc, map, "sft_weight", false, 0.0, 1000.0, &out->sft_weight, err));
    if (out->label_smoothing > 0.0 && !ap__loss_smooths(out->loss))
        return ap__yaml_fail(doc, ap__yaml_get(map, "label_smoothing"), err,
                             "`label_smoothing` has no meaning for the loss %s; use sigmoid or robust",
                             ap__loss_name(out->loss));
    return AP_OK;
}

static ap_status read_blame(const struct ap_yaml_doc *doc, const struct ap_yaml *map, enum ap_blame *out,
                            struct ap_err *err)
{
    const char *text = NULL;
    AP_TRY(ap__yaml_str(doc, map, "blame", false, &text, err));
    if (text == NULL)
        return AP_OK;
    if (strcmp(text, "chain") != 0 && strcmp(text, "step") != 0)
        return ap__yaml_fail(doc, ap__yaml_get(map, "blame"), err, "`blame` is chain or step, got `%s`", text);
    *out = strcmp(text, "step") == 0 ? AP_BLAME_STEP : AP_BLAME_CHAIN;
    return AP_OK;
}

static ap_status read_reference(const struct ap_recipe *r, const struct ap_yaml *map, enum ap_reference *out,
                                struct ap_err *err)
{
    const char *text = NULL;
    AP_TRY(ap__yaml_str(&r->doc, map, "reference", false, &text, err));
    if (text == NULL || strcmp(text, "base") == 0)
        return AP_OK;
    if (strcmp(text, "adapter") != 0)
        return ap__yaml_fail(&r->doc, ap__yaml_get(map, "reference"), err, "`reference` is base or adapter, got `%s`",
                             text);
    if (r->student.adapter == NULL)
        return ap__yaml_fail(&r->doc, ap__yaml_get(map, "reference"), err,
                             "`reference: adapter` needs a student with an adapter");
    *out = AP_REFERENCE_ADAPTER;
    return AP_OK;
}

static ap_status read_train(struct ap_recipe *r, struct ap_err *err)
{
    const struct ap_yaml_doc *doc = &r->doc;
    struct ap_recipe_train *t = &r->train;
    const struct ap_yaml *map;
    AP_TRY(read_section(doc, doc->root, "train", false, &map, err));
    if (map == NULL)
        return AP_OK;
    AP_TRY(ap__yaml_check_keys(doc, map,
                               KNOWN("lora", "lr", "warmup", "warmup_from_zero", "clip", "weight_decay", "schedule",
                                     "steps", "batch", "max_tokens", "loss", "beta", "label_smoothing", "nll_weight",
                                     "sft_weight", "reference", "blame"),
                               err));
    AP_TRY(read_lora(doc, map, &t->lora, err));
    AP_TRY(ap__yaml_f64(doc, map, "lr", false, 0.0, 10.0, &t->lr, err));
    AP_TRY(ap__yaml_f64(doc, map, "warmup", false, 0.0, 1.0, &t->warmup, err));
    AP_TRY(ap__yaml_f64(doc, map, "clip", false, 0.0, 1e6, &t->clip, err));
    AP_TRY(ap__yaml_f64(doc, map, "weight_decay", false, 0.0, 1.0, &t->weight_decay, err));
    AP_TRY(read_schedule(doc, map, &t->schedule, err));
    AP_TRY(ap__yaml_i64(doc, map, "steps", false, 1, 100000000, &t->steps, err));
    AP_TRY(ap__yaml_i64(doc, map, "batch", false, 1, 100000, &t->batch, err));
    AP_TRY(ap__yaml_i64(doc, map, "max_tokens", false, 64, 100000000, &t->max_tokens, err));
    AP_TRY(ap__yaml_bool(doc, map, "warmup_from_zero", false, &t->warmup_from_zero, err));
    AP_TRY(read_dpo(doc, map, &t->dpo, err));
    AP_TRY(read_blame(doc, map, &t->blame, err));
    return read_reference(r, map, &t->reference, err);
}

static ap_status read_evaluate(struct ap_recipe *r, struct ap_err *err)
{
    const struct ap_yaml_doc *doc = &r->doc;
    const struct ap_yaml *map;
    AP_TRY(read_section(doc, doc->root, "evaluate", false, &map, err));
    if (map == NULL)
        return AP_OK;
    AP_TRY(ap__yaml_check_keys(doc, map, KNOWN("problems", "samples", "temperature", "teacher"), err));
    AP_TRY(ap__yaml_i64(doc, map, "problems", false, 1, 10000000, &r->evaluate.problems, err));
    AP_TRY(ap__yaml_i64(doc, map, "samples", false, 0, 1024, &r->evaluate.samples, err));
    AP_TRY(ap__yaml_f64(doc, map, "temperature", false, 0.0, 10.0, &r->evaluate.temperature, err));
    return ap__yaml_bool(doc, map, "teacher", false, &r->evaluate.teacher, err);
}

static ap_status read_root(struct ap_recipe *r, struct ap_err *err)
{
    const struct ap_yaml_doc *doc = &r->doc;
    if (doc->root == NULL || doc->root->kind != AP_YAML_MAP)
        return ap__fail(err, AP_E_FORMAT, r->path, "a recipe is a map of keys such as `tasks` and `student`");
    AP_TRY(ap__yaml_check_keys(doc, doc->root,
                               KNOWN("name", "seed", "tasks", "teacher", "student", "collect", "pairs", "train",
                                     "control", "evaluate"),
                               err));
    AP_TRY(ap__yaml_str(doc, doc->root, "name", true, &r->name, err));
    AP_TRY(ap__yaml_i64(doc, doc->root, "seed", false, 0, INT64_MAX, &r->seed, err));
    AP_TRY(read_tasks(r, err));
    AP_TRY(read_actor(r, "teacher", false, &r->teacher, err));
    AP_TRY(read_actor(r, "student", true, &r->student, err));
    AP_TRY(read_collect(r, err));
    AP_TRY(read_pairs(r, err));
    AP_TRY(read_train(r, err));
    AP_TRY(ap__yaml_bool(doc, doc->root, "control", false, &r->control, err));
    AP_TRY(read_evaluate(r, err));
    if (r->teacher.model == NULL)
        r->evaluate.teacher = false;
    return AP_OK;
}

ap_status ap__recipe_parse(const char *text, const char *place, struct ap_recipe *out, struct ap_err *err)
{
    set_defaults(out);
    out->text = ap__strdup(text);
    if (out->text == NULL)
        return ap__fail(err, AP_E_MEMORY, place, "no memory for the recipe");
    ap_status status = ap__yaml_parse(text, strlen(text), place, &out->doc, err);
    if (status == AP_OK) {
        out->path = out->doc.path;
        status = read_root(out, err);
        if (status != AP_OK) {
            ap__recipe_remote_deinit(&out->teacher);
            ap__yaml_free(&out->doc);
        }
    }
    if (status != AP_OK) {
        ap__free(out->text);
        memset(out, 0, sizeof *out);
    }
    return status;
}

ap_status ap__recipe_load(const char *path, struct ap_recipe *out, struct ap_err *err)
{
    struct ap_buf buf;
    ap__buf_init(&buf, RECIPE_MAX_BYTES);
    ap_status status = ap__file_read(path, RECIPE_MAX_BYTES, &buf, err);
    if (status == AP_OK)
        status = ap__recipe_parse(ap__buf_cstr(&buf), path, out, err);
    ap__buf_deinit(&buf);
    return status;
}

void ap__recipe_free(struct ap_recipe *recipe)
{
    if (recipe->text == NULL)
        return;
    ap__recipe_remote_deinit(&recipe->teacher);
    ap__yaml_free(&recipe->doc);
    ap__free(recipe->text);
    memset(recipe, 0, sizeof *recipe);
}
