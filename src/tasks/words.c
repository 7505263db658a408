/* words.c - draws distinct invented or ordinary words and bends them.
 *
 *   onset + vowel + coda (1 to 3 times) + ending of the kind   blorp, trindle, ovask
 *   or one of the ordinary lists below                         gardener, dusty, greet */
#include "tasks/words.h"

#include "base/text.h"
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define COUNT(a) ((int32_t)(sizeof(a) / sizeof((a)[0])))

/* Content words of ProntoQA and ProofWriter: never drawn. */
static const char *const reserved[] = {
    "aggressive", "amenable", "angry", "bitter", "blue", "bright", "brown", "cold", "dull", "earthy", "feisty",
    "floral", "fruity", "happy", "hot", "kind", "large", "liquid", "luminous", "mean", "metallic", "nervous",
    "opaque", "orange", "red", "shy", "small", "sour", "spicy", "sweet", "temperate", "transparent", "wooden",
    "dumpus", "impus", "jompus", "numpus", "rompus", "tumpus", "vumpus", "wumpus", "yumpus", "zumpus", "brimpus",
    "lorpus", "grimpus", "shumpus", "sterpus", "lempus", "gorpus", "alex", "fae", "max", "polly", "rex", "sally",
    "sam", "stella", "wren", "big", "furry", "green", "nice", "quiet", "rough", "round", "smart", "white", "young",
    "anne", "bob", "charlie", "dave", "erin", "fiona", "gary", "harry", "bald", "eagle", "bear", "cat", "cow",
    "dog", "lion", "mouse", "rabbit", "squirrel", "tiger", "chase", "eat", "like", "need", "see", "visit"};

/* Words with another task in these sentences; an invented word must not be one. */
static const char *const busy[] = {
    "a", "an", "is", "it", "if", "in", "on", "no", "not", "the", "or", "and", "all", "some", "each", "every",
    "only", "then", "they", "them", "do", "does", "are", "that", "who", "there", "one", "any", "people", "thing",
    "person", "least", "at", "forall", "exists", "true", "false", "unknown", "xor", "iff", "x"};

/* Words of the stories and prompts of other tasks that could also be invented. */
static const char *const spoken_for[] = {
    "about", "after", "afternoon", "around", "average", "back", "bag", "bake", "basket", "been", "before", "blanket",
    "book", "brick", "broken", "bucket", "but", "buy", "cable", "came", "candle", "card", "chair", "check", "clock",
    "coin", "come", "cookie", "cost", "count", "crate", "cup", "day", "divide", "doe", "drive", "drum", "earlier",
    "earn", "end", "example", "farm", "field", "final", "floor", "flute", "for", "formula", "friend", "from",
    "garden", "get", "girl", "give", "goal", "grass", "had", "hat", "have", "her", "hold", "hour", "journey", "kite",
    "lamp", "last", "left", "live", "long", "make", "many", "marble", "market", "melon", "mile", "minute", "missing",
    "monday", "money", "more", "morning", "must", "nail", "noon", "note", "notebook", "number", "onion", "open",
    "order", "out", "pack", "page", "past", "pear", "per", "photo", "pick", "plant", "plate", "play", "poster",
    "potatoe", "profit", "prove", "put", "quotient", "radio", "ratio", "read", "remain", "rent", "rest", "ride",
    "ring", "room", "sack", "save", "seed", "share", "shared", "she", "shirt", "sock", "sold", "someone", "spoon",
    "stamp", "station", "step", "sticker", "street", "string", "sum", "table", "take", "tank", "team", "than",
    "ticket", "tile", "time", "tip", "tomatoe", "total", "travel", "tray", "two", "value", "violin", "wake", "walk",
    "week", "were", "wide", "work", "would", "year", "yesterday"};

