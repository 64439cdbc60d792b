#!/usr/bin/env python3
"""Turns sql/ into C: one typed function for each statement, and the migrations as text.

    gen.py --out-c stmt.c --out-h stmt.h sql/

sql/grammar.py says what may stand there.
"""
import argparse
import os
import re
import sys

sys.dont_write_bytecode = True      # nothing is written beside the sources
import grammar

# How a function takes a parameter: as it is, and when it may be null.
PARAM_TYPES = {
    'uuid': ('const struct uuid *{}', 'const struct uuid *{}'),
    'text': ('struct str {}', 'struct str {}'),
    'json': ('struct str {}', 'struct str {}'),
    'bytes': ('struct str {}', 'struct str {}'),
    'int': ('int64_t {}', 'const int64_t *{}'),
    'time': ('int64_t {}', 'const int64_t *{}'),
    'bool': ('bool {}', 'const bool *{}'),
    'real': ('double {}', 'const double *{}'),
    'any': (None, 'const struct value *{}'),
}
# The helper that makes a value of each type.
ARGS = {'uuid': 'uuid', 'text': 'text', 'json': 'text', 'bytes': 'text', 'int': 'int',
        'time': 'int', 'bool': 'bool', 'real': 'real', 'any': 'any'}

HEADER_TOP = '''\
/* gen/stmt.h: made from sql/ by sql/gen.py. Each statement as a constant and as one typed function:
 * ask_NAME for a read, add_NAME for a part of a change. A nullable parameter is null when it (a
 * text's p) is NULL. */
#ifndef GEN_STMT_H
#define GEN_STMT_H

#include "store/store.h"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wshadow" /* parameters are called as in sql/, globals or not */

/* Every statement, variants included; .index is the place. */
extern const struct stmt *const stmts[];
extern const int stmts_count;

struct migration {
    int number;
    const char *name;
    const char *sqlite;
    const char *postgres;
};
/* By number, from 1. */
extern const struct migration migrations[];
extern const int migrations_count;

static inline struct value arg_uuid(const struct uuid *id)
{
    must(id);
    return (struct value){ .type = VALUE_UUID, .uuid = *id };
}

static inline struct value arg_uuid_null(const struct uuid *id)
{
    return id ? arg_uuid(id) : (struct value){ .type = VALUE_UUID, .null = true };
}

static inline struct value arg_text(enum value_type type, struct str text)
{
    return (struct value){ .type = type, .text = text };
}

static inline struct value arg_text_null(enum value_type type, struct str text)
{
    return (struct value){ .type = type, .null = !text.p, .text = text };
}

static inline struct value arg_int(enum value_type type, int64_t i)
{
    return (struct value){ .type = type, .i = i };
}

static inline struct value arg_int_null(enum value_type type, const int64_t *i)
{
    return (struct value){ .type = type, .null = !i, .i = i ? *i : 0 };
}

static inline struct value arg_bool(enum value_type type, bool yes)
{
    return (struct value){ .type = type, .i = yes };
}

static inline struct value arg_bool_null(enum value_type type, const bool *yes)
{
    return (struct value){ .type = type, .null = !yes, .i = yes && *yes };
}

static inline struct value arg_real(enum value_type type, double real)
{
    return (struct value){ .type = type, .real = real };
}

static inline struct value arg_real_null(enum value_type type, const double *real)
{
    return (struct value){ .type = type, .null = !real, .real = real ? *real : 0 };
}

/* A value of the type that the statement's variant sorts by. */
static inline struct value arg_any_null(enum value_type type, const struct value *key)
{
    if (!key || key->null)
        return (struct value){ .type = type, .null = true };
    must(key->type == type);
    return *key;
}
'''


def quoted(text):
    return '"' + text.replace('\\', '\\\\').replace('"', '\\"') + '"'


def c_string(text, indent):
    """The text as adjacent literals of readable length."""
    pieces, line = [], ''
    for word in re.findall(r'\S+\s*|\s+', text):
        if len(line) + len(word) > 90 and line:
            pieces.append(line)
            line = ''
        line += word
    pieces.append(line)
    return f'\n{indent}'.join(quoted(piece) for piece in pieces)


