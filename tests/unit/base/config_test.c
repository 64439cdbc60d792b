#include "base/config.h"

#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define SECRET "0123456789abcdef0123456789abcdef"

static struct config c;
static char why[300];
static char path[] = "/tmp/gatehouse-config-XXXXXX";

static int begin(void **state)
{
    (void)state;
    clearenv();
    memcpy(path + sizeof(path) - 7, "XXXXXX", 6);
    int fd = mkstemp(path);
    close(fd);
    why[0] = '\0';
    return fd < 0 ? -1 : 0;
}

static int end(void **state)
{
    (void)state;
    config_free(&c);
    unlink(path);
    clearenv();
    return 0;
}

static enum err load_file(struct str text)
{
    FILE *file = fopen(path, "w");
    fwrite(text.p, 1, text.n, file);
    fclose(file);
    config_free(&c);
    return config_load(&c, path, why, sizeof(why));
}

static enum err load(void)
{
    config_free(&c);
    return config_load(&c, NULL, why, sizeof(why));
}

static void nothing_set_means_the_defaults(void **state)
{
    (void)state;
    assert_int_equal(load(), OK);
    assert_string_equal(c.host, "127.0.0.1");
    assert_int_equal(c.port, 8000);
    assert_int_equal(c.workers, 0);
    assert_int_equal(c.registration, REGISTRATION_OPEN);
    assert_string_equal(c.data_dir, "./data");
    assert_string_equal(c.jwt_secret, "");
    assert_int_equal(c.bcrypt_cost, 12);
    assert_int_equal(c.rate_limit_profile, PROFILE_STANDARD);
    assert_int_equal(c.log_level, 0);
}

static void the_environment_wins_over_the_file(void **state)
{
    (void)state;
    setenv("PORT", "9000", 1);
    setenv("UNRELATED", "anything", 1);
    setenv("JWT_SECRET", SECRET, 1);
    struct str file =
        STR("# a comment\n\n  PORT = 7000\r\nHOST=0.0.0.0\nREGISTRATION=closed\n"
            "CORS_ORIGINS=https://a.example,https://b.example?x=y#z\n\t# more\nWORKERS=2");
    assert_int_equal(load_file(file), OK);
    assert_int_equal(c.port, 9000);
    assert_string_equal(c.host, "0.0.0.0");
    assert_int_equal(c.registration, REGISTRATION_CLOSED);
    assert_string_equal(c.cors_origins, "https://a.example,https://b.example?x=y#z");
    assert_int_equal(c.workers, 2);
    assert_string_equal(c.jwt_secret, SECRET);
}

static void every_bad_line_is_named(void **state)
{
    (void)state;
    static const struct {
        const char *text, *says;
    } cases[] = {
        { "PORT=abc", ":1: PORT: \"abc\" is not a whole number from 0 to 65535" },
        { "\n#\nPORT=65536", ":3: PORT: \"65536\" is not a whole number from 0 to 65535" },
        { "PORT=-1", ":1: PORT: \"-1\" is not a whole number from 0 to 65535" },
        { "PORT=", ":1: PORT: \"\" is not a whole number from 0 to 65535" },
        { "REGISTRATION=maybe", ":1: REGISTRATION: \"maybe\" is none of open|invite|closed" },
        { "REGISTRATION=", ":1: REGISTRATION: \"\" is none of open|invite|closed" },
        { "HOST=", ":1: HOST is empty" },
        { "JWT_SECRET=too-short", ":1: JWT_SECRET is shorter than 32 characters" },
        { "PORT=1\nPORT=2", ":2: PORT is set twice" },
        { "PORTS=1", ":1: there is no setting \"PORTS\"" },
        { "port=1", ":1: there is no setting \"port\"" },
        { "export PORT=1", ":1: there is no setting \"export PORT\"" },
        { "PORT 1", ":1: the line is not NAME=value" },
        { "=1", ":1: there is no setting \"\"" },
        { "HOST=a\x01" "b", ":1: HOST has a control character or is not UTF-8" },
        { "HOST=a\xff", ":1: HOST has a control character or is not UTF-8" },
        { "PORT=1\x1b[2J", ":1: PORT: \"1?[2J\" is not a whole number from 0 to 65535" },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        assert_int_equal(load_file(str_of(cases[i].text)), ERR_INVALID);
        assert_memory_equal(why, path, strlen(path));
        assert_string_equal(why + strlen(path), cases[i].says);
        assert_null(c.host); /* nothing half-loaded is left */
    }
    assert_int_equal(load_file(STR("HOST=a\0b")), ERR_INVALID);
}

