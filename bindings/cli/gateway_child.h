/* The mock gateway in a child process, for the demo: forked before any engine exists, so that the
 * two share nothing and what getrusage says of this process is the client's alone. The child ends
 * when it is stopped, and when its parent dies. */
#ifndef CLI_GATEWAY_CHILD_H
#define CLI_GATEWAY_CHILD_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/buf.h"
#include "bench/mock/mock.h"

typedef struct cli_gateway_child {
  pid_t pid;
  int port;
  lti_buf ca_pem;
} cli_gateway_child;

/* Starts it and waits until it listens. `config`'s port and CA file are chosen here. False, and
 * said, on failure. */
bool cli_gateway_child_start(cli_gateway_child *child, mock_config *config);
void cli_gateway_child_stop(cli_gateway_child *child);

#endif
