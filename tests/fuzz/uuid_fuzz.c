/* Fuzzes uuid_parse: what it accepts has one text in lower case, and that is the input's. */
#include "base/uuid.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str input = { (const char *)data, size };
    struct uuid id, again;
    char text[UUID_TEXT];

    if (!uuid_parse(input, &id))
        return 0;
    uuid_format(&id, text);
    if (!str_ieq(input, (struct str){ text, UUID_TEXT }))
        abort();
    if (!uuid_parse((struct str){ text, UUID_TEXT }, &again) || !uuid_eq(&id, &again))
        abort();
    if (uuid_acceptable(&id) && uuid_nil(&id))
        abort();
    return 0;
}
