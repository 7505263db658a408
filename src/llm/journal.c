/* journal.c - an append-only file of answers, and where in it each one stands.
 *
 *     open    torn last line cut off -> every line read once -> table: key -> (offset, length)
 *     find    table -> pread -> answer
 *     add     one write(2) per line -> table
 *
 * The table is open addressing with a power of two of places, at most half full. */
#include "llm/journal.h"

#include "base/file.h"
#include "base/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_LINE = 8 * AP_CHAT_MAX_TEXT }; /* an answer of control characters takes six times its bytes */

struct place {
    struct ap_journal_key key;
    uint64_t offset;
    uint32_t length; /* 0 = free */
};

struct ap_journal {
    char *path;
    int fd;
    bool write;
    uint64_t size;       /* of the file */
    struct place *table; /* (places,) */
    size_t places, used;
};

/* ---- words ---- */

static const char *const finish_words[] = {
    [AP_FINISH_STOP] = "stop", [AP_FINISH_LENGTH] = "length", [AP_FINISH_ERROR] = "error"};

const char *ap__finish_text(enum ap_finish finish)
{
    return finish_words[finish];
}

bool ap__finish_read(const char *text, enum ap_finish *out)
{
    for (int f = AP_FINISH_STOP; f <= AP_FINISH_ERROR; f++)
        if (strcmp(text, finish_words[f]) == 0) {
            *out = (enum ap_finish)f;
            return true;
        }
    return false;
}

/* ---- keys and their table ---- */

struct ap_journal_key ap__journal_key(const struct ap_request *request, const char *body)
{
    return (struct ap_journal_key){.stream = ap__hash64(request->stream, sizeof request->stream, 1),
                                   .body = ap__hash64(body, strlen(body), 2)};
}

static struct place *place_of(const struct ap_journal *j, struct ap_journal_key key)
{
    size_t at = (size_t)(key.stream ^ key.body * 0x9E3779B97F4A7C15u) & (j->places - 1);
    while (j->table[at].length != 0 && (j->table[at].key.stream != key.stream || j->table[at].key.body != key.body))
        at = (at + 1) & (j->places - 1);
    return &j->table[at];
}

static ap_status grow_table(struct ap_journal *j, struct ap_err *err)
{
    struct ap_journal old = *j;
    if (2 * (j->used + 1) <= j->places)
        return AP_OK;
    j->places = old.places ? 2 * old.places : 256;
    j->table = ap__alloc_array(j->places, sizeof *j->table);
    if (!j->table) {
        *j = old;
        return ap__fail(err, AP_E_MEMORY, j->path, "no memory for the places of %zu answers", j->used);
    }
    for (size_t i = 0; i < old.places; i++)
        if (old.table[i].length != 0)
            *place_of(j, old.table[i].key) = old.table[i];
    ap__free(old.table);
    return AP_OK;
}

static ap_status remember(struct ap_journal *j, struct place place, struct ap_err *err)
{
    AP_TRY(grow_table(j, err));
    struct place *at = place_of(j, place.key);
    j->used += at->length == 0;
    *at = place;
    return AP_OK;
}

/* ---- lines ---- */

static ap_status read_key(const json_t *json, const char *place, struct ap_journal_key *out, struct ap_err *err)
{
    const char *text;
    char half[17] = "", *end;
    AP_TRY(ap__json_str(json, "key", place, &text, err));
    bool fine = strlen(text) == 32 && strspn(text, "0123456789abcdef") == 32;
    if (!fine)
        return ap__fail(err, AP_E_FORMAT, place, "`key` must be 32 hex digits, got `%.40s`", text);
    memcpy(half, text, 16);
    out->stream = strtoull(half, &end, 16);
    out->body = strtoull(text + 16, &end, 16);
    return AP_OK;
}

