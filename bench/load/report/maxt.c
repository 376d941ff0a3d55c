/* For each way to deal n runs to groups of m and n - m, the t statistic of every figure needs only
 * the sum of the first group: with the values less their mean, the other group's sum is its
 * negative, and the squares within the groups are the whole sum of squares less what lies between
 * them. So a way costs m additions a figure, and the largest t of the way is kept. */
#include "bench/load/report/maxt.h"

#include <assert.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/prng.h"

#define WORK_MAX   1e9 /* additions */
#define WAYS_LEAST 1000
#define SEED       20
#define NEARLY     (1 - 1e-9) /* sums in another order differ by their rounding */

typedef struct dealer {
  const maxt_design *design;
  size_t runs, figures;
  double *centred; /* of run i, figure f: [i * figures + f] */
  double *squares; /* of each figure, about its mean */
  double *floors;  /* variances */
  double *sums;
  size_t *chosen; /* the runs of the first group */
  size_t *order;  /* for drawn ways */
  lti_prng prng;
  double *largest; /* of each way */
  size_t ways;
} dealer;

static bool dealer_init(dealer *d, const maxt_design *design, const maxt_figure *figures,
                        size_t count);
static void dealer_free(dealer *d);
static void deal_all(dealer *d);
static void deal_drawn(dealer *d);
static void conclude(const dealer *d, maxt_figure *figures);

size_t maxt_ways(size_t first, size_t second) {
  double ways = 1;
  for (size_t i = 1; i <= first; i++) ways = ways * (double)(second + i) / (double)i;
  return ways < 1e18 ? (size_t)llround(ways) : SIZE_MAX;
}

/* Groups of one size can be exchanged, which is no other division: such ways come in pairs. */
static size_t fewest(const maxt_design *d) {
  return d->first == d->second ? 2 : 1;
}

bool maxt_decidable(const maxt_design *d) {
  if (d->first < 2 || d->second < 2) return false;
  double rarest = (double)fewest(d) / (double)maxt_ways(d->first, d->second);
  return rarest <= d->alpha_max;
}

bool maxt_judge(const maxt_design *design, maxt_figure *figures, size_t count, size_t *ways) {
  dealer d = {0};
  *ways = 0;
  if (!maxt_decidable(design)) return false;
  bool fine = dealer_init(&d, design, figures, count);
  if (fine) {
    if (maxt_ways(design->first, design->second) <= d.ways)
      deal_all(&d);
    else
      deal_drawn(&d);
    conclude(&d, figures);
    *ways = d.ways;
  }
  dealer_free(&d);
  return fine;
}

/* --- dealing --- */

static size_t ways_to_look_at(const maxt_design *design, size_t count) {
  size_t all = maxt_ways(design->first, design->second);
  double each = (double)(design->first + design->second) * (double)(count ? count : 1);
  double most = WORK_MAX / each;
  if (most > MAXT_WAYS_MAX) most = MAXT_WAYS_MAX;
  if (most < WAYS_LEAST) most = WAYS_LEAST;
  return (double)all <= most ? all : (size_t)most;
}

static void centre(dealer *d, const maxt_figure *figures) {
  for (size_t f = 0; f < d->figures; f++) {
    double mean = 0;
    assert(figures[f].floor > 0);
    for (size_t i = 0; i < d->runs; i++) mean += figures[f].values[i] / (double)d->runs;
    for (size_t i = 0; i < d->runs; i++) {
      double away = figures[f].values[i] - mean;
      d->centred[i * d->figures + f] = away;
      d->squares[f] += away * away;
    }
    d->floors[f] = figures[f].floor * figures[f].floor;
  }
}

static bool dealer_init(dealer *d, const maxt_design *design, const maxt_figure *figures,
                        size_t count) {
  d->design = design;
  d->runs = design->first + design->second;
  d->figures = count;
  d->ways = ways_to_look_at(design, count);
  d->centred = calloc(d->runs * count + 1, sizeof *d->centred);
  d->squares = calloc(count + 1, sizeof *d->squares);
  d->floors = calloc(count + 1, sizeof *d->floors);
  d->sums = calloc(count + 1, sizeof *d->sums);
  d->chosen = calloc(d->runs, sizeof *d->chosen);
  d->order = calloc(d->runs, sizeof *d->order);
  d->largest = calloc(d->ways, sizeof *d->largest);
  if (!d->centred || !d->squares || !d->floors || !d->sums || !d->chosen || !d->order ||
      !d->largest)
    return false;
  for (size_t i = 0; i < d->runs; i++) d->chosen[i] = d->order[i] = i;
  lti_prng_seed(&d->prng, SEED);
  centre(d, figures);
  return true;
}

