/* kv_tree.c - pages, nodes and cursors of the cache of keys and values. */
#include "model/kv_tree.h"

#include <string.h>

/* Pages that a branch is given room for. */
enum { STRETCH = 8 };

ap_status ap__kv_init(struct ap_kv_tree *t, int32_t pages, struct ap_err *err)
{
    *t = (struct ap_kv_tree){.pages = pages, .free_pages = pages, .first_root = -1};
    t->node = ap__alloc_array((size_t)pages, sizeof *t->node);
    ap_status status = ap__grow((void **)&t->change, &t->change_cap, 1024, sizeof *t->change, err);
    if (status == AP_OK && t->node == NULL)
        status = ap__fail(err, AP_E_MEMORY, NULL, "out of memory for a cache of %d pages", pages);
    return status;
}

void ap__kv_deinit(struct ap_kv_tree *t)
{
    ap__free(t->change);
    ap__free(t->node);
    *t = (struct ap_kv_tree){0};
}

void ap__kv_ref(struct ap_kv_tree *t, const struct ap_kv_cursor *c)
{
    if (c->node >= 0)
        t->node[c->node].refs++;
}

void ap__kv_unref(struct ap_kv_tree *t, const struct ap_kv_cursor *c)
{
    if (c->node >= 0)
        t->node[c->node].refs--;
}

void ap__kv_begin(struct ap_kv_tree *t)
{
    t->change_count = 0;
    t->clock++;
}

static int32_t *first_child(struct ap_kv_tree *t, int32_t parent)
{
    return parent < 0 ? &t->first_root : &t->node[parent].child;
}

static void link_node(struct ap_kv_tree *t, int32_t n, int32_t parent)
{
    int32_t *head = first_child(t, parent);
    t->node[n].prev = -1;
    t->node[n].next = *head;
    if (*head >= 0)
        t->node[*head].prev = n;
    *head = n;
    if (parent < 0)
        return;
    struct ap_kv_node *above = &t->node[parent];
    int32_t at = t->node[n].at;
    above->children++;
    if (at < above->len || (above->ends & 1u << at))
        above->splits |= 1u << at;
    above->ends |= 1u << at;
}

/* Take a leaf out of the tree; its page is free. */
static void drop_node(struct ap_kv_tree *t, int32_t n)
{
    struct ap_kv_node *node = &t->node[n];
    if (node->prev >= 0)
        t->node[node->prev].next = node->next;
    else
        *first_child(t, node->parent) = node->next;
    if (node->next >= 0)
        t->node[node->next].prev = node->prev;
    if (node->parent >= 0) {
        struct ap_kv_node *parent = &t->node[node->parent];
        parent->children--;
        if (parent->last_use < node->last_use)
            parent->last_use = node->last_use;
    }
    node->used = false;
    t->free_pages++;
}

static bool evict_oldest(struct ap_kv_tree *t)
{
    int32_t oldest = -1;
    for (int32_t n = 0; n < t->pages; n++) {
        const struct ap_kv_node *node = &t->node[n];
        if (node->used && node->children == 0 && node->refs == 0 &&
            (oldest < 0 || node->last_use < t->node[oldest].last_use))
            oldest = n;
    }
    if (oldest >= 0)
        drop_node(t, oldest);
    return oldest >= 0;
}

/* The first free page from n on, round to the beginning; there is one. */
static int32_t next_free(const struct ap_kv_tree *t, int32_t n)
{
    while (n >= t->pages || t->node[n].used)
        n = n + 1 < t->pages ? n + 1 : 0;
    return n;
}

/* The first page of a free stretch, else any. */
static int32_t stretch_begin(const struct ap_kv_tree *t, int32_t near)
{
    for (int32_t n = 0; n + STRETCH <= t->pages; n += STRETCH) {
        int32_t free = 0;
        while (free < STRETCH && !t->node[n + free].used)
            free++;
        if (free == STRETCH)
            return n;
    }
    return next_free(t, near + 1);
}

