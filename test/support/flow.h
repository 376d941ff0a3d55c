/* A whole engine under test: borrowed loop, failing allocator, peers, and a record of every request
 * and task. A cmocka fixture:
 *
 *   static void test_x(void **state) {
 *     flow *f = *state;
 *     peer *p = flow_peer(f, (const char *const[]){CHAT_HELLO, NULL});
 *     flow_call *c = flow_chat(f, p);
 *     flow_wait(f);
 *     assert_string_equal(c->text, "hello");
 *   }
 *   ... cmocka_unit_test_setup_teardown(test_x, flow_setup, flow_teardown)
 *
 * The teardown closes the engine and the loop and checks what holds for every test: each accepted
 * submit had one done, and nothing after it; no callback came from inside a call; the loop closes
 * with 0; as many descriptors are open as before; the allocator has nothing live and no fault. */
#ifndef TEST_FLOW_H
#define TEST_FLOW_H

#include <uv.h>

#include "leat.h"
#include "support/failing.h"
#include "support/peer.h"

#define FLOW_PEERS_MAX 8
/* "At once", on a machine that has other things to do too. What a test tells it from must take
 * longer, or never come. */
#define FLOW_SOON_MS   5000
#define FLOW_BODY      "{\"model\":\"m\",\"messages\":[],\"stream\":true}"
#define FLOW_BODY_JSON "{\"model\":\"m\",\"messages\":[]}"

typedef struct flow flow;
typedef struct flow_call flow_call;

/* What came of one request or task. */
struct flow_call {
  flow_call *next;
  flow *flow;
  leat_id id;
  char *text; /* text, reasoning, refusal and raw, concatenated; never NULL */
  size_t text_size;
  char kinds[64];           /* one letter for each event: H T R X C I A U F W S Y; the first ones */
  enum leat_http head_http; /* of the last head; a result that says another is a fault */
  unsigned events, heads, status;
  uint64_t content_at_ns; /* uv_hrtime at the last event */
  unsigned dones;
  bool forgiven; /* not accepted: no done is owed */
  /* of the result */
  int error, native, result_status;
  enum leat_layer layer;
  char message[2048], provider_type[128], provider_code[128], provider_message[512];
  char request_id[128], body[4200];
  leat_result result; /* its views are dead */
  /* tasks */
  bool is_task;
  char states[64]; /* one letter for each update: S R D C(ompleted) F N */
  char task_id[64], status_word[64];
  char task_error[256], url[256];
  uint64_t polls, bytes, bytes_total;
  /* what a test hangs in */
  int (*on_event)(flow_call *c, const leat_event *event);
  void (*on_done)(flow_call *c, const leat_result *result);
  void (*on_update)(flow_call *c, const leat_task_update *update);
  void *ctx;
  int number;
};

struct flow {
  uv_loop_t loop;
  uv_timer_t guard;
  bool timed_out;
  failing memory;
  leat_config config;   /* read by flow_open */
  leat_request request; /* what flow_chat and flow_submit send; base_url is set from the peer */
  leat_engine *engine;  /* opened by the first use */
  flow_call *calls;
  unsigned submitted, dones, live, faults;
  bool deaf;    /* submits without on_event */
  bool calling; /* inside leat_submit and the like */
  bool closed;
  unsigned closes;
  int fds;
  peer *peers[FLOW_PEERS_MAX];
  size_t peer_count;
  char *trace; /* every line of the engine's trace */
  size_t trace_size;
  struct flow_kept *kept;
  /* TLS, made by flow_tls_server */
  certs_pair ca, leaf;
  tls_server *tls;
};

int flow_setup(void **state);
int flow_teardown(void **state);

/* Started, and stopped by the teardown. The texts must outlive it: literals do. */
peer *flow_peer(flow *f, const char *const *answers);
peer *flow_peer_script(flow *f, peer_script script, void *ctx);
peer *flow_peer_with(flow *f, const peer_options *options);
/* Before its time. */
void flow_peer_stop(flow *f, peer *p);
/* Zeroed memory that outlives the peers, whatever becomes of the test. */
void *flow_keep(flow *f, size_t size);
/* A CA that the config trusts, a certificate for 127.0.0.1 and api.x.test, and a server with
 * tickets; before the first use of the engine. */
tls_server *flow_tls_server(flow *f);
/* One that speaks these protocols, the best first, ended by NULL. */
tls_server *flow_tls_server_of(flow *f, const char *const *alpn);
/* With these, whose leaf is made here. */
tls_server *flow_tls_server_with(flow *f, const tls_server_options *options);

leat_engine *flow_open(flow *f);
/* f->request to the peer, streaming; and with whatever the test set in f->request. Both fail the
 * test unless accepted. */
flow_call *flow_chat(flow *f, peer *p);
flow_call *flow_submit(flow *f);
/* The same without looking at the answer, which goes into c->error. */
flow_call *flow_try(flow *f);
flow_call *flow_call_new(flow *f);
/* For calls that are made elsewhere: `r` is what a submit answered, `result` what done told. */
void flow_accept(flow_call *c, int r);
void flow_finish(flow_call *c, const leat_result *result);
flow_call *flow_task(flow *f, const leat_task *task);

/* Runs the loop until every call is done; 10 s at most. */
void flow_wait(flow *f);
/* Until this one is, or until it had n events. */
void flow_wait_for(flow *f, const flow_call *c);
void flow_wait_events(flow *f, const flow_call *c, unsigned n);
/* Runs the loop for so long, whatever happens. */
void flow_run(flow *f, int ms);
/* Closes the engine and runs the loop until that is done. */
void flow_close(flow *f, enum leat_close_mode mode);
leat_stats flow_stats(const flow *f);

/* Milliseconds from submit to done. */
double flow_took_ms(const flow_call *c);
int flow_count_fds(void);
#define FLOW_TEST(name) cmocka_unit_test_setup_teardown(name, flow_setup, flow_teardown)

/* Fails the test, with both, unless `part` is in `text`. */
void flow_assert_has(const char *text, const char *part);
void flow_assert_error(const flow_call *c, int error);

#endif
