/* The gateway's text: fragments chosen by a hash of (seed, index), six bits each.
 *
 * A fragment has three spellings: its UTF-8, the JSON escape that is shortest, and one with \u. The
 * wire form of a piece therefore needs no scan for characters to escape. The table's order is part
 * of the contract between the gateway and those who verify: change both or none. */
#include "bench/mock/text.h"

#include <string.h>

struct fragment {
  const char *raw, *json, *alt;
  unsigned char raw_size, json_size, alt_size;
};

#define WORD(text) \
  { text, text, text, sizeof text - 1, sizeof text - 1, sizeof text - 1 }
#define MARK(raw, json, alt) \
  { raw, json, alt, sizeof raw - 1, sizeof json - 1, sizeof alt - 1 }

static const struct fragment fragments[64] = {
    WORD(" the"),
    WORD(" of"),
    WORD(" and"),
    WORD(" to"),
    WORD(" water"),
    WORD(" mill"),
    WORD(" leat"),
    WORD(" stream"),
    WORD(" a"),
    WORD(" in"),
    WORD(" is"),
    WORD(" wheel"),
    WORD(" stone"),
    WORD(" runs"),
    WORD(" turns"),
    WORD(" over"),
    WORD(" under"),
    WORD(" grain"),
    WORD(" flour"),
    WORD(" 42"),
    WORD(" 3.14"),
    WORD(" -7"),
    WORD("."),
    WORD(","),
    WORD(" data:"),
    WORD(" [DONE]"),
    WORD("ing"),
    WORD("ed"),
    WORD(" token"),
    WORD(" {x}"),
    WORD(" a[0]"),
    WORD(": "),
    WORD(" weir"),
    WORD(" sluice"),
    WORD(" pond"),
    WORD(" gate"),
    WORD(" e1"),
    WORD(" and/or"),
    WORD(" #1"),
    WORD(" 100%"),
    MARK("\n", "\\n", "\\u000a"),
    MARK("\n\n", "\\n\\n", "\\u000A\\n"),
    MARK("\t", "\\t", "\\u0009"),
    MARK("\"", "\\\"", "\\u0022"),
    MARK(" \"q\"", " \\\"q\\\"", " \\u0022q\\u0022"),
    MARK("\\", "\\\\", "\\u005c"),
    MARK("\r\n", "\\r\\n", "\\u000d\\u000a"),
    MARK("/", "/", "\\/"),
    MARK("\x01", "\\u0001", "\\u0001"),
    MARK("\x7f", "\x7f", "\\u007f"),
    MARK(" \xc3\xa9t\xc3\xa9", " \xc3\xa9t\xc3\xa9", " \\u00e9t\\u00E9"),
    MARK(" na\xc3\xafve", " na\xc3\xafve", " na\\u00efve"),
    MARK("\xc3\x9f", "\xc3\x9f", "\\u00df"),
    MARK(" \xe6\xb0\xb4\xe8\xbb\x8a", " \xe6\xb0\xb4\xe8\xbb\x8a", " \\u6c34\\u8ECA"),
    MARK("\xe3\x80\x82", "\xe3\x80\x82", "\\u3002"),
    MARK(" \xd0\xb2\xd0\xbe\xd0\xb4\xd0\xb0", " \xd0\xb2\xd0\xbe\xd0\xb4\xd0\xb0",
         " \\u0432\\u043e\\u0434\\u0430"),
    MARK("\xe2\x80\xa8", "\xe2\x80\xa8", "\\u2028"),
    MARK(" \xe2\x82\xac", " \xe2\x82\xac", " \\u20AC"),
    MARK(" \xf0\x9f\x98\x80", " \xf0\x9f\x98\x80", " \\ud83d\\ude00"),
    MARK("\xf0\x9f\x92\xa7", "\xf0\x9f\x92\xa7", "\\uD83D\\uDCA7"),
    MARK(" \xf0\x9f\x8c\x8a", " \xf0\x9f\x8c\x8a", " \\ud83c\\uDF0A"),
    MARK("\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x94\xac",
         "\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x94\xac", "\\ud83d\\udc69\\u200d\\ud83d\\udd2c"),
    MARK("\xf0\x9d\x84\x9e", "\xf0\x9d\x84\x9e", "\\ud834\\udd1e"),
    MARK("e\xcc\x81", "e\xcc\x81", "e\\u0301"),
};

