/* recipe_remote.h - the `teacher:` of a recipe that lives behind a URL. */
#ifndef AP_RECIPE_REMOTE_H
#define AP_RECIPE_REMOTE_H

#include "run/recipe.h"

/* Does the section describe a remote teacher? */
bool ap__recipe_is_remote(const struct ap_yaml *map);
/* Fill actor->remote from the section; texts are borrowed from the document.  Keys that local and remote actors share
 * (samples, temperatures) are the caller's. */
ap_status ap__recipe_read_remote(struct ap_yaml_doc *doc, const struct ap_yaml *map, struct ap_recipe_actor *actor,
                                 struct ap_err *err) AP_MUST_CHECK;
void ap__recipe_remote_deinit(struct ap_recipe_actor *actor);
/* "text" or "tools". */
bool ap__chat_style_read(const char *text, enum ap_chat_style *out);

#endif
