/* import.h - one reader per format of problem files; import.c chooses.
 *
 *   jsonl        our own: {"question": .., "answer": ..} and what problem.c lists besides
 *   gsm8k        JSON lines {"question": .., "answer": "...<<48/2=24>>24...\n#### 72"}
 *   folio        JSON lines {"premises": [..], "premises-FOL": [..], "conclusion": .., "label": ..}
 *   proofwriter, prontoqa   a JSON array of {"context": .., "question": .., "options": [..], "answer": "B"}
 *
 * Entailment problems are laid out like generated ones: numbered lines, then
 * "Is it true?" and the conclusion. */
#ifndef AP_IMPORT_H
#define AP_IMPORT_H

#include "tasks/calc.h"
#include "tasks/problem.h"

struct ap_import_format {
    const char *name;
    bool array; /* one JSON array, else a record per line */
    /* Does this first record look like the format? */
    bool (*detect)(const json_t *record);
    /* Fill question, answer, premise, call and (if the record has one) id of *out, which is empty. */
    ap_status (*read)(const json_t *record, const char *place, struct ap_problem *out, struct ap_err *err);
};
extern const struct ap_import_format ap__import_gsm8k, ap__import_folio, ap__import_proofwriter, ap__import_prontoqa;

/* The annotations of a GSM8K answer as steps, and the text behind "####" without
 * thousands separators.  calc->answer refers to the last step with that result,
 * or to none (ref -1). */
ap_status ap__gsm8k_steps(const char *answer, const char *place, struct ap_calc *calc, char final[AP_CALC_TEXT],
                          struct ap_err *err) AP_MUST_CHECK;
/* Length of the first sentence of text, with its full stop: "Mr. J. Smith is 3.5 m tall." is one. */
size_t ap__sentence_length(const char *text);

#endif
