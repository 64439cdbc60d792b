#include "base/shm.h"

#include <sys/mman.h>
#include <unistd.h>

#define LINE ((size_t)64) /* of the processor's cache */

static struct {
    char *base;
    size_t size, used;
} segment;

enum err shm_init(size_t size)
{
    must(!segment.base);
    int fd = memfd_create("gatehouse", MFD_CLOEXEC);
    if (fd < 0)
        return ERR_NO_MEMORY;

    void *base = MAP_FAILED;
    if (ftruncate(fd, (off_t)size) == 0)
        base = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (base == MAP_FAILED)
        return ERR_NO_MEMORY;

    segment.base = base;
    segment.size = size;
    segment.used = 0;
    return OK;
}

void *shm_carve(size_t size)
{
    must(segment.base && size <= segment.size - segment.used);
    void *part = segment.base + segment.used;

    size_t rounded = (size + LINE - 1) & ~(LINE - 1), left = segment.size - segment.used;
    segment.used += rounded < left ? rounded : left;
    return part;
}

void shm_fini(void)
{
    if (segment.base)
        munmap(segment.base, segment.size);
    segment.base = NULL;
    segment.size = segment.used = 0;
}