/* A free page, the one after `near` if possible: touching pages make longer spans, and memory is read faster in order.
 * So who must begin elsewhere begins where there is room to grow, and branches that grow by turns do not interleave. */
static ap_status take_page(struct ap_kv_tree *t, int32_t near, int32_t *page, struct ap_err *err)
{
    if (t->free_pages == 0 && !evict_oldest(t))
        return ap__fail(err, AP_E_LIMIT, NULL, "the cache of %d tokens is full of live branches",
                        t->pages * AP_KV_PAGE);
    bool follows = near + 1 < t->pages && !t->node[near + 1].used;
    *page = follows ? near + 1 : stretch_begin(t, near);
    t->free_pages--;
    return AP_OK;
}

static ap_status note_change(struct ap_kv_tree *t, int32_t node, int32_t old_len, struct ap_err *err)
{
    AP_TRY(ap__grow((void **)&t->change, &t->change_cap, t->change_count + 1, sizeof *t->change, err));
    t->change[t->change_count++] = (struct ap_kv_change){node, old_len};
    return AP_OK;
}

/* The child of the cursor's place that starts with token, or -1. */
static int32_t find_child(struct ap_kv_tree *t, const struct ap_kv_cursor *c, int32_t token)
{
    for (int32_t n = *first_child(t, c->node); n >= 0; n = t->node[n].next)
        if (t->node[n].at == c->at && t->node[n].token[0] == token)
            return n;
    return -1;
}

static ap_status add_node(struct ap_kv_tree *t, const struct ap_kv_cursor *c, int32_t token, int32_t *out,
                          struct ap_err *err)
{
    AP_TRY(take_page(t, c->node, out, err));
    ap_status status = note_change(t, *out, -1, err);
    if (status != AP_OK) {
        t->free_pages++;
        return status;
    }
    struct ap_kv_node *node = &t->node[*out];
    *node = (struct ap_kv_node){.len = 1, .parent = c->node, .at = c->at, .child = -1, .used = true};
    node->token[0] = token;
    link_node(t, *out, c->node);
    return AP_OK;
}

static void move(struct ap_kv_tree *t, struct ap_kv_cursor *c, int32_t node, int32_t at)
{
    struct ap_kv_cursor to = {node, at, c->len + 1};
    if (node != c->node) {
        ap__kv_ref(t, &to);
        ap__kv_unref(t, c);
    }
    t->node[node].last_use = t->clock;
    *c = to;
}

ap_status ap__kv_advance(struct ap_kv_tree *t, struct ap_kv_cursor *c, int32_t token, int32_t *row, bool *added,
                         struct ap_err *err)
{
    struct ap_kv_node *node = c->node >= 0 ? &t->node[c->node] : NULL;
    int32_t n = c->node, at = c->at;
    *added = false;
    if (node != NULL && at < node->len && node->token[at] == token) {
        at++; /* cached, next in this page */
    } else if (node != NULL && at == node->len && at < AP_KV_PAGE) {
        AP_TRY(note_change(t, n, node->len, err));
        node->token[node->len++] = token; /* room in this page */
        at++;
        *added = true;
    } else {
        n = find_child(t, c, token);
        if (n < 0) {
            AP_TRY(add_node(t, c, token, &n, err));
            *added = true;
        }
        at = 1;
    }
    move(t, c, n, at);
    *row = n * AP_KV_PAGE + at - 1;
    return AP_OK;
}

void ap__kv_undo(struct ap_kv_tree *t)
{
    while (t->change_count > 0) {
        struct ap_kv_change change = t->change[--t->change_count];
        if (change.old_len < 0)
            drop_node(t, change.node);
        else
            t->node[change.node].len = change.old_len;
    }
}

void ap__kv_clear(struct ap_kv_tree *t)
{
    for (int32_t n = 0; n < t->pages; n++)
        t->node[n].used = false;
    t->free_pages = t->pages;
    t->first_root = -1;
    t->change_count = 0;
}
