/* leat: an event-loop engine for streaming from language models.
 *
 * One engine carries thousands of concurrent completions and task polls over a small pool of
 * connections, on one libuv loop and one thread. The grammar of a request is
 *
 *     leat_submit() -> event* -> done
 *
 * where `done` comes exactly once for every accepted submit, and last.
 *
 * Rules that hold for every function and struct below, unless it says otherwise:
 *  - Return values are LEAT_OK (0) or a negative enum leat_error.
 *  - A struct that goes in starts with `struct_size`; its `_init` function sets that and zeroes the
 *    rest. Zero means the default; LEAT_NONE (-1) says "none" or "off" where a number is asked for.
 *  - Everything passed in is copied before the call returns; the caller keeps ownership.
 *  - Slices handed out are views: not NUL-terminated, valid until the callback returns.
 *  - Times are in the unit the name ends in; every `_ns` stamp is uv_hrtime(), CLOCK_MONOTONIC.
 *  - No callback is ever made from inside a leat_ call, except inside leat_run, which is the loop.
 *    A callback may call every function below but leat_run, for any request.
 *  - An engine belongs to the thread of its loop. Only leat_post may be called from another thread.
 *  - There is no global state: engines share nothing, N threads run N engines.
 */
#ifndef LEAT_H
#define LEAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define LEAT_API __attribute__((visibility("default")))
#else
#define LEAT_API
#endif

#define LEAT_VERSION_MAJOR 0
#define LEAT_VERSION_MINOR 1
#define LEAT_VERSION_PATCH 0
#define LEAT_VERSION       "0.1.0"

/* "None" or "off" for a numeric setting whose zero means "the default". */
#define LEAT_NONE (-1)

/* libuv's loop; <uv.h> is not needed to use this header. */
struct uv_loop_s;

typedef struct leat_engine leat_engine;

/* A request, a task or a socket. The upper half is a generation, so that a stale id is harmless: it
 * gives LEAT_ENOTFOUND. 0 is never a valid id. */
typedef uint64_t leat_id;

/* A view of bytes that someone else owns. `data` may be NULL when `size` is 0. */
typedef struct leat_slice {
  const char *data;
  size_t size;
} leat_slice;

/* One header field. Names are compared without case. */
typedef struct leat_header {
  leat_slice name;
  leat_slice value;
} leat_header;

/* ---- errors ---------------------------------------------------------------------------------- */

/* What went wrong. leat_error_name, leat_error_text and leat_error_class tell more of each. */
enum leat_error {
  LEAT_OK = 0,
  /* the call itself: nothing was sent */
  LEAT_EINVAL = -1,       /* an argument is missing, out of range or contradicts another */
  LEAT_ENOMEM = -2,       /* the allocator gave no memory */
  LEAT_ENOTFOUND = -3,    /* no request or task has this id (any more) */
  LEAT_ECLOSED = -4,      /* the engine is closing */
  LEAT_ESTATE = -5,       /* not allowed now, such as leat_run inside a callback */
  LEAT_EHEADER = -6,      /* CR, LF, NUL or another forbidden byte in a header, key or path */
  LEAT_EURL = -7,         /* the URL cannot be used */
  LEAT_EPLAINKEY = -8,    /* a key would travel over plain http to a host that is not loopback, or
                             to any through a proxy */
  LEAT_EJSON = -9,        /* the body is not valid JSON; the result's message has the offset */
  LEAT_ENOPROTOCOL = -10, /* no protocol, or task family, of this name */
  LEAT_EQUEUEFULL = -11,  /* the queue of this origin, or the engine's table, is full */
  LEAT_EHELDMAX = -12,    /* paused requests hold more than held_bytes_max */
  LEAT_ECANCELLED = -13,  /* leat_cancel, or leat_close with LEAT_CLOSE_NOW */
  LEAT_EIO = -14,         /* writing to the caller's file descriptor failed */
  LEAT_ESOURCE = -15,     /* the request body's source failed, or gave fewer or more bytes than it
                             had said */
  LEAT_ENOENDPOINT = -16, /* no endpoint of this name; or a parameter of its path is missing */
  LEAT_EJOURNAL = -17,    /* the journal cannot be read or written */
  LEAT_ESUPERSEDED = -18, /* a newer request of its lane took its place */
  LEAT_ELIMIT = -19,      /* it needs more tokens than its limit ever allows at once */
  /* names and sockets */
  LEAT_ERESOLVE = -20,      /* the host name does not exist */
  LEAT_ERESOLVEAGAIN = -21, /* the resolver failed for now */
  LEAT_EREFUSED = -22,      /* connection refused */
  LEAT_EUNREACHABLE = -23,  /* no route to the host or network */
  LEAT_ERESET = -24,        /* the peer reset or closed the connection without an answer */
  LEAT_ECONNECT = -25,      /* connecting failed otherwise; see `native` */
  LEAT_EFDLIMIT = -26,      /* no file descriptor is left */
  LEAT_EPROXY = -27,        /* the proxy refused to connect; the message has its status */
  LEAT_ECIRCUIT = -28,      /* this origin failed so often that it is left alone for a while */
  /* TLS */
  LEAT_ETLS = -30,  /* the handshake or a record failed */
  LEAT_ECERT = -31, /* the server's certificate was refused; the message says which check failed */
  LEAT_ENOCA = -32, /* no file of CA certificates was found, or it holds none */
  LEAT_ECLIENTCERT = -33, /* the client certificate or its key cannot be used */
  /* HTTP */
  LEAT_EHTTP = -40,       /* the response breaks HTTP's rules */
  LEAT_EHEADERSMAX = -41, /* response headers above header_bytes_max */
  LEAT_EBODYMAX = -42,    /* a body above body_bytes_max */
  LEAT_EENCODING = -43,   /* a content-coding that was not asked for, or a broken one */
  LEAT_EREDIRECT = -44,   /* a redirect that must not be followed, or too many */
  LEAT_EDNSTIMEOUT = -50, /* deadlines, each with its own error: see leat_deadlines */
  LEAT_ECONNTIMEOUT = -51,
  LEAT_EHEADTIMEOUT = -52,
  LEAT_EFIRSTTIMEOUT = -53,
  LEAT_EGAPTIMEOUT = -54,
  LEAT_EIDLETIMEOUT = -55,
  LEAT_EQUEUETIMEOUT = -56,
  LEAT_ETOTALTIMEOUT = -57,
  /* the provider's answer */
  LEAT_ESTATUS = -60,     /* an HTTP status of 400 or above */
  LEAT_EAPI = -61,        /* an error object inside a response of status 200 */
  LEAT_ETRUNCATED = -62,  /* the connection ended in the middle of the answer */
  LEAT_EINCOMPLETE = -63, /* a clean end without the dialect's evidence that the answer is whole */
  LEAT_ENOTSTREAM = -64,  /* neither an event stream nor JSON, such as a proxy's HTML page */
  LEAT_EDECODE = -65,     /* a record of the stream cannot be decoded */
  LEAT_EEVENTMAX = -66,   /* one event above event_bytes_max */
  LEAT_EUNCERTAIN = -67,  /* lost before an answer, and it may have run; not repeated */
  /* tasks */
  LEAT_ETASKFAILED = -70, /* the provider says that the task failed */
  LEAT_ETASKTIME = -71,   /* the task's deadline passed while it ran */
  LEAT_ETASKINPUT = -72,  /* the task waits for input that polling cannot give */
  /* WebSocket */
  LEAT_EUPGRADE = -80,    /* the server refused the handshake, or answered it wrongly */
  LEAT_EWS = -81,         /* the peer broke RFC 6455 */
  LEAT_EMESSAGEMAX = -82, /* a message above message_bytes_max */
  LEAT_EWSCLOSE = -83     /* the peer closed with a code that is no success */
};

