/* test_task_forms.c - the generator's sentences cover the forms that ProntoQA and ProofWriter use, and
 * mean the same there and here.
 *
 *   ProofWriter   "If someone is round then they chase the lion."   forall x. (Round(x) -> Chases(x, lion))
 *   form          "if someone is q then they v the e."              every one must come up
 *   numbered      "if someone is q1 then they v2 the e3."           forall x. (q1(x) -> v2(x, e3)): the same
 *
 * The files are public data beside the project; without them there is nothing
 * to compare with. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/file.h"
#include "base/json.h"
#include "functions/formula.h"
#include "tasks/fol_shape.h"
#include "testing.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DATA "../shared/data/derived/"
enum { MAX_FORMS = 1024, MAX_NUMBERED = 4096, DRAWS = 16000, COMPARED = 800 };

/* ---- content words of the files, and what stands for them ---- */

static const char *const names[] = {"Anne", "Bob", "Charlie", "Dave", "Erin", "Fiona", "Gary", "Harry", "Alex", "Fae",
                                    "Max", "Polly", "Rex", "Sally", "Sam", "Stella", "Wren", NULL};
static const char *const things[] = {"eagle", "bear", "cat", "cow", "dog", "lion", "mouse", "rabbit", "squirrel",
                                     "tiger", NULL};
static const char *const verbs[] = {"chase", "eat", "like", "need", "see", "visit", NULL};
/* Everything else that is none of these is an adjective. */
static const char *const grammar[] = {"if", "then", "and", "not", "is", "are", "the", "a", "an", "it", "they", "do", "does",
                                      "someone", "something", "people", "things", "all", "each", "every",
                                      "forall", "exists", "x", NULL};

static bool listed(const char *word, const char *const *list)
{
    for (; *list; list++)
        if (strcmp(word, *list) == 0)
            return true;
    return false;
}

/* What a word is: class 'm' name, 'e' thing, 'v' verb, 'n' noun, 'q' adjective, 0 grammar; its base form;
 * whether it has the ending of a plural or of the third person. */
struct token {
    char class, base[48];
    bool ending;
};
typedef struct token (*classifier)(const char *word);

static bool is_noun(const char *word)
{
    size_t n = strlen(word);
    return n > 3 && strcmp(word + n - 3, "pus") == 0;
}

static struct token of_benchmark(const char *word)
{
    struct token t = {0};
    size_t n = strlen(word);
    snprintf(t.base, sizeof t.base, "%s", word);
    if (listed(word, grammar))
        return t;
    char name[48];
    snprintf(name, sizeof name, "%s", word);
    name[0] = (char)toupper((unsigned char)name[0]);
    if (listed(name, names)) {
        t.class = 'm';
    } else if (listed(word, things)) {
        t.class = 'e';
    } else if (is_noun(word)) {
        t.class = 'n';
    } else if (listed(word, verbs)) {
        t.class = 'v';
    } else {
        t.class = 'q';
        t.base[n - 1] = '\0';
        t.ending = word[n - 1] == 's' && listed(t.base, verbs);
        if (t.ending)
            t.class = 'v';
        else if (n > 2 && word[n - 2] == 'e' && (t.base[n - 2] = '\0', is_noun(t.base)))
            t.class = 'n', t.ending = true;
        else
            snprintf(t.base, sizeof t.base, "%s", word);
    }
    return t;
}

/* Words made by stand_in below: class, two letters, perhaps s. */
static struct token of_stand_in(const char *word)
{
    struct token t = {0};
    size_t n = strlen(word);
    snprintf(t.base, sizeof t.base, "%s", word);
    if (n < 3 || !strchr("mnevq", word[0]) || strspn(word + 1, "bdgk") < 2)
        return t;
    t.ending = word[3] == 's';
    t.base[3] = '\0';
    t.class = word[0];
    return t;
}

/* Texts that bend by adding s only, different for each of 16 words of a kind. */
static void stand_in(struct ap_word *word, int32_t index)
{
    static const char letters[] = "bdgk";
    static const char kinds[] = {[AP_WORD_NAME] = 'm', [AP_WORD_THING] = 'e', [AP_WORD_ADJ] = 'q', [AP_WORD_NOUN] = 'n',
                                 [AP_WORD_VERB] = 'v'};
    snprintf(word->text, sizeof word->text, "%c%c%c", kinds[word->kind], letters[index / 4 % 4], letters[index % 4]);
}

