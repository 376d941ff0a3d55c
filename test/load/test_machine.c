/* What the machine says of itself, held against what the test can see by other means. */
#include "bench/load/run/machine.h"

#include <fcntl.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cmocka.h>
#include <uv.h>

#include "leat.h"

static void description_names_system_and_versions(void **state) {
  (void)state;
  result_machine m;
  struct utsname name;
  machine_describe(&m);
  assert_int_equal(uname(&name), 0);
  assert_non_null(strstr(m.system, name.sysname));
  assert_non_null(strstr(m.system, name.machine));
  assert_non_null(strstr(m.versions, leat_version()));
  assert_non_null(strstr(m.versions, uv_version_string()));
  assert_non_null(strstr(m.versions, "mbedTLS "));
  assert_non_null(strstr(m.versions, "nghttp2 "));
  assert_true(m.cores >= 1);
  assert_true(m.memory_kb > 1024);
  assert_null(strchr(m.processor, '\n'));
}

static void counters_do_not_run_backwards(void **state) {
  (void)state;
  machine_counters a, b;
  machine_count(&a);
  machine_count(&b);
  assert_true(b.all_ticks >= a.all_ticks);
  assert_true(b.steal_ticks >= a.steal_ticks);
  assert_true(b.retransmits >= a.retransmits);
}

static void shares_are_of_what_passed_in_between(void **state) {
  (void)state;
  const machine_counters from = {.steal_ticks = 10, .all_ticks = 1000, .retransmits = 7};
  const machine_counters to = {.steal_ticks = 35, .all_ticks = 1100, .retransmits = 9};
  result_certificate c = {0};
  machine_certify(&from, &to, &c);
  assert_true(fabs(c.steal_share - 0.25) < 1e-12);
  assert_int_equal(c.retransmits, 2);
}

static void what_is_not_to_be_had_is_unknown(void **state) {
  (void)state;
  const machine_counters none = {-1, -1, -1}, some = {1, 10, 5};
  result_certificate c = {0};
  machine_certify(&none, &none, &c);
  assert_true(c.steal_share < 0);
  assert_int_equal(c.retransmits, -1);
  machine_certify(&none, &some, &c);
  assert_true(c.steal_share < 0);
  assert_int_equal(c.retransmits, -1);
  machine_certify(&some, &some, &c); /* no tick has passed */
  assert_true(c.steal_share < 0);
  assert_int_equal(c.retransmits, 0);
}

static void limits_are_those_of_this_process(void **state) {
  (void)state;
  machine_counters now;
  struct rlimit before, lower;
  result_certificate c = {0}, d = {0};
  machine_count(&now);
  assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
  lower = before;
  lower.rlim_cur = 77;
  assert_int_equal(setrlimit(RLIMIT_NOFILE, &lower), 0);
  machine_certify(&now, &now, &c);
  assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
  assert_int_equal(c.descriptors_max, 77);
  int fd = open("/dev/null", O_RDONLY);
  assert_true(fd >= 0);
  machine_certify(&now, &now, &d);
  close(fd);
  if (c.descriptors_peak >= 0) assert_int_equal(d.descriptors_peak, c.descriptors_peak + 1);
  assert_true(c.ports_max == -1 || (c.ports_max > 0 && c.ports_max < 65536));
  assert_true(strlen(c.clock) < sizeof c.clock);
}

/* Nobody keeps the clock of many test machines: then nothing is claimed. */
static void clock_error_is_a_bound_or_unknown(void **state) {
  (void)state;
  double error = machine_clock_error_ms();
  assert_true(error == -1 || (error >= 0 && error < 1e5));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(description_names_system_and_versions),
      cmocka_unit_test(counters_do_not_run_backwards),
      cmocka_unit_test(shares_are_of_what_passed_in_between),
      cmocka_unit_test(what_is_not_to_be_had_is_unknown),
      cmocka_unit_test(limits_are_those_of_this_process),
      cmocka_unit_test(clock_error_is_a_bound_or_unknown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
