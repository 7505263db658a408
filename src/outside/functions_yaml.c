/* functions_yaml.c - reads one entry and adds what it describes.
 *
 *   entry --which of plugin, command, mcp?--> its keys checked --> a spec --> ap__command_add, ap__mcp_add, ... */
#include "outside/functions_yaml.h"
#include "base/file.h"
#include "base/text.h"
#include "base/yaml_json.h"
#include "outside/command_function.h"
#include "outside/mcp_functions.h"
#include "outside/plugin.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define KNOWN(...) (const char *const[]){__VA_ARGS__}, sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *)
#define LIMITS "timeout", "memory", "cpu", "file", "output", "network", "env", "parallel"
enum { MAX_TEXTS = 256, PARALLEL = 16, MAX_PARALLEL = 4096 };

struct entry {
    struct ap_registry *registry;
    const struct ap_yaml_doc *doc;
    const struct ap_yaml *node;
    struct ap_arena arena; /* texts of the spec */
    char *folder;          /* of the task, NULL = ours */
    struct ap_err *err;
};

static ap_status no_memory(struct entry *e)
{
    return ap__fail(e->err, AP_E_MEMORY, e->doc->path, "no memory for a function");
}

/* {text: string, least: {type: integer, default: 1}}: what has no default is required. */
static json_t *short_schema(const struct ap_yaml *map)
{
    json_t *properties = json_object(), *required = json_array();
    for (int32_t i = 0; i < map->count; i++) {
        const struct ap_yaml *node = map->child[i];
        json_t *schema = ap__yaml_to_json(node);
        if (json_is_string(schema)) { /* a type alone */
            json_t *typed = json_pack("{s:o}", "type", schema);
            schema = typed;
        }
        if (!json_object_get(schema, "default"))
            (void)json_array_append_new(required, json_string(node->key));
        (void)json_object_set_new(properties, node->key, schema);
    }
    return json_pack("{s:s, s:o, s:o, s:b}", "type", "object", "properties", properties, "required", required,
                     "additionalProperties", 0);
}

static ap_status read_schema(struct entry *e, json_t **out)
{
    const struct ap_yaml *map = ap__yaml_get(e->node, "parameters");
    *out = NULL;
    if (map && map->kind != AP_YAML_MAP)
        return ap__yaml_fail(e->doc, map, e->err, "`parameters` must be a map of names, or a JSON Schema");
    const struct ap_yaml *properties = map ? ap__yaml_get(map, "properties") : NULL;
    if (!map)
        *out = json_pack("{s:s, s:{}}", "type", "object", "properties");
    else
        *out = properties && properties->kind == AP_YAML_MAP ? ap__yaml_to_json(map) : short_schema(map);
    return *out ? AP_OK : no_memory(e);
}

/* ---- texts ---- */

/* A list of texts, or one text, that ends with NULL; NULL when the key is absent. */
static ap_status read_texts(struct entry *e, const char *key, const char *const **out)
{
    const struct ap_yaml *node = ap__yaml_get(e->node, key);
    *out = NULL;
    if (!node)
        return AP_OK;
    int32_t n = node->kind == AP_YAML_LIST ? node->count : 1;
    if (node->kind == AP_YAML_MAP || n > MAX_TEXTS)
        return ap__yaml_fail(e->doc, node, e->err, "`%s` must be a list of at most %d texts", key, MAX_TEXTS);
    const char **texts = ap__arena_zalloc(&e->arena, ((size_t)n + 1) * sizeof *texts);
    if (!texts)
        return no_memory(e);
    for (int32_t i = 0; i < n; i++) {
        const struct ap_yaml *item = node->kind == AP_YAML_LIST ? node->child[i] : node;
        if (item->kind != AP_YAML_SCALAR)
            return ap__yaml_fail(e->doc, item, e->err, "`%s` must be a list of texts", key);
        texts[i] = item->text; /* the document outlives the spec */
    }
    *out = texts;
    return AP_OK;
}

/* ---- limits ---- */

static ap_status read_box(struct entry *e, const char *key, struct ap_sandbox *box, double *timeout, size_t *output,
                          int32_t *parallel)
{
    int64_t kib = (int64_t)(*output >> 10), at_once = PARALLEL;
    AP_TRY(read_texts(e, key, &box->argv));
    AP_TRY(read_texts(e, "env", &box->env));
    AP_TRY(ap__yaml_f64(e->doc, e->node, "timeout", false, 0.01, 86400, timeout, e->err));
    AP_TRY(ap__yaml_i64(e->doc, e->node, "memory", false, 0, 1 << 20, &box->memory_mib, e->err));
    AP_TRY(ap__yaml_i64(e->doc, e->node, "cpu", false, 0, 1 << 20, &box->cpu_seconds, e->err));
    AP_TRY(ap__yaml_i64(e->doc, e->node, "file", false, 0, 1 << 20, &box->file_mib, e->err));
    AP_TRY(ap__yaml_i64(e->doc, e->node, "output", false, 1, 65536, &kib, e->err));
    AP_TRY(ap__yaml_bool(e->doc, e->node, "network", false, &box->network, e->err));
    AP_TRY(ap__yaml_i64(e->doc, e->node, "parallel", false, 1, MAX_PARALLEL, &at_once, e->err));
    *output = (size_t)kib << 10;
    *parallel = (int32_t)at_once;
    box->cwd = e->folder;
    return AP_OK;
}

