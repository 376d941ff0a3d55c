/* How a request ended: the result with texts of its own, and the object that JavaScript is told. */
#ifndef LEAT_NODE_ENDING_H
#define LEAT_NODE_ENDING_H

#include <node_api.h>
#include <stdbool.h>

#include "leat.h"

typedef struct lno_ending {
  leat_result result;
  leat_response response;
  leat_task_update update; /* of a task */
  bool is_task;
  unsigned close_code; /* of a socket, 0: it is none */
  char *texts;         /* what all slices above point into */
} lno_ending;

/* Gives it texts of its own; without memory they are empty, and the error stands. */
void lno_ending_own(lno_ending *ending);
void lno_ending_deinit(lno_ending *ending);
/* False: V8 refused. Nothing in it has a key: the engine masks those. */
bool lno_ending_object(napi_env env, const lno_ending *ending, napi_value *object);
/* An ending of a call that was refused, as an exception that is pending then. */
void lno_ending_throw(napi_env env, int error, const char *message);

#endif
