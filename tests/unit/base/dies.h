/* dies.h: whether a call ends the process as a bug does. */
#ifndef TESTS_DIES_H
#define TESTS_DIES_H

#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/wait.h>
#include <unistd.h>

/* Runs f in a child, its standard error into `said` (a descriptor, or -1 for nowhere); true when it aborts. */
static inline bool dies_saying(void (*f)(void), int said)
{
    pid_t child = fork();
    if (child == 0) {
        signal(SIGABRT, SIG_DFL); /* cmocka would catch it */
        dup2(said >= 0 ? said : open("/dev/null", O_WRONLY), STDERR_FILENO);
        f();
        _exit(0);
    }
    int status;
    waitpid(child, &status, 0);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

static inline bool dies(void (*f)(void))
{
    return dies_saying(f, -1);
}

#endif
