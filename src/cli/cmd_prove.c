/* cmd_prove.c - `apprentice prove`: does a goal follow from premises?
 *
 *   --premise F ... --goal F         one question, one word on stdout
 *   --jsonl FILE                     one record per line, as FOLIO has them:
 *                                    "premises-FOL" [..], "conclusion-FOL", "label"
 *
 * Formulas in a file are repaired where people's annotations need it, and each
 * repair is reported; formulas on the command line are read strictly. */
#include "base/file.h"
#include "base/json.h"
#include "base/progress.h"
#include "cli/command.h"
#include "functions/prover.h"

#include <stdio.h>
#include <string.h>

static struct ap_option_list premise_texts;
static const char *goal_text, *jsonl_path;
static int64_t limit;
static bool as_json, countermodel;

static const struct ap_option options[] = {
    AP_OPTION_GROUP("One question"),
    AP_OPTION_LIST("premise", "F", &premise_texts, "a premise; may be given several times"),
    AP_OPTION_STR("goal", "F", &goal_text, "the formula to decide: True, False or Unknown"),
    AP_OPTION_FLAG("countermodel", &countermodel, "also show a case where the premises hold and the goal does not"),
    AP_OPTION_GROUP("Many questions"),
    AP_OPTION_STR("jsonl", "FILE", &jsonl_path, "records with `premises-FOL`, `conclusion-FOL` and `label`"),
    AP_OPTION_FLAG("json", &as_json, "print JSON lines, the last one a summary"),
    AP_OPTION_GROUP("Effort"),
    AP_OPTION_INT("limit", 0, UINT32_MAX, &limit, "Z3's resource units per check; 0 = the built-in limit"),
    AP_OPTION_END,
};

/* ---- one question ---- */

/* Premises and goal as trees in one arena. */
struct theory {
    struct ap_arena arena;
    const struct ap_formula **premises; /* (n,) */
    int32_t n;
    const struct ap_formula *goal;
};

static ap_status read_strictly(const char *text, const char *what, int32_t number, struct ap_arena *arena,
                               const struct ap_formula **out, struct ap_err *err)
{
    char place[64];
    struct ap_err why;
    ap_status status = ap__formula_parse(text, strlen(text), arena, out, &why);
    if (status == AP_OK)
        return AP_OK;
    snprintf(place, sizeof place, number > 0 ? "--%s %d" : "--%s", what, number);
    return ap__fail(err, status, place, "%s", why.message);
}

static ap_status read_options(struct theory *theory, struct ap_err *err)
{
    theory->n = premise_texts.n;
    theory->premises = ap__arena_alloc(&theory->arena, (size_t)(theory->n + 1) * sizeof *theory->premises);
    if (theory->premises == NULL)
        return ap__fail(err, AP_E_MEMORY, NULL, "no memory for %d premises", theory->n);
    for (int32_t i = 0; i < theory->n; i++)
        AP_TRY(read_strictly(premise_texts.v[i], "premise", i + 1, &theory->arena, &theory->premises[i], err));
    return read_strictly(goal_text, "goal", 0, &theory->arena, &theory->goal, err);
}

static ap_status show_countermodel(struct ap_prover *prover, const struct theory *theory, struct ap_err *err)
{
    struct ap_buf text;
    bool found, gave_up;
    ap__buf_init(&text, 0);
    ap_status status = ap__prover_countermodel(prover, theory->premises, theory->n, theory->goal, &text, &found,
                                               &gave_up, err);
    if (status == AP_OK && found)
        printf("%s\n", ap__buf_cstr(&text));
    ap__buf_deinit(&text);
    return status;
}

static ap_status prove_options(struct ap_prover *prover, struct ap_err *err)
{
    struct theory theory = {.n = 0};
    struct ap_proof proof;
    ap__arena_init(&theory.arena, 0);
    ap_status status = read_options(&theory, err);
    if (status == AP_OK)
        status = ap__prover_check(prover, theory.premises, theory.n, theory.goal, &proof, err);
    if (status == AP_OK) {
        printf("%s\n", ap__verdict3_text(proof.verdict));
        if (proof.inconsistent)
            fputs("apprentice: the premises contradict each other, so everything follows\n", stderr);
        if (proof.gave_up)
            fputs("apprentice: the resource limit was reached\n", stderr);
        if (countermodel && proof.verdict != AP_VERDICT3_TRUE)
            status = show_countermodel(prover, &theory, err);
    }
    ap__arena_deinit(&theory.arena);
    return status;
}

/* ---- a file of questions ---- */

struct tally {
    int64_t records, parsed, repaired, agree;
};

