/* Names end to end. The resolver is the test's own: getaddrinfo is defined here, and the program's
 * definition is the one that libuv calls. Rows NET-01 to NET-04, NET-06 and NET-08. */
#include <arpa/inet.h>
#include <netdb.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "support/flow.h"

static atomic_uint lookups, again_left;
static atomic_uint hang_ms;

static struct addrinfo *make_entry(int family, struct addrinfo *next) {
  struct addrinfo *a = calloc(1, sizeof *a + sizeof(struct sockaddr_in6));
  struct sockaddr *address = (struct sockaddr *)(a + 1);
  if (!a) abort();
  a->ai_family = family;
  a->ai_socktype = SOCK_STREAM;
  a->ai_addr = address;
  a->ai_next = next;
  address->sa_family = (sa_family_t)family;
  if (family == AF_INET6) {
    ((struct sockaddr_in6 *)address)->sin6_addr = in6addr_loopback;
    a->ai_addrlen = sizeof(struct sockaddr_in6);
  } else {
    ((struct sockaddr_in *)address)->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    a->ai_addrlen = sizeof(struct sockaddr_in);
  }
  return a;
}

__attribute__((visibility("default"))) int getaddrinfo(const char *name, const char *service,
                                                       const struct addrinfo *hints,
                                                       struct addrinfo **list) {
  (void)service, (void)hints;
  lookups++;
  if (strstr(name, "slow")) usleep(atomic_load(&hang_ms) * 1000);
  if (strstr(name, "none")) return EAI_NONAME;
  if (strstr(name, "again") && again_left > 0) {
    again_left--;
    return EAI_AGAIN;
  }
  *list = make_entry(AF_INET, NULL);
  if (strstr(name, "both")) *list = make_entry(AF_INET6, *list);
  return 0;
}

__attribute__((visibility("default"))) void freeaddrinfo(struct addrinfo *list) {
  while (list) {
    struct addrinfo *next = list->ai_next;
    free(list);
    list = next;
  }
}

static flow_call *ask(flow *f, const char *name, int port) {
  char url[128];
  snprintf(url, sizeof url, "http://%s:%d", name, port);
  f->request.base_url = url;
  return flow_submit(f);
}

static void test_net_01_no_such_name(void **state) {
  flow *f = *state;
  lookups = 0;
  f->request.retries = 2;
  flow_call *calls[50];
  for (int i = 0; i < 50; i++) calls[i] = ask(f, "none.test", 1);
  flow_wait(f);
  for (int i = 0; i < 50; i++) {
    flow_assert_error(calls[i], LEAT_ERESOLVE);
    assert_int_equal(calls[i]->layer, LEAT_LAYER_DNS);
    assert_int_equal(calls[i]->result.attempts, 1);
    assert_int_equal(calls[i]->native != 0, 1);
    flow_assert_has(calls[i]->message, "none.test");
  }
  assert_int_equal(lookups, 1); /* one for all of them ... */
  ask(f, "none.test", 1);
  flow_wait(f);
  assert_int_equal(lookups, 1); /* ... and kept for a second */
}

static void test_net_02_a_resolver_that_fails_for_now(void **state) {
  flow *f = *state;
  peer *p = flow_peer(f, (const char *const[]){CHAT_HELLO, NULL});
  lookups = 0;
  again_left = 1;
  f->request.retries = 1;
  flow_call *c = ask(f, "again.test", peer_port(p));
  flow_wait(f);
  flow_assert_error(c, LEAT_OK);
  assert_int_equal(lookups, 2); /* the failure was not kept */
  assert_int_equal(c->result.attempts, 2);
  again_left = 1;
  f->request.retries = LEAT_NONE;
  c = ask(f, "again2.test", peer_port(p));
  flow_wait(f);
  flow_assert_error(c, LEAT_ERESOLVEAGAIN);
  assert_true(c->result.retryable);
}

