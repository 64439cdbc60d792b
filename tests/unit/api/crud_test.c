#include "api/crud.h"

#include "../../../src/store/result.h"
#include "../base/nomem.h"
#include "../route/unit.h"

static struct req r;
static struct principal who;
static struct facts facts;
static struct rows stored;

/* ---- the store that is asked ---- */

static const struct stmt *asked;
static const struct value *asked_with;

void store_ask(struct store *s, const struct stmt *stmt, const struct value *params,
               struct rows *out, struct wait *w)
{
    (void)s, (void)out, (void)w;
    asked = stmt;
    asked_with = params;
}

/* ---- requests ---- */

static struct uuid uuid(const char *text)
{
    struct uuid id;
    assert_true(uuid_parse(str_of(text), &id));
    return id;
}

static const struct value *param(const struct stmt *stmt, const struct value *params,
                                 const char *name)
{
    for (int i = 0; i < stmt->nparams; i++)
        if (strcmp(stmt->params[i].name, name) == 0)
            return &params[i];
    fail_msg("%s has no parameter %s", stmt->name, name);
    return NULL;
}

static const struct value *changed(const char *name)
{
    assert_int_equal(r.change.n, 1);
    return param(r.change.at[0].stmt, r.change.at[0].params, name);
}

static void fill_facts(void)
{
    struct value row[THING_COLUMNS];
    rows_fini(&stored);
    stored.stmt = &thing_get;
    for (int i = 0; i < THING_COLUMNS; i++)
        row[i] = (struct value){ .type = thing_columns[i].type, .null = thing_columns[i].null };
    row[THING_ID].uuid = uuid(HEX_A);
    row[THING_OWNER_ID].uuid = who.user_id;
    row[THING_NAME].text = STR("before");
    row[THING_KIND].text = STR("small");
    row[THING_NOTE] = (struct value){ .type = VALUE_TEXT, .text = STR("a note") };
    row[THING_CONFIG].text = STR("{\"a\":{\"b\":1,\"c\":2},\"d\":3}");
    row[THING_STATE].text = STR("new");
    row[THING_METADATA].text = STR("{\"keep\":true}");
    row[THING_VERSION].i = 3;
    row[THING_CREATED_AT].i = row[THING_UPDATED_AT].i = 1000000;
    assert_int_equal(rows_add(&stored, row), OK);
    assert_true(rows_next(&stored));
    facts = (struct facts){
        .id = uuid(HEX_A), .owner = who.user_id, .version = 3, .json = STR("{\"the\":\"row\"}")
    };
    assert_true(rows_attach(&facts.row, &thing_get, rows_bytes(&stored)));
}

/* A request that has come as far as its handler. */
static enum verdict reach_on(const struct resource *res, int action, const char *body,
                             stage_fn *handler)
{
    ask(&r, res, &thing_actions[action]);
    r.who = &who;
    change_init(&r.change, &r.arena);
    if (strstr(r.action->path, "{id}")) {
        r.facts = &facts;
        r.target_ids.id = facts.id;
        r.target_ids.n = 1;
    }
    if (body) {
        r.content_type = STR("application/json");
        r.body = str_of(body);
    }
    if (input_read(&r) != NEXT)
        return DENY;
    return handler(&r);
}

static enum verdict reach(int action, const char *body, stage_fn *handler)
{
    return reach_on(&things, action, body, handler);
}

static int begin(void **state)
{
    *state = &r;
    resources_init(thing_resources);
    who.user_id = uuid(HEX_B);
    fill_facts();
    return 0;
}

static int end(void **state)
{
    rows_fini(&stored);
    return done(state);
}

/* ---- preconditions ---- */

