/* What a request costs, by whose limits it goes, and what answers say of them: see gate.h. */
#include "base/error.h"
#include "core/gate.h"
#include "plan/hint.h"
#include "wire/json.h"

#define FNV           1099511628211ull
#define BYTES_A_TOKEN 4
#define TOKENS_MAX    ((int64_t)1 << 40)

/* What the body says, as far as it is JSON. */
typedef struct body_facts {
  leat_slice model;
  int64_t output; /* at most so many tokens in the answer */
} body_facts;

static void read_output(lti_json *j, body_facts *facts) {
  int64_t n;
  if (lti_json_int(j, &n) && n > facts->output) facts->output = n;
}

/* Gemini has its limit in an object of its own. */
static void read_member(lti_json *j, lti_json_text key, body_facts *facts) {
  lti_json_text text;
  if (lti_json_key_is(key, "model")) {
    if (lti_json_string(j, &text)) facts->model = text.raw;
  } else if (lti_json_key_is(key, "max_tokens") || lti_json_key_is(key, "max_completion_tokens") ||
             lti_json_key_is(key, "max_output_tokens")) {
    read_output(j, facts);
  } else if (lti_json_key_is(key, "generationConfig") && lti_json_enter_object(j)) {
    while (lti_json_next_key(j, &key))
      if (lti_json_key_is(key, "maxOutputTokens")) read_output(j, facts);
  }
}

static void read_body(leat_slice body, body_facts *facts) {
  lti_json j;
  lti_json_text key;
  *facts = (body_facts){.model = lti_slice("", 0)};
  lti_json_init(&j, body);
  if (!body.size || !lti_json_enter_object(&j)) return;
  while (lti_json_next_key(&j, &key)) read_member(&j, key, facts);
}

static int64_t within(int64_t tokens) {
  return tokens < TOKENS_MAX ? tokens : TOKENS_MAX;
}

static void set_cost(lti_ticket *t, int64_t told, size_t bytes, int64_t output) {
  int64_t input = within((int64_t)(bytes / BYTES_A_TOKEN) + (bytes % BYTES_A_TOKEN != 0));
  int64_t tokens = told > 0 ? within(told) : within(input + within(output));
  if (input > tokens) input = tokens;
  t->exact = told > 0;
  t->claim.cost[LIMITER_REQUESTS] = 1;
  t->claim.cost[LIMITER_TOKENS] = tokens;
  t->claim.cost[LIMITER_INPUT] = input;
  t->claim.cost[LIMITER_OUTPUT] = tokens - input;
}

/* The one that names the model, else the one that names none. */
static const leat_limit *limit_of(const leat_config *c, leat_slice model) {
  const leat_limit *general = NULL;
  for (size_t i = 0; i < c->limit_count; i++) {
    if (!c->limits[i].model)
      general = &c->limits[i];
    else if (lti_slice_is(model, c->limits[i].model))
      return &c->limits[i];
  }
  return general;
}

uint64_t lti_gate_measure(lti_request *r, const leat_request *wanted, uint64_t place,
                          lti_limiter_rules *rules) {
  const leat_config *c = &r->item.engine->config;
  body_facts facts;
  leat_slice body = lti_spec_body(&r->spec);
  *rules = (lti_limiter_rules){.learn = c->learn_limits,
                               .probe = (uint32_t)c->limiter_probe,
                               .pause_max_ms = c->retry_after_max_ms};
  if (!r->item.engine->gate->limits) return place;
  read_body(body, &facts);
  const char *name = wanted->chat ? wanted->chat->model : wanted->model;
  if (name && *name) facts.model = lti_slice_of(name);
  set_cost(r->ticket, wanted->tokens, body.size, facts.output);
  const leat_limit *limit = limit_of(c, facts.model);
  if (limit) {
    rules->requests_per_minute = limit->requests_per_minute;
    rules->tokens_per_minute = limit->tokens_per_minute;
    rules->concurrency = (uint32_t)limit->concurrency;
  }
  uint64_t h = (place ^ r->lease.tenant) * FNV;
  for (size_t i = 0; i < facts.model.size; i++) h = (h ^ (unsigned char)facts.model.data[i]) * FNV;
  return h;
}

/* ---- answers */

void lti_gate_heard(lti_request *r, const lti_http_head *head) {
  leat_engine *e = r->item.engine;
  lti_ticket *t = r->ticket;
  if (t->state != TICKET_OUT) return;
  lti_gate_place_heard(r);
  if (!e->config.learn_limits) return;
  lti_hint_limits hints;
  lti_limiter_told told[LTI_LIMITER_METERS];
  int64_t wall_ms = lti_loop_wall_ms(e->loop);
  lti_hint_limits_init(&hints);
  for (size_t i = 0; i < head->header_count; i++)
    lti_hint_limit(head->headers[i].name, head->headers[i].value, wall_ms, &hints);
  for (int i = 0; i < LTI_LIMITER_METERS; i++)
    told[i] = (lti_limiter_told){hints.limit[i], hints.remaining[i], hints.reset_ms[i]};
  lti_limiter_heard(&t->line->limiter, &t->claim, told, lti_loop_clock(e->loop));
  lti_gate_mark(t->line);
}

/* Each later one counts instead, or tells what the one before has not. */
void lti_gate_usage(lti_request *r, const leat_usage *usage) {
  lti_ticket *t = r->ticket;
  if (usage->input >= 0) t->used_input = within(usage->input);
  if (usage->output >= 0) t->used_output = within(usage->output);
  if (usage->total < 0 || (t->used_input >= 0 && t->used_output >= 0)) return;
  t->used_input = within(usage->total);
  t->used_output = 0;
}

static bool is_slow(int error) {
  return error == LEAT_EHEADTIMEOUT || error == LEAT_EFIRSTTIMEOUT || error == LEAT_EIDLETIMEOUT ||
         error == LEAT_EGAPTIMEOUT;
}

/* Refused for going too fast: by its status, or by one that asks to come back later. */
static bool is_too_fast(const lti_request *r, int error) {
  if (error != LEAT_ESTATUS) return false;
  return lti_gate_refusal(r->status) || (r->status == 503 && r->retry_after_ms >= 0);
}

static enum lti_limiter_end end_of(const lti_request *r, int error) {
  if (!r->exchange.sent_ns) return LIMITER_UNSENT;
  if (error == LEAT_OK) return LIMITER_ANSWERED;
  return error == LEAT_ESTATUS ? LIMITER_REFUSED : LIMITER_CUT;
}

bool lti_gate_paces(const lti_request *r, int error) {
  return r->item.engine->config.learn_limits && is_too_fast(r, error);
}

void lti_gate_ended(lti_request *r, int error) {
  leat_engine *e = r->item.engine;
  lti_ticket *t = r->ticket;
  if (t->state != TICKET_PASSED && t->state != TICKET_OUT) return;
  uint64_t now = lti_loop_clock(e->loop);
  lti_limiter *l = &t->line->limiter;
  lti_gate_place_ended(r, error);
  if (is_too_fast(r, error))
    lti_limiter_refused(l, &t->claim, r->retry_after_ms, lti_prng_unit(&e->prng), now);
  if (is_slow(error)) lti_limiter_timed_out(l, &t->claim, now);
  lti_limiter_settle(l, &t->claim, t->used_input, t->used_output, now);
  lti_limiter_end(l, &t->claim, end_of(r, error), now);
  t->used_input = t->used_output = -1;
  lti_gate_return(t);
}
