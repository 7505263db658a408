/* fuzz_chat.c - what a chat server says: the first byte says which reader gets the rest.
 *
 *   A completion -> call text, tokens     E refusal -> one line     R value of Retry-After -> seconds */
#include "base/text.h"
#include "llm/chat.h"
#include "llm/pace.h"

#include <stdlib.h>
#include <string.h>

static void fuzz_answer(const char *text, size_t len)
{
    struct ap_chat_answer a;
    if (ap__chat_answer_read(text, len, &a, NULL) != AP_OK)
        return;
    size_t n = strlen(a.text);
    if (n > AP_CHAT_MAX_TEXT || !ap__utf8_valid(a.text, n) || a.finish == AP_FINISH_ERROR || a.prompt_tokens < 0 ||
        a.completion_tokens < 0 || a.cached_tokens < 0 || a.cached_tokens > a.prompt_tokens)
        abort();
    ap__chat_answer_deinit(&a);
}

static void fuzz_refusal(const char *text, size_t len)
{
    char words[80];
    ap__chat_error_read(text, len, words, sizeof words);
    for (const char *c = words; *c; c++)
        if ((unsigned char)*c < ' ' || *c == 127)
            abort(); /* it ends on terminals */
    if (!ap__utf8_valid(words, strlen(words)))
        abort();
}

static void fuzz_retry(const char *text, size_t len)
{
    char value[64];
    size_t n = len < sizeof value - 1 ? len : sizeof value - 1;
    memcpy(value, text, n);
    value[n] = '\0';
    double seconds = ap__retry_after(value, 1445412480);
    if (!(seconds == -1 || (seconds >= 0 && seconds <= AP_RETRY_LONGEST)))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    const char *text = (const char *)data + 1;
    switch (data[0]) {
    case 'A': fuzz_answer(text, size - 1); break;
    case 'E': fuzz_refusal(text, size - 1); break;
    case 'R': fuzz_retry(text, size - 1); break;
    default: break;
    }
    return 0;
}