static const char *const real_adjs[] = {
    "brave", "calm", "clever", "curly", "dusty", "eager", "fancy", "gentle", "glad", "grumpy", "hollow", "honest",
    "humble", "hungry", "icy", "jolly", "lazy", "loud", "loyal", "lucky", "mild", "modern", "muddy", "narrow",
    "noble", "odd", "old", "patient", "plain", "polite", "proud", "purple", "quick", "rare", "rich", "rusty",
    "salty", "sharp", "shiny", "silent", "sleepy", "slow", "smooth", "soft", "solid", "steep", "strict", "strong",
    "tall", "tame", "tidy", "tired", "tough", "vain", "warm", "weak", "wet", "wild", "wise", "yellow", "pink",
    "grey", "black", "bold", "careful", "cheerful", "crisp", "deep", "dry", "empty", "fast", "frail", "fresh",
    "golden", "heavy", "light", "musical", "neat", "pale", "ripe", "sandy", "scarlet", "tiny", "timid", "thin"};

static const char *const real_nouns[] = {
    "actor", "artist", "baker", "barber", "builder", "carpenter", "dancer", "dentist", "doctor", "driver",
    "farmer", "gardener", "guest", "guitar", "hammer", "island", "judge", "kettle", "ladder", "lawyer", "lemon",
    "magnet", "miner", "mirror", "nurse", "officer", "painter", "pilot", "planet", "poet", "pupil", "reptile",
    "robot", "sailor", "singer", "soldier", "student", "tailor", "teacher", "tenant", "tourist", "tractor",
    "tulip", "vehicle", "waiter", "weapon", "writer", "animal", "bird", "insect", "fruit", "metal", "tree",
    "mammal", "tool", "toy", "witness", "boss", "coach", "fox", "city", "berry", "lady", "baby"};

static const char *const real_things[] = {
    "badger", "beaver", "camel", "crane", "crow", "deer", "donkey", "duck", "elk", "falcon", "ferret", "frog",
    "gecko", "goat", "goose", "hamster", "hawk", "hen", "heron", "horse", "lizard", "llama", "lynx", "mole",
    "monkey", "moose", "newt", "otter", "owl", "panda", "parrot", "penguin", "pig", "pony", "raven", "seal",
    "sheep", "snail", "snake", "swan", "toad", "turtle", "weasel", "whale", "wolf", "yak", "zebra", "baker",
    "king", "queen", "knight", "pirate", "robot", "sailor", "wizard", "clown", "farmer", "ghost", "giant"};

static const char *const real_verbs[] = {
    "admire", "amuse", "answer", "avoid", "bite", "blame", "bother", "call", "carry", "catch", "comfort", "copy",
    "defend", "doubt", "envy", "fear", "find", "follow", "forgive", "greet", "guard", "guide", "hate", "hear",
    "help", "hire", "hug", "hunt", "ignore", "kick", "know", "lead", "meet", "miss", "pay", "praise", "pull",
    "push", "remember", "respect", "scare", "serve", "smell", "splash", "teach", "tease", "thank", "touch",
    "trust", "want", "warn", "watch"};

static const struct ap_first_name first_names[] = {
    {"Ada", true},     {"Alma", true},    {"Amir", false},   {"Anton", false},  {"Arjun", false}, {"Bella", true},
    {"Ben", false},    {"Bruno", false},  {"Carla", true},   {"Carlos", false}, {"Cora", true},   {"Dalia", true},
    {"Daniel", false}, {"Diego", false},  {"Dora", true},    {"Edgar", false},  {"Elena", true},  {"Elias", false},
    {"Emma", true},    {"Farid", false},  {"Felix", false},  {"Freya", true},   {"Gina", true},   {"Goran", false},
    {"Greta", true},   {"Hana", true},    {"Hassan", false}, {"Helen", true},   {"Hugo", false},  {"Ida", true},
    {"Igor", false},   {"Ines", true},    {"Ivan", false},   {"Jack", false},   {"Jana", true},   {"Jorge", false},
    {"Julia", true},   {"Kofi", false},   {"Laura", true},   {"Leo", false},    {"Lena", true},   {"Lucas", false},
    {"Lucy", true},    {"Malik", false},  {"Maria", true},   {"Marco", false},  {"Marla", true},  {"Mei", true},
    {"Milan", false},  {"Mina", true},    {"Nadia", true},   {"Nico", false},   {"Nina", true},   {"Noah", false},
    {"Nora", true},    {"Olga", true},    {"Oscar", false},  {"Otto", false},   {"Pablo", false}, {"Paula", true},
    {"Peter", false},  {"Petra", true},   {"Priya", true},   {"Quentin", false}, {"Rosa", true},  {"Ravi", false},
    {"Rita", true},    {"Robert", false}, {"Samira", true},  {"Simon", false},  {"Sofia", true},  {"Stefan", false},
    {"Tara", true},    {"Theo", false},   {"Tina", true},    {"Tom", false},    {"Uma", true},    {"Umar", false},
    {"Vera", true},    {"Victor", false}, {"Wanda", true},   {"Walter", false}, {"Xenia", true},  {"Yara", true},
    {"Yusuf", false},  {"Zara", true},    {"Zane", false},   {"Zoe", true}};

