#include "route/page.h"

#include "../../../src/route/cursor.h"
#include "../../../src/store/result.h"
#include "../base/nomem.h"
#include "base/json.h"
#include "unit.h"

static struct req r;
static struct page page;

static int begin(void **state)
{
    *state = &r;
    resources_init(thing_resources);
    return 0;
}

static enum err read_query(const char *query)
{
    ask(&r, &things, &thing_actions[THING_LISTED]);
    r.query = str_of(query);
    enum err err = page_read(&r, &page);
    r.page = &page;
    return err;
}

/* ---- the query string ---- */

static void parameters_one_by_one(void **state)
{
    (void)state;
    struct str query = STR("a=1&&b=%41%62+c%2B&=x&d&e=1=2&"), name, value;
    enum err err = OK;
    static const char *const wanted[] = { "a", "1", "b", "Ab c+", "", "x", "d", "", "e", "1=2" };
    ask(&r, &things, NULL);
    for (int i = 0; i < COUNT(wanted); i += 2) {
        assert_true(query_next(&r.arena, &query, &name, &value, &err));
        assert_str(name, wanted[i]);
        assert_str(value, wanted[i + 1]);
    }
    assert_false(query_next(&r.arena, &query, &name, &value, &err));
    assert_int_equal(err, OK);
    assert_false(query_next(&r.arena, &query, &name, &value, &err));
}

static void escapes_that_are_none(void **state)
{
    (void)state;
    static const char *const queries[] = { "a=%",   "a=%4",  "a=%4g", "a=%g4",  "%=1",
                                           "a=%00", "a=%ff", "a=%c3", "a=\xff", "a=%ed%a0%80" };
    struct str name, value;
    for (int i = 0; i < COUNT(queries); i++) {
        struct str query = str_of(queries[i]);
        enum err err = OK;
        ask(&r, &things, NULL);
        assert_false(query_next(&r.arena, &query, &name, &value, &err));
        assert_int_equal(err, ERR_BAD_QUERY);
    }
}

static void an_escape_ends_with_the_query(void **state)
{
    (void)state;
    struct str query = { "a=%41", 4 }, name, value; /* the 1 is not part of it */
    enum err err = OK;
    ask(&r, &things, NULL);
    assert_false(query_next(&r.arena, &query, &name, &value, &err));
    assert_int_equal(err, ERR_BAD_QUERY);
}

/* ---- a list's parameters ---- */

static void what_is_left_out(void **state)
{
    (void)state;
    ask(&r, &things, &thing_actions[THING_LISTED]);
    assert_int_equal(page_read(&r, &page), OK);
    assert_int_equal(page.limit, 100);
    assert_int_equal(page.skip, 0);
    assert_false(page.after);
    assert_ptr_equal(page_stmt(&things, &page), &thing_list[1]); /* the first sort column, descending */
    for (int i = 0; i < things.nfields; i++)
        assert_true(page.filters[i].null);
}

static void all_that_may_be_given(void **state)
{
    (void)state;
    assert_int_equal(
        read_query("limit=1000&skip=100000&sort=name&kind=small&count=-5&done=false&other_id=" HEX_A
                   "&due=2026-01-02T03:04:05%2b01:00"),
        OK);
    assert_int_equal(page.limit, 1000);
    assert_int_equal(page.skip, 100000);
    assert_ptr_equal(page_stmt(&things, &page), &thing_list[2]);
    assert_str(page.filters[1].text, "small");
    assert_int_equal(page.filters[3].i, -5);
    assert_true(!page.filters[5].null && page.filters[5].i == 0);
    assert_int_equal(page.filters[6].i, 1767319445000000);
    assert_true(page.filters[0].null);
    assert_int_equal(read_query("sort=-name"), OK);
    assert_ptr_equal(page_stmt(&things, &page), &thing_list[3]);
}

