/* What the machine says of itself: see machine.h. Small files of /proc and /sys, each read whole
 * into a fixed buffer; one that is not there, or reads otherwise than expected, leaves its figure
 * unknown. */
#include "bench/load/run/machine.h"

#include <dirent.h>
#include <fcntl.h>
#include <mbedtls/version.h>
#include <nghttp2/nghttp2.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#ifndef LEAT_PORTABLE
#include <sys/timex.h>
#endif
#include <sys/utsname.h>
#include <unistd.h>
#include <uv.h>

#include "leat.h"

#define FILE_MAX 16384

/* The first FILE_MAX - 1 bytes of a file as a text; false: there is none. */
static bool read_text(const char *path, char *text) {
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  size_t size = 0;
  if (fd < 0) return false;
  while (size < FILE_MAX - 1) {
    ssize_t n = read(fd, text + size, FILE_MAX - 1 - size);
    if (n <= 0) break;
    size += (size_t)n;
  }
  close(fd);
  text[size] = 0;
  return size > 0;
}

/* What follows `key` in its line, without blanks and the colon; NULL: no such line. */
static char *value_of(char *text, const char *key) {
  char *at = strstr(text, key);
  if (!at) return NULL;
  at += strlen(key);
  at += strspn(at, " \t:");
  at[strcspn(at, "\n")] = 0;
  return at;
}

static void describe_processor(result_machine *m) {
  char text[FILE_MAX];
  char *name = read_text("/proc/cpuinfo", text) ? value_of(text, "model name") : NULL;
  snprintf(m->processor, sizeof m->processor, "%.95s", name ? name : "");
}

/* Those that this process may use. */
static int64_t count_cores(void) {
#ifndef LEAT_PORTABLE
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) return CPU_COUNT(&set);
#endif
  return sysconf(_SC_NPROCESSORS_ONLN);
}

void machine_describe(result_machine *m) {
  struct utsname name;
  memset(m, 0, sizeof *m);
  if (uname(&name) == 0)
    snprintf(m->system, sizeof m->system, "%.30s %.40s %.20s", name.sysname, name.release,
             name.machine);
  describe_processor(m);
  m->cores = count_cores();
  int64_t pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
  m->memory_kb = pages > 0 && page > 0 ? pages * (page / 1024) : -1;
  char tls[32] = "";
  mbedtls_version_get_string(tls);
  snprintf(m->versions, sizeof m->versions, "leat %s, libuv %s, mbedTLS %s, nghttp2 %s",
           leat_version(), uv_version_string(), tls, nghttp2_version(0)->version_str);
}

/* "cpu  user nice system idle iowait irq softirq steal ...": a guest's time is in user's. */
static void count_ticks(machine_counters *c) {
  char text[FILE_MAX];
  unsigned long long t[8];
  c->steal_ticks = c->all_ticks = -1;
  if (!read_text("/proc/stat", text)) return;
  int n = sscanf(text, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &t[0], &t[1], &t[2], &t[3],
                 &t[4], &t[5], &t[6], &t[7]);
  if (n != 8) return;
  c->steal_ticks = (int64_t)t[7];
  c->all_ticks = 0;
  for (size_t i = 0; i < 8; i++) c->all_ticks += (int64_t)t[i];
}

/* Two lines begin with "Tcp:": names, and in the same order their values. */
static void count_retransmits(machine_counters *c) {
  char text[FILE_MAX];
  c->retransmits = -1;
  if (!read_text("/proc/net/snmp", text)) return;
  char *names = strstr(text, "Tcp: "), *values = names ? strstr(names + 1, "\nTcp: ") : NULL;
  if (!values) return;
  *values++ = 0;
  values[strcspn(values, "\n")] = 0;
  char *after_name = NULL, *after_value = NULL;
  char *name = strtok_r(names, " ", &after_name), *value = strtok_r(values, " ", &after_value);
  while (name && value) {
    if (strcmp(name, "RetransSegs") == 0) c->retransmits = strtoll(value, NULL, 10);
    name = strtok_r(NULL, " ", &after_name);
    value = strtok_r(NULL, " ", &after_value);
  }
}

void machine_count(machine_counters *c) {
  count_ticks(c);
  count_retransmits(c);
}

static int64_t count_descriptors(void) {
  DIR *dir = opendir("/proc/self/fd");
  if (!dir) return -1;
  int64_t count = -1; /* the folder's own */
  for (struct dirent *entry = readdir(dir); entry; entry = readdir(dir)) {
    if (entry->d_name[0] != '.') count++;
  }
  closedir(dir);
  return count;
}

static int64_t count_ports(void) {
  char text[FILE_MAX];
  int low, high;
  if (!read_text("/proc/sys/net/ipv4/ip_local_port_range", text)) return -1;
  if (sscanf(text, "%d %d", &low, &high) != 2 || high < low) return -1;
  return high - low + 1;
}

static void name_clock(char *out, size_t size) {
  char text[FILE_MAX];
  out[0] = 0;
  if (!read_text("/sys/devices/system/clocksource/clocksource0/current_clocksource", text)) return;
  text[strcspn(text, "\n")] = 0;
  snprintf(out, size, "%.15s", text);
}

void machine_certify(const machine_counters *from, const machine_counters *to,
                     result_certificate *c) {
  struct rlimit limit;
  bool ticks = from->all_ticks >= 0 && to->all_ticks > from->all_ticks;
  double all = ticks ? (double)(to->all_ticks - from->all_ticks) : 0;
  c->steal_share = ticks ? (double)(to->steal_ticks - from->steal_ticks) / all : -1;
  bool segments = from->retransmits >= 0 && to->retransmits >= from->retransmits;
  c->retransmits = segments ? to->retransmits - from->retransmits : -1;
  bool limited = getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY;
  c->descriptors_max = limited ? (int64_t)limit.rlim_cur : -1;
  c->descriptors_peak = count_descriptors();
  c->ports_max = count_ports();
  name_clock(c->clock, sizeof c->clock);
}

double machine_clock_error_ms(void) {
#ifndef LEAT_PORTABLE
  struct timex t = {0};
  int state = adjtimex(&t);
  /* Without somebody who keeps the clock, the kernel lets its bound grow and says so. */
  if (state >= 0 && state != TIME_ERROR) return (double)t.maxerror / 1000;
#endif
  return -1;
}

uint64_t machine_rss_peak_kb(void) {
  struct rusage usage;
  char text[FILE_MAX];
  char *peak = read_text("/proc/self/status", text) ? value_of(text, "VmHWM") : NULL;
  if (peak) return strtoull(peak, NULL, 10);
  return getrusage(RUSAGE_SELF, &usage) == 0 ? (uint64_t)usage.ru_maxrss : 0;
}
