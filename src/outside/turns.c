/* turns.c - a list in order of arrival.
 *
 *   first -> turn -> turn -> ...      runs: has one of the places; after: waits for another's result */
#include "outside/turns.h"
#include "functions/invocation.h"

#include <string.h>

void ap__turns_init(struct ap_turns *turns, int32_t limit)
{
    *turns = (struct ap_turns){.limit = limit};
    pthread_mutex_init(&turns->lock, NULL);
}

void ap__turns_deinit(struct ap_turns *turns)
{
    ap__result_cache_free(turns->cache);
    pthread_mutex_destroy(&turns->lock);
}

void ap__turns_join(struct ap_turns *turns, struct ap_turn *turn, const char *work)
{
    *turn = (struct ap_turn){.work = work};
    pthread_mutex_lock(&turns->lock);
    struct ap_turn **end = &turns->first;
    for (; *end; end = &(*end)->next)
        if (work && !turn->after && !(*end)->after && (*end)->work && !strcmp((*end)->work, work))
            turn->after = *end;
    *end = turn;
    pthread_mutex_unlock(&turns->lock);
}

bool ap__turn_follows(struct ap_turns *turns, const struct ap_turn *turn)
{
    pthread_mutex_lock(&turns->lock);
    bool follows = turn->after != NULL;
    pthread_mutex_unlock(&turns->lock);
    return follows;
}

/* Nobody who came before waits for the place that is free. */
static bool is_next(const struct ap_turns *turns, const struct ap_turn *turn)
{
    if (turn->after || turns->running >= turns->limit)
        return false;
    const struct ap_turn *before = turns->first;
    while (before != turn && (before->runs || before->after))
        before = before->next;
    return before == turn;
}

bool ap__turn_comes(struct ap_turns *turns, struct ap_turn *turn)
{
    pthread_mutex_lock(&turns->lock);
    if (!turn->runs && is_next(turns, turn)) {
        turn->runs = true;
        turns->running++;
    }
    bool runs = turn->runs;
    pthread_mutex_unlock(&turns->lock);
    return runs;
}

void ap__turns_leave(struct ap_turns *turns, struct ap_turn *turn)
{
    pthread_mutex_lock(&turns->lock);
    struct ap_turn **at = &turns->first;
    while (*at != turn)
        at = &(*at)->next;
    *at = turn->next;
    turns->running -= turn->runs;
    for (struct ap_turn *other = turn->next; other; other = other->next)
        if (other->after == turn)
            other->after = NULL;
    pthread_mutex_unlock(&turns->lock);
}

ap_status ap__turns_known(struct ap_turns *turns, struct ap_invocation *call, const char *function, const char *work,
                          bool *known)
{
    char *text = NULL;
    *known = false;
    if (!turns->cache || !work)
        return AP_OK;
    AP_TRY(ap__result_cache_find(turns->cache, function, work, &text, call->err));
    *known = text != NULL;
    ap_status status = text ? ap_result_text(call, "%s", text) : AP_OK;
    ap__free(text);
    return status;
}

ap_status ap__turn_ask(struct ap_turns *turns, struct ap_turn *turn, struct ap_invocation *call, const char *function,
                       bool *known, bool *go)
{
    *known = *go = false;
    if (ap__turn_follows(turns, turn)) {
        turn->followed = true;
        return AP_OK;
    }
    if (turn->followed) {
        turn->followed = false;
        AP_TRY(ap__turns_known(turns, call, function, turn->work, known));
    }
    *go = !*known && ap__turn_comes(turns, turn);
    return AP_OK;
}

void ap__turn_wait(struct ap_turns *turns, struct ap_turn *turn, struct ap_waiter *waiter)
{
    if (!ap__turn_follows(turns, turn) && (turn->followed || ap__turn_comes(turns, turn)))
        ap__waiter_until(waiter, 0);
}
