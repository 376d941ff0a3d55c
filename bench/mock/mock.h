/* A loopback gateway that speaks as gateways of language models do, over TLS or plain, in HTTP/1.1
 * and HTTP/2 and on WebSockets: every endpoint from chats to tasks of music, and its own counters
 * and ledger. Every byte it says follows from a seed (text.h), at a cadence and with faults that
 * the request's headers or the options choose. It is a server of its own on libuv, llhttp, nghttp2
 * and mbedTLS and shares no engine code with the client under test; it can live in a process of its
 * own (`leat mock`) or on a loop that the caller runs. */
#ifndef MOCK_MOCK_H
#define MOCK_MOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#define MOCK_FAULT_RULES_MAX 16

typedef struct mock mock;

/* Forms of a task's answers; task_forms.c says which is whose. */
enum mock_envelope {
  MOCK_E_USUAL = 0, /* as task_forms has it */
  MOCK_E1,
  MOCK_E2,
  MOCK_E3,
  MOCK_E4,
  MOCK_E5,
  MOCK_E6,
  MOCK_E7,
  MOCK_E8,
  MOCK_E9,
  MOCK_E10
};

/* In whose manner tasks are answered. */
enum mock_forms {
  MOCK_FORMS_USUAL = 0,
  MOCK_FORMS_NEW_API,
  MOCK_FORMS_VENDOR,
  MOCK_FORMS_DOCS,
  MOCK_FORMS_COUNT
};

/* Whether HTTP/2 is spoken: offered by ALPN and known by its preface, not at all, or alone. */
enum mock_h2 { MOCK_H2_ON = 0, MOCK_H2_OFF, MOCK_H2_ONLY };

/* All text is copied by mock_start. mock_config_init gives the defaults named here. */
typedef struct mock_config {
  const char *host;       /* an address, 127.0.0.1 */
  uint16_t port;          /* 0: the system picks */
  bool plain;             /* no TLS */
  const char *ca_out;     /* where the CA is written in PEM; NULL: nowhere */
  const char *cert, *key; /* PEM files, both or none: none makes a throwaway CA and certificate */
  bool no_tickets, no_cache;
  enum mock_h2 h2;
  const char *require_key; /* NULL: any key, or none, will do */
  bool auth_strict;        /* a key counts only where the gateways look for it */
  uint64_t seed;           /* of answers whose request names none, of faults and of jitter */
  uint64_t ttft_us, gap_us, jitter_us; /* 20 ms, 5 ms, 0 */
  uint32_t events;                     /* 40 */
  uint32_t bytes;                      /* of content in each event; 0: as mock_text_piece has it */
  bool gzip;                           /* bodies that are not streamed, for those who accept it */
  uint32_t keepalive_ms; /* idle connections are closed after this, 75,000; told in Keep-Alive */
  uint32_t requests_max; /* on one connection, 0: no limit */
  const char *fault_rules[MOCK_FAULT_RULES_MAX]; /* NAME[=ARG][;NAME...][:PROBABILITY] */
  size_t fault_rule_count;
  uint32_t task_queued_ms, task_ms; /* 100, 1000: time in the queue, then in progress */
  double task_fail;                 /* probability, 0 */
  uint64_t task_median_us;          /* of a lognormal time in progress; 0: task_ms */
  double task_sigma;                /* 0.8 */
  double task_lost, task_stuck;     /* probabilities, 0 */
  uint32_t task_absent;             /* first polls of a task that do not find it, 0 */
  uint8_t task_odd;                 /* 1: it runs under an unknown name; 2: as "unknown" */
  uint32_t task_urls;               /* enum mock_urls of tasks.h */
  bool content_redirect;            /* the proxy sends clients to the signed address */
  enum mock_forms task_forms;
  uint32_t rpm, tpm;         /* a key and model's requests and tokens in a window, 0: no limit */
  uint32_t limit_burst;      /* requests at once, 0: a window's */
  uint32_t limit_window_ms;  /* 60,000 */
  uint32_t polls_per_second; /* of a key, 0: no limit */
  uint32_t in_flight_max;    /* more requests under way are answered 529, 0: no limit */
  bool retry_after;          /* refusals for their rate say when to come again */
  const char *ledger;  /* a file that gets a line for each submit and each end seen; NULL: none */
  uint64_t task_bytes; /* of content, 65,536 */
  uint32_t tasks_max;  /* 1,000,000; above it a submit is answered 429 */
  enum mock_envelope poll_envelope; /* of GET /v1/video/generations/{id}, before task_forms */
  uint32_t poll_after_ms;           /* openai-poll-after-ms, 0: not sent */
  uint32_t h2_streams;              /* MAX_CONCURRENT_STREAMS, 250 */
  uint32_t h2_window;               /* for uploads, of a stream and of the connection: 1 MiB */
  uint32_t h2_window_delay_ms;      /* it is given back so long after reading, 0 */
  bool h2_coalesce;                 /* many frames in a TLS record */
  uint32_t conns_max;               /* 0: the hard descriptor limit less 64 */
  bool rx_stamps;   /* requests came when the kernel took them in, not when they were read */
  uint64_t tick_us; /* times ahead are rounded up to multiples of this, 1000 */
  uint64_t freeze_at_us, freeze_us; /* its loop sleeps so long, once, so long after the first
                                     * request; 0: never */
} mock_config;

void mock_config_init(mock_config *config);

/* Listens; all further work is done from `loop`, which the caller runs. 0, or a negative libuv
 * error (or UV_EINVAL for a bad fault rule, certificate or address), having said why on stderr;
 * what it had opened by then is closed by the loop's next turn. Raises the soft descriptor
 * limit. */
int mock_start(const mock_config *config, uv_loop_t *loop, mock **out);
uint16_t mock_port(const mock *m);
/* How many connections it takes at once: the limit in force. */
uint32_t mock_conns_max(const mock *m);
/* Stops taking connections, drops those there are, and frees the gateway once the loop has closed
 * every handle; then calls `closed` (may be NULL). */
void mock_close(mock *m, void (*closed)(void *user), void *user);
#define MOCK_STATS_MAX 4096
/* The counters as one JSON object, what GET /stats answers; returns its size (no NUL), 0 when it
 * does not fit. */
size_t mock_stats_json(const mock *m, char *out, size_t cap);

/* `leat mock [options]`: argv[0] is the command's name. Returns the exit status. */
int mock_main(int argc, char **argv);

#endif
