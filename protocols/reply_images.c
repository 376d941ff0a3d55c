/* Images in the answers of several vendors:
 *
 *     {"data":[{"url"|"b64_json","revised_prompt"}]}                       OpenAI and gateways
 *     {"candidates":[{"content":{"parts":[{"inlineData":{"mimeType","data"}}]}}]}      Gemini
 *     {"predictions":[{"bytesBase64Encoded","mimeType"}]}                  Imagen
 *     {"generatedImages":[{"image":{"imageBytes","mimeType"}}]}            its SDKs
 *     {"choices":[{"message":{"images":[{"image_url":{"url"}}]}}]}         chats that draw
 *     {"output":[{"type":"image_generation_call","result"}]}               Responses
 *     {"images":[..]}, {"output":[".."]}, {"b64_json"}                     others
 *
 * Base64 stays a view of the body; a data: URI of base64 is taken apart into its type and its
 * base64. What has neither base64 nor a URL is no image. */
#include <string.h>

#include "base/error.h"
#include "reply_read.h"

enum slot { URL, IMAGE_URL, BASE64, MIME, FORMAT, PROMPT, IMAGE, RESULT, INLINE, FILE_REF, SLOTS };

static const lti_member_name names[] = {
    LTI_MEMBER("url", URL),
    LTI_MEMBER("fileUri", URL),
    LTI_MEMBER("file_uri", URL),
    LTI_MEMBER("image_url", IMAGE_URL),
    LTI_MEMBER("imageUrl", IMAGE_URL),
    LTI_MEMBER("b64_json", BASE64),
    LTI_MEMBER("data", BASE64),
    LTI_MEMBER("base64", BASE64),
    LTI_MEMBER("bytesBase64Encoded", BASE64),
    LTI_MEMBER("imageBytes", BASE64),
    LTI_MEMBER("mimeType", MIME),
    LTI_MEMBER("mime_type", MIME),
    LTI_MEMBER("output_format", FORMAT),
    LTI_MEMBER("revised_prompt", PROMPT),
    LTI_MEMBER("image", IMAGE),
    LTI_MEMBER("result", RESULT),
    LTI_MEMBER("inlineData", INLINE),
    LTI_MEMBER("inline_data", INLINE),
    LTI_MEMBER("fileData", FILE_REF),
    LTI_MEMBER("file_data", FILE_REF),
};

enum { NAMES = sizeof names / sizeof *names };

/* Where a place is that holds images, or what holds such a place. */
enum place { PARTS, CONTENT, MESSAGE, IMAGES, PLACES };

static const lti_member_name places[] = {
    LTI_MEMBER("parts", PARTS),
    LTI_MEMBER("content", CONTENT),
    LTI_MEMBER("message", MESSAGE),
    LTI_MEMBER("images", IMAGES),
};

/* "png" or "image/png". */
static int read_type(lti_reply *r, const lti_member *m, leat_slice *type) {
  static const char *const types[] = {"image/png", "image/jpeg", "image/webp"};
  if (type->size || m->type != LTI_JSON_STRING) return LTI_OK;
  for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
    if (!lti_slice_is(m->text.raw, types[i] + 6)) continue;
    *type = lti_slice_of(types[i]);
    return LTI_OK;
  }
  return lti_reply_text(r, m, type);
}

/* "data:image/png;base64,iVBO..." */
static void take_apart(leat_image *image) {
  static const char mark[] = ";base64,";
  leat_slice url = image->url;
  if (!lti_slice_starts(url, "data:")) return;
  /* No type is longer than this, and the base64 behind it may be. */
  leat_slice head = lti_slice(url.data, url.size < 256 ? url.size : 256);
  const char *at = lti_slice_find(head, lti_slice_of(mark));
  if (!at) return;
  const char *type = url.data + 5;
  image->base64 = lti_slice_from(url, (size_t)(at - url.data) + sizeof mark - 1);
  if (at > type) image->mime_type = lti_slice(type, (size_t)(at - type));
  image->url = lti_slice("", 0);
}

/* An image is added when it is one. */
static int add(lti_reply *r, const lti_member *url, const lti_member *base64, const lti_member *m) {
  leat_image image = {.url = {"", 0}, .base64 = {"", 0}, .mime_type = {"", 0}};
  image.revised_prompt = lti_slice("", 0);
  int rc = LTI_OK;
  if (base64->type == LTI_JSON_STRING && base64->text.raw.size)
    rc = lti_reply_text(r, base64, &image.base64);
  else if (url->type == LTI_JSON_STRING)
    rc = lti_reply_text(r, url, &image.url);
  if (rc != LTI_OK || image.url.size + image.base64.size == 0) return rc;
  take_apart(&image);
  if (m) {
    rc = read_type(r, &m[MIME], &image.mime_type);
    if (rc == LTI_OK) rc = read_type(r, &m[FORMAT], &image.mime_type);
    if (rc == LTI_OK) rc = lti_reply_text(r, &m[PROMPT], &image.revised_prompt);
  }
  leat_image *place = rc == LTI_OK ? lti_reply_add(r, LTI_REPLY_ITEMS, sizeof image) : NULL;
  if (place) *place = image;
  return place ? LTI_OK : LEAT_ENOMEM;
}

