/* net/wait.c: the queue of waits that are answered, and the one through which other threads reach it. */
#include "net/wait.h"

#include "base/err.h"
#include "uvloop.h"

#include <pthread.h>

static struct list answered = { &answered, &answered };
static unsigned asked;

/* The only thing here that other threads touch. */
static struct {
    pthread_mutex_t lock;
    struct list waits;
} posted = { PTHREAD_MUTEX_INITIALIZER, { &posted.waits, &posted.waits } };

void wait_init(struct wait *w, wait_fn *wake)
{
    list_init(&w->node);
    w->wake = wake;
    w->open = false;
}

void wait_open(struct wait *w)
{
    must(!w->open);
    w->open = true;
    asked++;
}

void wait_done(struct wait *w)
{
    must(w->open);
    list_remove(&w->node);
    list_push(&answered, &w->node);
}

void wait_post(struct wait *w)
{
    must(w->open && list_empty(&w->node));
    pthread_mutex_lock(&posted.lock);
    list_push(&posted.waits, &w->node);
    pthread_mutex_unlock(&posted.lock);
    loop_nudge();
}

static void both_half(struct both *p)
{
    if (--p->open == 0)
        wait_done(p->whole);
}

static void first_here(struct wait *w)
{
    both_half(LIST_OF(w, struct both, first));
}

static void second_here(struct wait *w)
{
    both_half(LIST_OF(w, struct both, second));
}

void both_begin(struct both *p, struct wait *whole)
{
    *p = (struct both){ .whole = whole, .open = 2 };
    wait_init(&p->first, first_here);
    wait_init(&p->second, second_here);
    wait_open(whole);
}

void waits_collect(void)
{
    pthread_mutex_lock(&posted.lock);
    list_splice(&answered, &posted.waits);
    pthread_mutex_unlock(&posted.lock);
}

bool waits_pending(void)
{
    return !list_empty(&answered);
}

unsigned waits_open(void)
{
    return asked;
}

void waits_wake(unsigned most)
{
    struct list *node;
    while (most-- > 0 && (node = list_take(&answered))) {
        struct wait *w = LIST_OF(node, struct wait, node);
        w->open = false;
        asked--;
        w->wake(w); /* w may be gone, or asked again */
    }
}

void waits_forget(void)
{
    waits_collect();
    while (list_take(&answered))
        ;
    asked = 0;
}
