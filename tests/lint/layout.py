"""Layout by clang-format, but for what a hand lays out better: tables, and columns inside a line.

Compared is each line with its inner runs of spaces taken as one, and without comments and strings.
Macros, and initializers over several lines, are not looked at.
"""
import difflib
import re
import subprocess

from source import ROOT, Finding, code_only, is_c

OFF, ON = '/* clang-format off */', '/* clang-format on */'
COMMENT = re.compile(r'(?<=\S)\s*/\*[^*]*\*/$')


def is_hand_laid(lines):
    """For each line, whether it is part of a macro or of an initializer over several lines."""
    open_braces, in_macro = 0, False
    for line in code_only('\n'.join(lines)).split('\n'):
        in_macro = in_macro or line.lstrip().startswith('#define')
        begin = 0 if open_braces else line.find('= {')
        in_table = begin >= 0 and not in_macro
        if in_table:
            open_braces += line.count('{', begin) - line.count('}', begin)
            in_table = open_braces > 0 or begin == 0     # its last line closes the last brace
        yield in_macro or in_table
        in_macro = in_macro and line.endswith('\\')


def prepare(lines):
    """The lines as clang-format is to see them: fenced where it has no say, else without comments."""
    fenced = False
    for line, by_hand in zip(lines, is_hand_laid(lines)):
        if by_hand != fenced:
            yield OFF if by_hand else ON
            fenced = by_hand
        yield line if by_hand else COMMENT.sub('', line)


def formatted(path, lines):
    shown = '\n'.join(prepare(lines)) + '\n'
    result = subprocess.run(['clang-format', '--style=file', f'--assume-filename={path}'], cwd=ROOT,
                            input=shown, check=True, capture_output=True, text=True).stdout
    return [line for line in result.splitlines() if line.strip() not in (OFF, ON)]


def essences(lines):
    """Each line without what is not compared: comments but for their begin, strings, inner columns."""
    for line, code in zip(lines, code_only('\n'.join(lines)).split('\n')):
        if line.lstrip().startswith('/*'):
            code = line[:line.index('/*') + 2]
        code = code.rstrip()
        indent = code[:len(code) - len(code.lstrip())]
        yield indent + re.sub(r'\s+', ' ', code.strip())


def differences(path, text):
    """(begin, end, lines): what clang-format would put in place of lines[begin:end]."""
    lines = text.splitlines()
    better = formatted(path, lines)
    match = difflib.SequenceMatcher(None, list(essences(lines)), list(essences(better)), autojunk=False)
    for kind, a, b, c, d in match.get_opcodes():
        if kind != 'equal':
            yield a, b, better[c:d]


def check(path, text):
    if not is_c(path):
        return
    for begin, _, better in differences(path, text):
        shown = ' / '.join(line.strip() for line in better) or 'nothing'
        yield Finding(path, begin + 1, f'layout: clang-format has {shown[:120]}')


def mend(path, text):
    """The text as clang-format has it, but for places where that would lose a comment's line."""
    lines = text.splitlines()
    for begin, end, better in reversed(list(differences(path, text))):
        comments = [found[0].strip() for found in map(COMMENT.search, lines[begin:end]) if found]
        if len(comments) == 1 and len(better) > 0 and COMMENT.search(lines[end - 1]):
            better[-1] += ' ' + comments.pop()
        if not comments:
            lines[begin:end] = better
    return '\n'.join(lines) + '\n'
