/* The table of measures, and the names that other tools have for them.
 *
 * The same word means different things elsewhere, and the rows say so: vLLM's ITL is each gap
 * between two chunks, as ours is, while AIPerf's and GuideLLM's inter-token latency is a request's
 * mean, which is our tpot; GuideLLM's time per output token counts the first token in, and is
 * nobody else's. A name that is accepted from elsewhere stands for what it means there. */
#include "measure.h"

#include <assert.h>

static const measure_row rows[] = {
    [MEASURE_TTFT] = {"ttft", "time to first token",
                      "from the request's first byte sent to the first non-empty piece of "
                      "reasoning or content",
                      "vLLM: TTFT; AIPerf and genai-perf: time_to_first_token; GuideLLM: "
                      "time_to_first_token_ms",
                      true},
    [MEASURE_TTFO] = {"ttfo", "time to first output",
                      "from the request's first byte sent to the first content that is not "
                      "reasoning",
                      "AIPerf: time_to_first_output_token; GuideLLM: "
                      "time_to_first_output_token_ms",
                      true},
    [MEASURE_TTST] = {"ttst", "time to second token", "from the first content event to the second",
                      "AIPerf and genai-perf: time_to_second_token", false},
    [MEASURE_ITL] = {"itl", "inter-token latency",
                     "each gap between two content events of one answer, one sample a gap",
                     "vLLM: ITL; AIPerf: inter_chunk_latency", false},
    [MEASURE_TPOT] = {"tpot", "time per output token",
                      "(e2e - ttft) / (output tokens - 1), one sample a request, where the server "
                      "told its tokens",
                      "vLLM: TPOT; AIPerf and genai-perf: inter_token_latency; GuideLLM: "
                      "inter_token_latency_ms",
                      false},
    [MEASURE_E2E] = {"e2e", "end-to-end latency",
                     "from the request's first byte sent to the last content, or of an answer "
                     "without content to its end",
                     "vLLM: E2EL; AIPerf, genai-perf and GuideLLM: request_latency", true},
    [MEASURE_QUEUE] = {"queue", "wait for a connection",
                       "from the submit to a place on a connection",
                       "k6 and AIPerf: http_req_blocked", false},
    [MEASURE_CONNECT] = {"connect", "connect time",
                         "from that place to the TCP connection, of requests that opened one",
                         "k6: http_req_connecting; AIPerf's has TLS in it", false},
    [MEASURE_TLS] = {"tls", "TLS handshake",
                     "from the TCP connection to the end of the handshake, of the same requests",
                     "k6: http_req_tls_handshaking", false},
    [MEASURE_HEAD] = {"head", "time to the response's head",
                      "from the request's first byte sent to the end of the response's header "
                      "block",
                      "k6 and AIPerf: http_req_waiting, which begins when all is sent and ends "
                      "with the first byte received, AIPerf's with the body's",
                      false},
    [MEASURE_JOB] = {"job", "time of a job", "from the submit to the knowledge of the final status",
                     NULL, true},
    [MEASURE_JOB_LAG] = {"job_lag", "lateness of a job's end",
                         "from when the provider says that the job ended, by its clock and often "
                         "in whole seconds, to our knowing it",
                         NULL, false},
    [MEASURE_EVENT_LAG] = {"event_lag", "lateness of an event",
                           "from the gateway's write of an event to our read of it, where it "
                           "stamps its events",
                           NULL, false},
};

static const struct {
  const char *name;
  enum measure measure;
} elsewhere[] = {
    {"e2el", MEASURE_E2E},
    {"request_latency", MEASURE_E2E},
    {"latency", MEASURE_E2E},
    {"time_to_first_token", MEASURE_TTFT},
    {"time_to_first_output_token", MEASURE_TTFO},
    {"time_to_second_token", MEASURE_TTST},
    {"inter_chunk_latency", MEASURE_ITL},
    {"gap", MEASURE_ITL},
    {"inter_token_latency", MEASURE_TPOT},
    {"lag", MEASURE_EVENT_LAG},
};

_Static_assert(sizeof rows / sizeof rows[0] == MEASURE_COUNT, "a row for each measure");

const measure_row *measure_at(enum measure m) {
  assert((unsigned)m < MEASURE_COUNT);
  return &rows[m];
}

bool measure_find(leat_slice name, enum measure *m) {
  for (unsigned i = 0; i < MEASURE_COUNT; i++) {
    if (!lti_slice_is(name, rows[i].name)) continue;
    *m = (enum measure)i;
    return true;
  }
  for (size_t i = 0; i < sizeof elsewhere / sizeof elsewhere[0]; i++) {
    if (!lti_slice_is(name, elsewhere[i].name)) continue;
    *m = elsewhere[i].measure;
    return true;
  }
  return false;
}
