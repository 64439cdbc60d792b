#include "own_server.h"

#include "../../../src/cache/redis_url.h"

static struct own_server server;
static struct redis *redis;

static int begin_own(void **state)
{
    if (begin_on_redis(state) != 0)
        return -1;
    own_new(&server, "enable-debug-command yes\nclient-output-buffer-limit normal 0 0 0", false);
    redis = connected_to(server.url);
    return 0;
}

static int end_own(void **state)
{
    redis_close(redis);
    redis = NULL;
    own_free(&server);
    return end_on_redis(state);
}

/* ---- asking ---- */

struct asked {
    struct wait wait;
    struct redis_reply reply;
    int64_t took;
};

static void asked_wake(struct wait *w)
{
    struct asked *a = LIST_OF(w, struct asked, wait);
    a->took = clock_mono_now() - a->took;
}

#define WORDS_MAX 8

/* A command of words apart by blanks. */
static void ask(struct redis *r, struct asked *a, const char *command)
{
    struct str rest = str_of(command), argv[WORDS_MAX];
    int n = 0;
    while (n < WORDS_MAX && str_cut(&rest, ' ', &argv[n]))
        n++;
    wait_init(&a->wait, asked_wake);
    a->took = clock_mono_now();
    redis_ask(r, n, argv, &a->reply, &a->wait);
    assert_true(a->wait.open);
}

static enum err answer(struct redis *r, const char *command)
{
    struct asked a = { 0 };
    ask(r, &a, command);
    loop_run();
    enum err err = a.reply.err;
    redis_reply_fini(&a.reply);
    return err;
}

static struct str text_of(const struct asked *a)
{
    assert_int_equal(a->reply.err, OK);
    assert_true(a->reply.n > 0);
    return a->reply.at[0].text;
}

static int64_t int_of(struct redis *r, const char *command)
{
    struct asked a = { 0 };
    ask(r, &a, command);
    loop_run();
    assert_int_equal(a.reply.err, OK);
    assert_int_equal(a.reply.n, 1);
    int64_t i = a.reply.at[0].i;
    redis_reply_fini(&a.reply);
    return i;
}

static bool is_down(void *r)
{
    return !redis_up(r);
}

static bool is_broken(void *r)
{
    return redis_broken(r);
}

/* ---- the URL ---- */

static const char *refused(const char *text)
{
    struct redis_url url;
    const char *why = NULL;
    return redis_url_parse(text, &url, &why) == OK ? NULL : why;
}

static void urls_are_read(void **state)
{
    (void)state;
    struct redis_url u;
    const char *why;
    assert_int_equal(redis_url_parse("redis://h", &u, &why), OK);
    assert_true(u.nplaces == 1 && u.places[0].port == 6379 && u.database == 0 && !u.password[0]);
    assert_int_equal(redis_url_parse("redis://us:p%40%3A%2f@[::1]:1234/15", &u, &why), OK);
    assert_string_equal(u.user, "us");
    assert_string_equal(u.password, "p@:/");
    assert_string_equal(u.places[0].host, "::1");
    assert_true(u.places[0].port == 1234 && u.database == 15);
    assert_int_equal(redis_url_parse("redis://:pw@h/", &u, &why), OK);
    assert_string_equal(u.user, "");
    assert_string_equal(u.password, "pw");
    assert_int_equal(redis_url_parse("redis+sentinel://:pw@a:1,b,[::1]:3/main/2", &u, &why), OK);
    assert_int_equal(u.nplaces, 3);
    assert_string_equal(u.master, "main");
    assert_true(u.places[0].port == 1 && u.places[1].port == 26379 && u.places[2].port == 3);
    assert_int_equal(u.database, 2);
}

