/* task.c - a task's YAML file to a struct ap_task.
 *
 *   prompt: text                 what the model is told
 *   functions: [Sum, Product]    names or sets of built-in functions, or outside/functions_yaml.h's entries
 *   bootstrap: [Sum(2, 3)]       calls shown with their results before the question
 *   limits: {steps: 14, bad_calls: 3, call_tokens: 96}
 *   problems: {generator: math-word, profile: short}  or  {file: F, format: jsonl}
 *             or {train: {..}, heldout: {..}}
 *   checker: number  or  {kind: number, tolerance: 0.01}
 *
 * Every key is checked; a wrong one is reported with its line. */
#include "tasks/task.h"

#include "base/data.h"
#include "base/file.h"
#include "base/text.h"
#include "base/yaml.h"
#include "functions/prover.h"
#include "outside/functions_yaml.h"
#include "tasks/task_storage.h"
#include <stdio.h>
#include <string.h>

#define KNOWN(...) (const char *const[]){__VA_ARGS__}, sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *)
enum { MAX_FUNCTIONS = 64, MAX_BOOTSTRAP = 16, MAX_CHOICES = 64 };

struct reader {
    struct ap_task *task;
    struct ap_task_storage *storage;
    const struct ap_yaml_doc *doc;
    struct ap_err *err;
};

static char *copy(struct reader *r, const char *text)
{
    return text ? ap__arena_strdup(&r->storage->arena, text) : NULL;
}

/* A list of scalars, or a single scalar, copied into the storage. */
static ap_status read_texts(struct reader *r, const struct ap_yaml *node, int32_t max, char ***out, int32_t *n)
{
    const struct ap_yaml *single[] = {node};
    const struct ap_yaml *const *items = single;
    *n = 1;
    if (node->kind == AP_YAML_LIST) {
        items = (const struct ap_yaml *const *)node->child;
        *n = node->count;
    }
    if (*n > max)
        return ap__yaml_fail(r->doc, node, r->err, "`%s` has %d items; at most %d are possible", node->key, *n, max);
    *out = ap__arena_zalloc(&r->storage->arena, ((size_t)*n + 1) * sizeof **out);
    if (!*out)
        return ap__fail(r->err, AP_E_MEMORY, r->doc->path, "no memory for the task");
    for (int32_t i = 0; i < *n; i++) {
        if (items[i]->kind != AP_YAML_SCALAR)
            return ap__yaml_fail(r->doc, items[i], r->err, "`%s` must be a list of texts", node->key);
        (*out)[i] = copy(r, items[i]->text);
        if (!(*out)[i])
            return ap__fail(r->err, AP_E_MEMORY, r->doc->path, "no memory for the task");
    }
    return AP_OK;
}

/* A name, or an outside function. */
static ap_status read_function(struct reader *r, const struct ap_yaml *node)
{
    struct ap_err why;
    if (node->kind != AP_YAML_SCALAR)
        return ap__functions_add_yaml(r->task->functions, r->doc, node, r->err);
    ap_status st = ap__registry_add_builtin(r->task->functions, node->text, &why);
    if (st == AP_E_NOT_FOUND || st == AP_E_ARG || st == AP_E_EXISTS) {
        (void)ap__yaml_fail(r->doc, node, r->err, "%s", why.message);
        r->err->code = st;
    } else if (st != AP_OK) {
        *r->err = why;
    }
    return st;
}

static ap_status read_functions(struct reader *r)
{
    const struct ap_yaml *node = ap__yaml_get(r->doc->root, "functions");
    if (!node)
        return ap__yaml_fail(r->doc, r->doc->root, r->err, "`functions` is missing");
    int32_t n = node->kind == AP_YAML_LIST ? node->count : 1;
    if (n > MAX_FUNCTIONS)
        return ap__yaml_fail(r->doc, node, r->err, "`functions` has %d items; at most %d are possible", n, MAX_FUNCTIONS);
    AP_TRY(ap__registry_new(&r->task->functions, r->err));
    r->task->agent.functions = r->task->functions;
    for (int32_t i = 0; i < n; i++)
        AP_TRY(read_function(r, node->kind == AP_YAML_LIST ? node->child[i] : node));
    return AP_OK;
}

static ap_status read_bootstrap(struct reader *r)
{
    const struct ap_yaml *node = ap__yaml_get(r->doc->root, "bootstrap");
    if (!node)
        return AP_OK;
    char **calls;
    AP_TRY(read_texts(r, node, MAX_BOOTSTRAP, &calls, &r->task->agent.bootstrap_count));
    r->task->agent.bootstrap = (const char *const *)calls;
    return AP_OK;
}