/* Classes of errors: what a caller can do about them. */
enum leat_class {
  LEAT_CLASS_OK = 0,
  LEAT_CLASS_USAGE,      /* fix the call */
  LEAT_CLASS_CANCELLED,  /* someone asked for it */
  LEAT_CLASS_SUPERSEDED, /* a newer request of its lane took its place */
  LEAT_CLASS_LIMIT,      /* a limit of this engine or this process */
  LEAT_CLASS_RESOLVE,    /* names */
  LEAT_CLASS_CONNECT,    /* sockets */
  LEAT_CLASS_TLS,        /* certificates, handshakes, records */
  LEAT_CLASS_HTTP,       /* the peer does not speak HTTP properly */
  LEAT_CLASS_TIMEOUT,    /* a deadline */
  LEAT_CLASS_STATUS,     /* the provider refused */
  LEAT_CLASS_STREAM,     /* the answer is not whole */
  LEAT_CLASS_TASK        /* an async task ended otherwise than well */
};

/* "LEAT_ETRUNCATED", or "LEAT_EUNKNOWN" for a number that is none. Static text. Any thread. */
LEAT_API const char *leat_error_name(int error);
/* One clause in English without a full stop. Static text. Any thread. */
LEAT_API const char *leat_error_text(int error);
LEAT_API enum leat_class leat_error_class(int error);
/* LEAT_VERSION of the library that runs. */
LEAT_API const char *leat_version(void);

/* ---- what goes in: configuration --------------------------------------------------------------
 */

/* Serves the engine's own memory and zlib's; mbedTLS, libuv and SQLite stay on malloc. All three
 * functions or none. `realloc` is told the old size; `free` is never given NULL. */
typedef struct leat_allocator {
  void *(*malloc)(void *user, size_t size);
  void *(*realloc)(void *user, void *ptr, size_t old_size, size_t new_size);
  void (*free)(void *user, void *ptr);
  void *user;
} leat_allocator;

/* Deadlines in milliseconds: 0 is the default given in brackets, LEAT_NONE switches one off.
 * Comments, pings and blank lines re-arm only `idle_ms`. While a request is paused only `total_ms`
 * runs. */
typedef struct leat_deadlines {
  /* for each attempt */
  int64_t dns_ms;     /* name lookup, within connect_ms [5,000]: LEAT_EDNSTIMEOUT */
  int64_t connect_ms; /* from the wish for a connection to a finished TLS handshake [10,000]:
                         LEAT_ECONNTIMEOUT */
  int64_t head_ms;    /* from a leased connection to the response's status, so that a stalled upload
                         counts; of a body from a source, from the last piece that was taken
                         [600,000]: LEAT_EHEADTIMEOUT */
  int64_t first_ms;   /* from the status to the first content [off]: LEAT_EFIRSTTIMEOUT */
  int64_t gap_ms;     /* between two pieces of content [off]: LEAT_EGAPTIMEOUT */
  int64_t idle_ms;    /* between any two bytes of a response [600,000]: LEAT_EIDLETIMEOUT */
  /* across attempts */
  int64_t queue_ms; /* waiting for a connection slot [off]: LEAT_EQUEUETIMEOUT */
  int64_t total_ms; /* everything [off when streaming, else 600,000]: LEAT_ETOTALTIMEOUT */
} leat_deadlines;

