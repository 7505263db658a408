/* test_task_forms.c - the generator's sentences cover the forms that ProntoQA and ProofWriter use.
 *
 *   ProofWriter   "If someone is round and they chase the lion then they need the cat."
 *                 --content words to placeholders-->  "If someone is q and they v the e then they v the e."
 *   generator     the same placeholders put in as words
 *
 * Every form of the files must come up.  The files are public data beside the
 * project; without them there is nothing to compare with. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/file.h"
#include "base/json.h"
#include "tasks/fol_shape.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DATA "../shared/data/derived/"
enum { MAX_FORMS = 2048, DRAWS = 20000 };

#define OK(expr)                                                                                     \
    do {                                                                                             \
        struct ap_err ok_err = {0}, *err = &ok_err;                                                  \
        ap_status ok_status = (expr);                                                                \
        if (ok_status != AP_OK)                                                                      \
            fail_msg("%s: %s: %s: %s", #expr, ap_status_text(ok_status), err->place, err->message); \
    } while (0)

/* ---- content words of the files, and what stands for them ---- */

static const char *const names[] = {"Anne", "Bob", "Charlie", "Dave", "Erin", "Fiona", "Gary", "Harry", "Alex", "Fae",
                                    "Max", "Polly", "Rex", "Sally", "Sam", "Stella", "Wren", NULL};
static const char *const things[] = {"eagle", "bear", "cat", "cow", "dog", "lion", "mouse", "rabbit", "squirrel",
                                     "tiger", NULL};
static const char *const verbs[] = {"chase", "eat", "like", "need", "see", "visit", NULL};
/* Everything else that is none of these is an adjective. */
static const char *const grammar[] = {"if", "then", "and", "not", "is", "are", "the", "a", "it", "they", "do", "does",
                                      "someone", "something", "people", "things", "all", "each", "every", NULL};

static bool listed(const char *word, const char *const *list)
{
    for (; *list; list++)
        if (strcmp(word, *list) == 0)
            return true;
    return false;
}

/* The placeholder of a word (lower case but for names), "" to leave it out. */
static const char *placeholder(const char *word)
{
    char stem[64];
    size_t n = strlen(word);
    snprintf(stem, sizeof stem, "%.*s", (int)(n > 0 ? n - 1 : 0), word);
    if (strcmp(word, "bald") == 0)
        return ""; /* "bald eagle" is one thing */
    if (strcmp(word, "an") == 0)
        return "a";
    if (listed(word, grammar))
        return word;
    if (listed(word, names))
        return "N";
    if (listed(word, things))
        return "e";
    if (listed(word, verbs))
        return "v";
    if (word[n - 1] == 's' && listed(stem, verbs))
        return "vs";
    if (n > 3 && strcmp(word + n - 3, "pus") == 0)
        return "n";
    if (n > 5 && strcmp(word + n - 5, "puses") == 0)
        return "ns";
    return "q";
}

static void abstract(const char *sentence, char *out, size_t size)
{
    size_t used = 0;
    bool first = true;
    for (const char *at = sentence; *at;) {
        size_t n = strspn(at, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ");
        if (n == 0) {
            if (used + 1 < size && !(*at == ' ' && used > 0 && out[used - 1] == ' '))
                out[used++] = *at;
            at++;
            continue;
        }
        char word[64];
        snprintf(word, sizeof word, "%.*s", (int)n, at);
        if (!listed(word, names))
            word[0] = (char)tolower((unsigned char)word[0]);
        const char *stand_in = placeholder(word);
        used += (size_t)snprintf(out + used, size - used, "%s", stand_in);
        if (first && used > 0)
            out[0] = (char)toupper((unsigned char)out[0]);
        first = first && *stand_in == '\0';
        at += n;
    }
    out[used] = '\0';
}

/* ---- sets of forms ---- */

struct forms {
    char text[MAX_FORMS][160];
    int32_t n;
};

static int32_t find(const struct forms *f, const char *text)
{
    for (int32_t i = 0; i < f->n; i++)
        if (strcmp(f->text[i], text) == 0)
            return i;
    return -1;
}

static void add_form(struct forms *f, const char *text)
{
    if (find(f, text) >= 0)
        return;
    assert_true(f->n < MAX_FORMS);
    snprintf(f->text[f->n++], sizeof f->text[0], "%s", text);
}

static void add_file(struct forms *premises, struct forms *goals, const char *path)
{
    struct ap_map map;
    size_t offset = 0, length, i;
    const char *line;
    char form[160];
    OK(ap__map_open(path, &map, err));
    while (ap__map_line(&map, &offset, &line, &length) && length > 0) {
        json_t *record, *sentence;
        OK(ap__json_parse(line, length, path, &record, err));
        json_array_foreach(json_object_get(record, "premises"), i, sentence)
        {
            abstract(json_string_value(sentence), form, sizeof form);
            add_form(premises, form);
        }
        abstract(json_string_value(json_object_get(record, "conclusion")), form, sizeof form);
        add_form(goals, form);
        json_decref(record);
    }
    ap__map_close(&map);
}

/* Mark the forms that a sentence of the generator has. */
static void mark(const struct ap_theory *theory, const struct ap_sentence *s, const struct forms *forms, bool *seen)
{
    struct ap_buf text;
    ap__buf_init(&text, 0);
    ap__sentence_english(theory, s, &text);
    int32_t at = find(forms, ap__buf_cstr(&text));
    if (at >= 0)
        seen[at] = true;
    ap__buf_deinit(&text);
}

static int32_t report_missing(const struct forms *forms, const bool *seen, const char *what)
{
    int32_t missing = 0;
    for (int32_t i = 0; i < forms->n; i++)
        if (!seen[i]) {
            print_message("%s not covered: %s\n", what, forms->text[i]);
            missing++;
        }
    print_message("%s: %d forms, %d not covered\n", what, forms->n, missing);
    return missing;
}

static void every_form_of_the_benchmarks_occurs_in_the_generator(void **state)
{
    (void)state;
    static struct forms premises, goals;
    static bool premise_seen[MAX_FORMS], goal_seen[MAX_FORMS];
    static const char *const stand_ins[] = {[AP_WORD_NAME] = "N", [AP_WORD_THING] = "e", [AP_WORD_ADJ] = "q",
                                            [AP_WORD_NOUN] = "n", [AP_WORD_VERB] = "v"};
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
        for (int32_t i = 0; i < shape.theory.n_words; i++)
            strcpy(shape.theory.word[i].text, stand_ins[shape.theory.word[i].kind]);
        for (int32_t i = 0; i < shape.theory.n_premises; i++)
            mark(&shape.theory, &shape.theory.premise[i], &premises, premise_seen);
        mark(&shape.theory, &shape.theory.goal, &goals, goal_seen);
    }
    int32_t missing = report_missing(&premises, premise_seen, "premises");
    missing += report_missing(&goals, goal_seen, "goals");
    assert_int_equal(missing, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_form_of_the_benchmarks_occurs_in_the_generator),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
