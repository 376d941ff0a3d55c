/* An observer in the flow fixture: see seen.h. */
#include "support/seen.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/slice.h"

char *seen_text(seen *s, leat_id id) {
  size_t i = 0;
  while (i < s->count && s->ids[i] != id) i++;
  assert_true(i < SEEN_MAX);
  if (i == s->count) s->ids[s->count++] = id;
  return s->texts[i];
}

static void note(seen *s, leat_id id, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static void note(seen *s, leat_id id, const char *format, ...) {
  char *text = seen_text(s, id);
  size_t size = strlen(text);
  va_list args;
  if (size && size < sizeof s->texts[0] - 1) text[size++] = ' ';
  va_start(args, format);
  vsnprintf(text + size, sizeof s->texts[0] - size, format, args);
  va_end(args);
  if (s->flow->calling) s->flow->faults++;
}

static void copy(char *to, size_t room, leat_slice from) {
  size_t size = from.size < room ? from.size : room - 1;
  if (size) memcpy(to, from.data, size);
  to[size] = '\0';
}

static size_t on_start(void *user, leat_engine *e, const leat_attempt *a, leat_header *extra,
                       size_t room) {
  seen *s = user;
  s->starts++;
  s->last = *a;
  copy(s->protocol, sizeof s->protocol, a->protocol);
  copy(s->model, sizeof s->model, a->model);
  copy(s->method, sizeof s->method, a->method);
  copy(s->host, sizeof s->host, a->host);
  copy(s->path, sizeof s->path, a->path);
  if (a->hops)
    note(s, a->id, "S%u+%u", a->number, a->hops);
  else
    note(s, a->id, "S%u", a->number);
  return s->on_start ? s->on_start(s, e, a, extra, room) : 0;
}

static void on_retry(void *user, leat_engine *e, const leat_attempt *a, int error,
                     int64_t wait_ms) {
  seen *s = user;
  s->retries++;
  if (wait_ms < 0) s->flow->faults++;
  note(s, a->id, "R%u:%s", a->number, leat_error_name(error));
  if (s->on_retry) s->on_retry(s, e, a);
}

static void on_done(void *user, leat_engine *e, leat_id id, const leat_result *result) {
  seen *s = user;
  s->dones++;
  note(s, id, "D:%s", leat_error_name(result->error));
  if (s->on_done) s->on_done(s, e, id);
}

seen *seen_watch(flow *f) {
  seen *s = flow_keep(f, sizeof *s);
  s->flow = f;
  s->observer = (leat_observer){on_start, on_retry, on_done, s};
  f->config.observer = &s->observer;
  return s;
}

void seen_expect(seen *s, const flow_call *c, const char *text) {
  assert_string_equal(seen_text(s, c->id), text);
}

size_t seen_add_trace(seen *s, leat_engine *e, const leat_attempt *a, leat_header *extra,
                      size_t room) {
  (void)e;
  assert_true(room >= 2);
  snprintf(s->values[0], sizeof s->values[0], "00-%u-%u", a->number, a->hops);
  extra[0] = (leat_header){{"traceparent", 11}, lti_slice_of(s->values[0])};
  extra[1] = (leat_header){{"x-mine", 6}, {"  new  ", 7}};
  return 2;
}