static void urls_that_say_nothing_are_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "",           "h:1",           "http://h",       "redis://",          "redis://:6379",
        "redis://h:", "redis://h:0",   "redis://h:65536", "redis://h:1x",     "redis://u@h",
        "redis://h/x", "redis://h/-1", "redis://h?db=1", "redis://a,b",       "redis://[::1",
        "redis://[::1]x", "redis://u:%4@h", "redis://u:%00@h", "redis://u:%zz@h",
        "redis+sentinel://h", "redis+sentinel://h/", "redis+sentinel://h//1",
    };
    for (size_t i = 0; i < COUNT(wrong); i++)
        if (!refused(wrong[i]))
            fail_msg("%s is taken", wrong[i]);
    assert_non_null(strstr(refused("rediss://h"), "TLS"));
    assert_null(strstr(refused("redis://u:hunter2%@h"), "hunter2"));
}

/* ---- asks ---- */

static void answers_are_of_their_types(void **state)
{
    (void)state;
    struct asked a = { 0 };
    assert_int_equal(int_of(redis, "INCR i"), 1);
    ask(redis, &a, "MGET i absent");
    loop_run();
    assert_int_equal(a.reply.n, 2);
    assert_str(a.reply.at[0].text, "1");
    assert_int_equal(a.reply.at[1].type, REDIS_NIL);
    redis_reply_fini(&a.reply);
    redis_reply_fini(&a.reply);

    ask(redis, &a, "ROLE"); /* an array in it, flattened */
    loop_run();
    assert_str(text_of(&a), "master");
    redis_reply_fini(&a.reply);
    assert_int_equal(answer(redis, "NONSENSE"), ERR_INVALID);
    assert_int_equal(answer(redis, "LPUSH i x"), ERR_INVALID);
    assert_true(redis_up(redis));
}

static int64_t stat_of(const char *name)
{
    struct asked a = { 0 };
    ask(redis, &a, "INFO stats");
    loop_run();
    struct str rest = text_of(&a), line;
    int64_t value = -1;
    while (str_cut(&rest, '\n', &line))
        if (str_starts(line, str_of(name)))
            value = atoll(line.p + strlen(name) + 1);
    redis_reply_fini(&a.reply);
    return value;
}

static void what_a_turn_asks_leaves_in_one_write(void **state)
{
    (void)state;
    enum { N = 100 };
    static struct asked asks[N];
    int64_t before = stat_of("total_reads_processed");
    for (int i = 0; i < N; i++)
        ask(redis, &asks[i], i % 2 ? "PING" : "ECHO x");
    loop_run();
    for (int i = 0; i < N; i++) {
        assert_true(str_eq(text_of(&asks[i]), i % 2 ? STR("PONG") : STR("x")));
        redis_reply_fini(&asks[i].reply);
    }
    assert_true(stat_of("total_reads_processed") - before <= 3); /* the two for the statistics included */
}

static void nobody_need_wait(void **state)
{
    (void)state;
    redis_ask(redis, 2, (struct str[]){ STR("INCR"), STR("n") }, NULL, NULL);
    assert_int_equal(int_of(redis, "INCR n"), 2);
}

static void large_values_go_both_ways(void **state)
{
    (void)state;
    static char large[8 << 20];
    struct asked set = { 0 }, get = { 0 };
    config.redis_timeout_ms = 5000;
    memset(large, 'x', sizeof(large));
    wait_init(&set.wait, asked_wake);
    struct str argv[] = { STR("SET"), STR("large"), { large, sizeof(large) } };
    redis_ask(redis, 3, argv, &set.reply, &set.wait);
    ask(redis, &get, "GET large");
    loop_run();
    assert_int_equal(set.reply.err, OK);
    assert_int_equal(text_of(&get).n, sizeof(large));
    assert_memory_equal(text_of(&get).p, large, sizeof(large));
    redis_reply_fini(&set.reply);
    redis_reply_fini(&get.reply);
}

static void asks_under_way_are_bounded(void **state)
{
    (void)state;
    enum { MOST = 4096, MORE = 10 };
    static struct asked asks[MOST + MORE];
    int failed = 0;
    for (int i = 0; i < MOST + MORE; i++)
        ask(redis, &asks[i], "PING");
    assert_false(redis_up(redis));
    loop_run();
    for (int i = 0; i < MOST + MORE; i++) {
        failed += asks[i].reply.err == ERR_UNAVAILABLE;
        redis_reply_fini(&asks[i].reply);
    }
    assert_int_equal(failed, MORE);
    assert_int_equal(answer(redis, "PING"), OK);
    assert_false(redis_broken(redis));
}