/* ---- sentences and formulas with placeholders ---- */

/* The words of one sentence in order, so that "e1" in the sentence is "e1" in its formula. */
struct numbering {
    char base[16][48];
    int32_t n;
};

static int32_t number_of(struct numbering *m, const char *base)
{
    for (int32_t i = 0; i < m->n; i++)
        if (strcmp(m->base[i], base) == 0)
            return i + 1;
    assert_true(m->n < 16);
    snprintf(m->base[m->n++], sizeof m->base[0], "%s", base);
    return m->n;
}

/* Replace the content words of text; numbers NULL: the bare classes.  In
 * formulas the ending of a verb is part of the predicate's name. */
static void abstract(const char *text, classifier classify, struct numbering *numbers, bool formula, struct ap_buf *out)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_";
    while (*text) {
        size_t n = strspn(text, letters);
        if (n == 0) {
            ap__buf_putc(out, *text++);
            continue;
        }
        char word[64];
        snprintf(word, sizeof word, "%.*s", (int)n, text);
        text += n;
        word[0] = (char)tolower((unsigned char)word[0]);
        if (strcmp(word, "bald") == 0) { /* "bald eagle" is one thing */
            text += *text == ' ';
            continue;
        }
        struct token t = classify(strrchr(word, '_') ? strrchr(word, '_') + 1 : word);
        if (t.class == 0)
            ap__buf_puts(out, strcmp(word, "an") == 0 ? "a" : word);
        else if (numbers)
            ap__buf_printf(out, "%c%d%s", t.class, number_of(numbers, t.base), t.ending && !formula ? "s" : "");
        else
            ap__buf_printf(out, "%c%s", t.class, t.ending ? "s" : "");
    }
}

/* The formula in our notation, its names replaced. */
static void abstract_formula(const char *text, classifier classify, struct numbering *numbers, struct ap_buf *out)
{
    struct ap_arena arena;
    const struct ap_formula *formula;
    struct ap_buf printed;
    ap__arena_init(&arena, 0);
    ap__buf_init(&printed, 0);
    OK(ap__formula_parse(text, strlen(text), &arena, &formula, err));
    ap__formula_print(formula, AP_NOTATION_ASCII, &printed);
    abstract(ap__buf_cstr(&printed), classify, numbers, true, out);
    ap__buf_deinit(&printed);
    ap__arena_deinit(&arena);
}

/* ---- sets of forms ---- */

struct forms {
    char form[MAX_FORMS][160];    /* "If someone is q then they v the e." */
    bool seen[MAX_FORMS];
    int32_t n;
    char numbered[MAX_NUMBERED][160], formula[MAX_NUMBERED][200]; /* with numbers, and what it means */
    int32_t n_numbered, compared;
};

static int32_t find(char texts[][160], int32_t n, const char *text)
{
    for (int32_t i = 0; i < n; i++)
        if (strcmp(texts[i], text) == 0)
            return i;
    return -1;
}

/* One sentence as bare form, numbered form and formula; without a formula the bare form only. */
struct reading {
    struct ap_buf form, numbered, formula;
};

static void read_sentence(const char *sentence, const char *formula, classifier classify, struct reading *r)
{
    struct numbering numbers = {.n = 0};
    ap__buf_init(&r->form, 0);
    ap__buf_init(&r->numbered, 0);
    ap__buf_init(&r->formula, 0);
    abstract(sentence, classify, NULL, false, &r->form);
    if (!formula)
        return;
    abstract(sentence, classify, &numbers, false, &r->numbered);
    abstract_formula(formula, classify, &numbers, &r->formula);
}

static void free_reading(struct reading *r)
{
    ap__buf_deinit(&r->form);
    ap__buf_deinit(&r->numbered);
    ap__buf_deinit(&r->formula);
}

static void add_sentence(struct forms *f, const char *sentence, const char *formula)
{
    struct reading r;
    read_sentence(sentence, formula, of_benchmark, &r);
    if (find(f->form, f->n, ap__buf_cstr(&r.form)) < 0) {
        assert_true(f->n < MAX_FORMS);
        snprintf(f->form[f->n++], sizeof f->form[0], "%s", ap__buf_cstr(&r.form));
    }
    if (find(f->numbered, f->n_numbered, ap__buf_cstr(&r.numbered)) < 0) {
        assert_true(f->n_numbered < MAX_NUMBERED);
        snprintf(f->numbered[f->n_numbered], sizeof f->numbered[0], "%s", ap__buf_cstr(&r.numbered));
        snprintf(f->formula[f->n_numbered++], sizeof f->formula[0], "%s", ap__buf_cstr(&r.formula));
    }
    free_reading(&r);
}

