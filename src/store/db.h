/* store/db.h: one connection to a SQLite database, used by one thread at a time.
 * Statements are prepared at first use and kept. Whatever is asked of it is given up at `deadline`.
 */
#ifndef STORE_DB_H
#define STORE_DB_H

#include "store/store.h"

#include <sqlite3.h>

#define DB_SAYS 160
#define DB_APPLICATION 0x47544853 /* "GTHS", in the header of our files */

/* What a writer says between statements. */
enum db_word { DB_BEGIN, DB_COMMIT, DB_ROLLBACK, DB_SAVE, DB_RELEASE, DB_UNDO, DB_WORDS };

struct db {
    sqlite3 *handle;
    sqlite3_stmt **prepared; /* by stmt->index */
    sqlite3_stmt *words[DB_WORDS];
    int64_t deadline;        /* monotonic microseconds */
    int code;                /* SQLite's extended code of the last failure */
    char says[DB_SAYS];      /* its text; holds names of tables and columns, no values */
};

enum db_use { DB_READS, DB_WRITES };

/* Opens an existing file, makes sure of synchronous=FULL, and (a writer) turns it to WAL. On
 * failure says tells. To be closed in either case. */
enum err db_open(struct db *db, const char *path, enum db_use use) CHECKED;
void db_close(struct db *db);

/* Runs one statement to its end and looks at what it expects. rows (may be NULL) receives its rows,
 * *changed how many it changed. */
enum err db_run(struct db *db, const struct stmt *stmt, const struct value *params,
                struct rows *rows, int64_t *changed) CHECKED;
/* Runs SQL without parameters; the first column of the first row, if any, goes to *number. */
enum err db_text(struct db *db, const char *sql, int64_t *number) CHECKED;
enum err db_say(struct db *db, enum db_word word) CHECKED;
/* Whether a transaction is open; some failures end it. */
bool db_inside(const struct db *db);
/* Rolls back what is open; code and says go on telling of the failure before. */
void db_rollback(struct db *db);

#endif