static const char *const onsets[] = {"b",  "bl", "br", "c",  "ch", "cl", "cr", "d",  "dr", "dw", "f",  "fl",
                                     "fr", "g",  "gl", "gr", "h",  "j",  "k",  "kl", "kr", "l",  "m",  "n",
                                     "p",  "ph", "pl", "pr", "qu", "r",  "s",  "sc", "sh", "sk", "sl", "sm",
                                     "sn", "sp", "st", "str", "sw", "t", "th", "tr", "tw", "v",  "w",  "y",
                                     "z",  "zh", "b",  "d",  "f",  "g",  "h",  "j",  "k",  "l",  "m",  "n",
                                     "p",  "r",  "s",  "t",  "v",  "w",  "y",  "z"};
static const char *const vowels[] = {"a", "e", "i", "o", "u", "a", "e", "i", "o", "u", "a", "e",
                                     "i", "o", "u", "ai", "ee", "ea", "oo", "ou"};
static const char *const codas[] = {"",   "",   "",   "b",  "ck", "d",  "g",  "l",  "m",  "n",  "p",  "r",  "t",
                                    "x",  "z",  "ft", "lb", "ld", "lk", "lm", "lp", "mb", "mp", "nd", "ng", "nk",
                                    "nt", "rb", "rd", "rg", "rk", "rl", "rm", "rn", "rp", "rt", "sk", "sp", "st",
                                    "v",  "f",  "k",  "ss"};
static const char *const noun_ends[] = {"",   "",  "",    "us", "us", "us",  "le", "er",
                                        "in", "o", "ock", "et", "or", "ist", "y",  "ian"};
static const char *const adj_ends[] = {"", "", "y", "y", "ish", "al", "ent", "ic", "ous", "ful", "ive", "less", "ant"};
static const char *const verb_ends[] = {"", "", "", "e", "le", "er", "en"};
static const char *const name_ends[] = {"", "", "a", "o", "i", "y", "in", "el", "us", "ette", "an", "ie", "ix"};

#define PICK(rng, list) ((list)[ap__rng_below(rng, (uint32_t)COUNT(list))])

const struct ap_first_name *ap__first_names(int32_t *n)
{
    *n = COUNT(first_names);
    return first_names;
}

static bool is_listed(const char *text, const char *const *list, int32_t n)
{
    for (int32_t i = 0; i < n; i++)
        if (strcasecmp(text, list[i]) == 0)
            return true;
    return false;
}

bool ap__word_reserved(const char *text)
{
    return is_listed(text, reserved, COUNT(reserved));
}

/* ---- drawing ---- */

static void add(char *word, const char *part)
{
    size_t n = strlen(word), m = strlen(part);
    if (n + m < AP_WORD_TEXT)
        memcpy(word + n, part, m + 1);
}

/* What the words of one problem have in common. */
struct family {
    bool alike, hard;
    char tail[AP_WORD_TEXT]; /* "imbus" when nouns look alike */
    const char *twin;        /* an earlier word to begin with, or NULL */
};

