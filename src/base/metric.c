#include "base/metric.h"

#include "base/err.h"
#include "digits.h"

#define DIMENSIONS 2
#define BOUNDS 16                    /* of a histogram */
#define HISTOGRAM_CELLS (BOUNDS + 2) /* one for each bucket, +Inf, the sum */
#define SUM (BOUNDS + 1)
#define LINE ((size_t)64) /* of the processor's cache */

enum kind { COUNTER, GAUGE, HISTOGRAM, SECONDS, AGE };

static const struct {
    enum kind kind;
    const char *name, *help, *labels;
} rows[METRIC_COUNT] = {
#define METRIC(id, kind, name, help, labels) [METRIC_##id] = { kind, name, help, labels },
#include "base/metric.tbl"
#undef METRIC
};

static const int64_t bounds[BOUNDS] = { 100,   250,    500,    1000,   2500,    5000,    10000,   25000,
                                        50000, 100000, 250000, 500000, 1000000, 2500000, 5000000, 10000000 };
static const char *const bound_names[BOUNDS + 1] = { "0.0001", "0.00025", "0.0005", "0.001", "0.0025", "0.005",
                                                     "0.01",   "0.025",   "0.05",   "0.1",   "0.25",   "0.5",
                                                     "1",      "2.5",     "5",      "10",    "+Inf" };

struct dimension {
    struct str label, words;  /* "ok|failed", when written in the table */
    const char *const *names; /* when filled by metric_labels */
    unsigned n;
};

struct family {
    unsigned base;  /* of its first cell in a block */
    unsigned cells; /* 0 before metric_init */
    unsigned ndimensions;
    bool open; /* has a dimension written "*" */
    struct dimension dimensions[DIMENSIONS];
};

/* The first cells of a block are nobody's: they take what comes before metric_init, or for a cell that
 * does not exist. */
static uint64_t nobodys[HISTOGRAM_CELLS];

static struct family families[METRIC_COUNT];
static bool parsed;
static uint64_t *block = nobodys; /* of this process */
static uint64_t *part;            /* block after block */
static unsigned blocks, stride;   /* stride: cells of one block */

/* ---- families ---- */

static struct dimension dimension_of(struct str text)
{
    struct dimension d = { 0 };
    struct str rest = text, word;
    must(str_cut(&rest, '=', &d.label));
    d.words = rest;
    if (str_eq(rest, STR("*")))
        return d;
    while (str_cut(&rest, '|', &word))
        d.n++;
    return d;
}

static void parse_rows(void)
{
    for (int m = 0; m < METRIC_COUNT && !parsed; m++) {
        struct family *f = &families[m];
        struct str rest = str_of(rows[m].labels), one;
        while (rest.n && str_cut(&rest, ',', &one)) {
            must(f->ndimensions < DIMENSIONS);
            struct dimension *d = &f->dimensions[f->ndimensions++];
            *d = dimension_of(one);
            f->open = f->open || d->n == 0;
        }
    }
    parsed = true;
}

void metric_labels(enum metric m, const char *label, const char *const *names, unsigned n)
{
    parse_rows();
    for (unsigned i = 0; i < families[m].ndimensions; i++) {
        struct dimension *d = &families[m].dimensions[i];
        if (!str_eq(d->label, str_of(label)) || !str_eq(d->words, STR("*")))
            continue;
        d->names = names;
        d->n = n;
        return;
    }
    must(!"the family has no such open dimension");
}

static unsigned cells_of(const struct family *f)
{
    unsigned cells = 1;
    for (unsigned i = 0; i < f->ndimensions; i++)
        cells *= f->dimensions[i].n;
    return cells;
}

static unsigned width(int m)
{
    return rows[m].kind == HISTOGRAM ? HISTOGRAM_CELLS : 1;
}

