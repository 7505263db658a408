/* pattern.h - the regular expressions of a tokenizer.json, run by PCRE2.
 *
 * Tokenizer files are written for Oniguruma (Ruby syntax, Unicode classes).
 * Compiling translates what differs; what has no counterpart is an error.
 * A pattern is immutable and may be shared; matches are the caller's. */
#ifndef AP_PATTERN_H
#define AP_PATTERN_H

#include "base/json.h"

struct ap_pattern;

/* Bytes [start, start + len) of some text. */
struct ap_piece {
    uint32_t start, len;
};

/* Matches of one search, reused from search to search. Zero-initialise. */
struct ap_matches {
    struct ap_piece *at; /* (n,) in order, not overlapping; may be empty pieces */
    size_t n, cap;
    void *scratch; /* PCRE2 match data */
};
void ap__matches_deinit(struct ap_matches *m);

/* spec: {"String": s} (literal), {"Regex": s}. place names the file. */
ap_status ap__pattern_new(const json_t *spec, const char *place, struct ap_pattern **out, struct ap_err *err) AP_MUST_CHECK;
ap_status ap__pattern_compile(const char *regex, const char *place, struct ap_pattern **out,
                              struct ap_err *err) AP_MUST_CHECK;
ap_status ap__pattern_literal(const char *text, const char *place, struct ap_pattern **out,
                              struct ap_err *err) AP_MUST_CHECK;
void ap__pattern_free(struct ap_pattern *p);

/* All matches in text, which must be valid UTF-8; overwrites m->at. AP_E_LIMIT when PCRE2 gives up. */
ap_status ap__pattern_find(const struct ap_pattern *p, const char *text, size_t len, struct ap_matches *m,
                           struct ap_err *err) AP_MUST_CHECK;

#endif
