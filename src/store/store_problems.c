/* store_problems.c - the problems of a run: distinct by content, never in both splits.
 *
 *     problem --content hash--> new?          insert
 *                               same id?      already there, fine
 *                               other split?  refused: held-out results would be worthless */
#include "store/sql.h"

#include <string.h>

static const char *split_text(enum ap_split split)
{
    return split == AP_TRAIN ? "train" : "heldout";
}

/* Say who has the content or the id, when somebody has. */
static ap_status check_new(struct ap_store *store, enum ap_split split, const struct ap_problem *p, uint64_t hash,
                           bool *known, struct ap_err *err)
{
    sqlite3_stmt *stmt;
    bool row;
    *known = false;
    AP_TRY(ap__sql_bind(store, &stmt, err,
                        "SELECT id, split, hash, task FROM problems WHERE id = ?1"
                        " UNION SELECT id, split, hash, task FROM problems"
                        "  WHERE hash = ?2 AND (split <> ?3 OR task = ?4)",
                        "titt", p->id, (int64_t)hash, split_text(split), p->task));
    AP_TRY(ap__sql_step(store, stmt, &row, err));
    if (!row)
        return AP_OK;
    const char *id = ap__sql_text(stmt, 0), *in = ap__sql_text(stmt, 1);
    bool same_id = strcmp(id, p->id) == 0, same_split = strcmp(in, split_text(split)) == 0;
    bool same_content = sqlite3_column_int64(stmt, 2) == (int64_t)hash;
    ap_status status = AP_OK;
    *known = same_id && same_split && same_content;
    if (!same_content)
        status = ap__fail(err, AP_E_EXISTS, store->path, "problem id `%s` names two different problems", p->id);
    else if (!same_split)
        status = ap__fail(err, AP_E_EXISTS, store->path,
                          "problem `%s` (%s) has the content of `%s` (%s): train and held-out must not overlap",
                          p->id, split_text(split), id, in);
    else if (!same_id)
        status = ap__fail(err, AP_E_EXISTS, store->path, "problems `%s` and `%s` have the same content", p->id, id);
    sqlite3_reset(stmt);
    return status;
}

static ap_status insert_problem(struct ap_store *store, enum ap_split split, const struct ap_problem *p,
                                uint64_t hash, struct ap_err *err)
{
    json_t *json = NULL;
    AP_TRY(ap__problem_to_json(p, &json, err));
    char *text = ap__json_dump(json);
    json_decref(json);
    if (!text)
        return ap__fail(err, AP_E_MEMORY, store->path, "out of memory storing problem `%s`", p->id);
    ap_status status = ap__sql_run(store, err,
                                   "INSERT INTO problems(id, task, split, template, question, answer, json, hash)"
                                   " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
                                   "ttttttti", p->id, p->task, split_text(split),
                                   p->template_name ? p->template_name : "", p->question, p->answer, text,
                                   (int64_t)hash);
    ap__free(text);
    return status;
}

ap_status ap__store_add_problem(struct ap_store *store, enum ap_split split, const struct ap_problem *problem,
                                struct ap_err *err)
{
    uint64_t hash = ap__problem_hash(problem);
    bool known = false;
    AP_TRY(check_new(store, split, problem, hash, &known, err));
    if (known)
        return AP_OK;
    AP_TRY(ap__sql_begin_write(store, err));
    return ap__sql_end_write(store, insert_problem(store, split, problem, hash, err), err);
}

/* The row's JSON, column 0, as a problem. */
static ap_status read_problem(struct ap_store *store, sqlite3_stmt *stmt, struct ap_problem *out, struct ap_err *err)
{
    json_t *json = NULL;
    AP_TRY(ap__sql_json(store, stmt, 0, &json, err));
    ap_status status = ap__problem_from_json(json, store->path, out, err);
    json_decref(json);
    return status;
}

ap_status ap__store_problems(struct ap_store *store, const char *task, enum ap_split split, struct ap_problems *out,
                             struct ap_err *err)
{
    sqlite3_stmt *stmt;
    bool row;
    ap_status status;
    AP_TRY(ap__sql_bind(store, &stmt, err,
                        "SELECT json FROM problems WHERE split = ?1 AND (?2 IS NULL OR task = ?2) ORDER BY row",
                        "tt", split_text(split), task));
    while ((status = ap__sql_step(store, stmt, &row, err)) == AP_OK && row) {
        struct ap_problem p = {0};
        status = read_problem(store, stmt, &p, err);
        if (status == AP_OK)
            status = ap__problems_add(out, &p, err);
        ap__problem_deinit(&p);
        if (status != AP_OK)
            break;
    }
    sqlite3_reset(stmt);
    return status;
}

ap_status ap__store_problem(struct ap_store *store, const char *id, struct ap_problem *out, struct ap_err *err)
{
    sqlite3_stmt *stmt;
    bool row;
    AP_TRY(ap__sql_bind(store, &stmt, err, "SELECT json FROM problems WHERE id = ?1", "t", id));
    AP_TRY(ap__sql_step(store, stmt, &row, err));
    if (!row)
        return ap__fail(err, AP_E_NOT_FOUND, store->path, "there is no problem `%s`", id);
    ap_status status = read_problem(store, stmt, out, err);
    sqlite3_reset(stmt);
    return status;
}

ap_status ap__store_count_problems(struct ap_store *store, const char *task, enum ap_split split, int64_t *out,
                                   struct ap_err *err)
{
    return ap__sql_number(store, out, 0, err,
                          "SELECT count(*) FROM problems WHERE split = ?1 AND (?2 IS NULL OR task = ?2)", "tt",
                          split_text(split), task);
}

void ap__names_deinit(struct ap_names *names)
{
    for (size_t i = 0; i < names->n; i++)
        ap__free(names->item[i]);
    ap__free(names->item);
    *names = (struct ap_names){0};
}

ap_status ap__store_tasks(struct ap_store *store, struct ap_names *out, struct ap_err *err)
{
    sqlite3_stmt *stmt;
    bool row;
    ap_status status;
    AP_TRY(ap__sql_bind(store, &stmt, err, "SELECT task FROM problems GROUP BY task ORDER BY min(row)", ""));
    while ((status = ap__sql_step(store, stmt, &row, err)) == AP_OK && row) {
        char *name = NULL;
        status = ap__sql_dup(stmt, 0, &name, err);
        if (status == AP_OK)
            status = ap__grow((void **)&out->item, &out->cap, out->n + 1, sizeof *out->item, err);
        if (status != AP_OK) {
            ap__free(name);
            break;
        }
        out->item[out->n++] = name;
    }
    sqlite3_reset(stmt);
    return status;
}
