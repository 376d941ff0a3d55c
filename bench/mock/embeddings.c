/* Embeddings, OpenAI's and Gemini's, and the order of documents. A vector follows from its input
 * alone, so that a client can compute what it must get:
 *
 *     h = hash of the text's UTF-8, from 'embd'; of tokens, each hashed as eight bytes, low first
 *     component i = (mix(h ^ i) >> 40) / 2^23 - 1        exact in a float32
 *
 * A document's relevance is (mix(hash of query and document) >> 40) / 2^24. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/mock/asked.h"
#include "bench/mock/text.h"
#include "wire/json.h"

#define HASH_START     0x656d6264u
#define DIMENSIONS_MAX 4096u
#define INPUTS_MAX     2048u
#define DOCUMENTS_MAX  1024u
#define TWO_23         8388608.0f

/* ---- vectors */

typedef struct embedding {
  uint32_t dimensions, tokens, count;
  bool base64;
  lti_buf *out;
  mock_exchange *x;
} embedding;

static float component(uint64_t hash, uint32_t i) {
  return (float)(mock_text_mix(hash ^ i) >> 40) / TWO_23 - 1;
}

static int write_numbers(lti_buf *out, uint64_t hash, uint32_t dimensions) {
  int err = lti_buf_byte(out, '[');
  for (uint32_t i = 0; i < dimensions && !err; i++)
    err = lti_buf_format(out, "%s%.9g", i ? "," : "", (double)component(hash, i));
  return err | lti_buf_byte(out, ']');
}

static int write_base64(lti_buf *out, uint64_t hash, uint32_t dimensions) {
  char bytes[4 * DIMENSIONS_MAX];
  for (uint32_t i = 0; i < dimensions; i++) {
    float f = component(hash, i);
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    for (unsigned b = 0; b < 4; b++) bytes[4 * i + b] = (char)(unsigned char)(bits >> (8 * b));
  }
  int err = lti_buf_byte(out, '"');
  err |= mock_base64_write(out, lti_slice(bytes, (size_t)4 * dimensions));
  return err | lti_buf_byte(out, '"');
}

static int write_row(embedding *e, uint64_t hash) {
  int err = lti_buf_format(e->out, "%s{\"object\":\"embedding\",\"index\":%u,\"embedding\":",
                           e->count ? "," : "", e->count);
  e->count++;
  err |= e->base64 ? write_base64(e->out, hash, e->dimensions)
                   : write_numbers(e->out, hash, e->dimensions);
  return err | lti_buf_byte(e->out, '}');
}

/* ---- inputs */

static bool hash_text(embedding *e, leat_slice value, uint64_t *hash) {
  lti_buf text;
  lti_buf_init(&text, &e->x->m->alloc, MOCK_BODY_MAX, LEAT_EBODYMAX);
  bool fine = mock_asked_decode(value, &text) == 0 && text.size > 0;
  *hash = mock_asked_hash(HASH_START, lti_buf_slice(&text));
  e->tokens += mock_asked_tokens(text.size);
  lti_buf_deinit(&text);
  return fine;
}

static bool hash_tokens(embedding *e, leat_slice array, uint64_t *hash) {
  lti_json r;
  int64_t token;
  uint32_t count = 0;
  lti_json_init(&r, array);
  if (!lti_json_enter_array(&r)) return false;
  *hash = HASH_START;
  while (lti_json_next_value(&r)) {
    char bytes[8];
    if (!lti_json_int(&r, &token)) return false;
    for (unsigned b = 0; b < 8; b++) bytes[b] = (char)(unsigned char)((uint64_t)token >> (8 * b));
    *hash = mock_asked_hash(*hash, lti_slice(bytes, sizeof bytes));
    count++;
  }
  e->tokens += count;
  return count > 0;
}

static bool write_input(embedding *e, leat_slice value) {
  uint64_t hash;
  bool fine =
      value.size && *value.data == '"' ? hash_text(e, value, &hash) : hash_tokens(e, value, &hash);
  return fine && e->count < INPUTS_MAX && write_row(e, hash) == 0;
}

/* A text, texts, tokens, or arrays of tokens. */
static bool write_inputs(embedding *e, leat_slice input) {
  lti_json r;
  leat_slice value;
  lti_json_init(&r, input);
  if (lti_json_peek(&r) == LTI_JSON_STRING) return write_input(e, input);
  if (!lti_json_enter_array(&r) || !lti_json_next_value(&r)) return false;
  if (lti_json_peek(&r) == LTI_JSON_NUMBER) return write_input(e, input);
  do {
    if (!lti_json_raw(&r, &value) || !write_input(e, value)) return false;
  } while (lti_json_next_value(&r));
  return true;
}