static void closing_answers_what_is_under_way(void **state)
{
    (void)state;
    struct asked a = { 0 };
    ask(redis, &a, "BLPOP nothing 0");
    redis_close(redis);
    redis = NULL;
    loop_run();
    assert_int_equal(a.reply.err, ERR_UNAVAILABLE);
}

/* ---- scripts ---- */

static struct redis_script add = {
    .text = "return redis.call('INCRBY', KEYS[1], ARGV[1])",
};

static int64_t run_add(int64_t *n)
{
    struct asked a = { 0 };
    struct str argv[] = { STR("sum"), STR("5") };
    wait_init(&a.wait, asked_wake);
    redis_run(redis, &add, 1, 2, argv, &a.reply, &a.wait);
    loop_run();
    assert_int_equal(a.reply.err, OK);
    *n = a.reply.at[0].i;
    redis_reply_fini(&a.reply);
    return *n;
}

static void scripts_run_whether_redis_knows_them_or_not(void **state)
{
    (void)state;
    int64_t n;
    add.sha1[0] = add.sha1[1] = '\0';
    assert_int_equal(run_add(&n), 5);
    assert_int_equal(strlen(add.sha1), 40);
    assert_int_equal(run_add(&n), 10);
    assert_int_equal(answer(redis, "SCRIPT FLUSH"), OK);
    assert_int_equal(run_add(&n), 15);
    assert_int_equal(run_add(&n), 20);
    assert_int_equal(int_of(redis, "EXISTS sum"), 1);
}

static void a_script_that_fails_is_refused(void **state)
{
    (void)state;
    static struct redis_script wrong = { .text = "return redis.call('NONSENSE')" };
    for (int i = 0; i < 2; i++) {
        struct asked a = { 0 };
        wait_init(&a.wait, asked_wake);
        redis_run(redis, &wrong, 0, 0, NULL, &a.reply, &a.wait);
        loop_run();
        assert_int_equal(a.reply.err, ERR_INVALID);
        redis_reply_fini(&a.reply);
    }
}

/* ---- logins ---- */

static char said[16384];
static int said_fds[2];

static void listen_to_log(void)
{
    assert_int_equal(pipe2(said_fds, O_NONBLOCK), 0);
    log_open(said_fds[1], LOG_INFO, LOG_TEXT);
}

static const char *what_was_said(void)
{
    log_flush();
    ssize_t n = read(said_fds[0], said, sizeof(said) - 1);
    said[n > 0 ? n : 0] = '\0';
    log_open(STDERR_FILENO, LOG_ERROR, LOG_TEXT);
    close(said_fds[0]);
    close(said_fds[1]);
    return said;
}

static int times(const char *text, const char *word)
{
    int n = 0;
    for (; (text = strstr(text, word)); text++)
        n++;
    return n;
}

static void a_wrong_password_is_said_once_and_never_shown(void **state)
{
    (void)state;
    char url[160];
    struct redis *r;
    assert_int_equal(answer(redis, "CONFIG SET requirepass right"), OK);
    listen_to_log();
    snprintf(url, sizeof(url), "redis://:hunter2@127.0.0.1:%d", server.port);
    assert_int_equal(redis_open(&r, url, test_prefix), OK);
    assert_false(run_until(is_up, r, SECOND));
    assert_int_equal(answer(r, "PING"), ERR_UNAVAILABLE);
    const char *log = what_was_said();
    assert_int_equal(times(log, "WRONGPASS"), 1);
    assert_null(strstr(log, "hunter2"));
    assert_null(strstr(redis_says(r), "hunter2"));
    redis_close(r);

    snprintf(url, sizeof(url), "redis://127.0.0.1:%d", server.port); /* none at all */
    assert_int_equal(redis_open(&r, url, test_prefix), OK);
    assert_false(run_until(is_up, r, SECOND / 2));
    redis_close(r);
}

