/* store_chains.c - chains: one row, its steps, its tokens as two blobs.
 *
 *     (problem, actor, purpose, sample) is unique: a run that continues asks what is there.
 *     Walks are ordered by that key, so nothing depends on the order in which chains ended.
 *
 * Blobs: tokens int32 little-endian (n,), roles uint8 (n,). */
#include "store/sql.h"

#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "token blobs are written as they lie in memory");

static const char *purpose_text(enum ap_purpose purpose)
{
    return purpose == AP_FOR_COLLECT ? "collect" : "eval";
}

/* As stored; unlike ap__end_text these words never change. */
static const char *const end_words[] = {
    [AP_END_ANSWER] = "answer", [AP_END_STEPS] = "steps",     [AP_END_BAD_CALLS] = "bad-calls",
    [AP_END_LENGTH] = "length", [AP_END_CONTEXT] = "context", [AP_END_LOST] = "lost",
};

static enum ap_end end_from_word(const char *word)
{
    int e = AP_END_LOST;
    while (e > 0 && strcmp(end_words[e], word) != 0)
        e--;
    return (enum ap_end)e;
}

static enum ap_verdict verdict_from_word(const char *word)
{
    return strcmp(word, "correct") == 0 ? AP_CORRECT : strcmp(word, "incorrect") == 0 ? AP_INCORRECT : AP_INVALID;
}

void ap__stored_chain_deinit(struct ap_stored_chain *chain)
{
    ap__chain_deinit(&chain->chain);
    ap__free(chain->owned[0]);
    ap__free(chain->owned[1]);
    *chain = (struct ap_stored_chain){0};
}

/* ---- write ---- */

static ap_status insert_steps(struct ap_store *store, int64_t id, const struct ap_chain *c, struct ap_err *err)
{
    for (int32_t i = 0; i < c->n; i++) {
        const struct ap_step *s = &c->step[i];
        AP_TRY(ap__sql_run(store, err,
                           "INSERT INTO steps(chain, n, call, function, result, error, token_first, token_count)"
                           " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
                           "iitttiii", id, (int64_t)i, s->call ? s->call : "", s->function ? s->function : "",
                           s->result ? s->result : "", (int64_t)s->error, (int64_t)s->token_first,
                           (int64_t)s->token_count));
    }
    return AP_OK;
}

static ap_status insert_chain(struct ap_store *store, int64_t problem, struct ap_stored_chain *chain,
                              struct ap_err *err)
{
    const struct ap_chain *c = &chain->chain;
    AP_TRY(ap__sql_run(
        store, err,
        "INSERT INTO chains(problem, actor, purpose, sample, temperature, stream, verdict, ended, answer, sound,"
        " new_tokens, seconds, tokens, roles) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
        "ittifitttiifbb", problem, chain->key.actor, purpose_text(chain->key.purpose),
        (int64_t)chain->key.sample, chain->temperature, (int64_t)chain->stream, ap__verdict_text(c->verdict),
        end_words[c->end], c->answer, (int64_t)chain->sound, (int64_t)c->new_tokens, c->seconds, c->tokens.id,
        c->tokens.n * sizeof *c->tokens.id, c->tokens.role, c->tokens.n * sizeof *c->tokens.role));
    chain->id = sqlite3_last_insert_rowid(store->db);
    return insert_steps(store, chain->id, c, err);
}

/* Row of a problem's id. */
static ap_status problem_row(struct ap_store *store, const char *id, int64_t *row, struct ap_err *err)
{
    AP_TRY(ap__sql_number(store, row, 0, err, "SELECT row FROM problems WHERE id = ?1", "t", id));
    return *row ? AP_OK : ap__fail(err, AP_E_NOT_FOUND, store->path, "there is no problem `%s`", id);
}

ap_status ap__store_add_chain(struct ap_store *store, struct ap_stored_chain *chain, struct ap_err *err)
{
    int64_t problem = 0;
    bool exists = false;
    AP_TRY(problem_row(store, chain->key.problem, &problem, err));
    AP_TRY(ap__store_chain_exists(store, &chain->key, &exists, err));
    if (exists)
        return ap__fail(err, AP_E_EXISTS, store->path, "chain %d of %s for problem `%s` is already there",
                        chain->key.sample, chain->key.actor, chain->key.problem);
    AP_TRY(ap__sql_begin_write(store, err));
    return ap__sql_end_write(store, insert_chain(store, problem, chain, err), err);
}

