# bash completion of synthstore; made by: python -m synthstore.cli.generate
_synthstore() {
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} command= word
    for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
        case "$word" in
            verify|repair|rebuild-index|backup|stats|restore|snapshots|diff|undo|demo) command=$word; break ;;
        esac
    done
    COMPREPLY=()
    case "$command $prev" in
        "verify --subset") return ;;
        "verify --repo") return ;;
        "verify --layout") COMPREPLY=($(compgen -W "native core-4 core-3 core-2 lucidia-1 lucidia-0" -- "$cur")); return ;;
        "verify --metrics-file") COMPREPLY=($(compgen -f -- "$cur")); return ;;
        "verify --select") COMPREPLY=($(compgen -W "S001 S002 S003 S004 S005 S006 S007 S008 S009 C001 C002 C003 C004 C005 C006 C007 C008 C009 M001 M002 M003 M004 M005 M006 M007 M008 M009 M010 M011 M012 A001 A002 A003 A004 A005 A006 A007 A008 A009 A010 A011 A012 A020 A021 A022 A023 E001 E002 E003 E004 E005 E006 V001 V002 V003 V004 V005 V006 V007 V008 V009 V010 V011 K001" -- "$cur")); return ;;
        "verify --ignore") COMPREPLY=($(compgen -W "S001 S002 S003 S004 S005 S006 S007 S008 S009 C001 C002 C003 C004 C005 C006 C007 C008 C009 M001 M002 M003 M004 M005 M006 M007 M008 M009 M010 M011 M012 A001 A002 A003 A004 A005 A006 A007 A008 A009 A010 A011 A012 A020 A021 A022 A023 E001 E002 E003 E004 E005 E006 V001 V002 V003 V004 V005 V006 V007 V008 V009 V010 V011 K001" -- "$cur")); return ;;
        "verify --id") return ;;
        "verify --fail-on") COMPREPLY=($(compgen -W "error warning info never" -- "$cur")); return ;;
        "verify --known") COMPREPLY=($(compgen -f -- "$cur")); return ;;
        "verify --write-known") COMPREPLY=($(compgen -f -- "$cur")); return ;;
        "verify --lock-wait") return ;;
        "verify --jobs") return ;;
        "verify --config") COMPREPLY=($(compgen -f -- "$cur")); return ;;
        "repair --repo") return ;;
        "repair --layout") COMPREPLY=($(compgen -W "native core-4 core-3 core-2 lucidia-1 lucidia-0" -- "$cur")); return ;;
        "repair --metrics-file") COMPREPLY=($(compgen -f -- "$cur")); return ;;
        "repair --select") COMPREPLY=($(compgen -W "S001 S002 S003 S004 S005 S006 S007 S008 S009 C001 C002 C003 C004 C005 C006 C007 C008 C009 M001 M002 M003 M004 M005 M006 M007 M008 M009 M010 M011 M012 A001 A002 A003 A004 A005 A006 A007 A008 A009 A010 A011 A012 A020 A021 A022 A023 E001 E002 E003 E004 E005 E006 V001 V002 V003 V004 V005 V006 V007 V008 V009 V010 V011 K001" -- "$cur")); return ;;
        "repair --ignore") COMPREPLY=($(compgen -W "S001 S002 S003 S004 S005 S006 S007 S008 S009 C001 C002 C003 C004 C005 C006 C007 C008 C009 M001 M002 M003 M004 M005 M006 M007 M008 M009 M010 M011 M012 A001 A002 A003 A004 A005 A006 A007 A008 A009 A010 A011 A012 A020 A021 A022 A023 E001 E002 E003 E004 E005 E006 V001 V002 V003 V004 V005 V006 V007 V008 V009 V010 V011 K001" -- "$cur")); return ;;
        "repair --id") return ;;
        "repair --fail-on") COMPREPLY=($(compgen -W "error warning info never" -- "$cur")); return ;;
        "repair --accept") COMPREPLY=($(compgen -W "S001 S002 S003 S004 S005 S006 S007 S008 S009 C001 C002 C003 C004 C005 C006 C007 C008 C009 M001 M002 M003 M004 M005 M006 M007 M008 M009 M010 M011 M012 A001 A002 A003 A004 A005 A006 A007 A008 A009 A010 A011 A012 A020 A021 A022 A023 E001 E002 E003 E004 E005 E006 V001 V002 V003 V004 V005 V006 V007 V008 V009 V010 V011 K001" -- "$cur")); return ;;
        "repair --lock-wait") return ;;
        "repair --jobs") return ;;
        "repair --config") COMPREPLY=($(compgen -f -- "$cur")); return ;;
        "rebuild-index --only") COMPREPLY=($(compgen -W "memory-index vectors" -- "$cur")); return ;;
        "rebuild-index --factory") return ;;
        "rebuild-index --metric") COMPREPLY=($(compgen -W "ip l2" -- "$cur")); return ;;
        "rebuild-index --layout") COMPREPLY=($(compgen -W "native core-4 core-3 core-2 lucidia-1 lucidia-0" -- "$cur")); return ;;
        "rebuild-index --lock-wait") return ;;
        "rebuild-index --jobs") return ;;
        "rebuild-index --config") COMPREPLY=($(compgen -f -- "$cur")); return ;;
        "backup --repo") return ;;
        "backup --name") return ;;
        "backup --tag") return ;;
        "backup --known") COMPREPLY=($(compgen -f -- "$cur")); return ;;
        "backup --layout") COMPREPLY=($(compgen -W "native core-4 core-3 core-2 lucidia-1 lucidia-0" -- "$cur")); return ;;
        "backup --metrics-file") COMPREPLY=($(compgen -f -- "$cur")); return ;;
        "backup --keep-last") return ;;
        "backup --keep-hourly") return ;;
        "backup --keep-daily") return ;;
        "backup --keep-weekly") return ;;
        "backup --keep-monthly") return ;;
        "backup --keep-yearly") return ;;
        "backup --keep-within") return ;;
        "backup --lock-wait") return ;;
        "backup --jobs") return ;;
        "backup --config") COMPREPLY=($(compgen -f -- "$cur")); return ;;
        "stats --repo") return ;;
        "stats --html") COMPREPLY=($(compgen -f -- "$cur")); return ;;
        "stats --layout") COMPREPLY=($(compgen -W "native core-4 core-3 core-2 lucidia-1 lucidia-0" -- "$cur")); return ;;
        "stats --metrics-file") COMPREPLY=($(compgen -f -- "$cur")); return ;;
        "stats --lock-wait") return ;;
        "stats --jobs") return ;;
        "stats --config") COMPREPLY=($(compgen -f -- "$cur")); return ;;
        "restore --repo") return ;;
        "restore --name") return ;;
        "restore --snapshot") return ;;
        "restore --id") return ;;
        "restore --overwrite") COMPREPLY=($(compgen -W "never if-newer always" -- "$cur")); return ;;
        "restore --layout") COMPREPLY=($(compgen -W "native core-4 core-3 core-2 lucidia-1 lucidia-0" -- "$cur")); return ;;
        "restore --lock-wait") return ;;
        "restore --jobs") return ;;
        "restore --config") COMPREPLY=($(compgen -f -- "$cur")); return ;;
        "snapshots --repo") return ;;
        "snapshots --name") return ;;
        "snapshots --max-age") return ;;
        "snapshots --keep-last") return ;;
        "snapshots --keep-hourly") return ;;
        "snapshots --keep-daily") return ;;
        "snapshots --keep-weekly") return ;;
        "snapshots --keep-monthly") return ;;
        "snapshots --keep-yearly") return ;;
        "snapshots --keep-within") return ;;
        "snapshots --lock-wait") return ;;
        "snapshots --jobs") return ;;
        "snapshots --config") COMPREPLY=($(compgen -f -- "$cur")); return ;;
        "diff --name") return ;;
        "diff --lock-wait") return ;;
        "diff --jobs") return ;;
        "diff --config") COMPREPLY=($(compgen -f -- "$cur")); return ;;
        "undo --lock-wait") return ;;
        "undo --jobs") return ;;
        "undo --config") COMPREPLY=($(compgen -f -- "$cur")); return ;;
        "demo --lock-wait") return ;;
        "demo --jobs") return ;;
        "demo --config") COMPREPLY=($(compgen -f -- "$cur")); return ;;
    esac
    case "$command" in
        '')
            COMPREPLY=($(compgen -W "verify repair rebuild-index backup stats restore snapshots diff undo demo --help --version" -- "$cur")) ;;
        verify)
            case "$cur" in
                -*) COMPREPLY=($(compgen -W "--quick --subset --repo --layout --metrics-file --select --ignore --id --fail-on --known --write-known --json -q --quiet -v --verbose --redact --no-color --no-progress --lock-wait --jobs --config -h --help" -- "$cur")) ;;
                *) COMPREPLY=($(compgen -d -- "$cur")) ;;
            esac ;;
        repair)
            case "$cur" in
                -*) COMPREPLY=($(compgen -W "--repo --layout --metrics-file --select --ignore --id --fail-on -n --dry-run -y --yes --safe --accept --all --allow-shrink --json -q --quiet -v --verbose --redact --no-color --no-progress --lock-wait --jobs --config -h --help" -- "$cur")) ;;
                *) COMPREPLY=($(compgen -d -- "$cur")) ;;
            esac ;;
        rebuild-index)
            case "$cur" in
                -*) COMPREPLY=($(compgen -W "--only --factory --metric --layout -n --dry-run -y --yes --allow-shrink --json -q --quiet -v --verbose --redact --no-color --no-progress --lock-wait --jobs --config -h --help" -- "$cur")) ;;
                *) COMPREPLY=($(compgen -d -- "$cur")) ;;
            esac ;;
        backup)
            case "$cur" in
                -*) COMPREPLY=($(compgen -W "--repo --name --tag --check --known --layout --metrics-file -n --dry-run --keep-last --keep-hourly --keep-daily --keep-weekly --keep-monthly --keep-yearly --keep-within --json -q --quiet -v --verbose --redact --no-color --no-progress --lock-wait --jobs --config -h --help" -- "$cur")) ;;
                *) COMPREPLY=($(compgen -d -- "$cur")) ;;
            esac ;;
        stats)
            case "$cur" in
                -*) COMPREPLY=($(compgen -W "--repo --html --layout --metrics-file --json -q --quiet -v --verbose --redact --no-color --no-progress --lock-wait --jobs --config -h --help" -- "$cur")) ;;
                *) COMPREPLY=($(compgen -d -- "$cur")) ;;
            esac ;;
        restore)
            case "$cur" in
                -*) COMPREPLY=($(compgen -W "--repo --name --snapshot --id --overwrite --layout -n --dry-run -y --yes --json -q --quiet -v --verbose --redact --no-color --no-progress --lock-wait --jobs --config -h --help" -- "$cur")) ;;
                *) COMPREPLY=($(compgen -d -- "$cur")) ;;
            esac ;;
        snapshots)
            case "$cur" in
                -*) COMPREPLY=($(compgen -W "--repo --name --read-data --drill --max-age -n --dry-run --keep-last --keep-hourly --keep-daily --keep-weekly --keep-monthly --keep-yearly --keep-within --json -q --quiet -v --verbose --redact --no-color --no-progress --lock-wait --jobs --config -h --help" -- "$cur")) ;;
                *) COMPREPLY=($(compgen -d -- "$cur")) ;;
            esac ;;
        diff)
            case "$cur" in
                -*) COMPREPLY=($(compgen -W "--name --json -q --quiet -v --verbose --redact --no-color --no-progress --lock-wait --jobs --config -h --help" -- "$cur")) ;;
                *) COMPREPLY=($(compgen -d -- "$cur")) ;;
            esac ;;
        undo)
            case "$cur" in
                -*) COMPREPLY=($(compgen -W "--list --prune --force -n --dry-run -y --yes --json -q --quiet -v --verbose --redact --no-color --no-progress --lock-wait --jobs --config -h --help" -- "$cur")) ;;
                *) COMPREPLY=($(compgen -d -- "$cur")) ;;
            esac ;;
        demo)
            case "$cur" in
                -*) COMPREPLY=($(compgen -W "--json -q --quiet -v --verbose --redact --no-color --no-progress --lock-wait --jobs --config -h --help" -- "$cur")) ;;
                *) COMPREPLY=($(compgen -d -- "$cur")) ;;
            esac ;;
    esac
}
complete -o filenames -F _synthstore synthstore
