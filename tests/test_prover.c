/* test_prover.c - verdicts against truth tables and small models, memo,
 * limits, countermodels, and real annotations where they are at hand. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/rng.h"
#include "functions/prover.h"

static struct ap_prover *prover;

static int set_up(void **state)
{
    (void)state;
    struct ap_err err;
    return ap__prover_new(&prover, &err) == AP_OK ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    ap__prover_free(prover);
    return 0;
}

static const char *verdict(const char *const *premises, int32_t n, const char *goal)
{
    struct ap_err err;
    enum ap_verdict3 result;
    if (ap__prover_entails(prover, premises, n, goal, &result, &err) != AP_OK)
        fail_msg("%s: %s", goal, err.message);
    return ap__verdict3_text(result);
}

#define VERDICT(goal, ...) \
    verdict((const char *const[]){__VA_ARGS__}, sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *), goal)

static void entailment_is_classical_and_open_world(void **state)
{
    (void)state;
    assert_string_equal(VERDICT("Animal(tom)", "∀x (Cat(x) → Animal(x))", "Cat(tom)"), "True");
    assert_string_equal(VERDICT("Cat(tom)", "∀x (Cat(x) → Animal(x))", "¬Animal(tom)"), "False");
    assert_string_equal(VERDICT("Cat(tom)", "∀x (Cat(x) → Animal(x))", "Animal(tom)"), "Unknown");
    assert_string_equal(VERDICT("Cat(bob)", "Cat(tom)"), "Unknown");
    assert_string_equal(VERDICT("tom = bob", "Cat(tom)", "¬Cat(bob)"), "False");
    assert_string_equal(VERDICT("P(a)", "P(b)", "a = b"), "True");
    assert_string_equal(VERDICT("exists x. P(x)", "forall x. P(x)"), "True"); /* the domain is not empty */
    assert_string_equal(VERDICT("Conductor(b)", "∀x ∀y (Orchestra(x) ∧ Lead(y, x) → Conductor(y))",
                                "Orchestra(vso) ∧ Lead(b, vso)"), "True");
    assert_string_equal(VERDICT("∃y ∀x L(x, y)", "∀x ∃y L(x, y)"), "Unknown");
    assert_string_equal(VERDICT("∀x ∃y L(x, y)", "∃y ∀x L(x, y)"), "True");
    assert_string_equal(VERDICT("Rain xor Snow", "Rain", "not Snow"), "True");
    assert_string_equal(VERDICT("f(a) = f(b)", "a = b"), "True");
    assert_string_equal(verdict(NULL, 0, "A | ~A"), "True");
    assert_string_equal(verdict(NULL, 0, "A & ~A"), "False");
}

static ap_status proof_of(const char *premise, const char *goal, struct ap_proof *out)
{
    struct ap_arena arena;
    struct ap_err err;
    const struct ap_formula *p, *g;
    ap__arena_init(&arena, 0);
    assert_int_equal(ap__formula_parse(premise, strlen(premise), &arena, &p, &err), AP_OK);
    assert_int_equal(ap__formula_parse(goal, strlen(goal), &arena, &g, &err), AP_OK);
    ap_status status = ap__prover_check(prover, &p, 1, g, out, &err);
    ap__arena_deinit(&arena);
    return status;
}

static void contradicting_premises_are_reported(void **state)
{
    (void)state;
    struct ap_proof proof;
    assert_int_equal(proof_of("P(a) & ~P(a)", "Q(b)", &proof), AP_OK);
    assert_true(proof.inconsistent);
    assert_int_equal(proof.verdict, AP_VERDICT3_TRUE);
    assert_int_equal(proof_of("P(a)", "P(a)", &proof), AP_OK);
    assert_false(proof.inconsistent);
}

static void clashing_arities_are_an_error(void **state)
{
    (void)state;
    struct ap_proof proof;
    struct ap_err err;
    enum ap_verdict3 result;
    assert_int_equal(proof_of("P(a)", "P(a, b)", &proof), AP_E_FORMAT);
    assert_int_equal(ap__prover_entails(prover, NULL, 0, "P(a) & P(a, b)", &result, &err), AP_E_FORMAT);
    assert_int_equal(ap__prover_entails(prover, NULL, 0, "P(a", &result, &err), AP_E_PARSE);
}

/* No finite model, and no proof: a search without end for a complete prover. */
static const char *const runaway =
    "(∀x ∃y R(x, y)) ∧ (∀x ¬R(x, x)) ∧ (∀x ∀y ∀z (R(x, y) ∧ R(y, z) → R(x, z))) ∧ "
    "(∀x ∀y ∃z (R(x, y) → R(x, z) ∧ R(z, y) ∧ T(f(x, z), f(z, y))))";

