#include "net/poll.h"

#include "unit.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>

static struct {
    struct poll *poll;
    int ends[2];
    int readable, writable;
    bool stays; /* nothing is read, so it stays readable */
} it;

static int begin(void **state)
{
    memset(&it, 0, sizeof(it));
    return begin_loop(state) || socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, it.ends);
}

static int end(void **state)
{
    poll_free(it.poll);
    it.poll = NULL;
    close(it.ends[0]);
    close(it.ends[1]);
    return end_loop(state);
}

static void ready(void *owner, bool readable, bool writable)
{
    char byte;
    assert_ptr_equal(owner, &it);
    it.readable += readable;
    it.writable += writable;
    if (it.stays && it.readable < 3)
        return;
    if (readable)
        (void)!read(it.ends[0], &byte, 1);
    loop_stop();
}

static void watch(bool read, bool write)
{
    it.poll = poll_new(it.ends[0], ready, &it);
    assert_non_null(it.poll);
    poll_want(it.poll, read, write);
}

/* A watched descriptor does not keep a stopping loop: something else must. */
static void run_for(uint64_t ms)
{
    struct ticker *t = ticker_new(ms, stop_loop, NULL);
    loop_run();
    ticker_free(t);
}

static void what_can_be_read_is_told_until_it_is(void **state)
{
    (void)state;
    it.stays = true;
    watch(true, false);
    assert_int_equal(write(it.ends[1], "x", 1), 1);
    run_for(1000);
    assert_int_equal(it.readable, 3);
    assert_int_equal(it.writable, 0);
}

static void only_what_is_wanted_is_told(void **state)
{
    (void)state;
    watch(true, true);
    poll_want(it.poll, false, true);
    assert_int_equal(write(it.ends[1], "x", 1), 1);
    run_for(1000);
    assert_int_equal(it.readable, 0);
    assert_int_equal(it.writable, 1);
}

static void wanting_nothing_is_quiet(void **state)
{
    (void)state;
    watch(true, true);
    poll_want(it.poll, false, false);
    assert_int_equal(write(it.ends[1], "x", 1), 1);
    run_for(50);
    assert_int_equal(it.readable + it.writable, 0);
}

static void the_end_of_the_peer_is_readable(void **state)
{
    (void)state;
    watch(true, false);
    shutdown(it.ends[1], SHUT_RDWR);
    run_for(1000);
    assert_true(it.readable > 0);
}

static void a_file_cannot_be_watched(void **state)
{
    (void)state;
    int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_null(poll_new(fd, ready, &it));
    close(fd);
    poll_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_can_be_read_is_told_until_it_is, begin, end),
        cmocka_unit_test_setup_teardown(only_what_is_wanted_is_told, begin, end),
        cmocka_unit_test_setup_teardown(wanting_nothing_is_quiet, begin, end),
        cmocka_unit_test_setup_teardown(the_end_of_the_peer_is_readable, begin, end),
        cmocka_unit_test_setup_teardown(a_file_cannot_be_watched, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
