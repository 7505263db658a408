/* fol_styles.c - the styles of entailment problems, as a table; fol_draw.h explains the columns.
 *
 * Short ones are what the demo uses; long ones are as large as ProntoQA's and
 * ProofWriter's problems and in their manner. */
#include "tasks/fol_draw.h"

#define M(move) AP_BIT(AP_MOVE_##move)
#define PREMISES(from, to) .min_premises = from, .max_premises = to
#define HOPS(from, to) .min_hops = from, .max_hops = to

const struct ap_style ap__short_styles[] = {
    {.name = "categories", .moves = M(EACH), .noun = 60, .adj = 40, .names = true, .negative = 25, PREMISES(3, 8),
     HOPS(1, 5), .chain = true},
    {.name = "no", .moves = M(EACH) | M(NO) | M(PLAIN), .featured = M(NO), .noun = 60, .adj = 40, .names = true,
     .negative = 15, PREMISES(3, 8), HOPS(1, 4)},
    {.name = "only", .moves = M(EACH) | M(ONLY) | M(PLAIN), .featured = M(ONLY), .noun = 60, .adj = 40,
     .names = true, .negative = 20, PREMISES(3, 8), HOPS(1, 4)},
    {.name = "people", .moves = M(PLAIN) | M(IF), .adj = 100, .names = true, .conjunction = 10, .negative = 20,
     PREMISES(3, 8), HOPS(1, 4)},
    {.name = "conditions", .moves = M(PLAIN) | M(IF), .featured = M(IF), .adj = 100, .names = true, .things = true,
     .conjunction = 20, .negative = 45, PREMISES(3, 8), HOPS(1, 4)},
    {.name = "conjunction", .moves = M(PLAIN) | M(IF) | M(WHO), .adj = 90, .verb = 10, .names = true,
     .things = true, .conjunction = 100, .negative = 20, PREMISES(4, 8), HOPS(1, 3)},
    {.name = "relations", .moves = M(IF) | M(PLAIN), .featured = M(IF), .adj = 35, .verb = 65, .things = true,
     .conjunction = 35, .negative = 20, PREMISES(3, 8), HOPS(1, 4)},
    {.name = "ground", .moves = M(GROUND) | M(IF), .featured = M(GROUND), .adj = 60, .verb = 40, .names = true,
     .things = true, .conjunction = 40, .negative = 20, PREMISES(3, 8), HOPS(1, 3)},
    {.name = "contraposition", .moves = M(EACH) | M(PLAIN) | M(IF) | M(NO) | M(CONTRA), .featured = M(CONTRA),
     .noun = 50, .adj = 50, .names = true, .negative = 20, PREMISES(3, 8), HOPS(1, 4)},
    {.name = "who", .moves = M(WHO) | M(EACH), .featured = M(WHO), .noun = 30, .adj = 40, .verb = 30, .names = true,
     .things = true, .conjunction = 25, .negative = 25, PREMISES(3, 8), HOPS(1, 4)},
    {.name = "some", .moves = M(EACH) | M(NO) | M(PLAIN) | M(ONLY), .noun = 60, .adj = 40, .names = true,
     .negative = 20, .true_from = AP_FROM_SOME, .false_from = AP_FROM_ALL, PREMISES(3, 8), HOPS(1, 4)},
    {.name = "every", .moves = M(EACH) | M(NO) | M(PLAIN) | M(WHO), .noun = 60, .adj = 40, .names = true,
     .negative = 20, .true_from = AP_FROM_ALL, .false_from = AP_FROM_SOME, PREMISES(3, 8), HOPS(1, 4)},
};

const struct ap_style ap__long_styles[] = {
    {.name = "long-categories", .moves = M(EACH), .noun = 60, .adj = 40, .names = true, .negative = 30,
     PREMISES(9, 19), HOPS(1, 5), .chain = true},
    {.name = "long-attributes", .moves = M(PLAIN) | M(IF) | M(GROUND), .adj = 100, .names = true, .things = true,
     .conjunction = 35, .negative = 15, PREMISES(9, 25), HOPS(1, 5)},
    {.name = "long-relations", .moves = M(IF) | M(PLAIN) | M(GROUND), .adj = 40, .verb = 60, .things = true,
     .conjunction = 50, .negative = 20, PREMISES(9, 25), HOPS(1, 5)},
    {.name = "long-mixed", .moves = M(EACH) | M(PLAIN) | M(IF) | M(WHO) | M(NO) | M(ONLY) | M(CONTRA), .noun = 35,
     .adj = 40, .verb = 25, .names = true, .things = true, .conjunction = 25, .negative = 20, PREMISES(9, 16),
     HOPS(1, 4)},
};

const int32_t ap__short_style_count = sizeof ap__short_styles / sizeof ap__short_styles[0];
const int32_t ap__long_style_count = sizeof ap__long_styles / sizeof ap__long_styles[0];