/* Cells of a block, rounded up so that no two processes write to one cache line. */
static unsigned block_cells(void)
{
    size_t cells = HISTOGRAM_CELLS, line = LINE / sizeof(uint64_t);
    parse_rows();
    for (int m = 0; m < METRIC_COUNT; m++)
        cells += (size_t)cells_of(&families[m]) * width(m);
    return (unsigned)((cells + line - 1) / line * line);
}

size_t metric_size(unsigned count)
{
    return (size_t)count * block_cells() * sizeof(uint64_t);
}

void metric_init(void *memory, unsigned count)
{
    unsigned base = HISTOGRAM_CELLS;
    stride = block_cells();
    for (int m = 0; m < METRIC_COUNT; m++) {
        families[m].base = base;
        families[m].cells = cells_of(&families[m]);
        base += families[m].cells * width(m);
    }
    part = memory;
    blocks = count;
    block = part;
}

static bool is_gauge(int m)
{
    return rows[m].kind == GAUGE || rows[m].kind == AGE;
}

void metric_use(unsigned number)
{
    must(number < blocks);
    block = part + (size_t)number * stride;

    /* Counters go on from where a dead process left them; its gauges told of what died with it. */
    for (int m = 0; m < METRIC_COUNT; m++)
        if (is_gauge(m))
            memset(block + families[m].base, 0, families[m].cells * sizeof(*block));
}

/* ---- counting ---- */

/* Relaxed loads and stores are plain instructions; they only keep a reader from seeing half a number. */
static inline void add(uint64_t *cell, uint64_t n)
{
    __atomic_store_n(cell, __atomic_load_n(cell, __ATOMIC_RELAXED) + n, __ATOMIC_RELAXED);
}

static inline uint64_t *cell_of(enum metric m, unsigned cell, unsigned width)
{
    const struct family *f = &families[m];
    return block + (cell < f->cells ? f->base + cell * width : 0);
}

void metric_add(enum metric m, unsigned cell, uint64_t n)
{
    add(cell_of(m, cell, 1), n);
}

void metric_add_each(enum metric m, unsigned from, unsigned to, uint64_t n)
{
    const struct family *f = &families[m];
    uint64_t *cells = block + f->base, *end = cells + (to < f->cells ? to : f->cells);
    for (uint64_t *cell = cells + from; cell < end; cell++)
        add(cell, n);
}

void metric_set(enum metric m, unsigned cell, int64_t value)
{
    __atomic_store_n(cell_of(m, cell, 1), (uint64_t)value, __ATOMIC_RELAXED);
}

void metric_observe(enum metric m, unsigned cell, int64_t microseconds)
{
    unsigned bucket = 0;
    for (int i = 0; i < BOUNDS; i++)
        bucket += microseconds > bounds[i];

    uint64_t *cells = cell_of(m, cell, HISTOGRAM_CELLS);
    add(cells + bucket, 1);
    add(cells + SUM, microseconds > 0 ? (uint64_t)microseconds : 0);
}

/* ---- reading ---- */

static uint64_t sum_of(unsigned at)
{
    uint64_t sum = 0;
    for (unsigned b = 0; b < blocks; b++)
        sum += __atomic_load_n(part + (size_t)b * stride + at, __ATOMIC_RELAXED);
    return sum;
}

static uint64_t observations(unsigned at)
{
    uint64_t count = 0;
    for (unsigned i = 0; i <= BOUNDS; i++)
        count += sum_of(at + i);
    return count;
}

int64_t metric_read(enum metric m, unsigned cell)
{
    const struct family *f = &families[m];
    if (cell >= f->cells)
        return 0;
    unsigned at = f->base + cell * width(m);
    return (int64_t)(rows[m].kind == HISTOGRAM ? observations(at) : sum_of(at));
}

static struct str word_of(const struct dimension *d, unsigned i)
{
    if (d->names)
        return str_of(d->names[i]);
    struct str rest = d->words, word = STR_NONE;
    for (unsigned skip = 0; skip <= i; skip++)
        str_cut(&rest, '|', &word);
    return word;
}