static bool is_vowel(char c)
{
    return strchr("aeiou", c) != NULL;
}

/* The first two to four letters of another word, in lower case. */
static void begin_as(struct ap_rng *rng, const char *other, char *out)
{
    size_t keep = 2 + ap__rng_below(rng, 3), have = strcspn(other, " ");
    for (size_t i = 0; i < keep && i + 1 < have; i++)
        add(out, (char[]){(char)tolower((unsigned char)other[i]), '\0'});
}

/* Nouns whose plural hides how they end: -ies of -y, -es of what hisses. */
static void add_hard_end(struct ap_rng *rng, char *out)
{
    static const char *const hissing[] = {"ss", "x", "sh", "ch"};
    bool vowel = is_vowel(out[strlen(out) - 1]);
    if (ap__rng_below(rng, 3) != 0)
        add(out, vowel ? "my" : "y");
    else if (vowel)
        add(out, PICK(rng, hissing));
    else
        add(out, "ish");
}

static void invent(struct ap_rng *rng, enum ap_word_kind kind, const struct family *family, char *out)
{
    static const struct {
        const char *const *list;
        int32_t n;
    } ends[] = {[AP_WORD_NAME] = {name_ends, COUNT(name_ends)},
                [AP_WORD_THING] = {noun_ends, COUNT(noun_ends)},
                [AP_WORD_ADJ] = {adj_ends, COUNT(adj_ends)},
                [AP_WORD_NOUN] = {noun_ends, COUNT(noun_ends)},
                [AP_WORD_VERB] = {verb_ends, COUNT(verb_ends)}};
    out[0] = '\0';
    if (family->alike && kind == AP_WORD_NOUN && ap__rng_below(rng, 8) != 0) {
        if (ap__rng_below(rng, 12) != 0)
            add(out, PICK(rng, onsets));
        add(out, family->tail);
        return;
    }
    if (family->twin)
        begin_as(rng, family->twin, out);
    else if (ap__rng_below(rng, 10) != 0)
        add(out, PICK(rng, onsets));
    if (out[0] == '\0' || !is_vowel(out[strlen(out) - 1]))
        add(out, PICK(rng, vowels));
    add(out, PICK(rng, codas));
    for (uint32_t percent = 30; strlen(out) < 6 && ap__rng_below(rng, 100) < percent; percent /= 2) {
        add(out, PICK(rng, vowels));
        add(out, PICK(rng, codas));
    }
    if (family->hard && kind == AP_WORD_NOUN && ap__rng_below(rng, 2) == 0)
        add_hard_end(rng, out);
    else if (strlen(out) < 7)
        add(out, ends[kind].list[ap__rng_below(rng, (uint32_t)ends[kind].n)]);
}

static const char *pick_real(struct ap_rng *rng, enum ap_word_kind kind)
{
    switch (kind) {
    case AP_WORD_NAME:
        return first_names[ap__rng_below(rng, (uint32_t)COUNT(first_names))].text;
    case AP_WORD_THING:
        return PICK(rng, real_things);
    case AP_WORD_ADJ:
        return PICK(rng, real_adjs);
    case AP_WORD_NOUN:
        return PICK(rng, real_nouns);
    case AP_WORD_VERB:
        return PICK(rng, real_verbs);
    }
    return "";
}

/* One word or "tall crane": only things may have two. */
static void draw_one(struct ap_rng *rng, uint32_t real_percent, const struct family *family, enum ap_word_kind kind,
                     char *out)
{
    out[0] = '\0';
    if (kind == AP_WORD_THING && ap__rng_below(rng, 100) < (family->hard ? 55 : 12)) {
        draw_one(rng, real_percent, family, AP_WORD_ADJ, out);
        out[12] = '\0';
        add(out, " ");
    }
    char word[AP_WORD_TEXT] = "";
    if (ap__rng_below(rng, 100) < real_percent)
        add(word, pick_real(rng, kind));
    else
        invent(rng, kind, family, word);
    word[14] = '\0';
    add(out, word);
    if (kind == AP_WORD_NAME)
        out[0] = (char)toupper((unsigned char)out[0]);
}