static void test_answers_are_kept(void **state) {
  flow *f = *state;
  peer *p = flow_peer(f, (const char *const[]){CHAT_HELLO, NULL});
  lookups = 0;
  f->config.keep_alive_ms = LEAT_NONE;
  for (int i = 0; i < 5; i++) {
    flow_assert_error(ask(f, "good.test", peer_port(p)), LEAT_OK);
    flow_wait(f);
  }
  assert_int_equal(lookups, 1);
  assert_int_equal(peer_conns(p), 5);
}

static void test_net_08_addresses_that_did_not_work_are_looked_up_again(void **state) {
  flow *f = *state;
  peer *gone = peer_start(&(peer_options){0});
  int port = peer_port(gone);
  peer_stop(gone);
  lookups = 0;
  for (int i = 0; i < 2; i++) {
    flow_call *c = ask(f, "good.test", port);
    flow_wait(f);
    flow_assert_error(c, LEAT_EREFUSED);
  }
  assert_int_equal(lookups, 2);
}

static void test_net_03_a_resolver_that_hangs(void **state) {
  flow *f = *state;
  peer *p = flow_peer(f, (const char *const[]){CHAT_HELLO, NULL});
  hang_ms = 3000;
  flow_call *known = ask(f, "good.test", peer_port(p));
  flow_wait(f);
  f->request.deadlines.dns_ms = 500;
  flow_call *slow[4];
  for (int i = 0; i < 4; i++) {
    char name[32];
    snprintf(name, sizeof name, "slow%d.test", i);
    slow[i] = ask(f, name, peer_port(p));
  }
  f->request.deadlines.dns_ms = 0;
  known = ask(f, "good.test", peer_port(p));
  flow_call *literal = flow_chat(f, p);
  flow_wait_for(f, known);
  flow_wait_for(f, literal);
  assert_int_equal(slow[0]->dones, 0); /* both were served while the resolver hangs */
  flow_wait(f);
  flow_assert_error(known, LEAT_OK);
  flow_assert_error(literal, LEAT_OK);
  for (int i = 0; i < 4; i++) {
    flow_assert_error(slow[i], LEAT_EDNSTIMEOUT);
    assert_int_equal(slow[i]->layer, LEAT_LAYER_DNS);
    assert_true(flow_took_ms(slow[i]) >= 499 && flow_took_ms(slow[i]) < 2900);
  }
}

static void test_the_dns_deadline_stops_once_the_name_is_known(void **state) {
  flow *f = *state;
  peer *p = flow_peer(f, (const char *const[]){"<<sleep 1200>>" CHAT_HELLO, NULL});
  hang_ms = 20;
  f->request.deadlines.dns_ms = 1000;
  flow_call *c = ask(f, "slow9.test", peer_port(p));
  flow_wait(f);
  flow_assert_error(c, LEAT_OK);
}

static void test_net_04_cancel_while_the_lookup_runs(void **state) {
  flow *f = *state;
  hang_ms = 2000;
  flow_call *c = ask(f, "slow5.test", 1);
  flow_run(f, 20);
  uint64_t from = uv_hrtime();
  assert_int_equal(leat_cancel(f->engine, c->id), LEAT_OK);
  flow_wait(f);
  flow_assert_error(c, LEAT_ECANCELLED);
  assert_true(uv_hrtime() - from < 1900000000ull);
  flow_close(f, LEAT_CLOSE_NOW); /* waits for the lookup, which cannot be recalled */
}

static void test_net_04_close_while_lookups_run(void **state) {
  flow *f = *state;
  hang_ms = 100;
  for (int i = 0; i < 6; i++) {
    char name[32];
    snprintf(name, sizeof name, "slow6%d.test", i);
    ask(f, name, 1);
  }
  flow_run(f, 20);
  flow_close(f, LEAT_CLOSE_NOW);
  for (flow_call *c = f->calls; c; c = c->next) flow_assert_error(c, LEAT_ECANCELLED);
}

