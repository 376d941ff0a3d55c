/* Which requests were begun, and which answered: a request that names itself (x-mock-request, or
 * idempotency-key; a turn on a socket in its metadata.request) is counted by a hash of its name, so
 * that whoever sent N of them can assert that none was lost and none was begun twice. What was
 * refused before it was begun does not count. */
#include <stdlib.h>

#include "bench/mock/gateway.h"
#include "bench/mock/text.h"
#include "wire/json.h"

#define IDS_FIRST 1024u
#define IDS_MAX   (1u << 23)

static uint64_t hash_of(leat_slice text) {
  uint64_t hash = 0x69647365u;
  for (size_t i = 0; i < text.size; i++) hash = mock_text_mix(hash ^ (unsigned char)text.data[i]);
  return hash ? hash : 1;
}

/* Empty when it has none. A turn on a socket says it in its message, since the socket's headers are
 * those of all its turns. */
static leat_slice name_of(const mock_exchange *x) {
  leat_slice body = lti_buf_slice(&x->body), name = lti_slice("", 0);
  if (x->socket) {
    if (!lti_json_find(body, "/metadata/request", &name))
      lti_json_find(body, "/response/metadata/request", &name);
    return name;
  }
  const char *text = mock_exchange_header(x, "x-mock-request");
  if (!text) text = mock_exchange_header(x, "idempotency-key");
  return text ? lti_slice_of(text) : name;
}

/* Where the hash is, or the free place where it would be. */
static mock_id *place_of(mock_id *ids, uint32_t capacity, uint64_t hash) {
  uint32_t at = (uint32_t)hash & (capacity - 1);
  while (ids[at].hash && ids[at].hash != hash) at = (at + 1) & (capacity - 1);
  return &ids[at];
}

static bool make_room(mock *m) {
  if (m->id_count < m->id_capacity / 2) return true;
  uint32_t capacity = m->id_capacity ? 2 * m->id_capacity : IDS_FIRST;
  mock_id *ids = capacity <= IDS_MAX ? calloc(capacity, sizeof *ids) : NULL;
  if (!ids) return false;
  for (uint32_t i = 0; i < m->id_capacity; i++)
    if (m->ids[i].hash) *place_of(ids, capacity, m->ids[i].hash) = m->ids[i];
  free(m->ids);
  m->ids = ids;
  m->id_capacity = capacity;
  return true;
}

void mock_ids_begin(mock_exchange *x) {
  mock *m = x->m;
  leat_slice name = name_of(x);
  if (!name.size || !make_room(m)) return;
  x->id = hash_of(name);
  mock_id *id = place_of(m->ids, m->id_capacity, x->id);
  if (id->begun++) {
    m->stats.ids_repeated++;
    return;
  }
  id->hash = x->id;
  m->id_count++;
  m->stats.ids_distinct++;
}

void mock_ids_done(mock_exchange *x) {
  mock *m = x->m;
  if (!x->id) return;
  mock_id *id = place_of(m->ids, m->id_capacity, x->id);
  if (id->done++)
    m->stats.ids_done_again++;
  else
    m->stats.ids_done++;
}
