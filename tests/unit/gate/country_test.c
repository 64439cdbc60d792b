/* Countries of addresses, by a database in MaxMind's format that is as small as a test needs it. Where the library of
 * that format was not found, all that is tested is that nothing is known. */
#include "gate/country.h"

#include "base/config.h"
#include "base/hash.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[200], path[256], why[300];

static struct in6_addr address(const char *text)
{
    struct in6_addr at;
    assert_true(network_address(str_of(text), &at));
    return at;
}

/* "" for no country. */
static void expect_of(const struct in6_addr *at, const char *country)
{
    char out[2] = { '?', '!' };
    country_of(at, out);
    if (strncmp(out, country, 2) != 0)
        fail_msg("%.2s, not %s", out, country);
    assert_true(country[0] || out[1] == 0);
}

static void expect(const char *text, const char *country)
{
    struct in6_addr at = address(text);
    expect_of(&at, country);
}

#ifdef HAVE_MAXMINDDB

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

/* ---- a database: https://maxmind.github.io/MaxMind-DB/ ---- */

/* One record of the data section: {"country": {"iso_code": code}}, the code with its control byte. */
#define CODE(control, code) "\xe1\x47" "country" "\xe1\x48" "iso_code" control code
#define COUNTRY(code) CODE("\x42", code)
#define BYTES(literal) { (literal), sizeof(literal) - 1 }

static const struct known {
    const char *address; /* its first */
    int bits;            /* of 128: IPv4 lies below ::/96 */
    struct str record;
} networks[] = {
    { "::", 96 + 8, BYTES(COUNTRY("AZ")) }, /* 0.0.0.0/8 */
    { "::192.0.2.0", 96 + 25, BYTES(COUNTRY("DE")) },
    { "::192.0.2.128", 96 + 25, BYTES(COUNTRY("FR")) },
    { "2001:db8:1::", 48, BYTES(COUNTRY("ZA")) },
    { "2001:db8:2::", 48, BYTES(COUNTRY("de")) },
    { "2001:db8:3::", 48, BYTES(COUNTRY("@A")) },
    { "2001:db8:4::", 48, BYTES(COUNTRY("[A")) },
    { "2001:db8:5::", 48, BYTES(COUNTRY("A@")) },
    { "2001:db8:6::", 48, BYTES(COUNTRY("A[")) },
    { "2001:db8:7::", 48, BYTES(CODE("\x43", "DEU")) },
    { "2001:db8:8::", 48, BYTES(CODE("\xa2", "DE")) }, /* a number */
    { "2001:db8:b::", 48, BYTES(CODE("\x82", "DE")) }, /* bytes that are no text */
    { "2001:db8:9::", 48, BYTES("\xe1\x47" "country" "\x42" "DE") },
    { "2001:db8:a::", 48, BYTES("\xe1\x44" "city" "\x42" "DE") },
};

#define NODES 2048
#define DATA 2048

static struct {
    uint32_t at[NODES][2]; /* another node; 0: nothing; beyond NODES: a place of the data */
    uint32_t nodes;
    uint8_t data[DATA];
    size_t n;
} tree;

static void add(const struct known *network)
{
    struct in6_addr at = address(network->address);
    uint32_t node = 0;
    for (int i = 0; i < network->bits - 1; i++) {
        uint32_t *next = &tree.at[node][at.s6_addr[i / 8] >> (7 - i % 8) & 1];
        if (*next == 0)
            *next = tree.nodes++;
        assert_true(tree.nodes < NODES);
        node = *next;
    }
    int last = network->bits - 1;
    tree.at[node][at.s6_addr[last / 8] >> (7 - last % 8) & 1] = NODES + (uint32_t)tree.n;
    assert_true(tree.n + network->record.n <= DATA);
    memcpy(tree.data + tree.n, network->record.p, network->record.n);
    tree.n += network->record.n;
}

/* A record of the tree: 24 bits. The data begins 16 bytes behind the nodes, and a place there counts from the nodes. */
static void write_record(FILE *file, uint32_t value)
{
    if (value == 0)
        value = tree.nodes;
    else if (value >= NODES)
        value += tree.nodes + 16 - NODES;
    for (int shift = 16; shift >= 0; shift -= 8)
        fputc((int)(value >> shift & 0xff), file);
}