/* Its text is borrowed from json. */
static ap_status read_answer(const json_t *json, const char *place, struct ap_chat_answer *out, struct ap_err *err)
{
    const char *text;
    AP_TRY(ap__json_str(json, "answer", place, &text, err));
    *out = (struct ap_chat_answer){.text = (char *)(uintptr_t)text,
                                   .calls = (int32_t)ap__json_i64_or(json, "calls", 0),
                                   .counted = ap__json_bool_or(json, "counted", true),
                                   .prompt_tokens = ap__json_i64_or(json, "prompt", 0),
                                   .cached_tokens = ap__json_i64_or(json, "cached", 0),
                                   .completion_tokens = ap__json_i64_or(json, "completion", 0)};
    if (!ap__finish_read(ap__json_str_or(json, "finish", "stop"), &out->finish) || out->finish == AP_FINISH_ERROR)
        return ap__fail(err, AP_E_FORMAT, place, "`finish` must be stop or length");
    return AP_OK;
}

static json_t *line_of(struct ap_journal_key key, int32_t attempts)
{
    char text[33];
    snprintf(text, sizeof text, "%016llx%016llx", (unsigned long long)key.stream, (unsigned long long)key.body);
    return json_pack("{s:s, s:i}", "key", text, "attempts", attempts);
}

/* One write, so that a killed process leaves a whole line or the beginning of one. */
static ap_status append(struct ap_journal *j, const json_t *line, struct place *place, struct ap_err *err)
{
    char *text = line ? ap__json_dump(line) : NULL;
    size_t len = text ? strlen(text) : 0;
    if (!text)
        return ap__fail(err, AP_E_MEMORY, j->path, "no memory for a line");
    text[len] = '\n'; /* in the place of the NUL: the length is known */
    *place = (struct place){.offset = j->size, .length = (uint32_t)len};
    size_t sent = 0;
    while (sent <= len) {
        ssize_t n = write(j->fd, text + sent, len + 1 - sent);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            break;
        sent += (size_t)n;
    }
    ap_status status = sent == len + 1 ? AP_OK : ap__fail_errno(err, j->path, "cannot write an answer");
    j->size += sent;
    ap__free(text);
    return status;
}

ap_status ap__journal_add(struct ap_journal *j, struct ap_journal_key key, const struct ap_chat_answer *answer,
                          int32_t attempts, struct ap_err *err)
{
    json_t *line = line_of(key, attempts);
    struct place place = {0};
    int failed = !line || json_object_set_new(line, "answer", json_string(answer->text)) ||
                 json_object_set_new(line, "finish", json_string(ap__finish_text(answer->finish))) ||
                 json_object_set_new(line, "calls", json_integer(answer->calls)) ||
                 json_object_set_new(line, "counted", json_boolean(answer->counted)) ||
                 json_object_set_new(line, "prompt", json_integer(answer->prompt_tokens)) ||
                 json_object_set_new(line, "cached", json_integer(answer->cached_tokens)) ||
                 json_object_set_new(line, "completion", json_integer(answer->completion_tokens));
    ap_status status = append(j, failed ? NULL : line, &place, err);
    json_decref(line);
    place.key = key;
    return status == AP_OK ? remember(j, place, err) : status;
}

ap_status ap__journal_add_lost(struct ap_journal *j, struct ap_journal_key key, const char *why, int32_t attempts,
                               struct ap_err *err)
{
    json_t *line = line_of(key, attempts);
    struct place place;
    int failed = !line || json_object_set_new(line, "lost", json_string(why));
    ap_status status = append(j, failed ? NULL : line, &place, err);
    json_decref(line);
    return status;
}

/* ---- find ---- */

static ap_status read_back(struct ap_journal *j, const struct place *place, char *text, struct ap_chat_answer *out,
                           struct ap_err *err)
{
    json_t *json = NULL;
    struct ap_chat_answer seen;
    if (pread(j->fd, text, place->length, (off_t)place->offset) != (ssize_t)place->length)
        return ap__fail(err, AP_E_IO, j->path, "cannot read an answer back");
    AP_TRY(ap__json_parse(text, place->length, j->path, &json, err));
    ap_status status = read_answer(json, j->path, &seen, err);
    if (status == AP_OK) {
        *out = seen;
        out->text = ap__strdup(seen.text);
        if (!out->text)
            status = ap__fail(err, AP_E_MEMORY, j->path, "no memory for an answer");
    }
    json_decref(json);
    return status;
}

