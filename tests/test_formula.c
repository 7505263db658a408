/* test_formula.c - formulas: reading, printing, positions, arities, repairs. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "base/rng.h"
#include "functions/formula.h"

/* Canonical text of the formula, or the error's message; in a static buffer. */
static const char *reprint(const char *text, size_t len, enum ap_notation notation)
{
    static char result[AP_FORMULA_MAX_TEXT * 4];
    const struct ap_formula *formula;
    struct ap_arena arena;
    struct ap_buf out;
    struct ap_err err;
    ap__arena_init(&arena, 0);
    ap__buf_init(&out, 0);
    if (ap__formula_parse(text, len, &arena, &formula, &err) == AP_OK)
        ap__formula_print(formula, notation, &out);
    else
        ap__buf_puts(&out, err.message);
    snprintf(result, sizeof result, "%s", ap__buf_cstr(&out));
    ap__buf_deinit(&out);
    ap__arena_deinit(&arena);
    return result;
}

static void expect(const char *text, const char *want)
{
    const char *got = reprint(text, strlen(text), AP_NOTATION_ASCII);
    if (strcmp(got, want) != 0)
        fail_msg("%s gave\n  %s\nand not\n  %s", text, got, want);
}

static void connectives_bind_in_the_documented_order(void **state)
{
    (void)state;
    expect("A & B | C xor D -> E <-> F", "A & B | C xor D -> E <-> F");
    expect("((((A & B) | C) xor D) -> E) <-> F", "A & B | C xor D -> E <-> F");
    expect("A & (B | C)", "A & (B | C)");
    expect("not A & B", "not A & B");
    expect("not (A & B)", "not (A & B)");
    expect("(A -> B) -> C", "(A -> B) -> C");
    expect("A -> (B -> C)", "A -> B -> C");
    expect("A <-> (B <-> C)", "A <-> (B <-> C)");
    expect("(A & B) & C", "A & B & C");
    expect("A & (B & C)", "A & (B & C)");
}

static void quantifier_bodies_end_where_documented(void **state)
{
    (void)state;
    expect("forall x. A(x) & B(x)", "forall x. (A(x) & B(x))");
    expect("all x A(x) -> B", "forall x. (A(x) -> B)");
    expect("∀x (A(x)) ∧ B", "(forall x. A(x)) & B");
    expect("∀x ∃y (L(x, y)) ∧ B", "(forall x. exists y. L(x, y)) & B");
    expect("∀x. (A(x)) ∧ B(x)", "forall x. (A(x) & B(x))");
    expect("∀x ¬(A(x)) → B(x)", "forall x. (not A(x) -> B(x))");
    expect("¬∀x (A(x)) ∧ B", "not (forall x. A(x)) & B");
    expect("(∃x A(x)) ∧ B", "(exists x. A(x)) & B");
    expect("B ∧ ∃x A(x)", "B & (exists x. A(x))");
    expect("forall x y. exists u, v. P(x, y, u, v)", "forall x. forall y. exists u. exists v. P(x, y, u, v)");
    expect("(∀x A(x)) ∧ (∃x B(x))", "(forall x. A(x)) & (exists x. B(x))");
}

static void both_notations_mean_the_same(void **state)
{
    (void)state;
    const char *unicode = "∀x (A(x) ∧ ¬B(x) → C(x) ⊕ D ↔ ∃y (x = y ∨ E(y)))";
    const char *ascii = "forall x. (A(x) & ~B(x) => C(x) xor D <=> exists y. (x = y || E(y)))";
    const char *words = "all x (A(x) and not B(x) -> C(x) ⊻ D ⟷ (∃y (x = y or E(y))))";
    char want[512];
    snprintf(want, sizeof want, "%s", reprint(unicode, strlen(unicode), AP_NOTATION_UNICODE));
    assert_string_equal(want, "∀x (A(x) ∧ ¬B(x) → C(x) ⊕ D ↔ (∃y (x = y ∨ E(y))))");
    assert_string_equal(reprint(ascii, strlen(ascii), AP_NOTATION_UNICODE), want);
    assert_string_equal(reprint(words, strlen(words), AP_NOTATION_UNICODE), want);
    expect("a != b", "not a = b");
    expect("mother(tom) = f(g(a), b)", "mother(tom) = f(g(a), b)");
    expect("Likes(édith, 2023)", "Likes(édith, 2023)");
    expect("[A | B] & C", "(A | B) & C");
}

