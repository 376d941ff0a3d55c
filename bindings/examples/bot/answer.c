/* One message and what is said to it.
 *
 * Its text grows as the model speaks. Now and then, and at the end, it stands in line for a call to
 * the feed: the first one sends a message, later ones edit it. There is one line for all, served at
 * the bot's pace, and an answer has at most one call in it or under way. Edits are left out while
 * the line is longer than they may be late, so that ends do not wait for them.
 *
 * Order: the lane "chat N" asks one question of a chat at a time, so an answer's end is in line
 * before the next one has a word to say; the lane "to N" keeps the calls to a chat in that order,
 * even when one of them has to be repeated. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bot.h"
#include "json.h"

#define NOTE_SIZE 40 /* room for what is said behind an answer that broke off */

struct answer {
  bot *bot;
  answer *next;
  int64_t chat, question, message; /* message: what was sent, 0: nothing was */
  uint64_t due_ns;                 /* of its next edit */
  size_t size, told;               /* bytes of text, and how many the feed has */
  bool full, done, waits, calling;
  char *text; /* NULL until the first word */
};

static void answer_add(answer *a, leat_slice text, size_t room) {
  if (!a->text) a->text = malloc(TEXT_MAX);
  if (!a->text) return;
  size_t size = text.size < room - a->size ? text.size : room - a->size;
  while (size < text.size && size > 0 && ((unsigned char)text.data[size] & 0xc0) == 0x80) size--;
  if (a->full) return;
  a->full = size < text.size;
  memcpy(a->text + a->size, text.data, size);
  a->size += size;
}

static void answer_free(answer *a) {
  a->bot->pending--;
  free(a->text);
  free(a);
}

static void answer_wait(answer *a) {
  if (a->waits || a->calling) return;
  a->waits = true;
  a->next = NULL;
  *a->bot->last = a;
  a->bot->last = &a->next;
  a->bot->waiting++;
}

/* ---- calls to the feed */

static int on_reply(leat_engine *engine, leat_id id, const leat_event *event, void *user) {
  (void)engine, (void)id;
  answer *a = user;
  leat_slice value;
  if (event->kind == LEAT_EVENT_REPLY && a->message == 0 &&
      json_find(event->text, "result.message_id", &value)) {
    json_number(value, &a->message);
  }
  return LEAT_CONTINUE;
}

static void on_called(leat_engine *engine, leat_id id, const leat_result *result, void *user) {
  (void)engine, (void)id;
  answer *a = user;
  a->calling = false;
  if (result->error != LEAT_OK) {
    fprintf(stderr, "bot: chat %" PRId64 ": %.*s\n", a->chat, (int)result->message.size,
            result->message.data);
  }
  if (!a->done) return;
  if (a->told < a->size && result->error == LEAT_OK)
    answer_wait(a);
  else
    answer_free(a);
}

static size_t write_body(const answer *a, char *out, size_t room) {
  int size = snprintf(out, room, "{\"chat_id\":%" PRId64 ",", a->chat);
  size += snprintf(out + size, room - (size_t)size,
                   a->message ? "\"message_id\":%" PRId64 ",\"text\":"
                              : "\"reply_parameters\":{\"message_id\":%" PRId64 "},\"text\":",
                   a->message ? a->message : a->question);
  size += (int)json_quote((leat_slice){a->text, a->size}, out + size);
  out[size++] = '}';
  return (size_t)size;
}

static bool answer_call(answer *a) {
  char body[JSON_QUOTED(TEXT_MAX) + 160], lane[32];
  leat_request request;
  leat_request_init(&request);
  snprintf(lane, sizeof lane, "to %" PRId64, a->chat);
  request.endpoint = a->message ? "telegram.editmessagetext" : "telegram.sendmessage";
  request.body = (leat_slice){body, write_body(a, body, sizeof body)};
  request.lane = lane;
  request.on_event = on_reply;
  request.on_done = on_called;
  request.user = a;
  leat_id id;
  if (leat_submit(a->bot->feed, &request, &id) != LEAT_OK) {
    fprintf(stderr, "bot: %s\n", leat_last_message(a->bot->feed));
    return false;
  }
  a->calling = true;
  a->told = a->size;
  a->due_ns = uv_hrtime() + a->bot->edit_ns;
  return true;
}

void answer_pace(bot *b) {
  uint64_t now = uv_hrtime();
  b->budget += b->rate * (double)(now - b->paced_ns) / 1e9;
  b->paced_ns = now;
  if (b->budget > 1 + b->rate / 100) b->budget = 1 + b->rate / 100;
  while (b->first && b->budget >= 1) {
    answer *a = b->first;
    b->first = a->next;
    if (!b->first) b->last = &b->first;
    b->waiting--;
    b->budget--;
    a->waits = false;
    if (!answer_call(a) && a->done) answer_free(a);
  }
}

/* ---- the model */

static int on_event(leat_engine *engine, leat_id id, const leat_event *event, void *user) {
  (void)engine, (void)id;
  answer *a = user;
  if (event->kind != LEAT_EVENT_TEXT) return LEAT_CONTINUE;
  answer_add(a, event->text, TEXT_MAX - NOTE_SIZE);
  if (a->due_ns == 0) a->due_ns = event->received_ns + a->bot->edit_ns;
  bool late = (double)a->bot->waiting * 1e9 / a->bot->rate > (double)a->bot->edit_ns;
  if (event->received_ns >= a->due_ns && a->size > a->told && !late) answer_wait(a);
  return LEAT_CONTINUE;
}

static void on_done(leat_engine *engine, leat_id id, const leat_result *result, void *user) {
  (void)engine, (void)id;
  answer *a = user;
  char note[NOTE_SIZE];
  a->done = true;
  a->full = false;
  if (result->error == LEAT_OK) {
    a->bot->answered++;
    if (a->size == 0) answer_add(a, (leat_slice){"(nothing)", 9}, TEXT_MAX);
  } else {
    a->bot->failed++;
    int size = snprintf(note, sizeof note, " [%s]", leat_error_name(result->error));
    answer_add(a, (leat_slice){note, (size_t)size}, TEXT_MAX);
  }
  if (a->calling) return; /* whose end comes back to it */
  if (a->told < a->size)
    answer_wait(a);
  else
    answer_free(a);
}

/* The seed makes the answer to an update that comes again the same. */
void answer_open(bot *b, int64_t update, int64_t chat, int64_t question, leat_slice text) {
  answer *a = calloc(1, sizeof *a);
  if (!a) return;
  *a = (answer){.bot = b, .chat = chat, .question = question};
  char lane[32];
  snprintf(lane, sizeof lane, "chat %" PRId64, chat);
  leat_chat_request ask;
  leat_chat_request_init(&ask);
  ask.model = b->model_name;
  ask.prompt = text;
  ask.stream = true;
  ask.has_seed = true;
  ask.seed = update;
  leat_request request;
  leat_request_init(&request);
  request.chat = &ask;
  request.lane = lane;
  request.on_event = on_event;
  request.on_done = on_done;
  request.user = a;
  leat_id id;
  b->pending++;
  if (leat_submit(b->model, &request, &id) == LEAT_OK) return;
  fprintf(stderr, "bot: %s\n", leat_last_message(b->model));
  b->failed++;
  answer_free(a);
}
