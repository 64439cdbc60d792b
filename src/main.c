/* The command line: finds the command, reads the settings, and hands over. */
#include "audit_command.h"
#include "base/clock.h"
#include "base/config.h"
#include "base/log.h"
#include "control.h"
#include "data.h"
#include "declare.h"
#include "lanes.h"
#include "master.h"
#include "operator.h"
#include "route/openapi.h"
#include "route/resource.h"
#include "start.h"
#include "store/store.h"

#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char help[] =
    "gatehouse [--config FILE] [command]\n"
    "\n"
    "  serve                             run the server (also without a command)\n"
    "  check                             validate the settings and print what is in force\n"
    "  migrate [--status]                bring the database to this program's schema; or show the numbers\n"
    "  user add --email E --role R       make a user; the password comes from standard input\n"
    "  user reset --email E              set a password, likewise; every session of the user ends\n"
    "  user list                         email, role, status, id\n"
    "  keys list                         the signing keys: id, from, until\n"
    "  keys rotate                       sign with a new key; the old one verifies until its tokens end\n"
    "  mode [MODE] [--reason R]          show the mode, or set it: normal degraded read_only lockdown\n"
    "  audit verify                      check every row of the audit; names what was edited, deleted, moved, cut off\n"
    "  audit export --format F           the audit as lines of ecs (JSON) or cef; with --since T only from then on\n"
    "  routes                            method, path, permission, rate class, cache type of each route\n"
    "  openapi                           the API as OpenAPI 3.1\n"
    "  --version  --help\n"
    "\n"
    "Settings come from the environment, or from FILE as NAME=value lines; `gatehouse check` lists them.\n"
    "user, keys and mode reach a running server through DATA_DIR, and work without one too;\n"
    "audit reads the store itself.\n";

/* What stood on the command line. */
static struct {
    const char *program;
    const char *config, *email, *role, *reason, *format, *since;
    bool status, help, version;
    const char *words[2];
    int nwords;
} line;

/* ---- the commands that need no server ---- */

static int print(const struct text *t)
{
    fwrite(t->p, 1, t->n, stdout);
    return t->failed || fflush(stdout) != 0 ? 1 : 0;
}

static int serve(void)
{
    return master_run(line.config, line.program);
}

/* What the settings alone do not show to be wrong. */
static bool settings_usable(void)
{
    char store[PATH_MAX];
    struct lane_size lanes[LANE_COUNT];
    return data_store(store) && lanes_read(1, lanes) && data_country();
}

static int check(void)
{
    struct arena arena = { 0 };
    struct text t = text_new(&arena, 4096);
    config_print(&config, &t);
    int status = print(&t);
    arena_reset(&arena);
    return declare_resources() && settings_usable() ? status : 1;
}

static int routes(void)
{
    struct arena arena = { 0 };
    struct text t = text_new(&arena, 16384);
    if (!declare_resources())
        return 1;
    resources_print(&t);
    int status = print(&t);
    arena_reset(&arena);
    return status;
}

static int openapi(void)
{
    struct arena arena = { 0 };
    struct text t = text_new(&arena, 65536);
    if (!declare_resources())
        return 1;
    openapi_write(&t);
    text_char(&t, '\n');
    int status = print(&t);
    arena_reset(&arena);
    return status;
}

static int migrate(void)
{
    char store[PATH_MAX];
    int here, known;
    log_open(STDERR_FILENO, LOG_INFO, LOG_TEXT);
    log_who("command");
    clock_tick();
    umask(077);
    if (!data_store(store) || !data_folder())
        return 1;
    const char *name = store_is_remote(store) ? "the database" : store; /* no password on the terminal */
    if (store_schema(store, &here, &known) != OK) {
        warnx("%s cannot be read", name);
        return 1;
    }
    if (line.status || here == known) {
        printf("%s has schema %d; this program knows %d\n", name, here, known);
        return here > known ? 1 : 0;
    }
    enum err err = data_lock();
    if (err == ERR_IN_USE)
        warnx("process %ld uses DATA_DIR %s; end it first", data_holder(), config.data_dir);
    if (err != OK || start_migrate(store) != MIGRATED)
        return 1;
    printf("%s has schema %d now\n", name, known);
    return 0;
}

/* ---- those that ask one ---- */

static int user_add(void)
{
    return operator_user_add(line.email, line.role);
}

static int user_reset(void)
{
    return operator_user_reset(line.email);
}

static int mode(void)
{
    return operator_mode(line.nwords == 2 ? line.words[1] : NULL, line.reason);
}

static int audit_lines(void)
{
    return audit_export(line.format, line.since);
}

