/* fuzz_safetensors.c - libFuzzer entry: bytes as a safetensors file, every tensor read.
 *
 *     make fuzz FUZZ=safetensors
 *
 * The input is the header and data; the length before it is put right here
 * unless the first byte is '!'. */
#include "model/safetensors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static int file = -1;
static char path[64];

static void write_file(const uint8_t *data, size_t size)
{
    uint64_t length = 0;
    if (file < 0) {
        file = memfd_create("fuzz", 0);
        snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    }
    if (ftruncate(file, 0) != 0 || lseek(file, 0, SEEK_SET) != 0)
        abort();
    for (size_t i = 0, depth = 0; i < size && length == 0; i++) { /* the header ends with its last bracket */
        depth += data[i] == '{';
        if (data[i] == '}' && --depth == 0)
            length = i + 1;
    }
    if (size > 0 && data[0] != '!' && write(file, &length, sizeof length) < 0)
        abort();
    if (write(file, data, size) < 0)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ap_safetensors *st = NULL;
    struct ap_err err;
    write_file(data, size);
    if (ap__safetensors_open(path, &st, &err) != AP_OK)
        return 0;
    unsigned sum = 0;
    for (size_t i = 0; i < ap__safetensors_count(st); i++) {
        struct ap_tensor_view view;
        if (ap__safetensors_get(st, ap__safetensors_name(st, i), &view, &err) != AP_OK)
            continue;
        for (size_t k = 0; k < view.bytes; k++)
            sum += ((const uint8_t *)view.data)[k];
    }
    ap__safetensors_free(st);
    return sum == 0xFFFFFFFF; /* keep the reads */
}
