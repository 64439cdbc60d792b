/* Start refuses what is incomplete: the whole table passes, and each single fault in it is named. */
#include "unit.h"

#define FIELDS COUNT(thing_fields)

/* A copy of everything declared, to be broken at one place. */
static struct {
    struct resource res;
    struct field fields[40];
    struct action actions[COUNT(thing_actions)];
    struct slot columns[THING_COLUMNS];
    struct slot params[16];
    struct stmt get, change, list[4];
    struct field input[2];
} b;

static struct req r;

static int begin(void **state)
{
    *state = &r;
    return 0;
}

static void whole(void)
{
    b.res = things;
    memcpy(b.fields, thing_fields, sizeof(thing_fields));
    memcpy(b.actions, thing_actions, sizeof(thing_actions));
    memcpy(b.columns, thing_columns, sizeof(thing_columns));
    memcpy(b.list, thing_list, sizeof(thing_list));
    memcpy(b.input, claim_input, sizeof(claim_input));
    b.get = thing_get;
    b.get.columns = b.columns;
    b.res.fields = b.fields;
    b.res.actions = b.actions;
    b.res.get = &b.get;
    b.res.list = b.list;
}

/* One of the statements, copied with its parameters. */
static const struct stmt *copy(const struct stmt *stmt)
{
    b.change = *stmt;
    memcpy(b.params, stmt->params, sizeof(*stmt->params) * (size_t)stmt->nparams);
    b.change.params = b.params;
    return &b.change;
}

static const char *complaint(void)
{
    static char why[300];
    static const struct resource *const all[] = { &b.res, &gates, NULL };
    snprintf(why, sizeof(why), "nothing");
    resources_init(all);
    enum err err = resources_check(why, sizeof(why));
    assert_int_equal(err, strcmp(why, "nothing") == 0 ? OK : ERR_INVALID);
    whole();
    return why;
}

#define refused(says) assert_string_equal(complaint(), says)

static void the_whole_table_passes(void **state)
{
    (void)state;
    whole();
    refused("nothing");
}

static void names(void **state)
{
    (void)state;
    whole();
    b.res.plural = "gate-ways";
    b.fields[7].refers = NULL;
    refused("gate-ways: declared twice");
    b.res.plural = NULL;
    refused("thing: a resource without noun or plural");
    b.res.noun = "";
    refused("things: a resource without noun or plural");
    b.res.nactions = 0;
    refused("things: nothing can be done with it");
}

static void paths(void **state)
{
    (void)state;
    whole();
    b.actions[0].path = "api";
    refused("things: GET api: its path does not begin with a slash");
    b.actions[0].path = "/a//b";
    refused("things: GET /a//b: the segment '' of its path is neither {id} nor a plain word");
    b.actions[0].path = "/a/";
    refused("things: GET /a/: the segment '' of its path is neither {id} nor a plain word");
    b.actions[0].path = "/a/{name}";
    refused(
        "things: GET /a/{name}: the segment '{name}' of its path is neither {id} nor a plain word");
    b.actions[0].path = "/a/..";
    refused("things: GET /a/..: the segment '..' of its path is neither {id} nor a plain word");
    b.actions[0].path = "/{id}/{id}/{id}";
    refused("things: GET /{id}/{id}/{id}: its path has more than 2 ids");
    b.actions[3].path = b.actions[4].path;
    b.actions[4].method = PATCH;
    refused("things: PATCH /api/v1/things/{id}: declared twice");
    b.actions[0].path = "/health";
    refused("gate-ways: GET /health: declared twice");
}

static void any_method(void **state)
{
    (void)state;
    whole();
    b.actions[0].list = false;
    b.actions[0].method = ANY_METHOD;
    refused("things: ANY /api/v1/things: for any method, but it looks at a body or is not plain");
    b.actions[0].list = false;
    b.actions[0].method = ANY_METHOD;
    b.actions[0].unread = b.actions[0].plain = true;
    b.actions[0].path = "/ask/*";
    refused("nothing");
    b.actions[0].list = false;
    b.actions[0].method = ANY_METHOD;
    b.actions[0].unread = b.actions[0].plain = true;
    b.actions[0].path = "/ask/*/more";
    refused(
        "things: ANY /ask/*/more: the segment '*' of its path is neither {id} nor a plain word");
    b.actions[0].path = "/ask/*";
    refused("things: GET /ask/*: the segment '*' of its path is neither {id} nor a plain word");
}

static void methods(void **state)
{
    (void)state;
    whole();
    b.actions[1].audit = NULL;
    refused("things: POST /api/v1/things: neither audited nor plain");
    b.actions[1].audit = NULL;
    b.actions[1].plain = true;
    refused("nothing");
    b.actions[0].audit = "thing.list";
    refused("things: GET /api/v1/things: a GET changes nothing, so it is not audited");
    b.actions[1].audit = "create";
    refused("things: POST /api/v1/things: its audit noun 'create' is not of the form noun.verb");
    b.actions[0].method = HEAD;
    refused(
        "things: HEAD /api/v1/things: its method is none of GET, POST, PUT, PATCH, DELETE, ANY");
    b.actions[6].no_body = false;
    refused("nothing"); /* then it takes the fields of the resource */
    b.actions[0].method = METHOD_NONE;
    refused("things: - /api/v1/things: its method is none of GET, POST, PUT, PATCH, DELETE, ANY");
}