/* What the engine reports of its inner life, a line at a time. Secrets appear by name only.
 * `text` is valid during the call. Not one of the callbacks that may call back. */
typedef void (*leat_trace_cb)(void *user, uint64_t now_ns, leat_id id, leat_slice text);

/* Which HTTP: a preference of an engine or of a request, and what a result reports. */
enum leat_http {
  LEAT_HTTP_AUTO = 0, /* HTTP/2 over TLS where the server has it, else HTTP/1.1 */
  LEAT_HTTP_1 = 1,
  LEAT_HTTP_2 = 2 /* nothing else: a server without it is an error */
};

/* Which TLS: the best that an engine may speak, and what a result reports. */
enum leat_tls { LEAT_TLS_DEFAULT = 0, LEAT_TLS_1_2 = 12, LEAT_TLS_1_3 = 13 };

/* How a key travels. */
enum leat_auth {
  LEAT_AUTH_DEFAULT = 0,    /* as the endpoint or the protocol has it, else as a bearer */
  LEAT_AUTH_BEARER,         /* Authorization: Bearer KEY */
  LEAT_AUTH_RAW,            /* Authorization: KEY, which may have a scheme of its own in front */
  LEAT_AUTH_X_API_KEY,      /* x-api-key: KEY */
  LEAT_AUTH_API_KEY,        /* api-key: KEY */
  LEAT_AUTH_X_GOOG_API_KEY, /* x-goog-api-key: KEY */
  LEAT_AUTH_QUERY,          /* ?key=KEY, which is masked wherever a path is told; not with keys that
                               come by callback */
  LEAT_AUTH_MJ_API_SECRET,  /* mj-api-secret: KEY */
  LEAT_AUTH_NONE            /* not at all */
};

/* What a provider allows, for each key apart. */
typedef struct leat_limit {
  const char *model;           /* NULL: all that no other limit names, each model apart */
  int64_t requests_per_minute; /* 0: not limited */
  int64_t tokens_per_minute;   /* 0: not limited */
  int concurrency;             /* at once; 0: not limited */
} leat_limit;

struct leat_observer; /* leat/watch.h */
struct leat_attempt;
struct leat_source; /* leat/source.h */
struct leat_form_field;
struct leat_request;

