/* Names to addresses on uv_getaddrinfo: see dns.h.
 *
 * A name is an entry of a small list: WAITING for one of the two threads, RUNNING, or KNOWN until
 * it expires. Above 256 names the oldest known ones make room; those that are waited for are as
 * many as there are requests that wait. */
#include "io/dns.h"

#include <arpa/inet.h>
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "base/error.h"
#include "base/url.h"

#define NAMES_MAX    256
#define RUNNING_MAX  2
#define KEEP_NS      (60ull * 1000 * 1000 * 1000)
#define KEEP_NONE_NS (1000ull * 1000 * 1000)

enum name_state { NAME_WAITING, NAME_RUNNING, NAME_KNOWN };

typedef struct name_entry {
  lti_list node; /* dns->names, newest last */
  lti_list waiters;
  uv_getaddrinfo_t job;
  lti_dns *dns;
  enum name_state state;
  bool forget; /* drop the answer of the lookup that runs */
  int error, native;
  uint64_t expires;
  lti_addrs addrs; /* port 0 */
  char host[LTI_URL_HOST_MAX + 1];
} name_entry;

typedef struct fixed_entry {
  char host[LTI_URL_HOST_MAX + 1];
  uint16_t port;
  lti_addr addr;
} fixed_entry;

struct lti_dns {
  lti_loop *loop;
  lti_alloc *alloc;
  lti_list names;
  size_t count, running;
  fixed_entry *fixed;
  size_t fixed_count;
  void (*closed)(void *ctx);
  void *closed_ctx;
};

static void start_waiting(lti_dns *d);
static void on_answer(uv_getaddrinfo_t *job, int status, struct addrinfo *list);

/* "host:port=address" */
static int parse_fixed(const char *text, fixed_entry *f) {
  const char *equals = strchr(text, '=');
  const char *colon = equals;
  while (colon && colon > text && *colon != ':') colon--;
  if (!equals || colon == text) return LEAT_EINVAL;
  size_t host = (size_t)(colon - text);
  uint64_t port;
  if (!lti_slice_u64(lti_slice(colon + 1, (size_t)(equals - colon - 1)), &port)) return LEAT_EINVAL;
  if (host > LTI_URL_HOST_MAX || port == 0 || port > 65535) return LEAT_EINVAL;
  if (text[0] == '[' && text[host - 1] == ']') text++, host -= 2;
  memcpy(f->host, text, host);
  f->host[host] = '\0';
  for (char *c = f->host; *c; c++)
    if (*c >= 'A' && *c <= 'Z') *c = (char)(*c + 32);
  char address[64];
  const char *from = equals + 1;
  size_t size = strlen(from);
  if (size >= 2 && from[0] == '[' && from[size - 1] == ']') from++, size -= 2;
  if (size >= sizeof address) return LEAT_EINVAL;
  memcpy(address, from, size);
  address[size] = '\0';
  f->port = (uint16_t)port;
  return lti_dns_literal(address, f->port, &f->addr) ? LTI_OK : LEAT_EINVAL;
}

int lti_dns_open(lti_loop *loop, lti_alloc *alloc, const char *const *resolve, size_t resolve_count,
                 lti_dns **dns) {
  lti_dns *d = lti_alloc_zero(alloc, sizeof *d);
  if (!d) return LEAT_ENOMEM;
  d->loop = loop;
  d->alloc = alloc;
  lti_list_init(&d->names);
  int r = LTI_OK;
  if (resolve_count > 0) {
    d->fixed = lti_alloc_zero(alloc, resolve_count * sizeof *d->fixed);
    r = d->fixed ? LTI_OK : LEAT_ENOMEM;
  }
  for (size_t i = 0; r == LTI_OK && i < resolve_count; i++) {
    r = resolve[i] ? parse_fixed(resolve[i], &d->fixed[i]) : LEAT_EINVAL;
    d->fixed_count++;
  }
  if (r != LTI_OK) {
    lti_alloc_put(alloc, d->fixed);
    lti_alloc_put(alloc, d);
    return r;
  }
  *dns = d;
  return LTI_OK;
}

static void remove_entry(name_entry *e) {
  assert(e->state != NAME_RUNNING && lti_list_empty(&e->waiters));
  lti_list_remove(&e->node);
  e->dns->count--;
  lti_alloc_put(e->dns->alloc, e);
}

