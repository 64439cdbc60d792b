#include "base/random.h"

#include "dies.h"
#include "unit.h"

#include <pthread.h>

static void every_size_is_filled(void **state)
{
    (void)state;
    static uint8_t out[3000];
    for (size_t n = 1; n < sizeof(out) - 1; n += n < 40 ? 1 : 97) {
        uint8_t seen = 0;
        memset(out, 0, sizeof(out));
        for (int draw = 0; draw < 20; draw++) { /* each byte is 0 twenty times once in 2^160 */
            random_bytes(out, n);
            seen |= out[n - 1];
        }
        assert_int_not_equal(seen, 0);
        assert_int_equal(out[n], 0);
    }
    random_bytes(NULL, 0);
}

static void batches_do_not_repeat(void **state)
{
    (void)state;
    static uint64_t drawn[4096];
    for (size_t i = 0; i < COUNT(drawn); i++) {
        random_bytes(&drawn[i], sizeof(drawn[i]));
        for (size_t j = 0; j < i; j++)
            assert_true(drawn[i] != drawn[j]);
    }
}

static void a_child_does_not_repeat_its_parent(void **state)
{
    (void)state;
    int pipe_ends[2];
    uint8_t mine[64], its[64];
    assert_int_equal(pipe(pipe_ends), 0);
    random_bytes(mine, 1); /* now there is a batch to inherit */

    pid_t child = fork();
    random_bytes(mine, sizeof(mine));
    if (child == 0)
        _exit(write(pipe_ends[1], mine, sizeof(mine)) == sizeof(mine) ? 0 : 1);
    assert_int_equal(read(pipe_ends[0], its, sizeof(its)), sizeof(its));
    waitpid(child, NULL, 0);
    assert_memory_not_equal(mine, its, sizeof(mine));
    close(pipe_ends[0]);
    close(pipe_ends[1]);
}

static void *draw_many(void *out)
{
    uint64_t *drawn = out;
    for (int i = 0; i < 2000; i++)
        random_bytes(&drawn[i], sizeof(drawn[i]));
    return NULL;
}

static void threads_draw_apart(void **state)
{
    (void)state;
    static uint64_t drawn[2][2000];
    pthread_t threads[2];
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, draw_many, drawn[i]), 0);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < 2000; i++)
        for (int j = 0; j < 2000; j++)
            assert_true(drawn[0][i] != drawn[1][j]);
}

static void below_is_below_and_even(void **state)
{
    (void)state;
    static const uint32_t some[] = { 1, 2, 3, 1000, 0x80000001u, UINT32_MAX };
    for (size_t i = 0; i < COUNT(some); i++)
        for (int draw = 0; draw < 1000; draw++)
            assert_true(random_below(some[i]) < some[i]);

    int count[6] = { 0 };
    for (int i = 0; i < 60000; i++)
        count[random_below(6)]++;
    for (int i = 0; i < 6; i++)
        assert_in_range(count[i], 9300, 10700); /* over seven standard deviations */

    /* 2^32 mod 3 * 2^30 is 2^30: plain scaling would give a third of the values twice the chance. */
    int low = 0;
    for (int i = 0; i < 30000; i++)
        low += random_below(3u << 30) % 3 == 0;
    assert_in_range(low, 9400, 10600);
}

static void below_nothing(void)
{
    random_below(0);
}

static void below_zero_is_a_bug(void **state)
{
    (void)state;
    assert_true(dies(below_nothing));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_size_is_filled),
        cmocka_unit_test(batches_do_not_repeat),
        cmocka_unit_test(a_child_does_not_repeat_its_parent),
        cmocka_unit_test(threads_draw_apart),
        cmocka_unit_test(below_is_below_and_even),
        cmocka_unit_test(below_zero_is_a_bug),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