#define ABOUT                                                                                      \
    "\xab\xcd\xef" "MaxMind.com" "\xe9"                                                            \
    "\x4b" "record_size" "\xa1\x18"                                                                \
    "\x4a" "ip_version" "\xa1\x06"                                                                 \
    "\x4d" "database_type" "\x44" "Test"                                                           \
    "\x49" "languages" "\x00\x04"                                                                  \
    "\x5b" "binary_format_major_version" "\xa1\x02"                                                \
    "\x5b" "binary_format_minor_version" "\xa0"                                                    \
    "\x4b" "build_epoch" "\x01\x02\x01"                                                            \
    "\x4b" "description" "\xe0"                                                                    \
    "\x4a" "node_count" "\xc2"

/* Put there as files in use are replaced: whole, by renaming. The first n networks are in it. */
static void write_database(size_t n)
{
    char made[300];
    memset(&tree, 0, sizeof(tree));
    tree.nodes = 1;
    for (size_t i = 0; i < n; i++)
        add(&networks[i]);
    snprintf(made, sizeof(made), "%s.new", path);
    FILE *file = fopen(made, "w");
    assert_non_null(file);
    for (uint32_t i = 0; i < tree.nodes; i++)
        for (int bit = 0; bit < 2; bit++)
            write_record(file, tree.at[i][bit]);
    for (int i = 0; i < 16; i++)
        fputc(0, file);
    fwrite(tree.data, 1, tree.n, file);
    fwrite(ABOUT, 1, sizeof(ABOUT) - 1, file);
    fputc((int)(tree.nodes >> 8), file);
    fputc((int)(tree.nodes & 0xff), file);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(rename(made, path), 0);
}

#define ALL (sizeof(networks) / sizeof(networks[0]))

static void open_it(const char *which)
{
    if (!country_open(which, why, sizeof(why)))
        fail_msg("%s", why);
}

/* ---- what is asked of the kernel ---- */

static struct {
    size_t n;
    int advice;
} advised;

int madvise(void *at, size_t n, int advice)
{
    (void)at;
    advised.n = n;
    advised.advice = advice;
    return 0;
}

/* ---- the tests ---- */

static void what_it_says_of_each_address(void **state)
{
    (void)state;
    static const struct {
        const char *address, *country;
    } rows[] = {
        { "192.0.2.1", "DE" },     { "192.0.2.127", "DE" },   { "192.0.2.128", "FR" },
        { "192.0.3.1", "" },       { "0.0.0.1", "AZ" },       { "::ffff:192.0.2.200", "FR" },
        { "2001:db8:1::1", "ZA" }, { "2001:db8:1:2::3", "ZA" }, { "2001:db8::1", "" },
        { "2001:db8:2::1", "" },   { "2001:db8:3::1", "" },   { "2001:db8:4::1", "" },
        { "2001:db8:5::1", "" },   { "2001:db8:6::1", "" },   { "2001:db8:7::1", "" },
        { "2001:db8:8::1", "" },   { "2001:db8:b::1", "" },   { "2001:db8:9::1", "" },   { "2001:db8:a::1", "" },
        { "::", "AZ" },            { "101:101:101:101:101:101:101:101", "" },
    };
    write_database(ALL);
    open_it(path);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        expect(rows[i].address, rows[i].country);
}

static void it_is_read_ahead(void **state)
{
    (void)state;
    struct stat is;
    write_database(ALL);
    open_it(path);
    assert_int_equal(stat(path, &is), 0);
    assert_int_equal(advised.n, is.st_size);
    assert_int_equal(advised.advice, MADV_WILLNEED);
}

static void what_was_looked_up_lately_is_not_looked_up_again(void **state)
{
    (void)state;
    write_database(ALL);
    open_it(path);
    expect("192.0.2.1", "DE");
    int fd = open(path, O_WRONLY); /* what nobody may do, so that a second look would be seen */
    assert_true(fd >= 0);
    off_t at = (off_t)(tree.nodes * 6 + 16 + networks[0].record.n + networks[1].record.n - 2);
    assert_int_equal(pwrite(fd, "NL", 2, at), 2);
    close(fd);
    expect("192.0.2.2", "NL");
    expect("192.0.2.1", "DE");
}

