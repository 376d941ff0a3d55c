/* `leat decode`: a recorded body, taken apart without any network.
 *
 * --sse shows what the splitter dispatches, one JSON line an event, and the state at the end;
 * --protocol shows what splitter and dialect make of the whole body, as one JSON object. --split N
 * feeds N bytes at a time, since no result may depend on how a body was cut. --group shows what the
 * whole body says as a typed reply. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "collect.h"
#include "core/answer.h"
#include "jsonw.h"
#include "program.h"
#include "protocol.h"
#include "reply_json.h"
#include "say.h"
#include "wire/sse.h"

#define PIECE_SIZE ((size_t)256 << 10)
#define EVENT_MAX  ((size_t)64 << 20)
#define BODY_MAX   ((size_t)256 << 20)
#define NAMES_MAX  256

/* Takes one piece; LTI_OK for more, anything else ends the reading. */
typedef int (*feed_cb)(void *ctx, leat_slice piece);

typedef struct split {
  cli_out out;
  cli_jsonw json;
} split;

/* Fills `block` as far as the input goes, so that every piece but the last has its full size. */
static ssize_t read_block(int fd, char *block, size_t size) {
  size_t used = 0;
  while (used < size) {
    ssize_t n = read(fd, block + used, size - used);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return -1;
    if (n == 0) break;
    used += (size_t)n;
  }
  return (ssize_t)used;
}

static int feed_pieces(leat_slice block, size_t piece, feed_cb feed, void *ctx) {
  int result = LTI_OK;
  while (block.size > 0 && result == LTI_OK) {
    size_t n = block.size < piece ? block.size : piece;
    result = feed(ctx, lti_slice(block.data, n));
    block = lti_slice_from(block, n);
  }
  return result;
}

/* Reads the file and feeds it. False, and said, when reading fails; `*result` is the feeder's. */
static bool feed_file(const char *path, size_t piece, feed_cb feed, void *ctx, int *result) {
  bool from_stdin = strcmp(path, "-") == 0;
  int fd = from_stdin ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
  size_t size = piece >= PIECE_SIZE ? piece : PIECE_SIZE / piece * piece;
  char *block = malloc(size);
  ssize_t n = fd < 0 || !block ? -1 : 1;
  *result = LTI_OK;
  while (n > 0 && *result == LTI_OK) {
    n = read_block(fd, block, size);
    if (n > 0) *result = feed_pieces(lti_slice(block, (size_t)n), piece, feed, ctx);
  }
  if (n < 0) cli_say("cannot read %s: %s", from_stdin ? "standard input" : path, strerror(errno));
  free(block);
  if (!from_stdin && fd >= 0) close(fd);
  return n >= 0;
}

static int put_sse_event(void *ctx, const lti_sse_event *event) {
  split *s = ctx;
  cli_jsonw_open(&s->json, NULL, '{');
  cli_jsonw_text(&s->json, "event", event->type);
  cli_jsonw_text(&s->json, "data", event->data);
  cli_jsonw_text(&s->json, "id", event->id);
  if (event->has_retry) cli_jsonw_uint(&s->json, "retry", event->retry_ms);
  cli_jsonw_close(&s->json, '}');
  return cli_jsonw_line(&s->json, &s->out) ? LTI_OK : LEAT_EIO;
}

static int feed_sse(void *ctx, leat_slice piece) {
  size_t taken = 0;
  return lti_sse_feed(ctx, piece, &taken);
}

static void put_sse_end(split *s, const lti_sse *sse) {
  cli_jsonw_open(&s->json, NULL, '{');
  cli_jsonw_open(&s->json, "final", '{');
  cli_jsonw_text(&s->json, "last_event_id", lti_sse_last_id(sse));
  if (sse->has_retry)
    cli_jsonw_uint(&s->json, "reconnection_time", sse->retry_ms);
  else
    cli_jsonw_null(&s->json, "reconnection_time");
  cli_jsonw_close(&s->json, '}');
  cli_jsonw_close(&s->json, '}');
  cli_jsonw_line(&s->json, &s->out);
}

static int decode_sse(const char *path, size_t piece) {
  static const lti_sse_sink sink = {.event = put_sse_event};
  split s;
  lti_sse sse;
  int result = LTI_OK;
  cli_out_init(&s.out, STDOUT_FILENO, "standard output");
  cli_jsonw_init(&s.json, cli_program_alloc());
  lti_sse_init(&sse, cli_program_alloc(), EVENT_MAX, &sink, &s);
  bool fine = feed_file(path, piece, feed_sse, &sse, &result);
  if (fine && result == LTI_OK) result = lti_sse_end(&sse);
  if (fine && result == LTI_OK) put_sse_end(&s, &sse);
  if (fine && result != LTI_OK && !s.out.error) cli_say("%s: %s", path, leat_error_text(result));
  lti_sse_deinit(&sse);
  cli_jsonw_deinit(&s.json);
  fine = cli_out_close(&s.out) && fine && result == LTI_OK;
  return fine ? CLI_DONE : CLI_FAILED;
}

