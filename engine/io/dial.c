/* Dialling: see dial.h. An attempt that has failed leaves an empty place in `tries`; the error that
 * is told at the end is the last one, since each address had its chance. */
#include "io/dial.h"

#include <stdio.h>

#include "base/error.h"
#include "base/url.h"

#define STAGGER_NS    (250ull * 1000 * 1000)
#define UNIX_AGAIN_NS (5ull * 1000 * 1000) /* doubled with each try, up to STAGGER_NS */

typedef struct dial_try {
  lti_dial *dial;
  lti_sock *sock;
} dial_try;

struct lti_dial {
  const lti_dial_env *env;
  lti_dial_owner owner;
  lti_dial **slot; /* the owner's pointer, set to NULL when the dial ends */
  lti_dns_wait wait;
  lti_alarm alarm;
  lti_addrs addrs;
  size_t next, pending;
  dial_try tries[LTI_DNS_ADDRS_MAX];
  int error, native;
  bool resolving, unix_socket;
  uint64_t again_ns; /* how long a Unix socket is waited for next */
  uint16_t port;
  char host[LTI_URL_HOST_MAX + 1];
};

static void on_names(lti_dns_wait *wait, int error, int native, const lti_addrs *addrs);
static void on_stagger(lti_alarm *alarm, uint64_t now_ns);
static void on_connected(void *ctx, int error, int native);
static void on_bytes(void *ctx, leat_slice bytes, uint64_t stamp_ns);
static void on_ended(void *ctx, int native);
static void on_writable(void *ctx);

static const lti_sock_sink try_sink = {on_connected, on_bytes, on_ended, on_writable};

static void dial_free(lti_dial *d, lti_sock *keep) {
  lti_dns_cancel(&d->wait);
  for (size_t i = 0; i < d->next; i++)
    if (d->tries[i].sock && d->tries[i].sock != keep) lti_sock_close(d->tries[i].sock);
  lti_alarm_leave(d->env->alarms, &d->alarm);
  *d->slot = NULL;
  lti_alloc_put(d->env->alloc, d);
}

static void finish(lti_dial *d, int error, int native, lti_sock *sock) {
  lti_dial_owner owner = d->owner;
  dial_free(d, sock);
  owner.sink->done(owner.ctx, error, native, sock);
}

/* Tries the next address; several when they fail at once. */
static void try_next(lti_dial *d) {
  while (d->next < d->addrs.count) {
    dial_try *t = &d->tries[d->next];
    const lti_addr *addr = &d->addrs.list[d->next++];
    t->dial = d;
    int native = 0;
    int r = lti_sock_open(d->env->loop, addr, (lti_sock_owner){&try_sink, t}, &t->sock, &native);
    if (r == LTI_OK) {
      d->pending++;
      break;
    }
    t->sock = NULL;
    d->error = r;
    d->native = native;
  }
  if (d->pending == 0) {
    if (!d->unix_socket) lti_dns_forget(d->env->dns, d->host);
    finish(d, d->error, d->native, NULL);
    return;
  }
  lti_alarm_set(d->env->alarms, &d->alarm,
                d->next < d->addrs.count ? lti_loop_clock(d->env->loop) + STAGGER_NS : UINT64_MAX);
}

/* The one address that needs no name. */
static void try_unix(lti_dial *d) {
  dial_try *t = &d->tries[0];
  int native = 0;
  t->dial = d;
  d->next = 1;
  int r =
      lti_sock_open_unix(d->env->loop, d->host, (lti_sock_owner){&try_sink, t}, &t->sock, &native);
  if (r == LTI_OK) {
    d->pending = 1;
    return;
  }
  t->sock = NULL;
  if (r != LTI_AGAIN) {
    finish(d, r, native, NULL);
    return;
  }
  lti_alarm_set(d->env->alarms, &d->alarm, lti_loop_clock(d->env->loop) + d->again_ns);
  d->again_ns = d->again_ns < STAGGER_NS / 2 ? d->again_ns * 2 : STAGGER_NS;
}

int lti_dial_start(const lti_dial_env *env, const lti_dial_target *target, lti_dial_owner owner,
                   lti_dial **dial) {
  lti_dial *d = lti_alloc_zero(env->alloc, sizeof *d);
  if (!d) return LEAT_ENOMEM;
  d->env = env;
  d->owner = owner;
  d->slot = dial;
  d->port = target->port;
  d->unix_socket = target->unix_socket;
  d->again_ns = UNIX_AGAIN_NS;
  d->error = LEAT_ERESOLVE;
  snprintf(d->host, sizeof d->host, "%s", target->host);
  lti_list_init(&d->wait.node);
  d->wait.done = on_names;
  if (lti_alarm_join(env->alarms, &d->alarm, on_stagger) != LTI_OK) {
    lti_alloc_put(env->alloc, d);
    return LEAT_ENOMEM;
  }
  *dial = d;
  if (d->unix_socket) {
    try_unix(d);
    return LTI_OK;
  }
  int r = lti_dns_find(env->dns, d->host, d->port, &d->addrs, &d->wait);
  if (r == LTI_AGAIN)
    d->resolving = true;
  else if (r != LTI_OK)
    finish(d, r, 0, NULL);
  else
    try_next(d);
  return LTI_OK;
}

void lti_dial_cancel(lti_dial *d) {
  dial_free(d, NULL);
}

bool lti_dial_resolving(const lti_dial *d) {
  return d->resolving;
}

static void on_names(lti_dns_wait *wait, int error, int native, const lti_addrs *addrs) {
  lti_dial *d = LTI_CONTAINER_OF(wait, lti_dial, wait);
  d->resolving = false;
  if (error != LTI_OK) {
    finish(d, error, native, NULL);
    return;
  }
  d->addrs = *addrs;
  for (size_t i = 0; i < d->addrs.count; i++) {
    if (d->addrs.list[i].any.sa_family == AF_INET6)
      d->addrs.list[i].v6.sin6_port = htons(d->port);
    else
      d->addrs.list[i].v4.sin_port = htons(d->port);
  }
  try_next(d);
}

static void on_stagger(lti_alarm *alarm, uint64_t now_ns) {
  lti_dial *d = LTI_CONTAINER_OF(alarm, lti_dial, alarm);
  (void)now_ns;
  if (d->unix_socket)
    try_unix(d);
  else
    try_next(d);
}

static void on_connected(void *ctx, int error, int native) {
  dial_try *t = ctx;
  lti_dial *d = t->dial;
  if (error == LTI_OK) {
    finish(d, LTI_OK, 0, t->sock);
    return;
  }
  lti_sock_close(t->sock);
  t->sock = NULL;
  d->pending--;
  d->error = error;
  d->native = native;
  try_next(d);
}

/* Nothing of these comes before `connected`, and after it the socket has another owner. */
static void on_bytes(void *ctx, leat_slice bytes, uint64_t stamp_ns) {
  (void)ctx, (void)bytes, (void)stamp_ns;
}
static void on_ended(void *ctx, int native) {
  (void)ctx, (void)native;
}
static void on_writable(void *ctx) {
  (void)ctx;
}