static void the_environment_is_checked_alike(void **state)
{
    (void)state;
    setenv("JWT_SECRET", "short-but-secret", 1);
    assert_int_equal(load(), ERR_INVALID);
    assert_string_equal(why, "JWT_SECRET is shorter than 32 characters");

    /* Sixteen characters of two bytes each are still sixteen characters. */
    setenv("JWT_SECRET",
           "\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9"
           "\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9",
           1);
    assert_int_equal(load(), ERR_INVALID);
    setenv("JWT_SECRET", SECRET "\n", 1);
    assert_int_equal(load(), ERR_INVALID);
    assert_null(strstr(why, "0123"));
    setenv("JWT_SECRET", "", 1); /* as good as not set */
    assert_int_equal(load(), OK);

    setenv("LOG_LEVEL", "warn", 1);
    assert_int_equal(load(), OK);
    assert_int_equal(c.log_level, 2);
}

static void misspelt_names_of_ours_are_refused(void **state)
{
    (void)state;
    setenv("GATEHOUSE", "/path/of/the/binary", 1);
    setenv("PORTX", "1", 1);
    assert_int_equal(load(), OK);
    setenv("GATEHOUSE_PORT", "8001", 1);
    assert_int_equal(load(), ERR_INVALID);
    assert_string_equal(why, "there is no setting \"GATEHOUSE_PORT\"");
}

static void lists_of_networks_are_checked_at_the_start(void **state)
{
    (void)state;
    setenv("TRUSTED_PROXIES", "10.0.0.0/8, ::1", 1);
    setenv("METRICS_ALLOW", "192.168.1.1", 1);
    assert_int_equal(load(), OK);
    setenv("METRICS_ALLOW", "192.168.1.1/33", 1);
    assert_int_equal(load(), ERR_INVALID);
    assert_string_equal(why, "METRICS_ALLOW is not a list of at most 32 addresses or networks");
    setenv("TRUSTED_PROXIES", "proxy.example", 1);
    assert_int_equal(load(), ERR_INVALID);
    assert_string_equal(why, "TRUSTED_PROXIES is not a list of at most 32 addresses or networks");
}

static void the_public_name_is_an_origin(void **state)
{
    (void)state;
    static const char *const good[] = { "", "https://gatehouse.example", "http://127.0.0.1:8000",
                                        "https://[::1]:8443" };
    static const char *const bad[] = { "gatehouse.example", "ftp://gatehouse.example", "https://", "https://:80",
                                       "https://a.example/", "https://a.example/x", "https://a.example?x",
                                       "https://a.example#x", "https://u@a.example", "https://a\"b", "https://a b" };
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        setenv("PUBLIC_URL", good[i], 1);
        assert_int_equal(load(), OK);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        setenv("PUBLIC_URL", bad[i], 1);
        assert_int_equal(load(), ERR_INVALID);
        assert_string_equal(
            why, "PUBLIC_URL is not http:// or https:// with a host and nothing behind it");
    }
}