ap_status ap__store_clear_chains(struct ap_store *store, const char *actor, enum ap_purpose purpose,
                                 struct ap_err *err)
{
    AP_TRY(ap__sql_begin_write(store, err));
    ap_status status = ap__sql_run(store, err, "DELETE FROM chains WHERE actor = ?1 AND purpose = ?2", "tt", actor,
                                   purpose_text(purpose));
    return ap__sql_end_write(store, status, err);
}

/* ---- read ---- */

ap_status ap__store_chain_exists(struct ap_store *store, const struct ap_chain_key *key, bool *exists,
                                 struct ap_err *err)
{
    int64_t found = 0;
    AP_TRY(ap__sql_number(store, &found, 0, err,
                          "SELECT 1 FROM chains WHERE problem = (SELECT row FROM problems WHERE id = ?1)"
                          " AND actor = ?2 AND purpose = ?3 AND sample = ?4",
                          "ttti", key->problem, key->actor, purpose_text(key->purpose), (int64_t)key->sample));
    *exists = found != 0;
    return AP_OK;
}

static ap_status read_step(sqlite3_stmt *stmt, struct ap_step *step, struct ap_err *err)
{
    AP_TRY(ap__sql_dup(stmt, 0, &step->call, err));
    AP_TRY(ap__sql_dup(stmt, 1, &step->function, err));
    AP_TRY(ap__sql_dup(stmt, 2, &step->result, err));
    step->error = sqlite3_column_int(stmt, 3) != 0;
    step->token_first = sqlite3_column_int(stmt, 4);
    step->token_count = sqlite3_column_int(stmt, 5);
    return AP_OK;
}

static ap_status read_steps(struct ap_store *store, int64_t id, struct ap_chain *c, struct ap_err *err)
{
    sqlite3_stmt *stmt;
    bool row;
    ap_status status;
    size_t cap = 0;
    AP_TRY(ap__sql_bind(store, &stmt, err,
                        "SELECT call, function, result, error, token_first, token_count FROM steps"
                        " WHERE chain = ?1 ORDER BY n",
                        "i", id));
    while ((status = ap__sql_step(store, stmt, &row, err)) == AP_OK && row) {
        status = ap__grow((void **)&c->step, &cap, (size_t)c->n + 1, sizeof *c->step, err);
        if (status != AP_OK)
            break;
        c->step[c->n] = (struct ap_step){0};
        status = read_step(stmt, &c->step[c->n++], err);
        if (status != AP_OK)
            break;
    }
    sqlite3_reset(stmt);
    return status;
}

/* Blobs at columns 13 and 14. */
static ap_status read_tokens(struct ap_store *store, sqlite3_stmt *stmt, struct ap_tokens *out, struct ap_err *err)
{
    size_t bytes = (size_t)sqlite3_column_bytes(stmt, 13), n = (size_t)sqlite3_column_bytes(stmt, 14);
    if (bytes != n * sizeof *out->id)
        return ap__fail(err, AP_E_FORMAT, store->path, "chain %lld: %zu bytes of tokens but %zu roles",
                        (long long)sqlite3_column_int64(stmt, 0), bytes, n);
    if (n == 0)
        return AP_OK;
    out->id = ap__alloc_array(n, sizeof *out->id);
    out->role = ap__alloc(n);
    if (!out->id || !out->role)
        return ap__fail(err, AP_E_MEMORY, store->path, "out of memory reading a chain's tokens");
    memcpy(out->id, sqlite3_column_blob(stmt, 13), bytes);
    memcpy(out->role, sqlite3_column_blob(stmt, 14), n);
    out->n = out->cap = n;
    return AP_OK;
}

static ap_status read_chain_row(sqlite3_stmt *stmt, struct ap_stored_chain *out, struct ap_err *err)
{
    AP_TRY(ap__sql_dup(stmt, 1, &out->owned[0], err));
    AP_TRY(ap__sql_dup(stmt, 2, &out->owned[1], err));
    AP_TRY(ap__sql_dup(stmt, 9, &out->chain.answer, err));
    out->id = sqlite3_column_int64(stmt, 0);
    out->key = (struct ap_chain_key){
        .problem = out->owned[0],
        .actor = out->owned[1],
        .purpose = strcmp(ap__sql_text(stmt, 3), "collect") == 0 ? AP_FOR_COLLECT : AP_FOR_EVAL,
        .sample = sqlite3_column_int(stmt, 4),
    };
    out->temperature = sqlite3_column_double(stmt, 5);
    out->stream = (uint64_t)sqlite3_column_int64(stmt, 6);
    out->chain.verdict = verdict_from_word(ap__sql_text(stmt, 7));
    out->chain.end = end_from_word(ap__sql_text(stmt, 8));
    out->sound = sqlite3_column_int(stmt, 10) != 0;
    out->chain.new_tokens = sqlite3_column_int(stmt, 11);
    out->chain.seconds = sqlite3_column_double(stmt, 12);
    return AP_OK;
}

