/* An engine's counters for JavaScript: an object of leat_stats, and Prometheus' text. */
#ifndef LEAT_NODE_COUNTERS_H
#define LEAT_NODE_COUNTERS_H

#include <node_api.h>

#include "leat.h"

/* NULL with an exception pending. */
napi_value lno_counters_object(napi_env env, leat_engine *engine);
napi_value lno_counters_text(napi_env env, leat_engine *engine);

#endif