static void users_and_databases_are_those_of_the_url(void **state)
{
    (void)state;
    char url[160];
    struct asked a = { 0 };
    assert_int_equal(answer(redis, "ACL SETUSER app on >w:rd ~* +@all"), OK);
    snprintf(url, sizeof(url), "redis://app:w%%3Ard@127.0.0.1:%d/3", server.port);
    struct redis *r = connected_to(url);
    ask(r, &a, "ACL WHOAMI");
    loop_run();
    assert_str(text_of(&a), "app");
    redis_reply_fini(&a.reply);
    assert_int_equal(answer(r, "SET here 1"), OK);
    assert_int_equal(int_of(r, "EXISTS here"), 1);
    assert_int_equal(int_of(redis, "EXISTS here"), 0);
    snprintf(url, sizeof(url), "at 127.0.0.1:%d/3", server.port);
    assert_non_null(strstr(redis_says(r), url));
    assert_int_equal(strncmp(redis_says(r), "Redis ", 6), 0);
    redis_close(r);
}

/* ---- losses ---- */

static void a_killed_connection_fails_what_is_under_way_and_comes_again(void **state)
{
    (void)state;
    struct redis *other = connected_to(server.url);
    struct asked a = { 0 }, b = { 0 }, killer = { 0 };
    config.redis_timeout_ms = 5000;
    int64_t connects = redis_connects(redis);
    ask(redis, &a, "BLPOP nothing 0");
    ask(redis, &b, "PING");
    ask(other, &killer, "CLIENT KILL TYPE normal SKIPME yes");
    loop_run();
    redis_reply_fini(&killer.reply);
    assert_int_equal(a.reply.err, ERR_UNAVAILABLE);
    assert_int_equal(b.reply.err, ERR_UNAVAILABLE);
    assert_true(a.took < SECOND);
    assert_true(run_until(is_up, redis, SECOND));
    assert_int_equal(redis_connects(redis), connects + 1);
    assert_int_equal(answer(redis, "PING"), OK);
    redis_close(other);
}

static void one_that_hangs_costs_a_deadline_then_nothing(void **state)
{
    (void)state;
    struct asked asks[8] = { 0 };
    kill(server.pid, SIGSTOP);
    for (size_t i = 0; i < COUNT(asks); i++)
        ask(redis, &asks[i], "PING");
    loop_run();
    for (size_t i = 0; i < COUNT(asks); i++) {
        assert_int_equal(asks[i].reply.err, ERR_UNAVAILABLE);
        assert_in_range(asks[i].took, 250 * 1000, 550 * 1000);
    }
    assert_true(redis_broken(redis));
    ask(redis, &asks[0], "PING");
    loop_run();
    assert_int_equal(asks[0].reply.err, ERR_UNAVAILABLE);
    assert_true(asks[0].took < 20 * 1000);

    kill(server.pid, SIGCONT); /* nobody asks: it finds out by itself */
    assert_true(run_until(is_up, redis, SECOND));
    assert_int_equal(answer(redis, "PING"), OK);
}

static void one_that_hangs_for_long_is_connected_to_anew(void **state)
{
    (void)state;
    int64_t connects = redis_connects(redis);
    kill(server.pid, SIGSTOP);
    for (int i = 0; i < 6; i++)
        assert_int_equal(answer(redis, "PING"), ERR_UNAVAILABLE);
    run_for(2 * SECOND);
    kill(server.pid, SIGCONT);
    assert_true(run_until(is_up, redis, SECOND));
    assert_true(redis_connects(redis) > connects);
    assert_int_equal(answer(redis, "PING"), OK);
}