static void finish_close(lti_dns *d) {
  void (*closed)(void *) = d->closed;
  void *ctx = d->closed_ctx;
  while (!lti_list_empty(&d->names)) {
    name_entry *e = LTI_CONTAINER_OF(d->names.next, name_entry, node);
    remove_entry(e);
  }
  lti_alloc_put(d->alloc, d->fixed);
  lti_alloc_put(d->alloc, d);
  closed(ctx);
}

void lti_dns_close(lti_dns *d, void (*closed)(void *ctx), void *ctx) {
  d->closed = closed;
  d->closed_ctx = ctx;
  for (lti_list *n = d->names.next; n != &d->names; n = n->next) {
    name_entry *e = LTI_CONTAINER_OF(n, name_entry, node);
    assert(lti_list_empty(&e->waiters));
    if (e->state == NAME_RUNNING) uv_cancel((uv_req_t *)&e->job);
  }
  if (d->running == 0) finish_close(d);
}

bool lti_dns_literal(const char *host, uint16_t port, lti_addr *addr) {
  memset(addr, 0, sizeof *addr);
  if (inet_pton(AF_INET, host, &addr->v4.sin_addr) == 1) {
    addr->v4.sin_family = AF_INET;
    addr->v4.sin_port = htons(port);
    return true;
  }
  if (inet_pton(AF_INET6, host, &addr->v6.sin6_addr) == 1) {
    addr->v6.sin6_family = AF_INET6;
    addr->v6.sin6_port = htons(port);
    return true;
  }
  return false;
}

static bool find_fixed(const lti_dns *d, const char *host, uint16_t port, lti_addrs *addrs) {
  addrs->count = 0;
  for (size_t i = 0; i < d->fixed_count && addrs->count < LTI_DNS_ADDRS_MAX; i++)
    if (d->fixed[i].port == port && strcmp(d->fixed[i].host, host) == 0)
      addrs->list[addrs->count++] = d->fixed[i].addr;
  return addrs->count > 0;
}

static name_entry *find_name(lti_dns *d, const char *host) {
  for (lti_list *n = d->names.next; n != &d->names; n = n->next) {
    name_entry *e = LTI_CONTAINER_OF(n, name_entry, node);
    if (strcmp(e->host, host) == 0) return e;
  }
  return NULL;
}

static void set_ports(lti_addrs *addrs, uint16_t port) {
  for (size_t i = 0; i < addrs->count; i++) {
    if (addrs->list[i].any.sa_family == AF_INET6)
      addrs->list[i].v6.sin6_port = htons(port);
    else
      addrs->list[i].v4.sin_port = htons(port);
  }
}

/* A new entry, in place of the oldest known ones when there are too many. */
static name_entry *add_name(lti_dns *d, const char *host) {
  lti_list *n = d->names.next;
  while (d->count >= NAMES_MAX && n != &d->names) {
    name_entry *old = LTI_CONTAINER_OF(n, name_entry, node);
    n = n->next;
    if (old->state == NAME_KNOWN) remove_entry(old);
  }
  name_entry *e = lti_alloc_zero(d->alloc, sizeof *e);
  if (!e) return NULL;
  e->dns = d;
  lti_list_init(&e->waiters);
  lti_list_push(&d->names, &e->node);
  d->count++;
  snprintf(e->host, sizeof e->host, "%s", host);
  return e;
}

int lti_dns_find(lti_dns *d, const char *host, uint16_t port, lti_addrs *addrs,
                 lti_dns_wait *wait) {
  if (find_fixed(d, host, port, addrs)) return LTI_OK;
  if (lti_dns_literal(host, port, &addrs->list[0])) {
    addrs->count = 1;
    return LTI_OK;
  }
  name_entry *e = find_name(d, host);
  if (e && e->state == NAME_KNOWN) {
    if (lti_loop_clock(d->loop) < e->expires) {
      *addrs = e->addrs;
      set_ports(addrs, port);
      return e->error;
    }
    remove_entry(e);
    e = NULL;
  }
  if (!e) e = add_name(d, host);
  if (!e) return LEAT_ENOMEM;
  lti_list_push(&e->waiters, &wait->node);
  start_waiting(d);
  if (e->state != NAME_KNOWN) return LTI_AGAIN;
  /* It could not even be started. */
  lti_list_remove(&wait->node);
  return e->error;
}

void lti_dns_cancel(lti_dns_wait *wait) {
  lti_list_remove(&wait->node);
}

void lti_dns_forget(lti_dns *d, const char *host) {
  name_entry *e = find_name(d, host);
  if (!e) return;
  if (e->state == NAME_KNOWN)
    remove_entry(e);
  else
    e->forget = true;
}

