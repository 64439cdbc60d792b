/* store/queue.c: one lock, one condition. */
#include "queue.h"

#include <signal.h>

void queue_init(struct queue *q, int most)
{
    pthread_mutex_init(&q->lock, NULL);
    pthread_cond_init(&q->arrived, NULL);
    list_init(&q->asks);
    q->most = most;
}

void queue_fini(struct queue *q)
{
    must(list_empty(&q->asks));
    pthread_cond_destroy(&q->arrived);
    pthread_mutex_destroy(&q->lock);
}

bool queue_put(struct queue *q, struct ask *ask)
{
    pthread_mutex_lock(&q->lock);
    bool room = q->count < q->most;
    bool wake = room && q->sleeping > 0;
    if (room) {
        list_push(&q->asks, &ask->node);
        q->count++;
    }
    if (wake)
        q->sleeping--; /* a burst wakes as many threads as it has asks, and no thread twice */
    pthread_mutex_unlock(&q->lock);
    if (wake)
        pthread_cond_signal(&q->arrived);
    return room;
}

bool queue_take(struct queue *q, struct list *out, int most)
{
    pthread_mutex_lock(&q->lock);
    while (list_empty(&q->asks) && !q->closed) {
        q->sleeping++;
        pthread_cond_wait(&q->arrived, &q->lock);
    }
    struct list *node;
    while (most-- > 0 && (node = list_take(&q->asks))) {
        list_push(out, node);
        q->count--;
    }
    pthread_mutex_unlock(&q->lock);
    return !list_empty(out);
}

void queue_close(struct queue *q)
{
    pthread_mutex_lock(&q->lock);
    q->closed = true;
    pthread_mutex_unlock(&q->lock);
    pthread_cond_broadcast(&q->arrived);
}

enum err thread_start(pthread_t *out, const char *name, void *(*run)(void *), void *arg)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(out, NULL, run, arg);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failed)
        return ERR_UNAVAILABLE;
    pthread_setname_np(*out, name);
    return OK;
}
