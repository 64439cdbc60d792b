/* audit_verify.c: `gatehouse audit verify`: the chain from its first number to its last, then every writer from its
 * first row to its last.
 *
 * Found for certain: a sealed row that was edited, deleted or moved; numbers missing from the chain; a chain cut off
 * behind a head that the store or DATA_DIR still has; a row taken out of the tail, so that it would never be sealed;
 * an edited row of the tail. A row that was deleted before it was sealed shows as a hole in its writer's numbers, once
 * that writer has lived on for another minute: until then the change may still have been under way, or undone with its
 * number not given anew yet.
 */
#include "audit_command.h"
#include "audit_read.h"

#include "base/clock.h"
#include "base/config.h"
#include "base/json.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define SETTLED MINUTE /* after which a number is used, free or noted as unsure */
#define HOLES_MAX 256  /* of one writer, that are not settled yet */

static struct {
    struct audit_reading in;
    int64_t problems, rows;

    /* the chain */
    int64_t last;
    uint8_t link[SHA256_SIZE];
    bool linked; /* `link` is that of the row before */

    /* the heads of DATA_DIR, by number */
    struct arena arena;
    struct chain_head *heads;
    size_t nheads, head;

    /* the writer in hand */
    struct uuid writer;
    int64_t sequence, unsealed, oldest;
    struct hole {
        int64_t first, last, at;
        bool settled;
    } holes[HOLES_MAX];
    int nholes;
} v;

static struct str bytes_of(const uint8_t bytes[SHA256_SIZE])
{
    return (struct str){ (const char *)bytes, SHA256_SIZE };
}

static const char *id_text(const struct uuid *id)
{
    static char text[2][UUID_TEXT + 1];
    static int turn;
    char *out = text[turn ^= 1];
    uuid_format(id, out);
    out[UUID_TEXT] = '\0';
    return out;
}

static void problem(int64_t number, const struct uuid *id, const char *what)
{
    v.problems++;
    if (number > 0)
        printf("row %s, number %lld: %s\n", id_text(id), (long long)number, what);
    else
        printf("row %s, not sealed: %s\n", id_text(id), what);
}

/* ---- heads ---- */

static bool head_signed(const struct chain_head *head)
{
    uint8_t right[SHA256_SIZE];
    chain_sign(&v.in.keys, head->number, head->link, head->at, right);
    return str_same_secret(bytes_of(right), bytes_of(head->signature));
}

static bool add_head(const struct chain_head *head)
{
    if ((v.nheads & (v.nheads - 1)) == 0) { /* grows at powers of two */
        size_t size = sizeof(*v.heads) * v.nheads;
        v.heads = arena_grow(&v.arena, v.heads, size, size ? 2 * size : sizeof(*v.heads));
    }
    if (!v.heads)
        return false;
    v.heads[v.nheads++] = *head;
    return true;
}

/* A line that was cut short by a power failure is none. */
static bool read_lines(const char *name, struct str rest)
{
    struct str line;
    for (int n = 1; str_cut(&rest, '\n', &line); n++) {
        struct chain_head head;
        if (line.n == 0)
            continue;
        if (!chain_head_read(line, &head)) {
            printf("note: line %d of %s is no head\n", n, name);
        } else if (!head_signed(&head)) {
            v.problems++;
            printf("head of number %lld, line %d of %s: its signature does not fit\n",
                   (long long)head.number, n, name);
        } else if (!add_head(&head)) {
            return false;
        }
    }
    return true;
}

static bool read_heads(const char *name)
{
    char path[PATH_MAX];
    struct stat st;
    int n = snprintf(path, sizeof(path), "%s/%s", config.data_dir, name);
    int fd = n > 0 && n < (int)sizeof(path) ? open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW) : -1;
    bool there = fd >= 0 && fstat(fd, &st) == 0 && st.st_size > 0;
    void *p = there ? mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0) : MAP_FAILED;
    if (fd >= 0)
        close(fd);
    if (p == MAP_FAILED)
        return true;
    bool read = read_lines(name, (struct str){ p, (size_t)st.st_size });
    munmap(p, (size_t)st.st_size);
    return read;
}

static int by_number(const void *a, const void *b)
{
    const struct chain_head *one = a, *other = b;
    return (one->number > other->number) - (one->number < other->number);
}

static void head_wrong(int64_t number, const char *where, const char *what)
{
    v.problems++;
    printf("head of number %lld, in %s: %s\n", (long long)number, where, what);
}