static bool has_reserved(const char *text)
{
    char part[AP_WORD_TEXT];
    while (*text) {
        size_t n = strcspn(text, " ");
        memcpy(part, text, n);
        part[n] = '\0';
        if (n < 3 || ap__word_reserved(part) || is_listed(part, busy, COUNT(busy)) ||
            is_listed(part, spoken_for, COUNT(spoken_for)))
            return true;
        text += n + (text[n] == ' ');
    }
    return false;
}

/* Two words clash when a formula or a reader could take one for the other. */
static bool clashes(const struct ap_word *words, int32_t n, const char *text)
{
    size_t len = strlen(text);
    for (int32_t i = 0; i < n; i++) {
        size_t other = strlen(words[i].text), shorter = len < other ? len : other;
        if (strncasecmp(words[i].text, text, shorter) == 0 && (len > other ? len - other : other - len) <= 2)
            return true;
    }
    return false;
}

void ap__words_draw(uint64_t key, enum ap_likeness likeness, struct ap_word *words, int32_t n)
{
    struct ap_rng rng = ap__rng_make(key, "words", 0, 0, 0);
    struct family family = {0};
    add(family.tail, PICK(&rng, vowels));
    do
        family.tail[1] = '\0', add(family.tail, PICK(&rng, codas));
    while (family.tail[1] == '\0');
    add(family.tail, ap__rng_below(&rng, 3) != 0 ? "us" : PICK(&rng, noun_ends));
    uint32_t real_percent = (uint32_t[]){0, 10, 25, 60}[ap__rng_below(&rng, 4)];
    for (int32_t i = 0; i < n; i++) {
        int32_t tries = 0;
        do {
            bool hopeful = tries++ < 60; /* a small family runs out */
            family.alike = likeness == AP_WORDS_ALIKE && hopeful;
            family.hard = likeness == AP_WORDS_HARD;
            family.twin = family.hard && hopeful && i > 0 && ap__rng_below(&rng, 2) != 0
                              ? words[ap__rng_below(&rng, (uint32_t)i)].text
                              : NULL;
            draw_one(&rng, real_percent, &family, words[i].kind, words[i].text);
        } while (has_reserved(words[i].text) || clashes(words, i, words[i].text));
    }
}

/* ---- bending ---- */

static bool hisses(const char *word)
{
    return ap__ends_with(word, "s") || ap__ends_with(word, "x") || ap__ends_with(word, "z") ||
           ap__ends_with(word, "ch") || ap__ends_with(word, "sh");
}

static void add_s(struct ap_buf *out, const char *word)
{
    size_t n = strlen(word);
    if (hisses(word))
        (void)ap__buf_printf(out, "%ses", word);
    else if (n > 1 && word[n - 1] == 'y' && !is_vowel(word[n - 2]))
        (void)ap__buf_printf(out, "%.*sies", (int)n - 1, word);
    else
        (void)ap__buf_printf(out, "%ss", word);
}

void ap__word_plural(struct ap_buf *out, const char *noun)
{
    add_s(out, noun);
}

void ap__word_third(struct ap_buf *out, const char *verb)
{
    add_s(out, verb);
}

void ap__word_article(struct ap_buf *out, const char *noun)
{
    (void)ap__buf_printf(out, "%s %s", is_vowel(noun[0]) ? "an" : "a", noun);
}

void ap__word_symbol(struct ap_buf *out, const struct ap_word *word)
{
    char text[AP_WORD_TEXT];
    bool predicate = word->kind >= AP_WORD_ADJ;
    snprintf(text, sizeof text, "%s", word->text);
    for (char *c = text; *c; c++)
        *c = (char)(*c == ' ' ? '_' : predicate && c == text ? toupper((unsigned char)*c) : tolower((unsigned char)*c));
    if (word->kind == AP_WORD_VERB)
        add_s(out, text);
    else
        (void)ap__buf_puts(out, text);
}