static ap_status read_limits(struct reader *r)
{
    struct ap_agent_config *agent = &r->task->agent;
    const struct ap_yaml *map = ap__yaml_get(r->doc->root, "limits");
    int64_t steps = 14, bad_calls = 3, call_tokens = 160, in_flight = 128;
    if (map) {
        if (map->kind != AP_YAML_MAP)
            return ap__yaml_fail(r->doc, map, r->err, "`limits` must be a map");
        AP_TRY(ap__yaml_check_keys(r->doc, map, KNOWN("steps", "bad_calls", "call_tokens", "in_flight", "lockstep"), r->err));
        AP_TRY(ap__yaml_i64(r->doc, map, "steps", false, 1, 1000, &steps, r->err));
        AP_TRY(ap__yaml_i64(r->doc, map, "bad_calls", false, 0, 1000, &bad_calls, r->err));
        AP_TRY(ap__yaml_i64(r->doc, map, "call_tokens", false, 4, 4096, &call_tokens, r->err));
        AP_TRY(ap__yaml_i64(r->doc, map, "in_flight", false, 1, 4096, &in_flight, r->err));
        AP_TRY(ap__yaml_bool(r->doc, map, "lockstep", false, &agent->lockstep, r->err));
    }
    agent->max_steps = (int32_t)steps;
    agent->max_bad_calls = (int32_t)bad_calls;
    agent->max_call_tokens = (int32_t)call_tokens;
    agent->in_flight = (int32_t)in_flight;
    return ap__yaml_bool(r->doc, r->doc->root, "strict", false, &agent->strict, r->err);
}

/* ---- problems ---- */

/* A generator's or profile's name that is wrong is reported at its line. */
static ap_status at_line(struct reader *r, const struct ap_yaml *map, const char *key, ap_status st, struct ap_err *why)
{
    if (st == AP_OK)
        return AP_OK;
    (void)ap__yaml_fail(r->doc, ap__yaml_get(map, key), r->err, "%s", why->message);
    r->err->code = st;
    return st;
}

/* Relative to the task's file, else wherever data is. */
static ap_status find_file(struct reader *r, const char *name, char **out)
{
    struct ap_buf beside;
    ap__buf_init(&beside, 0);
    size_t dir = (size_t)(ap__path_base(r->doc->path) - r->doc->path);
    if (name[0] != '/')
        (void)ap__buf_add(&beside, r->doc->path, dir);
    (void)ap__buf_puts(&beside, name);
    char *found = NULL;
    ap_status st = beside.failed ? AP_E_MEMORY : AP_OK;
    if (st == AP_OK && !ap__file_exists(ap__buf_cstr(&beside)))
        st = ap__data_find(name, &found, NULL);
    if (st == AP_E_NOT_FOUND) /* said when it is read, so that the task opens without it */
        *out = copy(r, name);
    else if (st == AP_OK)
        *out = copy(r, found ? found : ap__buf_cstr(&beside));
    ap__free(found);
    ap__buf_deinit(&beside);
    return *out ? AP_OK : ap__fail(r->err, AP_E_MEMORY, r->doc->path, "no memory for the task");
}

static ap_status read_source(struct reader *r, const struct ap_yaml *map, struct ap_problem_source *out)
{
    const char *generator = NULL, *profile = "short", *file = NULL, *format = NULL;
    struct ap_err why = {0};
    if (map->kind != AP_YAML_MAP)
        return ap__yaml_fail(r->doc, map, r->err, "`%s` must be a map with `generator` or `file`", map->key);
    AP_TRY(ap__yaml_check_keys(r->doc, map, KNOWN("generator", "profile", "file", "format"), r->err));
    AP_TRY(ap__yaml_str(r->doc, map, "generator", false, &generator, r->err));
    AP_TRY(ap__yaml_str(r->doc, map, "profile", false, &profile, r->err));
    AP_TRY(ap__yaml_str(r->doc, map, "file", false, &file, r->err));
    AP_TRY(ap__yaml_str(r->doc, map, "format", false, &format, r->err));
    if (!generator == !file)
        return ap__yaml_fail(r->doc, map, r->err, "`%s` needs either `generator` or `file`", map->key);
    if (format && !ap__format_known(format))
        return ap__yaml_fail(r->doc, ap__yaml_get(map, "format"), r->err,
                             "`format` must be jsonl, gsm8k, folio, proofwriter or prontoqa, not `%s`", format);
    out->format = copy(r, format);
    if (file)
        return find_file(r, file, &out->file);
    AP_TRY(at_line(r, map, "generator", ap__generator_find(generator, &out->generator, &why), &why));
    return at_line(r, map, "profile", ap__profile_parse(profile, &out->profile, &why), &why);
}