static void if_match_names_the_version(void **state)
{
    (void)state;
    static const struct {
        const char *tags;
        bool matches;
    } cases[] = {
        { "\"v3\"", true },
        { "*", true },
        { " * ", true },
        { "\"v2\", \"v3\"", true },
        { "\"v2\" ,, \"v3\" ,", true },
        { "\"a,b\",\"v3\"", true },
        { "\"\", \"v3\"", true },
        { "\"v2\"", false },
        { "\"v33\"", false },
        { "\"V3\"", false },
        { "W/\"v3\"", false }, /* strong comparison (RFC 9110 section 13.1.1) */
        { "w/\"v3\"", false },
        { "v3", false },
        { "'v3'", false },
        { "\"v3", false },
        { "v3\"", false },
        { "\"v3\" \"v4\"", false },
        { "\"v3\"; x", false },
        { "\"v3\", junk", false },
        { "\"v3\", *", false },
        { "**", false },
        { "\"v 3\"", false },
        { "\"v 2\", \"v3\"", false },
        { "", false },
        { ",", false },
        { "W/", false },
        { "\"", false },
    };
    ask(&r, &things, &thing_actions[THING_PATCHED]);
    r.facts = &facts;
    assert_int_equal(crud_match(&r), OK); /* without the header */
    for (int i = 0; i < COUNT(cases); i++) {
        r.if_match = str_of(cases[i].tags);
        if (crud_match(&r) != (cases[i].matches ? OK : ERR_STALE))
            fail_msg("%s", cases[i].tags);
    }
    r.if_match = STR("*");
    r.facts = NULL;
    assert_int_equal(crud_match(&r), ERR_STALE); /* there is nothing that could match */
}

static enum verdict get_stale(struct req *a)
{
    a->if_match = STR("\"v2\"");
    return crud_get(a);
}

static enum verdict get_unchanged(struct req *a)
{
    a->if_none_match = STR("\"v1\", W/\"v3\"");
    return crud_get(a);
}

static enum verdict get_changed(struct req *a)
{
    a->if_none_match = STR("\"v2\"");
    return crud_get(a);
}

static void a_get_answers_from_the_facts(void **state)
{
    (void)state;
    assert_int_equal(reach(THING_GOT, NULL, crud_get), NEXT);
    assert_int_equal(r.reply.status, 200);
    assert_int_equal(r.reply.version, 3);
    assert_ptr_equal(r.reply.body.p, facts.json.p);
    assert_int_equal(reach(THING_GOT, NULL, get_changed), NEXT);
    assert_int_equal(r.reply.status, 200);
    assert_int_equal(reach(THING_GOT, NULL, get_unchanged), DONE);
    assert_int_equal(r.reply.status, 304);
    assert_int_equal(r.reply.version, 3);
    assert_int_equal(r.reply.body.n, 0);
    assert_int_equal(reach(THING_GOT, NULL, get_stale), DENY);
    assert_int_equal(r.err, ERR_STALE);
}

/* ---- creating ---- */

static void a_creation_fills_the_row(void **state)
{
    (void)state;
    assert_int_equal(
        reach(THING_MADE,
              "{\"name\":\"a\",\"secret\":\"12345678\",\"config\":{\"x\":null},\"count\":4}",
              crud_create),
        NEXT);
    assert_int_equal(r.reply.status, 201);
    assert_int_equal(r.reply.version, 1);
    assert_true(uuid_eq(&r.audit_target, &r.row[THING_ID].uuid));
    assert_true(uuid_acceptable(&r.audit_target));
    assert_true(uuid_eq(&r.row[THING_OWNER_ID].uuid, &who.user_id));
    assert_int_equal(r.row[THING_CREATED_AT].i, r.now);
    assert_int_equal(r.row[THING_UPDATED_AT].i, r.now);
    assert_str(r.row[THING_KIND].text, "small");
    assert_str(r.row[THING_STATE].text, "new"); /* only shown: its default */
    assert_str(r.row[THING_METADATA].text, "{}");
    assert_str(r.row[THING_CONFIG].text, "{\"x\":null}"); /* null is a value here, not a removal */
    assert_true(r.row[THING_DUE].null);

    assert_ptr_equal(r.change.at[0].stmt, &thing_add);
    assert_true(uuid_eq(&changed("id")->uuid, &r.audit_target));
    assert_true(uuid_eq(&changed("owner_id")->uuid, &who.user_id));
    assert_str(changed("secret")->text, "12345678"); /* taken, never shown */
    assert_int_equal(changed("count")->i, 4);
    assert_true(changed("due")->null);
    assert_int_equal(changed("now")->i, r.now);
    assert_null(memmem(r.reply.body.p, r.reply.body.n, "12345678", 8));

    char location[100];
    char id[UUID_TEXT + 1] = "";
    uuid_format(&r.audit_target, id);
    snprintf(location, sizeof(location), "Location: /api/v1/things/%s\r\n", id);
    assert_str(text_str(&r.reply.headers), location);
}

