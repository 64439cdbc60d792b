#include "base/hash.h"

#include <string.h>

struct sip {
    uint64_t v0, v1, v2, v3;
};

static uint64_t key[2];

void hash_seed(const uint8_t bytes[16])
{
    memcpy(key, bytes, sizeof(key));
}

static inline uint64_t rotate(uint64_t x, int bits)
{
    return x << bits | x >> (64 - bits);
}

static inline void sip_round(struct sip *s)
{
    s->v0 += s->v1;
    s->v1 = rotate(s->v1, 13) ^ s->v0;
    s->v0 = rotate(s->v0, 32);
    s->v2 += s->v3;
    s->v3 = rotate(s->v3, 16) ^ s->v2;
    s->v0 += s->v3;
    s->v3 = rotate(s->v3, 21) ^ s->v0;
    s->v2 += s->v1;
    s->v1 = rotate(s->v1, 17) ^ s->v2;
    s->v2 = rotate(s->v2, 32);
}

static inline struct sip sip_begin(void)
{
    return (struct sip){ key[0] ^ 0x736f6d6570736575u, key[1] ^ 0x646f72616e646f6du,
                         key[0] ^ 0x6c7967656e657261u, key[1] ^ 0x7465646279746573u };
}

static inline void sip_word(struct sip *s, uint64_t word)
{
    s->v3 ^= word;
    sip_round(s);
    s->v0 ^= word;
}

/* Absorbs whole words; what is left over, at most 7 bytes, comes back as a number. */
static inline uint64_t sip_words(struct sip *s, const uint8_t *p, size_t n)
{
    uint64_t word, rest = 0;
    size_t left = n % 8;
    for (const uint8_t *end = p + (n - left); p < end; p += 8) {
        memcpy(&word, p, 8);
        sip_word(s, word);
    }
    if (left > 0 && n > 8) {
        memcpy(&rest, p + left - 8, 8); /* p is behind the words now */
        return rest >> (64 - 8 * left);
    }
    for (size_t i = 0; i < left; i++)
        rest |= (uint64_t)p[i] << (8 * i);
    return rest;
}

/* n: bytes of the whole message, of which `rest` are the last. */
static inline uint64_t sip_end(struct sip *s, uint64_t rest, size_t n)
{
    sip_word(s, rest | (uint64_t)n << 56);
    s->v2 ^= 0xff;
    sip_round(s);
    sip_round(s);
    sip_round(s);
    return s->v0 ^ s->v1 ^ s->v2 ^ s->v3;
}

uint64_t hash_bytes(const void *p, size_t n)
{
    struct sip s = sip_begin();
    uint64_t rest = sip_words(&s, p, n);
    return sip_end(&s, rest, n);
}

uint64_t hash_kind(uint32_t kind, const void *p, size_t n)
{
    struct sip s = sip_begin();
    uint64_t rest = sip_words(&s, p, n);
    size_t bits = n % 8 * 8;
    if (bits <= 24) /* the kind has room in the last word, behind what is left over */
        return sip_end(&s, rest | (uint64_t)kind << bits, n + sizeof(kind));
    sip_word(&s, rest | (uint64_t)kind << bits);
    return sip_end(&s, (uint64_t)kind >> (64 - bits), n + sizeof(kind));
}