static ap_status load_chain(struct ap_store *store, int64_t id, bool steps, bool tokens, struct ap_stored_chain *out,
                            struct ap_err *err)
{
    sqlite3_stmt *stmt;
    bool row;
    *out = (struct ap_stored_chain){0};
    AP_TRY(ap__sql_bind(store, &stmt, err,
                        "SELECT c.id, p.id, actor, purpose, sample, temperature, stream, verdict, ended, c.answer,"
                        " sound, new_tokens, seconds, tokens, roles"
                        " FROM chains c JOIN problems p ON p.row = c.problem WHERE c.id = ?1",
                        "i", id));
    AP_TRY(ap__sql_step(store, stmt, &row, err));
    if (!row)
        return ap__fail(err, AP_E_NOT_FOUND, store->path, "there is no chain %lld", (long long)id);
    ap_status status = read_chain_row(stmt, out, err);
    if (status == AP_OK && tokens)
        status = read_tokens(store, stmt, &out->chain.tokens, err);
    sqlite3_reset(stmt);
    if (status == AP_OK && steps)
        status = read_steps(store, id, &out->chain, err);
    if (status != AP_OK)
        ap__stored_chain_deinit(out);
    return status;
}

ap_status ap__store_chain(struct ap_store *store, int64_t id, bool tokens, struct ap_stored_chain *out,
                          struct ap_err *err)
{
    return load_chain(store, id, true, tokens, out, err);
}

#define CHAIN_ORDER " ORDER BY c.problem, actor, sample"

/* Two forms, because the one with a problem should use its index. */
static ap_status bind_filter(struct ap_store *store, const struct ap_chain_filter *f, sqlite3_stmt **stmt,
                             struct ap_err *err)
{
    if (f->problem)
        return ap__sql_bind(store, stmt, err,
                            "SELECT c.id FROM chains c JOIN problems p ON p.row = c.problem"
                            " WHERE c.problem = (SELECT row FROM problems WHERE id = ?2) AND purpose = ?1"
                            " AND (?3 IS NULL OR actor = ?3) AND (?4 IS NULL OR task = ?4)" CHAIN_ORDER,
                            "tttt", purpose_text(f->purpose), f->problem, f->actor, f->task);
    return ap__sql_bind(store, stmt, err,
                        "SELECT c.id FROM chains c JOIN problems p ON p.row = c.problem"
                        " WHERE purpose = ?1 AND (?2 IS NULL OR actor = ?2) AND (?3 IS NULL OR task = ?3)" CHAIN_ORDER,
                        "ttt", purpose_text(f->purpose), f->actor, f->task);
}

/* All ids first, so that no statement is active while the visitor works. */
static ap_status list_chains(struct ap_store *store, const struct ap_chain_filter *filter, int64_t **id, size_t *n,
                             struct ap_err *err)
{
    sqlite3_stmt *stmt;
    bool row;
    ap_status status;
    size_t cap = 0;
    AP_TRY(bind_filter(store, filter, &stmt, err));
    while ((status = ap__sql_step(store, stmt, &row, err)) == AP_OK && row) {
        status = ap__grow((void **)id, &cap, *n + 1, sizeof **id, err);
        if (status != AP_OK)
            break;
        (*id)[(*n)++] = sqlite3_column_int64(stmt, 0);
    }
    sqlite3_reset(stmt);
    return status;
}

ap_status ap__store_each_chain(struct ap_store *store, const struct ap_chain_filter *filter, ap_chain_visit visit,
                               void *user, struct ap_err *err)
{
    int64_t *id = NULL;
    size_t n = 0;
    ap_status status = list_chains(store, filter, &id, &n, err);
    for (size_t i = 0; i < n && status == AP_OK; i++) {
        struct ap_stored_chain chain;
        status = load_chain(store, id[i], filter->steps, filter->tokens, &chain, err);
        if (status == AP_OK)
            status = visit(user, &chain, err);
        ap__stored_chain_deinit(&chain);
    }
    ap__free(id);
    return status;
}

ap_status ap__store_count_chains(struct ap_store *store, const struct ap_chain_filter *filter, int64_t *out,
                                 struct ap_err *err)
{
    int64_t *id = NULL;
    size_t n = 0;
    ap_status status = list_chains(store, filter, &id, &n, err);
    ap__free(id);
    *out = (int64_t)n;
    return status;
}
