/* What bytes are, and which range of them is meant. */
#include "../base/unit.h"

#undef COUNT
#include "../../../src/api/media_content.h"
#include "api/sniff.h"

#define IS(bytes, type) is((struct str){ bytes, sizeof(bytes) - 1 }, type, __LINE__)

static void is(struct str bytes, const char *type, int line)
{
    const char *found = sniff(bytes, true);
    if (strcmp(found, type) != 0)
        fail_msg("line %d: %s, not %s", line, found, type);
}

static void types_are_told_by_the_bytes(void **state)
{
    (void)state;
    IS("\x89PNG\r\n\x1a\n....", "image/png");
    IS("\x89PNG\n\x1a\n", "application/octet-stream");
    IS("\xff\xd8\xff\xe0", "image/jpeg");
    IS("GIF87a", "image/gif");
    IS("GIF89a", "image/gif");
    IS("RIFF....WEBP", "image/webp");
    IS("RIFF....WAVE", "audio/wav");
    IS("RIFF....AVI ", "text/plain; charset=utf-8");
    IS("\0\0\0\x1c"
       "ftypavif",
       "image/avif");
    IS("\0\0\0\x1c"
       "ftypisom",
       "video/mp4");
    IS("\0\0\0\x1c"
       "ftypmp42",
       "video/mp4");
    IS("\0\0\0\x14"
       "ftypqt  ",
       "video/quicktime");
    IS("\x1a\x45\xdf\xa3\x01\x42\x82\x84webm", "video/webm");
    IS("\x1a\x45\xdf\xa3\x01\x42\x82\x88matroska", "application/octet-stream");
    IS("ID3\4", "audio/mpeg");
    IS("\xff\xfb\x90\x44", "audio/mpeg");
    IS("\xff\xfb\xf0\x44", "application/octet-stream");
    IS("OggS\0", "audio/ogg");
    IS("fLaC\0", "audio/flac");
    IS("%PDF-1.7", "application/pdf");
    IS(" \n{\"a\":1}", "application/json");
    IS("[]", "application/json");
    IS("[x]", "text/plain; charset=utf-8");
    IS("<html><script>alert(1)</script>", "text/plain; charset=utf-8");
    IS("<svg xmlns='http://www.w3.org/2000/svg'/>", "text/plain; charset=utf-8");
    IS("plain", "text/plain; charset=utf-8");
    IS("a\0b", "application/octet-stream");
    IS("a\x1b[0m", "application/octet-stream");
    IS("\xc3", "application/octet-stream");
    IS("", "application/octet-stream");
}

static void a_character_that_is_cut_is_still_text(void **state)
{
    (void)state;
    assert_string_equal(sniff(STR("gr\xc3"), false), "text/plain; charset=utf-8");
    assert_string_equal(sniff(STR("gr\xe2\x82"), false), "text/plain; charset=utf-8");
    assert_string_equal(sniff(STR("gr\xe2\x82"), true), "application/octet-stream");
    char many[SNIFF_BYTES + 1];
    memset(many, 'a', sizeof(many));
    many[SNIFF_BYTES - 1] = '\xc3';
    many[SNIFF_BYTES] = '\xbc';
    assert_string_equal(sniff((struct str){ many, sizeof(many) }, true),
                        "text/plain; charset=utf-8");
}

static void only_what_holds_no_script_is_shown_in_place(void **state)
{
    (void)state;
    assert_true(sniff_inline(STR("image/png")));
    assert_true(sniff_inline(STR("video/mp4")));
    assert_true(sniff_inline(STR("audio/ogg")));
    assert_false(sniff_inline(STR("application/pdf")));
    assert_false(sniff_inline(STR("text/plain; charset=utf-8")));
    assert_false(sniff_inline(STR("")));
}

static void ranges(void **state)
{
    (void)state;
    static const struct {
        const char *header;
        int64_t size;
        enum range_is is;
        int64_t first, length;
    } cases[] = {
        { "bytes=0-0", 10, RANGE_ONE, 0, 1 },      { "bytes=0-", 10, RANGE_ONE, 0, 10 },
        { "bytes=9-9", 10, RANGE_ONE, 9, 1 },      { "bytes=10-", 10, RANGE_BEYOND, 0, 0 },
        { "bytes=3-99", 10, RANGE_ONE, 3, 7 },     { "bytes=-3", 10, RANGE_ONE, 7, 3 },
        { "bytes=-99", 10, RANGE_ONE, 0, 10 },     { "bytes=-0", 10, RANGE_BEYOND, 0, 0 },
        { "BYTES = 1-2", 10, RANGE_ONE, 1, 2 },    { "bytes=0-", 0, RANGE_BEYOND, 0, 0 },
        { "bytes=-1", 0, RANGE_BEYOND, 0, 0 },     { "bytes=2-1", 10, RANGE_NONE, 0, 0 },
        { "bytes=0-0,5-6", 10, RANGE_NONE, 0, 0 }, { "bytes=", 10, RANGE_NONE, 0, 0 },
        { "bytes=-", 10, RANGE_NONE, 0, 0 },       { "bytes", 10, RANGE_NONE, 0, 0 },
        { "bytes=+1-2", 10, RANGE_NONE, 0, 0 },    { "items=0-1", 10, RANGE_NONE, 0, 0 },
        { "bytes=0-9223372036854775807", 10, RANGE_ONE, 0, 10 },
        { "bytes=0-9223372036854775808", 10, RANGE_NONE, 0, 0 },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct range r = { 0, 0 };
        if (range_read(str_of(cases[i].header), cases[i].size, &r) != cases[i].is)
            fail_msg("%s", cases[i].header);
        if (cases[i].is == RANGE_ONE && (r.first != cases[i].first || r.length != cases[i].length))
            fail_msg("%s: %lld, %lld", cases[i].header, (long long)r.first, (long long)r.length);
    }
    struct range r;
    assert_int_equal(range_read(STR_NONE, 10, &r), RANGE_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(types_are_told_by_the_bytes),
        cmocka_unit_test(a_character_that_is_cut_is_still_text),
        cmocka_unit_test(only_what_holds_no_script_is_shown_in_place),
        cmocka_unit_test(ranges),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
