/* Events that wait: see hold.h. An event's views all go into the tail of its entry. */
#include "core/hold.h"

#include "base/error.h"
#include "base/slice.h"

#define SLICES_MAX 7

struct lti_hold_entry {
  lti_hold_entry *next; /* of the last: the first */
  size_t size;
  size_t total; /* of the last: all their sizes */
  leat_event event;
  char bytes[];
};

/* The slices of an event, by its kind. Headers are never held: head is no part of a record. */
static size_t list_slices(leat_event *e, leat_slice *list[SLICES_MAX]) {
  size_t n = 0;
  list[n++] = &e->raw;
  list[n++] = &e->logprobs;
  switch (e->kind) {
    case LEAT_EVENT_TEXT:
    case LEAT_EVENT_REASONING:
    case LEAT_EVENT_REFUSAL:
    case LEAT_EVENT_SIGNATURE:
    case LEAT_EVENT_REPLY:
    case LEAT_EVENT_RAW: list[n++] = &e->text; break;
    case LEAT_EVENT_TOOL_CALL:
      list[n++] = &e->tool_call.id;
      list[n++] = &e->tool_call.name;
      list[n++] = &e->tool_call.arguments;
      break;
    case LEAT_EVENT_IMAGE:
    case LEAT_EVENT_AUDIO:
      list[n++] = &e->media.data;
      list[n++] = &e->media.url;
      list[n++] = &e->media.mime_type;
      list[n++] = &e->media.transcript;
      list[n++] = &e->media.id;
      break;
    case LEAT_EVENT_FINISH: list[n++] = &e->finish_reason; break;
    case LEAT_EVENT_USAGE:
    case LEAT_EVENT_HEAD: break;
  }
  return n;
}

int lti_hold_push(lti_hold *h, lti_alloc *alloc, const leat_event *event) {
  leat_event copy = *event;
  leat_slice *slices[SLICES_MAX];
  size_t n = list_slices(&copy, slices), size = 0;
  for (size_t i = 0; i < n; i++) size += slices[i]->size;
  lti_hold_entry *e = lti_alloc_get(alloc, sizeof *e + size);
  if (!e) return LEAT_ENOMEM;
  e->size = sizeof *e + size;
  e->event = copy;
  char *to = e->bytes;
  n = list_slices(&e->event, slices);
  for (size_t i = 0; i < n; i++) {
    if (slices[i]->size == 0) continue;
    memcpy(to, slices[i]->data, slices[i]->size);
    slices[i]->data = to;
    to += slices[i]->size;
  }
  e->total = e->size + lti_hold_bytes(h);
  e->next = h->last ? h->last->next : e;
  if (h->last) h->last->next = e;
  h->last = e;
  return LTI_OK;
}

size_t lti_hold_bytes(const lti_hold *h) {
  return h->last ? h->last->total : 0;
}

lti_hold_entry *lti_hold_pop(lti_hold *h) {
  lti_hold_entry *e = h->last->next;
  h->last->next = e->next;
  h->last->total -= e->size;
  if (e == h->last) h->last = NULL;
  return e;
}

leat_event *lti_hold_event(lti_hold_entry *entry) {
  return &entry->event;
}

void lti_hold_free(lti_hold_entry *entry, lti_alloc *alloc) {
  lti_alloc_put(alloc, entry);
}

void lti_hold_clear(lti_hold *h, lti_alloc *alloc) {
  while (h->last) lti_hold_free(lti_hold_pop(h), alloc);
}