static void permissions(void **state)
{
    (void)state;
    whole();
    b.actions[2].permit = PERMIT_NONE;
    refused("things: GET /api/v1/things/{id}: no permission");
    b.actions[2].permit = PERMIT_COUNT;
    refused("things: GET /api/v1/things/{id}: no permission");
    b.actions[2].access = ACCESS_NONE;
    refused(
        "things: GET /api/v1/things/{id}: its path names a row, but no access to it is asked for");
    b.actions[2].rate = RATE_COUNT;
    refused("things: GET /api/v1/things/{id}: unknown rate class, cache type or access");
    b.res.get = b.res.add = b.res.set = b.res.del = b.res.list = NULL;
    b.fields[7].refers = NULL;
    b.actions[0].list = false;
    refused("things: GET /api/v1/things/{id}: its path names a row, but the resource has no "
            "statement that gets it");
}

static void handlers(void **state)
{
    static const struct stage steps[] = { { "a", thing_run, NULL }, { 0 } };
    (void)state;
    whole();
    b.actions[0].run = NULL;
    refused("things: GET /api/v1/things: needs either run or steps");
    b.actions[0].steps = steps;
    refused("things: GET /api/v1/things: needs either run or steps");
    b.actions[0].run = NULL;
    b.actions[0].steps = steps;
    refused("nothing");
    b.actions[0].run = NULL;
    b.actions[0].steps = steps;
    b.actions[0].then = thing_run;
    refused("things: GET /api/v1/things: then without run");
    b.actions[0].status = 404;
    refused("things: GET /api/v1/things: 404 is no status of success");
    b.actions[0].says = "";
    refused("things: GET /api/v1/things: nothing is said about it");
}

static void bodies(void **state)
{
    (void)state;
    whole();
    b.actions[1].list = true;
    refused("things: POST /api/v1/things: a list is got");
    b.res.list = NULL;
    refused("things: GET /api/v1/things: a list without statements or sort columns");
    b.actions[0].input = b.input;
    b.actions[0].ninput = 1;
    refused("things: GET /api/v1/things: takes no body but declares its fields");
    b.actions[5].input = b.input;
    b.input[0].standard = "1000";
    refused(
        "things: POST /api/v1/things/claim: the default of the field limit does not fit it: 1000");
}

static void fields(void **state)
{
    (void)state;
    whole();
    b.fields[1].name = "Kind";
    refused("things: field 1: 'Kind' is no name for a field");
    b.fields[1].name = NULL;
    refused("things: field 1: '' is no name for a field");
    b.fields[1].name = "name";
    refused("things: the field name is declared twice");
    b.fields[1].name = "metadata";
    refused("things: the field metadata is there without saying");
    b.fields[1].oneof = NULL;
    refused("things: the field kind does not say what it is one of");
    b.fields[0].oneof = "a|b";
    refused("things: the field name is no ONEOF");
    b.fields[1].type = (enum field_type)(TEXTS + 1);
    refused("things: the field kind has no type");
    b.fields[0].filter = true;
    b.fields[0].max = 5000;
    refused("things: the field name is too long for a filter");
    b.fields[3].min = 11;
    refused("things: the field count has a range without values");
    b.fields[2].min = -1;
    refused("things: the field note has a negative length");
    b.fields[0].standard = "\"a\"";
    refused("things: the field name is required, so its default is never used");
    b.fields[11].required = true;
    b.fields[11].standard = NULL;
    refused("things: the field state is only shown, so it is not taken either");
    b.fields[9].filter = true;
    refused("things: lists cannot be filtered by the field config");
    b.fields[1].name = "skip";
    refused("things: every list has a parameter skip already");

    static char fresh[40][16];
    for (int i = FIELDS; i < 40; i++) {
        snprintf(fresh[i], sizeof(fresh[i]), "x%d", i);
        b.fields[i] = (struct field){ fresh[i], BOOL };
    }
    b.res.nfields = 33;
    refused("things: more than 32 fields");
    b.res.nfields = 32; /* metadata makes one more */
    refused("things: more than 32 fields");
}

static void defaults_and_references(void **state)
{
    (void)state;
    whole();
    b.fields[1].standard = "\"huge\"";
    refused("things: the default of the field kind does not fit it: \"huge\"");
    b.fields[1].standard = "small";
    refused("things: the default of the field kind is not JSON: small");
    b.fields[3].standard = "null";
    refused("things: the default of the field count does not fit it: null");
    b.fields[9].standard = "[]";
    refused("things: the default of the field config does not fit it: []");
    b.fields[7].refers = "nothings";
    refused("things: the field other_id refers to 'nothings', which is no resource");
    b.fields[7].refers = "gate-ways";
    refused("things: the field other_id refers to 'gate-ways', whose rows cannot be got");
    b.fields[2].refers = "things";
    refused("things: the field note refers to a row, so it is a UUID");
}