static ap_status read_problems(struct reader *r)
{
    const struct ap_yaml *map = ap__yaml_get(r->doc->root, "problems");
    if (!map)
        return ap__yaml_fail(r->doc, r->doc->root, r->err, "`problems` is missing");
    const struct ap_yaml *train = ap__yaml_get(map, "train"), *heldout = ap__yaml_get(map, "heldout");
    if (!train && !heldout) {
        AP_TRY(read_source(r, map, &r->task->train));
        r->task->heldout = r->task->train;
        return AP_OK;
    }
    AP_TRY(ap__yaml_check_keys(r->doc, map, KNOWN("train", "heldout"), r->err));
    if (!train || !heldout)
        return ap__yaml_fail(r->doc, map, r->err, "`problems` needs both `train` and `heldout`");
    AP_TRY(read_source(r, train, &r->task->train));
    return read_source(r, heldout, &r->task->heldout);
}

/* ---- checker ---- */

static ap_status checker_kind(struct reader *r, const struct ap_yaml *node, const char *text)
{
    static const char *const kinds[] = {"exact", "number", "choice", "formula"};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (strcmp(text, kinds[i]) == 0) {
            r->task->checker.kind = (enum ap_checker_kind)i;
            return AP_OK;
        }
    return ap__yaml_fail(r->doc, node, r->err, "a checker is exact, number, choice or formula, not `%s`", text);
}

static ap_status read_checker_map(struct reader *r, const struct ap_yaml *map)
{
    struct ap_checker *checker = &r->task->checker;
    const char *kind = NULL, *tolerance = "0";
    AP_TRY(ap__yaml_check_keys(r->doc, map, KNOWN("kind", "tolerance", "choices"), r->err));
    AP_TRY(ap__yaml_str(r->doc, map, "kind", true, &kind, r->err));
    AP_TRY(checker_kind(r, ap__yaml_get(map, "kind"), kind));
    AP_TRY(ap__yaml_str(r->doc, map, "tolerance", false, &tolerance, r->err));
    mpq_t number;
    mpq_init(number);
    bool ok = ap__number_parse(tolerance, number) && mpq_sgn(number) >= 0;
    mpq_clear(number);
    if (!ok)
        return ap__yaml_fail(r->doc, ap__yaml_get(map, "tolerance"), r->err,
                             "`tolerance` must be a number of at least 0, not `%s`", tolerance);
    checker->tolerance = copy(r, tolerance);
    const struct ap_yaml *choices = ap__yaml_get(map, "choices");
    if ((checker->kind == AP_CHECK_CHOICE) != (choices != NULL))
        return ap__yaml_fail(r->doc, map, r->err, "`choices` belongs to the checker `choice`, and to no other");
    return choices ? read_texts(r, choices, MAX_CHOICES, &checker->choices, &checker->choice_count) : AP_OK;
}

static ap_status read_checker(struct reader *r)
{
    const struct ap_yaml *node = ap__yaml_get(r->doc->root, "checker");
    if (!node)
        return ap__yaml_fail(r->doc, r->doc->root, r->err, "`checker` is missing");
    r->task->checker.prover = ap__registry_prover(r->task->functions);
    if (node->kind == AP_YAML_MAP)
        return read_checker_map(r, node);
    if (node->kind == AP_YAML_LIST)
        return ap__yaml_fail(r->doc, node, r->err, "`checker` must be a name or a map");
    AP_TRY(checker_kind(r, node, node->text));
    if (r->task->checker.kind == AP_CHECK_CHOICE)
        return ap__yaml_fail(r->doc, node, r->err, "the checker `choice` needs `{kind: choice, choices: [...]}`");
    return AP_OK;
}

/* ---- the whole ---- */

