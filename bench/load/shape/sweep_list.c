/* Levels must rise, since whether a knee was passed is asked of each beside those below it. */
#include "sweep_list.h"

#include <math.h>
#include <string.h>

#include "bindings/cli/say.h"
#include "bindings/cli/values.h"
#include "shape.h"

#define LEVEL_TEXT 32 /* bytes of one level */

/* NULL, or what is wrong with the level. */
static const char *read_level(const char *text, size_t size, bool streams, double *level) {
  char copy[LEVEL_TEXT];
  if (size >= sizeof copy) return "a level is a number";
  memcpy(copy, text, size);
  copy[size] = '\0';
  if (!cli_values_real(copy, level)) return "a level is a number, as in rate=10,20,40";
  if (streams && (*level != floor(*level) || *level < 1 || *level > SHAPE_STREAMS_MAX))
    return "a concurrency is a whole number from 1 to 1000000";
  if (*level < 1e-6 || *level > SHAPE_RATE_MAX)
    return "a rate is from 0.000001 to 10000000 requests a second";
  return NULL;
}

static const char *add_level(sweep_list *list, double level) {
  if (list->count == SWEEP_LIST_MAX) return "there are more than 128 levels";
  if (list->count && level <= list->levels[list->count - 1])
    return "each level is above the one before it";
  list->levels[list->count++] = level;
  return NULL;
}

static const char *read_range(const char *first, const char *dots, sweep_list *list) {
  double from = 0, to = 0;
  const char *last = dots + 2;
  list->range = true;
  if (strchr(first, ',')) return "it is a list or a range, not both";
  const char *why = read_level(first, (size_t)(dots - first), list->streams, &from);
  if (!why) why = read_level(last, strlen(last), list->streams, &to);
  if (!why && to <= from) why = "a range leads upward";
  for (double level = from; !why && level < to; level *= 2) why = add_level(list, level);
  return why ? why : add_level(list, to);
}

static const char *read_levels(const char *text, sweep_list *list) {
  const char *dots = strstr(text, "..");
  if (dots) return read_range(text, dots, list);
  for (const char *rest = text; rest;) {
    size_t size = strcspn(rest, ",");
    double level = 0;
    const char *why = read_level(rest, size, list->streams, &level);
    if (!why) why = add_level(list, level);
    if (why) return why;
    rest = rest[size] ? rest + size + 1 : NULL;
  }
  return NULL;
}

bool sweep_list_read(const char *text, sweep_list *list) {
  static const char rate[] = "rate=", streams[] = "concurrency=";
  memset(list, 0, sizeof *list);
  list->streams = strncmp(text, streams, sizeof streams - 1) == 0;
  const char *why = "it says what is varied: rate=10,20,40 or concurrency=1..1024";
  if (list->streams)
    why = read_levels(text + sizeof streams - 1, list);
  else if (strncmp(text, rate, sizeof rate - 1) == 0)
    why = read_levels(text + sizeof rate - 1, list);
  if (why) cli_say("--sweep %s: %s", text, why);
  return why == NULL;
}
