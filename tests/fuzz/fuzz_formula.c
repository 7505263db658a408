/* fuzz_formula.c - libFuzzer entry: bytes as a formula, through parser,
 * printer, repairs, signature and (small ones) the prover.  Built like
 * fuzz_call.c.
 *
 * What parses must print, in both notations, to text that reads back to the
 * same tree. */
#include "functions/prover.h"
#include <stdlib.h>
#include <string.h>

static struct ap_prover *prover;

static void set_up(void)
{
    struct ap_err err;
    if (prover != NULL)
        return;
    if (ap__prover_new(&prover, &err) != AP_OK)
        abort();
    ap__prover_set_limit(prover, 20000); /* many short questions */
}

static void print_and_read(const struct ap_formula *formula, enum ap_notation notation, struct ap_arena *arena)
{
    struct ap_buf text;
    struct ap_err err;
    const struct ap_formula *again;
    ap__buf_init(&text, 0);
    ap__formula_print(formula, notation, &text);
    ap_status status = ap__formula_parse(ap__buf_cstr(&text), text.len, arena, &again, &err);
    if (status != AP_OK ? status != AP_E_TOO_LARGE : !ap__formula_same(formula, again))
        abort();
    ap__buf_deinit(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ap_arena arena;
    struct ap_buf notes;
    struct ap_proof proof;
    struct ap_err err;
    const struct ap_formula *formula;
    set_up();
    ap__arena_init(&arena, 0);
    ap__buf_init(&notes, 0);
    if (ap__formula_parse_repair((const char *)data, size, &arena, &formula, &notes, &err) == AP_OK) {
        print_and_read(formula, AP_NOTATION_ASCII, &arena);
        print_and_read(formula, AP_NOTATION_UNICODE, &arena);
        ap_status status = ap__prover_check(prover, &formula, 1, formula, &proof, &err);
        if (status == AP_OK ? proof.verdict == AP_VERDICT3_FALSE : status == AP_E_MEMORY)
            abort(); /* a formula never refutes itself */
    }
    ap__buf_deinit(&notes);
    ap__arena_deinit(&arena);
    return 0;
}
