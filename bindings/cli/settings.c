/* Each source of a setting in its order of precedence: the option, then the environment, then the
 * default. Views into `settings` (key, CA text, headers) live until cli_settings_free; the engine
 * copies them when it opens. */
#include "settings.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "input.h"
#include "program.h"
#include "protocol.h"
#include "say.h"
#include "transport.h"

#define KEY_MAX      8192
#define CA_MAX       ((size_t)16 << 20)
#define BASE_MAX     4096
#define DEFAULT_BASE "https://api.openai.com"

static bool find_key(cli_settings *s, const cli_options *o);
static bool find_trust(cli_settings *s, const cli_options *o);
static bool read_headers(cli_settings *s, const cli_options *o);
static bool open_trace(cli_settings *s, const char *path);
static void set_deadlines(leat_deadlines *d, const cli_options *o);

static const char *environment(const char *name) {
  const char *value = getenv(name);
  return value && *value ? value : NULL;
}

static const char *key_variable(const cli_options *o);
static bool find_base(cli_settings *s, const cli_options *o);
static enum leat_auth find_auth(const cli_options *o);

/* Whose key it is: that of OPENAI, which are the dialects over sockets, too, and gateways that
 * nobody named; or of another provider. */
static bool is_of(const cli_options *o, const char *provider) {
  const char *variable = key_variable(o);
  return variable && strncmp(variable, provider, strlen(provider)) == 0;
}

static void set_pace(cli_settings *s, const cli_options *o) {
  leat_config *c = &s->config;
  c->learn_limits = o->learn_limits;
  if (!o->rpm.set && !o->tpm.set) return;
  s->limit = (leat_limit){.requests_per_minute = o->rpm.value, .tokens_per_minute = o->tpm.value};
  c->limits = &s->limit;
  c->limit_count = 1;
}

bool cli_settings_init(cli_settings *s, const cli_options *o) {
  memset(s, 0, sizeof *s);
  s->trace_fd = -1;
  lti_buf_init(&s->key, cli_program_alloc(), KEY_MAX, LEAT_EBODYMAX);
  s->key.secret = true;
  lti_buf_init(&s->ca_pem, cli_program_alloc(), CA_MAX, LEAT_EBODYMAX);
  lti_buf_init(&s->base, cli_program_alloc(), BASE_MAX, LEAT_EBODYMAX);
  leat_config *c = &s->config;
  leat_config_init(c);
  c->protocol = o->protocol;
  c->auth = find_auth(o);
  c->allow_plain_key = o->allow_plain_key;
  c->insecure = o->insecure;
  c->metrics = o->metrics != NULL;
  c->resolve = o->resolve.items;
  c->resolve_count = o->resolve.count;
  if (o->retries.set) c->retries = o->retries.value ? (int)o->retries.value : LEAT_NONE;
  if (o->polls.set) c->polls_per_second = (int)o->polls.value;
  set_deadlines(&c->deadlines, o);
  set_pace(s, o);
  return find_base(s, o) && cli_transport_fill(c, o) && find_key(s, o) && find_trust(s, o) &&
         read_headers(s, o) && (!o->trace || open_trace(s, o->trace));
}

void cli_settings_free(cli_settings *s) {
  lti_buf_deinit(&s->key);
  lti_buf_deinit(&s->ca_pem);
  lti_buf_deinit(&s->base);
  free(s->headers);
  if (s->trace_fd > STDERR_FILENO) close(s->trace_fd);
  s->trace_fd = -1;
}

/* ANTHROPIC_BASE_URL is what that provider's own programs put /v1/messages behind, whatever path it
 * has; what leat calls a base ends in the version. Without a path the engine adds that itself. */
