/* The floor of HTTP/1.1: what it costs to read and decrypt the streams, with no HTTP, SSE or JSON
 * at all. One connection a stream; only the ends of events are counted, to show that all came.
 *
 * usage: floor_h1 PORT STREAMS [PATH]
 * Prints {"events":N,"records":N,"crowded":N,...}. Exit status 1 when a connection failed. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "floor.h"

#define REQUEST_MAX 1024

typedef struct stream {
  floor_conn conn;
  char last;
} stream;

static char request[REQUEST_MAX];
static size_t request_size;

static enum floor_state begin(floor_conn *c) {
  return floor_send(c, request, request_size) ? FLOOR_MORE : FLOOR_BROKEN;
}

static enum floor_state take(floor_conn *c, const char *bytes, size_t size) {
  floor_count(&((stream *)c)->last, bytes, size);
  return FLOOR_MORE;
}

static const floor_way way = {
    .protocols = {"http/1.1", NULL},
    .ends_by_close = true,
    .conn_size = sizeof(stream),
    .begin = begin,
    .take = take,
};

int main(int argc, char **argv) {
  floor_task task;
  if (!floor_read_task(&task, argc, argv)) return 2;
  int size = snprintf(request, sizeof request,
                      "POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
                      "Content-Length: %zu\r\nConnection: close\r\n\r\n%s",
                      task.path, strlen(floor_body), floor_body);
  task.conns = task.streams;
  stream *streams = calloc(task.streams, sizeof *streams);
  if (size >= REQUEST_MAX || !streams) {
    fprintf(stderr, "floor_h1: the request is too long, or memory too short\n");
    return 1;
  }
  request_size = (size_t)size;
  int status = floor_main(&way, &task, &streams->conn);
  free(streams);
  return status;
}