static void one_that_is_gone_fails_at_once_until_it_is_back(void **state)
{
    (void)state;
    struct asked a = { 0 };
    listen_to_log();
    own_kill(&server);
    assert_true(run_until(is_down, redis, SECOND));
    for (int i = 0; i < 3; i++) {
        ask(redis, &a, "PING");
        loop_run();
        assert_int_equal(a.reply.err, ERR_UNAVAILABLE);
        assert_true(a.took < 20 * 1000);
    }
    assert_true(run_until(is_broken, redis, 5 * SECOND));
    own_start(&server, "", false);
    assert_true(run_until(is_up, redis, SECOND));
    assert_int_equal(answer(redis, "PING"), OK);
    const char *log = what_was_said();
    assert_int_equal(times(log, "Connection refused"), 1);
    assert_int_equal(times(log, "connected to Redis"), 1);
}

/* The answers of asks that were given up belong to nobody. */
static void late_answers_are_nobodys(void **state)
{
    (void)state;
    struct asked slow = { 0 }, behind = { 0 }, next = { 0 };
    ask(redis, &slow, "DEBUG SLEEP 0.6");
    ask(redis, &behind, "ECHO behind");
    loop_run();
    assert_int_equal(slow.reply.err, ERR_UNAVAILABLE);
    assert_int_equal(behind.reply.err, ERR_UNAVAILABLE);
    config.redis_timeout_ms = 2000;
    ask(redis, &next, "ECHO next");
    loop_run();
    assert_str(text_of(&next), "next");
    redis_reply_fini(&next.reply);
    assert_int_equal(redis_connects(redis), 1);
}

static void a_replica_is_not_used(void **state)
{
    (void)state;
    char enslave[64];
    snprintf(enslave, sizeof(enslave), "REPLICAOF 127.0.0.1 %d", free_port());
    struct redis *other = connected_to(server.url);
    assert_int_equal(answer(other, enslave), OK);
    assert_int_equal(answer(redis, "SET x 1"), ERR_UNAVAILABLE);
    assert_false(redis_up(redis));
    assert_false(run_until(is_up, redis, SECOND / 2));
    assert_int_equal(answer(other, "REPLICAOF NO ONE"), OK);
    assert_true(run_until(is_up, redis, SECOND));
    assert_int_equal(answer(redis, "SET x 1"), OK);
    redis_close(other);
}

static void one_that_is_full_still_answers(void **state)
{
    (void)state;
    assert_int_equal(answer(redis, "CONFIG SET maxmemory 1"), OK);
    for (int i = 0; i < 10; i++)
        assert_int_equal(answer(redis, "SET x 1"), ERR_UNAVAILABLE);
    assert_int_equal(answer(redis, "GET x"), OK);
    assert_false(redis_broken(redis));
}

/* ---- news ---- */

static char heard[64];
static size_t heard_n;
static int heard_times, subscribed;

static void hear(struct str message)
{
    assert_true(message.n < sizeof(heard));
    if (message.n == 0) {
        subscribed++;
        return;
    }
    memcpy(heard, message.p, message.n);
    heard_n = message.n;
    heard_times++;
}

static bool was_heard(void *of)
{
    (void)of;
    return heard_times > 0;
}

static bool says_it(struct redis *other, struct str message)
{
    char channel[64];
    snprintf(channel, sizeof(channel), "%sbumps", test_prefix);
    heard_times = 0;
    for (int i = 0; i < 30 && heard_times == 0; i++) {
        ask_int(other, 3, (struct str[]){ STR("PUBLISH"), str_of(channel), message });
        run_until(was_heard, NULL, 50 * 1000);
    }
    return heard_n == message.n && memcmp(heard, message.p, message.n) == 0;
}

static void news_are_heard_and_survive_a_loss(void **state)
{
    (void)state;
    struct redis *other = connected_to(server.url);
    subscribed = 0;
    redis_subscribe(redis, "bumps", hear);
    assert_true(says_it(other, STR("one")));
    assert_int_equal(subscribed, 1);
    assert_true(says_it(other, STR("\0two\r\n")));
    assert_int_equal(answer(other, "CLIENT KILL TYPE pubsub"), OK);
    assert_true(says_it(other, STR("three")));
    redis_resubscribe(redis);
    assert_true(says_it(other, STR("four")));
    own_kill(&server);
    run_for(SECOND / 2);
    own_start(&server, "", false);
    assert_true(run_until(is_up, other, SECOND));
    assert_true(says_it(other, STR("five")));
    assert_int_equal(subscribed, 4); /* told each time that messages may have been lost */
    redis_close(other);
}

