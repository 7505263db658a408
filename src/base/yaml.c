/* yaml.c - libyaml's events as a tree of nodes with line numbers.
 *
 *     text --libyaml--> events --build--> nodes in the document's arena
 *
 * The reader is a loop over events with a stack of open lists and maps, so a
 * hostile file cannot exhaust the C stack; depth, nodes and bytes are bounded.
 * The typed readers on the tree are in yaml_read.c. */
#include "base/yaml.h"

#include "base/file.h"

#include <string.h>
#include <yaml.h>

#define FILE_MAX ((size_t)16 << 20)  /* bytes of text */
#define ARENA_MAX ((size_t)512 << 20) /* bytes of nodes */
#define DEPTH_MAX 64

/* A list or map whose end has not been seen. */
struct open_node {
    struct ap_yaml *node;
    const char *key; /* map: a key waits for its value */
    int32_t key_line, cap;
};

struct builder {
    struct ap_yaml_doc *doc;
    struct open_node stack[DEPTH_MAX];
    int depth;
    struct ap_err *err;
};

static ap_status fail_line(struct builder *b, ap_status code, size_t line, const char *message, const char *name)
{
    char place[sizeof b->err->place];
    snprintf(place, sizeof place, "%s:%zu", b->doc->path, line);
    if (name)
        return ap__fail(b->err, code, place, "%s `%s`", message, name);
    return ap__fail(b->err, code, place, "%s", message);
}

static ap_status no_memory(struct builder *b)
{
    return ap__fail(b->err, AP_E_MEMORY, b->doc->path, "out of memory while reading YAML");
}

static ap_status add_child(struct builder *b, struct open_node *parent, struct ap_yaml *child)
{
    struct ap_yaml *node = parent->node;
    if (node->count == parent->cap) {
        int32_t cap = parent->cap ? 2 * parent->cap : 4;
        struct ap_yaml **grown = ap__arena_alloc(&b->doc->arena, (size_t)cap * sizeof *grown);
        if (!grown)
            return no_memory(b);
        if (node->count)
            memcpy(grown, node->child, (size_t)node->count * sizeof *grown);
        node->child = grown;
        parent->cap = cap;
    }
    node->child[node->count++] = child;
    return AP_OK;
}

/* Put a new node where it belongs: the root, a list's item, a map entry's value. */
static ap_status attach(struct builder *b, struct ap_yaml *node)
{
    if (b->depth == 0) {
        b->doc->root = node;
        return AP_OK;
    }
    struct open_node *parent = &b->stack[b->depth - 1];
    if (parent->node->kind == AP_YAML_MAP) {
        if (!parent->key)
            return fail_line(b, AP_E_FORMAT, (size_t)node->line, "a key must be plain text", NULL);
        node->key = parent->key;
        node->line = parent->key_line; /* an entry is where its key is */
        parent->key = NULL;
    }
    return add_child(b, parent, node);
}

static ap_status new_node(struct builder *b, enum ap_yaml_kind kind, size_t line, struct ap_yaml **out)
{
    *out = ap__arena_zalloc(&b->doc->arena, sizeof **out);
    if (!*out)
        return no_memory(b);
    (*out)->kind = kind;
    (*out)->line = (int32_t)line;
    (*out)->text = "";
    return AP_OK;
}

static ap_status take_scalar(struct builder *b, const yaml_event_t *ev, size_t line)
{
    const char *value = (const char *)ev->data.scalar.value;
    size_t len = ev->data.scalar.length;
    if (memchr(value, '\0', len))
        return fail_line(b, AP_E_FORMAT, line, "text must not contain a NUL byte", NULL);
    char *text = ap__arena_strndup(&b->doc->arena, value, len);
    if (!text)
        return no_memory(b);

    struct open_node *parent = b->depth ? &b->stack[b->depth - 1] : NULL;
    if (parent && parent->node->kind == AP_YAML_MAP && !parent->key) {
        if (ap__yaml_get(parent->node, text))
            return fail_line(b, AP_E_FORMAT, line, "a second key", text);
        parent->key = text;
        parent->key_line = (int32_t)line;
        return AP_OK;
    }
    struct ap_yaml *node;
    AP_TRY(new_node(b, AP_YAML_SCALAR, line, &node));
    node->text = text;
    node->quoted = ev->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
    return attach(b, node);
}

