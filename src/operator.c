#include "operator.h"

#include "base/json.h"
#include "control.h"

#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

#define PASSWORD_READ 1024

static struct arena arena; /* for the life of the command */

/* ---- asking ---- */

static struct str member(const struct json *object, const char *name)
{
    const struct json *v = json_get(object, name);
    return v && json_type(v) == JSON_TEXT ? json_text(v) : STR_NONE;
}

/* A problem+json as one line: what is wrong, and with which field. */
static void complain(const struct json *problem, int status)
{
    struct json_walk w = json_walk(json_get(problem, "errors"));
    struct str detail = member(problem, "detail");
    fprintf(stderr, "gatehouse: ");
    if (detail.p)
        fprintf(stderr, "%.*s", STR_ARG(detail));
    else
        fprintf(stderr, "the server answered %d", status);
    while (json_get(problem, "errors") && json_next(&w)) {
        struct str field = member(w.value, "field"), message = member(w.value, "message");
        fprintf(stderr, " %.*s: %.*s", STR_ARG(field), STR_ARG(message));
    }
    fputc('\n', stderr);
}

/* The body of a reply in the 200s; NULL when there is none, and then it has been said why. */
static const struct json *ask(const char *method, struct str target, struct str body)
{
    struct answer answer;
    const struct json *json = NULL;
    if (!control_ask(&arena, method, target, body, &answer))
        return NULL;
    if (answer.body.n == 0)
        answer.body = STR("{}");
    if (json_read(&arena, answer.body, &json) != OK) {
        warnx("the server answered %d with something that is not JSON", answer.status);
        return NULL;
    }
    if (answer.status / 100 == 2)
        return json;
    complain(json, answer.status);
    return NULL;
}

/* ---- what goes in ---- */

/* A line typed without being shown. */
static ssize_t read_typed(char *out, size_t size)
{
    struct termios before, quiet;
    fprintf(stderr, "Password: ");
    tcgetattr(STDIN_FILENO, &before);
    quiet = before;
    quiet.c_lflag &= ~(tcflag_t)ECHO;
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet);
    ssize_t n = read(STDIN_FILENO, out, size);
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
    fputc('\n', stderr);
    return n;
}

static ssize_t read_piped(char *out, size_t size)
{
    size_t n = 0;
    while (n < size) {
        ssize_t got = read(STDIN_FILENO, out + n, size - n);
        if (got < 0)
            return -1;
        if (got == 0)
            break;
        n += (size_t)got;
    }
    return (ssize_t)n;
}

static struct str read_password(void)
{
    static char password[PASSWORD_READ];
    bool typed = isatty(STDIN_FILENO);
    ssize_t n =
        typed ? read_typed(password, sizeof(password)) : read_piped(password, sizeof(password));
    if (n > 0 && password[n - 1] == '\n')
        n--;
    if (n > 0 && password[n - 1] == '\r')
        n--;
    struct str s = { password, n > 0 ? (size_t)n : 0 };
    if (s.n > 0 && str_utf8(s))
        return s;
    warnx(s.n > 0 ? "the password is not UTF-8" : "give the password on standard input");
    return STR_NONE;
}

static void put_member(struct text *t, const char *name, struct str value)
{
    json_key(t, name);
    json_put_text(t, value);
}

/* Percent-encoded, for a query. */
static void put_encoded(struct text *t, const char *value)
{
    for (; *value; value++) {
        unsigned char c = (unsigned char)*value;
        if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
            strchr("-._~", c))
            text_char(t, (char)c);
        else
            text_printf(t, "%%%02X", c);
    }
}

/* ---- what comes out ---- */

/* Rows of the list at `from`, a path with its query; the named members of each in columns. Follows `next` until it is
 * null. */
