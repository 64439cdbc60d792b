#include "base/uuid.h"

#include "base/clock.h"
#include "unit.h"

#include <sys/wait.h>
#include <unistd.h>

#define WALL ((int64_t)1645557742000 * 1000)

static struct uuid parsed(const char *text)
{
    struct uuid id = { { 0 } };
    if (!uuid_parse(str_of(text), &id))
        fail_msg("%s was not read", text);
    return id;
}

static void a_new_one_is_version_7_of_its_time(void **state)
{
    (void)state;
    struct uuid id = uuid_new(WALL + 999);
    char text[UUID_TEXT];
    uuid_format(&id, text);
    assert_memory_equal(text, "017f22e2-79b0-7", 15); /* the example of RFC 9562 appendix A.6 */
    assert_true(text[19] == '8' || text[19] == '9' || text[19] == 'a' || text[19] == 'b');
    assert_true(uuid_acceptable(&id));
}

static void new_ones_rise_within_a_millisecond(void **state)
{
    (void)state;
    struct uuid last = uuid_new(WALL);
    for (int i = 0; i < 200000; i++) {
        struct uuid next = uuid_new(WALL);
        assert_true(memcmp(last.b, next.b, 16) < 0);
        assert_int_equal(next.b[6] >> 4, 7);
        assert_int_equal(next.b[8] >> 6, 2);
        last = next;
    }
}

static void new_ones_rise_when_the_clock_steps_back(void **state)
{
    (void)state;
    struct uuid last = uuid_new(WALL + HOUR);
    for (int i = 0; i < 1000; i++) {
        struct uuid next = uuid_new(WALL - i * 1000000);
        assert_true(memcmp(last.b, next.b, 16) < 0);
        last = next;
    }
}

static void new_ones_do_not_repeat_after_a_fork(void **state)
{
    (void)state;
    int pipe_ends[2];
    struct uuid mine[64], its[64];
    assert_int_equal(pipe(pipe_ends), 0);
    uuid_new(WALL * 2);

    pid_t child = fork();
    for (int i = 0; i < 64; i++)
        mine[i] = uuid_new(WALL * 2);
    if (child == 0) {
        _exit(write(pipe_ends[1], mine, sizeof(mine)) == sizeof(mine) ? 0 : 1);
    }
    assert_int_equal(read(pipe_ends[0], its, sizeof(its)), sizeof(its));
    waitpid(child, NULL, 0);
    close(pipe_ends[0]);
    close(pipe_ends[1]);
    for (int i = 0; i < 64; i++) {
        /* Bits that only a new draw sets: an id derived from the parent's last one would share them. */
        assert_memory_not_equal(mine[i].b + 6, its[i].b + 6, 5);
    }
}

static void the_text_comes_back(void **state)
{
    (void)state;
    struct uuid id = parsed("00112233-4455-6677-8899-aabbccddeeff");
    for (int i = 0; i < 16; i++)
        assert_int_equal(id.b[i], i * 0x11);

    for (int i = 0; i < 256; i++) {
        struct uuid made, back;
        char text[UUID_TEXT];
        for (int j = 0; j < 16; j++)
            made.b[j] = (uint8_t)(i + j * 17);
        uuid_format(&made, text);
        assert_true(uuid_parse((struct str){ text, UUID_TEXT }, &back));
        assert_true(uuid_eq(&made, &back));
        assert_int_equal(text[8], '-');
    }
    struct uuid upper = parsed("00112233-4455-6677-8899-AABBCCDDEEFF");
    assert_true(uuid_eq(&id, &upper)); /* read; whether it may stand in a path is for gate uuid to say */
    struct uuid mixed = parsed("00112233-4455-6677-8899-aAbBcCdDeEfF");
    assert_true(uuid_eq(&id, &mixed));
}

static void only_the_canonical_form_is_read(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "0011223344556677-8899-aabbccddeeff",
        "00112233445566778899aabbccddeeff",
        "{0112233-4455-6677-8899-aabbccddeef}",
        "00112233-4455-6677-8899-aabbccddeef",
        "00112233-4455-6677-8899-aabbccddeefff",
        "00112233-4455-6677-8899_aabbccddeeff",
        "0011223344-55-6677-8899-aabbccddeeff",
        "00112233-4455-6677-8899-aabbccddeefg",
        "00112233-4455-6677-8899-aabbccddee:f",
        "00112233-4455-6677-8899-aabbccddee@f",
        "00112233-4455-6677-8899-aabbccddee/f",
        "00112233-4455-6677-8899-aabbccddee`f",
        "-0112233-4455-6677-8899-aabbccddeeff",
        " 0112233-4455-6677-8899-aabbccddeeff",
        "00112233-4455-6677-8899-aabbccddee\xef\xbc",
        "urn:uuid:00112233-4455-6677-8899-aab",
        "0x112233-4455-6677-8899-aabbccddeeff",
    };
    for (size_t i = 0; i < COUNT(bad); i++) {
        struct uuid id = { { 1 } };
        if (uuid_parse(str_of(bad[i]), &id))
            fail_msg("%s was read", bad[i]);
        assert_int_equal(id.b[0], 1);
    }
}