static void dealer_free(dealer *d) {
  free(d->centred);
  free(d->squares);
  free(d->floors);
  free(d->sums);
  free(d->chosen);
  free(d->order);
  free(d->largest);
}

/* The difference of the means where the first group's centred values add up to `sum`, and its
 * standard error. */
static double statistic(const dealer *d, size_t f, double sum, double *error) {
  double m = (double)d->design->first, n = (double)d->design->second;
  double share = 1 / m + 1 / n, difference = -sum * share;
  double within = d->squares[f] - difference * difference / share;
  double variance = within / (m + n - 2);
  if (!(variance > d->floors[f])) variance = d->floors[f];
  *error = sqrt(variance * share);
  return difference;
}

static void add_chosen(dealer *d) {
  for (size_t f = 0; f < d->figures; f++) d->sums[f] = 0;
  for (size_t i = 0; i < d->design->first; i++) {
    const double *row = d->centred + d->chosen[i] * d->figures;
    for (size_t f = 0; f < d->figures; f++) d->sums[f] += row[f];
  }
}

static double largest_now(dealer *d) {
  double largest = 0, error;
  add_chosen(d);
  for (size_t f = 0; f < d->figures; f++) {
    double t = fabs(statistic(d, f, d->sums[f], &error)) / error;
    if (t > largest) largest = t;
  }
  return largest;
}

/* The next choice in the order of a dictionary. False: that was the last. */
static bool next_choice(dealer *d) {
  size_t m = d->design->first, i = m;
  while (i > 0 && d->chosen[i - 1] == d->runs - m + i - 1) i--;
  if (i == 0) return false;
  d->chosen[i - 1]++;
  for (; i < m; i++) d->chosen[i] = d->chosen[i - 1] + 1;
  return true;
}

static void deal_all(dealer *d) {
  size_t way = 0;
  do d->largest[way++] = largest_now(d);
  while (way < d->ways && next_choice(d));
  for (size_t i = 0; i < d->runs; i++) d->chosen[i] = i;
}

/* The runs as they are, which make the test exact, and then a first group drawn anew each time. */
static void deal_drawn(dealer *d) {
  size_t m = d->design->first;
  d->largest[0] = largest_now(d);
  for (size_t way = 1; way < d->ways; way++) {
    for (size_t i = 0; i < m; i++) {
      size_t k = i + (size_t)lti_prng_below(&d->prng, d->runs - i), run = d->order[k];
      d->order[k] = d->order[i];
      d->order[i] = run;
      d->chosen[i] = run;
    }
    d->largest[way] = largest_now(d);
  }
  for (size_t i = 0; i < d->runs; i++) d->chosen[i] = i;
}

/* --- the verdicts --- */

static int by_size_down(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return x < y ? 1 : x > y ? -1 : 0;
}

/* How many ways reach `t`. */
static size_t reaching(const dealer *d, double t) {
  size_t low = 0, high = d->ways;
  while (low < high) {
    size_t middle = (low + high) / 2;
    if (d->largest[middle] >= t * NEARLY)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

static void conclude(const dealer *d, maxt_figure *figures) {
  dealer now = *d;
  add_chosen(&now);
  qsort(d->largest, d->ways, sizeof *d->largest, by_size_down);
  size_t allowed = (size_t)(d->design->alpha * (double)d->ways * (1 + 1e-12));
  if (allowed < fewest(d->design)) allowed = fewest(d->design);
  for (size_t f = 0; f < d->figures; f++) {
    double error;
    figures[f].difference = statistic(d, f, now.sums[f], &error);
    figures[f].margin = d->largest[allowed] * error;
    size_t count = reaching(d, fabs(figures[f].difference) / error);
    figures[f].p = (double)count / (double)d->ways;
    figures[f].differs = count <= allowed;
  }
}
