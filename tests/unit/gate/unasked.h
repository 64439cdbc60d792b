/* unasked.h: a store that takes changes, by who includes this, and is never asked. */
#ifndef GATE_UNASKED_H
#define GATE_UNASKED_H

#include "store/store.h"

/* The ring that the audit's keys come from reads none of its own. */
void store_ask(struct store *s, const struct stmt *stmt, const struct value *params,
               struct rows *out, struct wait *w)
{
    (void)s;
    (void)params;
    (void)out;
    (void)w;
    fail_msg("%s was asked", stmt->name);
}

#endif
