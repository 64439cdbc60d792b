#include "base/str.h"

#include "digits.h"
#include "utf8.h"

#include <stdarg.h>
#include <stdio.h>

#define TEXT_LEAST 64

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

bool str_ieq(struct str a, struct str b)
{
    if (a.n != b.n)
        return false;
    if (str_eq(a, b)) /* mostly */
        return true;
    for (size_t i = 0; i < a.n; i++)
        if (lower(a.p[i]) != lower(b.p[i]))
            return false;
    return true;
}

static bool blank(char c)
{
    return c == ' ' || c == '\t';
}

struct str str_trim(struct str s)
{
    while (s.n && blank(s.p[0]))
        s = (struct str){ s.p + 1, s.n - 1 };
    while (s.n && blank(s.p[s.n - 1]))
        s.n--;
    return s;
}

bool str_cut(struct str *rest, char sep, struct str *part)
{
    if (!rest->p) {
        *part = STR_NONE;
        return false;
    }

    const char *at = rest->n ? memchr(rest->p, sep, rest->n) : NULL;
    if (!at) {
        *part = *rest;
        *rest = STR_NONE;
        return true;
    }
    size_t n = (size_t)(at - rest->p);
    *part = (struct str){ rest->p, n };
    *rest = (struct str){ at + 1, rest->n - n - 1 };
    return true;
}

bool str_oneof(struct str word, const char *alternatives)
{
    struct str rest = str_of(alternatives), one;
    while (str_cut(&rest, '|', &one))
        if (str_eq(one, word))
            return true;
    return false;
}

bool str_int(struct str s, int64_t min, int64_t max, int64_t *out)
{
    int64_t value = 0;
    if (s.n == 0)
        return false;

    for (size_t i = 0; i < s.n; i++) {
        int digit = s.p[i] - '0';
        if (digit < 0 || digit > 9)
            return false;
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, digit, &value))
            return false;
    }
    if (value < min || value > max)
        return false;
    *out = value;
    return true;
}

static uint64_t word_at(const char *p)
{
    uint64_t word;
    memcpy(&word, p, sizeof(word));
    return word;
}

/* Whether all 8 bytes are 0x01 to 0x7f: a byte of 0 borrows, and so sets a high bit like those above 0x7f. */
static bool plain8(const char *p)
{
    uint64_t word = word_at(p);
    return (((word - 0x0101010101010101u) | word) & 0x8080808080808080u) == 0;
}

bool str_utf8(struct str s)
{
    size_t i = 0;
    while (i < s.n) {
        if (s.n - i >= 8 && plain8(s.p + i)) {
            i += 8;
            continue;
        }
        size_t length = utf8_length(s.p + i, s.n - i);
        if (length == 0 || s.p[i] == '\0')
            return false;
        i += length;
    }
    return true;
}

typedef uint64_t pair __attribute__((vector_size(16)));

static pair pair_at(const char *p)
{
    pair two;
    memcpy(&two, p, sizeof(two));
    return two;
}

/* The bits that differ in 64 bytes. */
static uint64_t unlike(const char *p, const char *q)
{
    pair differ = (pair_at(p) ^ pair_at(q)) | (pair_at(p + 16) ^ pair_at(q + 16)) |
                  (pair_at(p + 32) ^ pair_at(q + 32)) | (pair_at(p + 48) ^ pair_at(q + 48));
    return differ[0] | differ[1];
}

/* Only the length, which is no secret, says how many steps there are. */
bool str_same_secret(struct str a, struct str b)
{
    if (a.n != b.n)
        return false;

    uint64_t differ = 0;
    size_t i = 0;
    for (; i + 64 <= a.n; i += 64) {
        differ |= unlike(a.p + i, b.p + i);
        __asm__("" : "+r"(differ)); /* opaque to the compiler: no early end may be optimised in */
    }
    for (; i + 8 <= a.n; i += 8) {
        differ |= word_at(a.p + i) ^ word_at(b.p + i);
        __asm__("" : "+r"(differ));
    }
    for (; i < a.n; i++) {
        differ |= (unsigned char)(a.p[i] ^ b.p[i]);
        __asm__("" : "+r"(differ));
    }
    return differ == 0;
}

struct text text_new(struct arena *a, size_t expect)
{
    struct text t = { .arena = a };
    if (expect)
        text_room(&t, expect);
    return t;
}

static char *text_grow(struct text *t, size_t n)
{
    size_t need, cap = t->cap ? t->cap * 2 : TEXT_LEAST;
    if (t->failed)
        return NULL;
    if (__builtin_add_overflow(t->n, n, &need))
        need = SIZE_MAX; /* which the arena refuses */

    if (cap < need)
        cap = need;
    char *grown = arena_grow(t->arena, t->p, t->cap, cap);
    if (!grown) {
        t->failed = true;
        return NULL;
    }
    t->p = grown;
    t->cap = cap;
    return grown + t->n;
}

char *text_room(struct text *t, size_t n)
{
    if (t->cap - t->n < n || !t->p || t->failed)
        return text_grow(t, n);
    return t->p + t->n;
}

void text_add(struct text *t, struct str s)
{
    if (s.n == 0)
        return;
    char *at = text_room(t, s.n);
    if (!at)
        return;
    memcpy(at, s.p, s.n);
    t->n += s.n;
}

void text_char(struct text *t, char c)
{
    char *at = text_room(t, 1);
    if (!at)
        return;
    *at = c;
    t->n++;
}

void text_int(struct text *t, int64_t value)
{
    char *at = text_room(t, DIGITS_MOST);
    if (at)
        t->n += digits_put_int(at, value);
}

void text_printf(struct text *t, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);

    char *at = n >= 0 ? text_room(t, (size_t)n + 1) : NULL;
    if (!at) {
        t->failed = true;
        return;
    }
    va_start(args, format);
    vsnprintf(at, (size_t)n + 1, format, args);
    va_end(args);
    t->n += (size_t)n;
}
