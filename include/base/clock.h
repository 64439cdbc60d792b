/* base/clock.h: the two clocks. Times are int64 microseconds: wall time since 1970-01-01 UTC, monotonic since boot.
 * The loop reads both once a turn (clock_tick); code on the loop uses the remembered values.
 */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include "base/str.h"

#include <stdint.h>

#define SECOND ((int64_t)1000000)
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)

/* Reads both clocks and remembers them for clock_wall and clock_mono. */
void clock_tick(void);
/* As of the last tick of this process. */
int64_t clock_wall(void);
int64_t clock_mono(void);
/* Now, by a system call (vDSO); for threads and for timing a stage. */
int64_t clock_wall_now(void);
int64_t clock_mono_now(void);

#define CLOCK_RFC3339 27 /* "2026-11-20T12:34:56.123456Z" */
/* Writes CLOCK_RFC3339 bytes, no NUL. RFC 3339, UTC, microseconds; years 1970 to 9999. */
void clock_format(int64_t wall, char out[CLOCK_RFC3339]);
/* Reads an RFC 3339 date-time with any offset; false when it is not one or lies outside 1970 to 9999. */
bool clock_parse(struct str text, int64_t *wall);

#define CLOCK_HTTP 29 /* "Sun, 06 Nov 1994 08:49:37 GMT" */
/* Writes CLOCK_HTTP bytes, no NUL: IMF-fixdate (RFC 9110 section 5.6.7). */
void clock_http(int64_t wall, char out[CLOCK_HTTP]);

#endif
