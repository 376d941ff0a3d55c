/* What music tasks make, by action: clips with their addresses, lyrics, stems, timed lyrics, tags,
 * numbers. new-api passes it on as its upstream said it (clips are an array, lyrics an object);
 * CCAPI's documented form has members of its own for each. An action that is not in the table makes
 * clips, since the list of actions is open.
 *
 * A clip that is "streaming" has its address already and is not finished. */
#include <stdio.h>
#include <string.h>

#include "bench/mock/tasks.h"

#define CLIPS     2
#define STREAMING 30 /* percent: from here on a clip can be heard */

enum product {
  PRODUCT_CLIPS,
  PRODUCT_LYRICS,
  PRODUCT_TAGS,
  PRODUCT_STEMS,
  PRODUCT_ALL_STEMS,
  PRODUCT_TIMED,
  PRODUCT_BPM,
  PRODUCT_MIDI,
  PRODUCT_WAV,
  PRODUCT_VIDEO,
  PRODUCT_PERSONA
};

static const struct {
  const char *action;
  enum product product;
} actions[] = {
    {"LYRICS", PRODUCT_LYRICS},
    {"UPSAMPLE_TAGS", PRODUCT_TAGS},
    {"STEMS", PRODUCT_STEMS},
    {"STEMS_FULL", PRODUCT_ALL_STEMS},
    {"ALIGNED_LYRICS", PRODUCT_TIMED},
    {"BPM", PRODUCT_BPM},
    {"MIDI", PRODUCT_MIDI},
    {"WAV", PRODUCT_WAV},
    {"DOWNLOAD", PRODUCT_WAV},
    {"VIDEO", PRODUCT_VIDEO},
    {"PERSONA", PRODUCT_PERSONA},
};

static enum product product_of(const mock_task *t) {
  for (size_t i = 0; i < sizeof actions / sizeof actions[0]; i++)
    if (strcmp(t->action, actions[i].action) == 0) return actions[i].product;
  return PRODUCT_CLIPS;
}

static int write_url(const mock_task_view *v, lti_buf *out, const char *name, unsigned index,
                     const char *ending) {
  return lti_buf_format(out, "\"%s\":\"", name) | mock_task_write_url(v, out, index, ending) |
         lti_buf_byte(out, '"');
}

static const char lyrics[] = "[Verse]\\nThe mill stands by the water\\n[Chorus]\\nRound it goes";

static int write_timed(lti_buf *out) {
  return lti_buf_text(out,
                      "\"alignedLyrics\":[{\"time\":0.5,\"text\":\"The mill stands by the water\"},"
                      "{\"time\":4.25,\"text\":\"Round it goes\"}]");
}

static int write_stems(const mock_task_view *v, lti_buf *out, bool all) {
  int err = lti_buf_text(out, "\"stems\":{") | write_url(v, out, "vocalsUrl", 1, "mp3");
  err |= lti_buf_byte(out, ',') | write_url(v, out, "instrumentalsUrl", 2, "mp3");
  if (all) {
    err |= lti_buf_byte(out, ',') | write_url(v, out, "drumsUrl", 3, "mp3");
    err |= lti_buf_byte(out, ',') | write_url(v, out, "bassUrl", 4, "mp3");
  }
  return err | lti_buf_byte(out, '}');
}

static const char *clip_status(const mock_task_view *v) {
  switch (v->phase) {
    case MOCK_PHASE_SUBMITTED: return "submitted";
    case MOCK_PHASE_QUEUED: return "queued";
    case MOCK_PHASE_SUCCESS: return "complete";
    case MOCK_PHASE_RUNNING:
    case MOCK_PHASE_ODD: return v->progress >= STREAMING ? "streaming" : "queued";
    default: return "error";
  }
}

