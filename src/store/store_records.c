/* store_records.c - what a run notes beside its chains: meta, metrics, evaluations, stages.
 *
 *     begin_stage --(every commit adds the time worked to stages.seconds)--> end_stage
 *
 * A process killed in a stage loses the seconds since its last commit, and finds the stage
 * "started" when it comes back. */
#include "base/progress.h"
#include "store/sql.h"

#include <stdio.h>
#include <string.h>

/* ---- meta ---- */

ap_status ap__store_set_meta(struct ap_store *store, const char *key, const char *value, struct ap_err *err)
{
    AP_TRY(ap__sql_begin_write(store, err));
    ap_status status =
        ap__sql_run(store, err, "INSERT OR REPLACE INTO meta(key, value) VALUES(?1, ?2)", "tt", key, value);
    return ap__sql_end_write(store, status, err);
}

ap_status ap__store_meta(struct ap_store *store, const char *key, char **value, struct ap_err *err)
{
    sqlite3_stmt *stmt;
    bool row;
    *value = NULL;
    AP_TRY(ap__sql_bind(store, &stmt, err, "SELECT value FROM meta WHERE key = ?1", "t", key));
    AP_TRY(ap__sql_step(store, stmt, &row, err));
    if (!row)
        return AP_OK;
    ap_status status = ap__sql_dup(stmt, 0, value, err);
    sqlite3_reset(stmt);
    return status;
}

/* ---- metrics and evaluations: JSON objects under a key ---- */

static ap_status dump(struct ap_store *store, const json_t *value, char **text, struct ap_err *err)
{
    *text = ap__json_dump(value);
    return *text ? AP_OK : ap__fail(err, AP_E_MEMORY, store->path, "out of memory storing a record");
}

ap_status ap__store_add_metric(struct ap_store *store, const char *run, int64_t step, const json_t *values,
                               struct ap_err *err)
{
    char *text = NULL;
    AP_TRY(dump(store, values, &text, err));
    ap_status status = ap__sql_begin_write(store, err);
    if (status == AP_OK)
        status = ap__sql_end_write(
            store,
            ap__sql_run(store, err, "INSERT OR REPLACE INTO metrics(run, step, json) VALUES(?1, ?2, ?3)", "tit", run,
                        step, text),
            err);
    ap__free(text);
    return status;
}

ap_status ap__store_clear_metrics(struct ap_store *store, const char *run, int64_t first, struct ap_err *err)
{
    AP_TRY(ap__sql_begin_write(store, err));
    ap_status status = ap__sql_run(store, err, "DELETE FROM metrics WHERE run = ?1 AND step >= ?2", "ti", run, first);
    return ap__sql_end_write(store, status, err);
}

ap_status ap__store_set_evaluation(struct ap_store *store, const char *name, const char *task, const json_t *note,
                                   struct ap_err *err)
{
    char *text = NULL;
    AP_TRY(dump(store, note, &text, err));
    ap_status status = ap__sql_begin_write(store, err);
    if (status == AP_OK)
        status = ap__sql_end_write(store,
                                   ap__sql_run(store, err,
                                               "INSERT INTO evaluations(name, task, json) VALUES(?1, ?2, ?3)"
                                               " ON CONFLICT(name, task) DO UPDATE SET json = excluded.json",
                                               "ttt", name, task, text),
                                   err);
    ap__free(text);
    return status;
}

/* Append an object made from the current row. */
typedef ap_status (*row_reader)(struct ap_store *store, sqlite3_stmt *stmt, json_t **object, struct ap_err *err);

static ap_status read_array(struct ap_store *store, sqlite3_stmt *stmt, row_reader read, json_t **out,
                            struct ap_err *err)
{
    bool row;
    ap_status status = AP_OK;
    json_t *array = json_array(), *object;
    while (array && (status = ap__sql_step(store, stmt, &row, err)) == AP_OK && row) {
        status = read(store, stmt, &object, err);
        if (status == AP_OK && json_array_append_new(array, object) != 0)
            status = ap__fail(err, AP_E_MEMORY, store->path, "out of memory reading records");
        if (status != AP_OK)
            break;
    }
    sqlite3_reset(stmt);
    if (!array)
        return ap__fail(err, AP_E_MEMORY, store->path, "out of memory reading records");
    if (status != AP_OK)
        json_decref(array);
    else
        *out = array;
    return status;
}

static ap_status read_metric(struct ap_store *store, sqlite3_stmt *stmt, json_t **object, struct ap_err *err)
{
    AP_TRY(ap__sql_json(store, stmt, 1, object, err));
    json_object_set_new(*object, "step", json_integer(sqlite3_column_int64(stmt, 0)));
    return AP_OK;
}

ap_status ap__store_metrics(struct ap_store *store, const char *run, json_t **out, struct ap_err *err)
{
    sqlite3_stmt *stmt;
    AP_TRY(ap__sql_bind(store, &stmt, err, "SELECT step, json FROM metrics WHERE run = ?1 ORDER BY step", "t", run));
    return read_array(store, stmt, read_metric, out, err);
}

