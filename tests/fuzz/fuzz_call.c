/* fuzz_call.c - libFuzzer entry: bytes as a model's call, through parser,
 * binding and every function.  Not part of make check:
 *
 *     clang -g -O1 -fsanitize=fuzzer,address,undefined -Iinclude -Isrc tests/fuzz/fuzz_call.c \
 *         src/functions/[a-z]*.c src/base/[a-z]*.c -DAP_SOURCE_DIR='"."' -DAP_DATA_DIR='"."' \
 *         -lz3 -lgmp -ljansson -lyaml -lm -o fuzz_call && ./fuzz_call -max_total_time=120
 *
 * What parses must print to text that parses to the same text. */
#include "functions/prover.h"
#include "functions/registry.h"
#include <stdlib.h>
#include <string.h>

static struct ap_registry *registry;

static void set_up(void)
{
    static const char *const names[] = {"math", "fol"};
    struct ap_err err;
    if (registry != NULL)
        return;
    if (ap__registry_select(names, 2, &registry, &err) != AP_OK)
        abort();
    ap__prover_set_limit(ap__registry_prover(registry), 20000); /* many short questions */
}

static void print_twice(const char *text, size_t n)
{
    struct ap_call call, again;
    struct ap_buf first, second;
    struct ap_err err;
    if (ap__call_parse(text, n, &call, &err) != AP_OK)
        return;
    ap__buf_init(&first, 0);
    ap__buf_init(&second, 0);
    ap__call_print(&call, &first);
    if (ap__call_parse(ap__buf_cstr(&first), first.len, &again, &err) == AP_OK) {
        ap__call_print(&again, &second);
        if (strcmp(ap__buf_cstr(&first), ap__buf_cstr(&second)) != 0)
            abort();
        ap__call_deinit(&again);
    } else if (err.code != AP_E_TOO_LARGE) {
        abort();
    }
    ap__buf_deinit(&first);
    ap__buf_deinit(&second);
    ap__call_deinit(&call);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ap_env *env;
    struct ap_call_result result;
    struct ap_err err;
    const char *text = (const char *)data;
    set_up();
    print_twice(text, size);
    if (ap__env_new(registry, &env, &err) != AP_OK)
        abort();
    while (size > 0) { /* one call per line, in one chain */
        const char *end = memchr(text, '\n', size);
        size_t n = end != NULL ? (size_t)(end - text) : size;
        if (ap__env_call(env, text, n, &result, &err) != AP_OK || strlen(result.text) > AP_OBSERVATION_MAX)
            abort();
        ap__call_result_deinit(&result);
        n += end != NULL;
        text += n;
        size -= n;
    }
    ap__env_free(env);
    return 0;
}