ap_status ap__journal_find(struct ap_journal *j, struct ap_journal_key key, struct ap_chat_answer *out, bool *found,
                           struct ap_err *err)
{
    *found = false;
    *out = (struct ap_chat_answer){0};
    const struct place *place = j->used > 0 ? place_of(j, key) : NULL;
    if (!place || place->length == 0)
        return AP_OK;
    char *text = ap__alloc(place->length);
    if (!text)
        return ap__fail(err, AP_E_MEMORY, j->path, "no memory for an answer");
    ap_status status = read_back(j, place, text, out, err);
    ap__free(text);
    *found = status == AP_OK;
    return status;
}

/* ---- open ---- */

struct loading {
    struct ap_journal *journal;
    ap_journal_visit visit;
    void *user;
};

static ap_status load_line(void *user, const struct ap_json_line *line, struct ap_err *err)
{
    struct loading *l = user;
    struct ap_chat_answer answer;
    struct place place = {.offset = line->offset, .length = (uint32_t)line->length};
    int32_t attempts = (int32_t)ap__json_i64_or(line->json, "attempts", 1);
    const char *lost = ap__json_str_or(line->json, "lost", NULL);
    if (line->length > MAX_LINE)
        return ap__fail(err, AP_E_TOO_LARGE, line->place, "a line of %zu bytes", line->length);
    AP_TRY(read_key(line->json, line->place, &place.key, err));
    if (!lost) {
        AP_TRY(read_answer(line->json, line->place, &answer, err));
        AP_TRY(remember(l->journal, place, err));
    }
    if (l->visit)
        l->visit(l->user, lost ? NULL : &answer, attempts, lost);
    return AP_OK;
}

/* What a killed process left behind the last whole line. */
static ap_status cut_torn(struct ap_journal *j, struct ap_err *err)
{
    struct stat st;
    char chunk[4096];
    if (fstat(j->fd, &st) != 0)
        return ap__fail_errno(err, j->path, "cannot examine the file");
    off_t end = st.st_size, at = end;
    while (at > 0) {
        size_t n = at < (off_t)sizeof chunk ? (size_t)at : sizeof chunk;
        if (pread(j->fd, chunk, n, at - (off_t)n) != (ssize_t)n)
            return ap__fail_errno(err, j->path, "cannot read the file");
        while (n > 0 && chunk[n - 1] != '\n') {
            n--;
            at--;
        }
        if (n > 0)
            break;
    }
    j->size = (uint64_t)at;
    if (at == end || !j->write)
        return AP_OK;
    return ftruncate(j->fd, at) == 0 ? AP_OK : ap__fail_errno(err, j->path, "cannot cut a torn line off");
}

static ap_status open_file(struct ap_journal *j, struct ap_err *err)
{
    j->fd = open(j->path, (j->write ? O_RDWR | O_CREAT | O_APPEND : O_RDONLY) | O_CLOEXEC, 0644);
    if (j->fd < 0)
        return ap__fail_errno(err, j->path, "cannot open the recorded answers");
    if (j->write)
        AP_TRY(ap__lock_take(j->fd, j->path, "another process writes to these answers", err));
    return cut_torn(j, err);
}

ap_status ap__journal_open(const char *path, bool write, ap_journal_visit visit, void *user, struct ap_journal **out,
                           struct ap_err *err)
{
    *out = NULL;
    struct ap_journal *j = ap__alloc(sizeof *j);
    if (!j)
        return ap__fail(err, AP_E_MEMORY, path, "no memory for the recorded answers");
    struct loading loading = {j, visit, user};
    *j = (struct ap_journal){.path = ap__strdup(path), .fd = -1, .write = write};
    ap_status status = j->path ? open_file(j, err) : ap__fail(err, AP_E_MEMORY, path, "no memory for a path");
    if (status == AP_OK && j->size > 0)
        status = ap__json_lines(path, j->size, load_line, &loading, err);
    if (status == AP_OK)
        *out = j;
    else
        ap__journal_free(j);
    return status;
}

void ap__journal_free(struct ap_journal *j)
{
    if (!j)
        return;
    if (j->fd >= 0)
        close(j->fd);
    ap__free(j->table);
    ap__free(j->path);
    ap__free(j);
}