/* What the heads say of this number. */
static void check_heads(const struct rows *rows, int64_t number, struct str link)
{
    for (; v.head < v.nheads && v.heads[v.head].number <= number; v.head++)
        if (v.heads[v.head].number == number &&
            !str_same_secret(bytes_of(v.heads[v.head].link), link))
            head_wrong(number, "DATA_DIR", "the chain has another link there");
    if (rows_null(rows, COL_AUDIT_ROW_HEAD_LINK))
        return;
    struct chain_head head = { .number = number, .at = rows_int(rows, COL_AUDIT_ROW_HEAD_AT) };
    struct str said = rows_text(rows, COL_AUDIT_ROW_HEAD_LINK);
    struct str signature = rows_text(rows, COL_AUDIT_ROW_HEAD_SIGNATURE);
    if (said.n == SHA256_SIZE)
        memcpy(head.link, said.p, SHA256_SIZE);
    if (signature.n == SHA256_SIZE)
        memcpy(head.signature, signature.p, SHA256_SIZE);
    if (!head_signed(&head))
        head_wrong(number, "the store", "its signature does not fit");
    else if (!str_same_secret(said, link))
        head_wrong(number, "the store", "the chain has another link there");
}

/* Heads that name what the chain does not have: it was cut off. */
static bool check_cut(void)
{
    if (v.nheads > 0 && v.heads[v.nheads - 1].number > v.last) {
        v.problems++;
        printf("numbers %lld to %lld: cut off; a head in DATA_DIR names them\n",
               (long long)v.last + 1, (long long)v.heads[v.nheads - 1].number);
    }
    audit_read_next(&v.in);
    ask_audit_heads_adrift(v.in.store, &v.in.arena, &v.in.rows, &v.in.wait);
    if (!audit_read_done(&v.in))
        return false;
    while (rows_next(&v.in.rows))
        head_wrong(rows_int(&v.in.rows, COL_AUDIT_HEADS_ADRIFT_NUMBER), "the store",
                   "the chain has no such number: cut off, or deleted");
    return true;
}

/* ---- the chain ---- */

static bool mac_fits(const struct chain_row *row, struct str mac)
{
    uint8_t right[SHA256_SIZE];
    chain_mac(&v.in.keys, row, right);
    return str_same_secret(bytes_of(right), mac);
}

static void check_numbers(int64_t number)
{
    if (number == v.last + 1)
        return;
    v.problems++;
    v.linked = false;
    if (number == v.last + 2)
        printf("number %lld: deleted, with its place in the chain\n", (long long)v.last + 1);
    else
        printf("numbers %lld to %lld: deleted, with their places in the chain\n",
               (long long)v.last + 1, (long long)number - 1);
}

/* A row that is gone cannot be linked anew: its MAC went with it. */
static void check_chained(const struct rows *rows)
{
    struct chain_row row;
    uint8_t right[SHA256_SIZE];
    int64_t number = rows_int(rows, COL_AUDIT_ROW_NUMBER);
    struct uuid id = rows_uuid(rows, COL_AUDIT_ROW_CHAINED_ID);
    struct str link = rows_text(rows, COL_AUDIT_ROW_LINK);
    struct str mac = rows_text(rows, COL_AUDIT_ROW_MAC);
    bool there = audit_read_row(rows, &row), fits = there && mac_fits(&row, mac);
    check_numbers(number);
    if (!there)
        problem(number, &id, "deleted");
    else if (!fits)
        problem(number, &id, "edited");
    if (there && v.linked) {
        chain_link(&v.in.keys, v.link, number, &id, mac, right);
        if (fits && !str_same_secret(bytes_of(right), link))
            problem(number, &id, "out of order, or its place in the chain was edited");
    }
    check_heads(rows, number, link);
    v.rows += there;
    v.last = number;
    v.linked = link.n == SHA256_SIZE;
    if (v.linked)
        memcpy(v.link, link.p, SHA256_SIZE);
}

static bool check_chain(void)
{
    int count;
    v.linked = true; /* zeros in front of the first */
    do {
        audit_read_next(&v.in);
        ask_audit_chain_page(v.in.store, &v.in.arena, v.last, AUDIT_PAGE, &v.in.rows, &v.in.wait);
        if (!audit_read_done(&v.in))
            return false;
        count = v.in.rows.count;
        while (rows_next(&v.in.rows))
            check_chained(&v.in.rows);
    } while (count == AUDIT_PAGE);
    return true;
}

/* ---- the writers ---- */

/* Whether a noted run of numbers covers the hole. notes: {"detail":{"sequences":[[first,last]...]}}. */
static bool covered(const struct json *note, const struct hole *hole)
{
    const struct json *runs = json_get(json_get(note, "detail"), "sequences");
    struct json_walk w = json_walk(runs);
    while (runs && json_next(&w)) {
        struct json_walk run = json_walk(w.value);
        int64_t first = json_next(&run) ? json_int(run.value) : 0;
        int64_t last = json_next(&run) ? json_int(run.value) : 0;
        if (first <= hole->first && hole->last <= last)
            return true;
    }
    return false;
}

static bool noted(struct rows *notes, const struct hole *hole)
{
    bool found = false;
    notes->row = NULL; /* from the first again */
    while (!found && rows_next(notes)) {
        const struct json *note;
        struct chain_row row = {
            .id = rows_uuid(notes, COL_AUDIT_UNSURE_ID),
            .subject = rows_uuid(notes, COL_AUDIT_UNSURE_SUBJECT),
            .sealed = rows_text(notes, COL_AUDIT_UNSURE_SEALED),
        };
        struct str plain =
            audit_read_payload(&v.in, &row, rows_text(notes, COL_AUDIT_UNSURE_SUBJECT_KEY));
        found = plain.p && json_read(&v.in.arena, plain, &note) == OK && covered(note, hole);
    }
    return found;
}

