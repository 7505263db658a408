/* sql.c - statements and transactions of a store; see sql.h.
 *
 * A batch is one SQLite transaction, each public write a savepoint inside it: a write that fails
 * for its own reasons (a key that is taken) is undone alone.  When the disk is full SQLite may roll
 * the whole transaction back; that loses the open batch and nothing before it. */
#include "store/sql.h"
#include "base/progress.h"

#include <string.h>

ap_status ap__sql_fail(struct ap_store *store, const char *doing, struct ap_err *err)
{
    int code = sqlite3_extended_errcode(store->db);
    switch (code & 0xff) {
    case SQLITE_NOMEM:
        return ap__fail(err, AP_E_MEMORY, store->path, "cannot %s", doing);
    case SQLITE_FULL:
        return ap__fail(err, AP_E_DATABASE, store->path,
                        "cannot %s: the disk is full; what was recorded before is kept", doing);
    case SQLITE_NOTADB:
        return ap__fail(err, AP_E_FORMAT, store->path, "this is not a run's store (not a SQLite database)");
    case SQLITE_CORRUPT:
        return ap__fail(err, AP_E_FORMAT, store->path, "cannot %s: the store is damaged (%s)", doing,
                        sqlite3_errmsg(store->db));
    default:
        return ap__fail(err, AP_E_DATABASE, store->path, "cannot %s: %s (SQLite error %d)", doing,
                        sqlite3_errmsg(store->db), code);
    }
}

static ap_status prepare(struct ap_store *store, const char *sql, sqlite3_stmt **out, struct ap_err *err)
{
    for (int32_t i = 0; i < store->statements; i++)
        if (strcmp(store->statement[i].sql, sql) == 0) {
            *out = store->statement[i].stmt;
            sqlite3_reset(*out);
            return AP_OK;
        }
    if (store->statements == AP_SQL_MAX_STATEMENTS)
        return ap__fail(err, AP_E_LIMIT, store->path, "more than %d different statements", AP_SQL_MAX_STATEMENTS);
    if (sqlite3_prepare_v3(store->db, sql, -1, SQLITE_PREPARE_PERSISTENT, out, NULL) != SQLITE_OK)
        return ap__sql_fail(store, "use the store", err);
    store->statement[store->statements++] = (struct ap_statement){sql, *out};
    return AP_OK;
}

static int bind_one(sqlite3_stmt *stmt, int index, char type, va_list *ap)
{
    switch (type) {
    case 't':
        return sqlite3_bind_text(stmt, index, va_arg(*ap, const char *), -1, SQLITE_STATIC);
    case 'i':
        return sqlite3_bind_int64(stmt, index, va_arg(*ap, int64_t));
    case 'f':
        return sqlite3_bind_double(stmt, index, va_arg(*ap, double));
    default: {
        const void *data = va_arg(*ap, const void *);
        return sqlite3_bind_blob64(stmt, index, data, va_arg(*ap, size_t), SQLITE_STATIC);
    }
    }
}

static ap_status bind_all(struct ap_store *store, sqlite3_stmt **out, struct ap_err *err, const char *sql,
                          const char *types, va_list *ap)
{
    AP_TRY(prepare(store, sql, out, err));
    for (int i = 0; types[i]; i++)
        if (bind_one(*out, i + 1, types[i], ap) != SQLITE_OK)
            return ap__sql_fail(store, "store a value", err);
    return AP_OK;
}

ap_status ap__sql_bind(struct ap_store *store, sqlite3_stmt **out, struct ap_err *err, const char *sql,
                       const char *types, ...)
{
    va_list ap;
    va_start(ap, types);
    ap_status status = bind_all(store, out, err, sql, types, &ap);
    va_end(ap);
    return status;
}

ap_status ap__sql_step(struct ap_store *store, sqlite3_stmt *stmt, bool *row, struct ap_err *err)
{
    int rc = sqlite3_step(stmt);
    *row = rc == SQLITE_ROW;
    if (rc == SQLITE_ROW)
        return AP_OK;
    ap_status status = rc == SQLITE_DONE ? AP_OK
                                         : ap__sql_fail(store, store->read_only ? "read" : "read or write", err);
    sqlite3_reset(stmt);
    return status;
}

