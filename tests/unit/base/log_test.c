#include "base/log.h"

#include "base/clock.h"
#include "base/json.h"
#include "dies.h"
#include "unit.h"

#include <stdio.h>

static struct arena arena;
static int reading, writing;

static int begin(void **state)
{
    (void)state;
    int ends[2];
    if (pipe(ends) < 0)
        return -1;
    reading = ends[0];
    writing = ends[1];
    fcntl(reading, F_SETFL, O_NONBLOCK);
    log_open(writing, LOG_INFO, LOG_JSON);
    log_who("worker-1");
    return 0;
}

static int end(void **state)
{
    (void)state;
    close(reading);
    close(writing);
    log_open(open("/dev/null", O_WRONLY), LOG_INFO, LOG_JSON);
    log_flush();
    log_open(STDERR_FILENO, LOG_INFO, LOG_JSON);
    arena_reset(&arena);
    arena_trim();
    return 0;
}

/* All that stands in the pipe. */
static struct str written(void)
{
    struct text t = text_new(&arena, 0);
    for (;;) {
        char *at = text_room(&t, 65536);
        ssize_t n = read(reading, at, 65536);
        if (n <= 0)
            return text_str(&t);
        t.n += (size_t)n;
    }
}

/* The one line in it, as JSON. */
static const struct json *line_written(void)
{
    struct str all = written(), line;
    const struct json *v = NULL;
    assert_true(str_cut(&all, '\n', &line));
    assert_int_equal(all.n, 0);
    if (json_read(&arena, line, &v) != OK)
        fail_msg("no JSON: %.*s", STR_ARG(line));
    return v;
}

static struct str text_of(const struct json *line, const char *name)
{
    const struct json *v = json_get(line, name);
    return v ? json_text(v) : STR_NONE;
}

static void a_line_is_an_object(void **state)
{
    (void)state;
    struct uuid id = { { 0xab } };
    clock_tick();
    log_begin(LOG_INFO, "request");
    log_text("path", STR("/api/v1/startups"));
    log_int("status", 200);
    log_int("least", INT64_MIN);
    log_uuid("id", &id);
    log_end();
    assert_int_equal(written().n, 0); /* gathered until the flush */
    log_flush();

    const struct json *line = line_written();
    int64_t wall;
    assert_true(clock_parse(text_of(line, "time"), &wall));
    assert_int_equal(wall, clock_wall());
    assert_str(text_of(line, "level"), "info");
    assert_str(text_of(line, "who"), "worker-1");
    assert_str(text_of(line, "event"), "request");
    assert_str(text_of(line, "path"), "/api/v1/startups");
    assert_int_equal(json_int(json_get(line, "status")), 200);
    assert_true(json_int(json_get(line, "least")) == INT64_MIN);
    assert_str(text_of(line, "id"), "ab000000-0000-0000-0000-000000000000");
    assert_int_equal(json_count(line), 8);
}

static void warnings_are_written_at_once(void **state)
{
    (void)state;
    log_say(LOG_INFO, "first", "%d", 1);
    log_say(LOG_WARN, "second", "%s", "x");
    struct str all = written();
    assert_non_null(memmem(all.p, all.n, "\"first\"", 7));
    assert_non_null(memmem(all.p, all.n, "\"second\"", 8));
}

static void below_the_least_level_nothing_is_written(void **state)
{
    (void)state;
    log_open(writing, LOG_WARN, LOG_JSON);
    assert_false(log_wants(LOG_INFO));
    assert_true(log_wants(LOG_WARN));
    log_begin(LOG_INFO, "request");
    log_text("a", STR("b"));
    log_int("c", 1);
    log_uuid("d", &(struct uuid){ { 0 } });
    log_end();
    log_say(LOG_DEBUG, "x", "y");
    log_flush();
    assert_int_equal(written().n, 0);
    log_text("outside", STR("a line")); /* harmless */
    log_end();
    log_flush();
    assert_int_equal(written().n, 0);
}

static void hostile_values_stay_one_json_text(void **state)
{
    (void)state;
    log_begin(LOG_WARN, "e");
    log_text("v", STR("a\"},{\"level\":\"error\"\n\r\t\\\x01\x7f"));
    log_end();
    struct str line = written();
    assert_ptr_equal(memchr(line.p, '\n', line.n), line.p + line.n - 1);
    struct str wanted =
        STR("a\\\"},{\\\"level\\\":\\\"error\\\"\\n\\u000d\\u0009\\\\\\u0001\\u007f\"}\n");
    assert_non_null(memmem(line.p, line.n, wanted.p, wanted.n));

    log_begin(LOG_WARN, "e");
    log_text("v", STR("a\0b"));
    log_end();
    line = written();
    assert_non_null(memmem(line.p, line.n, "\"a\\u0000b\"", 10));
}