/* One engine. Its request defaults hold where a request leaves the same field zero. */
typedef struct leat_config {
  size_t struct_size;

  /* The loop to live on. NULL: the engine makes its own, which leat_run runs. A borrowed loop is
   * never run, stopped or closed by the engine, and stays alive exactly while something is
   * pending. */
  struct uv_loop_s *loop;
  leat_allocator allocator;

  /* defaults of requests */
  const char *base_url;       /* "https://api.openai.com"; with no path, /v1 is added.
                                 "unix:/run/vllm.sock" speaks plain HTTP over that socket; a path
                                 follows a colon: "unix:/run/vllm.sock:/v1" */
  const char *api_key;        /* sent as the protocol wants it; NULL or "": none */
  const char *protocol;       /* ["openai-chat"] */
  const leat_header *headers; /* sent with every request */
  size_t header_count;
  leat_deadlines deadlines;
  int retries;                /* repeats after the first attempt [2] */
  int64_t retry_after_max_ms; /* a server's longer wish ends the request unslept [120,000] */
  int redirects;              /* hops followed [5]; LEAT_NONE: a redirect is an LEAT_EREDIRECT */
  enum leat_auth auth;        /* how keys travel [as the protocol has it] */
  bool allow_plain_key;       /* permit a key over plain http to a host that is not loopback, or to
                                 loopback through a proxy, whose loopback that is */

  /* the transport. HTTP/2 is spoken where TLS offers it (ALPN), and with LEAT_HTTP_2 to plain http
   * origins as well (prior knowledge, RFC 9113 3.3). What an origin speaks is learned at its first
   * connection. */
  enum leat_http http;  /* [LEAT_HTTP_AUTO] */
  const char *proxy;    /* "http://user:password@host:port" or https: every connection is a CONNECT
                           tunnel through it. NULL or "": none */
  const char *no_proxy; /* hosts that are reached directly: names (and their subdomains), addresses,
                           CIDR blocks, each but those with :port if wanted, or "*" */
  bool coalesce; /* read up to 1 ms late when that saves wake-ups: fewer cycles an event under
                    load, at the price of that delay in every stamp, and of as long for
                    whatever else lives on a borrowed loop */

  /* the pool, for each origin. HTTP/2 has one send window for all requests of a connection, and
   * what a large body uses up of it the others wait for: so a request goes where the window lets
   * its body through at once, and where none does another connection is opened first. One of four
   * or more is kept clear of bodies that fill a window. With LEAT_HTTP_AUTO a body above 64 KiB
   * goes over HTTP/1.1 when the server's window is no larger than that, or when it would wait
   * behind others on every HTTP/2 connection, as long as one of conns_max is to be had. */
  int conns_max;      /* HTTP/1.1 connections [64] */
  int h2_conns_max;   /* HTTP/2 connections [8]: with 100 requests each at least 800 at once, and
                         eight windows for what is sent */
  int h2_streams_max; /* requests at once on one HTTP/2 connection [1,000], or fewer if the server
                         says so. A second connection is opened when the first carries 100 */
  int64_t h2_stream_window; /* bytes that may be under way on one stream, and what a paused request
                               can hold at most [512 KiB, 64 KiB to 1 GiB] */
  int64_t h2_conn_window;   /* and on one connection [16 MiB, 64 KiB to 1 GiB] */
  int64_t ping_ms; /* an HTTP/2 connection with requests that has been silent for so long, and took
                      nothing of what waits to be sent, is asked whether it lives [20,000]; without
                      an answer in ping_timeout_ms [10,000] it is given up, and what can be sent
                      again is */
  int64_t ping_timeout_ms;
  int64_t conn_age_ms; /* a connection takes no new request once it is so old, less up to a quarter
                          at random [3,600,000] */
  int queue_max;       /* requests that wait for a connection [100,000]: LEAT_EQUEUEFULL */
  int handshakes_max;  /* TLS handshakes under way at once, over all origins [32] */
  int64_t keep_alive_ms; /* an idle connection is closed after this [50,000], or 4 s before the
                            server's own Keep-Alive timeout; LEAT_NONE: after every answer */

  /* limits; each has an error of its own */
  int requests_max;         /* live requests and tasks [1,000,000]: LEAT_EQUEUEFULL */
  int64_t event_bytes_max;  /* one SSE event [64 MiB]: LEAT_EEVENTMAX */
  int64_t body_bytes_max;   /* a non-streamed body, decoded [256 MiB]: LEAT_EBODYMAX */
  int64_t header_bytes_max; /* a response's header block [64 KiB]: LEAT_EHEADERSMAX */
  int64_t held_bytes_max;   /* held for paused requests, over the engine [256 MiB]: LEAT_EHELDMAX */

  /* TLS: 1.2 or better, ECDHE, certificate and host name checked */
  const char *ca_file;              /* PEM. NULL: the first of the system's usual places */
  leat_slice ca_pem;                /* PEM text instead of a file */
  bool insecure;                    /* accept any certificate: for tests only */
  const char *cert_file, *key_file; /* the client's certificate chain and key, PEM [none; a key that
                                       is not named stands beside the certificate] */
  leat_slice cert_pem, key_pem;     /* PEM text instead of files */
  enum leat_tls tls_max;            /* [the best the library has] */

  /* Fixed addresses, as curl --resolve: "host:port=address", IPv6 bare or in brackets. */
  const char *const *resolve;
  size_t resolve_count;

  /* Pacing, for each key and model. With `learn_limits` what servers say in x-ratelimit-* and
   * anthropic-ratelimit-* is kept to, Retry-After pauses everything of that key and model, and
   * concurrency follows what the server bears (half on 429, 529 and time-outs, slowly more
   * otherwise); until the first answer of a key and model only limiter_probe requests are out, and
   * then one more for each answer, or as many as it said there may be. A refusal's repeat waits
   * with the others. No pause is longer than retry_after_max_ms. `limits` are kept to in any case:
   * no minute has more requests. Who must wait stands in the queue (queue_ms counts, queue_max
   * holds). Models are told apart by the request's, or by the "model" of its body. */
  bool learn_limits;
  int limiter_probe; /* [4] */
  const leat_limit *limits;
  size_t limit_count;
  int retry_budget;     /* repeats may be this share of an origin's requests, in percent, and 10
                           more, which come back at one a second; what is beyond ends with its
                           error [10 with learn_limits, else LEAT_NONE: any number] */
  int circuit_failures; /* attempts in a row that find no connection or no answer but a status of
                           500 or above before an origin is left alone: who waits for it or comes
                           ends with LEAT_ECIRCUIT [off] */
  int64_t circuit_ms;   /* for so long, then one request tries [10,000] */

  /* Tasks: questions about them, to one gateway with one key, in a second, evenly spaced [50];
   * LEAT_NONE: as many as their cadence makes. When jobs are many, the time between two looks at
   * one of them grows to what this allows: open jobs / (polls_per_second * ids a question). */
  int polls_per_second;

  /* A file in which the tasks that have a custom_id are recorded, an SQLite database that is made
   * if it is not there: a run that was killed goes on where it was when another one has the same
   * journal and starts the same tasks. Those that had ended are told so, those that were accepted
   * are only asked about, and one that was being submitted, so that nobody knows whether it was, is
   * LEAT_EUNCERTAIN. One engine at a time has a journal. It is written by a thread of its own; when
   * that fails, tasks that are not submitted yet end with LEAT_EJOURNAL. leat_open says
   * LEAT_EJOURNAL, and why, for a file that is none or is in use. NULL or "": none. */
  const char *journal;

  const struct leat_observer *observer; /* copied; NULL: none */
  int (*key)(void *user, leat_engine *engine, const struct leat_attempt *attempt,
             leat_slice *key); /* gives the key before each attempt: see leat_key_cb */
  void *key_user;
  bool metrics; /* also count by class and keep histograms, for leat_stats_write: a look at the
                   clock's difference for each piece of content, and 128 bytes a request */

  leat_trace_cb trace;
  void *trace_user;

  bool rx_timestamps; /* ask the kernel when bytes came: leat_event.segment_ns. Costs a little at
                         each read. Where the system has no such stamps it changes nothing */
} leat_config;

LEAT_API void leat_config_init(leat_config *config);

/* ---- what goes in: a chat request --------------------------------------------------------------
 */

