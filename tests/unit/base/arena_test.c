#include "base/arena.h"

#include "nomem.h"
#include "unit.h"

static int tidy(void **state)
{
    (void)state;
    nomem_after(-1);
    arena_trim();
    return arena_held() == 0 ? 0 : -1;
}

static void allocations_are_aligned_and_apart(void **state)
{
    (void)state;
    struct arena a = { 0 };
    char *seen[200];
    for (size_t i = 0; i < COUNT(seen); i++) {
        seen[i] = arena_alloc(&a, i);
        assert_non_null(seen[i]);
        assert_int_equal((uintptr_t)seen[i] % _Alignof(max_align_t), 0);
        memset(seen[i], (int)i, i);
    }
    for (size_t i = 0; i < COUNT(seen); i++)
        for (size_t j = 0; j < i; j++)
            assert_int_equal((unsigned char)seen[i][j], i);
    assert_true(arena_held() > 0);
    arena_reset(&a);
    assert_null(a.blocks);
}

static void sizes_around_a_block(void **state)
{
    (void)state;
    struct arena a = { 0 };
    for (size_t n = ARENA_BLOCK - 64; n < ARENA_BLOCK + 64; n++) {
        char *p = arena_alloc(&a, n), *q = arena_alloc(&a, 8);
        assert_true(p && q);
        memset(p, 1, n);
        memset(q, 2, 8);
        assert_int_equal(p[n - 1], 1);
    }
    arena_reset(&a);
}

static void zero_is_zero_in_used_memory(void **state)
{
    (void)state;
    struct arena a = { 0 };
    memset(arena_alloc(&a, 4000), 0xff, 4000);
    arena_reset(&a);
    const char *p = arena_zero(&a, 4000);
    for (int i = 0; i < 4000; i++)
        assert_int_equal(p[i], 0);
    arena_reset(&a);
}

static void a_copy_ends_in_nul(void **state)
{
    (void)state;
    struct arena a = { 0 };
    assert_string_equal(arena_copy(&a, "abcdef", 3), "abc");
    assert_string_equal(arena_copy(&a, NULL, 0), "");
    arena_reset(&a);
}

static void growing_keeps_the_bytes(void **state)
{
    (void)state;
    struct arena a = { 0 };
    char *p = arena_grow(&a, NULL, 0, 10);
    memcpy(p, "0123456789", 10);
    size_t size = 10;
    for (size_t next = 20; next < 200000; next = next * 3 / 2) {
        p = arena_grow(&a, p, size, next);
        assert_memory_equal(p, "0123456789", 10);
        memset(p + 10, 'x', next - 10);
        if (next % 2)
            arena_alloc(&a, 1); /* now it is no longer the last */
        size = next;
    }
    assert_ptr_equal(arena_grow(&a, p, size, size - 1), p);
    arena_reset(&a);
}

#ifndef ARENA_GUARD
static void the_last_allocation_grows_in_place(void **state)
{
    (void)state;
    struct arena a = { 0 };
    char *p = arena_alloc(&a, 10);
    assert_ptr_equal(arena_grow(&a, p, 10, 500), p);
    char *q = arena_alloc(&a, 10);
    assert_true(q >= p + 500);
    assert_ptr_not_equal(arena_grow(&a, p, 500, 600), p);
    arena_reset(&a);
}

static void a_growing_large_one_is_held_once(void **state)
{
    (void)state;
    struct arena a = { 0 };
    arena_alloc(&a, 10);
    char *p = arena_alloc(&a, 100000);
    for (size_t size = 100000; size < 10000000; size += 100000)
        p = arena_grow(&a, p, size, size + 100000);
    memset(p, 1, 10000000);
    assert_true(arena_held() < 10000000 + 4 * ARENA_BLOCK);
    arena_reset(&a);
}