static void columns(void **state)
{
    static struct slot too_many[65];
    (void)state;
    for (int i = 0; i < COUNT(too_many); i++)
        too_many[i] = (struct slot){ "name", VALUE_TEXT, false };
    whole();
    b.columns[THING_NOTE].name = "remark";
    refused("things: the column remark is no declared field");
    b.columns[THING_NOTE].type = VALUE_INT;
    refused("things: the column note is of another type than its field");
    b.columns[THING_VERSION].name = "kind";
    b.columns[THING_VERSION].type = VALUE_TEXT;
    refused("things: thing_get has no column version");
    b.columns[THING_OWNER_ID].name = "id";
    refused("things: thing_get has no column owner_id");
    b.res.no_metadata = true;
    refused("things: thing_get has a column metadata");
    b.fields[12].hidden = false;
    refused("things: thing_get has no column secret");
    b.get.columns = too_many;
    b.get.ncolumns = COUNT(too_many);
    refused("things: thing_get has more than 64 columns");
    b.get.params = thing_del_params;
    b.get.nparams = 2;
    refused("things: thing_get is not a read by id alone");
}

static void changes(void **state)
{
    (void)state;
    whole();
    b.res.add = copy(&thing_add);
    b.params[2].name = "title";
    refused("things: thing_add: nothing binds the parameter title");
    b.res.add = copy(&thing_add);
    b.params[2].type = VALUE_INT;
    refused("things: thing_add: the parameter name is of another type than its field");
    b.res.add = copy(&thing_add);
    b.params[5].null = false;
    refused("things: thing_add: the parameter due takes no null, its field does");
    b.fields[3].standard = NULL;
    refused("things: thing_add: the parameter count takes no null, its field does");
    b.res.set = copy(&thing_set);
    b.params[3].name = "secret";
    refused("things: thing_set: nothing binds the parameter secret");
    b.res.set = copy(&thing_set);
    b.params[1].name = "count";
    refused("things: thing_set does not look at the version");
    b.res.set = copy(&thing_set);
    b.params[3].null = false;
    refused("things: thing_set: the parameter note takes no null, its field does");
    b.res.get = NULL;
    b.fields[7].refers = NULL;
    refused("things: thing_add changes rows that cannot be got");
    b.res.del = &thing_get;
    refused("things: thing_get is not a change");
}

static void lists(void **state)
{
    static const char *const by_note[] = { "note", NULL };
    static struct slot by_another_name[THING_COLUMNS];
    (void)state;
    whole();
    memcpy(by_another_name, thing_columns, sizeof(thing_columns));
    by_another_name[THING_KIND].name = "sort";
    b.res.sorts = by_note;
    refused("things: the sort column note is missing, may be null or is JSON");
    b.list[3] = *copy(&thing_list[3]);
    b.params[6].type = VALUE_TIME;
    refused("things: thing_list_name_desc: the parameter after_key is of another type");
    b.list[0] = *copy(&thing_list[0]);
    b.params[1].name = "note";
    refused("things: thing_list_created_at_asc: nothing binds the parameter note");
    b.list[0] = *copy(&thing_list[0]);
    b.params[1].null = false;
    refused("things: thing_list_created_at_asc: the parameter kind is not always given");
    b.list[0] = *copy(&thing_list[0]);
    b.params[1].name = "count";
    b.params[1].type = VALUE_INT;
    refused("things: thing_list_created_at_asc does not filter by kind");
    b.list[0] = *copy(&thing_list[0]);
    b.params[0].name = "id";
    refused("things: thing_list_created_at_asc does not ask who looks");
    b.list[0] = *copy(&thing_list[0]);
    b.list[0].nparams = 9;
    refused("things: thing_list_created_at_asc has no parameter limit");
    b.res.sorts = NULL;
    refused("things: a list without get or sort columns");
    b.list[2].change = true;
    refused("things: thing_list_name_asc does not list the columns of thing_get");
    b.list[1].columns = by_another_name;
    refused("things: thing_list_created_at_desc does not list the columns of thing_get");
    b.list[1].ncolumns--;
    refused("things: thing_list_created_at_desc does not list the columns of thing_get");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_whole_table_passes),
        cmocka_unit_test(names),
        cmocka_unit_test(paths),
        cmocka_unit_test(methods),
        cmocka_unit_test(any_method),
        cmocka_unit_test(permissions),
        cmocka_unit_test(handlers),
        cmocka_unit_test(bodies),
        cmocka_unit_test(fields),
        cmocka_unit_test(defaults_and_references),
        cmocka_unit_test(columns),
        cmocka_unit_test(changes),
        cmocka_unit_test(lists),
    };
    return cmocka_run_group_tests(tests, begin, done);
}
