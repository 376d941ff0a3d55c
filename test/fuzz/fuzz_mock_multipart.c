/* The gateway's reader of forms: whatever the bytes and however they are cut, it says the same
 * parts with the same bytes, and no part has more bytes than came. The first byte of the input says
 * where it is cut. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "bench/mock/multipart.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

/* What was said, as one number for each kind. */
struct told {
  uint64_t parts, ended, bytes, hash;
};

static void mix(struct told *t, leat_slice bytes) {
  for (size_t i = 0; i < bytes.size; i++)
    t->hash = (t->hash ^ (unsigned char)bytes.data[i]) * 0x100000001b3u;
}

static int on_part(void *user, leat_slice head) {
  struct told *t = user;
  char name[40];
  t->parts++;
  mix(t, head);
  if (mock_multipart_field(head, "content-disposition", "name", name, sizeof name))
    mix(t, lti_slice_of(name));
  if (mock_multipart_field(head, "content-disposition", "filename", name, sizeof name))
    mix(t, lti_slice_of(name));
  mock_multipart_field(head, "content-type", NULL, name, 4);
  return 0;
}

static int on_bytes(void *user, leat_slice bytes) {
  struct told *t = user;
  t->bytes += bytes.size;
  mix(t, bytes);
  return 0;
}

static int on_end(void *user) {
  ((struct told *)user)->ended++;
  return 0;
}

static const mock_multipart_sink sink = {on_part, on_bytes, on_end};

/* True: the form is whole. */
static bool read_form(leat_slice form, size_t step, struct told *t) {
  lti_alloc alloc;
  mock_multipart p;
  lti_alloc_init(&alloc, NULL);
  *t = (struct told){0};
  bool fine = mock_multipart_init(&p, &alloc, "multipart/form-data; boundary=b");
  p.sink = &sink;
  p.user = t;
  for (size_t at = 0; fine && at < form.size; at += step)
    fine = mock_multipart_feed(
        &p, lti_slice(form.data + at, form.size - at < step ? form.size - at : step));
  fine = fine && mock_multipart_end(&p);
  mock_multipart_deinit(&p);
  return fine;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  struct told whole, cut;
  if (size < 1) return 0;
  leat_slice form = lti_slice((const char *)bytes + 1, size - 1);
  bool fine = read_form(form, form.size + 1, &whole);
  bool same = read_form(form, 1u + bytes[0] % 64, &cut) == fine;
  if (!same || whole.parts != cut.parts || whole.ended != cut.ended) abort();
  if (whole.bytes != cut.bytes || whole.hash != cut.hash || whole.bytes > form.size) abort();
  return 0;
}
