/* See counters.h. */
#include "counters.h"

#include <stdlib.h>
#include <string.h>

#include "ending.h"

#define ROW(name, field) \
  { name, offsetof(leat_stats, field) }

static const struct {
  const char *name;
  size_t offset;
} rows[] = {ROW("requestsStarted", requests_started),
            ROW("requestsCompleted", requests_completed),
            ROW("requestsFailed", requests_failed),
            ROW("requestsCancelled", requests_cancelled),
            ROW("requestsRetried", requests_retried),
            ROW("requestsLive", requests_live),
            ROW("requestsQueued", requests_queued),
            ROW("requestsLivePeak", requests_live_peak),
            ROW("tasksStarted", tasks_started),
            ROW("tasksLive", tasks_live),
            ROW("tasksDone", tasks_done),
            ROW("taskPolls", task_polls),
            ROW("records", records),
            ROW("events", events),
            ROW("contentBytes", content_bytes),
            ROW("bytesReceived", bytes_received),
            ROW("bytesDecrypted", bytes_decrypted),
            ROW("bytesSent", bytes_sent),
            ROW("bytesCopied", bytes_copied),
            ROW("connsOpened", conns_opened),
            ROW("connsOpen", conns_open),
            ROW("connsPeak", conns_peak),
            ROW("connsFailed", conns_failed),
            ROW("connsReused", conns_reused),
            ROW("connsH2", conns_h2),
            ROW("requestsReplayed", requests_replayed),
            ROW("handshakesFull", handshakes_full),
            ROW("handshakesResumed", handshakes_resumed),
            ROW("allocations", allocations),
            ROW("heldBytes", held_bytes),
            ROW("turns", turns),
            ROW("reads", reads),
            ROW("requestsSuperseded", requests_superseded),
            ROW("requestsResumed", requests_resumed),
            ROW("requestsLimited", requests_limited),
            ROW("lanesLive", lanes_live),
            ROW("limiterWaits", limiter_waits),
            ROW("limitRefusals", limit_refusals),
            ROW("budgetRefusals", budget_refusals),
            ROW("circuitsOpened", circuits_opened),
            ROW("circuitsOpen", circuits_open)};
#undef ROW

napi_value lno_counters_object(napi_env env, leat_engine *engine) {
  leat_stats stats;
  napi_value made, count;
  leat_stats_get(engine, &stats, sizeof stats);
  if (napi_create_object(env, &made) != napi_ok) return NULL;
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    uint64_t one;
    memcpy(&one, (const char *)&stats + rows[i].offset, sizeof one);
    if (napi_create_double(env, (double)one, &count) != napi_ok ||
        napi_set_named_property(env, made, rows[i].name, count) != napi_ok)
      return NULL;
  }
  return made;
}

typedef struct page {
  char *text;
  size_t size;
} page;

static int put_page(void *user, leat_slice text) {
  page *p = user;
  char *grown = realloc(p->text, p->size + text.size + 1);
  if (!grown) return LEAT_ENOMEM;
  memcpy(grown + p->size, text.data, text.size);
  p->text = grown;
  p->size += text.size;
  return 0;
}

napi_value lno_counters_text(napi_env env, leat_engine *engine) {
  page p = {NULL, 0};
  napi_value made = NULL;
  int r = leat_stats_write(engine, put_page, &p);
  if (r != LEAT_OK)
    lno_ending_throw(env, r, leat_error_text(r));
  else if (napi_create_string_utf8(env, p.text ? p.text : "", p.size, &made) != napi_ok)
    made = NULL;
  free(p.text);
  return made;
}
