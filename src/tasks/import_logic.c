/* import_logic.c - FOLIO, ProofWriter and ProntoQA records as entailment problems.
 *
 *   context --sentences--> "1. ...\n2. ...\n"
 *   question (its last sentences) or conclusion --> "Is it true? ..."
 *   answer letter or label --> True, False, Unknown
 *
 * FOLIO brings formulas; read with the usual repairs, they become gold premises
 * and a gold chain.  The others have none. */
#include "functions/formula.h"
#include "tasks/generator.h"
#include "tasks/import.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

/* ---- sentences ---- */

/* "Mr." and initials do not end a sentence. */
static bool is_abbreviation(const char *text, size_t dot)
{
    static const char *const known[] = {"Mr", "Mrs", "Ms", "Dr", "St", "Prof", "Jr", "Sr", "vs", "etc", "No"};
    size_t first = dot;
    while (first > 0 && isalpha((unsigned char)text[first - 1]))
        first--;
    size_t n = dot - first;
    if (n == 1 && isupper((unsigned char)text[first]))
        return true;
    if (n == 1 && first > 0 && text[first - 1] == '.')
        return true; /* e.g. */
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (strlen(known[i]) == n && memcmp(known[i], text + first, n) == 0)
            return true;
    return false;
}

size_t ap__sentence_length(const char *text)
{
    for (size_t i = 0; text[i]; i++) {
        if (!strchr(".!?", text[i]))
            continue;
        size_t next = i + 1 + strspn(text + i + 1, "\"')");
        if (text[next] == '\0')
            return next;
        if (isspace((unsigned char)text[next]) && !(text[i] == '.' && is_abbreviation(text, i)))
            return next;
    }
    return strlen(text);
}

static void add_trimmed(struct ap_buf *out, const char *text, size_t n)
{
    while (n > 0 && isspace((unsigned char)*text))
        text++, n--;
    while (n > 0 && isspace((unsigned char)text[n - 1]))
        n--;
    (void)ap__buf_add(out, text, n);
}

static ap_status set_answer(const char *label, const char *place, struct ap_problem *out, struct ap_err *err)
{
    static const char *const labels[][2] = {
        {"True", "True"}, {"False", "False"}, {"Unknown", "Unknown"}, {"Uncertain", "Unknown"}};
    for (size_t i = 0; i < sizeof labels / sizeof labels[0]; i++)
        if (strcasecmp(label, labels[i][0]) == 0)
            return ap__problem_set(&out->answer, labels[i][1], err);
    return ap__fail(err, AP_E_FORMAT, place, "the label must be True, False, Unknown or Uncertain, not `%.40s`", label);
}

static ap_status set_question(struct ap_buf *text, struct ap_problem *out, struct ap_err *err)
{
    ap_status st = ap__problem_set_buf(&out->question, text, err);
    ap__buf_deinit(text);
    return st;
}

static ap_status set_id(const json_t *record, struct ap_problem *out, struct ap_err *err)
{
    const char *id = ap__json_str_or(record, "id", NULL);
    return id ? ap__problem_set(&out->id, id, err) : AP_OK;
}

/* ---- context, question, options ---- */

/* "A) True" for the answer "A". */
static ap_status read_option(const json_t *record, const char *place, struct ap_problem *out, struct ap_err *err)
{
    const char *letter;
    json_t *options, *option;
    size_t i;
    AP_TRY(ap__json_str(record, "answer", place, &letter, err));
    AP_TRY(ap__json_array(record, "options", place, &options, err));
    json_array_foreach(options, i, option)
    {
        const char *text = json_is_string(option) ? json_string_value(option) : "";
        if (letter[0] && text[0] == letter[0] && text[1] == ')')
            return set_answer(text + 2 + strspn(text + 2, " "), place, out, err);
    }
    return ap__fail(err, AP_E_FORMAT, place, "the answer `%.20s` is none of the options", letter);
}

/* The statement is what follows the question's first sentence. */
static ap_status read_context_record(const json_t *record, const char *place, struct ap_problem *out,
                                     struct ap_err *err)
{
    const char *context, *question;
    AP_TRY(ap__json_str(record, "context", place, &context, err));
    AP_TRY(ap__json_str(record, "question", place, &question, err));
    AP_TRY(read_option(record, place, out, err));
    AP_TRY(set_id(record, out, err));
    const char *statement = strchr(question, '?');
    if (!statement)
        return ap__fail(err, AP_E_FORMAT, place, "`question` must ask something before the statement");
    struct ap_buf text;
    ap__buf_init(&text, 0);
    int32_t line = 0;
    for (context += strspn(context, " \n\t"); *context; context += strspn(context, " \n\t")) {
        size_t n = ap__sentence_length(context);
        (void)ap__buf_printf(&text, "%d. ", ++line);
        add_trimmed(&text, context, n);
        (void)ap__buf_putc(&text, '\n');
        context += n;
    }
    (void)ap__buf_puts(&text, "Is it true? ");
    add_trimmed(&text, statement + 1, strlen(statement + 1));
    return set_question(&text, out, err);
}

