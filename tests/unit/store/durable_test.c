/* What was acknowledged stays: several processes, killed ones, full disks. */
#include "../base/stopped.h"
#include "fixture.h"

#include "../../../src/store/db.h"
#include "../../../src/store/turn.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static struct fixture f;

/* What test and child processes share. */
static struct {
    struct turn turn;
    _Atomic int64_t acknowledged;
} * shared;

/* SQLite's calls end here: counted, and failing when the test wants it. */
static _Atomic int syncs;
static _Atomic bool sync_fails;

int fdatasync(int fd)
{
    syncs++;
    if (sync_fails) {
        errno = EIO;
        return -1;
    }
    return (int)syscall(SYS_fdatasync, fd);
}

static void every_connection_is_durable_and_strict(void **state)
{
    (void)state;
    static const struct {
        const char *pragma;
        int64_t value;
    } expected[] = {
        { "pragma synchronous", 2 },       { "pragma foreign_keys", 1 },
        { "pragma trusted_schema", 0 },    { "pragma wal_autocheckpoint", 0 },
        { "pragma temp_store", 2 },        { "pragma cell_size_check", 1 },
        { "pragma application_id", DB_APPLICATION },
    };
    for (enum db_use use = DB_READS; use <= DB_WRITES; use++) {
        struct db db;
        assert_int_equal(db_open(&db, f.path, use), OK);
        for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
            int64_t value = -1;
            assert_int_equal(db_text(&db, expected[i].pragma, &value), OK);
            if (value != expected[i].value)
                fail_msg("%s is %d", expected[i].pragma, (int)value);
        }
        int64_t wal = 0;
        assert_int_equal(db_text(&db, "select journal_mode = 'wal' from pragma_journal_mode", &wal),
                         OK);
        assert_int_equal(wal, 1);
        assert_int_equal(db_text(&db, "create table t (n)", NULL),
                         use == DB_READS ? ERR_UNAVAILABLE : OK);
        db_close(&db);
    }
}

static void what_cannot_be_opened_is_an_error(void **state)
{
    (void)state;
    struct store *s;
    const struct store_setup nowhere = { .where = "/nowhere/at/all.db" };
    const struct store_setup here = { .where = f.path };
    assert_int_equal(store_open(&s, &nowhere), ERR_UNAVAILABLE);
    FILE *file = fopen(f.path, "w");
    fputs("this is not a database, but it is long enough to be taken for one: "
          "0123456789012345678901234567890",
          file);
    fclose(file);
    assert_int_equal(store_open(&s, &here), ERR_UNAVAILABLE);
}

/* A child's life: it writes marks from `from` on, eight at a time, until `count` are in. */
static struct fixture *writing;
static int64_t next_mark, end_mark;
static int64_t fails;

static void mark_again(struct wait *w)
{
    struct asked *a = (struct asked *)w;
    if (a->rows.err == OK)
        atomic_fetch_add(&shared->acknowledged, 1);
    else
        fails++;
    if (next_mark >= end_mark)
        return;
    mark(writing, next_mark++, a);
    a->wait.wake = mark_again;
}

static void write_marks(int64_t from, int64_t count)
{
    static struct asked asked[8];
    fixture_open(&f, shared);
    writing = &f;
    next_mark = from;
    end_mark = from + count;
    for (int i = 0; i < 8; i++) {
        mark(&f, next_mark++, &asked[i]);
        asked[i].wait.wake = mark_again;
    }
    settle();
    fixture_close(&f);
}

static pid_t child(int64_t from, int64_t count)
{
    fflush(NULL);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        write_marks(from, count);
        _exit(fails ? 1 : 0);
    }
    return pid;
}