static void a_body_of_its_own_leaves_the_defaults(void **state)
{
    (void)state;
    assert_int_equal(reach(THING_CLAIMED, "{\"limit\":3}", crud_create), NEXT);
    assert_str(r.row[THING_KIND].text, "small");
    assert_str(r.row[THING_METADATA].text, "{}");
    assert_int_equal(r.row[THING_COUNT].i, 0);
    assert_true(r.row[THING_NOTE].null);
    assert_int_equal(r.row[THING_VERSION].i, 1);
}

static enum verdict adjusted(struct req *a, struct value *row)
{
    if (str_eq(row[THING_NAME].text, STR("bad")))
        return req_deny(a, ERR_CONFLICT);
    row[THING_NAME].text = STR("adjusted");
    return NEXT;
}

static void adjust_has_the_last_word(void **state)
{
    (void)state;
    struct resource res = things;
    const struct resource *const all[] = { &res, NULL };
    res.adjust = adjusted;
    resources_init(all);
    assert_int_equal(reach_on(&res, THING_MADE, "{\"name\":\"a\"}", crud_create), NEXT);
    assert_str(changed("name")->text, "adjusted");
    assert_int_equal(reach_on(&res, THING_MADE, "{\"name\":\"bad\"}", crud_create), DENY);
    assert_int_equal(r.err, ERR_CONFLICT);
    assert_int_equal(r.change.n, 0);
    assert_int_equal(reach_on(&res, THING_PATCHED, "{\"name\":\"bad\"}", crud_update), DENY);
    assert_int_equal(r.err, ERR_CONFLICT);
    assert_int_equal(r.change.n, 0);
    resources_init(thing_resources);
}

/* ---- changing ---- */

static void a_patch_changes_what_it_names(void **state)
{
    (void)state;
    assert_int_equal(reach(THING_PATCHED, "{\"name\":\"after\"}", crud_update), NEXT);
    assert_int_equal(r.reply.status, 200);
    assert_int_equal(r.reply.version, 4);
    assert_ptr_equal(r.change.at[0].stmt, &thing_set);
    assert_int_equal(changed("version")->i, 3); /* the one that was looked at */
    assert_true(uuid_eq(&changed("id")->uuid, &facts.id));
    assert_str(changed("name")->text, "after");
    assert_str(changed("note")->text, "a note");
    assert_str(changed("metadata")->text, "{\"keep\":true}");
    assert_int_equal(r.row[THING_CREATED_AT].i, 1000000);
    assert_int_equal(r.row[THING_UPDATED_AT].i, r.now);
    assert_str(r.row[THING_KIND].text, "small"); /* a patch brings no defaults in */
}

