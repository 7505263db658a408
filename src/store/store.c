/* store.c - opening and closing a run's store, its schema and its lock.
 *
 *     open WRITE: make RUN, lock RUN/run.lock, open run.db, create or check the schema
 *     open READ:  open run.db read-only, check the schema */
#include "base/file.h"
#include "base/lock.h"
#include "base/progress.h"
#include "store/sql.h"

#include <ctype.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
    APPLICATION_ID = 0x41505052, /* "APPR" */
    SCHEMA_VERSION = 1,
    BUSY_MILLISECONDS = 10000,
};

static const char schema[] =
    "CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE problems("
    "  row INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, task TEXT NOT NULL,"
    "  split TEXT NOT NULL CHECK(split IN ('train', 'heldout')), template TEXT NOT NULL,"
    "  question TEXT NOT NULL, answer TEXT NOT NULL, json TEXT NOT NULL, hash INTEGER NOT NULL,"
    "  UNIQUE(task, split, hash));"
    "CREATE INDEX problems_by_hash ON problems(hash);"
    /* Both splits with the same content would make held-out results worthless. */
    "CREATE TRIGGER problems_disjoint BEFORE INSERT ON problems"
    "  WHEN EXISTS(SELECT 1 FROM problems WHERE hash = NEW.hash AND split <> NEW.split)"
    "  BEGIN SELECT RAISE(ABORT, 'content is in the other split'); END;"
    "CREATE TABLE chains("
    "  id INTEGER PRIMARY KEY, problem INTEGER NOT NULL REFERENCES problems(row), actor TEXT NOT NULL,"
    "  purpose TEXT NOT NULL CHECK(purpose IN ('collect', 'eval')), sample INTEGER NOT NULL,"
    "  temperature REAL NOT NULL, stream INTEGER NOT NULL,"
    "  verdict TEXT NOT NULL CHECK(verdict IN ('correct', 'incorrect', 'invalid')), ended TEXT NOT NULL,"
    "  answer TEXT, sound INTEGER NOT NULL, new_tokens INTEGER NOT NULL, seconds REAL NOT NULL,"
    "  tokens BLOB, roles BLOB, UNIQUE(problem, actor, purpose, sample));"
    "CREATE TABLE steps("
    "  chain INTEGER NOT NULL REFERENCES chains(id) ON DELETE CASCADE, n INTEGER NOT NULL, call TEXT NOT NULL,"
    "  function TEXT NOT NULL, result TEXT NOT NULL, error INTEGER NOT NULL, token_first INTEGER NOT NULL,"
    "  token_count INTEGER NOT NULL, PRIMARY KEY(chain, n)) WITHOUT ROWID;"
    "CREATE TABLE pairs("
    "  id INTEGER PRIMARY KEY, problem INTEGER NOT NULL REFERENCES problems(row),"
    "  chosen INTEGER NOT NULL REFERENCES chains(id) ON DELETE CASCADE,"
    "  rejected INTEGER NOT NULL REFERENCES chains(id) ON DELETE CASCADE,"
    "  divergence INTEGER NOT NULL, provenance TEXT NOT NULL, ref_chosen REAL, ref_rejected REAL,"
    "  UNIQUE(chosen, rejected));"
    "CREATE INDEX pairs_by_rejected ON pairs(rejected);"
    "CREATE TABLE metrics(run TEXT NOT NULL, step INTEGER NOT NULL, json TEXT NOT NULL,"
    "  PRIMARY KEY(run, step)) WITHOUT ROWID;"
    "CREATE TABLE evaluations(n INTEGER PRIMARY KEY, name TEXT NOT NULL, task TEXT NOT NULL, json TEXT NOT NULL,"
    "  UNIQUE(name, task));"
    "CREATE TABLE stages(n INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, state TEXT NOT NULL"
    "  CHECK(state IN ('started', 'done')), seconds REAL NOT NULL, fingerprint INTEGER NOT NULL,"
    "  started TEXT NOT NULL, finished TEXT);";

static ap_status pragma_number(struct ap_store *store, const char *sql, int64_t *out, struct ap_err *err)
{
    return ap__sql_number(store, out, 0, err, sql, "");
}

static ap_status create_schema(struct ap_store *store, struct ap_err *err)
{
    char end[96];
    snprintf(end, sizeof end, "PRAGMA application_id = %d; PRAGMA user_version = %d; COMMIT;", APPLICATION_ID,
             SCHEMA_VERSION);
    if (sqlite3_exec(store->db, "BEGIN IMMEDIATE", NULL, NULL, NULL) == SQLITE_OK &&
        sqlite3_exec(store->db, schema, NULL, NULL, NULL) == SQLITE_OK &&
        sqlite3_exec(store->db, end, NULL, NULL, NULL) == SQLITE_OK)
        return AP_OK;
    ap_status status = ap__sql_fail(store, "create the store", err);
    sqlite3_exec(store->db, "ROLLBACK", NULL, NULL, NULL);
    return status;
}

/* Ours and of this version, or empty and to be created. */
static ap_status check_schema(struct ap_store *store, struct ap_err *err)
{
    int64_t application = 0, version = 0, tables = 0;
    AP_TRY(pragma_number(store, "SELECT count(*) FROM sqlite_schema", &tables, err));
    AP_TRY(pragma_number(store, "PRAGMA application_id", &application, err));
    AP_TRY(pragma_number(store, "PRAGMA user_version", &version, err));
    if (tables == 0 && application == 0 && !store->read_only)
        return create_schema(store, err);
    if (application != APPLICATION_ID)
        return ap__fail(err, AP_E_FORMAT, store->path, "this SQLite database is not a run's store");
    if (version != SCHEMA_VERSION)
        return ap__fail(err, AP_E_FORMAT, store->path,
                        "the store has schema version %lld, this program reads version %d", (long long)version,
                        SCHEMA_VERSION);
    return AP_OK;
}

