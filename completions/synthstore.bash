# bash completion of synthstore; made by: python -m synthstore.cli.generate
_synthstore_offer() {
    mapfile -t COMPREPLY < <(compgen "$@" -- "$cur" 2>/dev/null)
}

_synthstore_codes() {
    local prefix=
    [[ $cur == *,* ]] && prefix=${cur%,*}, && cur=${cur##*,}
    _synthstore_offer -P "$prefix" -W "S001 S002 S003 S004 S005 S006 S007 S008 S009 C001 C002 C003 C004 C005 C006 C007 C008 C009 M001 M002 M003 M004 M005 M006 M007 M008 M009 M010 M011 M012 A001 A002 A003 A004 A005 A006 A007 A008 A009 A010 A011 A012 A020 A021 A022 A023 E001 E002 E003 E004 E005 E006 V001 V002 V003 V004 V005 V006 V007 V008 V009 V010 V011 K001"
}

_synthstore_ids() {
    local found words=("${COMP_WORDS[@]:1:COMP_CWORD}")
    found=$("${COMP_WORDS[0]}" __complete "$1" "${words[@]}" 2>/dev/null | cut -f1)
    _synthstore_offer -W "$found"
}

_synthstore_runs() {
    _synthstore_offer -d
    local folders=("${COMPREPLY[@]}")
    _synthstore_ids runs
    COMPREPLY+=("${folders[@]}")
}

# REPO@SNAPSHOT: where @ parts words, @SNAPSHOT is what stands to be completed.
_synthstore_side() {
    local prefix=@ repo=
    case "$cur" in
        @) repo=$prev cur= ;;
        *@*) repo=${cur%@*} prefix=${cur%@*}@ cur=${cur##*@} ;;
        *) [[ $prev == @ ]] && repo=${COMP_WORDS[COMP_CWORD-2]} ;;
    esac
    if [[ -z $repo ]]; then
        _synthstore_offer -d
        return
    fi
    local found
    found=$("${COMP_WORDS[0]}" __complete snapshots "$repo@" 2>/dev/null | cut -f1)
    compopt +o filenames 2>/dev/null
    _synthstore_offer -P "$prefix" -W "$found"
}

