/* json_span.c - skips values by their brackets and quotes; no recursion. */
#include "outside/json_span.h"
#include <string.h>

static size_t skip_blanks(struct ap_span s, size_t at)
{
    while (at < s.len && memchr(" \t\r\n", s.text[at], 4))
        at++;
    return at;
}

/* Behind the string that begins at `at`. */
static size_t skip_string(struct ap_span s, size_t at)
{
    for (at++; at < s.len && s.text[at] != '"'; at++)
        at += s.text[at] == '\\';
    return at < s.len ? at + 1 : s.len;
}

static size_t skip_value(struct ap_span s, size_t at)
{
    size_t depth = 0;
    while (at < s.len) {
        char c = s.text[at];
        if (depth == 0 && memchr(",}]", c, 3))
            return at;
        if (c == '"') {
            at = skip_string(s, at);
            continue;
        }
        depth += c == '{' || c == '[';
        depth -= c == '}' || c == ']';
        at++;
    }
    return at;
}

bool ap__json_span(struct ap_span object, const char *key, struct ap_span *out)
{
    bool found = false;
    size_t at = skip_blanks(object, 0), n = strlen(key);
    if (at >= object.len || object.text[at] != '{')
        return false;
    for (at = skip_blanks(object, at + 1); at < object.len && object.text[at] == '"';) {
        size_t end = skip_string(object, at), colon = skip_blanks(object, end);
        size_t from = skip_blanks(object, colon + 1), to = skip_value(object, from);
        if (end - at == n + 2 && memcmp(object.text + at + 1, key, n) == 0) {
            *out = (struct ap_span){object.text + from, to - from};
            found = true;
        }
        at = skip_blanks(object, to + 1); /* behind the comma */
    }
    while (found && out->len > 0 && memchr(" \t\r\n", out->text[out->len - 1], 4))
        out->len--;
    return found;
}