static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* Where fragments come from: 64 bits at a time, six for the fragment and one for the spelling. */
struct source {
  uint64_t state, bits;
  unsigned left;
};

uint64_t mock_text_mix(uint64_t x) {
  x += 0x9e3779b97f4a7c15u;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

static uint64_t piece_state(uint64_t seed, uint32_t index) {
  return mock_text_mix(seed) ^ mock_text_mix(0x6c656174u + (uint64_t)index);
}

static unsigned take_bits(struct source *s, unsigned count) {
  if (s->left < count) {
    s->state = mock_text_mix(s->state);
    s->bits = s->state;
    s->left = 64;
  }
  unsigned value = (unsigned)(s->bits & ((1u << count) - 1u));
  s->bits >>= count;
  s->left -= count;
  return value;
}

/* Writes the piece in one of its two forms; both take the same bits from the source. */
static size_t write_piece(uint64_t seed, uint32_t index, uint32_t bytes, int as_json, char *out) {
  struct source s = {piece_state(seed, index), 0, 0};
  unsigned choice = seed & MOCK_TEXT_WORDS ? 5 : 6; /* the first half of the table is words */
  size_t target = bytes ? bytes : 20 + take_bits(&s, 4);
  size_t raw = 0, at = 0;
  while (raw < target) {
    const struct fragment *f = &fragments[take_bits(&s, choice)];
    unsigned spelling = take_bits(&s, 1);
    if (bytes && f->raw_size > target - raw) {
      out[at++] = letters[take_bits(&s, 6)];
      raw++;
      continue;
    }
    raw += f->raw_size;
    const char *form = !as_json ? f->raw : spelling ? f->alt : f->json;
    size_t size = !as_json ? f->raw_size : spelling ? f->alt_size : f->json_size;
    memcpy(out + at, form, size);
    at += size;
  }
  return at;
}

size_t mock_text_sized(uint64_t seed, uint32_t index, uint32_t bytes, char *out, size_t cap) {
  if (cap < (bytes ? bytes : MOCK_TEXT_PIECE_MAX)) return 0;
  return write_piece(seed, index, bytes, 0, out);
}

size_t mock_text_piece(uint64_t seed, uint32_t index, char *out, size_t cap) {
  return mock_text_sized(seed, index, 0, out, cap);
}

size_t mock_text_json(uint64_t seed, uint32_t index, uint32_t bytes, char *out, size_t cap) {
  if (cap < MOCK_TEXT_JSON_MAX(bytes ? bytes : MOCK_TEXT_PIECE_MAX)) return 0;
  return write_piece(seed, index, bytes, 1, out);
}

uint64_t mock_text_lane(uint64_t seed, uint32_t lane) {
  if (lane == 0) return seed;
  return (mock_text_mix(seed ^ (0x6c616e65u * (uint64_t)lane)) >> 1) | (seed & MOCK_TEXT_WORDS);
}

/* Eight bytes for each block of the file. */
static void fill(uint64_t seed, uint64_t offset, char *out, size_t size) {
  uint64_t key = mock_text_mix(seed);
  for (size_t i = 0; i < size;) {
    uint64_t word = mock_text_mix(key ^ ((offset + i) >> 3));
    for (unsigned b = (unsigned)((offset + i) & 7); b < 8 && i < size; b++, i++)
      out[i] = (char)(unsigned char)(word >> (8 * b));
  }
}

void mock_text_bytes(uint64_t seed, uint64_t offset, char *out, size_t size) {
  fill(seed, offset, out, size);
}

void mock_text_letters(uint64_t seed, uint64_t offset, char *out, size_t size) {
  fill(seed, offset, out, size);
  for (size_t i = 0; i < size; i++) out[i] = letters[(unsigned char)out[i] & 63];
}