def param_list(statement):
    return [PARAM_TYPES[p.type][p.null].format(p.name) for p in statement.params]


def arg_call(statement, index):
    """The call that makes the value of one parameter."""
    param = statement.params[index]
    call = f"arg_{ARGS[param.type]}{'_null' if param.null else ''}"
    if param.type == 'uuid':
        return f'{call}({param.name})'
    if param.type == 'any':
        return f'{call}(stmt_{statement.name}[order].params[{index}].type, {param.name})'
    return f'{call}(VALUE_{param.type.upper()}, {param.name})'


def function_head(name, declared):
    """The head of a function, broken at 100 columns."""
    head = f'static inline void {name}('
    lines, line = [], head
    for at, part in enumerate(declared):
        part += ',' if at + 1 < len(declared) else ')'
        if len(line) + len(part) > 98:
            lines.append(line.rstrip())
            line = ' ' * len(head)
        line += part + ' '
    return '\n'.join(lines + [line.rstrip()])


def add_function(out, statement):
    name = statement.name
    out.append(function_head(f'add_{name}', ['struct change *c'] + param_list(statement)))
    out.append('{')
    if statement.params:
        out.append('    const struct value v[] = {')
        out.extend(f'        {arg_call(statement, n)},' for n in range(len(statement.params)))
        out.append('    };')
    out.append(f"    change_add(c, &stmt_{name}, {'v' if statement.params else 'NULL'});")
    out.append('}\n')


def ask_function(out, statement):
    name, sorts, count = statement.name, statement.sorts, len(statement.params)
    declared = ['struct store *s', 'struct arena *a'] + (['int order'] if sorts else [])
    declared += param_list(statement) + ['struct rows *out', 'struct wait *w']
    which = f'stmt_{name} + order' if sorts else f'&stmt_{name}'
    out.append(function_head(f'ask_{name}', declared))
    out.append('{')
    if sorts:
        out.append(f'    must(order >= 0 && order < {2 * len(sorts)});')
    if count:
        out.append(f'    struct value *v = arena_alloc(a, {count} * sizeof(*v));')
        out.append('    if (v) {')
        out.extend(f'        v[{n}] = {arg_call(statement, n)};' for n in range(count))
        out.append('    }')
    else:
        out.append('    (void)a;')
    out.append(f"    store_ask(s, {which}, {'v' if count else 'NULL'}, out, w);")
    out.append('}\n')


def column_enum(out, columns):
    out.append('enum {')
    for n, slot in enumerate(columns.slots):
        out.append(f'    {grammar.enum_name(columns, slot)} = {n},')
    out.append('};\n')


def header(lists, statements):
    """The text of stmt.h."""
    out = [HEADER_TOP]
    for columns in lists:
        column_enum(out, columns)
    for statement in statements:
        name, sorts = statement.name, statement.sorts
        if statement.columns and statement.columns.name == name:
            column_enum(out, statement.columns)
        if sorts:
            names = ', '.join(slot.name for slot in sorts)
            out.append(f'/* [2 * k + desc], k counting {names}; _sorts ends in NULL. */')
            out.append(f'extern const struct stmt stmt_{name}[{2 * len(sorts)}];')
            out.append(f'extern const char *const stmt_{name}_sorts[];')
        else:
            out.append(f'extern const struct stmt stmt_{name};')
        if statement.kind == 'change':
            add_function(out, statement)
        else:
            ask_function(out, statement)
    out.append('#pragma GCC diagnostic pop\n\n#endif')
    return '\n'.join(out) + '\n'


def slot_table(out, name, slots):
    out.append(f'static const struct slot {name}[] = {{')
    for slot in slots:
        null = str(slot.null).lower()
        out.append(f'    {{ "{slot.name}", VALUE_{slot.type.upper()}, {null} }},')
    out.append('};\n')


def bump_rows(statement):
    rows = []
    for _, kind, name, returned in statement.bumps:
        slots = statement.columns.slots if returned else statement.params
        at = next((n for n, slot in enumerate(slots) if slot.name == name), -1)
        rows.append(f'{{ EPOCH_{kind.upper()}, {at}, {str(returned).lower()} }}')
    return ', '.join(rows)


