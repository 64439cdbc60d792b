/* route/media.h: where the bytes of media lie: under MEDIA_DIR by generated names, in folders of two levels; what is
 * still being received, in the folder `tmp`. Nothing that a client sent is ever part of a path.
 */
#ifndef ROUTE_MEDIA_H
#define ROUTE_MEDIA_H

#include "base/str.h"
#include "net/file.h"

#define MEDIA_NAME 32 /* lower-case hexadecimal digits */

/* A new name, with a NUL. */
void media_name(char out[MEDIA_NAME + 1]);
/* MEDIA_DIR; false when its path is too long for what lies in it. */
bool media_root(char out[FILE_PATH]);
/* Where that name lies for good; false when it is no name. */
bool media_path(struct str name, char out[FILE_PATH]);
/* Where it lies while it is received. */
bool media_unfinished(struct str name, char out[FILE_PATH]);
bool media_is_name(struct str name);
/* At start: makes MEDIA_DIR and its folder `tmp` (0700), and proves that a file can be made there. A complaint with
 * the reason goes to `why`. */
enum err media_prepare(char *why, size_t why_size) CHECKED;

#endif
