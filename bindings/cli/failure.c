/* One table from errors to advice, one from statuses. The engine says what happened and where; what
 * it may have left out (the provider's message, the first bytes of a foreign body) is added here.
 */
#include "failure.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/slice.h"
#include "program.h"
#include "say.h"

#define BODY_SHOWN     120
#define START_COMPARED 16
#define MESSAGE_SHOWN  1000
#define LINE_SIZE      1600

static const struct {
  int error;
  const char *advice;
} advices[] = {
    {LEAT_EHEADER,
     "check --header, the key and --chat-path for line breaks and foreign characters"},
    {LEAT_EURL, "check --base-url"},
    {LEAT_EPLAINKEY, "use https, or --allow-plain-key if the network is yours"},
    {LEAT_EJSON, "check --body"},
    {LEAT_ENOPROTOCOL, "check --protocol"},
    {LEAT_ERESOLVE, "check the host name in --base-url, or use --resolve"},
    {LEAT_ERESOLVEAGAIN, "the resolver is not answering: try again"},
    {LEAT_EDNSTIMEOUT, "the resolver is not answering: try again, or use --resolve"},
    {LEAT_EREFUSED, "is the server running? see --base-url"},
    {LEAT_EUNREACHABLE, "check the network and --base-url"},
    {LEAT_ERESET, "try again; is it https where the server speaks http, or the reverse?"},
    {LEAT_EPROXY, "check --proxy, HTTPS_PROXY and the login in it"},
    {LEAT_ECONNECT, "check --base-url"},
    {LEAT_EFDLIMIT, "raise the limit of open files (ulimit -n) or lower --connections"},
    {LEAT_ETLS, "does the server speak TLS 1.2 or better there? see --base-url"},
    {LEAT_ECERT, "for a private CA use --cacert FILE; the name must be that of --base-url"},
    {LEAT_ENOCA, "install ca-certificates, or use --cacert FILE"},
    {LEAT_ECLIENTCERT, "check --cert and --key: PEM, and the key not encrypted"},
    {LEAT_EREDIRECT, "put the final address into --base-url"},
    {LEAT_ECONNTIMEOUT, "check --base-url, or raise --connect-timeout"},
    {LEAT_EHEADTIMEOUT, "the server is slow: raise --head-timeout"},
    {LEAT_EFIRSTTIMEOUT, "the model is slow: raise --first-timeout"},
    {LEAT_EGAPTIMEOUT, "the model is slow: raise --gap-timeout"},
    {LEAT_EIDLETIMEOUT, "the server fell silent: try again"},
    {LEAT_ETOTALTIMEOUT, "raise --timeout"},
    {LEAT_ETRUNCATED, "what was received is not the whole answer: try again"},
    {LEAT_EINCOMPLETE, "what was received may not be the whole answer: try again"},
    {LEAT_ENOTSTREAM, "this does not look like an LLM endpoint: check --base-url and --chat-path"},
    {LEAT_EUPGRADE, "is this a WebSocket's address? see --protocol and the path"},
    {LEAT_EWS, "the server breaks the rules of WebSocket (RFC 6455)"},
    {LEAT_EMESSAGEMAX, "raise --message-max"},
    {LEAT_EUNCERTAIN, "it may have been accepted: look there before sending it again"},
    {LEAT_ETASKTIME, "it may still run there: leat task wait ID, or raise --deadline"},
};

static const struct {
  int status;
  const char *advice;
} statuses[] = {
    {400, "check --model and the request"},
    {401, "check the key: LEAT_API_KEY, --key-file"},
    {403, "check the key's rights: LEAT_API_KEY, --key-file"},
    {404, "check --base-url, the path and --model"},
    {413, "the request is too large for this server"},
    {429, "the server asks to slow down: wait, raise --retries, or use --learn-limits"},
};

/* A handshake that is refused as 400 or 404 went to a place that is no socket's. */
static const char *status_advice(int error, int status) {
  if (error == LEAT_EUPGRADE && (status == 400 || status == 404)) return NULL;
  for (size_t i = 0; i < sizeof statuses / sizeof statuses[0]; i++)
    if (statuses[i].status == status) return statuses[i].advice;
  return status >= 500 ? "the server failed: try again later" : NULL;
}

