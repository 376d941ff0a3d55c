/* Faults by name: one table says what each is called, what its argument means and what it does; the
 * same table parses headers and options and prints the help.
 *
 * A list is NAME[=ARG][;NAME[=ARG]...]. An option's rule ends with :PROBABILITY, its dice are
 * seeded, so that a run can be repeated. */
#include "bench/mock/gateway.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "bench/mock/text.h"

struct fault_name {
  const char *name, *argument, *does;
  enum mock_fault which;
  uint64_t usual; /* the argument when none is given */
};

static const struct fault_name names[] = {
    {"status", "CODE", "this status with an error body", FAULT_STATUS, 500},
    {"busy", "[SECONDS]", "429 with Retry-After (1)", FAULT_BUSY, 1},
    {"redirect", "CODE,URL", "a redirect", FAULT_REDIRECT, 307},
    {"drop", "", "close before any byte of an answer", FAULT_DROP, 0},
    {"slow-head", "MS", "wait before the status line", FAULT_SLOW_HEAD, 1000},
    {"html", "", "200 with an HTML page", FAULT_HTML, 0},
    {"empty", "", "200 with an empty body", FAULT_EMPTY, 0},
    {"echo-key", "", "401 that repeats the key it was sent", FAULT_ECHO_KEY, 0},
    {"reset", "BYTES", "RST after so many bytes of body", FAULT_RESET, 0},
    {"close", "BYTES", "FIN there, no close_notify, no last chunk", FAULT_CLOSE, 0},
    {"truncate", "BYTES", "close_notify and FIN there, no last chunk", FAULT_TRUNCATE, 0},
    {"stall", "BYTES", "silence from there on", FAULT_STALL, 0},
    {"comments", "[K]", "K comments before each event; without K nothing but comments",
     FAULT_COMMENTS, 0},
    {"no-done", "", "the stream ends without [DONE]", FAULT_NO_DONE, 0},
    {"no-finish", "", "the stream has no finish_reason", FAULT_NO_FINISH, 0},
    {"after-done", "", "the body stays open after [DONE]", FAULT_AFTER_DONE, 0},
    {"error", "[K]", "an error object as event after K events", FAULT_ERROR, 0},
    {"bare-error", "[K]", "a JSON error outside the framing after K events", FAULT_BARE_ERROR, 0},
    {"big", "BYTES", "first an event with so much content (64M)", FAULT_BIG, 64u << 20},
    {"crlf", "", "lines of the event stream end in CRLF", FAULT_CRLF, 0},
    {"cr", "", "lines of the event stream end in CR", FAULT_CR, 0},
    {"bytewise", "", "one byte a write, and a TLS record", FAULT_BYTEWISE, 0},
    {"chunk-truncated", "[K]", "end inside the chunk of event K", FAULT_CHUNK_TRUNCATED, 0},
    {"gzip", "", "a gzip body, asked for or not", FAULT_GZIP, 0},
    {"json", "", "a JSON answer to a request for a stream", FAULT_JSON, 0},
    {"blank", "[K]", "K blank lines before the body", FAULT_BLANK, 3},
    {"eof-body", "", "no length and no chunks: the end of the connection ends the body",
     FAULT_EOF_BODY, 0},
    {"interim", "[K]", "K 103 answers before the real one", FAULT_INTERIM, 1},
    {"big-head", "BYTES", "a response header of that size", FAULT_BIG_HEAD, 300 * 1024},
    {"surplus", "", "a second response nobody asked for", FAULT_SURPLUS, 0},
    {"goaway", "[CODE]", "h2: GOAWAY that leaves out this request and later ones (0)", FAULT_GOAWAY,
     0},
    {"refused", "", "h2: REFUSED_STREAM", FAULT_REFUSED, 0},
    {"http11required", "", "h2: RST_STREAM with HTTP_1_1_REQUIRED", FAULT_HTTP11_REQUIRED, 0},
    {"rst", "CODE", "h2: RST_STREAM with this code at once; with reset: there", FAULT_RST, 2},
    {"rst-after", "[CODE]", "h2: RST_STREAM behind the end of the answer (0)", FAULT_RST_AFTER, 0},
    {"slow-reader", "MS", "h2: the request's window is given back so much later", FAULT_SLOW_READER,
     1000},
    {"ping-flood", "[N]", "h2: N PINGs (10000)", FAULT_PING_FLOOD, 10000},
    {"settings-flood", "[N]", "h2: N SETTINGS (10000)", FAULT_SETTINGS_FLOOD, 10000},
    {"empty-data", "[N]", "h2: N empty DATA frames before the body (10000)", FAULT_EMPTY_FRAMES,
     10000},
    {"maxstreams", "N", "h2: from now on MAX_CONCURRENT_STREAMS is N", FAULT_MAX_STREAMS, 100},
    {"silent", "", "h2: from now on the connection neither reads nor writes", FAULT_SILENT, 0},
    {"ws-close", "[CODE]",
     "ws: Close with this code (4001) instead of a turn; with truncate: there", FAULT_WS_CLOSE,
     4001},
    {"lose", "", "a task is taken, and its submit never answered", FAULT_LOSE, 0},
    {"close-after", "[MS]", "close, unannounced, so long after the answer", FAULT_CLOSE_AFTER, 0},
};

