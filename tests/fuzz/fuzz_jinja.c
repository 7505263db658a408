/* fuzz_jinja.c - libFuzzer entry: bytes as a chat template over a fixed small conversation.  Built like
 * fuzz_call.c.
 *
 * Bytes behind the first NUL, if they are JSON, are more variables.  Whatever renders must be UTF-8, render the same
 * again, and have its spans within the text. */
#include "base/text.h"
#include "jinja/jinja.h"

#include <stdlib.h>
#include <string.h>

static const char conversation[] =
    "{\"messages\": [{\"role\": \"system\", \"content\": \"Be brief.\"},"
    " {\"role\": \"user\", \"content\": \"H\xc3\xa9\"},"
    " {\"role\": \"assistant\", \"content\": null, \"tool_calls\": [{\"function\": {\"name\": \"f\", \"arguments\":"
    " {\"a\": 1, \"b\": [1.5, true]}}}]}, {\"role\": \"tool\", \"content\": \"4\"}],"
    " \"tools\": [{\"type\": \"function\", \"function\": {\"name\": \"f\"}}], \"n\": 3, \"s\": \"a-b c\","
    " \"add_generation_prompt\": true, \"bos_token\": \"<s>\", \"eos_token\": \"</s>\"}";

static json_t *make_variables(const char *more, size_t len)
{
    json_t *all = json_loads(conversation, 0, NULL), *extra = json_loadb(more, len, 0, NULL);
    if (!all)
        abort();
    if (json_is_object(extra))
        json_object_update(all, extra);
    json_decref(extra);
    return all;
}

static void render(const struct ap_jinja *t, const json_t *variables)
{
    struct ap_buf once, twice;
    struct ap_jinja_spans spans = {0};
    struct ap_err err = {0};
    ap__buf_init(&once, 0);
    ap__buf_init(&twice, 0);
    ap_status status = ap__jinja_render(t, variables, 1700000000, &once, &spans, &err);
    if (ap__jinja_render(t, variables, 1700000000, &twice, NULL, &err) != status || once.len != twice.len ||
        memcmp(ap__buf_cstr(&once), ap__buf_cstr(&twice), once.len) != 0)
        abort();
    if (status != AP_OK && (once.len != 0 || spans.n != 0 || err.message[0] == '\0'))
        abort();
    if (!ap__utf8_valid(ap__buf_cstr(&once), once.len))
        abort();
    for (size_t i = 0; i < spans.n; i++)
        if (spans.span[i].begin > spans.span[i].end)
            abort();
    ap__buf_deinit(&once);
    ap__buf_deinit(&twice);
    ap__jinja_spans_deinit(&spans);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data, *end = size ? memchr(text, '\0', size) : NULL;
    size_t len = end ? (size_t)(end - text) : size;
    struct ap_jinja *t = NULL;
    struct ap_err err = {0};
    if (ap__jinja_parse(text, len, "fuzz", &t, &err) == AP_OK) {
        json_t *variables = make_variables(end ? end + 1 : "", end ? size - len - 1 : 0);
        render(t, variables);
        json_decref(variables);
    }
    ap__jinja_free(t);
    return 0;
}
