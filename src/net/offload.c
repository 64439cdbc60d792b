/* net/offload.c: threads that take jobs from one queue. They block all signals: those belong to the loop. */
#include "net/offload.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#define THREADS_MAX 64
#define NICE_MAX 19

struct offload {
    pthread_mutex_t lock;
    pthread_cond_t filled;
    struct list jobs;
    int most;        /* jobs that may wait or run */
    atomic_int load; /* that do */
    int nice;
    bool ending;
    int nthreads;
    pthread_t threads[];
};

/* The next job; NULL when none is left and the pool ends. */
static struct job *next_job(struct offload *pool)
{
    pthread_mutex_lock(&pool->lock);
    while (list_empty(&pool->jobs) && !pool->ending)
        pthread_cond_wait(&pool->filled, &pool->lock);
    struct list *node = list_take(&pool->jobs);
    pthread_mutex_unlock(&pool->lock);
    return node ? LIST_OF(node, struct job, node) : NULL;
}

static void *work(void *arg)
{
    struct offload *pool = arg;
    if (pool->nice > 0)
        setpriority(PRIO_PROCESS, (id_t)gettid(), pool->nice); /* Linux: of this thread alone */

    struct job *job;
    while ((job = next_job(pool))) {
        struct wait *wait = job->wait;
        job->run(job);

        atomic_fetch_sub(&pool->load, 1); /* first: whoever is woken may hand over the next job */
        wait_post(wait);
    }
    return NULL;
}

static bool start_threads(struct offload *pool, int threads)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    while (pool->nthreads < threads &&
           pthread_create(&pool->threads[pool->nthreads], NULL, work, pool) == 0)
        pool->nthreads++;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return pool->nthreads == threads;
}

struct offload *offload_new(int threads, int depth, int nice)
{
    must(threads >= 1 && threads <= THREADS_MAX && depth >= 0 && nice >= 0 && nice <= NICE_MAX);
    struct offload *pool = calloc(1, sizeof(*pool) + sizeof(pool->threads[0]) * (size_t)threads);
    if (!pool)
        return NULL;
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->filled, NULL);
    list_init(&pool->jobs);
    pool->most = threads + depth;
    pool->nice = nice;

    if (start_threads(pool, threads))
        return pool;
    offload_free(pool);
    return NULL;
}

void offload_free(struct offload *pool)
{
    if (!pool)
        return;
    pthread_mutex_lock(&pool->lock);
    pool->ending = true;
    pthread_cond_broadcast(&pool->filled);
    pthread_mutex_unlock(&pool->lock);

    for (int i = 0; i < pool->nthreads; i++)
        pthread_join(pool->threads[i], NULL);
    pthread_cond_destroy(&pool->filled);
    pthread_mutex_destroy(&pool->lock);
    free(pool);
}

enum err offload_run(struct offload *pool, struct job *job, struct wait *wait)
{
    if (atomic_load(&pool->load) >= pool->most)
        return ERR_BUSY; /* exact: nobody else adds */

    wait_open(wait);
    job->wait = wait;
    atomic_fetch_add(&pool->load, 1);
    pthread_mutex_lock(&pool->lock);
    list_push(&pool->jobs, &job->node);
    pthread_cond_signal(&pool->filled);
    pthread_mutex_unlock(&pool->lock);
    return OK;
}

int offload_load(const struct offload *pool)
{
    return atomic_load(&pool->load);
}