static void syntax_errors_name_the_column(void **state)
{
    (void)state;
    expect("", "expected a formula, but the formula ends at column 1");
    expect("A &", "expected a formula, but the formula ends at column 4");
    expect("∀x (A(x) → )", "expected a formula at column 12, got `)`");
    expect("A(a", "expected `,` or `)`, but the formula ends at column 4");
    expect("(A & B", "expected `)` or a connective, but the formula ends at column 7");
    expect("A B", "expected a connective or the end at column 3, got `B`");
    expect("A(a))", "expected a connective or the end at column 5, got `)`");
    expect("A()", "expected a name or variable at column 3, got `)`");
    expect("forall (A)", "expected a variable after the quantifier at column 8, got `(`");
    expect("A $ B", "expected a connective or the end at column 3, got `$`");
    expect("A ∧ ∧", "expected a formula at column 5, got `∧`");
    assert_string_equal(reprint("A\0B", 3, AP_NOTATION_ASCII), "the formula is not valid UTF-8 text");
    assert_string_equal(reprint("A(\xe2\x88)", 5, AP_NOTATION_ASCII), "the formula is not valid UTF-8 text");
}

static void variables_are_what_quantifiers_bind(void **state)
{
    (void)state;
    expect("P(x)", "the variable `x` at column 3 is free: bind it by a quantifier");
    expect("∀x (P(x)) → Q(x)", "the variable `x` at column 15 is free: bind it by a quantifier");
    expect("x1 = a", "the variable `x1` at column 1 is free: bind it by a quantifier");
    expect("∀x ∃x P(x)", "the variable `x` at column 5 is bound already");
    expect("forall x. x", "the variable `x` at column 11 is not a statement");
    expect("Born(tom, y1995)", "Born(tom, y1995)"); /* a year, not a variable */
    expect("forall cat. Purrs(cat)", "forall cat. Purrs(cat)");
}

static void ceilings_hold_against_bombs(void **state)
{
    (void)state;
    static char text[AP_FORMULA_MAX_TEXT + 16];
    memset(text, '(', 4000);
    expect(text, "the formula is nested deeper than 128");
    memset(text, '~', 4000);
    expect(text, "the formula is nested deeper than 128");
    for (int i = 0; i + 4 <= 4000; i += 4)
        memcpy(text + i, "A-> ", 4);
    expect(text, "the formula is nested deeper than 128");
    for (int i = 0; i + 4 <= 4000; i += 4)
        memcpy(text + i, "f(f(", 4);
    expect(text, "the formula is nested deeper than 128");
    memset(text, 'A', AP_FORMULA_MAX_TEXT + 1);
    expect(text, "the formula is longer than 4096 bytes");
    text[100] = '\0';
    expect(text, "a name longer than 64 bytes at column 1");
    expect("P(a,a,a,a,a,a,a,a,a)", "more than 8 arguments at column 19");
    memset(text, 0, sizeof text);
    for (int i = 0; i < 110; i++)
        strcat(text, "P(a,a,a,a,a,a,a,a)&");
    expect(text, "the formula has more than 1024 parts");
}

static void arities_are_checked_across_a_theory(void **state)
{
    (void)state;
    static const char *const texts[] = {"P(a) & Q(a, b)", "forall x. (P(x) -> R)", "P(a, b)", "R(f(a))", "Q(a, f(a)) & f(a) = b",
                                        "P(P)", "S(f(a, b))"};
    static const ap_status want[] = {AP_OK, AP_OK, AP_E_FORMAT, AP_E_FORMAT, AP_OK, AP_OK, AP_E_FORMAT};
    struct ap_arena arena;
    struct ap_signature signature;
    struct ap_err err;
    ap__arena_init(&arena, 0);
    ap__signature_init(&signature);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        const struct ap_formula *formula;
        size_t before = signature.n;
        assert_int_equal(ap__formula_parse(texts[i], strlen(texts[i]), &arena, &formula, &err), AP_OK);
        assert_int_equal(ap__signature_add(&signature, formula, &err), want[i]);
        if (want[i] != AP_OK)
            assert_int_equal(signature.n, before);
    }
    assert_int_equal(ap__signature_find(&signature, "P", true), 0);
    assert_true(ap__signature_find(&signature, "P", false) > 0); /* a constant may be called as a predicate is */
    assert_int_equal(ap__signature_find(&signature, "S", true), -1);
    ap__signature_deinit(&signature);
    ap__arena_deinit(&arena);
}

