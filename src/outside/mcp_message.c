/* mcp_message.c - messages made and read; the content of a tool's result as text.
 *
 *   content: [{type: text} {type: image} {type: resource} ...]  -->  "text [an image was left out] ..."
 *   structuredContent, when no text says it                     -->  its JSON */
#include "outside/mcp_message.h"
#include "base/json.h"

#include <string.h>

enum { MAX_TEXT = 65536, MAX_BLOCKS = 256 };

bool ap__mcp_revision_known(const char *version)
{
    static const char *const known[] = {"2024-11-05", "2025-03-26", "2025-06-18", AP_MCP_LATEST};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (!strcmp(known[i], version))
            return true;
    return false;
}

/* Text of `message`, which is taken and may be NULL.  Parameters stay in their order: models read them so. */
static ap_status dump(json_t *message, struct ap_buf *out, struct ap_err *err)
{
    char *text = message ? ap__json_dump_in_order(message) : NULL;
    json_decref(message);
    ap__buf_clear(out);
    ap_status status = text ? ap__buf_puts(out, text) : AP_E_MEMORY;
    ap__free(text);
    return status == AP_OK ? AP_OK : ap__fail(err, status, NULL, "no memory for a message");
}

ap_status ap__mcp_request(int64_t id, const char *method, json_t *params, struct ap_buf *out, struct ap_err *err)
{
    json_t *message = json_pack("{s:s, s:s, s:o*}", "jsonrpc", "2.0", "method", method, "params", params);
    if (message && id != 0)
        (void)json_object_set_new(message, "id", json_integer(id));
    return dump(message, out, err);
}

ap_status ap__mcp_answer(const json_t *id, json_t *result, int code, const char *message, struct ap_buf *out,
                         struct ap_err *err)
{
    json_t *answer = json_pack("{s:s, s:O?}", "jsonrpc", "2.0", "id", id);
    if (answer && result)
        (void)json_object_set_new(answer, "result", result);
    else if (answer)
        (void)json_object_set_new(answer, "error", json_pack("{s:i, s:s}", "code", code, "message", message));
    return dump(answer, out, err);
}

ap_status ap__mcp_parse(const char *text, size_t len, json_t **out, struct ap_err *err)
{
    json_error_t e;
    *out = json_loadb(text, len, 0, &e);
    if (!*out) {
        *out = json_loadb(text, len, JSON_DECODE_INT_AS_REAL, &e);
        double id = json_real_value(json_object_get(*out, "id"));
        if (id > 0 && id < 1e15 && id == (double)(json_int_t)id)
            (void)json_object_set_new(*out, "id", json_integer((json_int_t)id));
    }
    if (*out)
        return AP_OK;
    if (json_error_code(&e) == json_error_out_of_memory)
        return ap__fail(err, AP_E_MEMORY, NULL, "no memory for a message");
    return ap__fail(err, AP_E_PARSE, NULL, "not valid JSON at byte %d: %s", e.position, e.text);
}

/* ---- results ---- */

static void add_piece(struct ap_buf *out, const char *piece)
{
    if (out->len > 0)
        (void)ap__buf_putc(out, '\n');
    size_t room = out->len < MAX_TEXT ? MAX_TEXT - out->len : 0, n = strlen(piece);
    (void)ap__buf_add(out, piece, n < room ? n : room);
}

static void add_note(struct ap_buf *out, const char *before, const char *what, const char *after)
{
    struct ap_buf note;
    ap__buf_init(&note, 1024);
    (void)ap__buf_printf(&note, "[%s%.200s%s]", before, what, after);
    add_piece(out, ap__buf_cstr(&note));
    ap__buf_deinit(&note);
}

static void add_resource(struct ap_buf *out, const json_t *block)
{
    const json_t *resource = json_object_get(block, "resource");
    const char *text = ap__json_str_or(resource, "text", NULL);
    if (text)
        add_piece(out, text);
    else
        add_note(out, "the file ", ap__json_str_or(resource, "uri", "without a name"),
                 " was left out: only text can be read here");
}

static bool add_block(struct ap_buf *out, const json_t *block)
{
    const char *type = json_string_value(json_object_get(block, "type"));
    if (!type)
        return false;
    if (!strcmp(type, "text"))
        add_piece(out, ap__json_str_or(block, "text", ""));
    else if (!strcmp(type, "image") || !strcmp(type, "audio"))
        add_note(out, type[0] == 'i' ? "an " : "a piece of ", type, " was left out: only text can be read here");
    else if (!strcmp(type, "resource"))
        add_resource(out, block);
    else if (!strcmp(type, "resource_link"))
        add_note(out, "see ", ap__json_str_or(block, "uri", "an unnamed resource"), "");
    else
        add_note(out, "content of type ", type, " was left out: only text can be read here");
    return true;
}

ap_status ap__mcp_result_text(const json_t *result, struct ap_buf *out, bool *error, struct ap_err *err)
{
    const json_t *content = json_object_get(result, "content"), *structured = json_object_get(result, "structuredContent");
    *error = json_is_true(json_object_get(result, "isError"));
    if (!json_is_object(result) || (!json_is_array(content) && !structured))
        return ap__fail(err, AP_E_FORMAT, NULL, "its result has no content");
    if (json_array_size(content) > MAX_BLOCKS)
        return ap__fail(err, AP_E_FORMAT, NULL, "its result has more than %d pieces", MAX_BLOCKS);
    for (size_t i = 0; i < json_array_size(content); i++)
        if (!add_block(out, json_array_get(content, i)))
            return ap__fail(err, AP_E_FORMAT, NULL, "piece %zu of its result has no type", i + 1);
    if (out->len == 0 && structured) {
        char *text = ap__json_dump(structured);
        add_piece(out, text ? text : "");
        out->failed = out->failed || !text;
        ap__free(text);
    }
    return out->failed ? ap__fail(err, AP_E_MEMORY, NULL, "no memory for a result") : AP_OK;
}