static ap_status read_evaluation(struct ap_store *store, sqlite3_stmt *stmt, json_t **object, struct ap_err *err)
{
    json_t *note = NULL;
    AP_TRY(ap__sql_json(store, stmt, 2, &note, err));
    *object = json_pack("{s:s, s:s, s:o}", "name", ap__sql_text(stmt, 0), "task", ap__sql_text(stmt, 1), "note", note);
    return *object ? AP_OK : ap__fail(err, AP_E_MEMORY, store->path, "out of memory reading records");
}

ap_status ap__store_evaluations(struct ap_store *store, json_t **out, struct ap_err *err)
{
    sqlite3_stmt *stmt;
    AP_TRY(ap__sql_bind(store, &stmt, err, "SELECT name, task, json FROM evaluations ORDER BY n", ""));
    return read_array(store, stmt, read_evaluation, out, err);
}

/* ---- stages ---- */

static void read_stage(sqlite3_stmt *stmt, struct ap_stage *out)
{
    snprintf(out->name, sizeof out->name, "%s", ap__sql_text(stmt, 0));
    out->state = strcmp(ap__sql_text(stmt, 1), "done") == 0 ? AP_STAGE_DONE : AP_STAGE_STARTED;
    out->seconds = sqlite3_column_double(stmt, 2);
    out->fingerprint = (uint64_t)sqlite3_column_int64(stmt, 3);
}

ap_status ap__store_stage(struct ap_store *store, const char *name, struct ap_stage *out, struct ap_err *err)
{
    sqlite3_stmt *stmt;
    bool row;
    *out = (struct ap_stage){.state = AP_STAGE_NEW};
    snprintf(out->name, sizeof out->name, "%s", name);
    AP_TRY(ap__sql_bind(store, &stmt, err, "SELECT name, state, seconds, fingerprint FROM stages WHERE name = ?1",
                        "t", name));
    AP_TRY(ap__sql_step(store, stmt, &row, err));
    if (row)
        read_stage(stmt, out);
    sqlite3_reset(stmt);
    return AP_OK;
}

ap_status ap__store_stages(struct ap_store *store, struct ap_stage **out, size_t *n, struct ap_err *err)
{
    sqlite3_stmt *stmt;
    bool row;
    ap_status status;
    size_t cap = 0;
    *out = NULL;
    *n = 0;
    AP_TRY(ap__sql_bind(store, &stmt, err, "SELECT name, state, seconds, fingerprint FROM stages ORDER BY n", ""));
    while ((status = ap__sql_step(store, stmt, &row, err)) == AP_OK && row) {
        status = ap__grow((void **)out, &cap, *n + 1, sizeof **out, err);
        if (status != AP_OK)
            break;
        read_stage(stmt, &(*out)[(*n)++]);
    }
    sqlite3_reset(stmt);
    if (status != AP_OK) {
        ap__free(*out);
        *out = NULL;
        *n = 0;
    }
    return status;
}

ap_status ap__store_begin_stage(struct ap_store *store, const char *name, uint64_t fingerprint, struct ap_err *err)
{
    if (store->stage[0])
        return ap__fail(err, AP_E_STATE, store->path, "stage `%s` begins while `%s` is not ended", name,
                        store->stage);
    if (strlen(name) >= sizeof store->stage)
        return ap__fail(err, AP_E_ARG, store->path, "stage name `%s` is too long", name);
    AP_TRY(ap__sql_begin_write(store, err));
    ap_status status =
        ap__sql_run(store, err,
                    "INSERT INTO stages(name, state, seconds, fingerprint, started)"
                    " VALUES(?1, 'started', 0, ?2, strftime('%Y-%m-%dT%H:%M:%SZ', 'now'))"
                    " ON CONFLICT(name) DO UPDATE SET state = 'started', finished = NULL,"
                    "  seconds = CASE WHEN fingerprint = excluded.fingerprint THEN seconds ELSE 0 END,"
                    "  fingerprint = excluded.fingerprint",
                    "ti", name, (int64_t)fingerprint);
    AP_TRY(ap__sql_end_write(store, status, err));
    AP_TRY(ap__store_flush(store, err));
    snprintf(store->stage, sizeof store->stage, "%s", name);
    store->stage_since = ap__now();
    return AP_OK;
}

static ap_status mark_done(struct ap_store *store, struct ap_err *err)
{
    return ap__sql_run(store, err,
                       "UPDATE stages SET state = 'done', finished = strftime('%Y-%m-%dT%H:%M:%SZ', 'now')"
                       " WHERE name = ?1",
                       "t", store->stage);
}

ap_status ap__store_end_stage(struct ap_store *store, bool done, struct ap_err *err)
{
    if (!store->stage[0])
        return ap__fail(err, AP_E_STATE, store->path, "no stage is running");
    ap_status status = ap__sql_begin_write(store, err);
    if (status == AP_OK)
        status = ap__sql_end_write(store, done ? mark_done(store, err) : AP_OK, err);
    if (status == AP_OK)
        status = ap__store_flush(store, err);
    store->stage[0] = '\0';
    return status;
}