static int feed_answer(void *ctx, leat_slice piece) {
  size_t taken = 0;
  return lti_answer_feed(ctx, piece, &taken);
}

static bool put_answer(lti_answer *answer, const cli_collect *collect) {
  cli_out out;
  lti_buf object;
  lti_verdict verdict;
  lti_answer_end(answer, &verdict);
  cli_out_init(&out, STDOUT_FILENO, "standard output");
  lti_buf_init(&object, cli_program_alloc(), SIZE_MAX, LEAT_EBODYMAX);
  bool fine = cli_collect_write(collect, answer, &verdict, &object) == LEAT_OK &&
              lti_buf_byte(&object, '\n') == LEAT_OK;
  if (!fine) cli_say("no memory");
  cli_out_write(&out, lti_buf_slice(&object));
  lti_buf_deinit(&object);
  return cli_out_close(&out) && fine;
}

/* Exit 0 whatever the body amounts to: the object says it. Behind the end marker, or an error,
 * nothing more is fed. */
static int decode_protocol(const lti_protocol *protocol, const char *path, size_t piece) {
  const lti_answer_limits limits = {.event_bytes_max = EVENT_MAX, .body_bytes_max = BODY_MAX};
  cli_collect collect;
  lti_answer answer;
  int result = LTI_OK;
  cli_collect_init(&collect, cli_program_alloc());
  const lti_answer_sink sink = {.event = cli_collect_event, .ctx = &collect};
  bool fine = lti_answer_init(&answer, cli_program_alloc(), protocol, &limits, sink) == LEAT_OK;
  if (!fine) {
    cli_say("no memory");
    return CLI_FAILED;
  }
  fine = feed_file(path, piece, feed_answer, &answer, &result) && put_answer(&answer, &collect);
  lti_answer_deinit(&answer);
  cli_collect_deinit(&collect);
  return fine ? CLI_DONE : CLI_FAILED;
}

static int unknown_protocol(const char *name) {
  lti_buf names;
  lti_buf_init(&names, cli_program_alloc(), NAMES_MAX, LEAT_EBODYMAX);
  for (size_t i = 0; lti_protocol_at(i); i++)
    lti_buf_format(&names, "%s%s", i ? " " : "", lti_protocol_at(i)->name);
  cli_say("no protocol %s: there are %.*s", name, (int)names.size, names.data);
  lti_buf_deinit(&names);
  return CLI_WRONG;
}

/* ---- typed replies */

static int feed_body(void *ctx, leat_slice piece) {
  return lti_buf_append(ctx, piece);
}

static enum leat_reply_group group_of(const char *name) {
  int group = LEAT_REPLY_NONE;
  while (group < LEAT_REPLY_ERROR &&
         strcmp(leat_reply_group_name((enum leat_reply_group)group), name) != 0)
    group++;
  return (enum leat_reply_group)group;
}

static bool put_reply(const leat_reply *reply) {
  cli_out out;
  cli_jsonw json;
  cli_out_init(&out, STDOUT_FILENO, "standard output");
  cli_jsonw_init(&json, cli_program_alloc());
  cli_reply_json(&json, reply);
  bool fine = cli_jsonw_line(&json, &out);
  if (!fine && !out.error) cli_say("no memory");
  cli_jsonw_deinit(&json);
  return cli_out_close(&out) && fine;
}

static int decode_group(const char *name, const char *path, size_t piece) {
  lti_buf body;
  leat_reply *reply = NULL;
  int result = LTI_OK;
  lti_buf_init(&body, cli_program_alloc(), BODY_MAX, LEAT_EBODYMAX);
  bool fine = feed_file(path, piece, feed_body, &body, &result);
  if (fine && result == LTI_OK)
    result = leat_reply_read(group_of(name), lti_buf_slice(&body), NULL, NULL, &reply);
  if (fine && result == LEAT_EDECODE)
    cli_say("%s: not JSON, or no answer of the group %s", path, name);
  else if (fine && result != LTI_OK)
    cli_say("%s: %s", path, leat_error_text(result));
  fine = fine && result == LTI_OK && put_reply(reply);
  leat_reply_free(reply);
  lti_buf_deinit(&body);
  return fine ? CLI_DONE : CLI_FAILED;
}

int cli_decode_run(const cli_options *o) {
  const char *path = o->arg_count ? o->args[0] : "-";
  size_t piece = o->split.set ? (size_t)o->split.value : PIECE_SIZE;
  if (o->arg_count > 1) {
    cli_say("one file at a time");
    return CLI_WRONG;
  }
  if (o->sse + (o->protocol != NULL) + (o->group != NULL) != 1) {
    cli_say("give one of --group NAME, --sse or --protocol NAME");
    return CLI_WRONG;
  }
  if (o->group) return decode_group(o->group, path, piece);
  if (o->sse) return decode_sse(path, piece);
  const lti_protocol *protocol = lti_protocol_find(o->protocol);
  return protocol ? decode_protocol(protocol, path, piece) : unknown_protocol(o->protocol);
}