static bool read_dimensions(const mock_exchange *x, const char *name, uint32_t *dimensions) {
  uint64_t wanted;
  if (!mock_asked_number(x, name, &wanted)) return true;
  *dimensions = (uint32_t)wanted;
  return wanted >= 1 && wanted <= DIMENSIONS_MAX;
}

int mock_embeddings_write(mock_exchange *x, lti_buf *out, bool *refused) {
  char model[128] = "text-embedding-3-small", format[16] = "";
  leat_slice input = lti_slice("", 0);
  mock_asked_word(x, "model", model, sizeof model);
  mock_asked_word(x, "encoding_format", format, sizeof format);
  embedding e = {.dimensions = strstr(model, "large") ? 3072 : 1536,
                 .base64 = strcmp(format, "base64") == 0,
                 .out = out,
                 .x = x};
  int err = lti_buf_text(out, "{\"object\":\"list\",\"data\":[");
  *refused = !read_dimensions(x, "dimensions", &e.dimensions) ||
             !lti_json_find(lti_buf_slice(&x->body), "/input", &input) || !write_inputs(&e, input);
  return err | lti_buf_format(out,
                              "],\"model\":\"%s\",\"usage\":{\"prompt_tokens\":%u,"
                              "\"total_tokens\":%u}}",
                              model, e.tokens, e.tokens);
}

void mock_embeddings_serve(mock_exchange *x, const leat_slice *parts) {
  bool refused;
  lti_buf out;
  (void)parts;
  if (!mock_asked_valid(x)) return;
  lti_buf_init(&out, &x->m->alloc, MOCK_BODY_MAX, LEAT_EBODYMAX);
  int err = mock_embeddings_write(x, &out, &refused);
  if (refused)
    mock_asked_refuse(x, "'input' or 'dimensions' is not what it should be");
  else
    mock_reply_json(x, err, &out);
  lti_buf_deinit(&out);
}

/* ---- Gemini's */

/* The texts of content.parts, one behind the other. */
static bool write_content(embedding *e, leat_slice request) {
  uint64_t hash = HASH_START, dimensions;
  leat_slice value;
  char pointer[48];
  lti_buf text;
  lti_buf_init(&text, &e->x->m->alloc, MOCK_BODY_MAX, LEAT_EBODYMAX);
  bool fine = false;
  for (unsigned i = 0; i < INPUTS_MAX; i++) {
    snprintf(pointer, sizeof pointer, "/content/parts/%u/text", i);
    if (!lti_json_find(request, pointer, &value) || mock_asked_decode(value, &text)) break;
    fine = true;
  }
  hash = mock_asked_hash(hash, lti_buf_slice(&text));
  lti_buf_deinit(&text);
  e->dimensions = 768;
  if (lti_json_find(request, "/outputDimensionality", &value)) {
    fine = fine && lti_slice_u64(value, &dimensions) && dimensions && dimensions <= DIMENSIONS_MAX;
    if (fine) e->dimensions = (uint32_t)dimensions;
  }
  return fine && lti_buf_format(e->out, "%s{\"values\":", e->count++ ? "," : "") == 0 &&
         write_numbers(e->out, hash, e->dimensions) == 0 && lti_buf_byte(e->out, '}') == 0;
}

static bool write_contents(embedding *e, leat_slice requests) {
  lti_json r;
  leat_slice value;
  lti_json_init(&r, requests);
  if (!lti_json_enter_array(&r)) return false;
  while (lti_json_next_value(&r))
    if (e->count == INPUTS_MAX || !lti_json_raw(&r, &value) || !write_content(e, value))
      return false;
  return e->count > 0;
}

