"""`backpass completion bash` and `zsh`: what a shell may offer, written from the parser itself."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

BASH = """\
# backpass completion: eval "$(backpass completion bash)" in ~/.bashrc
_backpass() {{
  local word="${{COMP_WORDS[COMP_CWORD]}}" offered=
  if [ "$COMP_CWORD" -eq 1 ]; then offered="{commands}"
  else
    case "${{COMP_WORDS[1]}} ${{COMP_WORDS[COMP_CWORD-1]}}" in
{values}
    esac
    if [ -z "$offered" ]; then
      case "${{COMP_WORDS[1]}} $word" in
{options}
      esac
    fi
  fi
  COMPREPLY=($(compgen -W "$offered" -- "$word"))
}}
complete -o default -F _backpass backpass
"""

ZSH = """\
#compdef backpass
# backpass completion: eval "$(backpass completion zsh)" in ~/.zshrc, behind compinit
_backpass() {{
  local offered=
  if (( CURRENT == 2 )); then offered="{commands}"
  else
    case "$words[2] $words[CURRENT-1]" in
{values}
    esac
    if [[ -z "$offered" ]]; then
      case "$words[2] $words[CURRENT]" in
{options}
      esac
    fi
  fi
  if [[ -n "$offered" ]]; then compadd -- ${{=offered}}; else _files; fi
}}
if [[ "$funcstack[1]" == _backpass ]]; then _backpass "$@"; else compdef _backpass backpass; fi
"""


def completion(shell: str, parser: argparse.ArgumentParser) -> str:
    """The script for a shell, "bash" or "zsh"."""
    commands = _commands(parser)
    values, options = [], []
    for command, own in commands.items():
        for action in own._actions:
            names = list(action.option_strings)
            if action.choices and names:
                pattern = "|".join(f'"{command} {name}"' for name in names)
                values.append(f'      {pattern}) offered="{_joined(action.choices)}" ;;')
            elif action.choices:
                values.append(f'      "{command} {command}") offered="{_joined(action.choices)}" ;;')
        flags = [name for action in own._actions for name in action.option_strings if name.startswith("--")]
        options.append(f'        "{command} -"*) offered="{_joined(flags)}" ;;')
    script = BASH if shell == "bash" else ZSH
    return script.format(commands=_joined(commands), values="\n".join(values), options="\n".join(options))


def _commands(parser: argparse.ArgumentParser) -> Mapping[str, argparse.ArgumentParser]:
    found: Mapping[str, argparse.ArgumentParser] = next(
        action.choices for action in parser._actions if isinstance(action, argparse._SubParsersAction)
    )
    return found


def _joined(words: Any) -> str:
    return " ".join(map(str, words))