/* One record on its way. */
struct record {
    char name[128]; /* "id" or the line number */
    const char *label;
    json_t *notes;     /* texts of repairs and problems */
    bool readable, repaired;
    struct theory theory;
};

static bool note(struct record *record, const char *what, int32_t number, const char *text)
{
    json_t *line = number > 0 ? json_sprintf("%s %d: %s", what, number, text) : json_sprintf("%s: %s", what, text);
    return json_array_append_new(record->notes, line) == 0;
}

/* Parse with repairs; what cannot be read makes the record unreadable. */
static ap_status read_formula(struct record *record, const char *text, const char *what, int32_t number,
                              const struct ap_formula **out, struct ap_err *err)
{
    struct ap_buf repairs;
    struct ap_err why;
    ap__buf_init(&repairs, 0);
    ap_status status = ap__formula_parse_repair(text, strlen(text), &record->theory.arena, out, &repairs, &why);
    if (status == AP_E_MEMORY) {
        ap__fail(err, status, record->name, "%s", why.message);
    } else if (status != AP_OK) {
        record->readable = false;
        note(record, what, number, why.message);
        status = AP_OK;
    } else if (repairs.len > 0) {
        record->repaired = true;
        note(record, what, number, ap__buf_cstr(&repairs));
    }
    ap__buf_deinit(&repairs);
    return status;
}

static ap_status read_premises(struct record *record, const json_t *list, const char *place, struct ap_err *err)
{
    struct theory *theory = &record->theory;
    size_t n = json_array_size(list);
    if (n > 1024)
        return ap__fail(err, AP_E_TOO_LARGE, place, "%zu premises; at most 1024 are read", n);
    theory->premises = ap__arena_alloc(&theory->arena, (n + 1) * sizeof *theory->premises);
    if (theory->premises == NULL)
        return ap__fail(err, AP_E_MEMORY, place, "no memory for %zu premises", n);
    theory->n = (int32_t)n;
    for (int32_t i = 0; i < theory->n; i++) {
        const char *text = json_string_value(json_array_get(list, (size_t)i));
        if (text == NULL)
            return ap__fail(err, AP_E_FORMAT, place, "item %d of `premises-FOL` must be a string", i + 1);
        AP_TRY(read_formula(record, text, "premise", i + 1, &theory->premises[i], err));
    }
    return AP_OK;
}

static ap_status read_record(struct record *record, const json_t *object, const char *place, struct ap_err *err)
{
    json_t *list;
    const char *goal = ap__json_str_or(object, "conclusion-FOL", NULL);
    snprintf(record->name, sizeof record->name, "%s", ap__json_str_or(object, "id", place));
    record->label = ap__json_str_or(object, "label", "");
    AP_TRY(ap__json_array(object, "premises-FOL", place, &list, err));
    AP_TRY(read_premises(record, list, place, err));
    if (goal != NULL)
        return read_formula(record, goal, "conclusion", 0, &record->theory.goal, err);
    record->readable = false;
    note(record, "conclusion", 0, "there is no `conclusion-FOL`");
    return AP_OK;
}

/* FOLIO says Uncertain (validation) or Unknown (train). */
static bool agrees(const char *label, enum ap_verdict3 verdict)
{
    if (strcmp(label, "Uncertain") == 0)
        label = "Unknown";
    return strcmp(label, ap__verdict3_text(verdict)) == 0;
}

static void print_text(const struct record *record, const char *verdict, bool agree)
{
    printf("%s: %s", record->name, verdict);
    if (record->label[0] != '\0')
        printf(", label %s%s", record->label, !record->readable || agree ? "" : ", differs");
    putchar('\n');
    for (size_t i = 0; i < json_array_size(record->notes); i++)
        printf("  %s\n", json_string_value(json_array_get(record->notes, i)));
}

static ap_status print_json(const struct record *record, const char *verdict, bool agree, struct ap_err *err)
{
    json_t *line = json_pack("{s:s, s:s, s:s, s:b, s:O}", "id", record->name, "verdict", verdict, "label",
                             record->label, "agree", agree, "notes", record->notes);
    char *text = line != NULL ? ap__json_dump(line) : NULL;
    json_decref(line);
    if (text == NULL)
        return ap__fail(err, AP_E_MEMORY, record->name, "no memory for a line of output");
    puts(text);
    ap__free(text);
    return AP_OK;
}