static void too_long_is_refused(void **state)
{
    (void)state;
    static char large[70000];
    memset(large, 'x', sizeof(large) - 1);
    setenv("JWT_SECRET", large, 1);
    assert_int_equal(load(), ERR_INVALID);
    assert_string_equal(why, "JWT_SECRET is longer than 1000 characters");
    clearenv();
    setenv("LOG_FORMAT", large, 1);
    assert_int_equal(load(), ERR_INVALID);
    assert_true(strlen(why) < 150);
    clearenv();

    memset(large, '\n', sizeof(large));
    assert_int_equal(load_file((struct str){ large, sizeof(large) }), ERR_INVALID);
    assert_non_null(strstr(why, "File too large"));
    assert_int_equal(load_file((struct str){ large, 65535 }), OK);
}

static void a_file_that_is_not_there(void **state)
{
    (void)state;
    assert_int_equal(config_load(&c, "/nonexistent/gatehouse.conf", why, sizeof(why)), ERR_INVALID);
    assert_string_equal(why, "/nonexistent/gatehouse.conf: No such file or directory");
    assert_int_equal(config_load(&c, "/tmp", why, sizeof(why)), ERR_INVALID);
    assert_string_equal(why, "/tmp: Is a directory");
}

static void printing_masks_secrets(void **state)
{
    (void)state;
    struct arena a = { 0 };
    struct text t = text_new(&a, 0);
    assert_int_equal(load_file(STR("JWT_SECRET=" SECRET "\nREGISTRATION=invite\nHOST=::1\n")), OK);
    config_print(&c, &t);
    text_char(&t, '\0');
    assert_non_null(strstr(t.p, "HOST=::1\nPORT=8000\n"));
    assert_non_null(strstr(t.p, "REGISTRATION=invite\n"));
    assert_non_null(strstr(t.p, "JWT_SECRET=(set)\n"));
    assert_non_null(strstr(t.p, "DATABASE_URL=(not set)\n"));
    assert_non_null(strstr(t.p, "LOG_FORMAT=json\n"));
    assert_null(strstr(t.p, SECRET));
    arena_reset(&a);
    arena_trim();
}

static void what_was_printed_can_be_read(void **state)
{
    (void)state;
    struct arena a = { 0 };
    struct text t = text_new(&a, 0);
    assert_int_equal(load_file(STR("PORT=1\nWORKERS=3\nCORS_ORIGINS=https://a.example\n")), OK);
    config_print(&c, &t);
    struct text plain = text_new(&a, 0);
    struct str rest = text_str(&t), line;
    while (str_cut(&rest, '\n', &line)) {
        if (memmem(line.p, line.n, "set)", 4))
            continue;
        text_add(&plain, line);
        text_char(&plain, '\n');
    }
    assert_int_equal(load_file(text_str(&plain)), OK);
    assert_int_equal(c.workers, 3);
    assert_string_equal(c.cors_origins, "https://a.example");
    arena_reset(&a);
    arena_trim();
}

static void freeing_twice_or_nothing(void **state)
{
    (void)state;
    struct config none = { 0 };
    config_free(NULL);
    config_free(&none);
    assert_int_equal(load(), OK);
    config_free(&c);
    config_free(&c);
    assert_null(c.host);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(nothing_set_means_the_defaults, begin, end),
        cmocka_unit_test_setup_teardown(the_environment_wins_over_the_file, begin, end),
        cmocka_unit_test_setup_teardown(every_bad_line_is_named, begin, end),
        cmocka_unit_test_setup_teardown(the_environment_is_checked_alike, begin, end),
        cmocka_unit_test_setup_teardown(misspelt_names_of_ours_are_refused, begin, end),
        cmocka_unit_test_setup_teardown(lists_of_networks_are_checked_at_the_start, begin, end),
        cmocka_unit_test_setup_teardown(the_public_name_is_an_origin, begin, end),
        cmocka_unit_test_setup_teardown(too_long_is_refused, begin, end),
        cmocka_unit_test_setup_teardown(a_file_that_is_not_there, begin, end),
        cmocka_unit_test_setup_teardown(printing_masks_secrets, begin, end),
        cmocka_unit_test_setup_teardown(what_was_printed_can_be_read, begin, end),
        cmocka_unit_test_setup_teardown(freeing_twice_or_nothing, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