static void queries_that_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *query;
        enum err err;
        const char *field, *code;
    } cases[] = {
        { "limit=0", ERR_BAD_QUERY, "limit", "range" },
        { "limit=1001", ERR_BAD_QUERY, "limit", "range" },
        { "limit=-1", ERR_BAD_QUERY, "limit", "range" },
        { "limit=", ERR_BAD_QUERY, "limit", "range" },
        { "limit", ERR_BAD_QUERY, "limit", "range" },
        { "limit=1&limit=1", ERR_BAD_QUERY, "limit", "duplicate" },
        { "skip=100001", ERR_BAD_QUERY, "skip", "range" },
        { "skip=0&skip=0", ERR_BAD_QUERY, "skip", "duplicate" },
        { "sort=state", ERR_BAD_QUERY, "sort", "oneof" },
        { "sort=", ERR_BAD_QUERY, "sort", "oneof" },
        { "sort=--name", ERR_BAD_QUERY, "sort", "oneof" },
        { "sort=name&sort=name", ERR_BAD_QUERY, "sort", "duplicate" },
        { "kind=small&kind=large", ERR_BAD_QUERY, "kind", "duplicate" },
        { "after=x&after=x", ERR_BAD_QUERY, "after", "duplicate" },
        { "after=x&skip=0", ERR_BAD_QUERY, "after", "exclusive" },
        { "name=a", ERR_BAD_QUERY, "name", "unknown" },
        { "colour=a", ERR_BAD_QUERY, "colour", "unknown" },
        { "owner_id=" HEX_A, ERR_BAD_QUERY, "owner_id", "unknown" },
        { "metadata=%7b%7d", ERR_BAD_QUERY, "metadata", "unknown" },
        { "kind=huge&limit=0", ERR_BAD_QUERY, "limit", "range" },
        { "kind=huge", ERR_INVALID, "kind", "oneof" },
        { "count=11", ERR_INVALID, "count", "range" },
        { "count=1.0", ERR_INVALID, "count", "type" },
        { "count=null", ERR_INVALID, "count", "type" },
        { "count=", ERR_INVALID, "count", "type" },
        { "count=%221%22", ERR_INVALID, "count", "type" },
        { "done=yes", ERR_INVALID, "done", "type" },
        { "done=null", ERR_INVALID, "done", "type" },
        { "done=%5b%5d", ERR_INVALID, "done", "type" },
        { "due=now", ERR_INVALID, "due", "format" },
        { "other_id=x", ERR_INVALID, "other_id", "format" },
    };
    for (int i = 0; i < COUNT(cases); i++)
        if (read_query(cases[i].query) != cases[i].err || !told(&r, cases[i].field, cases[i].code))
            fail_msg("%s", cases[i].query);
    assert_int_equal(read_query("limit=1&%zz"), ERR_BAD_QUERY);
}

/* ---- cursors ---- */

static const struct uuid some_id = { { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16 } };

static char *cursor(const struct resource *res, int sort, bool down, struct value key)
{
    static struct arena arena; /* outlives the request that it is made for */
    static char kept[400];
    const struct cursor c = { sort, down, key, some_id };
    struct text t = text_new(&arena, 0);
    text_lit(&t, "after=");
    cursor_write(&t, res, &c);
    text_char(&t, '\0');
    assert_true(!t.failed && t.n <= sizeof(kept));
    memcpy(kept, t.p, t.n);
    arena_reset(&arena);
    return kept;
}

static const struct value a_time = { .type = VALUE_TIME, .i = 1763640000000000 };
static const struct value a_name = { .type = VALUE_TEXT, .text = { "a name", 6 } };

static void a_cursor_comes_back(void **state)
{
    (void)state;
    assert_int_equal(read_query(cursor(&things, 0, true, a_time)), OK);
    assert_true(page.after && page.down && page.sort == 0);
    assert_int_equal(page.after_key.type, VALUE_TIME);
    assert_int_equal(page.after_key.i, 1763640000000000);
    assert_true(uuid_eq(&page.after_id, &some_id));

    assert_int_equal(read_query(cursor(&things, 1, false, a_name)), OK);
    assert_true(page.after && !page.down && page.sort == 1);
    assert_str(page.after_key.text, "a name");
    assert_int_equal(read_query(cursor(&things, 1, false,
                                       (struct value){ .type = VALUE_TEXT, .text = { "", 0 } })),
                     OK);
}

/* Lists sorted by a column of each type. */
static const char *const every_sort[] = { "id", "name", "count", "ratio", "done", "due", NULL };