static ap_status read_texts_of_task(struct reader *r)
{
    struct ap_task *task = r->task;
    const char *name = NULL, *title = NULL, *description = "", *prompt = NULL;
    AP_TRY(ap__yaml_str(r->doc, r->doc->root, "name", false, &name, r->err));
    AP_TRY(ap__yaml_str(r->doc, r->doc->root, "title", false, &title, r->err));
    AP_TRY(ap__yaml_str(r->doc, r->doc->root, "description", false, &description, r->err));
    AP_TRY(ap__yaml_str(r->doc, r->doc->root, "prompt", true, &prompt, r->err));
    const char *base = ap__path_base(r->doc->path);
    size_t n = strcspn(base, "."), length = strlen(prompt);
    while (length > 0 && (prompt[length - 1] == '\n' || prompt[length - 1] == ' '))
        length--;
    task->name = name ? copy(r, name) : ap__arena_strndup(&r->storage->arena, base, n);
    task->title = title ? copy(r, title) : task->name;
    task->description = copy(r, description);
    task->agent.prompt = ap__arena_strndup(&r->storage->arena, prompt, length);
    if (!task->name || !task->title || !task->description || !task->agent.prompt)
        return ap__fail(r->err, AP_E_MEMORY, r->doc->path, "no memory for the task");
    return AP_OK;
}

static ap_status read_task(struct reader *r)
{
    if (r->doc->root->kind != AP_YAML_MAP)
        return ap__yaml_fail(r->doc, r->doc->root, r->err, "a task must be a map of keys");
    AP_TRY(ap__yaml_check_keys(r->doc, r->doc->root,
                               KNOWN("name", "title", "description", "prompt", "functions", "bootstrap", "limits",
                                     "strict", "problems", "checker"),
                               r->err));
    AP_TRY(read_texts_of_task(r));
    AP_TRY(read_functions(r));
    AP_TRY(read_bootstrap(r));
    AP_TRY(read_limits(r));
    AP_TRY(read_problems(r));
    return read_checker(r);
}

void ap__task_free(struct ap_task *task)
{
    if (!task)
        return;
    struct ap_task_storage *storage = task->storage;
    ap__registry_free(task->functions);
    if (storage) {
        ap__problems_deinit(&storage->file[AP_TRAIN]);
        ap__problems_deinit(&storage->file[AP_HELDOUT]);
        ap__arena_deinit(&storage->arena);
        ap__free(storage);
    }
    ap__free(task);
}

static ap_status open_path(const char *path, struct ap_task **out, struct ap_err *err)
{
    struct ap_yaml_doc doc;
    struct ap_task *task = ap__alloc(sizeof *task);
    struct ap_task_storage *storage = ap__alloc(sizeof *storage);
    if (!task || !storage) {
        ap__free(task);
        ap__free(storage);
        return ap__fail(err, AP_E_MEMORY, path, "no memory for the task");
    }
    ap__arena_init(&storage->arena, 0);
    task->storage = storage;
    ap_status st = ap__yaml_load(path, &doc, err);
    if (st == AP_OK) {
        struct reader r = {.task = task, .storage = storage, .doc = &doc, .err = err};
        st = read_task(&r);
        ap__yaml_free(&doc);
    }
    if (st != AP_OK) {
        ap__task_free(task);
        return st;
    }
    *out = task;
    return AP_OK;
}

static ap_status unknown_task(const char *name, const struct ap_err *why, struct ap_err *err)
{
    static const char *const names[] = {"fol-entailment", "fol-translation", "math-word", "math-expression", "gsm8k"};
    const char *near = ap__nearest(name, names, sizeof names / sizeof names[0]);
    if (near)
        return ap__fail(err, why->code, NULL, "there is no task called `%.100s`; did you mean `%s`?", name, near);
    return ap__fail(err, why->code, NULL, "there is no task called `%.100s`: %s", name, why->message);
}

/* A path as it is given, else tasks/NAME.yaml. */
ap_status ap__task_open(const char *name_or_path, struct ap_task **out, struct ap_err *err)
{
    char *path = NULL;
    struct ap_buf name;
    if (ap__file_exists(name_or_path))
        return open_path(name_or_path, out, err);
    bool is_path = strchr(name_or_path, '/') || ap__ends_with(name_or_path, ".yaml");
    ap__buf_init(&name, 0);
    (void)ap__buf_printf(&name, is_path ? "%s" : "tasks/%s.yaml", name_or_path);
    struct ap_err why;
    ap_status st = name.failed ? ap__fail(&why, AP_E_MEMORY, name_or_path, "no memory for a path")
                               : ap__data_find(ap__buf_cstr(&name), &path, &why);
    if (st == AP_OK)
        st = open_path(path, out, err);
    else if (is_path || st == AP_E_MEMORY)
        *err = why;
    else
        st = unknown_task(name_or_path, &why, err);
    ap__buf_deinit(&name);
    ap__free(path);
    return st;
}