static void test_net_06_the_second_address_when_the_first_refuses(void **state) {
  flow *f = *state;
  peer *p = flow_peer(f, (const char *const[]){CHAT_HELLO, NULL});
  double least = FLOW_SOON_MS; /* of some: what else runs here may delay one, and hardly all */
  for (int i = 0; i < 6 && least >= 200; i++) {
    char name[32];
    snprintf(name, sizeof name, "both1%d.test", i);
    flow_call *c = ask(f, name, peer_port(p)); /* nothing listens on ::1 */
    flow_wait(f);
    flow_assert_error(c, LEAT_OK);
    if (flow_took_ms(c) < least) least = flow_took_ms(c);
  }
  assert_true(least < 200); /* and not the 250 that a silent one is given */
}

static void test_net_06_the_second_address_when_the_first_is_silent(void **state) {
  flow *f = *state;
  peer *p = flow_peer(f, (const char *const[]){CHAT_HELLO, NULL});
  flow_peer_with(f, &(peer_options){.ipv6 = true, .deaf = true, .port = peer_port(p)});
  flow_call *c = ask(f, "both2.test", peer_port(p));
  flow_wait(f);
  flow_assert_error(c, LEAT_OK);
  assert_true(flow_took_ms(c) >= 200 && flow_took_ms(c) < FLOW_SOON_MS);
}

/* More names, and more origins, than are kept: at once, and once more. */
static void test_three_hundred_names(void **state) {
  flow *f = *state;
  peer *p = flow_peer(f, (const char *const[]){CHAT_HELLO, NULL});
  size_t blocks = 0;
  f->config.keep_alive_ms = 50;
  for (int round = 0; round < 3; round++) {
    for (int i = 0; i < 300; i++) {
      char name[48];
      snprintf(name, sizeof name, "good%d-%d.test", round, i);
      ask(f, name, peer_port(p));
    }
    flow_wait(f);
    for (int i = 0; i < 250 && flow_stats(f).conns_open > 0; i++) flow_run(f, 20);
    if (round == 1) blocks = f->memory.live_blocks;
  }
  for (flow_call *c = f->calls; c; c = c->next) flow_assert_error(c, LEAT_OK);
  assert_true(f->memory.live_blocks <= blocks + 16);
}

static void test_the_resolve_list_comes_before_the_resolver(void **state) {
  flow *f = *state;
  peer *p = flow_peer(f, (const char *const[]){CHAT_HELLO, NULL});
  char six[64], four[64];
  snprintf(six, sizeof six, "None.Test:%d=[::1]", peer_port(p));
  snprintf(four, sizeof four, "none.test:%d=127.0.0.1", peer_port(p));
  f->config.resolve = (const char *const[]){six, four};
  f->config.resolve_count = 2;
  lookups = 0;
  flow_call *c = ask(f, "NONE.test", peer_port(p));
  flow_wait(f);
  flow_assert_error(c, LEAT_OK);
  assert_int_equal(lookups, 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      FLOW_TEST(test_net_01_no_such_name),
      FLOW_TEST(test_net_02_a_resolver_that_fails_for_now),
      FLOW_TEST(test_answers_are_kept),
      FLOW_TEST(test_net_08_addresses_that_did_not_work_are_looked_up_again),
      FLOW_TEST(test_net_03_a_resolver_that_hangs),
      FLOW_TEST(test_the_dns_deadline_stops_once_the_name_is_known),
      FLOW_TEST(test_net_04_cancel_while_the_lookup_runs),
      FLOW_TEST(test_net_04_close_while_lookups_run),
      FLOW_TEST(test_net_06_the_second_address_when_the_first_refuses),
      FLOW_TEST(test_net_06_the_second_address_when_the_first_is_silent),
      FLOW_TEST(test_three_hundred_names),
      FLOW_TEST(test_the_resolve_list_comes_before_the_resolver),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
