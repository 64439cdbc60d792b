#include "base/uuid.h"

#include "base/random.h"
#include "fork.h"

#define RANDOM_LOW 62 /* bits behind the variant */
#define LOW_MASK (((uint64_t)1 << RANDOM_LOW) - 1)

#define HEX_ROW(h)                                                                                 \
    h "0" h "1" h "2" h "3" h "4" h "5" h "6" h "7" h "8" h "9" h "a" h "b" h "c" h "d" h "e" h "f"

static const char pairs[] = {
    HEX_ROW("0") HEX_ROW("1") HEX_ROW("2") HEX_ROW("3") HEX_ROW("4") HEX_ROW("5") HEX_ROW("6") HEX_ROW("7")
    HEX_ROW("8") HEX_ROW("9") HEX_ROW("a") HEX_ROW("b") HEX_ROW("c") HEX_ROW("d") HEX_ROW("e") HEX_ROW("f")
};

/* Where each byte's two digits stand in the canonical form. */
static const uint8_t places[16] = { 0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34 };

/* The last one that this thread made: a process makes its ids on the loop. */
static _Thread_local struct {
    int64_t ms;
    uint64_t high, low; /* 12 and 62 bits */
    bool used;
    unsigned forks;
} last;

static void store_big(uint8_t *out, uint64_t value, int bytes)
{
    while (bytes > 0) {
        out[--bytes] = (uint8_t)value;
        value >>= 8;
    }
}

static void draw_new(int64_t ms)
{
    uint64_t random[2];
    random_bytes(random, sizeof(random));
    last.ms = ms;
    last.high = random[0] & 0xfff;
    last.low = random[1] & LOW_MASK;
    last.used = true;
    last.forks = fork_count();
}

/* RFC 9562 section 6.2, method 2: within a millisecond (or when the clock steps back) the random part grows
 * by a random step. Two ids are so as hard to guess from each other as 32 bits are. */
static void draw_next(void)
{
    uint32_t step;
    random_bytes(&step, sizeof(step));
    last.low += (uint64_t)step + 1;
    last.high += last.low >> RANDOM_LOW;
    last.low &= LOW_MASK;
    last.ms += (int64_t)(last.high >> 12);
    last.high &= 0xfff;
}

struct uuid uuid_new(int64_t wall)
{
    int64_t ms = wall / 1000;
    if (!last.used || ms > last.ms || last.forks != fork_count())
        draw_new(ms);
    else
        draw_next();

    struct uuid id;
    store_big(id.b, (uint64_t)last.ms, 6);
    store_big(id.b + 6, 0x7000 | last.high, 2);
    store_big(id.b + 8, (uint64_t)2 << RANDOM_LOW | last.low, 8);
    return id;
}

static char *format_bytes(char *out, const uint8_t *bytes, int n)
{
    for (int i = 0; i < n; i++, out += 2)
        memcpy(out, pairs + 2 * bytes[i], 2);
    return out;
}

void uuid_format(const struct uuid *id, char out[UUID_TEXT])
{
    out = format_bytes(out, id->b, 4);
    *out++ = '-';
    out = format_bytes(out, id->b + 4, 2);
    *out++ = '-';
    out = format_bytes(out, id->b + 6, 2);
    *out++ = '-';
    out = format_bytes(out, id->b + 8, 2);
    *out++ = '-';
    format_bytes(out, id->b + 10, 6);
}

/* What a character is worth as a digit, marked; 0: it is none. */
#define DIGIT 0x100
static const uint16_t digits[256] = {
    ['0'] = DIGIT | 0,  ['1'] = DIGIT | 1,  ['2'] = DIGIT | 2,  ['3'] = DIGIT | 3,
    ['4'] = DIGIT | 4,  ['5'] = DIGIT | 5,  ['6'] = DIGIT | 6,  ['7'] = DIGIT | 7,
    ['8'] = DIGIT | 8,  ['9'] = DIGIT | 9,  ['a'] = DIGIT | 10, ['b'] = DIGIT | 11,
    ['c'] = DIGIT | 12, ['d'] = DIGIT | 13, ['e'] = DIGIT | 14, ['f'] = DIGIT | 15,
    ['A'] = DIGIT | 10, ['B'] = DIGIT | 11, ['C'] = DIGIT | 12, ['D'] = DIGIT | 13,
    ['E'] = DIGIT | 14, ['F'] = DIGIT | 15,
};

bool uuid_parse(struct str text, struct uuid *out)
{
    if (text.n != UUID_TEXT)
        return false;
    if (text.p[8] != '-' || text.p[13] != '-' || text.p[18] != '-' || text.p[23] != '-')
        return false;

    struct uuid id;
    unsigned all = DIGIT;
#pragma GCC unroll 16
    for (int i = 0; i < 16; i++) {
        const char *pair = text.p + places[i];
        unsigned high = digits[(unsigned char)pair[0]], low = digits[(unsigned char)pair[1]];
        all &= high & low;
        id.b[i] = (uint8_t)(high << 4 | low);
    }
    if (!all)
        return false;
    *out = id;
    return true;
}

/* The bits of 8 counts that are set in one of 16 to 32. */
#define SIXTEEN_OR_MORE UINT64_C(0x3030303030303030)

bool uuid_acceptable(const struct uuid *id)
{
    int version = id->b[6] >> 4;
    if ((version != 4 && version != 7) || id->b[8] >> 6 != 2)
        return false;

    uint8_t times[16] = { 0 };
#pragma GCC unroll 16
    for (int i = 0; i < 16; i++) {
        times[id->b[i] >> 4]++;
        times[id->b[i] & 15]++;
    }
    uint64_t eight[2]; /* counts each */
    memcpy(eight, times, sizeof(eight));
    return ((eight[0] | eight[1]) & SIXTEEN_OR_MORE) == 0;
}