/* What another module says of the entry, at its line. */
static ap_status at_line(struct entry *e, ap_status status, const struct ap_err *why)
{
    if (status == AP_OK)
        return AP_OK;
    bool place = why->place[0] && status != AP_E_IO && status != AP_E_MEMORY;
    (void)ap__yaml_fail(e->doc, e->node, e->err, "%.100s%s%s", place ? why->place : "", place ? ": " : "", why->message);
    if (e->err)
        e->err->code = status;
    return status;
}

/* ---- the three kinds ---- */

static ap_status add_plugin(struct entry *e)
{
    const char *path = NULL;
    const char *const *names;
    const struct ap_plugin *plugin = NULL;
    struct ap_err why = {0};
    AP_TRY(ap__yaml_check_keys(e->doc, e->node, KNOWN("plugin", "functions"), e->err));
    AP_TRY(ap__yaml_str(e->doc, e->node, "plugin", true, &path, e->err));
    AP_TRY(read_texts(e, "functions", &names));
    char *full = path[0] == '/' ? ap__strdup(path) : ap__path_join(e->folder ? e->folder : ".", path);
    if (!full)
        return no_memory(e);
    ap_status status = ap__plugin_load(full, &plugin, &why);
    ap__free(full);
    if (status == AP_OK && !names)
        status = ap__registry_add_builtin(e->registry, plugin->name, &why);
    for (; status == AP_OK && names && *names; names++)
        status = ap__registry_add_builtin(e->registry, *names, &why);
    return at_line(e, status, &why);
}

static ap_status add_command(struct entry *e)
{
    struct ap_command_spec spec = {.box = {.memory_mib = 1024, .cpu_seconds = 0, .file_mib = 64}, .timeout = 10,
                                   .max_output = 64 << 10};
    struct ap_err why = {0};
    json_t *schema;
    AP_TRY(ap__yaml_check_keys(e->doc, e->node,
                               KNOWN("command", "name", "description", "parameters", "example", "pure", LIMITS), e->err));
    AP_TRY(ap__yaml_str(e->doc, e->node, "name", true, &spec.name, e->err));
    AP_TRY(ap__yaml_str(e->doc, e->node, "description", true, &spec.description, e->err));
    AP_TRY(ap__yaml_str(e->doc, e->node, "example", false, &spec.example, e->err));
    AP_TRY(ap__yaml_bool(e->doc, e->node, "pure", false, &spec.pure, e->err));
    AP_TRY(read_box(e, "command", &spec.box, &spec.timeout, &spec.max_output, &spec.parallel));
    if (!spec.box.argv[0] || !spec.box.argv[0][0])
        return ap__yaml_fail(e->doc, e->node, e->err, "`command` must name a program");
    if (spec.box.cpu_seconds == 0)
        spec.box.cpu_seconds = (int64_t)spec.timeout + 1;
    AP_TRY(read_schema(e, &schema));
    spec.schema = schema;
    ap_status status = ap__command_add(e->registry, &spec, &why);
    json_decref(schema);
    return at_line(e, status, &why);
}

/* "Name: value" for every member, and the key. */
static ap_status read_headers(struct entry *e, const char *const **out)
{
    const struct ap_yaml *map = ap__yaml_get(e->node, "headers");
    const char *key_env = NULL;
    int32_t n = map ? map->count : 0;
    AP_TRY(ap__yaml_str(e->doc, e->node, "key_env", false, &key_env, e->err));
    if (map && map->kind != AP_YAML_MAP)
        return ap__yaml_fail(e->doc, map, e->err, "`headers` must be a map");
    const char **lines = ap__arena_zalloc(&e->arena, ((size_t)n + 2) * sizeof *lines);
    if (!lines)
        return no_memory(e);
    const char *key = key_env ? getenv(key_env) : NULL;
    if (key_env && (!key || !key[0]))
        return ap__yaml_fail(e->doc, ap__yaml_get(e->node, "key_env"), e->err,
                             "the environment has no key in `%.64s`", key_env);
    for (int32_t i = 0; i < n + (key != NULL); i++) {
        struct ap_buf line;
        ap__buf_init(&line, 0);
        bool ours = i < n;
        if (ours && map->child[i]->kind != AP_YAML_SCALAR)
            return ap__yaml_fail(e->doc, map->child[i], e->err, "a header must be a text");
        (void)ap__buf_printf(&line, "%s: %s%s", ours ? map->child[i]->key : "Authorization", ours ? "" : "Bearer ",
                             ours ? map->child[i]->text : key);
        bool bad = strpbrk(ap__buf_cstr(&line), "\r\n") != NULL;
        lines[i] = line.failed ? NULL : ap__arena_strdup(&e->arena, ap__buf_cstr(&line));
        ap__buf_deinit(&line);
        if (bad)
            return ap__yaml_fail(e->doc, e->node, e->err, "a header must be a single line");
        if (!lines[i])
            return no_memory(e);
    }
    *out = lines;
    return AP_OK;
}

