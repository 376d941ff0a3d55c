/* Turns in the flow fixture: what is asked over a socket, and lines of a peer's script
 * (support/ws_peer.h) that answer. */
#ifndef TEST_ASKING_H
#define TEST_ASKING_H

#include "support/proxy.h"
#include "support/talk.h"

#define SCRIPTS(...) ((const char *const[]){__VA_ARGS__, NULL})

/* Bodies; `text` is what a peer may look for. */
#define ASK_CHAT(text) \
  "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"" text "\"}],\"stream\":true}"
#define ASK_USAGE(text)                                                   \
  "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"" text \
  "\"}],"                                                                 \
  "\"stream\":true,\"stream_options\":{\"include_usage\":true}}"
#define ASK_RESPONSE(text) "{\"type\":\"response.create\",\"model\":\"m\",\"input\":\"" text "\"}"

/* A chat's answer: a piece, its end, and a message that holds all so far. */
#define DELTA(id, text) \
  "> {\"id\":\"" id "\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"" text "\"}}]}"
#define STOP(id) \
  "> {\"id\":\"" id "\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}"
#define WHOLE(id, text, finish)                                       \
  "> {\"id\":\"" id                                                   \
  "\",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\"," \
  "\"content\":\"" text "\"},\"finish_reason\":" finish "}]}"

/* A response's. */
#define CREATED(id) \
  "> {\"type\":\"response.created\",\"response\":{\"id\":\"" id "\",\"status\":\"in_progress\"}}"
#define PIECE(text)                                                                    \
  "> {\"type\":\"response.output_text.delta\",\"output_index\":0,\"content_index\":0," \
  "\"item_id\":\"i\",\"delta\":\"" text "\"}"
#define COMPLETED(id, text)                                                                \
  "> {\"type\":\"response.completed\",\"response\":{\"id\":\"" id                          \
  "\",\"status\":\"completed\","                                                           \
  "\"output\":[{\"type\":\"message\",\"id\":\"i\",\"content\":[{\"type\":\"output_text\"," \
  "\"text\":\"" text "\"}]}]}}"

/* Submits a turn; of "chat-ws" unless f->request.protocol says otherwise. `socket` 0: its own. */
flow_call *ask(flow *f, peer *server, leat_id socket, const char *body);

#endif
