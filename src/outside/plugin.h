/* plugin.h - loads a C plug-in (apprentice_plugin.h); its functions are then sets and names like the built-in ones. */
#ifndef AP_PLUGIN_LOAD_H
#define AP_PLUGIN_LOAD_H

#include "apprentice_plugin.h"
#include "base/alloc.h"

/* Load the library at path, once per program, and offer its functions (ap__registry_offer).
 * *out, which may be NULL: what it offers.  Says what is wrong with a library that is none. */
ap_status ap__plugin_load(const char *path, const struct ap_plugin **out, struct ap_err *err) AP_MUST_CHECK;

#endif
