/* base/metric.h: counters, gauges and histograms of all workers, in the shared segment.
 * Each worker writes only its own block, without atomics' cost; the page adds the blocks up. A restarted worker goes
 * on with the block of the dead one. Families are the rows of metric.tbl; their names are golden-tested.
 */
#ifndef BASE_METRIC_H
#define BASE_METRIC_H

#include "base/str.h"

#include <stdint.h>

enum metric {
#define METRIC(id, kind, name, help, labels) METRIC_##id,
#include "base/metric.tbl"
#undef METRIC
    METRIC_COUNT
};

/* Fills the dimension written "label=*" of a family, before metric_size. names is borrowed for good. */
void metric_labels(enum metric m, const char *label, const char *const *names, unsigned n);
/* Bytes to carve from the shared segment for that many blocks (workers + 1 for the master), then where they are. */
size_t metric_size(unsigned blocks);
void metric_init(void *part, unsigned blocks);
/* The block that this process writes. */
void metric_use(unsigned block);

/* cell: the label's index; with two dimensions first * (size of the second) + second; 0 without labels. */
void metric_add(enum metric m, unsigned cell, uint64_t n);
/* The same of each cell from `from` to before `to`. */
void metric_add_each(enum metric m, unsigned from, unsigned to, uint64_t n);
void metric_set(enum metric m, unsigned cell, int64_t value);
/* One observation of a histogram. */
void metric_observe(enum metric m, unsigned cell, int64_t microseconds);
/* The sum over all blocks, for tests and health. */
int64_t metric_read(enum metric m, unsigned cell);

/* The page in the Prometheus text format 0.0.4; cells that never moved are left out, but each family shows at least
 * one line where it has no open dimension. */
void metric_page(struct text *out);

#endif
