"""Completion scripts for bash, zsh and fish, from the described commands."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from synthstore.checks.catalogue import CATALOGUE
from synthstore.cli.described import Described, Option

_CODES = " ".join(CATALOGUE)


def scripts(commands: Sequence[Described]) -> Mapping[str, str]:
    """Every script by its path below ``completions/``."""
    return {
        "synthstore.bash": _text(_bash(commands)),
        "_synthstore": _text(_zsh(commands)),
        "synthstore.fish": _text(_fish(commands)),
    }


def _text(lines: Iterable[str]) -> str:
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def _words(option: Option) -> str:
    return _CODES if option.takes == "codes" else " ".join(option.choices)


def _bash(commands: Sequence[Described]) -> Iterator[str]:
    names = " ".join(command.name for command in commands)
    yield from (
        "# bash completion of synthstore; made by: python -m synthstore.cli.generate",
        "_synthstore() {",
        "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} command= word",
        '    for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do',
        '        case "$word" in',
        f"            {names.replace(' ', '|')}) command=$word; break ;;",
        "        esac",
        "    done",
        "    COMPREPLY=()",
        '    case "$command $prev" in',
    )
    for command in commands:
        for option in command.options:
            if option.takes != "nothing":
                yield from _bash_value(command.name, option)
    yield from ("    esac", '    case "$command" in', "        '')")
    yield f'            COMPREPLY=($(compgen -W "{names} --help --version" -- "$cur")) ;;'
    for command in commands:
        flags = " ".join(flag for option in command.options for flag in option.flags)
        yield from (
            f"        {command.name})",
            '            case "$cur" in',
            f'                -*) COMPREPLY=($(compgen -W "{flags}" -- "$cur")) ;;',
            '                *) COMPREPLY=($(compgen -d -- "$cur")) ;;',
            "            esac ;;",
        )
    yield from ("    esac", "}", "complete -o filenames -F _synthstore synthstore")


def _bash_value(command: str, option: Option) -> Iterator[str]:
    patterns = "|".join(f'"{command} {flag}"' for flag in option.flags)
    if option.takes == "text":
        yield f"        {patterns}) return ;;"
    else:
        how = "-f" if option.takes == "file" else f'-W "{_words(option)}"'
        yield f'        {patterns}) COMPREPLY=($(compgen {how} -- "$cur")); return ;;'


def _zsh(commands: Sequence[Described]) -> Iterator[str]:
    yield from (
        "#compdef synthstore",
        "# zsh completion of synthstore; made by: python -m synthstore.cli.generate",
        "_synthstore() {",
        "    local context state state_descr line",
        "    typeset -A opt_args",
        "    local -a commands=(",
    )
    yield from (f"        {_quoted(f'{c.name}:{c.summary}')}" for c in commands)
    yield from (
        "    )",
        "    _arguments -C '(-h --help)'{-h,--help}'[Show help]' '--version[Print the version]' \\",
        "        '1:command:->command' '*::argument:->argument'",
        '    case "$state" in',
        "        command) _describe command commands ;;",
        '        argument) case "$line[1]" in',
    )
    for command in commands:
        yield f"            {command.name}) _arguments -s \\"
        yield from (f"                {spec} \\" for o in command.options for spec in _zsh_specs(o))
        yield "                '*:folder:_files -/' ;;"
    yield from ("        esac ;;", "    esac", "}", '_synthstore "$@"')


def _zsh_specs(option: Option) -> Iterator[str]:
    text = option.help.replace("[", "(").replace("]", ")").replace(":", "\\:")
    value = (
        "" if option.takes == "nothing" else f":{option.value.split('|')[0]}:{_zsh_action(option)}"
    )
    many = "*" if option.repeatable else ""
    for flag in option.flags:
        yield _quoted(f"{many}{flag}[{text}]{value}")


def _zsh_action(option: Option) -> str:
    if option.takes == "file":
        return "_files"
    return f"({_words(option)})" if _words(option) else " "


def _fish(commands: Sequence[Described]) -> Iterator[str]:
    names = " ".join(command.name for command in commands)
    start = f"-n 'not __fish_seen_subcommand_from {names}'"
    yield "# fish completion of synthstore; made by: python -m synthstore.cli.generate"
    yield "complete -c synthstore -f"
    yield f"complete -c synthstore {start} -s h -l help -d 'Show help'"
    yield f"complete -c synthstore {start} -l version -d 'Print the version'"
    for command in commands:
        yield f"complete -c synthstore {start} -a {command.name} -d {_fish_quoted(command.summary)}"
    for command in commands:
        seen = f"-n '__fish_seen_subcommand_from {command.name}'"
        yield f"complete -c synthstore {seen} -a '(__fish_complete_directories)'"
        for option in command.options:
            yield f"complete -c synthstore {seen} {_fish_option(option)}"


def _fish_option(option: Option) -> str:
    words = [f"-l {f[2:]}" if f.startswith("--") else f"-s {f[1:]}" for f in option.flags]
    if option.takes == "file":
        words.append("-r -F")
    elif option.takes != "nothing":
        words.append("-x" + (f" -a '{_words(option)}'" if _words(option) else ""))
    return " ".join((*words, "-d", _fish_quoted(option.help)))


def _fish_quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