static bool add_version(cli_settings *s, const char *url) {
  static const char version[] = "/v1";
  size_t size = strlen(url);
  while (size > 0 && url[size - 1] == '/') size--;
  leat_slice base = lti_slice(url, size);
  const char *host = strstr(url, "://");
  bool path = host && (size_t)(host - url) < size && strchr(host + 3, '/') &&
              (size_t)(strchr(host + 3, '/') - url) < size;
  int error = lti_buf_append(&s->base, base);
  if (error == LEAT_OK && path && !lti_slice_ends(base, version))
    error = lti_buf_text(&s->base, version);
  if (error == LEAT_OK) error = lti_buf_byte(&s->base, '\0');
  if (error != LEAT_OK) cli_say("ANTHROPIC_BASE_URL is longer than %d bytes", BASE_MAX - 5);
  s->config.base_url = s->base.data;
  return error == LEAT_OK;
}

static bool find_base(cli_settings *s, const cli_options *o) {
  const lti_protocol *protocol = o->protocol ? lti_protocol_find(o->protocol) : NULL;
  const char *url = o->base_url;
  if (!url && is_of(o, "ANTHROPIC") && environment("ANTHROPIC_BASE_URL"))
    return add_version(s, environment("ANTHROPIC_BASE_URL"));
  if (!url && is_of(o, "OPENAI")) url = environment("OPENAI_BASE_URL");
  if (!url && !o->any_base) url = protocol && protocol->base ? protocol->base : DEFAULT_BASE;
  s->config.base_url = url;
  return true;
}

static enum leat_auth find_auth(const cli_options *o) {
  for (int i = LEAT_AUTH_BEARER; o->auth && i <= LEAT_AUTH_NONE; i++)
    if (strcmp(o->auth, leat_auth_name((enum leat_auth)i)) == 0) return (enum leat_auth)i;
  return LEAT_AUTH_DEFAULT;
}

static void set_deadlines(leat_deadlines *d, const cli_options *o) {
  d->connect_ms = o->connect_timeout.value;
  d->head_ms = o->head_timeout.value;
  d->first_ms = o->first_timeout.value;
  d->gap_ms = o->gap_timeout.value;
  d->total_ms = o->timeout.value;
}

/* A key file that others can read is a leak in waiting: said, but used. */
static bool read_key_file(cli_settings *s, const char *path) {
  cli_input_warn_of_readers("key file", path);
  if (!cli_input_read(&s->key, path)) return false;
  while (s->key.size > 0 && strchr(" \t\r\n", s->key.data[s->key.size - 1])) s->key.size--;
  if (s->key.size > 0) return true;
  cli_say("the key file %s is empty", path);
  return false;
}

/* NULL: whoever it is has no key of a provider's. */
static const char *key_variable(const cli_options *o) {
  const char *protocol = o->protocol;
  if (!protocol && o->any_server) return NULL;
  if (protocol && strncmp(protocol, "anthropic", 9) == 0) return "ANTHROPIC_API_KEY";
  if (protocol && strncmp(protocol, "gemini", 6) == 0) return "GEMINI_API_KEY";
  return "OPENAI_API_KEY";
}

static bool find_key(cli_settings *s, const cli_options *o) {
  const char *source = "--api-key";
  if (o->api_key && o->key_file) {
    cli_say("--api-key and --key-file: give one of them");
    return false;
  }
  if (o->key_file) {
    source = o->key_file;
    if (!read_key_file(s, o->key_file)) return false;
  } else {
    const char *text = o->api_key;
    if (!text) text = environment(source = "LEAT_API_KEY");
    const char *variable = key_variable(o);
    if (!text && variable) {
      text = environment(source = variable);
      if (text) s->provider_key = variable;
    }
    if (text && lti_buf_text(&s->key, text) != LEAT_OK) {
      cli_say("the key of %s is longer than %d bytes", source, KEY_MAX);
      return false;
    }
  }
  if (lti_buf_byte(&s->key, '\0') != LEAT_OK) {
    cli_say("the key of %s is longer than %d bytes", source, KEY_MAX - 1);
    return false;
  }
  leat_slice key = lti_slice(s->key.data, s->key.size - 1);
  cli_say_secret(key);
  for (size_t i = 0; i < key.size; i++) {
    unsigned char c = (unsigned char)key.data[i];
    bool scheme = c == ' ' && s->config.auth == LEAT_AUTH_RAW;
    if ((c > 0x20 && c < 0x7f) || scheme) continue;
    cli_say("the key of %s holds a byte that no header may carry (byte %zu): copy it again", source,
            i);
    return false;
  }
  s->config.api_key = key.size ? key.data : NULL;
  return true;
}