enum leat_part_kind {
  LEAT_PART_TEXT = 0,
  LEAT_PART_IMAGE_URL, /* url: http(s) or data: URI; `detail` low, high or auto */
  LEAT_PART_AUDIO,     /* data: base64 text; format: wav, mp3 */
  LEAT_PART_FILE,      /* file_id, or data (base64 or data: URI) with filename */
  LEAT_PART_VIDEO_URL, /* url */
  LEAT_PART_RAW        /* data: one JSON value, validated and sent as it is */
};

/* One piece of a message's content. Strings may be NULL where the kind does not need them. */
typedef struct leat_part {
  enum leat_part_kind kind;
  leat_slice text;
  leat_slice data;
  const char *url, *detail, *format, *file_id, *filename;
} leat_part;

/* A tool call of an assistant message that is sent back as history. */
typedef struct leat_tool_use {
  const char *id, *name;
  leat_slice arguments; /* JSON text */
} leat_tool_use;

typedef struct leat_message {
  const char *role;       /* system, developer, user, assistant, tool */
  const char *name;       /* NULL: none */
  leat_slice text;        /* content as one string; or */
  const leat_part *parts; /* content as parts */
  size_t part_count;
  const leat_tool_use *tool_uses; /* assistant */
  size_t tool_use_count;
  const char *tool_call_id; /* tool */
  leat_slice reasoning;     /* for models that want it back, and */
  leat_slice signature;     /* what came with it as LEAT_EVENT_SIGNATURE */
  leat_slice refusal;
} leat_message;

typedef struct leat_tool {
  const char *name, *description;
  leat_slice parameters; /* JSON Schema; empty: none */
  bool strict;
} leat_tool;

/* A completion, written once for every dialect. A number counts where its presence bit is set. A
 * field that a dialect does not have is refused with LEAT_EINVAL, never dropped.
 *
 * "anthropic" cannot do without a limit of tokens: where neither is set it is 4,096, and
 * reasoning_tokens besides. What the system says stands in front of all messages there, reasoning
 * goes back with its signature only, and files are PDFs or images. Thinking that it does not show
 * ("redacted_thinking") is no event of its own: it can be seen with want_raw, and goes back as a
 * raw part.
 *
 * "gemini" sends `model` and `stream` in the path, media from data: URIs in the body and any other
 * URL as a reference, for which a part's `format` may give the MIME type; messages_json, tools_json
 * and tool_choice_json are its contents, tools and toolConfig. A tool's answer names its function,
 * or the id of a call before it. */
typedef struct leat_chat_request {
  size_t struct_size;
  const char *model;
  const leat_message *messages;
  size_t message_count;
  leat_slice prompt; /* openai-completions; elsewhere a single user message */
  leat_slice suffix; /* openai-completions */
  bool stream;
  bool no_usage; /* do not ask for a usage chunk at the end of a stream */

  bool has_max_tokens, has_max_completion_tokens, has_temperature, has_top_p, has_top_k, has_n;
  bool has_frequency_penalty, has_presence_penalty, has_seed, has_logprobs, has_top_logprobs;
  bool has_parallel_tool_calls, has_best_of, has_echo, has_store;
  bool logprobs, parallel_tool_calls, echo, store;
  int64_t max_tokens, max_completion_tokens, top_k, n, seed, top_logprobs, best_of;
  double temperature, top_p, frequency_penalty, presence_penalty;

  const char *const *stop;
  size_t stop_count;
  const leat_tool *tools;
  size_t tool_count;
  const char *tool_choice; /* none, auto, required, or a tool's name */
  const char *reasoning_effort;
  bool has_reasoning_tokens; /* anthropic, gemini: how many tokens it may think; 0: not at all */
  int64_t reasoning_tokens;
  const char *user;
  const char *service_tier;
  leat_slice response_format; /* JSON object, such as {"type":"json_object"} */
  leat_slice tools_json;      /* JSON array, instead of `tools` */
  leat_slice tool_choice_json;
  leat_slice messages_json;  /* JSON array, instead of `messages` */
  leat_slice logit_bias;     /* JSON object */
  leat_slice metadata;       /* JSON object */
  leat_slice stream_options; /* JSON object, instead of the usage option */
  leat_slice extra;          /* JSON object whose members join the body; they may not repeat one */
} leat_chat_request;

LEAT_API void leat_chat_request_init(leat_chat_request *chat);

/* ---- what comes out: events ---------------------------------------------------------------------
 */

enum leat_event_kind {
  LEAT_EVENT_HEAD = 1,  /* head: status and headers; once an attempt that is not retried */
  LEAT_EVENT_TEXT,      /* text: a piece of the answer of `choice`, valid UTF-8; an empty one may
                           announce a choice */
  LEAT_EVENT_REASONING, /* text */
  LEAT_EVENT_REFUSAL,   /* text */
  LEAT_EVENT_TOOL_CALL, /* tool_call: a fragment */
  LEAT_EVENT_IMAGE,     /* media */
  LEAT_EVENT_AUDIO,     /* media */
  LEAT_EVENT_USAGE,     /* usage: the last one counts */
  LEAT_EVENT_FINISH,    /* finish_reason: stop, length, tool_calls, content_filter, or any other */
  LEAT_EVENT_RAW,       /* text: bytes of the body as they arrived (protocol "raw"), or with
                           want_raw one record of the stream before its decoded events */
  LEAT_EVENT_SIGNATURE, /* text: what proves the reasoning before it, to be sent back with it */
  LEAT_EVENT_REPLY      /* text: the whole body of an endpoint's answer, for leat_reply_read; an
                           error in it is the result's, and no event */
};

