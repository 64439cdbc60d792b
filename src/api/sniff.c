#include "api/sniff.h"

/* What stands at a place of the beginning. */
struct mark {
    const char *type;
    size_t at;
    struct str bytes;
    struct str more; /* also, at more_at; empty: nothing */
    size_t more_at;
};

#define MARK(type, at, bytes)                                                                      \
    {                                                                                              \
        type, at, { bytes, sizeof(bytes) - 1 }, { "", 0 }, 0                                       \
    }
#define MARKS(type, at, bytes, more_at, more)                                                      \
    {                                                                                              \
        type, at, { bytes, sizeof(bytes) - 1 }, { more, sizeof(more) - 1 }, more_at                \
    }

static const struct mark marks[] = {
    MARK("image/png", 0, "\x89PNG\r\n\x1a\n"),
    MARK("image/jpeg", 0, "\xff\xd8\xff"),
    MARK("image/gif", 0, "GIF87a"),
    MARK("image/gif", 0, "GIF89a"),
    MARKS("image/webp", 0, "RIFF", 8, "WEBP"),
    MARKS("audio/wav", 0, "RIFF", 8, "WAVE"),
    MARKS("image/avif", 4, "ftyp", 8, "avif"),
    MARKS("image/avif", 4, "ftyp", 8, "avis"),
    MARKS("video/quicktime", 4, "ftyp", 8, "qt  "),
    MARKS("video/mp4", 4, "ftyp", 8, "isom"),
    MARKS("video/mp4", 4, "ftyp", 8, "iso"),
    MARKS("video/mp4", 4, "ftyp", 8, "mp4"),
    MARKS("video/mp4", 4, "ftyp", 8, "avc1"),
    MARKS("video/mp4", 4, "ftyp", 8, "dash"),
    MARKS("video/mp4", 4, "ftyp", 8, "M4V"),
    MARKS("video/mp4", 4, "ftyp", 8, "MSNV"),
    MARK("audio/mpeg", 0, "ID3"),
    MARK("audio/ogg", 0, "OggS"),
    MARK("audio/flac", 0, "fLaC"),
    MARK("application/pdf", 0, "%PDF-"),
};

static bool stands(struct str in, size_t at, struct str bytes)
{
    return bytes.n == 0 || (in.n >= at + bytes.n && memcmp(in.p + at, bytes.p, bytes.n) == 0);
}

/* WebM is Matroska that says so in its head. */
static bool is_webm(struct str in)
{
    struct str head = { in.p, in.n < 64 ? in.n : 64 };
    return stands(in, 0, STR("\x1a\x45\xdf\xa3")) && memmem(head.p, head.n, "webm", 4);
}

/* The header of a frame of MPEG audio: eleven bits set, and no value that is reserved. */
static bool is_mpeg_audio(struct str in)
{
    if (in.n < 4)
        return false;
    const unsigned char *b = (const unsigned char *)in.p;
    unsigned version = b[1] >> 3 & 3, layer = b[1] >> 1 & 3, rate = b[2] >> 4,
             frequency = b[2] >> 2 & 3;
    return b[0] == 0xff && (b[1] & 0xe0) == 0xe0 && version != 1 && layer == 1 && rate != 0 &&
           rate != 15 && frequency != 3;
}

/* Without the bytes of a character that the end of the beginning cuts. */
static struct str without_cut(struct str in)
{
    size_t n = in.n;
    for (int back = 0; back < 3 && n > 0 && ((unsigned char)in.p[n - 1] & 0xc0) == 0x80; back++)
        n--;
    if (n > 0 && (unsigned char)in.p[n - 1] >= 0xc0)
        return (struct str){ in.p, n - 1 };
    return in;
}

static bool is_text(struct str in, bool whole)
{
    if (!whole && !str_utf8(in))
        in = without_cut(in);
    if (!str_utf8(in))
        return false;
    for (size_t i = 0; i < in.n; i++) {
        unsigned char c = (unsigned char)in.p[i];
        if (c < 0x20 && c != '\t' && c != '\n' && c != '\r' && c != '\f')
            return false;
    }
    return true;
}

/* By its first character: an object or an array, whose first member fits. */
static bool is_json(struct str in)
{
    size_t i = 0;
    while (i < in.n && memchr(" \t\r\n", in.p[i], 4))
        i++;
    if (i == in.n || (in.p[i] != '{' && in.p[i] != '['))
        return false;
    char open = in.p[i++];
    while (i < in.n && memchr(" \t\r\n", in.p[i], 4))
        i++;
    if (i == in.n)
        return false;
    return open == '{' ? memchr("\"}", in.p[i], 2) != NULL
                       : memchr("[]{\"-0123456789tfn", in.p[i], 18) != NULL;
}

const char *sniff(struct str in, bool whole)
{
    if (in.n > SNIFF_BYTES) {
        in.n = SNIFF_BYTES;
        whole = false;
    }
    for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++)
        if (stands(in, marks[i].at, marks[i].bytes) && stands(in, marks[i].more_at, marks[i].more))
            return marks[i].type;
    if (is_webm(in))
        return "video/webm";
    if (is_mpeg_audio(in))
        return "audio/mpeg";
    if (in.n == 0 || !is_text(in, whole))
        return "application/octet-stream";
    return is_json(in) ? "application/json" : "text/plain; charset=utf-8";
}

bool sniff_inline(struct str type)
{
    return str_starts(type, STR("image/")) || str_starts(type, STR("video/")) ||
           str_starts(type, STR("audio/"));
}