static int ended(pid_t pid)
{
    int status = -1;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static void processes_that_write_at_once_lose_nothing(void **state)
{
    (void)state;
    pid_t pids[3];
    for (int i = 0; i < 3; i++)
        pids[i] = child(10000 * i, 400);
    for (int i = 0; i < 3; i++)
        assert_int_equal(ended(pids[i]), 0);
    assert_int_equal(shared->acknowledged, 1200);
    assert_int_equal(sql(&f, "select count(*) from marks"), 1200);
}

static void processes_without_a_common_turn_wait_for_each_other(void **state)
{
    (void)state;
    pid_t pid = child(0, 200);
    fixture_open(&f, NULL);
    struct asked a;
    for (int i = 0; i < 50; i++) {
        mark(&f, 100000 + i, &a);
        settle();
        assert_int_equal(a.rows.err, OK);
    }
    fixture_close(&f);
    assert_int_equal(ended(pid), 0);
    assert_int_equal(sql(&f, "select count(*) from marks"), 250);
}

/* Marks are acknowledged in the order of their numbers but for the eight that are under way. */
static void a_killed_process_leaves_what_it_acknowledged(void **state)
{
    (void)state;
    for (int round = 0; round < 5; round++) {
        sql(&f, "delete from marks");
        atomic_store(&shared->acknowledged, 0);
        pid_t pid = child(0, 1000000);
        while (atomic_load(&shared->acknowledged) < 50 + 40 * round)
            usleep(500);
        kill(pid, SIGKILL);
        ended(pid);
        int64_t acknowledged = atomic_load(&shared->acknowledged);
        int64_t kept = sql(&f, "select count(*) from marks");
        assert_in_range(kept, acknowledged, acknowledged + 8);

        /* The next one goes on at once, whatever the dead one held. */
        struct asked a;
        fixture_open(&f, shared);
        mark(&f, 2000000, &a);
        settle();
        assert_int_equal(a.rows.err, OK);
        fixture_close(&f);
    }
    assert_int_equal(sql(&f, "select integrity_check = 'ok' from pragma_integrity_check"), 1);
}

static void the_turn_of_a_dead_process_passes_on(void **state)
{
    (void)state;
    for (int both = 0; both < 2; both++) {
        pid_t pid = fork();
        if (pid == 0) {
            if (both)
                pthread_mutex_lock(&shared->turn.next);
            _exit(turn_take(&shared->turn, clock_mono_now() + SECOND) == OK ? 0 : 1);
        }
        ended(pid);
        for (int i = 0; i < 3; i++) {
            assert_int_equal(turn_take(&shared->turn, clock_mono_now() + SECOND), OK);
            turn_give(&shared->turn);
        }
    }
}

/* The file may not grow: writes fail as on a full disk. */
static void a_full_disk_fails_the_change_and_leaves_the_rest(void **state)
{
    (void)state;
    static struct asked before, full[20], after;
    struct rlimit limit, small;
    signal(SIGXFSZ, SIG_IGN);
    fixture_open(&f, shared);
    mark(&f, 1, &before);
    settle();
    assert_int_equal(before.rows.err, OK);

    struct uuid id = id_of(100);
    struct epochs e = { 0 };
    epochs_add(&e, EPOCH_RESOURCE, id.b, 16);
    getrlimit(RLIMIT_FSIZE, &limit);
    small = limit;
    small.rlim_cur = 4096;
    setrlimit(RLIMIT_FSIZE, &small);
    for (int i = 0; i < 20; i++)
        mark(&f, 100 + i, &full[i]);
    settle();
    setrlimit(RLIMIT_FSIZE, &limit);
    for (int i = 0; i < 20; i++)
        assert_int_equal(full[i].rows.err, ERR_UNAVAILABLE);
    assert_true(epochs_fresh(&e));

    mark(&f, 2, &after);
    settle();
    assert_int_equal(after.rows.err, OK);
    fixture_close(&f);
    assert_int_equal(sql(&f, "select count(*) from marks"), 2);
    assert_int_equal(sql(&f, "select integrity_check = 'ok' from pragma_integrity_check"), 1);
}

/* What asks whether a change could be made need not try. */
static void a_file_that_takes_nothing_is_told_of_for_a_moment(void **state)
{
    (void)state;
    static struct asked good, full, twice;
    struct rlimit limit, small;
    signal(SIGXFSZ, SIG_IGN);
    fixture_open(&f, shared);
    assert_false(store_broken(f.store));
    getrlimit(RLIMIT_FSIZE, &limit);
    small = limit;
    small.rlim_cur = 4096;
    for (int again = 0; again < 2; again++) {
        setrlimit(RLIMIT_FSIZE, &small);
        mark(&f, 1, &full);
        settle();
        setrlimit(RLIMIT_FSIZE, &limit);
        assert_int_equal(full.rows.err, ERR_UNAVAILABLE);
        assert_true(store_broken(f.store));
        clock_skip(6 * SECOND);
        assert_false(store_broken(f.store)); /* it may have been mended */
    }
    setrlimit(RLIMIT_FSIZE, &small);
    mark(&f, 1, &full);
    settle();
    setrlimit(RLIMIT_FSIZE, &limit);
    assert_true(store_broken(f.store));
    mark(&f, 1, &good);
    settle();
    assert_int_equal(good.rows.err, OK);
    assert_false(store_broken(f.store)); /* it has been */
    mark(&f, 1, &twice);
    settle();
    assert_int_equal(twice.rows.err, ERR_EXISTS);
    assert_false(store_broken(f.store)); /* that is no fault of the file */
    fixture_close(&f);
}

/* The first may have been taken before the others came. */
static void a_group_costs_one_sync(void **state)
{
    (void)state;
    static struct asked asked[100];
    fixture_open(&f, shared);
    mark(&f, 1000, &asked[0]); /* a new WAL has its own */
    settle();
    assert_int_equal(turn_take(&shared->turn, clock_mono_now() + SECOND), OK);
    for (int i = 0; i < 100; i++)
        mark(&f, i, &asked[i]);
    syncs = 0;
    turn_give(&shared->turn);
    settle();
    assert_in_range(syncs, 1, 2);
    for (int i = 0; i < 100; i++)
        assert_int_equal(asked[i].rows.err, OK);
    fixture_close(&f);
}

/* Everything is in the file, but nobody knows whether it is on the disk. */
static void a_commit_that_may_not_be_safe_is_unknown_and_moves_its_epochs(void **state)
{
    (void)state;
    struct asked a, b;
    struct uuid id = id_of(1);
    struct epochs e = { 0 };
    fixture_open(&f, shared);
    epochs_add(&e, EPOCH_RESOURCE, id.b, 16);
    sync_fails = true;
    mark(&f, 1, &a);
    settle();
    sync_fails = false;
    assert_int_equal(a.rows.err, ERR_COMMIT_UNKNOWN);
    assert_false(epochs_fresh(&e));
    mark(&f, 2, &b);
    settle();
    assert_int_equal(b.rows.err, OK);
    fixture_close(&f);
}

static int setup(void **state)
{
    (void)state;
    fixture_make(&f);
    sql(&f, MARKS_MAKE);
    shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(shared != MAP_FAILED);
    assert_true(store_shared_size() <= sizeof(shared->turn));
    store_shared_init(&shared->turn);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    munmap(shared, sizeof(*shared));
    fixture_remove(&f);
    return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_connection_is_durable_and_strict),
        TEST(what_cannot_be_opened_is_an_error),
        TEST(processes_that_write_at_once_lose_nothing),
        TEST(processes_without_a_common_turn_wait_for_each_other),
        TEST(a_killed_process_leaves_what_it_acknowledged),
        TEST(the_turn_of_a_dead_process_passes_on),
        TEST(a_full_disk_fails_the_change_and_leaves_the_rest),
        TEST(a_file_that_takes_nothing_is_told_of_for_a_moment),
        TEST(a_group_costs_one_sync),
        TEST(a_commit_that_may_not_be_safe_is_unknown_and_moves_its_epochs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