static void add_file(struct forms *premises, struct forms *goals, const char *path)
{
    struct ap_map map;
    size_t offset = 0, length, i;
    const char *line;
    OK(ap__map_open(path, &map, err));
    while (ap__map_line(&map, &offset, &line, &length) && length > 0) {
        json_t *record, *sentence;
        OK(ap__json_parse(line, length, path, &record, err));
        const json_t *formulas = json_object_get(record, "premises-FOL");
        json_array_foreach(json_object_get(record, "premises"), i, sentence)
            add_sentence(premises, json_string_value(sentence), json_string_value(json_array_get(formulas, i)));
        add_sentence(goals, json_string_value(json_object_get(record, "conclusion")),
                     json_string_value(json_object_get(record, "conclusion-FOL")));
        json_decref(record);
    }
    ap__map_close(&map);
}

/* Mark the form of a generated sentence.  With meaning: where the files have the very same sentence, its
 * formula must be theirs. */
static void compare_sentence(struct forms *f, const struct ap_theory *theory, const struct ap_sentence *s, bool meaning)
{
    struct ap_buf text, formula;
    struct reading r;
    ap__buf_init(&text, 0);
    ap__buf_init(&formula, 0);
    ap__sentence_english(theory, s, &text);
    ap__sentence_formula(theory, s, &formula);
    read_sentence(ap__buf_cstr(&text), meaning ? ap__buf_cstr(&formula) : NULL, of_stand_in, &r);
    int32_t at = find(f->form, f->n, ap__buf_cstr(&r.form));
    if (at >= 0)
        f->seen[at] = true;
    int32_t same = at < 0 || !meaning ? -1 : find(f->numbered, f->n_numbered, ap__buf_cstr(&r.numbered));
    if (same >= 0) {
        f->compared++;
        if (strcmp(f->formula[same], ap__buf_cstr(&r.formula)) != 0)
            fail_msg("%s\n  theirs: %s\n  ours:   %s", f->numbered[same], f->formula[same], ap__buf_cstr(&r.formula));
    }
    free_reading(&r);
    ap__buf_deinit(&text);
    ap__buf_deinit(&formula);
}

static int32_t report_missing(const struct forms *f, const char *what)
{
    int32_t missing = 0;
    for (int32_t i = 0; i < f->n; i++)
        if (!f->seen[i]) {
            print_message("%s not covered: %s\n", what, f->form[i]);
            missing++;
        }
    print_message("%s: %d forms, %d not covered; %d formulas compared\n", what, f->n, missing, f->compared);
    return missing;
}

static void every_form_of_the_benchmarks_occurs_and_means_the_same(void **state)
{
    (void)state;
    static struct forms premises, goals;
    if (!ap__file_exists(DATA "prontoqa-dev-fol.jsonl")) {
        print_message("skipped: " DATA " is not there\n");
        skip();
    }
    add_file(&premises, &goals, DATA "prontoqa-dev-fol.jsonl");
    add_file(&premises, &goals, DATA "proofwriter-dev-fol.jsonl");
    add_file(&premises, &goals, DATA "proofwriter-test-fol.jsonl");
    for (uint64_t key = 0; key < DRAWS; key++) {
        struct ap_shape shape;
        ap__shape_draw(key, AP_PROFILE_LONG, &shape);
        int32_t of_kind[AP_WORD_VERB + 1] = {0};
        for (int32_t i = 0; i < shape.theory.n_words; i++)
            stand_in(&shape.theory.word[i], of_kind[shape.theory.word[i].kind]++);
        for (int32_t i = 0; i < shape.theory.n_premises; i++)
            compare_sentence(&premises, &shape.theory, &shape.theory.premise[i], key < COMPARED);
        compare_sentence(&goals, &shape.theory, &shape.theory.goal, key < COMPARED);
    }
    int32_t missing = report_missing(&premises, "premises");
    missing += report_missing(&goals, "goals");
    assert_int_equal(missing, 0);
    assert_true(premises.compared > 1000 && goals.compared > 500);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_form_of_the_benchmarks_occurs_and_means_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
