/* store/queue.h: asks on their way from the loop to an engine's threads: bounded, in order. */
#ifndef STORE_QUEUE_H
#define STORE_QUEUE_H

#include "ask.h"

#include <pthread.h>

struct queue {
    pthread_mutex_t lock;
    pthread_cond_t arrived;
    struct list asks;
    int count, most;
    int sleeping; /* threads to be woken; who wakes one counts it off */
    bool closed;
};

void queue_init(struct queue *q, int most);
void queue_fini(struct queue *q);
/* False when `most` wait already. */
bool queue_put(struct queue *q, struct ask *ask);
/* Waits for asks and moves up to `most` to out; false when the queue is closed and empty. */
bool queue_take(struct queue *q, struct list *out, int most);
/* No ask comes any more: takers return when nothing is left. */
void queue_close(struct queue *q);

/* A thread of an engine: named, and deaf to signals, which are the loop's. */
enum err thread_start(pthread_t *out, const char *name, void *(*run)(void *), void *arg) CHECKED;

#endif
