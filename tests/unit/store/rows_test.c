#include "fixture.h"

#include "../../../src/store/result.h"

static const struct slot columns[] = {
    { "id", VALUE_UUID, false },  { "name", VALUE_TEXT, true }, { "n", VALUE_INT, true },
    { "ratio", VALUE_REAL, true }, { "raw", VALUE_BYTES, true }, { "yes", VALUE_BOOL, true },
};
static const struct stmt stmt = {
    .name = "test", .columns = columns, .ncolumns = 6, .rows = -1, .index = -1
};

static void add(struct rows *rows, int64_t n, struct str name)
{
    const struct value values[] = {
        { .type = VALUE_UUID, .uuid = id_of(n) }, { .type = VALUE_TEXT, .text = name },
        { .type = VALUE_INT, .i = n },            { .type = VALUE_REAL, .real = (double)n / 3 },
        { .type = VALUE_BYTES, .null = true },    { .type = VALUE_BOOL, .i = n & 1 },
    };
    assert_int_equal(rows_add(rows, values), OK);
}

static void check(const struct rows *rows, int64_t n, struct str name)
{
    struct uuid id = id_of(n), got = rows_uuid(rows, 0);
    assert_true(uuid_eq(&id, &got));
    assert_true(str_eq(rows_text(rows, 1), name));
    assert_int_equal(rows_int(rows, 2), n);
    assert_true(rows_value(rows, 3).real == (double)n / 3);
    assert_true(rows_null(rows, 4) && rows_text(rows, 4).n == 0);
    assert_int_equal(rows_int(rows, 5), n & 1);
}

static void no_rows_have_no_next(void **state)
{
    (void)state;
    struct rows rows = { .stmt = &stmt };
    assert_false(rows_next(&rows));
    rows_fini(&rows);
    assert_null(rows.stmt);
    rows_fini(&rows);
}

static void rows_come_in_order_and_end(void **state)
{
    (void)state;
    struct rows rows = { .stmt = &stmt };
    add(&rows, 1, STR("one"));
    add(&rows, INT64_MIN, STR(""));
    add(&rows, -3, STR("h\xc3\xa9"));
    assert_int_equal(rows.count, 3);
    assert_null(rows.row);
    assert_true(rows_next(&rows));
    check(&rows, 1, STR("one"));
    assert_true(rows_next(&rows));
    check(&rows, INT64_MIN, STR(""));
    assert_true(rows_next(&rows));
    check(&rows, -3, STR("h\xc3\xa9"));
    assert_false(rows_next(&rows));
    assert_false(rows_next(&rows));
    rows_fini(&rows);
}

static void empty_text_is_not_null(void **state)
{
    (void)state;
    struct rows rows = { .stmt = &stmt };
    add(&rows, 1, STR(""));
    assert_true(rows_next(&rows));
    assert_false(rows_null(&rows, 1));
    assert_true(rows_null(&rows, 4));
    rows_fini(&rows);
}

static void many_rows_outgrow_a_block(void **state)
{
    (void)state;
    static char big[100000];
    memset(big, 'x', sizeof(big));
    struct str text = { big, sizeof(big) };
    for (int round = 0; round < 2; round++) { /* the second meets blocks that were kept */
        struct rows rows = { .stmt = &stmt };
        for (int n = 0; n < 40; n++)
            add(&rows, n, n % 10 ? STR("short") : text);
        for (int n = 0; n < 40; n++) {
            assert_true(rows_next(&rows));
            check(&rows, n, n % 10 ? STR("short") : text);
        }
        assert_false(rows_next(&rows));
        rows_fini(&rows);
    }
}

static void a_row_can_be_moved_to_an_odd_address(void **state)
{
    (void)state;
    struct rows rows = { .stmt = &stmt }, moved;
    add(&rows, 1, STR("first"));
    add(&rows, 2, STR("second"));
    assert_true(rows_next(&rows) && rows_next(&rows));
    struct str bytes = rows_bytes(&rows);
    char *copy = malloc(bytes.n + 1);
    memcpy(copy + 1, bytes.p, bytes.n);
    rows_fini(&rows);

    assert_true(rows_attach(&moved, &stmt, (struct str){ copy + 1, bytes.n }));
    assert_int_equal(moved.count, 1);
    check(&moved, 2, STR("second"));
    assert_false(rows_next(&moved));
    check(&moved, 2, STR("second"));
    rows_fini(&moved);
    free(copy);
}

static void what_is_no_row_of_the_statement_is_not_attached(void **state)
{
    (void)state;
    static const struct stmt fewer = {
        .name = "fewer", .columns = columns, .ncolumns = 5, .rows = -1, .index = -1
    };
    struct rows rows = { .stmt = &stmt }, out = { .count = 7 };
    add(&rows, 1, STR(""));
    assert_true(rows_next(&rows));
    struct str whole = rows_bytes(&rows);
    char *longer = calloc(1, whole.n + 1);
    memcpy(longer, whole.p, whole.n);

    assert_false(rows_attach(&out, &fewer, whole));
    assert_false(rows_attach(&out, &stmt, (struct str){ longer, whole.n + 1 }));
    for (size_t n = 0; n < whole.n; n++) {
        char *cut = malloc(n ? n : 1); /* of its own, so that the sanitizer sees a read behind it */
        uint32_t size = (uint32_t)n;
        memcpy(cut, whole.p, n);
        assert_false(rows_attach(&out, &stmt, (struct str){ cut, n }));
        if (n >= sizeof(size) && n < 16 + 8 * 6) { /* the head says so, but there is no room for its columns */
            memcpy(cut, &size, sizeof(size));
            assert_false(rows_attach(&out, &stmt, (struct str){ cut, n }));
        }
        free(cut);
    }
    assert_int_equal(out.count, 7);
    assert_true(rows_attach(&out, &stmt, whole));
    check(&out, 1, STR(""));
    free(longer);
    rows_fini(&rows);
}

static void the_same_row_is_the_same_bytes(void **state)
{
    (void)state;
    struct rows a = { .stmt = &stmt }, b = { .stmt = &stmt };
    add(&b, 9, STR("fill the block with something else first"));
    rows_clear(&b);
    assert_int_equal(b.count, 0);
    add(&a, 5, STR("abc"));
    add(&b, 5, STR("abc"));
    assert_int_equal(a.size, b.size);
    assert_memory_equal(a.bytes, b.bytes, a.size);
    rows_fini(&a);
    rows_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_rows_have_no_next),
        cmocka_unit_test(rows_come_in_order_and_end),
        cmocka_unit_test(empty_text_is_not_null),
        cmocka_unit_test(many_rows_outgrow_a_block),
        cmocka_unit_test(a_row_can_be_moved_to_an_odd_address),
        cmocka_unit_test(what_is_no_row_of_the_statement_is_not_attached),
        cmocka_unit_test(the_same_row_is_the_same_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
