/* The audit's MACs, links, heads and sealed payloads: any change shows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/random.h"
#include "crypto/chain.h"

#include <time.h>

static struct chain_keys keys;
static struct arena arena;

static struct uuid id_of(uint8_t n)
{
    struct uuid id = { { n } };
    return id;
}

static struct chain_row a_row(void)
{
    return (struct chain_row){
        .id = id_of(1),
        .writer = id_of(2),
        .sequence = 3,
        .at = 4,
        .principal_kind = STR("user"),
        .principal_id = id_of(5),
        .session_id = id_of(6),
        .action = STR("startup.create"),
        .target = id_of(7),
        .outcome = STR("made"),
        .decision = id_of(8),
        .risk = STR("green"),
        .correlation = STR("x"),
        .subject = id_of(9),
        .sealed = STR("sealed"),
    };
}

static bool same_mac(const struct chain_row *one, const struct chain_row *other)
{
    uint8_t a[SHA256_SIZE], b[SHA256_SIZE];
    chain_mac(&keys, one, a);
    chain_mac(&keys, other, b);
    return memcmp(a, b, sizeof(a)) == 0;
}

static void each_field_is_in_the_mac(void **state)
{
    (void)state;
    const struct chain_row row = a_row();
    struct chain_row other = row;
    assert_true(same_mac(&row, &other));
#define CHANGED(field, value)                                                                      \
    do {                                                                                           \
        other = row;                                                                               \
        other.field = (value);                                                                     \
        assert_false(same_mac(&row, &other));                                                      \
    } while (0)
    CHANGED(id, id_of(0));
    CHANGED(writer, id_of(0));
    CHANGED(sequence, 0);
    CHANGED(at, 0);
    CHANGED(principal_kind, STR("usar"));
    CHANGED(principal_id, id_of(0));
    CHANGED(session_id, id_of(0));
    CHANGED(action, STR("startup.creat"));
    CHANGED(target, id_of(0));
    CHANGED(outcome, STR("denied"));
    CHANGED(decision, id_of(0));
    CHANGED(risk, STR("red"));
    CHANGED(correlation, STR("y"));
    CHANGED(subject, id_of(0));
    CHANGED(sealed, STR("Sealed"));
}

static void what_moves_from_one_field_to_the_next_shows(void **state)
{
    (void)state;
    struct chain_row one = a_row(), other = one;
    one.risk = STR("gre");
    one.correlation = STR("enx");
    assert_false(same_mac(&one, &other));
}

static void a_link_is_over_all_that_it_joins(void **state)
{
    (void)state;
    uint8_t before[SHA256_SIZE] = { 1 }, first[SHA256_SIZE], other[SHA256_SIZE];
    struct uuid id = id_of(1), another = id_of(2);
    chain_link(&keys, before, 7, &id, STR("mac"), first);
    chain_link(&keys, before, 7, &id, STR("mac"), other);
    assert_memory_equal(first, other, SHA256_SIZE);
    chain_link(&keys, before, 8, &id, STR("mac"), other);
    assert_memory_not_equal(first, other, SHA256_SIZE);
    chain_link(&keys, before, 7, &another, STR("mac"), other);
    assert_memory_not_equal(first, other, SHA256_SIZE);
    chain_link(&keys, before, 7, &id, STR_NONE, other);
    assert_memory_not_equal(first, other, SHA256_SIZE);
    before[0] = 2;
    chain_link(&keys, before, 7, &id, STR("mac"), other);
    assert_memory_not_equal(first, other, SHA256_SIZE);
}

static void a_head_is_written_and_read_again(void **state)
{
    (void)state;
    char line[CHAIN_HEAD_LINE];
    struct chain_head head = { .number = INT64_MAX, .at = INT64_MAX }, read;
    memset(head.link, 0xa5, sizeof(head.link));
    chain_sign(&keys, head.number, head.link, head.at, head.signature);
    size_t n = chain_head_write(&head, line);
    assert_true(chain_head_read((struct str){ line, n }, &read));
    assert_int_equal(read.number, head.number);
    assert_int_equal(read.at, head.at);
    assert_memory_equal(read.link, head.link, SHA256_SIZE);
    assert_memory_equal(read.signature, head.signature, SHA256_SIZE);
    for (size_t cut = 0; cut < n; cut++)
        assert_false(chain_head_read((struct str){ line, cut }, &read));
    assert_false(chain_head_read(STR("x y z w"), &read));
    line[n - 1] = 'G';
    assert_false(chain_head_read((struct str){ line, n }, &read));
}

static void what_is_sealed_opens_only_as_what_it_is(void **state)
{
    (void)state;
    uint8_t key[CHAIN_KEY], opened[CHAIN_KEY];
    struct uuid subject = id_of(1), other = id_of(2);
    struct str sealed, payload, plain;
    random_bytes(key, sizeof(key));
    assert_int_equal(chain_subject_seal(&arena, &keys, &subject, key, &sealed), OK);
    assert_int_equal(chain_subject_open(&arena, &keys, &subject, sealed, opened), OK);
    assert_memory_equal(key, opened, CHAIN_KEY);
    assert_int_equal(chain_subject_open(&arena, &keys, &other, sealed, opened), ERR_BAD_TOKEN);

    assert_int_equal(chain_payload_seal(&arena, key, &subject, STR("{\"a\":1}"), &payload), OK);
    assert_int_equal(chain_payload_open(&arena, key, &subject, payload, &plain), OK);
    assert_true(str_eq(plain, STR("{\"a\":1}")));
    assert_int_equal(chain_payload_open(&arena, key, &other, payload, &plain), ERR_BAD_TOKEN);
    assert_int_equal(chain_subject_open(&arena, &keys, &subject, payload, opened), ERR_BAD_TOKEN);
    /* A key of another length is none. */
    assert_int_equal(chain_payload_seal(&arena, keys.subject, &subject, STR("short"), &sealed), OK);
    assert_int_equal(chain_subject_open(&arena, &keys, &subject, sealed, opened), ERR_BAD_TOKEN);
}

static double cpu_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

/* What one row costs the loop, in time of the processor; shown, not judged. */
static void what_a_row_costs(void **state)
{
    (void)state;
    enum { TIMES = 2000 };
    char plain[300];
    uint8_t key[CHAIN_KEY] = { 1 }, mac[SHA256_SIZE];
    struct chain_row row = a_row();
    memset(plain, 'x', sizeof(plain));
    double begin = cpu_us();
    for (int i = 0; i < TIMES; i++) {
        arena_reset(&arena);
        assert_int_equal(chain_payload_seal(&arena, key, &row.id,
                                            (struct str){ plain, sizeof(plain) }, &row.sealed),
                         OK);
        chain_mac(&keys, &row, mac);
    }
    print_message("# %.2f us to seal and sign a row of 300 bytes\n", (cpu_us() - begin) / TIMES);
}

static int make_keys(void **state)
{
    (void)state;
    chain_keys(STR("a secret of more than thirty-two characters"), &keys);
    return 0;
}

static int clear(void **state)
{
    (void)state;
    arena_reset(&arena);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(each_field_is_in_the_mac, clear),
        cmocka_unit_test_teardown(what_moves_from_one_field_to_the_next_shows, clear),
        cmocka_unit_test_teardown(a_link_is_over_all_that_it_joins, clear),
        cmocka_unit_test_teardown(a_head_is_written_and_read_again, clear),
        cmocka_unit_test_teardown(what_is_sealed_opens_only_as_what_it_is, clear),
        cmocka_unit_test_teardown(what_a_row_costs, clear),
    };
    return cmocka_run_group_tests_name("crypto/chain", tests, make_keys, NULL);
}