static int print_list(const char *from, const char *const *columns)
{
    struct str next = STR_NONE;
    do {
        struct text target = text_new(&arena, 128);
        text_add(&target, str_of(from));
        if (next.p)
            text_printf(&target, "&after=%.*s", STR_ARG(next));
        const struct json *page = ask("GET", text_str(&target), STR_NONE);
        if (!page)
            return 1;
        struct json_walk w = json_walk(json_get(page, "items"));
        while (json_next(&w)) {
            for (int i = 0; columns[i]; i++) {
                struct str value = member(w.value, columns[i]);
                printf("%s%.*s", i ? "\t" : "", STR_ARG(value.p ? value : STR("-")));
            }
            putchar('\n');
        }
        next = member(page, "next");
    } while (next.p);
    return 0;
}

/* ---- commands ---- */

int operator_user_add(const char *email, const char *role)
{
    struct text body = text_new(&arena, 512);
    struct str password = read_password();
    if (!password.p)
        return 1;
    text_char(&body, '{');
    put_member(&body, "email", str_of(email));
    put_member(&body, "password", password);
    put_member(&body, "role", str_of(role));
    text_char(&body, '}');
    const struct json *made = ask("POST", STR("/api/v1/users"), text_str(&body));
    if (!made)
        return 1;
    struct str who = member(made, "email"), is = member(made, "role"), id = member(made, "id");
    printf("%.*s is %.*s now, id %.*s\n", STR_ARG(who), STR_ARG(is), STR_ARG(id));
    return 0;
}

/* The id of the one user with that address. */
static struct str find_user(const char *email)
{
    struct text target = text_new(&arena, 128);
    text_lit(&target, "/api/v1/users?email=");
    put_encoded(&target, email);
    const struct json *page = ask("GET", text_str(&target), STR_NONE);
    if (!page)
        return STR_NONE;
    struct json_walk w = json_walk(json_get(page, "items"));
    if (json_next(&w))
        return member(w.value, "id");
    warnx("there is no user %s", email);
    return STR_NONE;
}

int operator_user_reset(const char *email)
{
    struct str password = read_password(), id = password.p ? find_user(email) : STR_NONE;
    if (!id.p)
        return 1;
    struct text target = text_new(&arena, 128), body = text_new(&arena, 256);
    text_printf(&target, "/api/v1/users/%.*s/password", STR_ARG(id));
    text_char(&body, '{');
    put_member(&body, "password", password);
    text_char(&body, '}');
    if (!ask("POST", text_str(&target), text_str(&body)))
        return 1;
    printf("%s has a new password; every session has ended\n", email);
    return 0;
}

int operator_user_list(void)
{
    static const char *const columns[] = { "email", "role", "status", "id", NULL };
    return print_list("/api/v1/users?limit=1000", columns);
}

int operator_keys_list(void)
{
    static const char *const columns[] = { "id", "from_at", "until_at", NULL };
    return print_list("/api/v1/signing-keys", columns);
}

int operator_keys_rotate(void)
{
    const struct json *made = ask("POST", STR("/api/v1/signing-keys/rotate"), STR("{}"));
    if (!made)
        return 1;
    struct str id = member(made, "id"), from = member(made, "from_at");
    printf("key %.*s signs from %.*s on; the old one verifies until its tokens have ended\n",
           STR_ARG(id), STR_ARG(from));
    return 0;
}

int operator_mode(const char *name, const char *reason)
{
    struct text body = text_new(&arena, 640);
    if (name) {
        text_char(&body, '{');
        put_member(&body, "mode", str_of(name));
        if (reason)
            put_member(&body, "reason", str_of(reason));
        text_char(&body, '}');
    }
    const struct json *is = name ? ask("PUT", STR("/api/v1/mode"), text_str(&body))
                                 : ask("GET", STR("/api/v1/mode"), STR_NONE);
    if (!is)
        return 1;
    struct str now = member(is, "mode"), hand = member(is, "by_hand"), at = member(is, "set_at");
    struct str breakers = member(is, "by_breakers"), why = member(is, "reason");
    printf("the mode is %.*s: %.*s set by hand", STR_ARG(now),
           STR_ARG(hand.p ? hand : STR("unknown")));
    if (at.p)
        printf(" at %.*s", STR_ARG(at));
    if (why.p)
        printf(" (%.*s)", STR_ARG(why));
    printf(", %.*s by breakers\n", STR_ARG(breakers));
    return 0;
}
