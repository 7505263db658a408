/* store_pairs.c - preference pairs and their reference log-probs.
 *
 *     set_pairs(all) --one transaction--> pairs 1, 2, ... in training order
 *     set_reference(pair, ...) later, once per pair */
#include "store/sql.h"

void ap__pairs_deinit(struct ap_pairs *pairs)
{
    for (size_t i = 0; i < pairs->n; i++) {
        ap__free(pairs->item[i].problem);
        ap__free(pairs->item[i].provenance);
    }
    ap__free(pairs->item);
    *pairs = (struct ap_pairs){0};
}

static ap_status insert_pair(struct ap_store *store, int64_t id, const struct ap_pair *p, struct ap_err *err)
{
    AP_TRY(ap__sql_run(store, err,
                       "INSERT INTO pairs(id, problem, chosen, rejected, divergence, provenance)"
                       " VALUES(?1, (SELECT row FROM problems WHERE id = ?2), ?3, ?4, ?5, ?6)",
                       "itiiit", id, p->problem, p->chosen, p->rejected, (int64_t)p->divergence, p->provenance));
    if (!p->has_reference)
        return AP_OK;
    return ap__sql_run(store, err, "UPDATE pairs SET ref_chosen = ?1, ref_rejected = ?2 WHERE id = ?3", "ffi",
                       p->ref_chosen, p->ref_rejected, id);
}

static ap_status replace_pairs(struct ap_store *store, const struct ap_pairs *pairs, struct ap_err *err)
{
    AP_TRY(ap__sql_run(store, err, "DELETE FROM pairs", ""));
    for (size_t i = 0; i < pairs->n; i++)
        AP_TRY(insert_pair(store, (int64_t)i + 1, &pairs->item[i], err));
    return AP_OK;
}

ap_status ap__store_set_pairs(struct ap_store *store, const struct ap_pairs *pairs, struct ap_err *err)
{
    AP_TRY(ap__sql_begin_write(store, err));
    AP_TRY(ap__sql_end_write(store, replace_pairs(store, pairs, err), err));
    return ap__store_flush(store, err);
}

static ap_status read_pair(sqlite3_stmt *stmt, struct ap_pair *out, struct ap_err *err)
{
    *out = (struct ap_pair){
        .id = sqlite3_column_int64(stmt, 0),
        .chosen = sqlite3_column_int64(stmt, 2),
        .rejected = sqlite3_column_int64(stmt, 3),
        .divergence = sqlite3_column_int(stmt, 4),
        .has_reference = sqlite3_column_type(stmt, 6) != SQLITE_NULL,
        .ref_chosen = sqlite3_column_double(stmt, 6),
        .ref_rejected = sqlite3_column_double(stmt, 7),
    };
    AP_TRY(ap__sql_dup(stmt, 1, &out->problem, err));
    return ap__sql_dup(stmt, 5, &out->provenance, err);
}

ap_status ap__store_pairs(struct ap_store *store, struct ap_pairs *out, struct ap_err *err)
{
    sqlite3_stmt *stmt;
    bool row;
    ap_status status;
    AP_TRY(ap__sql_bind(store, &stmt, err,
                        "SELECT q.id, p.id, chosen, rejected, divergence, provenance, ref_chosen, ref_rejected"
                        " FROM pairs q JOIN problems p ON p.row = q.problem ORDER BY q.id",
                        ""));
    while ((status = ap__sql_step(store, stmt, &row, err)) == AP_OK && row) {
        status = ap__grow((void **)&out->item, &out->cap, out->n + 1, sizeof *out->item, err);
        if (status == AP_OK)
            status = read_pair(stmt, &out->item[out->n++], err);
        if (status != AP_OK)
            break;
    }
    sqlite3_reset(stmt);
    return status;
}

ap_status ap__store_set_reference(struct ap_store *store, int64_t pair, double ref_chosen, double ref_rejected,
                                  struct ap_err *err)
{
    AP_TRY(ap__sql_begin_write(store, err));
    ap_status status =
        ap__sql_run(store, err, "UPDATE pairs SET ref_chosen = ?1, ref_rejected = ?2 WHERE id = ?3", "ffi",
                    ref_chosen, ref_rejected, pair);
    if (status == AP_OK && sqlite3_changes(store->db) == 0)
        status = ap__fail(err, AP_E_NOT_FOUND, store->path, "there is no pair %lld", (long long)pair);
    return ap__sql_end_write(store, status, err);
}
