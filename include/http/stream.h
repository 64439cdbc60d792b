/* http/stream.h: bodies that are never held whole, in either direction, within one walk of the pipeline.
 * The functions that WAIT are asks of the handler's own stage table: each is called again, or its `_got`, when the
 * walk is resumed. What has been read is bounded by the handler's piece and what a connection reads ahead (then it is
 * paused); what has been written, by one piece (then the walk waits until the socket has taken it).
 */
#ifndef HTTP_STREAM_H
#define HTTP_STREAM_H

#include "http/req.h"

#define STREAM_PIECE 65536 /* bytes that are read or written at once, at most */

/* ---- incoming: of an action with .stream ---- */

/* Instead of stage `body`: nothing is read yet, but what is declared too long is refused. */
enum verdict stream_accept(struct req *r);
/* Reads the next piece: WAITs until `room` bytes or the end of the body are here; resumed by stream_got. */
enum verdict stream_read(struct req *r, char *into, size_t room);
/* Denies when the body is too long, too slow, malformed, or its client has left. */
enum verdict stream_got(struct req *r);
/* Bytes of the piece that was read. */
size_t stream_piece(const struct req *r);
/* Nothing follows it. */
bool stream_whole(const struct req *r);

/* ---- outgoing ---- */

/* Declares that the reply composed so far goes on with `length` bytes that are not held; -1: until it ends, and the
 * connection with it. Enough for HEAD. */
void stream_reply(struct req *r, int64_t length);
/* Writes the head of that reply. May WAIT: call it again. From then on a denial cannot change the status: it ends
 * the connection. */
enum verdict stream_begin(struct req *r);
/* Writes a piece behind it. WAITs while the socket takes what was written before: call it again. */
enum verdict stream_write(struct req *r, struct str piece);
/* Whether the head has been written. */
bool stream_begun(const struct req *r);

/* WAITs until stream_wake, or until the client leaves. */
enum verdict stream_watch(struct req *r);
/* Whether it waits there. */
bool stream_watching(const struct req *r);
void stream_wake(struct req *r);

#endif
