/* sql.h - the store's own thin layer over SQLite: statements, values, transactions.
 *
 *     begin_write --(BEGIN once per batch)--> SAVEPOINT --> run, run, ... --> end_write
 *                                                                 ok: RELEASE, COMMIT when due
 *                                                             failed: ROLLBACK TO, batch kept
 *
 * Internal to src/store. No statement stays active between two calls of the public interface, so
 * that a visitor may use the store. */
#ifndef AP_SQL_H
#define AP_SQL_H

#include "store/store.h"
#include <sqlite3.h>

enum { AP_SQL_MAX_STATEMENTS = 64 };

struct ap_store {
    sqlite3 *db;
    char *dir, *path;  /* RUN, RUN/run.db */
    int lock;          /* RUN/run.lock, -1 for readers */
    bool read_only;
    bool batch;        /* a transaction is open */
    int32_t writes;    /* in it */
    double batch_since;
    char stage[32];    /* the one being timed, "" = none */
    double stage_since;
    struct ap_statement {
        const char *sql; /* a literal */
        sqlite3_stmt *stmt;
    } statement[AP_SQL_MAX_STATEMENTS];
    int32_t statements;
};

/* Describe SQLite's last failure; `doing` continues "cannot ...". */
ap_status ap__sql_fail(struct ap_store *store, const char *doing, struct ap_err *err);
/* The prepared statement of a literal, reset, parameters bound by `types`, one letter each:
 * t const char * (NULL is null), i int64_t, f double, b const void * with size_t.
 * Texts and blobs are borrowed until the statement is reset. */
ap_status ap__sql_bind(struct ap_store *store, sqlite3_stmt **out, struct ap_err *err, const char *sql,
                       const char *types, ...) AP_MUST_CHECK;
/* Next row; *row is false, and the statement reset, at the end. */
ap_status ap__sql_step(struct ap_store *store, sqlite3_stmt *stmt, bool *row, struct ap_err *err) AP_MUST_CHECK;
/* Bind and run to the end. */
ap_status ap__sql_run(struct ap_store *store, struct ap_err *err, const char *sql, const char *types,
                      ...) AP_MUST_CHECK;
/* Single number of a one-row query such as count(*); `otherwise` when there is no row. */
ap_status ap__sql_number(struct ap_store *store, int64_t *out, int64_t otherwise, struct ap_err *err,
                         const char *sql, const char *types, ...) AP_MUST_CHECK;
/* A column's text, copied; NULL for null. */
ap_status ap__sql_dup(sqlite3_stmt *stmt, int column, char **out, struct ap_err *err) AP_MUST_CHECK;
const char *ap__sql_text(sqlite3_stmt *stmt, int column); /* borrowed until the next step, never NULL */
/* A column's JSON; the caller owns *out. */
ap_status ap__sql_json(struct ap_store *store, sqlite3_stmt *stmt, int column, json_t **out,
                       struct ap_err *err) AP_MUST_CHECK;

/* Around everything that one public function writes. AP_E_STATE for a reader's store. */
ap_status ap__sql_begin_write(struct ap_store *store, struct ap_err *err) AP_MUST_CHECK;
/* status: how the writing went; returned unless finishing itself fails. */
ap_status ap__sql_end_write(struct ap_store *store, ap_status status, struct ap_err *err) AP_MUST_CHECK;

#endif
