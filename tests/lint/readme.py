"""The README's configuration table has a row for each setting, and none for what is no setting."""
import re

from source import Finding

SETTINGS = 'include/base/config.tbl'


def check(settings, readme):
    """Both texts; findings in README.md."""
    declared = set(re.findall(r'^SETTING\((\w+)', settings, re.M))
    rows = {}
    for number, line in enumerate(readme.splitlines(), 1):
        row = re.match(r'\|\s*`([A-Z][A-Z0-9_]+)`', line)
        if row:
            rows[row[1]] = number
    for name in sorted(declared - rows.keys()):
        yield Finding('README.md', 1, f'no table row for the setting {name}')
    for name in sorted(rows.keys() - declared):
        yield Finding('README.md', rows[name], f'{name} is no setting of {SETTINGS}')