static void a_runaway_goal_ends_as_unknown_within_its_limit(void **state)
{
    (void)state;
    struct ap_proof proof;
    ap__prover_set_limit(prover, 200000);
    assert_int_equal(proof_of(runaway, "∃x ∃y (R(x, y) ∧ T(y, x) ∧ R(f(x, y), f(y, x)))", &proof), AP_OK);
    assert_int_equal(proof.verdict, AP_VERDICT3_UNKNOWN);
    assert_true(proof.gave_up);
    ap__prover_set_limit(prover, 0);
    assert_string_equal(VERDICT("P(a)", "P(a)"), "True"); /* and the prover still works */
}

static void the_same_question_is_answered_from_memory(void **state)
{
    (void)state;
    struct ap_prover_stats before = ap__prover_stats(prover);
    assert_string_equal(VERDICT("Memo(a)", "∀x (Memo(x))"), "True");
    struct ap_prover_stats first = ap__prover_stats(prover);
    assert_string_equal(VERDICT("Memo(a)", "forall x. Memo(x)"), "True"); /* same formula, other notation */
    struct ap_prover_stats second = ap__prover_stats(prover);
    assert_int_equal(first.solver_checks - before.solver_checks, 2);
    assert_int_equal(second.solver_checks, first.solver_checks);
    assert_int_equal(second.memo_hits - first.memo_hits, 1);
}

static bool equivalent(const char *a, const char *b)
{
    struct ap_err err;
    bool result;
    assert_int_equal(ap__prover_equivalent(prover, a, b, &result, &err), AP_OK);
    return result;
}

static void equivalence_is_proven_and_not_guessed(void **state)
{
    (void)state;
    assert_true(equivalent("A -> B", "~B -> ~A"));
    assert_true(equivalent("~(∃x (P(x) & Q(x)))", "∀x (P(x) → ¬Q(x))"));
    assert_false(equivalent("A -> B", "B -> A"));
    assert_false(equivalent("P(a)", "P(b)"));
    struct ap_prover_stats before = ap__prover_stats(prover);
    assert_true(equivalent("∀x (New(x) → Old(x))", "forall y. (New(y) -> Old(y))"));
    assert_int_equal(ap__prover_stats(prover).questions, before.questions); /* equal trees need no proof */
}

/* ---- stupid twin 1: truth tables ---- */

enum { LETTERS = 4 };

/* Random propositional formula into text; bit i of the result = its value in
 * row i, where letter k is bit k of i. */
static uint32_t random_proposition(struct ap_rng *rng, int depth, struct ap_buf *text)
{
    static const char *const ops[] = {" & ", " | ", " xor ", " -> ", " <-> "};
    if (depth == 0) {
        uint32_t k = ap__rng_below(rng, LETTERS), rows = 0;
        ap__buf_printf(text, "P%u", k);
        for (uint32_t i = 0; i < 16; i++)
            rows |= (i >> k & 1) << i;
        return rows;
    }
    uint32_t op = ap__rng_below(rng, 6);
    ap__buf_puts(text, op == 5 ? "~(" : "(");
    uint32_t a = random_proposition(rng, depth - 1, text), b = a;
    if (op < 5) {
        ap__buf_puts(text, ops[op]);
        b = random_proposition(rng, depth - 1, text);
    }
    ap__buf_putc(text, ')');
    const uint32_t values[] = {a & b, a | b, a ^ b, ~a | b, ~(a ^ b), ~a};
    return values[op] & 0xFFFF;
}

static void random_propositions_agree_with_truth_tables(void **state)
{
    (void)state;
    struct ap_rng rng = ap__rng_make(19, "test", 0, 0, 0);
    int seen[3] = {0};
    for (int i = 0; i < 300; i++) {
        struct ap_buf premise, goal;
        ap__buf_init(&premise, 0);
        ap__buf_init(&goal, 0);
        uint32_t p = random_proposition(&rng, 3, &premise), g = random_proposition(&rng, 2, &goal);
        enum ap_verdict3 want = (p & ~g) == 0   ? AP_VERDICT3_TRUE
                                : (p & g) == 0 ? AP_VERDICT3_FALSE
                                               : AP_VERDICT3_UNKNOWN;
        const char *got = VERDICT(goal.data, premise.data);
        if (strcmp(got, ap__verdict3_text(want)) != 0)
            fail_msg("%s |= %s: %s, truth table says %s", premise.data, goal.data, got, ap__verdict3_text(want));
        seen[want]++;
        ap__buf_deinit(&premise);
        ap__buf_deinit(&goal);
    }
    assert_true(seen[0] > 20 && seen[1] > 20 && seen[2] > 20);
}