static void keys_of_every_type(void **state)
{
    (void)state;
    const struct value keys[] = {
        { .type = VALUE_UUID, .uuid = some_id }, { .type = VALUE_TEXT, .text = STR("n\xc3\xa4me") },
        { .type = VALUE_INT, .i = INT64_MIN },   { .type = VALUE_REAL, .real = -0.125 },
        { .type = VALUE_BOOL, .i = 1 },          { .type = VALUE_TIME, .i = 1 },
    };
    struct resource res = things;
    struct cursor back;
    res.sorts = every_sort;
    ask(&r, &res, NULL);
    for (int i = 0; i < COUNT(keys); i++) {
        struct str text = str_of(cursor(&res, i, i & 1, keys[i]) + strlen("after="));
        assert_true(cursor_read(&r.arena, &res, text, &back));
        assert_int_equal(back.sort, i);
        assert_int_equal(back.down, i & 1);
        assert_int_equal(back.key.type, keys[i].type);
        if (keys[i].type == VALUE_TEXT)
            assert_true(str_eq(back.key.text, keys[i].text));
        else
            assert_memory_equal(&back.key.uuid, &keys[i].uuid, keys[i].type == VALUE_UUID ? 16 : 8);
    }
}

/* The check is right, the key is not one of its column. */
static void keys_that_are_none(void **state)
{
    (void)state;
    static const struct {
        int sort;
        struct str bytes;
    } cases[] = {
        { 0, { "short", 5 } },
        { 1, { "\xff\xfe", 2 } },
        { 1, { "a\0b", 3 } },
        { 2, { "short", 5 } },
        { 3, { "short", 5 } },
        { 3, { "\x7f\xf0\0\0\0\0\0\0", 8 } }, /* infinity */
        { 4, { "\0\0\0\0\0\0\0\2", 8 } },
        { 5, { "far too long for it", 19 } },
    };
    struct resource res = things;
    struct cursor back;
    res.sorts = every_sort;
    ask(&r, &res, NULL);
    for (int i = 0; i < COUNT(cases); i++) {
        struct value key = { .type = VALUE_TEXT, .text = cases[i].bytes };
        struct str text = str_of(cursor(&res, cases[i].sort, false, key) + strlen("after="));
        if (cursor_read(&r.arena, &res, text, &back))
            fail_msg("%d", i);
    }
}

static void a_sort_beside_a_cursor_must_be_its_own(void **state)
{
    (void)state;
    char query[500];
    snprintf(query, sizeof(query), "%s&sort=name", cursor(&things, 1, false, a_name));
    assert_int_equal(read_query(query), OK);
    snprintf(query, sizeof(query), "sort=-name&%s", cursor(&things, 1, false, a_name));
    assert_int_equal(read_query(query), ERR_BAD_CURSOR);
    snprintf(query, sizeof(query), "sort=created_at&%s", cursor(&things, 1, false, a_name));
    assert_int_equal(read_query(query), ERR_BAD_CURSOR);
}

static void a_cursor_of_another_list(void **state)
{
    (void)state;
    struct resource other = things;
    other.plural = "others";
    assert_int_equal(read_query(cursor(&other, 0, true, a_time)), ERR_BAD_CURSOR);
    static const char *const names[] = { "updated_at", "name", NULL };
    other = things;
    other.sorts = names;
    assert_int_equal(read_query(cursor(&other, 0, true, a_time)), ERR_BAD_CURSOR);
}

static void no_character_of_a_cursor_can_be_changed(void **state)
{
    (void)state;
    char query[500];
    snprintf(query, sizeof(query), "%s", cursor(&things, 1, true, a_name));
    for (size_t i = strlen("after="); query[i]; i++) {
        char kept = query[i];
        for (const char *c = "AQgw_-=+ %.\xc3"; *c; c++) {
            query[i] = *c;
            enum err err = read_query(query);
            if (*c != kept && err != ERR_BAD_CURSOR && err != ERR_BAD_QUERY)
                fail_msg("%s", query);
        }
        query[i] = '\0';
        assert_int_equal(read_query(query), ERR_BAD_CURSOR);
        query[i] = kept;
    }
    assert_int_equal(read_query(query), OK);
}

/* ---- the reply ---- */

