/* What the demo's two files share: the run, and the table it ends in. */
#ifndef CLI_DEMO_H
#define CLI_DEMO_H

#include "demo_tally.h"
#include "gateway_child.h"
#include "out.h"
#include "program.h"
#include "session.h"

typedef struct demo demo;

/* One of the demo's two acts: the same pool, asked for different things. */
typedef struct demo_pass {
  enum leat_http http;
  uint64_t chats, tasks;
  int connections;
  uint64_t ttft_us, gap_us, jitter_us; /* the gateway's cadence */
} demo_pass;

/* One chat or task, and how far its bytes have been compared. */
typedef struct demo_part {
  demo *demo;
  leat_id id;
  uint64_t seed, at; /* at: bytes compared; of a chat's pieces within the current one */
  uint32_t piece, pieces;
  bool wrong, verified;
} demo_part;

typedef struct demo_sums {
  uint64_t done, failed, verified, bytes, polls;
} demo_sums;

struct demo {
  const cli_options *options;
  const demo_pass *pass;
  cli_session session;
  cli_gateway_child gateway;
  demo_part *chats, *tasks;
  uint64_t chat_count, task_count, begun;
  int connections;
  uint64_t seed;
  demo_sums chat_sums, task_sums;
  uint64_t tokens;
  demo_tally tally;
  lti_buf gateway_stats; /* JSON: what the gateway says it sent */
  uint64_t gateway_events, gateway_streams, gateway_peak;
  demo_tally_process process;
};

/* Every byte came, and both sides count the same. */
bool demo_is_verified(const demo *d);
void demo_table(const demo *d, cli_out *out);
bool demo_json(const demo *d, cli_out *out);

#endif
