/* The framing of forms: see multipart.h. */
#include "wire/multipart.h"

#include <string.h>

#include "base/error.h"
#include "wire/http.h"

static const char dashes[] = "----leat";
static const char type_text[] = "multipart/form-data; boundary=";

/* What gateways take: images, sound, video, and the text of batches. */
static const struct {
  const char *ending, *type;
} endings[] = {
    {"png", "image/png"},         {"jpg", "image/jpeg"},
    {"jpeg", "image/jpeg"},       {"gif", "image/gif"},
    {"webp", "image/webp"},       {"svg", "image/svg+xml"},
    {"heic", "image/heic"},       {"avif", "image/avif"},
    {"mp3", "audio/mpeg"},        {"mpga", "audio/mpeg"},
    {"wav", "audio/wav"},         {"m4a", "audio/mp4"},
    {"aac", "audio/aac"},         {"flac", "audio/flac"},
    {"ogg", "audio/ogg"},         {"oga", "audio/ogg"},
    {"opus", "audio/ogg"},        {"mid", "audio/midi"},
    {"midi", "audio/midi"},       {"mp4", "video/mp4"},
    {"mpeg", "video/mpeg"},       {"webm", "video/webm"},
    {"mov", "video/quicktime"},   {"mkv", "video/x-matroska"},
    {"json", "application/json"}, {"jsonl", "application/jsonl"},
    {"pdf", "application/pdf"},   {"zip", "application/zip"},
    {"txt", "text/plain"},        {"md", "text/markdown"},
    {"csv", "text/csv"},          {"html", "text/html"},
    {"xml", "application/xml"},   {"srt", "application/x-subrip"},
    {"vtt", "text/vtt"},
};

void lti_multipart_init(lti_multipart *m, const unsigned char random[LTI_MULTIPART_RANDOM]) {
  static const char digits[] = "0123456789abcdef";
  memset(m, 0, sizeof *m);
  memcpy(m->boundary, dashes, sizeof dashes - 1);
  char *at = m->boundary + sizeof dashes - 1;
  for (size_t i = 0; i < LTI_MULTIPART_RANDOM; i++) {
    *at++ = digits[random[i] >> 4];
    *at++ = digits[random[i] & 15];
  }
}

leat_slice lti_multipart_type(const lti_multipart *m, char text[LTI_MULTIPART_TYPE]) {
  size_t front = sizeof type_text - 1;
  memcpy(text, type_text, front);
  memcpy(text + front, m->boundary, LTI_MULTIPART_BOUNDARY);
  text[front + LTI_MULTIPART_BOUNDARY] = '\0';
  return lti_slice(text, front + LTI_MULTIPART_BOUNDARY);
}

/* ; name="..." */
static int put_name(lti_buf *out, const char *parameter, leat_slice name) {
  int r = lti_buf_text(out, parameter);
  for (size_t i = 0; r == LTI_OK && i < name.size; i++) {
    char c = name.data[i];
    if (c == '"')
      r = lti_buf_text(out, "%22");
    else if (c == '\r')
      r = lti_buf_text(out, "%0D");
    else if (c == '\n')
      r = lti_buf_text(out, "%0A");
    else
      r = lti_buf_byte(out, c);
  }
  return r == LTI_OK ? lti_buf_byte(out, '"') : r;
}

/* The end of the content before it, if there is one, and a boundary. */
static int put_boundary(lti_multipart *m, lti_buf *out) {
  int r = lti_buf_text(out, m->begun ? "\r\n--" : "--");
  return r == LTI_OK ? lti_buf_append(out, lti_slice(m->boundary, LTI_MULTIPART_BOUNDARY)) : r;
}

int lti_multipart_field_head(lti_multipart *m, const lti_multipart_field *field, lti_buf *out) {
  if (!lti_http_value_ok(field->type)) return LEAT_EHEADER;
  size_t before = out->size;
  int r = put_boundary(m, out);
  if (r == LTI_OK) r = lti_buf_text(out, "\r\nContent-Disposition: form-data");
  if (r == LTI_OK) r = put_name(out, "; name=\"", field->name);
  if (r == LTI_OK && field->filename.data) r = put_name(out, "; filename=\"", field->filename);
  if (r == LTI_OK && field->type.data) {
    r = lti_buf_text(out, "\r\nContent-Type: ");
    if (r == LTI_OK) r = lti_buf_append(out, field->type);
  }
  if (r == LTI_OK) r = lti_buf_text(out, "\r\n\r\n");
  if (r == LTI_OK)
    m->begun = true;
  else
    out->size = before;
  return r;
}

int lti_multipart_end(lti_multipart *m, lti_buf *out) {
  size_t before = out->size;
  int r = put_boundary(m, out);
  if (r == LTI_OK) r = lti_buf_text(out, "--\r\n");
  if (r != LTI_OK) out->size = before;
  return r;
}

leat_slice lti_multipart_type_of(leat_slice filename) {
  size_t dot = filename.size;
  while (dot > 0 && filename.data[dot - 1] != '.') dot--;
  leat_slice ending = dot ? lti_slice_from(filename, dot) : lti_slice("", 0);
  for (size_t i = 0; i < sizeof endings / sizeof *endings; i++)
    if (lti_slice_is_nocase(ending, endings[i].ending)) return lti_slice_of(endings[i].type);
  return lti_slice_of("application/octet-stream");
}

leat_slice lti_multipart_filename(leat_slice path) {
  size_t at = path.size;
  while (at > 0 && path.data[at - 1] != '/') at--;
  return lti_slice_from(path, at);
}
