/* model_info.h - what `apprentice model info` prints. */
#ifndef AP_MODEL_INFO_H
#define AP_MODEL_INFO_H

#include "base/status.h"
#include <stdbool.h>

/* Describe the model at path, a folder or a GGUF file, on stdout: shape, formats, memory for each purpose. */
ap_status ap__model_info(const char *path, bool as_json, struct ap_err *err) AP_MUST_CHECK;

#endif
