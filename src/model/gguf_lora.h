/* gguf_lora.h - reads LoRA adapters that llama.cpp uses (ap__gguf_write_lora writes them). */
#ifndef AP_GGUF_LORA_H
#define AP_GGUF_LORA_H

#include "model/lora.h"

/* Attach the adapter of a .gguf file to the model of the same architecture. */
ap_status ap__gguf_lora_load(struct ap_model *m, const char *path, struct ap_err *err) AP_MUST_CHECK;

#endif