static int write_clip(const mock_task_view *v, lti_buf *out, unsigned index) {
  bool audible = strcmp(clip_status(v), "streaming") == 0 || v->phase == MOCK_PHASE_SUCCESS;
  bool done = v->phase == MOCK_PHASE_SUCCESS;
  int err = lti_buf_format(out,
                           "%s{\"id\":\"%s-%u\",\"title\":\"The mill\",\"status\":\"%s\","
                           "\"model_name\":\"%s\",",
                           index ? "," : "", v->id, index, clip_status(v), v->task->model);
  if (audible) {
    err |= write_url(v, out, "audio_url", 2 * index, "mp3") | lti_buf_byte(out, ',');
    err |= write_url(v, out, "image_url", 2 * CLIPS, "jpg") | lti_buf_byte(out, ',');
    err |= write_url(v, out, "image_large_url", 2 * CLIPS, "jpg") | lti_buf_byte(out, ',');
  } else {
    err |= lti_buf_text(out, "\"audio_url\":\"\",\"image_url\":null,\"image_large_url\":null,");
  }
  err |= done ? write_url(v, out, "video_url", 2 * index + 1, "mp4")
              : lti_buf_text(out, "\"video_url\":\"\"");
  return err | lti_buf_format(out,
                              ",\"metadata\":{\"duration\":%s,\"tags\":\"water, wood\","
                              "\"prompt\":\"%s\",\"error_message\":%s}}",
                              done ? "123.4" : "null", lyrics,
                              mock_phase_final(v->phase) && !done ? "\"mock\"" : "null");
}

static int write_clips(const mock_task_view *v, lti_buf *out) {
  int err = lti_buf_byte(out, '[');
  for (unsigned i = 0; i < CLIPS; i++) err |= write_clip(v, out, i);
  return err | lti_buf_byte(out, ']');
}

static int write_product(const mock_task_view *v, lti_buf *out, enum product product) {
  switch (product) {
    case PRODUCT_LYRICS:
      return lti_buf_format(out,
                            "\"id\":\"%s\",\"title\":\"The mill\",\"text\":\"%s\",\"status\":"
                            "\"complete\"",
                            v->id, lyrics);
    case PRODUCT_TAGS: return lti_buf_text(out, "\"tags\":\"water, wood, slow, mill\"");
    case PRODUCT_STEMS: return write_stems(v, out, false);
    case PRODUCT_ALL_STEMS: return write_stems(v, out, true);
    case PRODUCT_TIMED: return write_timed(out);
    case PRODUCT_BPM: return lti_buf_text(out, "\"bpm\":96");
    case PRODUCT_MIDI: return write_url(v, out, "midi_url", 0, "mid");
    case PRODUCT_WAV: return write_url(v, out, "wav_url", 0, "wav");
    case PRODUCT_VIDEO: return write_url(v, out, "video_url", 0, "mp4");
    default: return lti_buf_format(out, "\"persona_id\":\"persona-%s\"", v->id);
  }
}

int mock_song_write(const mock_task_view *v, lti_buf *out) {
  enum product product = product_of(v->task);
  if (product == PRODUCT_CLIPS) return write_clips(v, out);
  if (v->phase != MOCK_PHASE_SUCCESS) return lti_buf_text(out, "null");
  return lti_buf_byte(out, '{') | write_product(v, out, product) | lti_buf_byte(out, '}');
}

int mock_song_write_members(const mock_task_view *v, lti_buf *out) {
  bool done = v->phase == MOCK_PHASE_SUCCESS;
  enum product product = product_of(v->task);
  bool audible = done && product == PRODUCT_CLIPS;
  int err = lti_buf_byte(out, ',');
  err |= audible ? write_url(v, out, "audioUrl", 0, "mp3") : lti_buf_text(out, "\"audioUrl\":null");
  err |= lti_buf_byte(out, ',');
  err |= done && (audible || product == PRODUCT_VIDEO)
             ? write_url(v, out, "videoUrl", audible ? 1 : 0, "mp4")
             : lti_buf_text(out, "\"videoUrl\":null");
  err |= lti_buf_byte(out, ',');
  err |= done && (product == PRODUCT_STEMS || product == PRODUCT_ALL_STEMS)
             ? write_stems(v, out, product == PRODUCT_ALL_STEMS)
             : lti_buf_text(out, "\"stems\":null");
  err |= done && product == PRODUCT_LYRICS ? lti_buf_format(out, ",\"lyrics\":\"%s\",", lyrics)
                                           : lti_buf_text(out, ",\"lyrics\":null,");
  err |= done && product == PRODUCT_TIMED ? write_timed(out)
                                          : lti_buf_text(out, "\"alignedLyrics\":null");
  return err |
         lti_buf_format(out, ",\"tags\":%s",
                        done && product == PRODUCT_TAGS ? "\"water, wood, slow, mill\"" : "null");
}
