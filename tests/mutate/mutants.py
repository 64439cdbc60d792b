"""The mutants of a C file: each is the file with one small lie in it, of the kind that people make.

Comments, texts, preprocessor lines and what stands in must() are left alone: must() only ends a process that is
broken already. So are the two things no test can see: a first size that grows by itself (text_new), and the wiping
of memory that nobody reads again (explicit_bzero).
"""
import bisect
import collections
import re

Mutant = collections.namedtuple('Mutant', 'line change start end new')

QUIET = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'|^[ \t]*#(?:\\\n|[^\n])*',
                   re.S | re.M)
COMPARED = re.compile(r'(?<![<>=!+\-*/%&|^])(==|!=|<=|>=|<|>)(?![<>=])')
OTHERS = {'==': ['!='], '!=': ['=='], '<': ['<=', '>='], '<=': ['<', '>'], '>': ['>=', '<='], '>=': ['>', '<']}
JOINED = re.compile(r'&&|\|\|')
NOT = re.compile(r'!(?!=)')
ASKED = re.compile(r'\b(?:if|while)\s*\(')
TRUTH = re.compile(r'\b(?:true|false)\b')
NUMBER = re.compile(r'(?<![\w.])(?:0[xX][0-9a-fA-F]+|\d+)(?=[uUlL]*\b)(?![\w.]*\.)')
SAID = re.compile(r'\breturn\s+(NEXT|DENY|WAIT|DONE|OK|ERR_\w+|req_deny(?:_for)?\s*\([^;]*)(?=;)')
CALLED = re.compile(r'(?<=[;{})])(\s*)((?!return\b|if\b|while\b|for\b|switch\b|sizeof\b|must\b|explicit_bzero\b)'
                    r'[a-z_]\w*\s*\([^;{}]*\));')
LEFT_ALONE = re.compile(r'\bmust\s*\(|\btext_new\s*\(')
ZEROED = re.compile(r'\{\s*0\s*\}')


def blank(match):
    return re.sub(r'[^\n]', ' ', match[0])


def closing(text, at):
    """The index behind the parenthesis that closes the one at `at`."""
    depth = 0
    for i in range(at, len(text)):
        depth += (text[i] == '(') - (text[i] == ')')
        if depth == 0:
            return i + 1
    return len(text)


def code_of(text):
    """The text with all that is left alone blanked, each character in its place."""
    code = QUIET.sub(blank, text)
    code = ZEROED.sub(blank, code)
    for match in list(LEFT_ALONE.finditer(code)):
        end = closing(code, match.end() - 1)
        code = code[:match.end()] + re.sub(r'[^\n]', ' ', code[match.end():end - 1]) + code[end - 1:]
    return code


def condition_before(code, at):
    """Where the condition begins that ends at the question mark at `at`."""
    depth = 0
    for i in range(at - 1, -1, -1):
        c = code[i]
        if c in ')]':
            depth += 1
        elif c in '([':
            if depth == 0:
                return i + 1
            depth -= 1
        elif depth == 0 and (c in ',;{}?:' or
                             c == '=' and code[i - 1] not in '=!<>' and code[i + 1] != '='):
            return i + 1
        elif depth == 0 and re.match(r'\breturn\b', code[i:]) and not code[i - 1].isalnum():
            return i + len('return')
    return 0


def is_one_flip(condition):
    """Whether a change of its only operator is its negation already."""
    return not JOINED.search(condition) and bool(COMPARED.search(condition) or condition.strip().startswith('!'))


def changes(text):
    """(start, end, new, words) of each, in no order."""
    code = code_of(text)
    for m in COMPARED.finditer(code):
        if m[1] != '>' or code[m.start() - 1] != '-':
            for other in OTHERS[m[1]]:
                yield *m.span(1), other, f'{m[1]} to {other}'
    for m in JOINED.finditer(code):
        other = '||' if m[0] == '&&' else '&&'
        yield *m.span(), other, f'{m[0]} to {other}'
    for m in NOT.finditer(code):
        yield *m.span(), '', 'without !'
    for m in ASKED.finditer(code):
        begin, end = m.end(), closing(code, m.end() - 1) - 1
        if not is_one_flip(code[begin:end]):
            yield begin, end, f'!({text[begin:end]})', f'{m[0].split("(")[0].strip()} not'
    for m in re.finditer(r'\?', code):
        begin, end = condition_before(code, m.start()), m.start()
        if not is_one_flip(code[begin:end]):
            yield begin, end, f' !({text[begin:end].strip()}) ', 'not ?'
    for m in TRUTH.finditer(code):
        other = 'false' if m[0] == 'true' else 'true'
        yield *m.span(), other, f'{m[0]} to {other}'
    for m in NUMBER.finditer(code):
        for other in {int(m[0], 0) + 1, max(int(m[0], 0) - 1, 0)} - {int(m[0], 0)}:
            yield *m.span(), str(other), f'{m[0]} to {other}'
    for m in SAID.finditer(code):
        other = {'NEXT': 'DENY', 'OK': 'ERR_INTERNAL'}.get(m[1], 'OK' if m[1].startswith('ERR') else 'NEXT')
        yield *m.span(1), other, f'return {other}'
    for m in CALLED.finditer(code):
        yield *m.span(2), '', f'without {m[2].split("(")[0].strip()}()'


def mutants(text):
    """All of them, from top to bottom. Those of one line that read alike are numbered from the second on."""
    starts = [0] + [m.end() for m in re.finditer('\n', text)]
    found, seen = [], collections.Counter()
    for start, end, new, words in sorted(changes(text)):
        line = bisect.bisect_right(starts, start)
        seen[line, words] += 1
        times = seen[line, words]
        found.append(Mutant(line, words + (f' #{times}' if times > 1 else ''), start, end, new))
    return found


def mutated(text, mutant):
    return text[:mutant.start] + mutant.new + text[mutant.end:]