/* As OpenSSL's c_rehash names them: eight hexadecimal digits, a dot, a digit. */
static bool is_hash_name(const char *name) {
  return strspn(name, "0123456789abcdef") == 8 && name[8] == '.' && name[9] >= '0' &&
         name[9] <= '9' && name[10] == '\0';
}

static bool read_ca_folder(cli_settings *s, const char *folder) {
  DIR *dir = opendir(folder);
  if (!dir) {
    cli_say("SSL_CERT_DIR %s: %s", folder, strerror(errno));
    return false;
  }
  bool fine = true;
  for (struct dirent *entry; fine && (entry = readdir(dir));) {
    char path[4096];
    if (!is_hash_name(entry->d_name)) continue;
    int n = snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
    fine = n > 0 && (size_t)n < sizeof path && cli_input_read(&s->ca_pem, path) &&
           lti_buf_byte(&s->ca_pem, '\n') == LEAT_OK;
  }
  closedir(dir);
  if (fine && s->ca_pem.size == 0) {
    cli_say("SSL_CERT_DIR %s holds no certificate under a hash name (see c_rehash)", folder);
    return false;
  }
  s->config.ca_pem = lti_buf_slice(&s->ca_pem);
  return fine;
}

/* --cacert, SSL_CERT_FILE, SSL_CERT_DIR, else the engine's own list of usual places. */
static bool find_trust(cli_settings *s, const cli_options *o) {
  const char *file = o->cacert ? o->cacert : environment("SSL_CERT_FILE");
  if (!file && environment("SSL_CERT_DIR")) return read_ca_folder(s, environment("SSL_CERT_DIR"));
  s->config.ca_file = file;
  if (!file || access(file, R_OK) == 0) return true;
  cli_say("cannot read the CA certificates %s: %s", file, strerror(errno));
  return false;
}

static bool read_headers(cli_settings *s, const cli_options *o) {
  if (o->headers.count == 0) return true;
  s->headers = calloc(o->headers.count, sizeof *s->headers);
  if (!s->headers) return false;
  for (size_t i = 0; i < o->headers.count; i++) {
    const char *text = o->headers.items[i];
    size_t name_size = strcspn(text, ":");
    if (text[name_size] == '\0' || name_size == 0) {
      cli_say("--header %.*s: write it as 'NAME: VALUE'", (int)strcspn(text, " "), text);
      return false;
    }
    if (strpbrk(text, "\r\n")) {
      cli_say("--header %.*s: it holds a line break, which would begin another header",
              (int)name_size, text);
      return false;
    }
    s->headers[i].name = lti_slice(text, name_size);
    s->headers[i].value = lti_slice_trim(lti_slice_of(text + name_size + 1));
  }
  s->config.headers = s->headers;
  s->config.header_count = o->headers.count;
  return true;
}

static void trace_line(void *user, uint64_t now_ns, leat_id id, leat_slice text) {
  cli_settings *s = user;
  char clean[CLI_LINE_MAX], line[CLI_LINE_MAX + 64];
  if (s->trace_start_ns == 0) s->trace_start_ns = now_ns;
  cli_say_clean(text, clean, sizeof clean);
  int n = snprintf(line, sizeof line, "%12.6f %llx %s\n",
                   (double)(now_ns - s->trace_start_ns) / 1e9, (unsigned long long)id, clean);
  if (n > 0 && write(s->trace_fd, line, (size_t)n) < 0) s->config.trace = NULL;
}

static bool open_trace(cli_settings *s, const char *path) {
  s->trace_fd = strcmp(path, "-") == 0 ? STDERR_FILENO
                                       : open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (s->trace_fd < 0) {
    cli_say("cannot write the trace %s: %s", path, strerror(errno));
    return false;
  }
  s->config.trace = trace_line;
  s->config.trace_user = s;
  return true;
}
