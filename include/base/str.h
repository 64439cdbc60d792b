/* base/str.h: borrowed text (struct str) and text that grows in an arena (struct text).
 * A str never owns its bytes and need not end in NUL. A text composes; a failed allocation is sticky.
 */
#ifndef BASE_STR_H
#define BASE_STR_H

#include "base/arena.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct str {
    const char *p;
    size_t n;
};

#define STR(literal) ((struct str){ (literal), sizeof(literal) - 1 })
#define STR_NONE ((struct str){ NULL, 0 })
/* For printf: "%.*s", STR_ARG(s) */
#define STR_ARG(s) (int)(s).n, (s).p

static inline struct str str_of(const char *c)
{
    return (struct str){ c, c ? strlen(c) : 0 };
}

static inline bool str_eq(struct str a, struct str b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

static inline bool str_starts(struct str s, struct str prefix)
{
    return s.n >= prefix.n && (prefix.n == 0 || memcmp(s.p, prefix.p, prefix.n) == 0);
}

/* Equal but for ASCII case. */
bool str_ieq(struct str a, struct str b);
/* Without the ASCII blanks (space, tab) at both ends. */
struct str str_trim(struct str s);
/* Cuts the part before the first `sep` off *rest; false when *rest was used up (p == NULL). */
bool str_cut(struct str *rest, char sep, struct str *part);
/* Whether `word` is one of the words of "a|b|c". */
bool str_oneof(struct str word, const char *alternatives);
/* Decimal digits only, the whole string, within [min, max]. */
bool str_int(struct str s, int64_t min, int64_t max, int64_t *out);
/* Whether the bytes are valid UTF-8 (RFC 3629) without U+0000. */
bool str_utf8(struct str s);
/* Equal in constant time for equal lengths: for secrets. */
bool str_same_secret(struct str a, struct str b);

/* A copy in the arena, NUL behind it; p is NULL when memory is out. */
static inline struct str str_copy(struct arena *a, struct str s)
{
    return (struct str){ arena_copy(a, s.p, s.n), s.n };
}

/* Text under construction. Start with text_new; the bytes belong to the arena. */
struct text {
    struct arena *arena;
    char *p;
    size_t n, cap;
    bool failed;
};

struct text text_new(struct arena *a, size_t expect);
/* Room for n more bytes, to be written by the caller at the returned place and counted with t->n += ...; NULL when
 * memory is out. */
char *text_room(struct text *t, size_t n);
void text_add(struct text *t, struct str s);
void text_char(struct text *t, char c);
void text_int(struct text *t, int64_t value);
void text_printf(struct text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
#define text_lit(t, literal) text_add((t), STR(literal))

static inline struct str text_str(const struct text *t)
{
    return (struct str){ t->p, t->n };
}

#endif
