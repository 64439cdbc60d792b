"""What every check needs: the files of the tree, and C text without its comments and strings."""
import os
import re
import subprocess
from typing import NamedTuple

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


class Finding(NamedTuple):
    path: str
    line: int
    message: str

    def __str__(self):
        return f'{self.path}:{self.line}: {self.message}'


def files():
    """Paths of the tree, git-ignored ones left out; new files count before they are added."""
    listed = subprocess.run(['git', 'ls-files', '-z', '--cached', '--others', '--exclude-standard'],
                            cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return sorted(path for path in set(listed.split('\0')) if path and os.path.isfile(os.path.join(ROOT, path)))


def read(path):
    with open(os.path.join(ROOT, path), encoding='utf-8') as file:
        return file.read()


def is_c(path):
    return path.endswith(('.c', '.h'))


def code_only(text):
    """The text with the inside of comments, strings and characters blanked; lines stay where they are."""
    def blank(match):
        return re.sub(r'[^\n]', ' ', match[0]) if match[0][0] == '/' else match[0][0] + match[0][-1]
    return re.sub(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', blank, text, flags=re.S)