/* ---- same tree ---- */

static bool same(const char *a, const char *b)
{
    struct ap_arena arena;
    struct ap_err err;
    const struct ap_formula *left, *right;
    ap__arena_init(&arena, 0);
    assert_int_equal(ap__formula_parse(a, strlen(a), &arena, &left, &err), AP_OK);
    assert_int_equal(ap__formula_parse(b, strlen(b), &arena, &right, &err), AP_OK);
    bool result = ap__formula_same(left, right);
    ap__arena_deinit(&arena);
    return result;
}

static void sameness_looks_through_names_of_variables(void **state)
{
    (void)state;
    assert_true(same("forall x. P(x)", "∀cat P(cat)"));
    assert_true(same("forall x. exists y. L(x, y)", "forall y. exists x. L(y, x)"));
    assert_false(same("forall x. exists y. L(x, y)", "forall x. exists y. L(y, x)"));
    assert_true(same("(forall x. P(x)) & (forall x. Q(x))", "(forall x. P(x)) & (forall y. Q(y))"));
    assert_false(same("P(a)", "P(b)"));
    assert_false(same("P(a)", "forall a. P(a)"));
    assert_false(same("A & B", "B & A"));
    assert_false(same("f(a) = b", "f(b) = b"));
}

/* ---- random trees ---- */

static void random_atom(struct ap_rng *rng, int bound, struct ap_buf *out)
{
    if (ap__rng_below(rng, 5) == 0) {
        ap__buf_puts(out, "a = f(b)");
    } else if (bound > 0 && ap__rng_below(rng, 2)) {
        ap__buf_printf(out, "L(v%u, a)", ap__rng_below(rng, (uint32_t)bound));
    } else {
        ap__buf_printf(out, "P%u(a)", ap__rng_below(rng, 3));
    }
}

/* Fully bracketed text; variables are v0, v1, ... by depth of binding. */
static void random_formula(struct ap_rng *rng, int depth, int bound, struct ap_buf *out)
{
    static const char *const ops[] = {" & ", " ∨ ", " xor ", " -> ", " ↔ "};
    uint32_t kind = depth == 0 ? 9 : ap__rng_below(rng, 10);
    if (kind >= 9) {
        random_atom(rng, bound, out);
    } else if (kind == 0) {
        ap__buf_puts(out, "~(");
        random_formula(rng, depth - 1, bound, out);
        ap__buf_putc(out, ')');
    } else if (kind <= 2) {
        ap__buf_printf(out, "(%sv%d (", kind == 1 ? "∀" : "exists ", bound);
        random_formula(rng, depth - 1, bound + 1, out);
        ap__buf_puts(out, "))");
    } else {
        ap__buf_putc(out, '(');
        random_formula(rng, depth - 1, bound, out);
        ap__buf_puts(out, ops[ap__rng_below(rng, 5)]);
        random_formula(rng, depth - 1, bound, out);
        ap__buf_putc(out, ')');
    }
}

static void printed_formulas_read_back_to_the_same_tree(void **state)
{
    (void)state;
    struct ap_rng rng = ap__rng_make(13, "test", 0, 0, 0);
    for (int i = 0; i < 1500; i++) {
        struct ap_buf text;
        char ascii[AP_FORMULA_MAX_TEXT], unicode[AP_FORMULA_MAX_TEXT];
        ap__buf_init(&text, 0);
        random_formula(&rng, 5, 0, &text);
        if (text.len < AP_FORMULA_MAX_TEXT / 2) {
            snprintf(ascii, sizeof ascii, "%s", reprint(text.data, text.len, AP_NOTATION_ASCII));
            snprintf(unicode, sizeof unicode, "%s", reprint(text.data, text.len, AP_NOTATION_UNICODE));
            if (!same(text.data, ascii) || !same(text.data, unicode))
                fail_msg("%s\nprinted as\n%s\n%s", text.data, ascii, unicode);
        }
        ap__buf_deinit(&text);
    }
}

/* ---- repairs ---- */