_synthstore() {
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} command= word
    [[ $cur == = ]] && cur=
    [[ $prev == = ]] && prev=${COMP_WORDS[COMP_CWORD-2]}
    for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
        case "$word" in
            verify|repair|rebuild-index|backup|migrate|import|export|stats|restore|snapshots|diff|undo|demo) command=$word; break ;;
        esac
    done
    COMPREPLY=()
    case "$command $prev" in
        "verify --subset") :; return ;;
        "verify --repo") _synthstore_offer -d; return ;;
        "verify --name") :; return ;;
        "verify --layout") _synthstore_offer -W "native core-4 core-3 core-2 lucidia-1 lucidia-0"; return ;;
        "verify --executor") :; return ;;
        "verify --metrics-file") _synthstore_offer -f; return ;;
        "verify --select") _synthstore_codes; return ;;
        "verify --ignore") _synthstore_codes; return ;;
        "verify --id") :; return ;;
        "verify --fail-on") _synthstore_offer -W "error warning info never"; return ;;
        "verify --known") _synthstore_offer -f; return ;;
        "verify --write-known") _synthstore_offer -f; return ;;
        "verify --lock-wait") :; return ;;
        "verify --jobs") :; return ;;
        "verify --config") _synthstore_offer -f; return ;;
        "repair --repo") _synthstore_offer -d; return ;;
        "repair --name") :; return ;;
        "repair --layout") _synthstore_offer -W "native core-4 core-3 core-2 lucidia-1 lucidia-0"; return ;;
        "repair --metrics-file") _synthstore_offer -f; return ;;
        "repair --select") _synthstore_codes; return ;;
        "repair --ignore") _synthstore_codes; return ;;
        "repair --id") :; return ;;
        "repair --fail-on") _synthstore_offer -W "error warning info never"; return ;;
        "repair --accept") _synthstore_codes; return ;;
        "repair --lock-wait") :; return ;;
        "repair --jobs") :; return ;;
        "repair --config") _synthstore_offer -f; return ;;
        "rebuild-index --only") _synthstore_offer -W "memory-index vectors"; return ;;
        "rebuild-index --factory") :; return ;;
        "rebuild-index --metric") _synthstore_offer -W "ip l2"; return ;;
        "rebuild-index --layout") _synthstore_offer -W "native core-4 core-3 core-2 lucidia-1 lucidia-0"; return ;;
        "rebuild-index --executor") :; return ;;
        "rebuild-index --lock-wait") :; return ;;
        "rebuild-index --jobs") :; return ;;
        "rebuild-index --config") _synthstore_offer -f; return ;;
        "backup --repo") _synthstore_offer -d; return ;;
        "backup --name") :; return ;;
        "backup --tag") :; return ;;
        "backup --known") _synthstore_offer -f; return ;;
        "backup --layout") _synthstore_offer -W "native core-4 core-3 core-2 lucidia-1 lucidia-0"; return ;;
        "backup --metrics-file") _synthstore_offer -f; return ;;
        "backup --keep-last") :; return ;;
        "backup --keep-hourly") :; return ;;
        "backup --keep-daily") :; return ;;
        "backup --keep-weekly") :; return ;;
        "backup --keep-monthly") :; return ;;
        "backup --keep-yearly") :; return ;;
        "backup --keep-within") :; return ;;
        "backup --lock-wait") :; return ;;
        "backup --jobs") :; return ;;
        "backup --config") _synthstore_offer -f; return ;;
        "migrate --layout") _synthstore_offer -W "native core-4"; return ;;
        "migrate --lock-wait") :; return ;;
        "migrate --jobs") :; return ;;
        "migrate --config") _synthstore_offer -f; return ;;
        "import --format") _synthstore_offer -W "auto jsonl json csv parquet"; return ;;
        "import --on-conflict") _synthstore_offer -W "skip replace newer fail"; return ;;
        "import --embed") :; return ;;
        "import --layout") _synthstore_offer -W "native core-4 core-3 core-2 lucidia-1 lucidia-0"; return ;;
        "import --rejects") _synthstore_offer -f; return ;;
        "import --sample") :; return ;;
        "import --dim") :; return ;;
        "import --seed") :; return ;;
        "import --lock-wait") :; return ;;
        "import --jobs") :; return ;;
        "import --config") _synthstore_offer -f; return ;;
        "export -o"|"export --output") _synthstore_offer -f; return ;;
        "export --format") _synthstore_offer -W "jsonl json csv parquet"; return ;;
        "export --where") :; return ;;
        "export --id") :; return ;;
        "export --kind") _synthstore_offer -W "memory assembly all"; return ;;
        "export --limit") :; return ;;
        "export --layout") _synthstore_offer -W "native core-4 core-3 core-2 lucidia-1 lucidia-0"; return ;;
        "export --executor") :; return ;;
        "export --lock-wait") :; return ;;
        "export --jobs") :; return ;;
        "export --config") _synthstore_offer -f; return ;;
        "stats --repo") _synthstore_offer -d; return ;;
        "stats --name") :; return ;;
        "stats --html") _synthstore_offer -f; return ;;
        "stats --layout") _synthstore_offer -W "native core-4 core-3 core-2 lucidia-1 lucidia-0"; return ;;
        "stats --metrics-file") _synthstore_offer -f; return ;;
        "stats --lock-wait") :; return ;;
        "stats --jobs") :; return ;;
        "stats --config") _synthstore_offer -f; return ;;
        "restore --repo") _synthstore_offer -d; return ;;
        "restore --name") :; return ;;
        "restore --snapshot") _synthstore_ids snapshots; return ;;
        "restore --id") :; return ;;
        "restore --overwrite") _synthstore_offer -W "never if-newer always"; return ;;
        "restore --layout") _synthstore_offer -W "native core-4 core-3 core-2 lucidia-1 lucidia-0"; return ;;
        "restore --lock-wait") :; return ;;
        "restore --jobs") :; return ;;
        "restore --config") _synthstore_offer -f; return ;;
        "snapshots --repo") _synthstore_offer -d; return ;;
        "snapshots --name") :; return ;;
        "snapshots --max-age") :; return ;;
        "snapshots --keep-last") :; return ;;
        "snapshots --keep-hourly") :; return ;;
        "snapshots --keep-daily") :; return ;;
        "snapshots --keep-weekly") :; return ;;
        "snapshots --keep-monthly") :; return ;;
        "snapshots --keep-yearly") :; return ;;
        "snapshots --keep-within") :; return ;;
        "snapshots --lock-wait") :; return ;;
        "snapshots --jobs") :; return ;;
        "snapshots --config") _synthstore_offer -f; return ;;
        "diff --name") :; return ;;
        "diff --lock-wait") :; return ;;
        "diff --jobs") :; return ;;
        "diff --config") _synthstore_offer -f; return ;;
        "undo --lock-wait") :; return ;;
        "undo --jobs") :; return ;;
        "undo --config") _synthstore_offer -f; return ;;
        "demo --lock-wait") :; return ;;
        "demo --jobs") :; return ;;
        "demo --config") _synthstore_offer -f; return ;;
    esac
    case "$command" in
        '') _synthstore_offer -W "verify repair rebuild-index backup migrate import export stats restore snapshots diff undo demo --help --version" ;;
        verify)
            case "$cur" in
                -*) _synthstore_offer -W "--quick --subset --repo --name --layout --executor --metrics-file --select --ignore --id --fail-on --known --write-known --json -q --quiet -v --verbose --redact --no-color --no-progress --lock-wait --jobs --config -h --help" ;;
                *) _synthstore_offer -d ;;
            esac ;;
        repair)
            case "$cur" in
                -*) _synthstore_offer -W "--repo --name --layout --metrics-file --select --ignore --id --fail-on -n --dry-run -y --yes --safe --accept --all --allow-shrink --json -q --quiet -v --verbose --redact --no-color --no-progress --lock-wait --jobs --config -h --help" ;;
                *) _synthstore_offer -d ;;
            esac ;;
        rebuild-index)
            case "$cur" in
                -*) _synthstore_offer -W "--only --factory --metric --layout --executor -n --dry-run -y --yes --allow-shrink --json -q --quiet -v --verbose --redact --no-color --no-progress --lock-wait --jobs --config -h --help" ;;
                *) _synthstore_offer -d ;;
            esac ;;
        backup)
            case "$cur" in
                -*) _synthstore_offer -W "--repo --name --tag --check --known --layout --metrics-file -n --dry-run --keep-last --keep-hourly --keep-daily --keep-weekly --keep-monthly --keep-yearly --keep-within --json -q --quiet -v --verbose --redact --no-color --no-progress --lock-wait --jobs --config -h --help" ;;
                *) _synthstore_offer -d ;;
            esac ;;
        migrate)
            case "$cur" in
                -*) _synthstore_offer -W "--layout --in-place -n --dry-run -y --yes --json -q --quiet -v --verbose --redact --no-color --no-progress --lock-wait --jobs --config -h --help" ;;
                *) _synthstore_offer -d ;;
            esac ;;
        import)
            case "$cur" in
                -*) _synthstore_offer -W "--format --on-conflict --embed --create --layout --rejects --sample --dim --seed -n --dry-run -y --yes --json -q --quiet -v --verbose --redact --no-color --no-progress --lock-wait --jobs --config -h --help" ;;
                *) _synthstore_offer -f ;;
            esac ;;
        export)
            case "$cur" in
                -*) _synthstore_offer -W "-o --output --format --where --id --kind --no-embeddings --limit --layout --executor --json -q --quiet -v --verbose --redact --no-color --no-progress --lock-wait --jobs --config -h --help" ;;
                *) _synthstore_offer -d ;;
            esac ;;
        stats)
            case "$cur" in
                -*) _synthstore_offer -W "--repo --name --html --layout --metrics-file --json -q --quiet -v --verbose --redact --no-color --no-progress --lock-wait --jobs --config -h --help" ;;
                *) _synthstore_offer -d ;;
            esac ;;
        restore)
            case "$cur" in
                -*) _synthstore_offer -W "--repo --name --snapshot --id --overwrite --layout -n --dry-run -y --yes --json -q --quiet -v --verbose --redact --no-color --no-progress --lock-wait --jobs --config -h --help" ;;
                *) _synthstore_offer -d ;;
            esac ;;
        snapshots)
            case "$cur" in
                -*) _synthstore_offer -W "--repo --name --read-data --drill --max-age -n --dry-run --keep-last --keep-hourly --keep-daily --keep-weekly --keep-monthly --keep-yearly --keep-within --json -q --quiet -v --verbose --redact --no-color --no-progress --lock-wait --jobs --config -h --help" ;;
                *) _synthstore_offer -W "list find check prune" ;;
            esac ;;
        diff)
            case "$cur" in
                -*) _synthstore_offer -W "--name --json -q --quiet -v --verbose --redact --no-color --no-progress --lock-wait --jobs --config -h --help" ;;
                *) _synthstore_side ;;
            esac ;;
        undo)
            case "$cur" in
                -*) _synthstore_offer -W "--list --prune --force -n --dry-run -y --yes --json -q --quiet -v --verbose --redact --no-color --no-progress --lock-wait --jobs --config -h --help" ;;
                *) _synthstore_runs ;;
            esac ;;
        demo)
            case "$cur" in
                -*) _synthstore_offer -W "--json -q --quiet -v --verbose --redact --no-color --no-progress --lock-wait --jobs --config -h --help" ;;
                *) _synthstore_offer -d ;;
            esac ;;
    esac
}
complete -o filenames -F _synthstore synthstore
