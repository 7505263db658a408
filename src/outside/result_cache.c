/* result_cache.c - a hash table "function \n arguments" -> text, with a ceiling in bytes. */
#include "outside/result_cache.h"

#include <pthread.h>
#include <string.h>

#define uthash_malloc(size) ap__alloc(size)
#define uthash_free(p, size) ap__free(p)
#define HASH_NONFATAL_OOM 1
#define uthash_nonfatal_oom(entry) ((entry)->lost = true)
#include <uthash.h>

struct entry {
    UT_hash_handle hh;
    char *key, *text;
    bool lost; /* the table had no memory for it */
};

struct ap_result_cache {
    pthread_mutex_t lock;
    struct entry *entries;
    size_t bytes, max;
};

ap_status ap__result_cache_new(size_t max_bytes, struct ap_result_cache **out, struct ap_err *err)
{
    *out = ap__alloc(sizeof **out);
    if (!*out)
        return ap__fail(err, AP_E_MEMORY, NULL, "no memory for a cache of results");
    pthread_mutex_init(&(*out)->lock, NULL);
    (*out)->max = max_bytes;
    return AP_OK;
}

static void entry_free(struct entry *e)
{
    if (!e)
        return;
    ap__free(e->key);
    ap__free(e->text);
    ap__free(e);
}

void ap__result_cache_free(struct ap_result_cache *cache)
{
    if (!cache)
        return;
    for (struct entry *e = cache->entries, *next; e; e = next) {
        next = e->hh.next;
        HASH_DEL(cache->entries, e);
        entry_free(e);
    }
    pthread_mutex_destroy(&cache->lock);
    ap__free(cache);
}

static char *make_key(const char *function, const char *arguments)
{
    struct ap_buf key;
    ap__buf_init(&key, 0);
    (void)ap__buf_printf(&key, "%s\n%s", function, arguments);
    char *taken = key.failed ? NULL : ap__buf_take(&key);
    ap__buf_deinit(&key);
    return taken;
}

ap_status ap__result_cache_find(struct ap_result_cache *cache, const char *function, const char *arguments,
                                char **text, struct ap_err *err)
{
    struct entry *found;
    char *key = make_key(function, arguments);
    *text = NULL;
    if (!key)
        return ap__fail(err, AP_E_MEMORY, NULL, "no memory for a key of the cache");
    pthread_mutex_lock(&cache->lock);
    HASH_FIND_STR(cache->entries, key, found);
    *text = found ? ap__strdup(found->text) : NULL;
    pthread_mutex_unlock(&cache->lock);
    ap__free(key);
    return found && !*text ? ap__fail(err, AP_E_MEMORY, NULL, "no memory for a result of the cache") : AP_OK;
}

ap_status ap__result_cache_add(struct ap_result_cache *cache, const char *function, const char *arguments,
                               const char *text, struct ap_err *err)
{
    struct entry *e = ap__alloc(sizeof *e), *found;
    if (e) {
        e->key = make_key(function, arguments);
        e->text = ap__strdup(text);
    }
    if (!e || !e->key || !e->text) {
        entry_free(e);
        return ap__fail(err, AP_E_MEMORY, NULL, "no memory for a result of the cache");
    }
    size_t size = sizeof *e + strlen(e->key) + strlen(e->text) + 2;
    pthread_mutex_lock(&cache->lock);
    HASH_FIND_STR(cache->entries, e->key, found);
    bool keep = !found && size <= cache->max - cache->bytes;
    if (keep)
        HASH_ADD_KEYPTR(hh, cache->entries, e->key, strlen(e->key), e);
    keep = keep && !e->lost;
    if (keep)
        cache->bytes += size;
    pthread_mutex_unlock(&cache->lock);
    if (!keep)
        entry_free(e);
    return AP_OK;
}
