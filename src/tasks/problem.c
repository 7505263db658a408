/* problem.c - problems as data: release, content hash, JSON, lists.
 *
 *   {"id": .., "task": .., "template": .., "question": .., "answer": ..,
 *    "premises": [..], "calls": [..], "origin": .., "detail": {..}}
 *
 * Only question and answer are required when reading. */
#include "tasks/problem.h"

#include "base/rng.h"
#include "tasks/generator.h"
#include <ctype.h>
#include <string.h>

static void free_texts(char **texts, int32_t n)
{
    for (int32_t i = 0; texts && i < n; i++)
        ap__free(texts[i]);
    ap__free(texts);
}

void ap__problem_deinit(struct ap_problem *p)
{
    ap__free(p->id);
    ap__free(p->task);
    ap__free(p->template_name);
    ap__free(p->question);
    ap__free(p->answer);
    ap__free(p->origin);
    free_texts(p->premise, p->premise_count);
    free_texts(p->call, p->call_count);
    json_decref(p->detail);
    memset(p, 0, sizeof *p);
}

void ap__problems_deinit(struct ap_problems *ps)
{
    for (size_t i = 0; i < ps->n; i++)
        ap__problem_deinit(&ps->item[i]);
    ap__free(ps->item);
    memset(ps, 0, sizeof *ps);
}

/* FNV-1a over the lower-cased text with white space collapsed, then mixed. */
uint64_t ap__problem_hash(const struct ap_problem *p)
{
    uint64_t h = 14695981039346656037u;
    bool blank = false, begun = false;
    for (const unsigned char *c = (const unsigned char *)(p->question ? p->question : ""); *c; c++) {
        if (isspace(*c)) {
            blank = begun;
            continue;
        }
        if (blank)
            h = (h ^ ' ') * 1099511628211u;
        h = (h ^ (uint64_t)(*c < 128 ? tolower(*c) : *c)) * 1099511628211u;
        blank = false;
        begun = true;
    }
    return ap__hash64(&h, sizeof h, 0);
}

bool ap__problem_is_heldout(const struct ap_problem *p)
{
    return ap__problem_hash(p) % 5 == 0;
}

/* ---- filling ---- */

ap_status ap__problem_set(char **field, const char *text, struct ap_err *err)
{
    char *copy = ap__strdup(text);
    if (text && !copy)
        return ap__fail(err, AP_E_MEMORY, NULL, "no memory for a problem's text");
    ap__free(*field);
    *field = copy;
    return AP_OK;
}

ap_status ap__problem_set_buf(char **field, const struct ap_buf *text, struct ap_err *err)
{
    if (text->failed)
        return ap__fail(err, AP_E_MEMORY, NULL, "no memory for a problem's text");
    return ap__problem_set(field, ap__buf_cstr(text), err);
}

/* Takes text, also on failure. */
static ap_status push_text(char ***list, int32_t *n, char *text, struct ap_err *err)
{
    char **grown = text ? ap__realloc(*list, ((size_t)*n + 1) * sizeof **list) : NULL;
    if (!grown) {
        ap__free(text);
        return ap__fail(err, AP_E_MEMORY, NULL, "no memory for a problem's text");
    }
    grown[(*n)++] = text;
    *list = grown;
    return AP_OK;
}

ap_status ap__problem_add_call(struct ap_problem *p, struct ap_err *err, const char *fmt, ...)
{
    struct ap_buf text;
    ap__buf_init(&text, 0);
    va_list args;
    va_start(args, fmt);
    (void)ap__buf_vprintf(&text, fmt, args);
    va_end(args);
    return push_text(&p->call, &p->call_count, ap__buf_take(&text), err);
}

ap_status ap__problem_add_premise(struct ap_problem *p, const char *formula, struct ap_err *err)
{
    return push_text(&p->premise, &p->premise_count, ap__strdup(formula), err);
}

ap_status ap__problems_add(struct ap_problems *ps, struct ap_problem *p, struct ap_err *err)
{
    AP_TRY(ap__grow((void **)&ps->item, &ps->cap, ps->n + 1, sizeof *ps->item, err));
    ps->item[ps->n++] = *p;
    memset(p, 0, sizeof *p);
    return AP_OK;
}

static ap_status copy_fields(const struct ap_problem *p, struct ap_problem *out, struct ap_err *err)
{
    AP_TRY(ap__problem_set(&out->id, p->id, err));
    AP_TRY(ap__problem_set(&out->task, p->task, err));
    AP_TRY(ap__problem_set(&out->template_name, p->template_name, err));
    AP_TRY(ap__problem_set(&out->question, p->question, err));
    AP_TRY(ap__problem_set(&out->answer, p->answer, err));
    AP_TRY(ap__problem_set(&out->origin, p->origin, err));
    for (int32_t i = 0; i < p->premise_count; i++)
        AP_TRY(push_text(&out->premise, &out->premise_count, ap__strdup(p->premise[i]), err));
    for (int32_t i = 0; i < p->call_count; i++)
        AP_TRY(push_text(&out->call, &out->call_count, ap__strdup(p->call[i]), err));
    out->detail = json_incref(p->detail);
    return AP_OK;
}

