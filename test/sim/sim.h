/* A world without a kernel: a virtual clock, a network and a resolver, all from one seed.
 *
 * sim_loop.c, sim_sock.c and sim_dns.c implement engine/io/{loop,sock,dns}.h in this world; a whole
 * engine linked to them runs without a descriptor, a thread or a wait. The loop to live on is the
 * world itself: config.loop = sim_uv(world). One engine at a time. What a client sends reaches a
 * `sim_host`, which sim_server.c is one of. Everything of the world lives until sim_free, so that a
 * stale event finds what it points at; only what the engine allocates comes from its allocator. */
#ifndef TEST_SIM_H
#define TEST_SIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/list.h"
#include "base/prng.h"
#include "base/slice.h"

#define SIM_US 1000ull
#define SIM_MS (1000 * SIM_US)
#define SIM_S  (1000 * SIM_MS)

/* Chances are in thousandths. May be changed while the world runs. */
typedef struct sim_weather {
  unsigned refused, unreachable; /* a connect is refused, or fails at once */
  unsigned syn_lost;             /* a connect gets no answer */
  unsigned short_send;           /* a send takes a part, or nothing for a while */
  size_t read_max;               /* longest read [the slab] */
  bool read_random;              /* reads of any length up to it */
  size_t window;                 /* bytes of a client that may be under way [65536] */
  uint64_t latency_ns;           /* of every segment, plus up to as much again */
  size_t descriptors;            /* sockets that may be open at once; 0: any number */
  unsigned name_again;           /* a lookup fails for now */
} sim_weather;

typedef struct sim sim;
typedef struct sim_link sim_link;

/* Who answers: one for all addresses and ports. */
typedef struct sim_host {
  void *(*opened)(void *ctx, sim_link *link); /* gives the peer */
  void (*bytes)(void *peer, leat_slice bytes);
  void (*ended)(void *peer); /* the client has closed */
  void *ctx;
} sim_host;

typedef struct sim_event {
  uint64_t at, order;
  void (*run)(void *ctx);
  void *ctx;
  bool ours; /* keeps the loop alive, as a timer of the embedder does */
} sim_event;

struct sim {
  uint64_t now, seed;
  lti_prng prng;
  sim_weather weather;
  sim_host host;
  int64_t wall_ms;
  struct lti_loop *loop;
  lti_list socks, closing, links;
  size_t socks_open, socks_peak, lookups, connects;
  sim_event *events;
  size_t event_count, event_capacity, ours;
  uint64_t order, passes;
  bool owned; /* how the loop calls itself: leat_run works */
  bool stuck; /* something was alive but nothing could ever happen */
};

sim *sim_new(uint64_t seed);
/* No engine may live. */
void sim_free(sim *w);
struct uv_loop_s *sim_uv(sim *w);

/* One pass of the loop, sleeping as long as nothing happens. False when nothing is alive any more,
 * or `stuck`. */
bool sim_pass(sim *w);
/* Passes until nothing is alive, or the clock passes `until_ns` from now; false then. */
bool sim_run(sim *w, uint64_t until_ns);

/* Happens later. `ours`: see sim_event. */
void sim_after(sim *w, uint64_t delay_ns, void (*run)(void *ctx), void *ctx);
void sim_ours_after(sim *w, uint64_t delay_ns, void (*run)(void *ctx), void *ctx);

/* Uniform in [0, bound); 0 for 0. */
uint64_t sim_below(sim *w, uint64_t bound);
bool sim_chance(sim *w, unsigned thousandths);

/* ---- the far end of a link */

void sim_link_send(sim_link *l, leat_slice bytes);
/* Sends FIN. `half`: goes on reading; else later bytes of the client are answered with a reset. */
void sim_link_fin(sim_link *l, bool half);
void sim_link_reset(sim_link *l);
/* Nothing arrives any more, either way. */
void sim_link_lose(sim_link *l);
/* All that there are now: the network has changed. */
void sim_links_lose(sim *w);
/* Does not read any more: the client's window fills. */
void sim_link_deafen(sim_link *l);
/* Stops reading for a while, and goes on. */
void sim_link_read(sim_link *l, bool on);
sim *sim_link_world(sim_link *l);
uint16_t sim_link_port(const sim_link *l);

/* ---- between the files of the world */

/* Sockets that are open, or being opened, to a port. */
size_t sim_socks_at(const sim *w, uint16_t port);
bool sim_socks_ready(sim *w);
void sim_socks_serve(sim *w);
void sim_socks_reap(sim *w);
void sim_links_free(sim *w);

#endif