typedef struct leat_head {
  int status;
  const leat_header *headers; /* all, in order, duplicates kept */
  size_t header_count;
  enum leat_http http; /* which HTTP it came by */
} leat_head;

/* A fragment of a tool call. Calls of one choice are told apart by `index`; id and name come with
 * the first fragment (empty in later ones), arguments are to be concatenated. */
typedef struct leat_tool_call {
  uint32_t index;
  leat_slice id, name, arguments;
} leat_tool_call;

typedef struct leat_media {
  leat_slice data; /* base64 text as it was sent, or */
  leat_slice url;
  leat_slice mime_type; /* as far as known */
  leat_slice transcript, id;
  bool partial; /* a preview of an image: a better one follows */
} leat_media;

/* Token counts; -1 where the provider did not say. "anthropic" counts cached tokens beside the
 * input and gives no total; elsewhere they are a part of it. */
typedef struct leat_usage {
  int64_t input, output, total;
  int64_t reasoning, cached, cache_write;
  int64_t input_text, input_audio, input_image;
  int64_t output_text, output_audio;
  int64_t accepted_prediction, rejected_prediction;
} leat_usage;

/* What the provider says of the response as a whole; empty where it has not (yet). */
typedef struct leat_response {
  leat_slice id, model, system_fingerprint, service_tier, role;
  int64_t created; /* Unix seconds, 0 when unknown */
} leat_response;

typedef struct leat_event {
  enum leat_event_kind kind;
  uint32_t choice;
  uint64_t received_ns; /* when the read that completed this event returned, before any parsing */
  uint64_t segment_ns;  /* with rx_timestamps: when the kernel had the last segment of that read,
                           brought to the same clock (the kernel stamps by the wall clock, whose
                           distance is taken anew each second) and at most received_ns. 0: not
                           asked for, or not to be had: a Unix socket, an event that was held while
                           its request was paused, the first moments of the first connection */
  uint64_t segment_since_ns; /* all bytes of that read came behind this, by the stamps before it on
                                that connection; 0: not known */
  uint64_t segment_queue_ns; /* the read before could not take all that was there, and these bytes
                                may be of it: when the first read of that row was begun; 0: no */
  bool segment_exact;        /* nothing came behind this event in that read: its last bytes came at
                                segment_ns, and not earlier. False: they came by then */
  uint32_t attempt;          /* from 1 */
  leat_slice raw;            /* the provider's bytes: the data of the SSE event, or the JSON body */
  leat_slice logprobs;       /* JSON as it was sent, beside text or refusal; empty: none */
  leat_slice finish_detail; /* beside finish_reason, where the provider says more: the sequence that
                               stopped it (anthropic), why it is incomplete (openai-responses) */
  const leat_response *response;
  union {
    leat_head head;
    leat_slice text;
    leat_tool_call tool_call;
    leat_media media;
    leat_usage usage;
    leat_slice finish_reason;
  };
} leat_event;

/* ---- what comes out: the result -----------------------------------------------------------------
 */

enum leat_layer {
  LEAT_LAYER_NONE = 0,
  LEAT_LAYER_API, /* the call, the engine's own limits */
  LEAT_LAYER_DNS,
  LEAT_LAYER_SOCKET,
  LEAT_LAYER_TLS,
  LEAT_LAYER_HTTP,
  LEAT_LAYER_PROVIDER
};
LEAT_API const char *leat_layer_name(enum leat_layer layer);

/* Stamps of the last attempt, `queued_ns` excepted; 0 where that point was not reached. On a reused
 * connection connected_ns and tls_ns equal leased_ns. */
typedef struct leat_times {
  uint64_t queued_ns;    /* the submit */
  uint64_t leased_ns;    /* a connection slot was given */
  uint64_t connected_ns; /* TCP */
  uint64_t tls_ns;       /* handshake finished */
  uint64_t sent_ns;      /* the first byte of the request was handed to the kernel */
  uint64_t head_ns;      /* the response's header block was complete */
  uint64_t first_event_ns;
  uint64_t first_content_ns; /* the first non-empty text, reasoning, refusal or tool call */
  uint64_t last_content_ns;
  uint64_t done_ns;
} leat_times;

typedef struct leat_result {
  int error;             /* LEAT_OK: the answer is whole, by the dialect's own evidence */
  enum leat_layer layer; /* where it failed */
  int status;            /* HTTP status of the last attempt, 0: none came */
  int native;            /* errno or TLS library's code, 0: none */
  leat_slice message;    /* one line for a person, secrets masked; NUL-terminated all the same */
  leat_slice provider_type, provider_code, provider_message; /* from the provider's error object */
  leat_slice request_id;                                     /* the provider's request id header */
  leat_slice body; /* the first bytes of a refused or unreadable body, at most 4 KiB */
  const leat_response *response;
  uint32_t attempts, redirects;
  uint32_t resumed;        /* how often on_truncation went on */
  uint64_t limited_ns;     /* how long it waited for limits and its turn, of the time queued */
  uint64_t bytes_received; /* body bytes of the last attempt, before any content-coding is undone */
  uint64_t events;         /* events delivered */
  uint64_t records;        /* SSE events dispatched, an end marker included */
  leat_times times;
  bool retryable;       /* the same request may succeed later */
  bool maybe_ran_twice; /* it was repeated after an attempt that may have reached the model */
  bool resumed_tls, reused_connection;
  enum leat_http http;    /* of the last attempt's connection, LEAT_HTTP_AUTO: it had none */
  enum leat_tls tls;      /* the same, LEAT_TLS_DEFAULT: none */
  int64_t retry_after_ms; /* the server's wish, -1: none */
} leat_result;