/* ---- stupid twin 2: all models of monadic formulas ----
 *
 * With predicates A, B and no equality an individual is one of 4 kinds (bits:
 * A, B); a model is the non-empty set of kinds that occur, and the kind of the
 * constant c, which must occur. */

/* Random boolean combination of A(t), B(t): bit k = its value for kind k. */
static uint32_t random_matrix(struct ap_rng *rng, const char *t, struct ap_buf *text)
{
    static const char *const ops[] = {" & ", " | ", " -> "};
    static const uint32_t a_kinds = 0xA, b_kinds = 0xC; /* kinds with bit 0, with bit 1 */
    uint32_t not_a = ap__rng_below(rng, 2), not_b = ap__rng_below(rng, 2), op = ap__rng_below(rng, 3);
    ap__buf_printf(text, "(%sA(%s)%s%sB(%s))", not_a ? "~" : "", t, ops[op], not_b ? "~" : "", t);
    uint32_t a = not_a ? ~a_kinds : a_kinds, b = not_b ? ~b_kinds : b_kinds;
    return (op == 0 ? a & b : op == 1 ? a | b : ~a | b) & 0xF;
}

/* "∀x m(x)", "∃x m(x)" or "m(c)": kind of statement and its matrix. */
struct statement {
    uint32_t form, matrix;
};

static struct statement random_statement(struct ap_rng *rng, struct ap_buf *text)
{
    static const char *const heads[] = {"forall x. ", "exists x. ", ""};
    struct statement s = {.form = ap__rng_below(rng, 3)};
    ap__buf_puts(text, heads[s.form]);
    s.matrix = random_matrix(rng, s.form == 2 ? "c" : "x", text);
    return s;
}

static bool holds(struct statement s, uint32_t kinds, uint32_t c)
{
    return s.form == 0 ? (kinds & ~s.matrix) == 0 : s.form == 1 ? (kinds & s.matrix) != 0 : (s.matrix >> c & 1) != 0;
}

static void random_monadic_theories_agree_with_all_their_models(void **state)
{
    (void)state;
    struct ap_rng rng = ap__rng_make(23, "test", 0, 0, 0);
    for (int i = 0; i < 300; i++) {
        struct ap_buf text[4];
        struct statement s[4];
        bool can_be_true = false, can_be_false = false;
        for (int k = 0; k < 4; k++) {
            ap__buf_init(&text[k], 0);
            s[k] = random_statement(&rng, &text[k]);
        }
        for (uint32_t kinds = 1; kinds < 16; kinds++) {
            for (uint32_t c = 0; c < 4; c++) {
                if (!(kinds >> c & 1) || !holds(s[0], kinds, c) || !holds(s[1], kinds, c) || !holds(s[2], kinds, c))
                    continue;
                can_be_true |= holds(s[3], kinds, c);
                can_be_false |= !holds(s[3], kinds, c);
            }
        }
        const char *want = !can_be_false ? "True" : !can_be_true ? "False" : "Unknown";
        const char *got = VERDICT(text[3].data, text[0].data, text[1].data, text[2].data);
        if (strcmp(got, want) != 0)
            fail_msg("%s, %s, %s |= %s: %s, the models say %s", text[0].data, text[1].data, text[2].data, text[3].data,
                     got, want);
        for (int k = 0; k < 4; k++)
            ap__buf_deinit(&text[k]);
    }
}

/* ---- countermodels ---- */

static const char *countermodel(const char *premise, const char *goal)
{
    static char result[512];
    struct ap_arena arena;
    struct ap_buf text;
    struct ap_err err;
    const struct ap_formula *p, *g;
    bool found, gave_up;
    ap__arena_init(&arena, 0);
    ap__buf_init(&text, 0);
    assert_int_equal(ap__formula_parse(premise, strlen(premise), &arena, &p, &err), AP_OK);
    assert_int_equal(ap__formula_parse(goal, strlen(goal), &arena, &g, &err), AP_OK);
    assert_int_equal(ap__prover_countermodel(prover, &p, 1, g, &text, &found, &gave_up, &err), AP_OK);
    snprintf(result, sizeof result, "%s", found ? ap__buf_cstr(&text) : gave_up ? "gave up" : "none");
    ap__buf_deinit(&text);
    ap__arena_deinit(&arena);
    return result;
}

