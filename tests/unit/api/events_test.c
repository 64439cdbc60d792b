/* A row as a stream of events, under a clock of the test's own: what is told, that the connection shows that it
 * lives, and that it ends with the credentials. The gates are one that says what the test wants. */
#include "api/crud.h"

#include "../base/stopped.h"
#include "../http/served.h"

#define FIRST "event: thing\nid: 1\ndata: {\"n\":1}\n\n"
#define SECOND_ONE "event: thing\nid: 2\ndata: {\"n\":2}\n\n"
#define COMMENT ":\n\n"
#define END(code) "event: end\ndata: {\"code\":\"" code "\"}\n\n"

static const struct uuid row = { { 1 } };
static const struct resource things = { .noun = "thing" };
static struct stage path[10]; /* the gate, then those of the stream */
static void *epochs;

/* What the gate finds. */
static struct {
    struct principal who;
    struct facts facts;
    int64_t until; /* of the token */
    int looks;
} now;

static enum verdict gate(struct req *r)
{
    now.looks++;
    if (now.until && clock_wall() >= now.until)
        return req_deny(r, ERR_TOKEN_EXPIRED);
    if (clock_wall() >= now.who.expires)
        return req_deny(r, ERR_SESSION_ENDED);
    r->resource = &things;
    r->who = &now.who;
    r->facts = &now.facts;
    r->until = now.until;
    r->carried[1] = (struct epochs){ 0 };
    epochs_add(&r->carried[1], EPOCH_RESOURCE, row.b, sizeof(row.b));
    return NEXT;
}

static void becomes(int64_t version, const char *json)
{
    now.facts.version = version;
    now.facts.json = str_of(json);
    epoch_bump(EPOCH_RESOURCE, row.b, sizeof(row.b));
}

static int set_up(void **state)
{
    int n = 1;
    epochs = calloc(1, epoch_size());
    epoch_init(epochs);
    config.events_max = 10;
    memset(path, 0, sizeof(path));
    path[0] = (struct stage){ "gate", gate, NULL };
    for (const struct stage *s = events_steps; s->name; s++)
        path[n++] = *s;
    memset(&now, 0, sizeof(now));
    now.who = (struct principal){ .user_id = { { 2 } }, .expires = INT64_MAX };
    becomes(1, "{\"n\":1}");
    if (serve(state) != 0)
        return -1;
    served.path = path;
    return 0;
}

static int tear_down(void **state)
{
    int status = serve_no_more(state);
    free(epochs);
    return status;
}

/* Opens the stream, which tells of the row as it is. */
static void listens(void)
{
    client_comes(false);
    client_says("GET /events HTTP/1.1\r\nHost: h\r\n\r\n");
    await_text(FIRST);
    assert_non_null(strstr(served.got, "Content-Type: text/event-stream\r\n"));
    client_forgets();
}

#define A_FEW_LOOKS (SECOND / 2) /* at all streams */

static void expect_silence(void)
{
    rest(A_FEW_LOOKS);
    client_reads();
    if (served.n > 0 || served.closed)
        fail_msg("the client has got %s", served.got);
}

#define ON_TIME (5 * SECOND) /* on a slow machine */

static void a_silent_stream_shows_each_15_seconds_that_it_lives(void **state)
{
    (void)state;
    listens();
    for (int i = 0; i < 3; i++) {
        int64_t before = clock_mono_now();
        clock_skip(12 * SECOND);
        expect_silence();
        clock_skip(3 * SECOND);
        await_text(COMMENT);
        assert_true(clock_mono_now() - before < 15 * SECOND + ON_TIME);
        rest(A_FEW_LOOKS);
        client_reads();
        assert_string_equal(served.got, COMMENT); /* one, and nothing with it */
        client_forgets();
    }
}

static void an_event_shows_it_as_well(void **state)
{
    (void)state;
    listens();
    clock_skip(10 * SECOND);
    becomes(2, "{\"n\":2}");
    await_text(SECOND_ONE);
    client_forgets();
    clock_skip(12 * SECOND);
    expect_silence();
    clock_skip(3 * SECOND);
    await_text(COMMENT);
}

/* It may have moved a moment before, unheard. */
static void with_the_comment_the_gates_look_again(void **state)
{
    (void)state;
    listens();
    int before = now.looks;
    expect_silence();
    assert_int_equal(now.looks, before);
    clock_skip(15 * SECOND);
    await_text(COMMENT);
    assert_int_equal(now.looks, before + 1);
}

static void it_ends_when_the_token_expires(void **state)
{
    (void)state;
    clock_tick();
    now.until = clock_wall() + 10 * SECOND;
    now.who.expires = now.until + HOUR;
    listens();
    clock_skip(7 * SECOND);
    expect_silence();
    clock_skip(3 * SECOND);
    await(is_closed);
    assert_string_equal(served.got, END("token_expired"));
    assert_int_equal(served.err, ERR_TOKEN_EXPIRED);
}

static void it_ends_when_the_session_does(void **state)
{
    (void)state;
    clock_tick();
    now.until = clock_wall() + HOUR;
    now.who.expires = clock_wall() + 10 * SECOND;
    listens();
    clock_skip(7 * SECOND);
    expect_silence();
    clock_skip(3 * SECOND);
    await(is_closed);
    assert_string_equal(served.got, END("session_ended"));
}

/* Such as by a longer session: what the gates find then counts. */
static void the_gates_may_find_that_it_goes_on(void **state)
{
    (void)state;
    clock_tick();
    now.who.expires = clock_wall() + 10 * SECOND;
    listens();
    now.who.expires += 10 * SECOND;
    becomes(2, "{\"n\":2}");
    await_text(SECOND_ONE);
    client_forgets();
    clock_skip(12 * SECOND);
    expect_silence();
    clock_skip(8 * SECOND);
    await(is_closed);
    assert_non_null(strstr(served.got, END("session_ended")));
}

static void what_was_told_is_not_told_again(void **state)
{
    (void)state;
    listens();
    becomes(1, "{\"n\":1}"); /* something that the row stands on has moved, the row has not */
    expect_silence();
    becomes(2, "{\"n\":2}");
    await_text(SECOND_ONE);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_silent_stream_shows_each_15_seconds_that_it_lives),
        TEST(an_event_shows_it_as_well),
        TEST(with_the_comment_the_gates_look_again),
        TEST(it_ends_when_the_token_expires),
        TEST(it_ends_when_the_session_does),
        TEST(the_gates_may_find_that_it_goes_on),
        TEST(what_was_told_is_not_told_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
