/* With a level a at the begin, b at the end of T seconds, and t within them:
 *
 *     linear        level a + (b - a) t / T          amount a t + (b - a) t^2 / (2 T)
 *     exponential   level a e^(k t), k = ln(b/a)/T   amount (a / k) (e^(k t) - 1)
 *
 * The linear way back is written so that nothing cancels: 2 x / (a + sqrt(a^2 + 2 (b - a) x / T)).
 */
#include "stages.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "bindings/cli/values.h"
#include "elementary.h"

#define NS_PER_S  1e9
#define STAGE_MAX 64 /* bytes of one stage's text */

static double seconds(const shape_stage *stage) {
  return (double)stage->ns / NS_PER_S;
}

static bool is_flat(const shape_stage *stage) {
  return stage->ns == SHAPE_FOREVER || stage->from == stage->to;
}

/* The exponent's factor of an exponential stage, per second. */
static double growth(const shape_stage *stage) {
  double ratio = stage->to / stage->from;
  bool near = ratio > 0.75 && ratio < 1.4;
  double ln =
      near ? elementary_ln1p((stage->to - stage->from) / stage->from) : elementary_ln(ratio);
  return ln / seconds(stage);
}

double stages_level(const shape_stage *stage, double at_s) {
  if (is_flat(stage)) return stage->from;
  if (stage->exponential) return stage->from * elementary_exp(growth(stage) * at_s);
  return stage->from + (stage->to - stage->from) * (at_s / seconds(stage));
}

double stages_amount(const shape_stage *stage, double at_s) {
  if (is_flat(stage)) return stage->from * at_s;
  if (stage->exponential) return (stages_level(stage, at_s) - stage->from) / growth(stage);
  return at_s * (stage->from + (stage->to - stage->from) * at_s / (2 * seconds(stage)));
}

double stages_total(const shape_stage *stage) {
  if (stage->ns == SHAPE_FOREVER) return stage->from > 0 ? INFINITY : 0;
  if (is_flat(stage)) return stage->from * seconds(stage);
  if (stage->exponential) return (stage->to - stage->from) / growth(stage);
  return seconds(stage) * (stage->from + stage->to) / 2;
}

double stages_when(const shape_stage *stage, double amount) {
  if (is_flat(stage)) return amount / stage->from;
  if (stage->exponential) {
    double k = growth(stage);
    return elementary_ln1p(k * amount / stage->from) / k;
  }
  double slope = (stage->to - stage->from) / seconds(stage);
  double square = stage->from * stage->from + 2 * slope * amount;
  double root = stage->from + sqrt(square > 0 ? square : 0);
  return root > 0 ? 2 * amount / root : 0;
}

double stages_reaches(const shape_stage *stage, double level) {
  if (is_flat(stage)) return 0;
  if (stage->exponential) return elementary_ln(level / stage->from) / growth(stage);
  return (level - stage->from) / (stage->to - stage->from) * seconds(stage);
}

/* Cuts `text` at the first `mark`, which may be of several bytes; NULL: there is none. */
static char *cut(char *text, const char *mark) {
  char *at = strstr(text, mark);
  if (!at) return NULL;
  *at = '\0';
  return at + strlen(mark);
}

static const char *read_level(const char *text, stages_form form, double *level) {
  if (!cli_values_real(text, level) || *level < 0) return "a level is a number from 0 on";
  if (*level > form.level_max) return "its level is higher than leat can offer";
  if (form.whole && *level != floor(*level)) return "streams are whole numbers";
  return NULL;
}

static const char *read_stage(char *text, stages_form form, shape_stage *stage) {
  int64_t ms = 0;
  char *time = cut(text, "@");
  if (!time) return "it says for how long: LEVEL@TIME";
  char *way = cut(time, ":");
  if (way && strcmp(way, "exp") != 0) return "behind the time only :exp may stand";
  if (!cli_values_duration(time, &ms) || ms < 1) return "its time is above 0, as 30s, 1m or 1.5h";
  char *to = cut(text, "..");
  const char *why = read_level(text, form, &stage->from);
  if (!why && to) why = read_level(to, form, &stage->to);
  if (why) return why;
  if (!to) stage->to = stage->from;
  stage->ns = (uint64_t)ms * 1000000;
  stage->exponential = way != NULL;
  if (way && (stage->from <= 0 || stage->to <= 0)) return "an exponential way has no end at 0";
  return NULL;
}

bool stages_parse(const char *text, stages_form form, shape_spec *spec, char *why) {
  double total = 0;
  spec->stage_count = 0;
  for (const char *rest = text; rest;) {
    size_t size = strcspn(rest, ",");
    char copy[STAGE_MAX];
    const char *wrong = size >= sizeof copy ? "it is too long" : NULL;
    if (spec->stage_count == SHAPE_STAGES_MAX - 1) wrong = "there are too many stages before it";
    if (!wrong) {
      memcpy(copy, rest, size);
      copy[size] = '\0';
      shape_stage *stage = &spec->stages[spec->stage_count++];
      *stage = (shape_stage){0};
      wrong = read_stage(copy, form, stage);
      if (!wrong) total += stages_total(stage);
    }
    if (wrong) {
      snprintf(why, STAGES_WHY_MAX, "in \"%.*s\", %s", size > 40 ? 40 : (int)size, rest, wrong);
      return false;
    }
    rest = rest[size] ? rest + size + 1 : NULL;
  }
  if (total > 0) return true;
  snprintf(why, STAGES_WHY_MAX, "it never rises above 0");
  return false;
}