static void countermodels_name_what_is_true(void **state)
{
    (void)state;
    assert_string_equal(countermodel("Cat(tom) & ∀x (Cat(x) → Pet(x))", "Cat(bob)"),
                        "Cat(tom), Pet(tom); all else is false");
    assert_string_equal(countermodel("Cat(tom)", "Cat(tom)"), "none");
    assert_string_equal(countermodel("~P(a)", "Q"), "nothing is true");
    assert_string_equal(countermodel("a = b & P(a)", "Q(a)"), "b = a, P(a); all else is false");
    assert_string_equal(countermodel("R(a, b) & ~(a = b) & ~R(b, a)", "R(a, a) | R(b, b)"), "R(a, b); all else is false");
}

/* ---- real annotations ---- */

static ap_status check_record(const json_t *record, char *got, struct ap_err *err)
{
    const struct ap_formula *premises[64], *goal;
    struct ap_arena arena;
    struct ap_buf notes;
    struct ap_proof proof;
    const json_t *list = json_object_get(record, "premises-FOL");
    const char *text = json_string_value(json_object_get(record, "conclusion-FOL"));
    int32_t n = 0;
    ap__arena_init(&arena, 0);
    ap__buf_init(&notes, 0);
    ap_status status = ap__formula_parse_repair(text, strlen(text), &arena, &goal, &notes, err);
    for (; n < (int32_t)json_array_size(list) && status == AP_OK; n++) {
        text = json_string_value(json_array_get(list, (size_t)n));
        status = ap__formula_parse_repair(text, strlen(text), &arena, &premises[n], &notes, err);
    }
    if (status == AP_OK)
        status = ap__prover_check(prover, premises, n, goal, &proof, err);
    if (status == AP_OK)
        strcpy(got, proof.inconsistent ? "Inconsistent" : ap__verdict3_text(proof.verdict));
    ap__buf_deinit(&notes);
    ap__arena_deinit(&arena);
    return status;
}

/* Verdicts on `path` must be those in the `z3` member of `expected`'s lines. */
static void compare_file(const char *path, const char *expected)
{
    struct ap_map map, want;
    struct ap_err err;
    const char *line, *want_line;
    size_t len, want_len, at = 0, want_at = 0;
    if (!ap__file_exists(path) || !ap__file_exists(expected)) {
        print_message("%s is not here: skipped\n", path);
        skip();
    }
    assert_int_equal(ap__map_open(path, &map, &err), AP_OK);
    assert_int_equal(ap__map_open(expected, &want, &err), AP_OK);
    while (ap__map_line(&map, &at, &line, &len) && ap__map_line(&want, &want_at, &want_line, &want_len)) {
        char got[16] = "";
        json_t *record, *answer;
        assert_int_equal(ap__json_parse(line, len, path, &record, &err), AP_OK);
        assert_int_equal(ap__json_parse(want_line, want_len, expected, &answer, &err), AP_OK);
        if (check_record(record, got, &err) != AP_OK)
            fail_msg("%.200s: %s", want_line, err.message);
        const char *z3 = json_string_value(json_object_get(answer, "z3"));
        assert_string_equal(got, strcmp(z3, "Uncertain") == 0 ? "Unknown" : z3);
        json_decref(record);
        json_decref(answer);
    }
    ap__map_close(&map);
    ap__map_close(&want);
}

static void folio_validation_gets_the_known_verdicts(void **state)
{
    (void)state;
    compare_file("../shared/data/folio/folio-validation.jsonl", "../shared/data/derived/folio-validation-z3.jsonl");
}

static void proofwriter_forms_get_the_known_verdicts(void **state)
{
    (void)state;
    compare_file("../shared/data/derived/proofwriter-test-fol.jsonl", "../shared/data/derived/proofwriter-test-fol.jsonl");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(entailment_is_classical_and_open_world),
        cmocka_unit_test(contradicting_premises_are_reported),
        cmocka_unit_test(clashing_arities_are_an_error),
        cmocka_unit_test(a_runaway_goal_ends_as_unknown_within_its_limit),
        cmocka_unit_test(the_same_question_is_answered_from_memory),
        cmocka_unit_test(equivalence_is_proven_and_not_guessed),
        cmocka_unit_test(random_propositions_agree_with_truth_tables),
        cmocka_unit_test(random_monadic_theories_agree_with_all_their_models),
        cmocka_unit_test(countermodels_name_what_is_true),
        cmocka_unit_test(folio_validation_gets_the_known_verdicts),
        cmocka_unit_test(proofwriter_forms_get_the_known_verdicts),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
