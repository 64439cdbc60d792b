/* Fuzzes sniff: it reads nothing behind the bytes, knows one answer for the same bytes, and calls nothing text that
 * holds a byte which text has not. */
#include "api/sniff.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t n = size < SNIFF_BYTES ? size : SNIFF_BYTES;
    char *copy = malloc(n ? n : 1); /* of its size, so that ASan sees who reads on */
    if (!copy)
        return 0;
    if (n)
        memcpy(copy, data, n);
    struct str begin = { copy, n };
    for (int whole = 0; whole <= 1; whole++) {
        struct str type = str_of(sniff(begin, whole));
        bool text = str_starts(type, STR("text/")) || str_eq(type, STR("application/json"));
        if (!str_eq(type, str_of(sniff(begin, whole))))
            abort();
        if (text && (n == 0 || memchr(copy, '\0', n) || sniff_inline(type)))
            abort();
        if (text && whole && !str_utf8(begin))
            abort();
    }
    free(copy);
    return 0;
}
