/* The engine's copy of its configuration: defaults resolved, texts copied into one block, and its
 * contradictions found. */
#ifndef LTI_CONFIG_H
#define LTI_CONFIG_H

#include "core/engine.h"

/* Is struct_size one that this library, or an older one, has had? NULL is fine. */
bool lti_config_sized(const leat_config *config);
/* Reads `config`, which is sized (NULL: all defaults) into the engine. LEAT_EINVAL with a static
 * text in `*message`, LEAT_EURL with one for the proxy, LEAT_ENOMEM. Behind it every number of
 * engine->config is the one that holds (LEAT_NONE where it is off), `proxy` and `no_proxy` are NULL
 * or not empty, and a certificate has a key. All texts lie in one block that lti_config_free wipes.
 */
int lti_config_read(leat_engine *e, const leat_config *config, const char **message);
void lti_config_free(leat_engine *e);
/* Is it one of the three there are? What comes from a caller may be any number. */
bool lti_config_http_ok(enum leat_http http);
/* Deadlines of one request: its own, else the engine's. LEAT_EINVAL for an absurd one. */
int lti_config_deadlines(const leat_engine *e, const leat_deadlines *own, bool stream,
                         leat_deadlines *out);

#endif
