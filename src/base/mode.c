#include "base/mode.h"

#include <stdatomic.h>

struct shared_mode {
    _Atomic int mode;
};

static struct shared_mode alone; /* a process without a segment */
static struct shared_mode *shared = &alone;

size_t mode_size(void)
{
    return sizeof(struct shared_mode);
}

void mode_init(void *part)
{
    shared = part;
}

enum mode mode_now(void)
{
    return (enum mode)atomic_load_explicit(&shared->mode, memory_order_acquire);
}

void mode_set(enum mode mode)
{
    atomic_store_explicit(&shared->mode, (int)mode, memory_order_release);
}

const char *mode_name(enum mode mode)
{
    static const char *const names[] = { "normal", "read_only", "lockdown" };
    return names[mode];
}