void mock_embeddings_gemini(mock_exchange *x, bool many) {
  leat_slice body = lti_buf_slice(&x->body), requests;
  lti_buf out;
  lti_buf_init(&out, &x->m->alloc, MOCK_BODY_MAX, LEAT_EBODYMAX);
  embedding e = {.out = &out, .x = x};
  int err = lti_buf_text(&out, many ? "{\"embeddings\":[" : "{\"embedding\":");
  bool fine = lti_json_valid(body, NULL, NULL);
  if (fine && many)
    fine = lti_json_find(body, "/requests", &requests) && write_contents(&e, requests);
  else if (fine)
    fine = write_content(&e, body);
  err |= lti_buf_text(&out, many ? "]}" : "}");
  if (fine)
    mock_reply_json(x, err, &out);
  else
    mock_errors_reply(x, MOCK_MANNER_GEMINI,
                      &(mock_error){.status = 400, .message = "Invalid EmbedContentRequest."});
  lti_buf_deinit(&out);
}

/* ---- documents */

typedef struct document {
  uint32_t index, score;
  leat_slice text; /* as it stands in JSON, quotes and all */
} document;

static int by_score(const void *a, const void *b) {
  const document *x = a, *y = b;
  if (x->score != y->score) return x->score < y->score ? 1 : -1;
  return x->index < y->index ? -1 : 1;
}

static bool read_document(mock_exchange *x, uint64_t query, leat_slice value, document *d) {
  lti_buf text;
  lti_buf_init(&text, &x->m->alloc, MOCK_BODY_MAX, LEAT_EBODYMAX);
  if (value.size && *value.data == '{' && !lti_json_find(value, "/text", &value)) return false;
  bool fine = mock_asked_decode(value, &text) == 0;
  d->text = value;
  d->score = (uint32_t)(mock_text_mix(mock_asked_hash(query, lti_buf_slice(&text))) >> 40);
  lti_buf_deinit(&text);
  return fine;
}

/* How many there are; 0: none, or something that is no document. */
static uint32_t read_documents(mock_exchange *x, uint64_t query, document *found) {
  leat_slice documents, value;
  lti_json r;
  uint32_t count = 0;
  if (!lti_json_find(lti_buf_slice(&x->body), "/documents", &documents)) return 0;
  lti_json_init(&r, documents);
  if (!lti_json_enter_array(&r)) return 0;
  while (lti_json_next_value(&r)) {
    if (count == DOCUMENTS_MAX || !lti_json_raw(&r, &value)) return 0;
    found[count].index = count;
    if (!read_document(x, query, value, &found[count++])) return 0;
  }
  return count;
}

static int write_documents(const mock_exchange *x, const document *found, uint32_t count,
                           lti_buf *out) {
  bool with_text = mock_asked_flag(x, "return_documents");
  int err =
      lti_buf_format(out, "{\"id\":\"rerank-%llu\",\"results\":[", (unsigned long long)x->ordinal);
  for (uint32_t i = 0; i < count && !err; i++) {
    err = lti_buf_format(out, "%s{\"index\":%u,\"relevance_score\":%.9g", i ? "," : "",
                         found[i].index, (double)found[i].score / 16777216.0);
    if (with_text)
      err |= lti_buf_text(out, ",\"document\":{\"text\":") | lti_buf_append(out, found[i].text) |
             lti_buf_byte(out, '}');
    err |= lti_buf_byte(out, '}');
  }
  return err | lti_buf_format(out, "],\"usage\":{\"prompt_tokens\":%u,\"total_tokens\":%u}}",
                              mock_asked_tokens(x->body.size), mock_asked_tokens(x->body.size));
}

void mock_embeddings_rerank(mock_exchange *x, const leat_slice *parts) {
  document *found = calloc(DOCUMENTS_MAX, sizeof *found);
  uint64_t most = DOCUMENTS_MAX;
  lti_buf query, out;
  (void)parts;
  lti_buf_init(&query, &x->m->alloc, MOCK_BODY_MAX, LEAT_EBODYMAX);
  lti_buf_init(&out, &x->m->alloc, MOCK_BODY_MAX, LEAT_EBODYMAX);
  if (!found) {
    mock_conn_drop(x->conn);
  } else if (mock_asked_valid(x)) {
    bool asked = mock_asked_text(x, "query", &query);
    uint64_t start = mock_asked_hash(HASH_START, lti_buf_slice(&query));
    uint32_t count = asked ? read_documents(x, start, found) : 0;
    qsort(found, count, sizeof *found, by_score);
    mock_asked_number(x, "top_n", &most);
    if (!count)
      mock_asked_refuse(x, "query and documents are required");
    else
      mock_reply_json(x, write_documents(x, found, count < most ? count : (uint32_t)most, &out),
                      &out);
  }
  lti_buf_deinit(&query);
  lti_buf_deinit(&out);
  free(found);
}