static size_t count_options(const json_t *record)
{
    return json_array_size(json_object_get(record, "options"));
}

static bool has_context(const json_t *record)
{
    return json_object_get(record, "context") && json_object_get(record, "question");
}

static bool detect_prontoqa(const json_t *record)
{
    return has_context(record) && count_options(record) == 2;
}

static bool detect_proofwriter(const json_t *record)
{
    return has_context(record) && count_options(record) == 3;
}

const struct ap_import_format ap__import_prontoqa = {
    .name = "prontoqa", .array = true, .detect = detect_prontoqa, .read = read_context_record};
const struct ap_import_format ap__import_proofwriter = {
    .name = "proofwriter", .array = true, .detect = detect_proofwriter, .read = read_context_record};

/* ---- FOLIO ---- */

/* A formula in our own notation; false when even repairs do not help. */
static bool repair_formula(const char *text, struct ap_buf *out)
{
    struct ap_arena arena;
    struct ap_buf notes;
    const struct ap_formula *formula;
    struct ap_err why;
    ap__arena_init(&arena, 0);
    ap__buf_init(&notes, 0);
    ap__buf_clear(out);
    bool ok = ap__formula_parse_repair(text, strlen(text), &arena, &formula, &notes, &why) == AP_OK;
    if (ok)
        ap__formula_print(formula, AP_NOTATION_ASCII, out);
    ap__buf_deinit(&notes);
    ap__arena_deinit(&arena);
    return ok && !out->failed;
}

static void drop_gold(struct ap_problem *p)
{
    struct ap_problem gold = {.premise = p->premise, .premise_count = p->premise_count, .call = p->call,
                              .call_count = p->call_count};
    p->premise = p->call = NULL;
    p->premise_count = p->call_count = 0;
    ap__problem_deinit(&gold);
}

/* Premises and chain from the annotation, or none at all when a formula of it
 * cannot be read or the goal is missing (as in the training file).  There may be
 * more or fewer formulas than sentences. */
static ap_status read_gold(const json_t *record, const char *label, struct ap_problem *out, struct ap_err *err)
{
    const json_t *formulas = json_object_get(record, "premises-FOL"), *item;
    const char *goal = ap__json_str_or(record, "conclusion-FOL", NULL);
    struct ap_buf text;
    size_t i;
    bool complete = goal != NULL && json_array_size(formulas) > 0;
    ap_status st = AP_OK;
    ap__buf_init(&text, 0);
    json_array_foreach(formulas, i, item)
    {
        complete = complete && json_is_string(item) && repair_formula(json_string_value(item), &text);
        if (!complete || st != AP_OK)
            break;
        st = ap__problem_add_premise(out, ap__buf_cstr(&text), err);
        if (st == AP_OK)
            st = ap__problem_add_call(out, err, "AddPremise('%s')", ap__buf_cstr(&text));
    }
    complete = complete && repair_formula(goal, &text);
    if (st == AP_OK && complete)
        st = ap__problem_add_call(out, err, "Prove('%s')", ap__buf_cstr(&text));
    if (st == AP_OK && complete)
        st = ap__problem_add_call(out, err, "Answer('%s')", label);
    if (!complete)
        drop_gold(out);
    ap__buf_deinit(&text);
    return st;
}

static ap_status read_folio(const json_t *record, const char *place, struct ap_problem *out, struct ap_err *err)
{
    const char *conclusion, *label;
    json_t *premises, *premise;
    size_t i;
    AP_TRY(ap__json_array(record, "premises", place, &premises, err));
    AP_TRY(ap__json_str(record, "conclusion", place, &conclusion, err));
    AP_TRY(ap__json_str(record, "label", place, &label, err));
    AP_TRY(set_answer(label, place, out, err));
    AP_TRY(set_id(record, out, err));
    AP_TRY(read_gold(record, out->answer, out, err));
    json_array_foreach(premises, i, premise)
    {
        if (!json_is_string(premise))
            return ap__fail(err, AP_E_FORMAT, place, "`premises` must be a list of strings; item %zu is not", i + 1);
    }
    struct ap_buf text;
    ap__buf_init(&text, 0);
    json_array_foreach(premises, i, premise)
    {
        (void)ap__buf_printf(&text, "%zu. ", i + 1);
        add_trimmed(&text, json_string_value(premise), json_string_length(premise));
        (void)ap__buf_putc(&text, '\n');
    }
    (void)ap__buf_puts(&text, "Is it true? ");
    add_trimmed(&text, conclusion, strlen(conclusion));
    return set_question(&text, out, err);
}

static bool detect_folio(const json_t *record)
{
    return json_is_array(json_object_get(record, "premises")) && json_object_get(record, "conclusion") &&
           json_object_get(record, "label");
}

const struct ap_import_format ap__import_folio = {.name = "folio", .detect = detect_folio, .read = read_folio};
