/* store/migrate.h: what the migrations of both engines have in common. Blocking. */
#ifndef STORE_MIGRATE_H
#define STORE_MIGRATE_H

#include "store/store.h"

#define MIGRATE_PATIENCE 60 /* seconds that a step waits for its turn */

struct migration;
typedef void says_fn(const char *line);

/* Tells "WHAT: WHY" on one line; says may be NULL. */
void migrate_say(says_fn *says, const char *what, const char *why);
void migrate_say_applied(says_fn *says, const struct migration *m);
/* Whether this program knows the schema of that number; else `why` is told. */
enum err migrate_known(int number, char *why, size_t size) CHECKED;

/* As in store/store.h, for PostgreSQL. */
enum err postgres_migrate(const char *where, says_fn *says) CHECKED;
enum err postgres_schema(const char *where, int *database) CHECKED;

#endif