ap_status ap__sql_run(struct ap_store *store, struct ap_err *err, const char *sql, const char *types, ...)
{
    sqlite3_stmt *stmt;
    bool row;
    va_list ap;
    va_start(ap, types);
    ap_status status = bind_all(store, &stmt, err, sql, types, &ap);
    va_end(ap);
    AP_TRY(status);
    do
        AP_TRY(ap__sql_step(store, stmt, &row, err));
    while (row);
    return AP_OK;
}

ap_status ap__sql_number(struct ap_store *store, int64_t *out, int64_t otherwise, struct ap_err *err,
                         const char *sql, const char *types, ...)
{
    sqlite3_stmt *stmt;
    bool row;
    va_list ap;
    va_start(ap, types);
    ap_status status = bind_all(store, &stmt, err, sql, types, &ap);
    va_end(ap);
    AP_TRY(status);
    AP_TRY(ap__sql_step(store, stmt, &row, err));
    *out = row ? sqlite3_column_int64(stmt, 0) : otherwise;
    sqlite3_reset(stmt);
    return AP_OK;
}

const char *ap__sql_text(sqlite3_stmt *stmt, int column)
{
    const char *text = (const char *)sqlite3_column_text(stmt, column);
    return text ? text : "";
}

ap_status ap__sql_dup(sqlite3_stmt *stmt, int column, char **out, struct ap_err *err)
{
    *out = NULL;
    if (sqlite3_column_type(stmt, column) == SQLITE_NULL)
        return AP_OK;
    *out = ap__strdup((const char *)sqlite3_column_text(stmt, column));
    return *out ? AP_OK : ap__fail(err, AP_E_MEMORY, NULL, "out of memory reading the store");
}

ap_status ap__sql_json(struct ap_store *store, sqlite3_stmt *stmt, int column, json_t **out, struct ap_err *err)
{
    const char *text = ap__sql_text(stmt, column);
    return ap__json_parse(text, strlen(text), store->path, out, err);
}

/* ---- transactions ---- */

static ap_status exec(struct ap_store *store, const char *sql, const char *doing, struct ap_err *err)
{
    return sqlite3_exec(store->db, sql, NULL, NULL, NULL) == SQLITE_OK ? AP_OK : ap__sql_fail(store, doing, err);
}

/* SQLite ends a transaction by itself after some failures; the batch is then gone. */
static void forget_lost_batch(struct ap_store *store)
{
    if (!sqlite3_get_autocommit(store->db))
        return;
    store->batch = false;
    store->writes = 0;
}

ap_status ap__sql_begin_write(struct ap_store *store, struct ap_err *err)
{
    if (store->read_only)
        return ap__fail(err, AP_E_STATE, store->path, "the store was opened for reading only");
    if (!store->batch) {
        AP_TRY(exec(store, "BEGIN IMMEDIATE", "begin a transaction", err));
        store->batch = true;
        store->writes = 0;
        store->batch_since = ap__now();
    }
    return exec(store, "SAVEPOINT one_write", "begin a write", err);
}

/* Time worked since the last commit belongs to the same transaction as the work. */
static ap_status save_stage_seconds(struct ap_store *store, struct ap_err *err)
{
    if (!store->stage[0])
        return AP_OK;
    double now = ap__now();
    AP_TRY(ap__sql_run(store, err, "UPDATE stages SET seconds = seconds + ?1 WHERE name = ?2", "ft",
                       now - store->stage_since, store->stage));
    store->stage_since = now;
    return AP_OK;
}

ap_status ap__store_flush(struct ap_store *store, struct ap_err *err)
{
    if (!store->batch)
        return AP_OK;
    ap_status status = save_stage_seconds(store, err);
    if (status == AP_OK)
        status = exec(store, "COMMIT", "commit", err);
    if (status != AP_OK && !sqlite3_get_autocommit(store->db))
        sqlite3_exec(store->db, "ROLLBACK", NULL, NULL, NULL);
    store->batch = false;
    store->writes = 0;
    return status;
}

ap_status ap__sql_end_write(struct ap_store *store, ap_status status, struct ap_err *err)
{
    if (status != AP_OK) {
        forget_lost_batch(store);
        if (store->batch)
            sqlite3_exec(store->db, "ROLLBACK TO one_write; RELEASE one_write", NULL, NULL, NULL);
        return status;
    }
    status = exec(store, "RELEASE one_write", "end a write", err);
    if (status != AP_OK) {
        forget_lost_batch(store);
        return status;
    }
    store->writes++;
    if (store->writes >= AP_STORE_BATCH || ap__now() - store->batch_since >= 0.5)
        return ap__store_flush(store, err);
    return AP_OK;
}