static ap_status decide_record(struct ap_prover *prover, struct record *record, struct tally *tally,
                               struct ap_err *err)
{
    struct ap_proof proof = {.verdict = AP_VERDICT3_UNKNOWN};
    struct ap_err why;
    if (record->readable) {
        ap_status status =
            ap__prover_check(prover, record->theory.premises, record->theory.n, record->theory.goal, &proof, &why);
        if (status == AP_E_MEMORY)
            return ap__fail(err, status, record->name, "%s", why.message);
        record->readable = status == AP_OK;
        if (status != AP_OK)
            note(record, "theory", 0, why.message);
    }
    if (proof.inconsistent)
        note(record, "theory", 0, "the premises contradict each other");
    if (proof.gave_up)
        note(record, "theory", 0, "the resource limit was reached");
    bool agree = record->readable && agrees(record->label, proof.verdict);
    tally->records++;
    tally->parsed += record->readable;
    tally->repaired += record->readable && record->repaired;
    tally->agree += agree;
    const char *verdict = record->readable ? ap__verdict3_text(proof.verdict) : "unreadable";
    if (as_json)
        return print_json(record, verdict, agree, err);
    print_text(record, verdict, agree);
    return AP_OK;
}

static ap_status prove_line(struct ap_prover *prover, const char *line, size_t len, const char *place,
                            struct tally *tally, struct ap_err *err)
{
    struct record record = {.readable = true};
    json_t *object = NULL;
    ap__arena_init(&record.theory.arena, 0);
    ap_status status = ap__json_parse(line, len, place, &object, err);
    if (status == AP_OK) {
        record.notes = json_array();
        status = read_record(&record, object, place, err);
    }
    if (status == AP_OK)
        status = decide_record(prover, &record, tally, err);
    json_decref(record.notes);
    json_decref(object);
    ap__arena_deinit(&record.theory.arena);
    return status;
}

static void print_tally(const struct tally *t)
{
    if (as_json)
        printf("{\"records\": %lld, \"parsed\": %lld, \"repaired\": %lld, \"agree\": %lld}\n", (long long)t->records,
               (long long)t->parsed, (long long)t->repaired, (long long)t->agree);
    else
        printf("%lld records, %lld parsed, %lld repaired, %lld agree with the label (%.1f %%)\n",
               (long long)t->records, (long long)t->parsed, (long long)t->repaired, (long long)t->agree,
               t->records > 0 ? 100.0 * (double)t->agree / (double)t->records : 0.0);
}

static ap_status prove_file(struct ap_prover *prover, struct ap_err *err)
{
    struct ap_map map;
    struct tally tally = {0};
    const char *line;
    size_t offset = 0, len;
    AP_TRY(ap__map_open(jsonl_path, &map, err));
    ap_status status = AP_OK;
    for (int64_t number = 1; status == AP_OK && ap__map_line(&map, &offset, &line, &len); number++) {
        char place[256];
        snprintf(place, sizeof place, "%.200s:%lld", jsonl_path, (long long)number);
        if (strspn(line, " \t\r\n") < len)
            status = prove_line(prover, line, len, place, &tally, err);
        if (status == AP_OK)
            status = ap__check_interrupt(err);
    }
    ap__map_close(&map);
    if (status == AP_OK)
        print_tally(&tally);
    return status;
}

static int run(int argc, char **argv)
{
    struct ap_args args;
    struct ap_err err = {0};
    struct ap_prover *prover;
    int rc = ap__options_parse(&ap__cmd_prove, argc, argv, 0, 0, &args);
    if (rc >= 0)
        return rc;
    if ((goal_text == NULL) == (jsonl_path == NULL))
        return ap__usage_fail(&ap__cmd_prove, "give either --goal or --jsonl");
    if (jsonl_path != NULL && premise_texts.n > 0)
        return ap__usage_fail(&ap__cmd_prove, "--premise belongs to --goal, not to --jsonl");
    ap_status status = ap__prover_new(&prover, &err);
    if (status == AP_OK) {
        ap__prover_set_limit(prover, (uint32_t)limit);
        status = jsonl_path != NULL ? prove_file(prover, &err) : prove_options(prover, &err);
        ap__prover_free(prover);
    }
    return status == AP_OK ? AP_EXIT_OK : ap__cli_fail(&err);
}

const struct ap_command ap__cmd_prove = {
    .name = "prove",
    .summary = "decide whether a goal follows from premises",
    .usage = "[--premise F ...] --goal F | --jsonl FILE [--json]",
    .options = options,
    .example = "apprentice prove --premise 'forall x. (Cat(x) -> Animal(x))' --premise 'Cat(tom)' --goal 'Animal(tom)'\n"
               "apprentice prove --jsonl folio-validation.jsonl --json",
    .run = run,
};
