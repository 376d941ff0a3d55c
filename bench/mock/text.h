/* The text that the gateway says, as a pure function of (seed, index): whoever knows the seed of an
 * answer can check every byte of it, and a piece lost, doubled or out of order changes the whole.
 *
 * Pieces are 20 to 43 bytes of words, accents, Han, emoji, quotes, backslashes and line feeds,
 * whole characters only. The same piece is written to the wire with JSON's escapes, and about every
 * other emoji and accent as \u escapes (surrogate pairs among them), so that comparing the decoded
 * text means something. Nothing here allocates. */
#ifndef MOCK_TEXT_H
#define MOCK_TEXT_H

#include <stddef.h>
#include <stdint.h>

/* A seed with this bit speaks in words alone, which JSON has nothing to escape in. */
#define MOCK_TEXT_WORDS (UINT64_C(1) << 63)
/* The longest piece of the default size. */
#define MOCK_TEXT_PIECE_MAX 64
/* The longest wire form of a piece of n bytes: one byte may become \u00XX. */
#define MOCK_TEXT_JSON_MAX(n) (6 * (size_t)(n))

/* Piece `index` of the text with this seed as UTF-8. Returns its size; nothing is written, and 0
 * returned, when `cap` is below MOCK_TEXT_PIECE_MAX. No NUL is added. */
size_t mock_text_piece(uint64_t seed, uint32_t index, char *out, size_t cap);
/* As above, but exactly `bytes` long (x-mock-bytes); 0 means the default size. */
size_t mock_text_sized(uint64_t seed, uint32_t index, uint32_t bytes, char *out, size_t cap);
/* The inside of the JSON string that the gateway writes for that piece. `cap` must be at least
 * MOCK_TEXT_JSON_MAX of the piece's largest size. */
size_t mock_text_json(uint64_t seed, uint32_t index, uint32_t bytes, char *out, size_t cap);
/* The seed of one lane of an answer that has several: choice c of n, tool call t of k is lane
 * c * k + t. Lane 0 speaks with the answer's own seed. */
uint64_t mock_text_lane(uint64_t seed, uint32_t lane);
/* Bytes [offset, offset + size) of an endless file: a video's content. */
void mock_text_bytes(uint64_t seed, uint64_t offset, char *out, size_t size);
/* The same in letters that JSON does not escape: the base64 alphabet, as inline images have. */
void mock_text_letters(uint64_t seed, uint64_t offset, char *out, size_t size);
/* The mixing function all of this is made of (splitmix64). */
uint64_t mock_text_mix(uint64_t x);

#endif