static struct value *row_number(int n)
{
    static struct value row[THING_COLUMNS];
    static char names[8][16];
    for (int i = 0; i < THING_COLUMNS; i++)
        row[i] = (struct value){ .type = thing_columns[i].type, .null = thing_columns[i].null };
    snprintf(names[n], sizeof(names[n]), "row %d", n);
    row[THING_ID].uuid = some_id;
    row[THING_ID].uuid.b[0] = (uint8_t)n;
    row[THING_NAME].text = str_of(names[n]);
    row[THING_KIND].text = row[THING_STATE].text = STR("x");
    row[THING_CONFIG].text = row[THING_METADATA].text = STR("{}");
    row[THING_CREATED_AT].i = n;
    return row;
}

static void fill(struct rows *rows, int n)
{
    *rows = (struct rows){ .stmt = &thing_list[2] };
    for (int i = 0; i < n; i++)
        assert_int_equal(rows_add(rows, row_number(i)), OK);
}

static const struct json *replied(void)
{
    const struct json *v;
    assert_int_equal(json_read(&r.arena, r.reply.body, &v), OK);
    return v;
}

static void the_last_page_has_no_next(void **state)
{
    (void)state;
    struct rows rows;
    assert_int_equal(read_query("limit=3&sort=name"), OK);
    fill(&rows, 3);
    assert_int_equal(reply_page(&r, &things, &rows), NEXT);
    assert_int_equal(json_count(json_get(replied(), "items")), 3);
    assert_int_equal(json_type(json_get(replied(), "next")), JSON_NULL);
    rows_fini(&rows);

    fill(&rows, 0);
    assert_int_equal(reply_page(&r, &things, &rows), NEXT);
    assert_str(r.reply.body, "{\"items\":[],\"next\":null}");
    rows_fini(&rows);
}

static void a_row_more_gives_a_next_behind_the_last_shown(void **state)
{
    (void)state;
    struct rows rows;
    char query[300];
    assert_int_equal(read_query("limit=3&sort=name"), OK);
    fill(&rows, 4);
    assert_int_equal(reply_page(&r, &things, &rows), NEXT);
    assert_int_equal(r.reply.status, 200);
    assert_int_equal(json_count(json_get(replied(), "items")), 3);
    struct str next = json_text(json_get(replied(), "next"));
    snprintf(query, sizeof(query), "limit=3&after=%.*s", STR_ARG(next));
    rows_fini(&rows);

    assert_int_equal(read_query(query), OK);
    assert_str(page.after_key.text, "row 2");
    assert_int_equal(page.after_id.b[0], 2);
    assert_ptr_equal(page_stmt(&things, &page), &thing_list[2]);
}

static void memory_runs_out_anywhere(void **state)
{
    (void)state;
    struct rows rows;
    char query[500];
    snprintf(query, sizeof(query), "%s&count=3&kind=%%73mall", cursor(&things, 0, true, a_time));
    for (long n = 0;; n++) {
        nomem_after(n);
        enum err err = read_query(query);
        if (nomem_happened()) {
            nomem_after(-1);
            assert_int_equal(err, ERR_NO_MEMORY);
            continue;
        }
        nomem_after(-1);
        assert_int_equal(err, OK);
        break;
    }
    for (long n = 0;; n++) {
        assert_int_equal(read_query("limit=1"), OK);
        fill(&rows, 2);
        nomem_after(n);
        enum verdict v = reply_page(&r, &things, &rows);
        bool happened = nomem_happened();
        nomem_after(-1);
        rows_fini(&rows);
        assert_int_equal(v, happened ? DENY : NEXT);
        if (!happened)
            break;
        assert_int_equal(r.err, ERR_NO_MEMORY);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parameters_one_by_one),
        cmocka_unit_test(escapes_that_are_none),
        cmocka_unit_test(an_escape_ends_with_the_query),
        cmocka_unit_test(what_is_left_out),
        cmocka_unit_test(all_that_may_be_given),
        cmocka_unit_test(queries_that_are_refused),
        cmocka_unit_test(a_cursor_comes_back),
        cmocka_unit_test(keys_of_every_type),
        cmocka_unit_test(keys_that_are_none),
        cmocka_unit_test(a_sort_beside_a_cursor_must_be_its_own),
        cmocka_unit_test(a_cursor_of_another_list),
        cmocka_unit_test(no_character_of_a_cursor_can_be_changed),
        cmocka_unit_test(the_last_page_has_no_next),
        cmocka_unit_test(a_row_more_gives_a_next_behind_the_last_shown),
        cmocka_unit_test(memory_runs_out_anywhere),
    };
    return cmocka_run_group_tests(tests, begin, done);
}
