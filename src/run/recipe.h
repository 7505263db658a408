/* recipe.h - the YAML file that describes a whole run.
 *
 *     tasks, models -> collect -> pairs -> train (+ control) -> evaluate -> report
 *
 * Every number a stage uses comes from here; the defaults are those of
 * ap__recipe_defaults, printed by `apprentice run --help`.  The recipe's text is kept in the
 * run's store, so a run folder says by itself how it was made. */
#ifndef AP_RECIPE_H
#define AP_RECIPE_H

#include "base/yaml.h"
#include "llm/remote.h"
#include "model/transformer.h"
#include "train/batch.h"
#include "train/optimizer.h"

enum { AP_RECIPE_MAX_TASKS = 16, AP_RECIPE_MAX_TEMPERATURES = 8 };

/* Who samples chains, and how. */
struct ap_recipe_actor {
    const char *model, *adapter;  /* folders; adapter may be NULL */
    const char *base_dtype;       /* how its linears are held, as --base-dtype; NULL = as stored */
    int64_t cache_tokens;         /* of keys and values kept while sampling; 0 = by the model's size */
    int64_t samples;              /* chains per problem; 0 = none */
    double temperature[AP_RECIPE_MAX_TEMPERATURES]; /* sample i uses temperature[i % n] */
    int32_t temperature_count;
    bool is_remote;               /* behind a URL: `remote` says how, and model is its name there */
    struct ap_remote_options remote;
};

/* What of a pair the preference is about: whole chains, or the step where they part (what came before they share,
 * what came after may be right for what it follows).  The whole chosen chain is held up in both cases. */
enum ap_blame { AP_BLAME_CHAIN, AP_BLAME_STEP };

/* One training of the student: DPO, or the SFT control. */
struct ap_recipe_train {
    struct ap_lora_config lora;
    double lr, warmup, clip, weight_decay; /* warmup: fraction of the steps */
    enum ap_schedule schedule;
    int64_t steps;      /* optimizer steps */
    int64_t batch;      /* pairs per step */
    int64_t max_tokens; /* of one packed tree; a larger batch is split */
    bool warmup_from_zero;
    struct ap_dpo dpo;
    enum ap_reference reference; /* what a student with an adapter is held to */
    enum ap_blame blame;
};

struct ap_recipe {
    struct ap_yaml_doc doc; /* owns the strings */
    const char *path, *name;
    char *text;             /* the file as it was read */
    int64_t seed;
    const char *task[AP_RECIPE_MAX_TASKS];
    int32_t task_count;
    struct ap_recipe_actor teacher, student;
    struct {
        int64_t problems;  /* per task */
        double augment;    /* share of the problems that are derived from others */
        const char *gold;  /* "" or "chosen": gold chains stand in for the teacher's */
        int64_t in_flight; /* chains at once */
    } collect;
    struct {
        int64_t per_problem, total;
    } pairs;
    struct ap_recipe_train train;
    bool control; /* also train by SFT on the same chosen chains */
    struct {
        int64_t problems, samples; /* held-out per task; sampled chains beside the greedy one */
        double temperature;
        bool teacher;              /* also evaluate the teacher, greedily */
    } evaluate;
};

/* Read a recipe; unknown keys, wrong types and values out of range are named with their line. */
ap_status ap__recipe_load(const char *path, struct ap_recipe *out, struct ap_err *err) AP_MUST_CHECK;
/* The same from text, for a run folder's stored recipe. */
ap_status ap__recipe_parse(const char *text, const char *place, struct ap_recipe *out,
                           struct ap_err *err) AP_MUST_CHECK;
/* "constant", "linear", "cosine", "hold-linear"; false for anything else. */
bool ap__schedule_read(const char *text, enum ap_schedule *out);
void ap__recipe_free(struct ap_recipe *recipe);

#endif