static void every_byte_at_every_place_is_safe(void **state)
{
    (void)state;
    for (int c = 1; c < 0x100; c++)
        for (size_t place = 0; place < 18; place++) {
            char text[18];
            memset(text, 'z', sizeof(text));
            text[place] = (char)c;
            log_begin(LOG_WARN, "e");
            log_text("none", STR_NONE);
            log_text("v", (struct str){ text, sizeof(text) });
            log_end();

            struct str all = written();
            const struct json *line;
            assert_int_equal(json_read(&arena, all, &line), OK);
            assert_null(memchr(all.p, '\x7f', all.n));
            struct str v = text_of(line, "v");
            if (c < 0x80)
                assert_true(str_eq(v, (struct str){ text, sizeof(text) }));
            else
                assert_memory_equal(v.p + place, "\xef\xbf\xbd", 3);
            assert_str(text_of(line, "none"), "");
            arena_reset(&arena);
        }
}

static void bytes_that_are_no_utf8_are_replaced(void **state)
{
    (void)state;
    log_begin(LOG_WARN, "e");
    log_text("v", STR("\xc3\xa9|\xff|\xc3|\xed\xa0\x80|\xf0\x9f\x98"));
    log_end();
    assert_str(text_of(line_written(), "v"),
               "\xc3\xa9|\xef\xbf\xbd|\xef\xbf\xbd|\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd|"
               "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
}

static void long_values_are_cut_and_say_so(void **state)
{
    (void)state;
    static char large[100000];
    memset(large, 'x', sizeof(large));
    log_begin(LOG_WARN, "e");
    log_text("v", (struct str){ large, sizeof(large) });
    log_end();
    const struct json *line = line_written();
    assert_true(text_of(line, "v").n >= 1000 && text_of(line, "v").n < 10000);
    assert_true(json_bool(json_get(line, "cut")));

    memset(large, '\x01', sizeof(large));
    log_begin(LOG_WARN, "e");
    for (int i = 0; i < 50; i++) {
        char name[16];
        snprintf(name, sizeof(name), "v%d", i);
        log_text(name, (struct str){ large, sizeof(large) });
    }
    log_int("n", 1);
    log_end();
    line = line_written();
    assert_non_null(json_get(line, "v0"));
    assert_null(json_get(line, "v49"));
    assert_true(json_bool(json_get(line, "cut")));

    memset(large, 'm', sizeof(large));
    large[5000] = '\0';
    log_say(LOG_WARN, "e", "%s", large);
    line = line_written();
    assert_true(text_of(line, "message").n >= 1000);
    assert_true(json_bool(json_get(line, "cut")));
}

static void text_lines_quote_their_values(void **state)
{
    (void)state;
    log_open(writing, LOG_INFO, LOG_TEXT);
    log_begin(LOG_WARN, "request");
    log_text("path", STR("/a b\n2026-11-20 error x"));
    log_int("status", 404);
    log_end();
    struct str line = written();
    assert_true(line.n > CLOCK_RFC3339);
    assert_str(((struct str){ line.p + CLOCK_RFC3339, line.n - CLOCK_RFC3339 }),
               " warn worker-1 request path=\"/a b\\n2026-11-20 error x\" status=404\n");

    log_who(NULL);
    log_say(LOG_WARN, "x", "y");
    line = written();
    assert_str(((struct str){ line.p + CLOCK_RFC3339, line.n - CLOCK_RFC3339 }),
               " warn x message=\"y\"\n");
}

static void a_full_buffer_is_written(void **state)
{
    (void)state;
    size_t got = 0;
    for (int i = 0; i < 5000; i++) {
        log_begin(LOG_INFO, "request");
        log_text("path", STR("/api/v1/startups/0190a5f0-1234-7000-8000-000000000000"));
        log_int("i", i);
        log_end();
        got += written().n;
    }
    assert_true(got > 5000 * 100);
    log_flush();
    struct str all = written();
    assert_non_null(memmem(all.p, all.n, "\"i\":4999}\n", 10));
    assert_null(memmem(all.p, all.n, "log_dropped", 11));
}

/* The pipe takes 64 KiB, the buffer holds some more; then lines are lost, and counted, but nobody waits. */
static void a_reader_that_stands_still_costs_lines_only(void **state)
{
    (void)state;
    for (int nonblocking = 0; nonblocking < 2; nonblocking++) {
        fcntl(writing, F_SETFL, nonblocking ? O_NONBLOCK : 0);
        for (int i = 0; i < 5000; i++)
            log_say(i % 300 ? LOG_INFO : LOG_WARN, "line", "%d: %060d", i, i);

        struct str all = written(), line;
        log_say(LOG_WARN, "after", "the pause");
        for (struct str more = written(); more.n; more = written()) {
            struct text both = text_new(&arena, 0);
            text_add(&both, all);
            text_add(&both, more);
            all = text_str(&both);
            log_flush();
        }

        int64_t lines = 0, dropped = 0;
        while (str_cut(&all, '\n', &line) && line.n) {
            const struct json *v = NULL;
            assert_int_equal(json_read(&arena, line, &v), OK); /* none is torn */
            lines += str_eq(text_of(v, "event"), STR("line"));
            if (str_eq(text_of(v, "event"), STR("log_dropped")))
                dropped += json_int(json_get(v, "lines"));
        }
        assert_true(dropped > 0);
        assert_int_equal(lines + dropped, 5000);
    }
}

static void a_reader_that_is_gone_costs_nothing(void **state)
{
    (void)state;
    signal(SIGPIPE, SIG_IGN);
    close(reading);
    for (int i = 0; i < 5000; i++)
        log_say(LOG_WARN, "line", "%060d", i);
    signal(SIGPIPE, SIG_DFL);
    log_open(-1, LOG_INFO, LOG_JSON);
    log_say(LOG_WARN, "line", "to nowhere");
    reading = open("/dev/null", O_RDONLY);
}

static void a_file_takes_everything(void **state)
{
    (void)state;
    FILE *file = tmpfile();
    log_open(fileno(file), LOG_INFO, LOG_JSON);
    for (int i = 0; i < 2000; i++)
        log_say(LOG_INFO, "line", "%060d", i);
    log_flush();
    assert_true(lseek(fileno(file), 0, SEEK_END) > 2000 * 60);
    fclose(file);
    log_open(writing, LOG_INFO, LOG_JSON);
}

static void a_child_does_not_write_its_parents_lines(void **state)
{
    (void)state;
    log_say(LOG_INFO, "of", "parent");
    pid_t child = fork();
    if (child == 0) {
        log_say(LOG_WARN, "of", "child");
        _exit(0);
    }
    waitpid(child, NULL, 0);
    assert_str(text_of(line_written(), "message"), "child");
    log_flush();
    assert_str(text_of(line_written(), "message"), "parent");
}

/* Pieces of a line in one process must not end up inside the line of another. */
static void lines_of_two_processes_stay_whole(void **state)
{
    (void)state;
    pid_t children[2];
    for (int c = 0; c < 2; c++) {
        children[c] = fork();
        if (children[c] != 0)
            continue;
        for (int i = 0; i < 3000; i++) {
            log_say(LOG_INFO, "line", "%0*d", 50 + i % 50, i);
            if (i % 100 == 0) {
                log_flush();
                usleep(2000);
            }
        }
        log_flush();
        _exit(0);
    }

    struct text all = text_new(&arena, 0);
    for (int ended = 0; ended < 2; usleep(100)) {
        text_add(&all, written());
        ended += waitpid(-1, NULL, WNOHANG) > 0;
    }
    text_add(&all, written());
    struct str rest = text_str(&all), line;
    int lines = 0;
    for (; str_cut(&rest, '\n', &line) && line.n; lines++) {
        const struct json *v;
        assert_int_equal(json_read(&arena, line, &v), OK);
    }
    assert_true(lines > 1000);
}

static void a_second_begin_replaces_the_line(void **state)
{
    (void)state;
    log_begin(LOG_INFO, "lost");
    log_text("a", STR("b"));
    log_begin(LOG_WARN, "kept");
    log_end();
    assert_str(text_of(line_written(), "event"), "kept");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_line_is_an_object, begin, end),
        cmocka_unit_test_setup_teardown(warnings_are_written_at_once, begin, end),
        cmocka_unit_test_setup_teardown(below_the_least_level_nothing_is_written, begin, end),
        cmocka_unit_test_setup_teardown(hostile_values_stay_one_json_text, begin, end),
        cmocka_unit_test_setup_teardown(every_byte_at_every_place_is_safe, begin, end),
        cmocka_unit_test_setup_teardown(bytes_that_are_no_utf8_are_replaced, begin, end),
        cmocka_unit_test_setup_teardown(long_values_are_cut_and_say_so, begin, end),
        cmocka_unit_test_setup_teardown(text_lines_quote_their_values, begin, end),
        cmocka_unit_test_setup_teardown(a_full_buffer_is_written, begin, end),
        cmocka_unit_test_setup_teardown(a_reader_that_stands_still_costs_lines_only, begin, end),
        cmocka_unit_test_setup_teardown(a_reader_that_is_gone_costs_nothing, begin, end),
        cmocka_unit_test_setup_teardown(a_file_takes_everything, begin, end),
        cmocka_unit_test_setup_teardown(a_child_does_not_write_its_parents_lines, begin, end),
        cmocka_unit_test_setup_teardown(lines_of_two_processes_stay_whole, begin, end),
        cmocka_unit_test_setup_teardown(a_second_begin_replaces_the_line, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
