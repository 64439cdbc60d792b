#include "../../../src/base/fork.h"

#include "unit.h"

#include <sys/wait.h>
#include <unistd.h>

static void each_generation_knows_its_number(void **state)
{
    (void)state;
    assert_int_equal(fork_count(), 0);
    pid_t child = fork();
    if (child == 0) {
        pid_t grandchild = fork();
        if (grandchild == 0)
            _exit((int)fork_count());
        int status;
        waitpid(grandchild, &status, 0);
        _exit(fork_count() == 1 ? WEXITSTATUS(status) : 99);
    }
    int status;
    waitpid(child, &status, 0);
    assert_int_equal(WEXITSTATUS(status), 2);
    assert_int_equal(fork_count(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_generation_knows_its_number),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