static void expect_repair(const char *text, const char *want, const char *want_notes)
{
    struct ap_arena arena;
    struct ap_buf notes, out;
    struct ap_err err;
    const struct ap_formula *formula;
    ap__arena_init(&arena, 0);
    ap__buf_init(&notes, 0);
    ap__buf_init(&out, 0);
    if (ap__formula_parse_repair(text, strlen(text), &arena, &formula, &notes, &err) == AP_OK)
        ap__formula_print(formula, AP_NOTATION_ASCII, &out);
    else
        ap__buf_puts(&out, err.message);
    assert_string_equal(ap__buf_cstr(&out), want);
    assert_string_equal(ap__buf_cstr(&notes), want_notes);
    ap__buf_deinit(&out);
    ap__buf_deinit(&notes);
    ap__arena_deinit(&arena);
}

static void annotations_are_repaired_and_every_repair_is_noted(void **state)
{
    (void)state;
    expect_repair("P(a) ∧ Q(b)", "P(a) & Q(b)", "");
    expect_repair("∀x (P(x) → Q(x)))", "forall x. (P(x) -> Q(x))", "surplus `)` dropped");
    expect_repair("∀x (P(x) → Q(x)", "forall x. (P(x) -> Q(x))", "missing `)` added");
    expect_repair("P(a).", "P(a)", "final full stop dropped");
    expect_repair("Read(mr.smith, e-mail)", "Read(mr_smith, e_mail)", "character inside a name replaced by `_`");
    expect_repair("Uses(john’sCat, c++)", "Uses(john_sCat, c__)", "character inside a name replaced by `_`");
    expect_repair("∃x (P(x), Q(x, a))", "exists x. (P(x) & Q(x, a))", "comma read as `∧`");
    expect_repair("∃x ∃x (P(x) ∧ Q(x, y))", "exists x. exists y. (P(x) & Q(x, y))", "variable bound twice renamed");
    expect_repair("∀x (P(x)) → Q(x)", "forall x. (P(x) -> Q(x))", "quantifier's scope widened to a free variable");
    expect_repair("P(x) → Q(x)", "forall x. (P(x) -> Q(x))", "free variable bound by `∀` in front");
    expect_repair("P(a-b)) ∧ Q(x)", "forall x. (P(a_b) & Q(x))",
                  "character inside a name replaced by `_`; surplus `)` dropped; free variable bound by `∀` in front");
    expect_repair("P(a) →", "expected a formula, but the formula ends at column 7", "");
    expect_repair("P(a b)", "expected `,` or `)` at column 5, got `b`", "");
}

static void mutated_formulas_parse_or_fail_cleanly(void **state)
{
    (void)state;
    static const char seed[] = "∀x (Cat(x) ∧ ¬(x = tom) → ∃y (Likes(x, y) ⊕ A-b(y)))";
    static const char bits[] = "()[],.&|~-><=x y\xe2\x88\x80\x92'aP";
    struct ap_rng rng = ap__rng_make(17, "test", 0, 0, 0);
    struct ap_arena arena;
    struct ap_buf notes;
    ap__arena_init(&arena, 0);
    ap__buf_init(&notes, 0);
    for (int i = 0; i < 20000; i++) {
        char text[sizeof seed];
        struct ap_err err;
        const struct ap_formula *formula;
        memcpy(text, seed, sizeof seed);
        for (uint32_t k = ap__rng_below(&rng, 5) + 1; k > 0; k--)
            text[ap__rng_below(&rng, sizeof seed - 1)] = bits[ap__rng_below(&rng, sizeof bits)];
        ap__arena_reset(&arena);
        ap_status status = ap__formula_parse_repair(text, sizeof seed - 1, &arena, &formula, &notes, &err);
        assert_true((status == AP_OK) == (formula != NULL));
    }
    ap__buf_deinit(&notes);
    ap__arena_deinit(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(connectives_bind_in_the_documented_order),
        cmocka_unit_test(quantifier_bodies_end_where_documented),
        cmocka_unit_test(both_notations_mean_the_same),
        cmocka_unit_test(syntax_errors_name_the_column),
        cmocka_unit_test(variables_are_what_quantifiers_bind),
        cmocka_unit_test(ceilings_hold_against_bombs),
        cmocka_unit_test(arities_are_checked_across_a_theory),
        cmocka_unit_test(sameness_looks_through_names_of_variables),
        cmocka_unit_test(printed_formulas_read_back_to_the_same_tree),
        cmocka_unit_test(annotations_are_repaired_and_every_repair_is_noted),
        cmocka_unit_test(mutated_formulas_parse_or_fail_cleanly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