/* What an event callback answers. */
#define LEAT_CONTINUE 0
#define LEAT_PAUSE    1 /* no further event of this request until leat_resume */

typedef int (*leat_event_cb)(leat_engine *engine, leat_id id, const leat_event *event, void *user);
typedef void (*leat_done_cb)(leat_engine *engine, leat_id id, const leat_result *result,
                             void *user);

/* ---- requests -----------------------------------------------------------------------------------
 */

/* A name and what stands for it. */
typedef struct leat_param {
  const char *name, *value;
} leat_param;

/* Asked when an answer broke off after an event of it was delivered (LEAT_ETRUNCATED,
 * LEAT_EINCOMPLETE, LEAT_EIDLETIMEOUT, LEAT_EGAPTIMEOUT, LEAT_ERESET), from the loop, when all of
 * it has been: `text` is all text of choice 0 so far, over all answers. Fill `*next`, which is
 * initialized, with a request that goes on from there, perhaps elsewhere, and return true; its
 * answer comes under the same id, to the same callbacks and in the same lane, and its own head,
 * text, usage and finish follow what was delivered. False: the error stands, as it does when
 * `*next` is refused, with that error, and when leat_cancel(id) was called.
 *
 * It is not asked once the finish reason of choice 0 has come, for then nothing is missing but the
 * end's evidence; nor when the text is longer than LEAT_RESUME_TEXT_MAX. The text is kept only
 * where this callback is set. total_ms goes on running; retries begin anew. */
#define LEAT_RESUME_TEXT_MAX ((size_t)16 << 20)
typedef bool (*leat_truncation_cb)(leat_engine *engine, leat_id id, leat_slice text,
                                   struct leat_request *next, void *user);

typedef struct leat_request {
  size_t struct_size;
  const char *protocol; /* "openai-chat", "openai-completions", "openai-responses", "anthropic",
                           "gemini", "raw"; over a WebSocket "chat-ws", "responses-ws", "realtime",
                           "realtime-beta"; with a `body` of the caller's "json" (a document, or
                           records of a stream), "openai-images", "openai-speech" and
                           "openai-transcript": see leat/reply.h */
  const char *base_url; /* "raw": may be the whole address, with path and query */
  const char *path; /* from the origin's root, instead of the protocol's own; may have a query */
  const char *api_key;
  enum leat_http http;        /* [the engine's] */
  const leat_header *headers; /* besides the engine's; one of the same name replaces it */
  size_t header_count;
  leat_deadlines deadlines;
  int retries;
  bool once;     /* never sent twice: an attempt lost without an answer is LEAT_EUNCERTAIN */
  bool want_raw; /* also deliver each record of the stream as LEAT_EVENT_RAW */
  const leat_chat_request *chat; /* typed fields, or */
  leat_slice body;   /* the JSON itself: validated, then sent untouched. "raw": any bytes */
  const char *model; /* with `body`, for dialects that have the model in the path ("gemini"), and */
  bool stream;       /* whether it streams there too */
  leat_id socket; /* protocols over WebSocket ("chat-ws", "responses-ws"): a socket of leat_ws_open
                     with the same protocol, on which this is the next turn, one at a time in the
                     order of their submits; 0: a socket of its own, closed behind the answer */
  const char *method; /* "raw" only ["GET", with a body "POST"] */

  const char *endpoint; /* a row of the registry ("images.generate") instead of protocol, path and
                           method; its answer is LEAT_EVENT_REPLY unless the row has a dialect */
  const leat_param *params; /* what stands for {name} in its path; others join its query */
  size_t param_count;
  enum leat_auth auth; /* [the endpoint's, the engine's, the protocol's] */

  const struct leat_source *source;   /* the body, from a file, a pipe or a callback; or */
  const struct leat_form_field *form; /* multipart/form-data, whose Content-Type is the engine's */
  size_t form_count;

  /* Lanes. Requests of one lane (a chat's id) run one at a time, in the order of their submits:
   * the next begins behind the done of the one before. Lanes of one priority share in proportion
   * to their weights, and those of a higher one go first; a request without a lane counts as a
   * lane of its own. The names are one engine's: a lane may change its model or its provider. An
   * idle lane costs nothing. Not for protocols over a socket, which is a lane by itself. */
  const char *lane; /* NULL: none */
  int lane_weight;  /* [1, up to 1,000] */
  int priority;     /* [0], -8 to 8; a lower one gets a twentieth of the turns at least */
  bool supersede;   /* those of this lane that wait or run end with LEAT_ESUPERSEDED, told in the
                       loop's next turn */
  int64_t tokens;   /* how many tokens it may cost [the body's bytes / 4, and what the answer may
                       have at most]: LEAT_ELIMIT when that is more than its limit is in all */

  leat_truncation_cb on_truncation; /* NULL: an answer that breaks off is an error. Not over a
                                       socket */
  int resumes_max;                  /* how often it is asked [3]; LEAT_NONE: never */

  leat_event_cb on_event; /* NULL: events are dropped */
  leat_done_cb on_done;   /* required */
  void *user;
} leat_request;

LEAT_API void leat_request_init(leat_request *request);