static void blocks_are_used_again_and_few_are_kept(void **state)
{
    (void)state;
    struct arena a = { 0 };
    void *first = arena_alloc(&a, 100);
    arena_reset(&a);
    nomem_after(0);
    assert_ptr_equal(arena_alloc(&a, 100), first);
    assert_false(nomem_happened());
    nomem_after(-1);

    for (int i = 0; i < 2000; i++)
        arena_alloc(&a, 6000);
    assert_true(arena_held() >= (size_t)2000 * ARENA_BLOCK);
    arena_reset(&a);
    assert_int_equal(arena_held(), (size_t)256 * ARENA_BLOCK);
    arena_trim();
    assert_int_equal(arena_held(), 0);
}

static void large_ones_are_not_kept(void **state)
{
    (void)state;
    struct arena a = { 0 };
    arena_alloc(&a, 1000000);
    arena_reset(&a);
    assert_int_equal(arena_held(), 0);
}
#endif

static void a_refusal_is_remembered_until_the_reset(void **state)
{
    (void)state;
    struct arena a = { 0 };
    nomem_after(0);
    assert_null(arena_alloc(&a, 1));
    assert_true(a.failed);
    nomem_after(-1);
    assert_non_null(arena_alloc(&a, 1));
    assert_true(a.failed);
    arena_reset(&a);
    assert_false(a.failed);
}

static void every_way_to_allocate_survives_no_memory(void **state)
{
    (void)state;
    struct arena a = { 0 };
    char *p = arena_alloc(&a, 5);
    char *large = arena_alloc(&a, 50000);
    memcpy(large, "kept", 4);
    memcpy(p, "four", 5);

    nomem_after(0);
    assert_null(arena_alloc(&a, 50000));
    assert_null(arena_zero(&a, 50000));
    assert_null(arena_copy(&a, large, 50000));
    assert_null(arena_grow(&a, large, 50000, 90000));
    assert_null(arena_grow(&a, p, 5, 90000));
    assert_memory_equal(large, "kept", 4);
    assert_string_equal(p, "four");
    nomem_after(-1);
    arena_reset(&a);
}

static void impossible_sizes_are_refused(void **state)
{
    (void)state;
    static const size_t sizes[] = { SIZE_MAX,      SIZE_MAX - 1,  SIZE_MAX - 15,
                                    SIZE_MAX - 16, SIZE_MAX - 64, PTRDIFF_MAX };
    for (size_t i = 0; i < COUNT(sizes); i++) {
        struct arena a = { 0 };
        void *p = arena_alloc(&a, 100), *large = arena_alloc(&a, 100000);
        assert_null(arena_alloc(&a, sizes[i]));
        assert_null(arena_grow(&a, p, 100, sizes[i]));
        assert_null(arena_grow(&a, large, 100000, sizes[i]));
        assert_null(arena_copy(&a, p, sizes[i]));
        assert_true(a.failed);
        arena_reset(&a);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(allocations_are_aligned_and_apart, tidy),
        cmocka_unit_test_teardown(sizes_around_a_block, tidy),
        cmocka_unit_test_teardown(zero_is_zero_in_used_memory, tidy),
        cmocka_unit_test_teardown(a_copy_ends_in_nul, tidy),
        cmocka_unit_test_teardown(growing_keeps_the_bytes, tidy),
#ifndef ARENA_GUARD
        cmocka_unit_test_teardown(the_last_allocation_grows_in_place, tidy),
        cmocka_unit_test_teardown(a_growing_large_one_is_held_once, tidy),
        cmocka_unit_test_teardown(blocks_are_used_again_and_few_are_kept, tidy),
        cmocka_unit_test_teardown(large_ones_are_not_kept, tidy),
#endif
        cmocka_unit_test_teardown(a_refusal_is_remembered_until_the_reset, tidy),
        cmocka_unit_test_teardown(every_way_to_allocate_survives_no_memory, tidy),
        cmocka_unit_test_teardown(impossible_sizes_are_refused, tidy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
