/* tokenizer_fixture.h - opens the tokenizers that tests have beside them; include after cmocka. */
#ifndef AP_TOKENIZER_FIXTURE_H
#define AP_TOKENIZER_FIXTURE_H

#include "model/tokenizer.h"

static inline struct ap_tokenizer *open_at(const char *path)
{
    struct ap_tokenizer *tok = NULL;
    struct ap_err err = {0};
    if (ap__tokenizer_open(path, &tok, &err) != AP_OK)
        fail_msg("%s: %s", err.place, err.message);
    return tok;
}

#endif