/* Accepts a request; `*id` is set on LEAT_OK. Otherwise nothing was accepted and no callback comes.
 * Errors: LEAT_EINVAL, LEAT_ENOMEM, LEAT_ECLOSED, LEAT_EHEADER, LEAT_EURL, LEAT_EPLAINKEY,
 * LEAT_EJSON, LEAT_ENOPROTOCOL, LEAT_ENOENDPOINT, LEAT_EQUEUEFULL, LEAT_ESOURCE, LEAT_EFDLIMIT.
 * leat_last_message tells more. */
LEAT_API int leat_submit(leat_engine *engine, const leat_request *request, leat_id *id);

/* One line on why the last leat_ call of this engine failed. Valid until the next call. */
LEAT_API const char *leat_last_message(const leat_engine *engine);

/* No event of `id` comes any more, only `done` with LEAT_ECANCELLED, in the loop's next turn.
 * LEAT_ENOTFOUND when it is done already; a second call is LEAT_OK and without effect. */
LEAT_API int leat_cancel(leat_engine *engine, leat_id id);

/* The source of the request's body, which had answered LEAT_PAUSE, has bytes again: it is read in
 * the loop's next turn. LEAT_OK and without effect when it was not waited for; LEAT_ENOTFOUND. */
LEAT_API int leat_source_ready(leat_engine *engine, leat_id id);

/* Ends a pause; delivery goes on in the loop's next turn. LEAT_OK when it was not paused. */
LEAT_API int leat_resume(leat_engine *engine, leat_id id);

/* ---- the engine ---------------------------------------------------------------------------------
 */

/* Makes an engine; `config` may be NULL. LEAT_EINVAL, LEAT_EURL for the proxy, LEAT_EFDLIMIT,
 * LEAT_ENOMEM. On failure `*engine` is NULL and, if `message` is not
 * NULL,
 * `*message` is a static text that says why. The caller owns the engine until leat_close. */
LEAT_API int leat_open(leat_engine **engine, const leat_config *config, const char **message);

/* Runs the engine's own loop until nothing is pending. LEAT_ESTATE in a callback or on a borrowed
 * loop. When the engine was closed, it is gone when this returns. */
LEAT_API int leat_run(leat_engine *engine);

/* One turn of the engine's own loop, waiting at most `timeout_ms` (0: not at all, LEAT_NONE: until
 * something happens). Returns 1 while something is pending, 0 when not, or an error as leat_run. */
LEAT_API int leat_run_once(leat_engine *engine, int64_t timeout_ms);

enum leat_close_mode {
  LEAT_CLOSE_DRAIN, /* requests and tasks run to their ends first */
  LEAT_CLOSE_NOW    /* they are cancelled */
};
typedef void (*leat_close_cb)(void *user);

/* Closes: new submits give LEAT_ECLOSED; every done and every accepted post runs before
 * `on_close` (may be NULL), after which the engine frees itself. A second call may only turn DRAIN
 * into NOW. */
LEAT_API int leat_close(leat_engine *engine, enum leat_close_mode mode, leat_close_cb on_close,
                        void *user);

/* Has `run` called on the engine's thread. The only function that any thread may call; it must not
 * race with the end of leat_close. LEAT_ECLOSED once the engine closes, LEAT_ENOMEM. */
LEAT_API int leat_post(leat_engine *engine, void (*run)(leat_engine *engine, void *user),
                       void *user);

typedef struct leat_stats {
  uint64_t requests_started, requests_completed, requests_failed, requests_cancelled;
  uint64_t requests_retried; /* repeated attempts */
  uint64_t requests_live, requests_queued, requests_live_peak;
  uint64_t tasks_started, tasks_live, tasks_done, task_polls;
  uint64_t records;       /* SSE events dispatched */
  uint64_t events;        /* events delivered */
  uint64_t content_bytes; /* of text, reasoning and refusal */
  uint64_t bytes_received, bytes_decrypted, bytes_sent;
  uint64_t bytes_copied;        /* response bytes that our own code copied after decryption */
  uint64_t bytes_copied_bio;    /* ciphertext copied into the TLS library */
  uint64_t bytes_copied_submit; /* the one copy of each request */
  uint64_t conns_opened, conns_open, conns_peak, conns_failed, conns_reused;
  uint64_t conns_h2; /* of conns_opened, those that came to speak HTTP/2 */
  uint64_t
      requests_replayed; /* attempts that the server had not processed, repeated free of charge */
  uint64_t handshakes_full, handshakes_resumed;
  uint64_t allocations; /* calls of the allocator */
  uint64_t held_bytes;
  uint64_t turns, reads;
  uint64_t requests_superseded; /* of requests_cancelled */
  uint64_t requests_resumed;    /* times that on_truncation went on */
  uint64_t requests_limited;    /* waiting right now for their turn or a limit; of requests_queued,
                                   as are those that wait for others of their lane */
  uint64_t lanes_live;          /* lanes that have a request */
  uint64_t limiter_waits;       /* requests that a limit held back */
  uint64_t limit_refusals;      /* answers of status 429 or 529 */
  uint64_t budget_refusals;     /* repeats that retry_budget did not allow */
  uint64_t circuits_opened, circuits_open;
} leat_stats;

/* Fills what fits of `stats`, whose struct_size is given as `size`: sizeof(leat_stats). */
LEAT_API int leat_stats_get(const leat_engine *engine, leat_stats *stats, size_t size);

#ifdef __cplusplus
}
#endif

/* The chapters, in an order in which each finds what it needs. */
#include "leat/source.h"
#include "leat/task.h"
#include "leat/watch.h"
#include "leat/ws.h"

#include "leat/reply.h" /* behind task.h */

#include "leat/endpoint.h" /* behind reply.h */

#endif
