"""`fastpatent completion`: a script that completes jobs, actions, options and keys in a shell."""

from collections.abc import Sequence

from fastpatent.commands import JOBS
from fastpatent.commands.data import ACTIONS
from fastpatent.commands.index import ACTIONS as INDEX_ACTIONS
from fastpatent.commands.options import Parser
from fastpatent.config.by_name import by_end
from fastpatent.config.keys import KEYS

COMMON = "--config-file --allow-downloads"
OPTIONS = {
    "train": f"{COMMON} --resume --overwrite --eval-only --dry-run --num-gpus --num-machines --machine-rank --dist-url",
    "test": f"{COMMON} --eval-only --compare",
    "runs": "--where --sort --columns --format --output",
    "reproduce": "--output-dir --changed-data --tolerance --allow-downloads",
    "find": f"{COMMON} --in --top --csv --json --page --cache --text --image --weight --output",
    "search": "--allow-downloads --text --minus --where --top --crop --mirror --whole --expand --exclude --own --weight"
    " --minus-weight --pictures --csv --json --html --each --out",
    "serve": "--allow-downloads --host --port --open --token --name --rate --upload-mb --workspace --uploads-mb",
    "classify": COMMON,
    "extract": f"{COMMON} --images --output",
    "export": f"{COMMON} --output --fitted",
    "benchmark": COMMON,
    "compare": "--allow-downloads --test-set --out",
    "submission": "--queries --database --against",
    "sweep": f"{COMMON} --space --trials --sampler --out --seeds --best",
    "convert": f"{COMMON} --slim",
    "average": "",
    "config": f"{COMMON} --explain --list --table",
}
FILES = (
    "--image --images --output --in --out --csv --json --page --cache --queries --database --against --space"
    " --html --minus --each --workspace"
)

BASH = """\
_fastpatent() {{
    local word=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD-1]}} job=${{COMP_WORDS[1]}}
    COMPREPLY=()
    if [ "$COMP_CWORD" = 1 ]; then
        COMPREPLY=($(compgen -W "{jobs}" -- "$word"))
    elif [ "$before" = --config-file ]; then
        COMPREPLY=($(compgen -f -- "$word") $(compgen -W "{configurations}" -- "$word"))
    elif [[ " {files} " == *" $before "* ]]; then
        COMPREPLY=($(compgen -f -- "$word"))
    elif [[ $word == -* ]]; then
        case $job in
{cases}
        esac
    elif [ "$COMP_CWORD" = 2 ]; then
        case $job in
            data) COMPREPLY=($(compgen -W "{actions}" -- "$word")) ;;
            index) COMPREPLY=($(compgen -W "{index_actions}" -- "$word")) ;;
            completion) COMPREPLY=($(compgen -W "bash zsh fish" -- "$word")) ;;
            help) COMPREPLY=($(compgen -W "{jobs}" -- "$word")) ;;
            *) COMPREPLY=($(compgen -W "{keys}" -- "$word")) ;;
        esac
    else
        COMPREPLY=($(compgen -W "{keys}" -- "$word"))
    fi
    [ ${{#COMPREPLY[@]}} -gt 0 ] || COMPREPLY=($(compgen -f -- "$word"))
}}
complete -o filenames -F _fastpatent fastpatent
"""
ZSH = "autoload -U +X bashcompinit && bashcompinit\n"  # zsh runs completions of bash
FISH = """\
complete -c fastpatent -n __fish_use_subcommand -f -a '{jobs}'
complete -c fastpatent -n '__fish_seen_subcommand_from data' -f -a '{actions}'
complete -c fastpatent -n '__fish_seen_subcommand_from index' -f -a '{index_actions}'
complete -c fastpatent -n '__fish_seen_subcommand_from completion' -f -a 'bash zsh fish'
complete -c fastpatent -n 'not __fish_use_subcommand' -a '{keys}'
complete -c fastpatent -n 'not __fish_use_subcommand' -l config-file -r -a '{configurations}'
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Print the script of a shell; return the exit status."""
    parser = Parser(
        prog="fastpatent completion",
        description='Print a completion script. For bash and zsh: eval "$(fastpatent completion bash)"; '
        "for fish: fastpatent completion fish | source",
    )
    parser.add_argument("shell", choices=("bash", "zsh", "fish"))
    shell = parser.parse_args(argv).shell
    words = {"jobs": " ".join(JOBS), "actions": " ".join(ACTIONS), "keys": " ".join(KEYS), "files": FILES}
    words["index_actions"] = " ".join(INDEX_ACTIONS)
    words["configurations"] = " ".join(by_end())
    if shell == "fish":
        print(FISH.format(**words), end="")
        for job, options in OPTIONS.items():
            for option in options.split():
                print(f"complete -c fastpatent -n '__fish_seen_subcommand_from {job}' -l {option.removeprefix('--')}")
        return 0
    cases = "\n".join(
        f'            {job}) COMPREPLY=($(compgen -W "{words}" -- "$word")) ;;' for job, words in OPTIONS.items()
    )
    print((ZSH if shell == "zsh" else "") + BASH.format(**words, cases=cases), end="")
    return 0
