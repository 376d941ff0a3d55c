/* From options and environment to how connections are made: which HTTP, how many connections and
 * streams, through which proxy, with which client certificate, and up to which TLS.
 *
 * The proxy is --proxy, which serves every origin; else, for an https gateway, https_proxy and
 * HTTPS_PROXY; else all_proxy and ALL_PROXY. An empty --proxy means none, whatever the environment
 * says. --no-proxy comes before no_proxy and NO_PROXY, and holds for --proxy as well. A Unix
 * socket is reached through none. */
#ifndef CLI_TRANSPORT_H
#define CLI_TRANSPORT_H

#include <stdbool.h>

#include "leat.h"
#include "options.h"

/* Fills `config`, whose base_url is set, with views of `options` and of the environment. False, and
 * said, when something cannot be used. */
bool cli_transport_fill(leat_config *config, const cli_options *options);

#endif
