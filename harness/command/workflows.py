"""Hold the CI workflows that `init` writes."""

from __future__ import annotations

GITHUB = ".github/workflows/lstm-conformance.yml"
GITLAB = ".gitlab/lstm-conformance.yml"
#: TensorFlow 2.15.1 has wheels up to Python 3.11; without it any supported one will do.
_PYTHON = {True: "3.11", False: "3.12"}

_GITHUB = """\
name: LSTM conformance
on: [push, pull_request]
jobs:
  gate:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
      - uses: actions/setup-python@v5
        with:
          python-version: "{python}"
          cache: pip
          cache-dependency-path: pyproject.toml
      - run: python -m pip install {install}
      - run: lstm-conformance gate --junitxml=report/junit.xml
      - if: always()
        uses: actions/upload-artifact@v4
        with:
          name: lstm-conformance
          path: report
"""

_GITLAB = """\
lstm-conformance:
  image: python:{python}
  script:
    - python -m pip install {install}
    - lstm-conformance gate --junitxml=report/junit.xml
  artifacts:
    when: always
    paths: [report]
    reports: {{junit: report/junit.xml}}
"""


def github(install: str, keras: bool) -> str:
    """A workflow of GitHub's. install: what pip is told. keras: whether it needs TensorFlow."""
    return _GITHUB.format(python=_PYTHON[keras], install=_word(install))


def gitlab(install: str, keras: bool) -> str:
    """A job of GitLab's, to be included by .gitlab-ci.yml."""
    return _GITLAB.format(python=_PYTHON[keras], install=_word(install))


def _word(text: str) -> str:
    """One word of the shell, within a plain scalar of YAML. Raises ValueError for what is none."""
    if "'" in text or "\n" in text or ": " in text or " #" in text:
        raise ValueError(f"--install {text}: expected a requirement without quotes")
    return f"'{text}'"