static void a_patch_merges_objects(void **state)
{
    (void)state;
    assert_int_equal(reach(THING_PATCHED,
                           "{\"config\":{\"a\":{\"b\":null,\"e\":5},\"d\":[1]},\"metadata\":{"
                           "\"new\":1},\"note\":null}",
                           crud_update),
                     NEXT);
    assert_str(changed("config")->text, "{\"a\":{\"c\":2,\"e\":5},\"d\":[1]}");
    assert_str(changed("metadata")->text, "{\"keep\":true,\"new\":1}");
    assert_true(changed("note")->null);
    assert_int_equal(reach(THING_PATCHED, "{\"anything\":{\"a\":null,\"b\":1}}", crud_update),
                     NEXT);
    assert_str(r.row[THING_ANYTHING].text, "{\"b\":1}"); /* as if it had been {} */
    assert_int_equal(reach(THING_PATCHED, "{\"anything\":[{\"a\":null}]}", crud_update), NEXT);
    assert_str(r.row[THING_ANYTHING].text, "[{\"a\":null}]");
}

static void what_a_merge_makes_must_fit_too(void **state)
{
    (void)state;
    assert_int_equal(
        reach(THING_PATCHED,
              "{\"config\":{\"long\":\"01234567890123456789012345678901234567890123456\"}}",
              crud_update),
        DENY);
    assert_int_equal(r.err, ERR_INVALID);
    assert_true(told(&r, "config", "length"));
    assert_int_equal(r.change.n, 0);
}

static void an_empty_patch_still_writes(void **state)
{
    (void)state;
    assert_int_equal(reach(THING_PATCHED, "{}", crud_update), NEXT);
    assert_int_equal(r.change.n, 1);
    assert_int_equal(r.reply.version, 4);
}

static enum verdict update_stale(struct req *a)
{
    a->if_match = STR("\"v2\"");
    return crud_update(a);
}

static enum verdict delete_stale(struct req *a)
{
    a->if_match = STR("\"v2\"");
    return crud_delete(a);
}

static void a_stale_change_is_not_made(void **state)
{
    (void)state;
    assert_int_equal(reach(THING_PATCHED, "{\"name\":\"after\"}", update_stale), DENY);
    assert_int_equal(r.err, ERR_STALE);
    assert_int_equal(r.change.n, 0);
    assert_int_equal(reach(THING_REMOVED, NULL, delete_stale), DENY);
    assert_int_equal(r.err, ERR_STALE);
    assert_int_equal(r.change.n, 0);
}

static void a_deletion(void **state)
{
    (void)state;
    assert_int_equal(reach(THING_REMOVED, NULL, crud_delete), NEXT);
    assert_int_equal(r.reply.status, 204);
    assert_null(r.reply.type);
    assert_ptr_equal(r.change.at[0].stmt, &thing_del);
    assert_true(uuid_eq(&changed("id")->uuid, &facts.id));
    assert_int_equal(changed("version")->i, 3);
    assert_str(r.row[THING_NAME].text, "before");
}

/* ---- lists ---- */

static enum verdict list_with(const char *query)
{
    ask(&r, &things, &thing_actions[THING_LISTED]);
    r.who = &who;
    r.query = str_of(query);
    assert_int_equal(input_read(&r), NEXT);
    return crud_list(&r);
}

static void a_list_is_asked_for(void **state)
{
    (void)state;
    assert_int_equal(list_with("limit=5&skip=20&sort=name&kind=small&count=-2"), WAIT);
    assert_ptr_equal(asked, &thing_list[2]);
    assert_true(uuid_eq(&param(asked, asked_with, "viewer")->uuid, &who.user_id));
    assert_int_equal(param(asked, asked_with, "limit")->i, 6); /* one more: is there a next? */
    assert_int_equal(param(asked, asked_with, "skip")->i, 20);
    assert_str(param(asked, asked_with, "kind")->text, "small");
    assert_int_equal(param(asked, asked_with, "count")->i, -2);
    assert_true(param(asked, asked_with, "done")->null);
    assert_true(param(asked, asked_with, "after_key")->null);
    assert_true(param(asked, asked_with, "after_id")->null);
    for (int i = 0; i < asked->nparams; i++)
        assert_int_equal(asked_with[i].type, asked->params[i].type);
}

