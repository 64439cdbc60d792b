/* Fuzzes trace_read: what it accepts is plain, and stands in the value where the recommendation puts it. */
#include "http/trace.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_digits(struct str digits, size_t n)
{
    bool zeros = true;
    must(digits.n == n);
    for (size_t i = 0; i < n; i++) {
        must(digits.p[i] && memchr("0123456789abcdef", digits.p[i], 16));
        zeros = zeros && digits.p[i] == '0';
    }
    must(!zeros);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str value = { (const char *)data, size };
    struct trace t;
    if (!trace_read(value, &t))
        return 0;
    must(size == 55 && t.id.p == value.p + 3 && t.parent.p == value.p + 36);
    must(memcmp(data, "00-", 3) == 0 && data[35] == '-' && data[52] == '-');
    check_digits(t.id, TRACE_ID);
    check_digits(t.parent, TRACE_SPAN);
    return 0;
}