static void tell(name_entry *e) {
  lti_list batch;
  lti_list_init(&batch);
  lti_list_take(&batch, &e->waiters);
  int error = e->error, native = e->native;
  lti_addrs addrs = e->addrs;
  lti_list *n;
  while ((n = lti_list_pop(&batch))) {
    lti_dns_wait *w = LTI_CONTAINER_OF(n, lti_dns_wait, node);
    w->done(w, error, native, &addrs);
  }
}

static void learn(name_entry *e, int error, int native) {
  e->state = NAME_KNOWN;
  e->error = error;
  e->native = native;
  uint64_t keep = error == LTI_OK ? KEEP_NS : error == LEAT_ERESOLVE ? KEEP_NONE_NS : 0;
  if (e->forget) keep = 0;
  e->expires = lti_loop_clock(e->dns->loop) + keep;
}

/* Lookups that nobody waits for any more are dropped here, before they take a thread. */
static void start_waiting(lti_dns *d) {
  lti_list *next;
  for (lti_list *n = d->names.next; d->running < RUNNING_MAX && n != &d->names; n = next) {
    name_entry *e = LTI_CONTAINER_OF(n, name_entry, node);
    next = n->next;
    if (e->state != NAME_WAITING) continue;
    if (lti_list_empty(&e->waiters)) {
      remove_entry(e);
      continue;
    }
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    e->job.data = e;
    e->state = NAME_RUNNING;
    d->running++;
    int r = uv_getaddrinfo(lti_loop_uv(d->loop), &e->job, on_answer, e->host, NULL, &hints);
    if (r == 0) continue;
    d->running--; /* only for want of memory: whoever called tells */
    learn(e, LEAT_ENOMEM, r);
  }
}

static name_entry *find_untold(lti_dns *d) {
  for (lti_list *n = d->names.next; n != &d->names; n = n->next) {
    name_entry *e = LTI_CONTAINER_OF(n, name_entry, node);
    if (e->state == NAME_KNOWN && !lti_list_empty(&e->waiters)) return e;
  }
  return NULL;
}

static bool take_family(lti_addrs *addrs, const struct addrinfo **at, int family) {
  for (; *at; *at = (*at)->ai_next) {
    const struct addrinfo *a = *at;
    if (a->ai_family != family) continue;
    lti_addr *to = &addrs->list[addrs->count++];
    memset(to, 0, sizeof *to);
    if (family == AF_INET6)
      memcpy(&to->v6, a->ai_addr, sizeof to->v6);
    else
      memcpy(&to->v4, a->ai_addr, sizeof to->v4);
    *at = a->ai_next;
    return true;
  }
  return false;
}

/* RFC 8305 section 4: families alternate, beginning with the resolver's first. */
static void interleave(lti_addrs *addrs, const struct addrinfo *list) {
  addrs->count = 0;
  while (list && list->ai_family != AF_INET && list->ai_family != AF_INET6) list = list->ai_next;
  if (!list) return;
  int first = list->ai_family, second = first == AF_INET6 ? AF_INET : AF_INET6;
  const struct addrinfo *a = list, *b = list;
  bool more = true;
  while (more && addrs->count < LTI_DNS_ADDRS_MAX) {
    more = take_family(addrs, &a, first);
    if (addrs->count < LTI_DNS_ADDRS_MAX) more = take_family(addrs, &b, second) || more;
  }
}

static int answer_error(int status) {
  switch (status) {
    case 0: return LTI_OK;
    case UV_EAI_NONAME:
    case UV_EAI_NODATA:
    case UV_EAI_ADDRFAMILY:
    case UV_EAI_FAMILY:
    case UV_EAI_FAIL: return LEAT_ERESOLVE;
    case UV_EAI_MEMORY:
    case UV_ENOMEM: return LEAT_ENOMEM;
    default: return LEAT_ERESOLVEAGAIN;
  }
}

static void on_answer(uv_getaddrinfo_t *job, int status, struct addrinfo *list) {
  name_entry *e = job->data;
  lti_dns *d = e->dns;
  d->running--;
  interleave(&e->addrs, list);
  uv_freeaddrinfo(list);
  int error = answer_error(status);
  if (error == LTI_OK && e->addrs.count == 0) error = LEAT_ERESOLVE;
  learn(e, error, status);
  if (d->closed) {
    if (d->running == 0) finish_close(d);
    return;
  }
  tell(e);
  start_waiting(d);
  while ((e = find_untold(d))) tell(e);
}