static void each_place_takes_a_digit_and_nothing_else(void **state)
{
    (void)state;
    static const char digits[] = "0123456789abcdefABCDEF";
    for (int place = 0; place < UUID_TEXT; place++) {
        bool dash = place == 8 || place == 13 || place == 18 || place == 23;
        for (int c = 0; c < 256; c++) {
            char text[] = "00112233-4455-6677-8899-aabbccddeeff";
            struct uuid id;
            text[place] = (char)c;
            bool fits = dash ? c == '-' : c != 0 && strchr(digits, c);
            if (uuid_parse((struct str){ text, UUID_TEXT }, &id) != fits)
                fail_msg("%d at %d was %s", c, place, fits ? "refused" : "read");
        }
    }
}

/* Of version 4 and the variant with 8: these are digits too. */
static void no_digit_makes_up_half(void **state)
{
    (void)state;
    for (unsigned digit = 0; digit < 16; digit++) {
        for (int most = 14; most <= 32; most++) {
            struct uuid id = parsed("01234567-89ab-4def-8123-456789abcdef");
            unsigned n = 0;
            for (int i = 0; i < 32; i++)
                n += (unsigned)(id.b[i / 2] >> 4 * (i % 2) & 15) == digit;
            for (int i = 0; i < 32 && n < (unsigned)most; i++) {
                unsigned shift = 4u * (i % 2), now = id.b[i / 2] >> shift & 15;
                if (i / 2 == 6 || i / 2 == 8 || now == digit)
                    continue;
                id.b[i / 2] = (uint8_t)((id.b[i / 2] & ~(15u << shift)) | digit << shift);
                n++;
            }
            assert_int_equal(uuid_acceptable(&id), n < 16);
        }
    }
}

static void acceptable_are_versions_4_and_7(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool good;
    } cases[] = {
        { "f47ac10b-58cc-4372-a567-0e02b2c3d479", true },
        { "017f22e2-79b0-7cc3-98c4-dc0c0c07398f", true },
        { "017f22e2-79b0-7cc3-b8c4-dc0c0c07398f", true },
        { "c232ab00-9414-11ec-b3c8-9f6bdeced846", false }, /* version 1 */
        { "5df41881-3aed-3515-88a7-2f4a814cf09e", false },
        { "2ed6657d-e927-568b-95e1-2665a8aea6a2", false },
        { "1ec9414c-232a-6b00-b3c8-9f6bdeced846", false },
        { "320c3d4d-cc00-875b-8ec9-32d5f69181c0", false },
        { "f47ac10b-58cc-4372-7567-0e02b2c3d479", false }, /* variant */
        { "f47ac10b-58cc-4372-c567-0e02b2c3d479", false },
        { "f47ac10b-58cc-4372-e567-0e02b2c3d479", false },
        { "00000000-0000-0000-0000-000000000000", false },
        { "ffffffff-ffff-ffff-ffff-ffffffffffff", false },
        { "00000000-0000-4000-8000-000000000000", false },
        { "aaaaaaaa-aaaa-4aa1-a123-456789bcdef0", true },  /* 15 of a digit */
        { "aaaaaaaa-aaaa-4aaa-a123-456789bcdef0", false }, /* 16 */
        { "aaaaaaaa-aaaa-4aaa-aa23-456789bcdef0", false },
        { "77777777-7777-7777-8777-777777777777", false },
        { "12121212-1212-4212-9212-121212121212", false },
        { "12121212-1212-4212-9213-121212121212", true },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct uuid id = parsed(cases[i].text);
        if (uuid_acceptable(&id) != cases[i].good)
            fail_msg("%s", cases[i].text);
    }
}

static void nil_is_nil(void **state)
{
    (void)state;
    struct uuid id = { { 0 } };
    assert_true(uuid_nil(&id));
    id.b[15] = 1;
    assert_false(uuid_nil(&id));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_one_is_version_7_of_its_time),
        cmocka_unit_test(new_ones_rise_within_a_millisecond),
        cmocka_unit_test(new_ones_rise_when_the_clock_steps_back),
        cmocka_unit_test(new_ones_do_not_repeat_after_a_fork),
        cmocka_unit_test(the_text_comes_back),
        cmocka_unit_test(only_the_canonical_form_is_read),
        cmocka_unit_test(each_place_takes_a_digit_and_nothing_else),
        cmocka_unit_test(acceptable_are_versions_4_and_7),
        cmocka_unit_test(no_digit_makes_up_half),
        cmocka_unit_test(nil_is_nil),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
