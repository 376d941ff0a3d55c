/* The memo: records of one stream are alike but for their text, and most are read by that.
 *
 *     {"id":"c-1","model":"m","choices":[{"index":0,"delta":{"content":"  tok  "}}]}
 *     |------------------------ before ------------------------------||-text-||behind|
 *
 * When a record was read member by member and turned out to be one piece of text and nothing that
 * was new, the sizes of what stands before and behind that text are kept, and a fingerprint of the
 * two. If the next record has the same fingerprint, and what stands between is the inside of one
 * JSON string, then a JSON reader would find the same members with the same values and another
 * text, and would leave the decoder as it is: so the text is emitted at once. The string is read
 * and decoded by the same functions as in any other record, escapes, halves of surrogates and
 * invalid UTF-8 included.
 *
 * The bytes themselves are not kept: some 200 of them for each stream would be the larger part of
 * the memory that an event touches. Records that differ share a fingerprint by a chance of 2^-64. A
 * server that goes and looks for two that do gains nothing: whatever the second is taken for, it
 * could have said in the first place.
 *
 * Whatever has to be read member by member takes the memo out of use, until a record like the
 * first one has come again: nothing that happens between two records can make it wrong. A stream
 * whose records are never alike (a time or padding in each) loses its memo for good. */
#include <string.h>

#include "openai.h"

#define BYTES_MAX 512 /* before and behind the text together */
#define VAIN_MAX  16  /* memos made in a row of which none served */

__extension__ typedef unsigned __int128 product;

/* Odd, and with as many ones as zeroes in no order. */
static const uint64_t KEY = UINT64_C(0x9e3779b97f4a7c15), KEY_SHORT = UINT64_C(0xbf58476d1ce4e5b9);

static uint64_t load(const char *at) {
  uint64_t word;
  memcpy(&word, at, sizeof word);
  return word;
}

static uint64_t fold(uint64_t a, uint64_t b) {
  product p = (product)a * b;
  return (uint64_t)p ^ (uint64_t)(p >> 64);
}

/* Sixteen bytes give one product, whose factors are masked by their place; the last sixteen may
 * overlap with those before. The products do not wait for each other. */
static uint64_t fingerprint(const char *at, size_t size) {
  uint64_t mask = KEY, sum = 0;
  const char *end = at + size;
  if (size < 16) {
    char whole[16] = {0};
    memcpy(whole, at, size);
    return fold(load(whole) ^ KEY, load(whole + 8) ^ KEY_SHORT);
  }
  for (; end - at > 16; at += 16, mask += KEY) sum += fold(load(at) ^ mask, load(at + 8) + mask);
  return sum + fold(load(end - 16) ^ mask, load(end - 8) + mask);
}

static uint64_t fingerprint_around(leat_slice record, size_t before, size_t behind) {
  uint64_t of_before = fingerprint(record.data, before);
  uint64_t of_behind = fingerprint(record.data + record.size - behind, behind);
  return of_before ^ (of_behind << 32 | of_behind >> 32);
}

void lti_openai_memo_begin(lti_openai *d, lti_openai_note *note) {
  memset(note, 0, sizeof *note);
  d->news = false;
  d->memo.behind = 0;
}

void lti_openai_memo_note(lti_openai_note *note, const lti_openai_piece *piece) {
  const lti_json_text *thought = &piece->reasoning_content, *text = &piece->content;
  if (thought->raw.size == 0) thought = &piece->reasoning;
  if (text->raw.size == 0) text = &piece->text;
  bool thinks = thought->raw.size > 0;
  size_t more = piece->finish.raw.size + piece->refusal.raw.size + piece->logprobs.size +
                piece->parts.size + piece->tools.size + piece->function.size + piece->audio.size +
                piece->images.size + (thinks ? text->raw.size : 0);
  note->plain = note->pieces++ == 0 && more == 0 && !piece->whole;
  note->index = (uint32_t)piece->index;
  note->channel = thinks ? LTI_OPENAI_REASONING : LTI_OPENAI_TEXT;
  note->text = thinks ? thought->raw : text->raw;
}

void lti_openai_memo_keep(lti_openai *d, leat_slice record, const lti_openai_note *note) {
  lti_openai_memo *m = &d->memo;
  if (!note->plain || note->text.size == 0 || d->news || d->varied) return;
  size_t before = (size_t)(note->text.data - record.data);
  size_t behind = record.size - before - note->text.size;
  if (before + behind > BYTES_MAX) return;
  d->varied = ++m->vain > VAIN_MAX;
  if (d->varied) return;
  m->index = note->index;
  m->channel = (uint8_t)note->channel;
  m->before = (uint16_t)before;
  m->behind = (uint16_t)behind;
  m->print = fingerprint_around(record, before, behind);
}

bool lti_openai_memo_read(lti_openai *d, leat_slice record, lti_emit *emit, int *rc) {
  lti_openai_memo *m = &d->memo;
  if (m->behind == 0 || record.size <= (size_t)m->before + m->behind) return false;
  if (fingerprint_around(record, m->before, m->behind) != m->print) return false;
  /* Its quotes are the last byte before and the first behind. The reader may look further, which
   * spares it the bytes one by one. */
  const char *behind = record.data + record.size - m->behind;
  const char *quote = record.data + m->before - 1;
  lti_json r;
  lti_json_text text;
  lti_json_init(&r, lti_slice(quote, (size_t)(behind - quote) + m->behind));
  if (!lti_json_string(&r, &text) || text.raw.data + text.raw.size != behind) return false;
  lti_openai_out o = {.d = d, .emit = emit};
  bool opened;
  m->vain = 0;
  d->by_memo = true;
  d->had_choices = true;
  d->whole = false;
  *rc = lti_openai_piece_choice(d, m->index, &o.choice, &opened);
  if (*rc != LTI_OK) return true;
  bool viewed = text.ascii && !text.escaped && !o.choice->halves[m->channel].high;
  *rc = lti_openai_piece_text(&o, (enum lti_openai_channel)m->channel, text);
  if (!viewed) lti_openai_settle(d);
  return true;
}