static int connections;

static void count_connection(void)
{
    connections++;
}

static void who_wants_to_know_is_told_of_each_connection(void **state)
{
    (void)state;
    connections = 0;
    redis_on_connect(redis, count_connection);
    struct redis *other = connected_to(server.url);
    assert_int_equal(answer(other, "CLIENT KILL TYPE normal SKIPME yes"), OK);
    assert_true(run_until(is_down, redis, SECOND));
    assert_true(run_until(is_up, redis, SECOND));
    assert_int_equal(connections, 1);
    redis_close(other);
}

/* ---- Sentinel ---- */

static bool leads_to(void *port)
{
    char end[32];
    snprintf(end, sizeof(end), ":%d/0", *(int *)port);
    return redis_up(redis) && strstr(redis_says(redis), end) != NULL;
}

static bool is_replica_ready(struct redis *r)
{
    struct asked a = { 0 };
    ask(r, &a, "INFO replication");
    loop_run();
    bool is = a.reply.err == OK && memmem(text_of(&a).p, text_of(&a).n, "state=online", 12);
    redis_reply_fini(&a.reply);
    return is;
}

static void sentinel_says_who_is_the_master(void **state)
{
    (void)state;
    struct own_server replica, sentinel;
    char lines[256], url[160];
    snprintf(lines, sizeof(lines), "replicaof 127.0.0.1 %d", server.port);
    own_new(&replica, lines, false);
    for (int i = 0; i < 200 && !is_replica_ready(redis); i++)
        run_for(20 * 1000);
    snprintf(lines, sizeof(lines),
             "sentinel monitor main 127.0.0.1 %d 1\nsentinel down-after-milliseconds main 300\n"
             "sentinel failover-timeout main 2000\n",
             server.port);
    own_new(&sentinel, lines, true);

    redis_close(redis);
    snprintf(url, sizeof(url), "redis+sentinel://127.0.0.1:%d,127.0.0.1:%d/main", free_port(),
             sentinel.port);
    redis = connected_to(url);
    assert_true(leads_to(&server.port));
    run_for(SECOND); /* until it has seen the replica */
    own_kill(&server);
    if (!run_until(leads_to, &replica.port, 20 * SECOND))
        fail_msg("%s", redis_says(redis));
    assert_int_equal(answer(redis, "SET x 1"), OK);
    own_free(&sentinel);
    own_free(&replica);
}

#define test(f) cmocka_unit_test_setup_teardown(f, begin_own, end_own)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(urls_are_read),
        cmocka_unit_test(urls_that_say_nothing_are_refused),
        test(answers_are_of_their_types),
        test(what_a_turn_asks_leaves_in_one_write),
        test(nobody_need_wait),
        test(large_values_go_both_ways),
        test(asks_under_way_are_bounded),
        test(closing_answers_what_is_under_way),
        test(scripts_run_whether_redis_knows_them_or_not),
        test(a_script_that_fails_is_refused),
        test(a_wrong_password_is_said_once_and_never_shown),
        test(users_and_databases_are_those_of_the_url),
        test(a_killed_connection_fails_what_is_under_way_and_comes_again),
        test(one_that_hangs_costs_a_deadline_then_nothing),
        test(one_that_hangs_for_long_is_connected_to_anew),
        test(one_that_is_gone_fails_at_once_until_it_is_back),
        test(late_answers_are_nobodys),
        test(a_replica_is_not_used),
        test(one_that_is_full_still_answers),
        test(news_are_heard_and_survive_a_loss),
        test(who_wants_to_know_is_told_of_each_connection),
        test(sentinel_says_who_is_the_master),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
