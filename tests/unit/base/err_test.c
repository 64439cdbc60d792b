#include "base/err.h"

#include "dies.h"
#include "unit.h"

static void every_error_has_a_row(void **state)
{
    (void)state;
    for (int e = OK; e < ERR_COUNT; e++) {
        const struct err_info *info = err_info((enum err)e);
        assert_true(e == OK ? info->status == 200 : info->status >= 400 && info->status <= 599);
        assert_true(info->text[strlen(info->text) - 1] == '.');
        for (const char *c = info->code; *c; c++)
            assert_true((*c >= 'a' && *c <= 'z') || *c == '_');
        for (int other = OK; other < e; other++)
            assert_string_not_equal(info->code, err_info((enum err)other)->code);
    }
    assert_string_equal(err_info(OK)->code, "ok");
}

static void the_rows_say_what_the_table_says(void **state)
{
    (void)state;
    assert_int_equal(err_info(ERR_TOKEN_EXPIRED)->status, 401);
    assert_string_equal(err_info(ERR_TOKEN_EXPIRED)->code, "token_expired");
    assert_int_equal(err_info(ERR_TOKEN_EXPIRED)->level, LOG_INFO);
    assert_int_equal(err_info(ERR_INTERNAL)->level, LOG_ERROR);
}

static void a_number_outside_the_table_is_internal(void **state)
{
    (void)state;
    assert_ptr_equal(err_info(ERR_COUNT), err_info(ERR_INTERNAL));
    assert_ptr_equal(err_info((enum err)(ERR_COUNT + 1)), err_info(ERR_INTERNAL));
}

static void break_a_rule(void)
{
    must(1 + 1 == 3);
}

static void keep_the_rule(void)
{
    must(1 + 1 == 2);
}

static void a_bug_ends_the_process_and_says_where(void **state)
{
    (void)state;
    int pipe_ends[2];
    char said[512] = "";
    assert_int_equal(pipe(pipe_ends), 0);
    assert_true(dies_saying(break_a_rule, pipe_ends[1]));
    assert_true(read(pipe_ends[0], said, sizeof(said) - 1) > 0);
    assert_non_null(strstr(said, "err_test.c:"));
    assert_non_null(strstr(said, "1 + 1 == 3"));
    close(pipe_ends[0]);
    close(pipe_ends[1]);

    assert_false(dies(keep_the_rule));
}

static enum err tried(enum err with, bool *went_on)
{
    *went_on = false;
    TRY(with);
    *went_on = true;
    return OK;
}

static void try_leaves_with_the_error(void **state)
{
    (void)state;
    bool went_on;
    assert_int_equal(tried(ERR_NOT_FOUND, &went_on), ERR_NOT_FOUND);
    assert_false(went_on);
    assert_int_equal(tried(OK, &went_on), OK);
    assert_true(went_on);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_error_has_a_row),
        cmocka_unit_test(the_rows_say_what_the_table_says),
        cmocka_unit_test(a_number_outside_the_table_is_internal),
        cmocka_unit_test(a_bug_ends_the_process_and_says_where),
        cmocka_unit_test(try_leaves_with_the_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
