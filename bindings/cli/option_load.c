/* The options that only the harness and its reports have: load, compare, report, merge. Order is
 * the order of --help. */
#include "options.h"

#define FIELD(name) offsetof(cli_options, load.name)
#define RUNS        (CLI_LOAD | CLI_COMPARE)
#define REPORTS     (CLI_LOAD | CLI_REPORT | CLI_MERGE)
#define ALL         (REPORTS | CLI_COMPARE)
#define COUNT_MAX   1000000
#define LARGE       1000000000

static const cli_option table[] = {
    /* when requests begin */
    {"requests", 'n', CLI_INT, "R", CLI_LOAD, FIELD(requests),
     "how many requests in all [the concurrency, or as many as --duration has room for]", NULL, 1,
     LARGE},
    {"concurrency", 'c', CLI_INT, "C", CLI_LOAD, FIELD(concurrency),
     "how many at once: exactly so many, or with --rate at most [1; with --rate no limit]", NULL, 1,
     COUNT_MAX},
    {"duration", 0, CLI_DURATION, "TIME", CLI_LOAD, FIELD(duration), "begin requests for so long",
     NULL, 0, 0},
    {"rate", 0, CLI_TEXT, "X", CLI_LOAD, FIELD(rate),
     "begin X requests a second, whatever comes back: an open loop; inf begins all at once", NULL,
     0, 0},
    {"arrivals", 0, CLI_CHOICE, "HOW", CLI_LOAD, FIELD(arrivals),
     "how an open loop's starts lie: constant, poisson, or gamma with --burstiness [poisson]",
     "constant poisson gamma", 0, 0},
    {"burstiness", 0, CLI_REAL, "G", CLI_LOAD, FIELD(burstiness),
     "the shape of gamma arrivals: below 1 in bursts, 1 as poisson, above it more evenly [1]", NULL,
     0, 0},
    {"ramp", 0, CLI_DURATION, "TIME", CLI_LOAD, FIELD(ramp),
     "come to the rate or the concurrency from nothing, in so long", NULL, 0, 0},
    {"rate-stages", 0, CLI_TEXT, "LIST", CLI_LOAD, FIELD(rate_stages),
     "10@30s,10..100@1m,100@30s: rates one after the other, .. from one to another; 10..100@1m:exp "
     "by the same factor each second",
     NULL, 0, 0},
    {"concurrency-stages", 0, CLI_TEXT, "LIST", CLI_LOAD, FIELD(concurrency_stages),
     "the same with numbers of streams", NULL, 0, 0},
    {"burst", 0, CLI_INT, "N", CLI_LOAD, FIELD(burst), "begin N requests at one instant", NULL, 1,
     COUNT_MAX},
    {"burst-every", 0, CLI_DURATION, "TIME", CLI_LOAD, FIELD(burst_every),
     "and again after so long, until --requests or --duration end it", NULL, 0, 0},
    {"replay", 0, CLI_TEXT, "FILE", CLI_LOAD, FIELD(replay),
     "begin requests when this trace says, with its lengths: Mooncake (JSONL), BurstGPT or Azure "
     "(CSV)",
     NULL, 0, 0},
    {"replay-speed", 0, CLI_REAL, "X", CLI_LOAD, FIELD(replay_speed), "so many times as fast [1]",
     NULL, 0, 0},
    {"sweep", 0, CLI_TEXT, "LIST", CLI_LOAD, FIELD(sweep),
     "one load after another: rate=10,20,40 or concurrency=1..1024, which doubles and, with --slo, "
     "searches the knee",
     NULL, 0, 0},
    {"slo", 0, CLI_LIST, "EXPR", CLI_LOAD, FIELD(slo),
     "the level that the knee is searched under: 'ttft.p99<500ms'; repeatable", NULL, 0, 0},
    {"think", 0, CLI_DURATION, "TIME", CLI_LOAD, FIELD(think),
     "wait between two requests of a stream, or two turns of a conversation [0]", NULL, 0, 0},
    {"turns", 0, CLI_INT, "N", CLI_LOAD, FIELD(turns),
     "conversations of N turns, each with all that was said before [1, or the data set's]", NULL, 1,
     1000},
    {"warmup", 0, CLI_TEXT, "N or TIME", CLI_LOAD, FIELD(warmup),
     "run so many requests (50) or so long (10s) first, and measure none of it", NULL, 0, 0},
    {"end", 0, CLI_CHOICE, "HOW", CLI_LOAD, FIELD(end),
     "what happens to what runs at the end: drain waits for it, cut cancels it [drain]",
     "drain cut", 0, 0},
    {"drain-timeout", 0, CLI_DURATION, "TIME", CLI_LOAD, FIELD(drain_timeout),
     "and a drain is cut after so long [off]", NULL, 0, 0},
    {"threads", 0, CLI_INT, "N", CLI_LOAD, FIELD(threads), "one engine on each of N threads [1]",
     NULL, 1, 256},

    /* what they say */
    {"endpoint", 0, CLI_TEXT, "NAME", CLI_LOAD, FIELD(endpoint),
     "call this endpoint (see leat endpoints), with --body, --dataset or a prompt; a family of "
     "jobs "
     "runs each to its end",
     NULL, 0, 0},
    {"param", 0, CLI_LIST, "NAME=TEXT", CLI_LOAD, FIELD(params),
     "what stands for {NAME} in its path; repeatable", NULL, 0, 0},
    {"input-tokens", 0, CLI_TEXT, "M[,SD]", CLI_LOAD, FIELD(input_tokens),
     "prompts of M tokens, normally distributed by SD; each is unlike all others", NULL, 0, 0},
    {"output-tokens", 0, CLI_TEXT, "M[,SD]", CLI_LOAD, FIELD(output_tokens),
     "ask for answers of at most M tokens", NULL, 0, 0},
    {"shared-prefix-tokens", 0, CLI_INT, "N", CLI_LOAD, FIELD(shared_prefix),
     "all prompts begin with the same N tokens, which count among the M [0]", NULL, 0, COUNT_MAX},
    {"tokens-by", 0, CLI_CHOICE, "HOW", CLI_LOAD, FIELD(tokens_by),
     "how lengths are made right: ids (exact, openai-completions), usage (calibrated by the "
     "answers' usage), tokenize (by the server's /tokenize), or words (not at all) [ids where it "
     "can be, else usage]",
     "ids usage tokenize words", 0, 0},
    {"vocabulary", 0, CLI_INT, "N", CLI_LOAD, FIELD(vocabulary),
     "token ids are drawn from 100 to N [30000]", NULL, 200, COUNT_MAX},
    {"dataset", 0, CLI_TEXT, "FILE", CLI_LOAD, FIELD(dataset),
     "requests from FILE: OpenAI's batch form or prompts, a line of JSON each, or ShareGPT", NULL,
     0, 0},
    {"dataset-order", 0, CLI_CHOICE, "HOW", CLI_LOAD, FIELD(dataset_order),
     "as the file has them, or shuffled by the seed [file]", "file shuffle", 0, 0},
    {"template", 0, CLI_FLAG, NULL, CLI_LOAD, FIELD(template),
     "fill in {{index}}, {{turn}}, {{uuid}}, {{random 1 6}}, {{prompt}} and {{env NAME}} in "
     "--body, "
     "--prompt and --header",
     NULL, 0, 0},
    {"seed", 0, CLI_INT, "N", CLI_LOAD, FIELD(seed), "of arrivals, prompts and orders [1]", NULL, 0,
     INT64_MAX},

    /* what is measured, and whether it will do */
    {"goodput", 0, CLI_LIST, "LEVELS", CLI_LOAD, FIELD(goodput),
     "ttft:500 tpot:50 e2el:5000, in ms: count the requests that keep to all", NULL, 0, 0},
    {"require", 0, CLI_LIST, "EXPR", CLI_LOAD | CLI_REPORT | CLI_MERGE, FIELD(require),
     "'ttft.p99<500ms', 'error_rate<=1%', 'goodput>0.95': exit 3 where one is missed; repeatable",
     NULL, 0, 0},
    {"strict", 0, CLI_FLAG, NULL, CLI_LOAD | CLI_REPORT | CLI_MERGE, FIELD(strict),
     "exit 4 where the certificate does not say valid", NULL, 0, 0},
    {"allow-failures", 0, CLI_TEXT, "N or P%", CLI_LOAD, FIELD(allow_failures),
     "exit 0 though so many requests failed [0]", NULL, 0, 0},
    {"rx-timestamps", 0, CLI_FLAG, NULL, CLI_LOAD, FIELD(rx_timestamps),
     "count times from the kernel's stamps of when bytes came: as it is where there are such", NULL,
     0, 0},
    {"no-rx-timestamps", 0, CLI_FLAG, NULL, CLI_LOAD, FIELD(no_rx_timestamps),
     "count times from our own reads", NULL, 0, 0},

    /* where it is told */
    {"json", 0, CLI_TEXT, "FILE", REPORTS, FIELD(json_path),
     "write the result as JSON to FILE, - for standard output", NULL, 0, 0},
    {"json", 0, CLI_TEXT, "FILE", CLI_COMPARE, FIELD(json_path),
     "write the comparison as JSON to FILE, - for standard output", NULL, 0, 0},
    {"format", 0, CLI_CHOICE, "NAME", CLI_LOAD | CLI_REPORT | CLI_MERGE, FIELD(format),
     "whose JSON that is: leat, vllm or aiperf [leat]", "leat vllm aiperf", 0, 0},
    {"output", 'o', CLI_LIST, "FILE", REPORTS, FIELD(output),
     "write a report, by its ending: .html, .json, .csv, .prom, .txt; repeatable", NULL, 0, 0},
    {"output", 'o', CLI_LIST, "FILE", CLI_COMPARE, FIELD(output),
     "write the comparison, by its ending: .html, .json, .txt; repeatable", NULL, 0, 0},
    {"jsonl", 0, CLI_TEXT, "FILE", CLI_LOAD, FIELD(jsonl), "write a line of JSON for each request",
     NULL, 0, 0},
    {"events", 0, CLI_FLAG, NULL, CLI_LOAD, FIELD(events),
     "and in it when each event of content came", NULL, 0, 0},
    {"title", 0, CLI_TEXT, "TEXT", ALL, FIELD(title), "what the report is called", NULL, 0, 0},

    /* again, elsewhere, together */
    {"repeat", 0, CLI_INT, "N", CLI_LOAD, FIELD(repeat),
     "run it N times; compare then knows the spread from run to run [1]", NULL, 1, 1000},
    {"repeat", 0, CLI_INT, "N", CLI_COMPARE, FIELD(repeat), "with --run, run each N times [5]",
     NULL, 1, 1000},
    {"run", 0, CLI_FLAG, NULL, CLI_COMPARE, FIELD(run),
     "run A and B, which are --config files, in turns A B A B, and compare", NULL, 0, 0},
    {"pause", 0, CLI_DURATION, "TIME", RUNS, FIELD(pause), "rest between two runs [1]", NULL, 0, 0},
    {"shard", 0, CLI_TEXT, "I/N", CLI_LOAD, FIELD(shard),
     "be the I-th of N machines, from 0, that share this load [JOB_COMPLETION_INDEX of "
     "LEAT_SHARDS, else 0/1]",
     NULL, 0, 0},
    {"start-at", 0, CLI_TEXT, "TIME", CLI_LOAD, FIELD(start_at),
     "begin then: RFC 3339, or seconds since 1970", NULL, 0, 0},
    {"config", 0, CLI_TEXT, "FILE", CLI_LOAD, FIELD(config),
     "read options from this JSON object of their names; those of the command line win", NULL, 0,
     0},
    {"print-config", 0, CLI_FLAG, NULL, CLI_LOAD, FIELD(print_config),
     "print what --config would need to do the same, and do nothing", NULL, 0, 0},
};

const cli_option *cli_option_load_at(size_t i) {
  return i < sizeof table / sizeof table[0] ? &table[i] : NULL;
}