static unsigned slot_of(const struct in6_addr *at)
{
    return (unsigned)hash_bytes(at, sizeof(*at)) % 1024;
}

/* Of an address that nothing is known of nothing is said, whoever had its slot before. */
static void addresses_of_one_slot_push_each_other_out(void **state)
{
    (void)state;
    struct in6_addr known = address("192.0.2.1"), unknown = address("198.51.0.0"), other;
    write_database(ALL);
    open_it(path);
    while (slot_of(&unknown) != slot_of(&known)) {
        unknown.s6_addr[15]++;
        unknown.s6_addr[14] += unknown.s6_addr[15] == 0;
        unknown.s6_addr[13] += unknown.s6_addr[15] == 0 && unknown.s6_addr[14] == 0;
    }
    other = address("2001:db8:1::");
    while (slot_of(&other) != slot_of(&known)) {
        other.s6_addr[15]++;
        other.s6_addr[14] += other.s6_addr[15] == 0;
        other.s6_addr[13] += other.s6_addr[15] == 0 && other.s6_addr[14] == 0;
    }
    expect_of(&known, "DE");
    expect_of(&unknown, "");
    expect_of(&other, "ZA");
    expect_of(&known, "DE");
}

static void another_takes_its_place(void **state)
{
    (void)state;
    write_database(2);
    open_it(path);
    expect("192.0.2.1", "DE");
    expect("192.0.2.200", "");
    write_database(ALL);
    expect("192.0.2.200", "");
    open_it(path);
    expect("192.0.2.200", "FR");
    write_database(1);
    open_it(path);
    expect("192.0.2.1", "");
    expect("101:101:101:101:101:101:101:101", "");
}

static void what_cannot_be_used_leaves_the_one_in_use(void **state)
{
    (void)state;
    char none[300];
    write_database(ALL);
    open_it(path);
    snprintf(none, sizeof(none), "%s/none", dir);
    assert_false(country_open(none, why, sizeof(why)));
    assert_non_null(strstr(why, "GEOIP_DB cannot be used: "));
    assert_non_null(strstr(why, none));
    assert_false(country_open("x", why, sizeof(why)));
    assert_false(country_open(dir, why, sizeof(why)));
    expect("192.0.2.1", "DE");
}

static void none_is_none(void **state)
{
    (void)state;
    expect("192.0.2.1", "");
    write_database(ALL);
    open_it(path);
    expect("192.0.2.1", "DE");
    open_it("");
    expect("192.0.2.1", "");
    open_it("");
    expect("192.0.2.1", "");
}

#else

static void without_the_library_nothing_is_known(void **state)
{
    (void)state;
    assert_true(country_open("", why, sizeof(why)));
    assert_false(country_open(path, why, sizeof(why)));
    assert_non_null(strstr(why, "built without libmaxminddb"));
    expect("192.0.2.1", "");
}

#endif

static int set_up(void **state)
{
    (void)state;
    const char *tmp = getenv("TMPDIR");
    snprintf(dir, sizeof(dir), "%s/country-XXXXXX", tmp ? tmp : "/tmp");
    if (!mkdtemp(dir))
        return -1;
    snprintf(path, sizeof(path), "%s/countries.mmdb", dir);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    bool closed = country_open("", why, sizeof(why));
    unlink(path);
    return rmdir(dir) == 0 && closed ? 0 : -1;
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
#ifdef HAVE_MAXMINDDB
        TEST(what_it_says_of_each_address),
        TEST(it_is_read_ahead),
        TEST(what_was_looked_up_lately_is_not_looked_up_again),
        TEST(addresses_of_one_slot_push_each_other_out),
        TEST(another_takes_its_place),
        TEST(what_cannot_be_used_leaves_the_one_in_use),
        TEST(none_is_none),
#else
        TEST(without_the_library_nothing_is_known),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
