"""A source or a test that no meson.build names is silently not there."""
import os

from source import Finding


def list_of(path):
    """(the meson.build that must name this file, under what name), or None."""
    folder, name = os.path.split(path)
    if name == 'main.c':
        return None
    if path.startswith('src/') and name.endswith('.c'):
        return folder + '/meson.build', name
    if path.startswith('tests/unit/') and name.endswith('.c'):
        return folder + '/meson.build', name
    if path.startswith('tests/fuzz/') and name.endswith('_fuzz.c'):
        return 'tests/fuzz/meson.build', name[:-len('_fuzz.c')]
    return None


def check(paths, read):
    """`paths` are all files, `read` gives the text of one."""
    for path in paths:
        wanted = list_of(path)
        if wanted and (wanted[0] not in paths or f"'{wanted[1]}'" not in read(wanted[0])):
            yield Finding(path, 1, f'not named in {wanted[0]}')
