/* What to answer to an option that does not exist: other programs' spellings by name, an option of
 * another command, or the nearest of this command's own. */
#include <stdio.h>
#include <string.h>

#include "options.h"

#define WORD_MAX 40

static const struct {
  const char *foreign, *ours;
} spellings[] = {
    {"http2", "leat says --http 2"},
    {"http1.1", "leat says --http 1.1"},
    {"http1.0", "leat speaks HTTP/1.1 and 2: --http VERSION"},
    {"http3", "leat speaks HTTP/1.1 and 2: --http VERSION"},
    {"http2-prior-knowledge", "leat says --http 2, with a base URL of http"},
    {"max-time", "leat says --timeout TIME"},
    {"retry", "leat says --retries N"},
    {"max-retries", "leat says --retries N"},
    {"retry-delay", "leat waits as the server asks; --retries N bounds it"},
    {"data", "leat says --body FILE, or -d"},
    {"data-raw", "leat says --body FILE, or -d"},
    {"data-binary", "leat says --body FILE, or -d"},
    {"url", "leat says --base-url URL"},
    {"api-base", "leat says --base-url URL"},
    {"endpoint", "leat says --base-url URL and --chat-path PATH"},
    {"user", "leat says --api-key, --key-file or LEAT_API_KEY"},
    {"oauth2-bearer", "leat says --api-key, --key-file or LEAT_API_KEY"},
    {"E", "leat says --cert FILE, and --key FILE if the key lies elsewhere"},
    {"pass", "leat reads no encrypted key: openssl pkey writes a plain one"},
    {"cert-type", "leat reads PEM alone"},
    {"key-type", "leat reads PEM alone"},
    {"tlsv1.2", "leat speaks TLS 1.2 or better; --tls-max VERSION bounds it"},
    {"tlsv1.3", "leat speaks TLS 1.2 or better; --tls-max VERSION bounds it"},
    {"ca-cert", "leat says --cacert FILE"},
    {"unix-socket", "leat says --base-url unix:PATH, with a path unix:PATH:/v1"},
    {"verbose", "leat says --trace -"},
    {"v", "leat says --trace -"},
    {"trace-ascii", "leat says --trace FILE"},
    {"silent", "leat says --quiet"},
    {"s", "leat says --quiet, or -q"},
    {"capath", "leat reads SSL_CERT_DIR, or --cacert FILE"},
    {"connect-to", "leat says --resolve HOST:PORT=ADDRESS"},
    {"speed-time", "leat says --gap-timeout TIME"},
    {"location", "leat follows redirects by itself, and never gives the key to another origin"},
    {"L", "leat follows redirects by itself, and never gives the key to another origin"},
    {"no-buffer", "leat never buffers a stream"},
    {"N", "leat never buffers a stream"},
    {"parallel-max", "leat load says --concurrency C, or -c"},
    {"max_tokens", "leat says --max-tokens N"},
    {"stream", "leat streams unless it is told --no-stream"},
    {"max-concurrent-streams", "leat says --streams N"},
    {"x", "leat says --proxy URL"},
    {"noproxy", "leat says --no-proxy LIST"},
    {"proxy-user", "leat says --proxy http://USER:PASSWORD@HOST:PORT"},
    {"U", "leat says --proxy http://USER:PASSWORD@HOST:PORT"},
    {"proxytunnel", "leat makes a tunnel of every proxy"},
    {"socks5", "leat goes through HTTP proxies alone: --proxy URL"},
    {"socks5-hostname", "leat goes through HTTP proxies alone: --proxy URL"},
    {"version", "write leat --version"},
};

/* Words of other harnesses that load takes as they are. */
static const struct {
  const char *foreign, *ours;
} aliases[] = {
    {"num-prompts", "requests"},
    {"request-count", "requests"},
    {"max-concurrency", "concurrency"},
    {"request-rate", "rate"},
    {"random-input-len", "input-tokens"},
    {"random-output-len", "output-tokens"},
    {"random-prefix-len", "shared-prefix-tokens"},
    {"synthetic-input-tokens-mean", "input-tokens"},
    {"output-tokens-mean", "output-tokens"},
    {"benchmark-duration", "duration"},
};

const char *cli_spelling_alias(leat_slice name, uint32_t command) {
  if (command != CLI_LOAD) return NULL;
  for (size_t i = 0; i < sizeof aliases / sizeof aliases[0]; i++)
    if (lti_slice_is(name, aliases[i].foreign)) return aliases[i].ours;
  return NULL;
}

static size_t smaller(size_t a, size_t b) {
  return a < b ? a : b;
}

/* Edits (insert, delete, replace, swap of neighbours) from `a` to `b`. */
static size_t distance(const char *a, const char *b) {
  size_t rows[3][WORD_MAX + 1];
  size_t m = strlen(a), n = strlen(b);
  if (m > WORD_MAX || n > WORD_MAX) return WORD_MAX;
  for (size_t j = 0; j <= n; j++) rows[0][j] = j;
  for (size_t i = 1; i <= m; i++) {
    size_t *now = rows[i % 3], *last = rows[(i + 2) % 3], *before = rows[(i + 1) % 3];
    now[0] = i;
    for (size_t j = 1; j <= n; j++) {
      now[j] = smaller(smaller(last[j], now[j - 1]) + 1, last[j - 1] + (a[i - 1] != b[j - 1]));
      bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
      if (swapped) now[j] = smaller(now[j], before[j - 2] + 1);
    }
  }
  return rows[m % 3][n];
}

/* A word that `name` begins, or that is at most a third away. */
const char *cli_spelling_nearest(const char *name, const char *const *words, size_t count) {
  const char *nearest = NULL;
  size_t best = strlen(name) / 3 + 1;
  for (size_t i = 0; i < count; i++) {
    bool begins = strlen(name) > 2 && strncmp(words[i], name, strlen(name)) == 0;
    size_t edits = begins ? 1 : distance(name, words[i]);
    if (edits > best || (nearest && edits == best)) continue;
    best = edits;
    nearest = words[i];
  }
  return nearest;
}

const char *cli_spelling_advice(const char *name, uint32_t command, char *out, size_t size) {
  const char *own[128];
  size_t own_count = 0;
  const cli_option *elsewhere = NULL;
  for (size_t i = 0; cli_option_at(i); i++) {
    const cli_option *row = cli_option_at(i);
    if (row->commands & command && own_count < sizeof own / sizeof own[0])
      own[own_count++] = row->name;
    if (!elsewhere && strcmp(row->name, name) == 0) elsewhere = row;
  }
  for (size_t i = 0; i < sizeof spellings / sizeof spellings[0]; i++)
    if (strcmp(spellings[i].foreign, name) == 0) return spellings[i].ours;
  if (elsewhere) return "it belongs to another command: see leat help";
  const char *nearest = cli_spelling_nearest(name, own, own_count);
  if (!nearest) return NULL;
  snprintf(out, size, "did you mean --%s?", nearest);
  return out;
}