/* `pure: true` is all of them. */
static ap_status read_pure(struct entry *e, const char *const **out)
{
    static const char *const all[] = {"*", NULL}, *const none[] = {NULL};
    const struct ap_yaml *node = ap__yaml_get(e->node, "pure");
    bool pure = false;
    if (node && node->kind == AP_YAML_LIST)
        return read_texts(e, "pure", out);
    AP_TRY(ap__yaml_bool(e->doc, e->node, "pure", false, &pure, e->err));
    *out = pure ? all : none;
    return AP_OK;
}

static ap_status read_session(struct entry *e, bool *per_chain)
{
    const char *session = "task";
    AP_TRY(ap__yaml_str(e->doc, e->node, "session", false, &session, e->err));
    *per_chain = strcmp(session, "chain") == 0;
    if (!*per_chain && strcmp(session, "task") != 0)
        return ap__yaml_fail(e->doc, ap__yaml_get(e->node, "session"), e->err,
                             "`session` must be task or chain, not `%.40s`", session);
    return AP_OK;
}

static ap_status add_mcp(struct entry *e)
{
    struct ap_mcp_spec spec = {.box = {.memory_mib = 2048, .file_mib = 64}, .timeout = 30, .start_timeout = 60,
                               .max_message = 4 << 20};
    const struct ap_yaml *node = ap__yaml_get(e->node, "mcp");
    struct ap_err why = {0};
    AP_TRY(ap__yaml_check_keys(e->doc, e->node,
                               KNOWN("mcp", "name", "headers", "key_env", "start_timeout", "session", "prefix", "tools",
                                     "pure", LIMITS), e->err));
    AP_TRY(read_box(e, "mcp", &spec.box, &spec.timeout, &spec.max_message, &spec.parallel));
    AP_TRY(ap__yaml_f64(e->doc, e->node, "start_timeout", false, 0.01, 86400, &spec.start_timeout, e->err));
    if (!spec.box.argv[0] || !spec.box.argv[0][0])
        return ap__yaml_fail(e->doc, e->node, e->err, "`mcp` must name a program or a URL");
    if (node->kind == AP_YAML_SCALAR && (ap__starts_with(node->text, "http://") || ap__starts_with(node->text, "https://")))
        spec.url = node->text;
    spec.name = spec.url ? spec.url : ap__path_base(spec.box.argv[0]);
    AP_TRY(ap__yaml_str(e->doc, e->node, "name", false, &spec.name, e->err));
    AP_TRY(ap__yaml_str(e->doc, e->node, "prefix", false, &spec.prefix, e->err));
    AP_TRY(read_session(e, &spec.per_chain));
    AP_TRY(read_texts(e, "tools", &spec.tools));
    AP_TRY(read_pure(e, &spec.pure));
    AP_TRY(read_headers(e, &spec.headers));
    return at_line(e, ap__mcp_add(e->registry, &spec, &why), &why);
}

/* ---- the entry ---- */

static ap_status add(struct entry *e)
{
    if (e->node->kind != AP_YAML_MAP)
        return ap__yaml_fail(e->doc, e->node, e->err, "a function is a name, or a map with `command`, `mcp` or `plugin`");
    const char *base = ap__path_base(e->doc->path);
    if (base > e->doc->path) {
        e->folder = ap__arena_strndup(&e->arena, e->doc->path, (size_t)(base - e->doc->path));
        if (!e->folder)
            return no_memory(e);
    }
    if (ap__yaml_get(e->node, "command"))
        return add_command(e);
    if (ap__yaml_get(e->node, "mcp"))
        return add_mcp(e);
    if (ap__yaml_get(e->node, "plugin"))
        return add_plugin(e);
    return ap__yaml_fail(e->doc, e->node, e->err, "a function that is no name needs `command`, `mcp` or `plugin`");
}

ap_status ap__functions_add_yaml(struct ap_registry *registry, const struct ap_yaml_doc *doc,
                                 const struct ap_yaml *entry, struct ap_err *err)
{
    struct entry e = {.registry = registry, .doc = doc, .node = entry, .err = err};
    ap__arena_init(&e.arena, 0);
    ap_status status = add(&e);
    ap__arena_deinit(&e.arena);
    return status;
}
