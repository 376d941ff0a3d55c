/* Every request in a file, a line of JSON each, and on demand every event of it: written by a
 * thread of its own from a bounded queue, so that no measuring thread waits for a disk. What finds
 * the queue full is counted, and said in the report. */
#ifndef LOAD_RECORDER_H
#define LOAD_RECORDER_H

#include <stdbool.h>
#include <stdint.h>

#include "leat.h"

typedef struct recorder recorder;

/* One request that ended. Times are uv_hrtime's, 0: not reached. */
typedef struct recorder_request {
  uint64_t index;
  uint32_t turn, thread;
  bool warmup, task;
  uint64_t intended_ns, submitted_ns;
  const leat_result *result;                             /* read during the call */
  int64_t input_tokens, output_tokens, reasoning_tokens; /* -1: not told */
  uint64_t content_events;
  uint64_t first_ns, last_ns;          /* of content, as measured; 0: as `result` has them */
  uint64_t ttfo_ns, second_content_ns; /* when; 0: never */
  const uint64_t *events_ns;           /* with events: when each content event came */
  size_t event_count;
} recorder_request;

/* NULL, and said, when the file cannot be written. `base_ns` is what the times of the lines are
 * relative to; `events`: the times of events too. */
recorder *recorder_open(const char *path, bool events, uint64_t base_ns);
/* The same with a queue of so many bytes, a multiple of 8, instead of 32 MB; no entry may take more
 * than a quarter of it. */
recorder *recorder_open_sized(const char *path, bool events, uint64_t base_ns, size_t queue_bytes);
bool recorder_events(const recorder *r);
/* Any thread. False: dropped, since the queue was full. */
bool recorder_add(recorder *r, const recorder_request *request);
/* Writes what is left. False, and said, when something was lost; `dropped` (may be NULL) says how
 * many lines. */
bool recorder_close(recorder *r, uint64_t *dropped);

#endif