def stmt_value(statement, variant, params, index):
    """The braces of one struct stmt."""
    columns = statement.columns
    fields = [f'.name = "{variant.name}"', f'.lane = LANE_{statement.lane.upper()}']
    fields += [f".{dialect} = {c_string(variant.texts[dialect], ' ' * 8)}" for dialect in grammar.DIALECTS]
    if variant.counted:
        fields += ['.counted = true']
    if variant.params:
        fields += [f'.params = {params}', f'.nparams = {len(variant.params)}']
    if columns:
        fields += [f'.columns = columns_{columns.name}', f'.ncolumns = {len(columns.slots)}']
    if statement.kind == 'change':
        fields += ['.change = true']
    fields += [f'.rows = {statement.rows}']
    if statement.rows >= 0:
        fields += [f'.otherwise = ERR_{statement.otherwise}']
    if statement.bumps:
        fields += [f'.bumps = {{ {bump_rows(statement)} }}', f'.nbumps = {len(statement.bumps)}']
    fields += [f'.index = {index}']
    return '{\n' + ''.join(f'    {text},\n' for text in fields) + '}'


def stmt_constant(out, statement, every):
    """The tables and the constant of a statement; every: the names of all so far."""
    name, sorts = statement.name, statement.sorts
    if statement.columns and statement.columns.name == name:
        slot_table(out, f'columns_{name}', statement.columns.slots)
    values = []
    for at, variant in enumerate(statement.variants):
        params = f'params_{name}_{sorts[at // 2].name}' if sorts else f'params_{name}'
        if variant.params and not (sorts and at % 2):
            slot_table(out, params, variant.params)
        values.append(stmt_value(statement, variant, params, len(every)))
        every.append(f'&stmt_{name}[{at}]' if sorts else f'&stmt_{name}')
    if sorts:
        names = ', '.join(f'"{slot.name}"' for slot in sorts)
        out.append(f'const struct stmt stmt_{name}[{len(values)}] = {{')
        out.append(',\n'.join(values) + '\n};\n')
        out.append(f'const char *const stmt_{name}_sorts[] = {{ {names}, NULL }};\n')
    else:
        out.append(f'const struct stmt stmt_{name} = {values[0]};\n')


def migration_text(text):
    """Adjacent literals, one for each line."""
    return '\n      '.join(quoted(line)[:-1] + '\\n"' for line in text.splitlines()) or '""'


def source(lists, statements, migrations):
    """The text of stmt.c."""
    out = ['/* gen/stmt.c: made from sql/ by sql/gen.py. */', '#include "gen/stmt.h"', '',
           '#pragma GCC diagnostic ignored "-Woverlength-strings" /* migrations are long */', '']
    every = []
    for columns in lists:
        slot_table(out, f'columns_{columns.name}', columns.slots)
    for statement in statements:
        stmt_constant(out, statement, every)
    out.append('const struct stmt *const stmts[] = {')
    out.extend(f'    {name},' for name in every + ['NULL'])
    out.append('};\n')
    out.append(f'const int stmts_count = {len(every)};\n')
    out.append('const struct migration migrations[] = {')
    for number, name, texts in migrations:
        text = ',\n      '.join(migration_text(texts[dialect]) for dialect in grammar.DIALECTS)
        out.append(f'    {{ {number}, "{name}",\n      {text} }},')
    out.append('    { 0, NULL, NULL, NULL },\n};\n')
    out.append(f'const int migrations_count = {len(migrations)};')
    return '\n'.join(out) + '\n'


def main():
    parser = argparse.ArgumentParser(description='Turns sql/ into C.')
    parser.add_argument('--out-c', required=True)
    parser.add_argument('--out-h', required=True)
    parser.add_argument('folder')
    args = parser.parse_args()
    try:
        lists, statements, migrations = grammar.read(args.folder)
    except (grammar.Problem, OSError) as problem:
        sys.exit(str(problem))
    for path, text in ((args.out_h, header(lists, statements)),
                       (args.out_c, source(lists, statements, migrations))):
        with open(path, 'w', encoding='utf-8') as file:
            file.write(text)


if __name__ == '__main__':
    main()