/* An object that is an image or has one inside. */
static int read_object(lti_reply *r, leat_slice object) {
  lti_member m[SLOTS];
  static const enum slot inner[] = {INLINE, FILE_REF, IMAGE, IMAGE_URL};
  for (int level = 0; level < 2; level++) {
    memset(m, 0, sizeof m);
    lti_member_read_text(object, names, NAMES, m);
    const lti_member *url = m[URL].type == LTI_JSON_STRING ? &m[URL] : &m[IMAGE_URL];
    if (url->type != LTI_JSON_STRING && m[IMAGE].type == LTI_JSON_STRING) url = &m[IMAGE];
    const lti_member *base64 = m[BASE64].type == LTI_JSON_STRING ? &m[BASE64] : &m[RESULT];
    if (lti_member_says(url) || lti_member_says(base64)) return add(r, url, base64, m);
    size_t i = 0;
    while (i < 4 && m[inner[i]].type != LTI_JSON_OBJECT) i++;
    if (i == 4) return LTI_OK;
    object = m[inner[i]].text.raw;
  }
  return LTI_OK;
}

/* Elements that are objects, or URLs. */
static int read_list(lti_reply *r, const lti_member *list) {
  static const lti_member none;
  leat_slice rest = list->text.raw, item;
  int rc = LTI_OK;
  if (list->type == LTI_JSON_STRING) return add(r, list, &none, NULL);
  if (!lti_reply_is_list(list)) return LTI_OK;
  while (rc == LTI_OK && lti_protocol_item(&rest, &item)) {
    lti_json one;
    lti_member m;
    lti_json_init(&one, item);
    lti_member_take(&one, &m);
    if (m.type == LTI_JSON_OBJECT) rc = read_object(r, item);
    if (m.type == LTI_JSON_STRING) rc = add(r, &m, &none, NULL);
  }
  return rc;
}

/* The parts of one candidate or choice: {"content":{"parts"}}, {"message":{"images"}}. */
static int read_answer(lti_reply *r, leat_slice object) {
  lti_member outer[PLACES] = {{.type = LTI_JSON_NONE}}, m[PLACES] = {{.type = LTI_JSON_NONE}};
  const size_t count = sizeof places / sizeof *places;
  lti_member_read_text(object, places, count, outer);
  const lti_member *inner =
      outer[CONTENT].type == LTI_JSON_OBJECT ? &outer[CONTENT] : &outer[MESSAGE];
  if (inner->type != LTI_JSON_OBJECT) return LTI_OK;
  lti_member_read_text(inner->text.raw, places, count, m);
  const lti_member *lists[] = {&m[PARTS], &m[IMAGES], &m[CONTENT]};
  int rc = LTI_OK;
  for (size_t i = 0; i < 3 && rc == LTI_OK; i++)
    if (lti_reply_is_list(lists[i])) rc = read_list(r, lists[i]);
  return rc;
}

static int read_answers(lti_reply *r, const lti_member *list) {
  leat_slice rest = list->text.raw, object;
  int rc = LTI_OK;
  while (rc == LTI_OK && lti_reply_next_object(&rest, &object)) rc = read_answer(r, object);
  return rc;
}

/* One root; `*known`: it has a place for images, be there any or not. */
static int read_root(lti_reply *r, const lti_member *root, bool *known) {
  static const enum lti_reply_root lists[] = {LTI_ROOT_DATA, LTI_ROOT_IMAGES, LTI_ROOT_PREDICTIONS,
                                              LTI_ROOT_GENERATED, LTI_ROOT_OUTPUT};
  static const enum lti_reply_root answers[] = {LTI_ROOT_CANDIDATES, LTI_ROOT_CHOICES};
  int rc = LTI_OK;
  for (size_t i = 0; i < sizeof lists / sizeof *lists && rc == LTI_OK; i++) {
    const lti_member *m = &root[lists[i]];
    *known |= lti_reply_is_list(m);
    if (m->type == LTI_JSON_ARRAY || m->type == LTI_JSON_STRING) rc = read_list(r, m);
  }
  for (size_t i = 0; i < 2 && rc == LTI_OK; i++) {
    const lti_member *m = &root[answers[i]];
    *known |= lti_reply_is_list(m);
    if (lti_reply_is_list(m)) rc = read_answers(r, m);
  }
  if (rc == LTI_OK) rc = add(r, &root[LTI_ROOT_URL], &root[LTI_ROOT_B64_JSON], NULL);
  return rc;
}

/* Google's streams are arrays of answers, and so is what others call a list of images. */
static int read_array(lti_reply *r, const lti_member *root, bool *known) {
  leat_slice rest = root[LTI_ROOT_DATA].text.raw, object;
  lti_member inner[LTI_ROOT_SLOTS];
  bool answers = false;
  int rc = LTI_OK;
  while (rc == LTI_OK && lti_reply_next_object(&rest, &object)) {
    lti_reply_root_read(object, inner);
    if (!lti_reply_is_list(&inner[LTI_ROOT_CANDIDATES])) continue;
    answers = *known = true;
    rc = read_answers(r, &inner[LTI_ROOT_CANDIDATES]);
  }
  return rc == LTI_OK && !answers ? read_list(r, &root[LTI_ROOT_DATA]) : rc;
}

int lti_reply_images_read(lti_reply *r, const lti_member *root) {
  bool known = false;
  int rc = r->array ? read_array(r, root, &known) : read_root(r, root, &known);
  size_t count = r->lists[LTI_REPLY_ITEMS].count;
  leat_slice type = {NULL, 0};
  if (rc != LTI_OK) return rc;
  if (!known && count == 0) return LEAT_EDECODE;
  rc = read_type(r, &root[LTI_ROOT_FORMAT], &type);
  leat_image *images = r->lists[LTI_REPLY_ITEMS].items;
  for (size_t i = 0; i < count && type.size; i++)
    if (images[i].mime_type.size == 0) images[i].mime_type = type;
  return rc;
}