static ap_status open_collection(struct builder *b, enum ap_yaml_kind kind, size_t line)
{
    struct ap_yaml *node;
    if (b->depth == DEPTH_MAX)
        return fail_line(b, AP_E_TOO_LARGE, line, "nested too deeply", NULL);
    AP_TRY(new_node(b, kind, line, &node));
    AP_TRY(attach(b, node));
    b->stack[b->depth++] = (struct open_node){.node = node};
    return AP_OK;
}

static ap_status take_event(struct builder *b, const yaml_event_t *ev)
{
    size_t line = ev->start_mark.line + 1;
    switch (ev->type) {
    case YAML_DOCUMENT_START_EVENT:
        if (b->doc->root)
            return fail_line(b, AP_E_FORMAT, line, "a second document; one was expected", NULL);
        return AP_OK;
    case YAML_ALIAS_EVENT:
        return fail_line(b, AP_E_FORMAT, line, "aliases are not supported: repeat the text instead of",
                         (const char *)ev->data.alias.anchor);
    case YAML_SCALAR_EVENT:
        return take_scalar(b, ev, line);
    case YAML_SEQUENCE_START_EVENT:
        return open_collection(b, AP_YAML_LIST, line);
    case YAML_MAPPING_START_EVENT:
        return open_collection(b, AP_YAML_MAP, line);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        b->depth--;
        return AP_OK;
    default:
        return AP_OK;
    }
}

static ap_status parser_failure(struct builder *b, const yaml_parser_t *parser)
{
    if (parser->error == YAML_MEMORY_ERROR)
        return no_memory(b);
    if (parser->error == YAML_READER_ERROR) {
        char place[sizeof b->err->place];
        snprintf(place, sizeof place, "%s: byte %zu", b->doc->path, parser->problem_offset);
        return ap__fail(b->err, AP_E_PARSE, place, "not valid YAML: %s", parser->problem);
    }
    char what[256];
    snprintf(what, sizeof what, "not valid YAML: %s%s%s", parser->context ? parser->context : "",
             parser->context ? ", " : "", parser->problem ? parser->problem : "unknown problem");
    return fail_line(b, AP_E_PARSE, parser->problem_mark.line + 1, what, NULL);
}

static ap_status read_events(struct builder *b, yaml_parser_t *parser)
{
    for (bool more = true; more;) {
        yaml_event_t ev;
        if (!yaml_parser_parse(parser, &ev))
            return parser_failure(b, parser);
        more = ev.type != YAML_STREAM_END_EVENT;
        ap_status status = take_event(b, &ev);
        yaml_event_delete(&ev);
        AP_TRY(status);
    }
    if (!b->doc->root)
        return ap__fail(b->err, AP_E_FORMAT, b->doc->path, "the file is empty");
    return AP_OK;
}

ap_status ap__yaml_parse(const char *text, size_t len, const char *place, struct ap_yaml_doc *out, struct ap_err *err)
{
    *out = (struct ap_yaml_doc){.path = place};
    ap__arena_init(&out->arena, ARENA_MAX);
    struct builder b = {.doc = out, .err = err};
    yaml_parser_t parser;
    if (!yaml_parser_initialize(&parser))
        return ap__fail(err, AP_E_MEMORY, place, "out of memory while reading YAML");
    yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, len);

    out->path = ap__arena_strdup(&out->arena, place ? place : "YAML");
    ap_status status = out->path ? read_events(&b, &parser) : ap__fail(err, AP_E_MEMORY, place, "out of memory");
    yaml_parser_delete(&parser);
    if (status != AP_OK)
        ap__yaml_free(out);
    return status;
}

ap_status ap__yaml_load(const char *path, struct ap_yaml_doc *out, struct ap_err *err)
{
    struct ap_buf text;
    *out = (struct ap_yaml_doc){0};
    ap__buf_init(&text, 0);
    ap_status status = ap__file_read(path, FILE_MAX, &text, err);
    if (status == AP_OK)
        status = ap__yaml_parse(ap__buf_cstr(&text), text.len, path, out, err);
    ap__buf_deinit(&text);
    return status;
}

void ap__yaml_free(struct ap_yaml_doc *doc)
{
    ap__arena_deinit(&doc->arena);
    doc->root = NULL;
    doc->path = NULL;
}