/* The holes of a writer that were settled, and that it did not note. */
static bool report_holes(void)
{
    bool settled = false;
    for (int i = 0; i < v.nholes; i++)
        settled = settled || v.holes[i].settled;
    if (settled) {
        audit_read_next(&v.in);
        ask_audit_unsure(v.in.store, &v.in.arena, &v.writer, &v.in.rows, &v.in.wait);
        if (!audit_read_done(&v.in))
            return false;
    }
    for (int i = 0; i < v.nholes; i++) {
        const struct hole *hole = &v.holes[i];
        if (!hole->settled || noted(&v.in.rows, hole))
            continue;
        v.problems++;
        printf("writer %s: its rows %lld to %lld are gone\n", id_text(&v.writer),
               (long long)hole->first, (long long)hole->last);
    }
    v.nholes = 0;
    return true;
}

/* When there are too many that are not settled the oldest makes room: it is as good as undone. */
static void add_hole(int64_t first, int64_t last, int64_t at)
{
    int i = 0;
    if (v.nholes == HOLES_MAX) {
        while (i < HOLES_MAX - 1 && v.holes[i].settled)
            i++;
        memmove(&v.holes[i], &v.holes[i + 1], sizeof(v.holes[0]) * (size_t)(HOLES_MAX - 1 - i));
        v.nholes--;
    }
    v.holes[v.nholes++] = (struct hole){ first, last, at, false };
}

static void check_unsealed(const struct rows *rows, const struct chain_row *row)
{
    if (!mac_fits(row, rows_text(rows, COL_AUDIT_ROW_MAC)))
        problem(0, &row->id, "edited");
    if (!rows_int(rows, COL_AUDIT_ROW_QUEUED)) {
        problem(0, &row->id, "taken out of the tail, so it would never be sealed");
        return;
    }
    if (v.unsealed++ == 0 || row->at < v.oldest)
        v.oldest = row->at;
}

/* The position of one row behind the one before it. */
static void check_written(const struct rows *rows, const struct chain_row *row)
{
    if (row->sequence > v.sequence + 1)
        add_hole(v.sequence + 1, row->sequence - 1, row->at);
    for (int i = 0; i < v.nholes; i++)
        v.holes[i].settled = v.holes[i].settled || row->at > v.holes[i].at + SETTLED;
    v.sequence = row->sequence;
    if (rows_null(rows, COL_AUDIT_ROW_NUMBER))
        check_unsealed(rows, row);
}

/* One page, up to where the next writer begins; *count: rows of the whole page. */
static bool check_page(int *count)
{
    struct chain_row row;
    audit_read_next(&v.in);
    ask_audit_writer_page(v.in.store, &v.in.arena, &v.writer, v.sequence, AUDIT_PAGE, &v.in.rows,
                          &v.in.wait);
    if (!audit_read_done(&v.in))
        return false;
    *count = v.in.rows.count;
    while (rows_next(&v.in.rows)) {
        audit_read_row(&v.in.rows, &row);
        if (!uuid_eq(&row.writer, &v.writer)) {
            if (!report_holes())
                return false;
            v.writer = row.writer;
            v.sequence = 0;
            *count = AUDIT_PAGE; /* reporting gave the page back: on from here */
            return true;
        }
        check_written(&v.in.rows, &row);
    }
    return true;
}

static bool check_writers(void)
{
    int count;
    do {
        if (!check_page(&count))
            return false;
    } while (count == AUDIT_PAGE);
    return report_holes();
}

/* ---- the command ---- */

static int tell(void)
{
    char at[CLOCK_RFC3339];
    if (v.unsealed > 0) {
        clock_format(v.oldest, at);
        printf("%lld rows wait to be sealed, the oldest since %.*s\n", (long long)v.unsealed,
               CLOCK_RFC3339, at);
    }
    if (v.problems > 0) {
        printf("the audit does NOT hold: %lld problems in %lld sealed rows\n",
               (long long)v.problems, (long long)v.rows);
        return 1;
    }
    printf("the audit holds: %lld sealed rows, %zu heads in DATA_DIR\n", (long long)v.rows,
           v.nheads);
    return 0;
}

int audit_verify(void)
{
    if (!audit_read_open(&v.in))
        return 1;
    /* The heads first: what is sealed meanwhile they do not name. */
    bool read = read_heads("audit.heads.old") && read_heads("audit.heads");
    if (read && v.nheads > 0)
        qsort(v.heads, v.nheads, sizeof(*v.heads), by_number);
    read = read && check_chain() && check_cut() && check_writers();
    int status = read ? tell() : 1;
    audit_read_close(&v.in);
    arena_reset(&v.arena);
    arena_trim();
    return fflush(stdout) == 0 ? status : 1;
}