const char *cli_failure_advice(int error, int status) {
  bool answered = error == LEAT_ESTATUS || error == LEAT_EUPGRADE;
  const char *advice = answered ? status_advice(error, status) : NULL;
  if (advice) return advice;
  for (size_t i = 0; i < sizeof advices / sizeof advices[0]; i++)
    if (advices[i].error == error) return advices[i].advice;
  return NULL;
}

static bool holds(leat_slice text, leat_slice part) {
  return part.size == 0 || lti_slice_find(text, part) != NULL;
}

typedef struct line {
  size_t used;
  char text[LINE_SIZE];
} line;

__attribute__((format(printf, 2, 3))) static void add(line *l, const char *format, ...) {
  size_t room = sizeof l->text - l->used;
  va_list args;
  va_start(args, format);
  int n = vsnprintf(l->text + l->used, room, format, args);
  va_end(args);
  if (n > 0) l->used += (size_t)n < room ? (size_t)n : room - 1;
}

/* The first bytes of a body that nobody asked for say more than any error. */
static void add_body(line *l, const leat_result *r, leat_slice message) {
  if (r->error != LEAT_ENOTSTREAM && (r->error != LEAT_ESTATUS || r->provider_message.size)) return;
  leat_slice shown = lti_slice(r->body.data, r->body.size < BODY_SHOWN ? r->body.size : BODY_SHOWN);
  size_t plain = 0; /* the message shows control characters as blanks */
  while (plain < shown.size && plain < START_COMPARED && (unsigned char)shown.data[plain] >= 0x20)
    plain++;
  if (!holds(message, lti_slice(shown.data, plain)))
    add(l, ": \"%.*s\"", (int)shown.size, shown.data);
}

/* The message, with "of N" put behind the number of the attempt, or both put at its end. */
static void add_message(line *l, const leat_result *r, leat_slice message, int retries) {
  char attempt[32] = "";
  uint32_t all = retries < 0 ? 1 : (uint32_t)retries + 1;
  if (r->attempts > all) all = r->attempts;
  if (message.size > MESSAGE_SHOWN) message.size = MESSAGE_SHOWN;
  if (r->attempts > 1) snprintf(attempt, sizeof attempt, "attempt %u", r->attempts);
  const char *at = *attempt ? lti_slice_find(message, lti_slice_of(attempt)) : NULL;
  if (at) {
    size_t head = (size_t)(at - message.data) + strlen(attempt);
    leat_slice tail = lti_slice_from(message, head);
    add(l, "%.*s of %u%.*s", (int)head, message.data, all, (int)tail.size, tail.data);
  } else {
    add(l, "%.*s", (int)message.size, message.data);
    if (*attempt) add(l, " (%s of %u)", attempt, all);
  }
}

/* What fails on the way to a proxy says so, and is not the gateway's matter. */
static bool of_proxy(leat_slice message) {
  leat_slice start = lti_slice_of("the proxy");
  return message.size > start.size && memcmp(message.data, start.data, start.size) == 0;
}

void cli_failure_say(const leat_result *r, int retries) {
  line l = {0};
  leat_slice message = r->message.size ? r->message : lti_slice_of(leat_error_text(r->error));
  leat_slice said = r->provider_message;
  add_message(&l, r, message, retries);
  if (!holds(message, said)) add(&l, ": %.*s", (int)(said.size < 400 ? said.size : 400), said.data);
  add_body(&l, r, message);
  if (r->retry_after_ms > 0) add(&l, ": it asks to wait %.0f s", (double)r->retry_after_ms / 1e3);
  const char *advice = cli_failure_advice(of_proxy(message) ? LEAT_EPROXY : r->error, r->status);
  if (advice) add(&l, ": %s", advice);
  cli_say("%s", l.text);
}

int cli_failure_refused(const leat_engine *engine, int error) {
  const char *message = engine ? leat_last_message(engine) : NULL;
  const char *advice = cli_failure_advice(error, 0);
  if (!message || !*message) message = leat_error_text(error);
  cli_say("%s%s%s", message, advice ? ": " : "", advice ? advice : "");
  return leat_error_class(error) == LEAT_CLASS_USAGE ? CLI_WRONG : CLI_FAILED;
}