const mock_faults mock_faults_none;

#define NAME_COUNT (sizeof names / sizeof names[0])

void mock_fault_help(void) {
  printf("Faults (--fault NAME[=ARG][;NAME...][:PROBABILITY] or the header x-mock-fault):\n");
  for (size_t i = 0; i < NAME_COUNT; i++) {
    char left[64];
    snprintf(left, sizeof left, "%s%s%s", names[i].name, *names[i].argument ? "=" : "",
             names[i].argument);
    printf("  %-24s %s\n", left, names[i].does);
  }
}

/* Digits with an optional K, M or G. */
static bool parse_number(const char *text, size_t size, uint64_t *value) {
  uint64_t unit = 1;
  if (size && strchr("kKmMgG", text[size - 1])) {
    int c = text[size - 1] | 0x20;
    unit = c == 'k' ? 1u << 10 : c == 'm' ? 1u << 20 : 1u << 30;
    size--;
  }
  if (!lti_slice_u64(lti_slice(text, size), value) || *value > UINT64_MAX / unit) return false;
  *value *= unit;
  return true;
}

static int set_redirect(mock_faults *f, const char *arg, size_t size) {
  const char *comma = memchr(arg, ',', size);
  if (!comma || !parse_number(arg, (size_t)(comma - arg), &f->arg[FAULT_REDIRECT])) return -1;
  size_t left = size - (size_t)(comma + 1 - arg);
  if (left >= sizeof f->location) return -1;
  memcpy(f->location, comma + 1, left);
  f->location[left] = '\0';
  return 0;
}

static int set_one(mock_faults *f, const char *text, size_t size) {
  const char *equals = memchr(text, '=', size);
  size_t name_size = equals ? (size_t)(equals - text) : size;
  for (size_t i = 0; i < NAME_COUNT; i++) {
    const struct fault_name *n = &names[i];
    if (strlen(n->name) != name_size || strncasecmp(n->name, text, name_size) != 0) continue;
    f->set |= (uint64_t)1 << n->which;
    f->arg[n->which] = n->usual;
    if (n->which == FAULT_COMMENTS || n->which == FAULT_CHUNK_TRUNCATED)
      f->arg[n->which] = MOCK_NEVER;
    if (!equals) return n->which == FAULT_REDIRECT ? -1 : 0;
    size_t arg_size = size - name_size - 1;
    if (n->which == FAULT_REDIRECT) return set_redirect(f, equals + 1, arg_size);
    return parse_number(equals + 1, arg_size, &f->arg[n->which]) ? 0 : -1;
  }
  return -1;
}

int mock_fault_parse(mock_faults *f, const char *text, size_t size) {
  while (size) {
    const char *semicolon = memchr(text, ';', size);
    size_t n = semicolon ? (size_t)(semicolon - text) : size;
    leat_slice one = lti_slice_trim(lti_slice(text, n));
    if (one.size && set_one(f, one.data, one.size)) return -1;
    if (!semicolon) break;
    text += n + 1;
    size -= n + 1;
  }
  return 0;
}

/* The probability is what follows the last colon, when that is a number between 0 and 1; a URL's
 * port is none. */
static size_t split_probability(const char *rule, double *probability) {
  *probability = 1;
  const char *colon = strrchr(rule, ':');
  if (!colon) return strlen(rule);
  char *end;
  double p = strtod(colon + 1, &end);
  if (end == colon + 1 || *end || p < 0 || p > 1) return strlen(rule);
  *probability = p;
  return (size_t)(colon - rule);
}

int mock_fault_rules(mock *m) {
  if (m->config.fault_rule_count > MOCK_FAULT_RULES_MAX) return UV_EINVAL;
  for (size_t i = 0; i < m->config.fault_rule_count; i++) {
    const char *rule = m->config.fault_rules[i];
    size_t size = split_probability(rule, &m->rules[i].probability);
    if (mock_fault_parse(&m->rules[i].faults, rule, size) == 0) continue;
    fprintf(stderr, "mock: no such fault: %s (see leat mock --help)\n", rule);
    return UV_EINVAL;
  }
  return 0;
}

void mock_fault_roll(mock *m, mock_faults *f) {
  for (size_t i = 0; i < m->config.fault_rule_count; i++) {
    const mock_rule *r = &m->rules[i];
    if (r->probability < 1 && lti_prng_unit(&m->dice) >= r->probability) continue;
    f->set |= r->faults.set;
    for (unsigned which = 0; which < FAULT_COUNT; which++)
      if (mock_fault_on(&r->faults, which)) f->arg[which] = r->faults.arg[which];
    if (mock_fault_on(&r->faults, FAULT_REDIRECT))
      memcpy(f->location, r->faults.location, sizeof f->location);
  }
}

bool mock_fault_counted(mock *m, const char *key, uint64_t times) {
  uint64_t hash = 1;
  for (const char *p = key; *p; p++) hash = mock_text_mix(hash ^ (unsigned char)*p);
  mock_tally *t = &m->tally[hash % MOCK_TALLY_SIZE];
  if (t->key != hash) {
    t->key = hash;
    t->count = 0;
  }
  return t->count++ < times;
}
