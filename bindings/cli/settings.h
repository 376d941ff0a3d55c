/* From options and environment to a leat_config: the gateway, the key, trust, deadlines, trace,
 * and what transport.h takes from them.
 *
 * The key comes from --api-key, --key-file, LEAT_API_KEY, or the protocol's usual variable, in that
 * order; none means that no Authorization header is sent. It is copied into our own memory,
 * registered with cli_say_secret, and overwritten by cli_settings_free. */
#ifndef CLI_SETTINGS_H
#define CLI_SETTINGS_H

#include <stdbool.h>

#include "base/buf.h"
#include "options.h"

typedef struct cli_settings {
  leat_config config;
  lti_buf key;
  lti_buf ca_pem;
  lti_buf base;
  leat_header *headers;
  leat_limit limit;
  const char *provider_key; /* the variable of a provider that the key is from, NULL: it is not */
  int trace_fd;             /* -1: none */
  uint64_t trace_start_ns;
} cli_settings;

/* False, and said, when something cannot be used. cli_settings_free is due in any case. */
bool cli_settings_init(cli_settings *settings, const cli_options *options);
void cli_settings_free(cli_settings *settings);

#endif