static void a_list_is_answered(void **state)
{
    (void)state;
    list_with("limit=1");
    r.rows = (struct rows){ .stmt = &thing_list[1] };
    struct value *row = resource_row(&r.arena, &things, &facts.row);
    assert_int_equal(rows_add(&r.rows, row), OK);
    assert_int_equal(rows_add(&r.rows, row), OK);
    assert_int_equal(crud_listed(&r), NEXT);
    assert_int_equal(r.reply.status, 200);
    rows_fini(&r.rows);

    struct str next = { memmem(r.reply.body.p, r.reply.body.n, "\"next\":\"", 8), 0 };
    assert_non_null(next.p);
    next.p += 8;
    next.n = (size_t)(r.reply.body.p + r.reply.body.n - 2 - next.p);
    char query[200];
    snprintf(query, sizeof(query), "after=%.*s", STR_ARG(next));
    assert_int_equal(list_with(query), WAIT);
    assert_int_equal(param(asked, asked_with, "after_key")->i, 1000000);
    assert_true(uuid_eq(&param(asked, asked_with, "after_id")->uuid, &facts.id));

    list_with("");
    r.rows.err = ERR_UNAVAILABLE;
    assert_int_equal(crud_listed(&r), DENY);
    assert_int_equal(r.err, ERR_UNAVAILABLE);
}

/* ---- what is missing ---- */

static void a_table_without_the_statement_denies(void **state)
{
    (void)state;
    struct resource res = things;
    const struct resource *const all[] = { &res, NULL };
    res.add = res.set = res.del = NULL;
    resources_init(all);
    assert_int_equal(reach_on(&res, THING_MADE, "{\"name\":\"a\"}", crud_create), DENY);
    assert_int_equal(r.err, ERR_INTERNAL);
    assert_int_equal(reach_on(&res, THING_PATCHED, "{}", crud_update), DENY);
    assert_int_equal(r.err, ERR_INTERNAL);
    assert_int_equal(reach_on(&res, THING_REMOVED, NULL, crud_delete), DENY);
    assert_int_equal(r.err, ERR_INTERNAL);
    resources_init(thing_resources);
}

static void memory_runs_out_anywhere(void **state)
{
    static const struct {
        int action;
        const char *body;
        stage_fn *handler;
    } cases[] = {
        { THING_MADE, "{\"name\":\"a\"}", crud_create },
        { THING_PATCHED, "{\"config\":{\"a\":1},\"metadata\":{\"b\":2}}", crud_update },
        { THING_REMOVED, NULL, crud_delete },
    };
    (void)state;
    for (int i = 0; i < COUNT(cases); i++) {
        for (long n = 0;; n++) {
            nomem_after(n);
            enum verdict v = reach(cases[i].action, cases[i].body, cases[i].handler);
            bool happened = nomem_happened();
            nomem_after(-1);
            assert_int_equal(v, happened ? DENY : NEXT);
            if (!happened)
                break;
            assert_int_equal(r.err, ERR_NO_MEMORY);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(if_match_names_the_version),
        cmocka_unit_test(a_get_answers_from_the_facts),
        cmocka_unit_test(a_creation_fills_the_row),
        cmocka_unit_test(a_body_of_its_own_leaves_the_defaults),
        cmocka_unit_test(adjust_has_the_last_word),
        cmocka_unit_test(a_patch_changes_what_it_names),
        cmocka_unit_test(a_patch_merges_objects),
        cmocka_unit_test(what_a_merge_makes_must_fit_too),
        cmocka_unit_test(an_empty_patch_still_writes),
        cmocka_unit_test(a_stale_change_is_not_made),
        cmocka_unit_test(a_deletion),
        cmocka_unit_test(a_list_is_asked_for),
        cmocka_unit_test(a_list_is_answered),
        cmocka_unit_test(a_table_without_the_statement_denies),
        cmocka_unit_test(memory_runs_out_anywhere),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
