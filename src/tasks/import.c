/* import.c - problem files: which format, which records, with places in the errors.
 *
 *   file --first record--> format --each record--> problem
 *
 * Records of a JSON-lines file are named FILE:LINE in errors, those of an array
 * FILE: record N.  The first broken record ends the reading. */
#include "tasks/import.h"

#include "base/file.h"
#include "tasks/task.h"
#include "tasks/task_storage.h"
#include <ctype.h>
#include <stdio.h>
#include <string.h>

/* ---- our own format ---- */

static bool detect_own(const json_t *record)
{
    return json_object_get(record, "question") && json_object_get(record, "answer");
}

static ap_status read_own(const json_t *record, const char *place, struct ap_problem *out, struct ap_err *err)
{
    return ap__problem_from_json(record, place, out, err);
}

static const struct ap_import_format own = {.name = "jsonl", .detect = detect_own, .read = read_own};

/* In order of detection: the most special first. */
static const struct ap_import_format *const formats[] = {&ap__import_folio, &ap__import_prontoqa,
                                                         &ap__import_proofwriter, &ap__import_gsm8k, &own};
enum { FORMATS = sizeof formats / sizeof formats[0] };

static const struct ap_import_format *find_format(const char *name)
{
    for (size_t i = 0; i < FORMATS; i++)
        if (strcmp(formats[i]->name, name) == 0)
            return formats[i];
    return NULL;
}

bool ap__format_known(const char *format)
{
    return find_format(format) != NULL;
}

/* ---- reading ---- */

struct import {
    const char *path;
    const struct ap_import_format *format; /* NULL until detected */
    const struct ap_task *task;            /* may be NULL */
    int64_t limit;
    struct ap_problems *out;
    struct ap_err *err;
};

static ap_status detect(struct import *im, const json_t *record, bool array, const char *place)
{
    for (size_t i = 0; i < FORMATS && !im->format; i++)
        if (json_is_object(record) && formats[i]->array == array && formats[i]->detect(record))
            im->format = formats[i];
    if (im->format)
        return AP_OK;
    return ap__fail(im->err, AP_E_FORMAT, place,
                    "the record is of no known format (jsonl, gsm8k, folio, proofwriter, prontoqa)");
}

/* What a record may leave out: id, task, template. */
static ap_status complete(const struct import *im, int64_t number, struct ap_problem *p)
{
    char id[128];
    const char *base = ap__path_base(im->path);
    if (!p->id) {
        snprintf(id, sizeof id, "%.*s/%lld", (int)strcspn(base, "."), base, (long long)number);
        AP_TRY(ap__problem_set(&p->id, id, im->err));
    }
    if (im->task)
        AP_TRY(ap__problem_set(&p->task, im->task->name, im->err));
    if (!p->template_name)
        AP_TRY(ap__problem_set(&p->template_name, im->format->name, im->err));
    return AP_OK;
}

/* number: 1-based line or record. */
static ap_status read_record(struct import *im, const json_t *record, const char *place, int64_t number)
{
    struct ap_problem p = {0};
    if (!im->format)
        AP_TRY(detect(im, record, false, place));
    ap_status st = json_is_object(record) ? im->format->read(record, place, &p, im->err)
                                          : ap__fail(im->err, AP_E_FORMAT, place, "a record must be a JSON object");
    if (st == AP_OK)
        st = complete(im, number, &p);
    if (st == AP_OK)
        st = ap__problems_add(im->out, &p, im->err);
    ap__problem_deinit(&p);
    return st;
}

static bool is_full(const struct import *im, size_t before)
{
    return im->limit > 0 && im->out->n - before >= (uint64_t)im->limit;
}

static ap_status read_array(struct import *im, const struct ap_map *map)
{
    json_t *array, *record;
    size_t i, before = im->out->n;
    char place[256];
    AP_TRY(ap__json_parse((const char *)map->data, map->size, im->path, &array, im->err));
    ap_status st = AP_OK;
    if (!im->format)
        st = detect(im, json_array_get(array, 0), true, im->path);
    else if (!im->format->array)
        st = ap__fail(im->err, AP_E_FORMAT, im->path,
                      "format %s has a record on each line, but the file is one JSON array", im->format->name);
    json_array_foreach(array, i, record)
    {
        if (st != AP_OK || is_full(im, before))
            break;
        snprintf(place, sizeof place, "%.200s: record %zu", im->path, i + 1);
        st = read_record(im, record, place, (int64_t)i + 1);
    }
    json_decref(array);
    return st;
}

static ap_status read_line(struct import *im, const char *line, size_t n, int64_t number)
{
    char place[256];
    json_t *record;
    snprintf(place, sizeof place, "%.200s:%lld", im->path, (long long)number);
    AP_TRY(ap__json_parse(line, n, place, &record, im->err));
    ap_status st = read_record(im, record, place, number);
    json_decref(record);
    return st;
}

static ap_status read_lines(struct import *im, const struct ap_map *map)
{
    size_t offset = 0, n, before = im->out->n;
    const char *line;
    if (im->format && im->format->array)
        return ap__fail(im->err, AP_E_FORMAT, im->path, "format %s is one JSON array, but the file is none",
                        im->format->name);
    for (int64_t number = 1; !is_full(im, before) && ap__map_line(map, &offset, &line, &n); number++) {
        while (n > 0 && isspace((unsigned char)line[n - 1]))
            n--;
        if (n > 0)
            AP_TRY(read_line(im, line, n, number));
    }
    return AP_OK;
}

ap_status ap__problems_import(const char *path, const char *format, const struct ap_task *task, int64_t limit,
                              struct ap_problems *out, struct ap_err *err)
{
    struct import im = {.path = path, .task = task, .limit = limit, .out = out, .err = err};
    struct ap_map map;
    size_t before = out->n, first = 0;
    if (format && !(im.format = find_format(format)))
        return ap__fail(err, AP_E_ARG, NULL, "a format is jsonl, gsm8k, folio, proofwriter or prontoqa, not `%s`",
                        format);
    AP_TRY(ap__map_open(path, &map, err));
    while (first < map.size && isspace(map.data[first]))
        first++;
    ap_status st;
    if (first == map.size)
        st = ap__fail(err, AP_E_FORMAT, path, "the file has no problems");
    else
        st = map.data[first] == '[' ? read_array(&im, &map) : read_lines(&im, &map);
    ap__map_close(&map);
    while (st != AP_OK && out->n > before)
        ap__problem_deinit(&out->item[--out->n]);
    return st;
}