static const struct command {
    const char *word, *second;
    int (*run)(void);
    bool asks;                /* a server, or a worker in its place */
    bool email, role, format; /* the options that it takes and needs */
    bool status, since;       /* and those that it may have */
    bool free, reason;        /* the second word may be left out and is not looked at here; takes --reason */
} commands[] = {
    { "serve",   NULL,     serve },
    { "check",   NULL,     check },
    { "migrate", NULL,     migrate, .status = true },
    { "routes",  NULL,     routes },
    { "openapi", NULL,     openapi },
    { "user",    "add",    user_add,             .asks = true, .email = true, .role = true },
    { "user",    "reset",  user_reset,           .asks = true, .email = true },
    { "user",    "list",   operator_user_list,   .asks = true },
    { "keys",    "list",   operator_keys_list,   .asks = true },
    { "keys",    "rotate", operator_keys_rotate, .asks = true },
    { "mode",    NULL,     mode,                 .asks = true, .free = true, .reason = true },
    { "audit",   "verify", audit_verify },
    { "audit",   "export", audit_lines, .format = true, .since = true },
};

/* ---- finding it ---- */

#define USAGE 2

static int misuse(const char *what, const char *which)
{
    warnx("%s %s; see gatehouse --help", what, which);
    return USAGE;
}

/* "--email E" and "--email=E"; moves *i over a value of its own. False: it is not this option, or the value is
 * missing. */
static bool option(char **argv, int *i, const char *name, const char **value)
{
    size_t n = strlen(name);
    if (strncmp(argv[*i], name, n) != 0 || (argv[*i][n] != '\0' && argv[*i][n] != '='))
        return false;
    *value = argv[*i][n] == '=' ? argv[*i] + n + 1 : argv[*i + 1];
    if (argv[*i][n] == '\0' && *value)
        (*i)++;
    return *value != NULL;
}

static int read_line(char **argv)
{
    line.program = argv[0];
    for (int i = 1; argv[i]; i++) {
        if (option(argv, &i, "--config", &line.config) ||
            option(argv, &i, "--email", &line.email) || option(argv, &i, "--role", &line.role) ||
            option(argv, &i, "--reason", &line.reason) ||
            option(argv, &i, "--format", &line.format) || option(argv, &i, "--since", &line.since))
            continue;
        if (strcmp(argv[i], "--status") == 0)
            line.status = true;
        else if (strcmp(argv[i], "--help") == 0)
            line.help = true;
        else if (strcmp(argv[i], "--version") == 0)
            line.version = true;
        else if (argv[i][0] != '-' && line.nwords < COUNT(line.words))
            line.words[line.nwords++] = argv[i];
        else
            return misuse("unknown argument, or one without its value:", argv[i]);
    }
    return 0;
}

static const struct command *find(void)
{
    if (line.nwords == 0)
        return commands;
    for (int i = 0; i < COUNT(commands); i++) {
        const struct command *c = &commands[i];
        bool second = c->free     ? true
                      : c->second ? line.nwords == 2 && strcmp(line.words[1], c->second) == 0
                                  : line.nwords == 1;
        if (strcmp(line.words[0], c->word) == 0 && second)
            return c;
    }
    return NULL;
}

/* The options must be those that the command takes. */
static int fits(const struct command *c)
{
    if (line.email && !c->email)
        return misuse("this command takes no", "--email");
    if (line.role && !c->role)
        return misuse("this command takes no", "--role");
    if (line.reason && !(c->reason && line.nwords == 2))
        return misuse("this command takes no", "--reason");
    if (line.format && !c->format)
        return misuse("this command takes no", "--format");
    if (line.since && !c->since)
        return misuse("this command takes no", "--since");
    if (line.status && !c->status)
        return misuse("this command takes no", "--status");
    if (!line.email && c->email)
        return misuse("this command needs", "--email");
    if (!line.role && c->role)
        return misuse("this command needs", "--role");
    if (!line.format && c->format)
        return misuse("this command needs", "--format");
    return 0;
}

static int run(const struct command *c)
{
    char why[300];
    if (config_load(&config, line.config, why, sizeof(why)) != OK) {
        warnx("%s", why);
        return 1;
    }
    if (!c->asks)
        return c->run();
    if (!control_open(line.config)) {
        control_close();
        return 1;
    }
    int status = c->run();
    control_close();
    return status;
}

int main(int argc, char **argv)
{
    (void)argc;
    int status = read_line(argv);
    if (status != 0)
        return status;
    if (line.help || line.version) {
        printf("%s", line.help ? help : "gatehouse " GATEHOUSE_VERSION "\n");
        return 0;
    }
    const struct command *c = find();
    if (!c)
        return misuse("there is no command", line.words[0]);
    status = fits(c);
    return status != 0 ? status : run(c);
}