static ap_status lock_run(struct ap_store *store, struct ap_err *err)
{
    char *path = ap__path_join(store->dir, "run.lock");
    if (!path)
        return ap__fail(err, AP_E_MEMORY, store->dir, "out of memory opening the store");
    ap_status status = AP_OK;
    store->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (store->lock < 0)
        status = ap__fail_errno(err, path, "cannot open the run's lock");
    else
        status = ap__lock_take(store->lock, store->dir, "another process is working on this run", err);
    ap__free(path);
    return status;
}

static void close_database(struct ap_store *store)
{
    for (int32_t i = 0; i < store->statements; i++)
        sqlite3_finalize(store->statement[i].stmt);
    store->statements = 0;
    sqlite3_close_v2(store->db);
    store->db = NULL;
}

/* "file:PATH?immutable=1" with everything but plain characters escaped. */
static ap_status immutable_uri(const char *path, struct ap_buf *uri)
{
    ap__buf_puts(uri, "file:");
    for (const char *p = path; *p; p++) {
        unsigned char c = (unsigned char)*p;
        if (isalnum(c) || strchr("/-_.~", c))
            ap__buf_putc(uri, *p);
        else
            ap__buf_printf(uri, "%%%02X", c);
    }
    ap__buf_puts(uri, "?immutable=1");
    return uri->failed ? AP_E_MEMORY : AP_OK;
}

/* A store on a read-only medium has no place for WAL's shared memory; when its writer has closed it
 * (no log is left) it can be read as it is. */
static bool is_closed_on_read_only_medium(struct ap_store *store)
{
    int code = sqlite3_errcode(store->db) & 0xff;
    if (code != SQLITE_CANTOPEN && code != SQLITE_READONLY)
        return false;
    char *log = sqlite3_mprintf("%s-wal", store->path);
    bool closed = log && !ap__file_exists(log);
    sqlite3_free(log);
    return closed;
}

static ap_status open_reader(struct ap_store *store, struct ap_err *err)
{
    int64_t version;
    int rc = sqlite3_open_v2(store->path, &store->db, SQLITE_OPEN_READONLY, NULL);
    if (!store->db)
        return ap__fail(err, AP_E_MEMORY, store->path, "out of memory opening the store");
    ap_status status = rc == SQLITE_OK ? pragma_number(store, "PRAGMA schema_version", &version, err)
                                       : ap__sql_fail(store, "open the store", err);
    if (status == AP_OK || !is_closed_on_read_only_medium(store))
        return status;
    close_database(store);
    struct ap_buf uri;
    ap__buf_init(&uri, 0);
    if (immutable_uri(store->path, &uri) == AP_OK)
        rc = sqlite3_open_v2(uri.data, &store->db, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI, NULL);
    ap__buf_deinit(&uri);
    if (!store->db)
        return ap__fail(err, AP_E_MEMORY, store->path, "out of memory opening the store");
    return rc == SQLITE_OK ? AP_OK : ap__sql_fail(store, "open the store", err);
}

static ap_status open_writer(struct ap_store *store, struct ap_err *err)
{
    AP_TRY(ap__mkdirs(store->dir, err));
    AP_TRY(lock_run(store, err));
    int rc = sqlite3_open_v2(store->path, &store->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL);
    if (!store->db)
        return ap__fail(err, AP_E_MEMORY, store->path, "out of memory opening the store");
    if (rc == SQLITE_OK)
        rc = sqlite3_exec(store->db,
                          "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = ON",
                          NULL, NULL, NULL);
    return rc == SQLITE_OK ? AP_OK : ap__sql_fail(store, "open the store", err);
}

ap_status ap__store_open(const char *run_dir, enum ap_store_mode mode, struct ap_store **out, struct ap_err *err)
{
    *out = NULL;
    ap_status status = AP_OK;
    struct ap_store *store = ap__alloc(sizeof *store);
    if (!store)
        return ap__fail(err, AP_E_MEMORY, run_dir, "out of memory opening the store");
    store->lock = -1;
    store->read_only = mode == AP_STORE_READ;
    store->dir = ap__strdup(run_dir);
    store->path = ap__path_join(run_dir, "run.db");
    if (!store->dir || !store->path) {
        status = ap__fail(err, AP_E_MEMORY, run_dir, "out of memory opening the store");
        goto done;
    }
    if (store->read_only && !ap__file_exists(store->path)) {
        status = ap__fail(err, AP_E_NOT_FOUND, run_dir, "there is no run here (no run.db)");
        goto done;
    }
    status = store->read_only ? open_reader(store, err) : open_writer(store, err);
    if (status != AP_OK)
        goto done;
    sqlite3_busy_timeout(store->db, BUSY_MILLISECONDS);
    status = check_schema(store, err);
done:
    if (status != AP_OK)
        ap__store_free(store);
    else
        *out = store;
    return status;
}

void ap__store_free(struct ap_store *store)
{
    if (!store)
        return;
    if (store->batch && ap__store_flush(store, NULL) != AP_OK)
        store->batch = false; /* nothing more can be done here; see ap__store_flush */
    close_database(store);
    if (store->lock >= 0)
        close(store->lock);
    ap__free(store->dir);
    ap__free(store->path);
    ap__free(store);
}

const char *ap__store_dir(const struct ap_store *store)
{
    return store->dir;
}
