/* Fuzzes signature_read: what it accepts is not in force under a key that it was not made with, and written again is
 * read as the same. */
#include "gate/signature.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t key[32] = { 1, 2, 3 };
    struct str query = { (const char *)data, size };
    struct signature s, again;
    struct uuid id = { { 7 } };
    const char *reason = NULL;
    struct arena arena = { 0 };

    signature_given(query);
    if (!signature_read(query, &s))
        return 0;
    if (signature_holds(&s, key, GET, &id, 0, &reason) || !reason)
        abort();
    struct text t = text_new(&arena, 400);
    signature_write(&t, &s, key, GET, &id);
    if (!signature_read(text_str(&t), &again) || again.expires != s.expires ||
        again.version != s.version || !uuid_eq(&again.signer, &s.signer))
        abort();
    if (s.expires > 0 && !signature_holds(&again, key, GET, &id, 0, &reason))
        abort();
    arena_reset(&arena);
    return 0;
}