/* Backslash and line feed, and in a label value the quote, are escaped. */
static void put_escaped(struct text *out, struct str s, bool quote)
{
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '\n') {
            text_lit(out, "\\n");
            continue;
        }
        if (s.p[i] == '\\' || (quote && s.p[i] == '"'))
            text_char(out, '\\');
        text_char(out, s.p[i]);
    }
}

static void put_label(struct text *out, char before, struct str label, struct str value)
{
    text_char(out, before);
    text_add(out, label);
    text_lit(out, "=\"");
    put_escaped(out, value, true);
    text_char(out, '"');
}

/* Name and labels of one line; le: the bound of a bucket, or NULL. */
static void put_series(struct text *out, int m, const char *suffix, unsigned cell, const char *le)
{
    const struct family *f = &families[m];
    char before = '{';
    text_add(out, str_of(rows[m].name));
    text_add(out, str_of(suffix));

    for (unsigned i = 0; i < f->ndimensions; i++, before = ',') {
        const struct dimension *d = &f->dimensions[i];
        unsigned word = i + 1 < f->ndimensions ? cell / f->dimensions[i + 1].n : cell % d->n;
        put_label(out, before, d->label, word_of(d, word));
    }
    if (le) {
        put_label(out, before, STR("le"), str_of(le));
        before = ',';
    }
    if (before == ',')
        text_char(out, '}');
    text_char(out, ' ');
}

static void put_number(struct text *out, uint64_t value)
{
    text_int(out, (int64_t)value);
    text_char(out, '\n');
}

static void put_seconds(struct text *out, uint64_t microseconds)
{
    char fraction[7] = ".";
    digits_fixed(fraction + 1, (unsigned)(microseconds % 1000000), 6);
    text_int(out, (int64_t)(microseconds / 1000000));
    text_add(out, (struct str){ fraction, sizeof(fraction) });
    text_char(out, '\n');
}

static void put_histogram(struct text *out, int m, unsigned cell, unsigned at)
{
    uint64_t count = 0;
    for (unsigned i = 0; i <= BOUNDS; i++) {
        count += sum_of(at + i);
        put_series(out, m, "_bucket", cell, bound_names[i]);
        put_number(out, count);
    }

    put_series(out, m, "_sum", cell, NULL);
    put_seconds(out, sum_of(at + SUM));
    put_series(out, m, "_count", cell, NULL);
    put_number(out, count);
}

static void put_head(struct text *out, int m)
{
    static const char *const kinds[] = { " counter\n", " gauge\n", " histogram\n", " counter\n",
                                         " gauge\n" };
    text_lit(out, "# HELP ");
    text_add(out, str_of(rows[m].name));
    text_char(out, ' ');
    put_escaped(out, str_of(rows[m].help), false);
    text_lit(out, "\n# TYPE ");
    text_add(out, str_of(rows[m].name));
    text_add(out, str_of(kinds[rows[m].kind]));
}

/* A gauge shows each cell: zero is news there. */
static void put_family(struct text *out, int m)
{
    const struct family *f = &families[m];
    bool any = false;
    put_head(out, m);

    for (unsigned cell = 0; cell < f->cells; cell++) {
        unsigned at = f->base + cell * width(m);
        bool moved = is_gauge(m) || metric_read((enum metric)m, cell) != 0;
        bool only = !any && !f->open && cell + 1 == f->cells;
        if (!moved && !only)
            continue;
        any = true;
        if (rows[m].kind == HISTOGRAM) {
            put_histogram(out, m, cell, at);
        } else {
            put_series(out, m, "", cell, NULL);
            bool seconds = rows[m].kind == SECONDS || rows[m].kind == AGE;
            (seconds ? put_seconds : put_number)(out, sum_of(at));
        }
    }
}

void metric_page(struct text *out)
{
    for (int m = 0; m < METRIC_COUNT; m++)
        put_family(out, m);
}
