/* functions_yaml.h - an entry of a task's `functions:` that is more than a name.
 *
 *   - plugin: ./libgeo.so            a C plug-in, all its functions or those named
 *     functions: [Distance]
 *   - command: [./words.sh, -l]      a program: JSON arguments in, its result out
 *     name: Words
 *     description: counts the words of a text.
 *     parameters: {text: string, least: {type: integer, default: 1}}       or a whole JSON Schema
 *     example: Words(text='one two')
 *     pure: true
 *   - mcp: [python3, server.py]      an MCP server that is a program, or
 *     mcp: https://host/mcp          streamable HTTP
 *     headers: {X-Team: blue}
 *     key_env: TOKEN                 "Authorization: Bearer $TOKEN"
 *     tools: [search]                only these
 *     prefix: web_
 *     session: chain                 a server per chain; else one for the task
 *     pure: [search]
 *
 * and for programs: timeout, memory (MiB), cpu (seconds), file (MiB), output
 * (KiB), network, env: [NAME, NAME=VALUE].  Programs run in the task's folder. */
#ifndef AP_FUNCTIONS_YAML_H
#define AP_FUNCTIONS_YAML_H

#include "base/yaml.h"
#include "functions/registry.h"

/* Errors have the line of the entry. */
ap_status ap__functions_add_yaml(struct ap_registry *registry, const struct ap_yaml_doc *doc,
                                 const struct ap_yaml *entry, struct ap_err *err) AP_MUST_CHECK;

#endif
