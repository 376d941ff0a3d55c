/* The circuit: see circuit.h. */
#include "plan/circuit.h"

#define MS_NS 1000000ull

void lti_circuit_init(lti_circuit *c, int failures_max, int64_t open_ms) {
  *c = (lti_circuit){.failures_max = failures_max, .open_ns = (uint64_t)open_ms * MS_NS};
}

bool lti_circuit_admit(lti_circuit *c, uint64_t now_ns, bool *trial) {
  *trial = false;
  switch (c->state) {
    case CIRCUIT_CLOSED: return true;
    case CIRCUIT_HALF: return false;
    case CIRCUIT_OPEN: break;
  }
  if (now_ns < c->until_ns) return false;
  c->state = CIRCUIT_HALF;
  *trial = true;
  return true;
}

static void open_circuit(lti_circuit *c, uint64_t now_ns) {
  c->state = CIRCUIT_OPEN;
  c->until_ns = now_ns + c->open_ns;
}

bool lti_circuit_failed(lti_circuit *c, bool trial, uint64_t now_ns) {
  if (trial && c->state == CIRCUIT_HALF) {
    open_circuit(c, now_ns);
    return true;
  }
  if (c->state != CIRCUIT_CLOSED || ++c->failures < c->failures_max) return false;
  open_circuit(c, now_ns);
  return true;
}

void lti_circuit_succeeded(lti_circuit *c) {
  c->state = CIRCUIT_CLOSED;
  c->failures = 0;
}

void lti_circuit_spoiled(lti_circuit *c, uint64_t now_ns) {
  if (c->state != CIRCUIT_HALF) return;
  c->state = CIRCUIT_OPEN;
  c->until_ns = now_ns;
}