ap_status ap__problem_copy(const struct ap_problem *p, struct ap_problem *out, struct ap_err *err)
{
    memset(out, 0, sizeof *out);
    ap_status st = copy_fields(p, out, err);
    if (st != AP_OK)
        ap__problem_deinit(out);
    return st;
}

/* ---- JSON ---- */

static int set_text(json_t *obj, const char *key, const char *text)
{
    return text ? json_object_set_new(obj, key, json_string(text)) : 0;
}

static int set_texts(json_t *obj, const char *key, char *const *texts, int32_t n)
{
    if (!texts)
        return 0;
    json_t *list = json_array();
    int failed = list == NULL;
    for (int32_t i = 0; i < n && !failed; i++)
        failed |= json_array_append_new(list, json_string(texts[i]));
    if (failed) {
        json_decref(list);
        return -1;
    }
    return json_object_set_new(obj, key, list);
}

ap_status ap__problem_to_json(const struct ap_problem *p, json_t **out, struct ap_err *err)
{
    json_t *obj = json_object();
    int failed = obj == NULL;
    failed = failed || set_text(obj, "id", p->id) || set_text(obj, "task", p->task) ||
             set_text(obj, "template", p->template_name) || set_text(obj, "question", p->question) ||
             set_text(obj, "answer", p->answer) || set_texts(obj, "premises", p->premise, p->premise_count) ||
             set_texts(obj, "calls", p->call, p->call_count) || set_text(obj, "origin", p->origin) ||
             (p->detail && json_object_set(obj, "detail", p->detail));
    if (failed) {
        json_decref(obj);
        return ap__fail(err, AP_E_MEMORY, p->id,
                        "cannot write the problem as JSON (no memory, or text that is not UTF-8)");
    }
    *out = obj;
    return AP_OK;
}

static ap_status get_text(const json_t *obj, const char *key, const char *place, char **out, struct ap_err *err)
{
    if (!json_object_get(obj, key) || json_is_null(json_object_get(obj, key)))
        return AP_OK;
    const char *text;
    AP_TRY(ap__json_str(obj, key, place, &text, err));
    return ap__problem_set(out, text, err);
}

static ap_status get_texts(const json_t *obj, const char *key, const char *place, char ***out, int32_t *n,
                           struct ap_err *err)
{
    json_t *list, *item;
    size_t i;
    if (!json_object_get(obj, key))
        return AP_OK;
    AP_TRY(ap__json_array(obj, key, place, &list, err));
    json_array_foreach(list, i, item)
    {
        if (!json_is_string(item))
            return ap__fail(err, AP_E_FORMAT, place, "`%s` must be a list of strings; item %zu is not", key, i + 1);
        AP_TRY(push_text(out, n, ap__strdup(json_string_value(item)), err));
    }
    return AP_OK;
}

/* An answer may also be written as a number or a bool. */
static ap_status get_answer(const json_t *obj, const char *place, char **out, struct ap_err *err)
{
    const json_t *value = json_object_get(obj, "answer");
    if (json_is_boolean(value))
        return ap__problem_set(out, json_is_true(value) ? "True" : "False", err);
    if (!json_is_number(value)) {
        const char *text;
        AP_TRY(ap__json_str(obj, "answer", place, &text, err));
        return ap__problem_set(out, text, err);
    }
    char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_REAL_PRECISION(15));
    if (!text)
        return ap__fail(err, AP_E_MEMORY, place, "no memory for the answer");
    ap_status st = ap__problem_set(out, text, err);
    free(text);
    return st;
}

static ap_status read_fields(const json_t *json, const char *place, struct ap_problem *p, struct ap_err *err)
{
    const char *question;
    AP_TRY(ap__json_str(json, "question", place, &question, err));
    AP_TRY(ap__problem_set(&p->question, question, err));
    AP_TRY(get_answer(json, place, &p->answer, err));
    AP_TRY(get_text(json, "id", place, &p->id, err));
    AP_TRY(get_text(json, "task", place, &p->task, err));
    AP_TRY(get_text(json, "template", place, &p->template_name, err));
    AP_TRY(get_text(json, "origin", place, &p->origin, err));
    AP_TRY(get_texts(json, "premises", place, &p->premise, &p->premise_count, err));
    AP_TRY(get_texts(json, "calls", place, &p->call, &p->call_count, err));
    p->detail = json_incref(json_object_get(json, "detail"));
    return AP_OK;
}

ap_status ap__problem_from_json(const json_t *json, const char *place, struct ap_problem *out, struct ap_err *err)
{
    memset(out, 0, sizeof *out);
    if (!json_is_object(json))
        return ap__fail(err, AP_E_FORMAT, place, "a problem must be a JSON object");
    ap_status st = read_fields(json, place, out, err);
    if (st != AP_OK)
        ap__problem_deinit(out);
    return st;
}
