"""Completion scripts for bash, zsh and fish, from the described commands.

What only a store or a repository knows, they ask the program for (``synthstore.cli.suggest``).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from synthstore.checks.catalogue import CATALOGUE
from synthstore.cli.described import Argument, Described, Option, Takes
from synthstore.cli.suggest import ASKED

_CODES = " ".join(CATALOGUE)

_BASH_START = rf"""# bash completion of synthstore; made by: python -m synthstore.cli.generate
_synthstore_offer() {{
    mapfile -t COMPREPLY < <(compgen "$@" -- "$cur" 2>/dev/null)
}}

_synthstore_codes() {{
    local prefix=
    [[ $cur == *,* ]] && prefix=${{cur%,*}}, && cur=${{cur##*,}}
    _synthstore_offer -P "$prefix" -W "{_CODES}"
}}

_synthstore_ids() {{
    local found words=("${{COMP_WORDS[@]:1:COMP_CWORD}}")
    found=$("${{COMP_WORDS[0]}}" {ASKED} "$1" "${{words[@]}}" 2>/dev/null | cut -f1)
    _synthstore_offer -W "$found"
}}

_synthstore_runs() {{
    _synthstore_offer -d
    local folders=("${{COMPREPLY[@]}}")
    _synthstore_ids runs
    COMPREPLY+=("${{folders[@]}}")
}}

# REPO@SNAPSHOT: where @ parts words, @SNAPSHOT is what stands to be completed.
_synthstore_side() {{
    local prefix=@ repo=
    case "$cur" in
        @) repo=$prev cur= ;;
        *@*) repo=${{cur%@*}} prefix=${{cur%@*}}@ cur=${{cur##*@}} ;;
        *) [[ $prev == @ ]] && repo=${{COMP_WORDS[COMP_CWORD-2]}} ;;
    esac
    if [[ -z $repo ]]; then
        _synthstore_offer -d
        return
    fi
    local found
    found=$("${{COMP_WORDS[0]}}" {ASKED} snapshots "$repo@" 2>/dev/null | cut -f1)
    compopt +o filenames 2>/dev/null
    _synthstore_offer -P "$prefix" -W "$found"
}}

_synthstore() {{
    local cur=${{COMP_WORDS[COMP_CWORD]}} prev=${{COMP_WORDS[COMP_CWORD-1]}} command= word
    [[ $cur == = ]] && cur=
    [[ $prev == = ]] && prev=${{COMP_WORDS[COMP_CWORD-2]}}"""

_ZSH_START = rf"""#compdef synthstore
# zsh completion of synthstore; made by: python -m synthstore.cli.generate
_synthstore_codes() {{
    _values -s , code {" ".join(f"'{code}[{entry.rule}]'" for code, entry in CATALOGUE.items())}
}}

_synthstore_ids() {{
    local -a found
    found=("${{(@f)$($synthstore_program {ASKED} $1 "${{words[@]}}" 2>/dev/null)}}")
    [[ -n $found[1] ]] || return 1
    found=("${{(@)found/$'\t'/:}}")
    _describe -V id found
}}

_synthstore_side() {{
    local repo=${{PREFIX%@*}}
    if [[ $PREFIX == *@* ]] && compset -P '*@'; then
        words=("$repo@") _synthstore_ids snapshots
    else
        _files -/
    fi
}}

_synthstore() {{
    local context state state_descr line synthstore_program=$words[1]
    typeset -A opt_args"""

_FISH_START = rf"""# fish completion of synthstore; made by: python -m synthstore.cli.generate
function __synthstore_ids
    set -l words (commandline -opc)
    command $words[1] {ASKED} $argv $words[2..-1] 2>/dev/null
end

function __synthstore_sides
    set -l current (commandline -ct)
    set -l repo (string match -r '^.*@' -- $current)
    or return
    set -l words (commandline -opc)
    for id in (command $words[1] {ASKED} snapshots $repo 2>/dev/null)
        echo $repo$id
    end
end

function __synthstore_codes
    set -l before (string match -r '^.*,' -- (commandline -ct))
    printf "$before%s\t%s\n" {" ".join(f"{code} {entry.rule}" for code, entry in CATALOGUE.items())}
end

complete -c synthstore -f"""


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


_BASH_TAKES: Mapping[Takes, str] = {
    "codes": "_synthstore_codes",
    "file": "_synthstore_offer -f",
    "folder": "_synthstore_offer -d",
    "run": "_synthstore_runs",
    "snapshot": "_synthstore_ids snapshots",
    "side": "_synthstore_side",
    "text": ":",
}


def _bash(commands: Sequence[Described]) -> Iterator[str]:
    names = " ".join(command.name for command in commands)
    yield _BASH_START
    yield from (
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
                patterns = "|".join(f'"{command.name} {flag}"' for flag in option.flags)
                yield f"        {patterns}) {_bash_action(option)}; return ;;"
    yield from ("    esac", '    case "$command" in')
    yield f"        '') _synthstore_offer -W \"{names} --help --version\" ;;"
    for command in commands:
        flags = " ".join(flag for option in command.options for flag in option.flags)
        yield from (
            f"        {command.name})",
            '            case "$cur" in',
            f'                -*) _synthstore_offer -W "{flags}" ;;',
            f"                *) {_bash_argument(command.arguments)} ;;",
            "            esac ;;",
        )
    yield from ("    esac", "}", "complete -o filenames -F _synthstore synthstore")


def _bash_action(one: Option | Argument) -> str:
    if one.choices:
        return f'_synthstore_offer -W "{" ".join(one.choices)}"'
    return _BASH_TAKES[one.takes]


def _bash_argument(arguments: Sequence[Argument]) -> str:
    """What any argument may be: bash does not count them, for options stand between."""
    for takes in ("run", "side", "file"):
        if any(argument.takes == takes for argument in arguments):
            return _BASH_TAKES[takes]
    return _bash_action(arguments[0])


_ZSH_TAKES: Mapping[Takes, str] = {
    # After a space an action is called as it stands.
    "codes": "_synthstore_codes",
    "file": "_files",
    "folder": "_files -/",
    "run": " _synthstore_ids runs",
    "snapshot": " _synthstore_ids snapshots",
    "side": "_synthstore_side",
    "text": " ",
}


def _zsh(commands: Sequence[Described]) -> Iterator[str]:
    yield _ZSH_START
    yield "    local -a commands=("
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
        specs = [spec for option in command.options for spec in _zsh_specs(option)]
        specs += [_zsh_argument(place, one) for place, one in enumerate(command.arguments, 1)]
        yield f"            {command.name}) _arguments -s \\"
        yield " \\\n".join(f"                {spec}" for spec in specs) + " ;;"
    yield from ("        esac ;;", "    esac", "}", '_synthstore "$@"')


def _zsh_specs(option: Option) -> Iterator[str]:
    text = option.help.replace("[", "(").replace("]", ")").replace(":", "\\:")
    value = (
        "" if option.takes == "nothing" else f":{option.value.split('|')[0]}:{_zsh_action(option)}"
    )
    many = "*" if option.repeatable else ""
    for flag in option.flags:
        yield _quoted(f"{many}{flag}[{text}]{value}")


def _zsh_argument(place: int, argument: Argument) -> str:
    start = "*:" if argument.repeatable else f"{place}:" if argument.required else f"{place}::"
    return _quoted(f"{start}{argument.name.lower()}:{_zsh_action(argument)}")


def _zsh_action(one: Option | Argument) -> str:
    return f"({' '.join(one.choices)})" if one.choices else _ZSH_TAKES[one.takes]


_FISH_TAKES: Mapping[Takes, str] = {
    "codes": "-x -a '(__synthstore_codes)'",
    "file": "-r -F",
    "folder": "-x -a '(__fish_complete_directories (commandline -ct))'",
    "run": "-k -a '(__synthstore_ids runs)'",
    "snapshot": "-x -k -a '(__synthstore_ids snapshots)'",
    "side": "-k -a '(__synthstore_sides) (__fish_complete_directories (commandline -ct))'",
    "text": "-x",
    "nothing": "",
}


def _fish(commands: Sequence[Described]) -> Iterator[str]:
    names = " ".join(command.name for command in commands)
    start = f"-n 'not __fish_seen_subcommand_from {names}'"
    yield _FISH_START
    yield f"complete -c synthstore {start} -s h -l help -d 'Show help'"
    yield f"complete -c synthstore {start} -l version -d 'Print the version'"
    for command in commands:
        yield f"complete -c synthstore {start} -a {command.name} -d {_fish_quoted(command.summary)}"
    for command in commands:
        seen = f"__fish_seen_subcommand_from {command.name}"
        for argument in command.arguments:
            yield from _fish_argument(seen, argument)
        for option in command.options:
            yield f"complete -c synthstore -n '{seen}' {_fish_option(option)}"


def _fish_argument(seen: str, argument: Argument) -> Iterator[str]:
    if argument.choices:
        words = " ".join(argument.choices)
        yield (
            f"complete -c synthstore -n '{seen}; and not __fish_seen_subcommand_from {words}'"
            f" -a '{words}'"
        )
    elif argument.takes != "text":
        how = _FISH_TAKES[argument.takes].removeprefix("-x ").removeprefix("-r ")
        yield f"complete -c synthstore -n '{seen}' {how}"


def _fish_option(option: Option) -> str:
    words = [f"-l {f[2:]}" if f.startswith("--") else f"-s {f[1:]}" for f in option.flags]
    words.append(f"-x -a '{' '.join(option.choices)}'" if option.choices else "")
    words.append("" if option.choices else _FISH_TAKES[option.takes])
    words += ["-d", _fish_quoted(option.help)]
    return " ".join(filter(None, words))


def _fish_quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
