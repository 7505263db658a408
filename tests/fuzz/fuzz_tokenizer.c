/* fuzz_tokenizer.c - libFuzzer entry: bytes as a tokenizer.json, and as text for tokenizers that are right.
 *
 *     make fuzz FUZZ=tokenizer
 *
 * Run it in the source tree.  What is no JSON is taken as text: it must come
 * back from its ids as it was. */
#include "model/tokenizer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static const char *const folders[] = {"bundled", "split", "byte-fallback"};
static struct ap_tokenizer *good[3];
static int file = -1;
static char path[64];

static void set_up(void)
{
    struct ap_err err;
    if (file >= 0)
        return;
    file = memfd_create("fuzz", 0);
    snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    for (int i = 0; i < 3; i++) {
        char folder[128];
        snprintf(folder, sizeof folder, "tests/data/tokenizer/%s", folders[i]);
        if (ap__tokenizer_open(folder, &good[i], &err) != AP_OK)
            abort();
    }
}

static void encode_decode(const struct ap_tokenizer *tok, const char *text, size_t len, bool must_return)
{
    struct ap_ids ids = {0};
    struct ap_buf back;
    struct ap_err err;
    ap__buf_init(&back, 0);
    ap_status status = ap__tokenizer_encode(tok, text, len, !must_return, &ids, &err);
    if (status == AP_OK)
        status = ap__tokenizer_decode(tok, ids.id, ids.n, true, &back, &err);
    bool same = status == AP_OK && back.len == len && (len == 0 || memcmp(back.data, text, len) == 0);
    bool changed = memmem(text, len, "\xE2\x96\x81", 3) != NULL; /* byte-fallback reads U+2581 as a space */
    if (must_return && !same && !changed)
        abort();
    ap__buf_deinit(&back);
    ap__ids_deinit(&ids);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ap_tokenizer *tok = NULL;
    struct ap_err err;
    set_up();
    if (size == 0 || data[0] != '{') {
        for (int i = 0; i < 3; i++)
            encode_decode(good[i], (const char *)data, size, true);
        return 0;
    }
    if (ftruncate(file, 0) != 0 || lseek(file, 0, SEEK_SET) != 0 || write(file, data, size) < 0)
        abort();
    if (ap__tokenizer_open(path, &tok, &err) == AP_OK)
        encode_decode(tok, "Each  word 12<end> \xFFq\xC3\xA9 <s>ab ab", 31, false);
    ap__tokenizer_free(tok);
    return 0;
}
