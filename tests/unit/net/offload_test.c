#include "net/offload.h"

#include "unit.h"

#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/resource.h>

#define JOBS 200

struct task {
    struct job job;
    struct counted counted;
    pthread_t ran_on;
    int nice, runs;
    sigset_t blocked;
};

static struct task tasks[JOBS];
static sem_t gate; /* lets held jobs go on */

static void look_around(struct job *job)
{
    struct task *t = LIST_OF(job, struct task, job);
    t->ran_on = pthread_self();
    t->nice = getpriority(PRIO_PROCESS, 0);
    pthread_sigmask(SIG_SETMASK, NULL, &t->blocked);
    t->runs++;
}

static void hold(struct job *job)
{
    LIST_OF(job, struct task, job)->runs++;
    sem_wait(&gate);
}

static void task_init(struct task *t, void (*run)(struct job *job), int *left)
{
    memset(t, 0, sizeof(*t));
    t->job.run = run;
    counted_init(&t->counted, left);
}

static enum err run(struct offload *pool, struct task *t)
{
    return offload_run(pool, &t->job, &t->counted.wait);
}

static void jobs_run_elsewhere_and_wake_here(void **state)
{
    (void)state;
    int left = JOBS;
    struct offload *pool = offload_new(4, JOBS, 0);
    assert_non_null(pool);
    for (int i = 0; i < JOBS; i++) {
        task_init(&tasks[i], look_around, &left);
        assert_int_equal(run(pool, &tasks[i]), OK);
    }
    loop_run();
    for (int i = 0; i < JOBS; i++) {
        assert_int_equal(tasks[i].runs, 1);
        assert_int_equal(tasks[i].counted.woken, 1);
        assert_false(pthread_equal(tasks[i].ran_on, pthread_self()));
    }
    assert_int_equal(offload_load(pool), 0);
    offload_free(pool);
}

static void one_more_than_running_and_waiting_is_refused(void **state)
{
    (void)state;
    int left = 5;
    sem_init(&gate, 0, 0);
    struct offload *pool = offload_new(2, 3, 0);
    for (int i = 0; i < 6; i++) {
        task_init(&tasks[i], hold, &left);
        assert_int_equal(run(pool, &tasks[i]), i < 5 ? OK : ERR_BUSY);
    }
    assert_int_equal(offload_load(pool), 5);
    assert_false(tasks[5].counted.wait.open);

    for (int i = 0; i < 5; i++)
        sem_post(&gate);
    loop_run();
    assert_int_equal(tasks[5].runs, 0);
    assert_int_equal(tasks[4].counted.woken, 1);
    assert_int_equal(offload_load(pool), 0);
    offload_free(pool);
    sem_destroy(&gate);
}

static struct offload *narrow;

static void hand_over_again(struct wait *w)
{
    struct counted *c = LIST_OF(w, struct counted, wait);
    c->woken++;
    if (--*c->left == 0)
        loop_stop();
    else
        must(offload_run(narrow, &LIST_OF(c, struct task, counted)->job, w) == OK);
}

/* Its place is free before the wake. */
static void a_pool_without_a_queue_takes_the_next_job_in_a_wake(void **state)
{
    (void)state;
    int left = 100;
    narrow = offload_new(1, 0, 0);
    task_init(&tasks[0], look_around, &left);
    tasks[0].counted.wait.wake = hand_over_again;
    assert_int_equal(run(narrow, &tasks[0]), OK);
    loop_run();
    assert_int_equal(tasks[0].runs, 100);
    offload_free(narrow);
}

static void freeing_drops_no_accepted_job(void **state)
{
    (void)state;
    int left = 20;
    struct offload *pool = offload_new(1, 20, 0);
    for (int i = 0; i < 20; i++) {
        task_init(&tasks[i], look_around, &left);
        assert_int_equal(run(pool, &tasks[i]), OK);
    }
    offload_free(pool);
    for (int i = 0; i < 20; i++)
        assert_int_equal(tasks[i].runs, 1);
    loop_run();
    assert_int_equal(left, 0);
    offload_free(NULL);
}

static void threads_are_nice_and_take_no_signals(void **state)
{
    (void)state;
    int left = 1;
    int nice_here = getpriority(PRIO_PROCESS, 0);
    struct offload *pool = offload_new(1, 1, 10);
    task_init(&tasks[0], look_around, &left);
    assert_int_equal(run(pool, &tasks[0]), OK);
    loop_run();
    offload_free(pool);
    assert_int_equal(tasks[0].nice, nice_here > 10 ? nice_here : 10);
    assert_int_equal(getpriority(PRIO_PROCESS, 0), nice_here);
    assert_true(sigismember(&tasks[0].blocked, SIGTERM));
    assert_true(sigismember(&tasks[0].blocked, SIGHUP));

    sigset_t here;
    pthread_sigmask(SIG_SETMASK, NULL, &here);
    assert_false(sigismember(&here, SIGTERM));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        test_on_loop(jobs_run_elsewhere_and_wake_here),
        test_on_loop(one_more_than_running_and_waiting_is_refused),
        test_on_loop(a_pool_without_a_queue_takes_the_next_job_in_a_wake),
        test_on_loop(freeing_drops_no_accepted_job),
        test_on_loop(threads_are_nice_and_take_no_signals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
