/* What can be judged without the engine is judged here, so that the line that tells of it can name
 * the option or the variable. The value of --key is never shown: whoever takes it for the API key's
 * option has just typed a key. */
#include "transport.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "input.h"
#include "say.h"

#define SCHEME_SHOWN 16

static bool choose_proxy(leat_config *c, const cli_options *o);
static bool choose_certificate(leat_config *c, const cli_options *o);

static enum leat_http http_of(const char *word) {
  if (!word || strcmp(word, "auto") == 0) return LEAT_HTTP_AUTO;
  return strcmp(word, "2") == 0 ? LEAT_HTTP_2 : LEAT_HTTP_1;
}

bool cli_transport_fill(leat_config *c, const cli_options *o) {
  c->http = http_of(o->http);
  c->coalesce = o->coalesce;
  if (o->connections.set) c->conns_max = c->h2_conns_max = (int)o->connections.value;
  if (o->streams.set) c->h2_streams_max = (int)o->streams.value;
  if (o->tls_max) c->tls_max = strcmp(o->tls_max, "1.2") == 0 ? LEAT_TLS_1_2 : LEAT_TLS_1_3;
  return choose_proxy(c, o) && choose_certificate(c, o);
}

/* ---- proxy */

static bool has_scheme(const char *url, const char *scheme) {
  size_t size = strlen(scheme);
  return strncasecmp(url, scheme, size) == 0 && url[size] == ':';
}

/* The first of `names` that is set to something; `*source` becomes its name. */
static const char *first_set(const char *const *names, const char **source) {
  for (; *names; names++) {
    const char *value = getenv(*names);
    if (!value || !*value) continue;
    *source = *names;
    return value;
  }
  return NULL;
}

static const char *proxy_of(const char *base_url, const cli_options *o, const char **source) {
  static const char *const for_tls[] = {"https_proxy", "HTTPS_PROXY", NULL};
  static const char *const for_all[] = {"all_proxy", "ALL_PROXY", NULL};
  const char *proxy = NULL;
  *source = "--proxy";
  if (o->proxy) return o->proxy;
  if (has_scheme(base_url, "unix")) return NULL;
  if (has_scheme(base_url, "https") || has_scheme(base_url, "wss"))
    proxy = first_set(for_tls, source);
  return proxy ? proxy : first_set(for_all, source);
}

static bool choose_proxy(leat_config *c, const cli_options *o) {
  static const char *const exceptions[] = {"no_proxy", "NO_PROXY", NULL};
  const char *source, *list_source;
  const char *proxy = proxy_of(c->base_url, o, &source);
  if (!proxy || !*proxy) return true;
  if (has_scheme(c->base_url, "unix")) {
    cli_say("--proxy: a Unix socket is not reached through a proxy");
    return false;
  }
  cli_say_url_secret(proxy);
  const char *rest = strstr(proxy, "://");
  if (rest && !has_scheme(proxy, "http") && !has_scheme(proxy, "https")) {
    size_t size = (size_t)(rest - proxy);
    cli_say("%s: leat goes through http and https proxies, not %.*s ones", source,
            (int)(size < SCHEME_SHOWN ? size : SCHEME_SHOWN), proxy);
    return false;
  }
  c->proxy = proxy;
  c->no_proxy = o->no_proxy ? o->no_proxy : first_set(exceptions, &list_source);
  return true;
}

/* ---- certificate */

static bool choose_certificate(leat_config *c, const cli_options *o) {
  if (o->cert_key && !o->cert) {
    cli_say(
        "--key is the private key's file of a client certificate and needs --cert FILE; an API "
        "key is given by --key-file FILE or LEAT_API_KEY");
    return false;
  }
  if (!o->cert) return true;
  if (access(o->cert, R_OK) != 0) {
    cli_say("cannot read the client certificate %s: %s", o->cert, strerror(errno));
    return false;
  }
  if (o->cert_key && access(o->cert_key, R_OK) != 0) {
    cli_say("cannot read the file of --key, a client certificate's private key: %s",
            strerror(errno));
    return false;
  }
  cli_input_warn_of_readers("private key's file", o->cert_key ? o->cert_key : o->cert);
  c->cert_file = o->cert;
  c->key_file = o->cert_key;
  return true;
}
