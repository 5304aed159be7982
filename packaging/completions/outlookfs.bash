# bash completion for outlookfs(1).
#
# A word such as `host=a,tls=st` is one for the program and several for bash, which breaks it at "=", ":"
# and "@": so the program's words are gathered first (-n), and what bash has before its last break is
# taken off the answers again (_outlookfs_ltrim). tests/e2e/test_completion.py compares commands,
# options and their values with what the program's --help prints.

_outlookfs_commands="login logout accounts mount umount status sync search outbox pin unpin"
_outlookfs_query="from: to: cc: subject: body: text: since: before: on: larger: smaller: header: in:
    unread read flagged answered draft attachment"

# What begins with "-", besides --help.
declare -gA _outlookfs_flags=(
    [login]="--provider --client-id --tenant --authority --device --browser -o"
    [mount]="-f -o"
    [status]="--json --watch"
    [outbox]="--json"
    [search]="-0 --explain"
)

# The mount options; "=" where there is a value, and the values, where they are known.
_outlookfs_options="host= port= tls= cafile= compress= auth= username= token_command= password_command= provider=
    tenant= client_id= authority= cache_dir= cache_size= connections= timeout= subscribed names= fsname= log=
    debug poll= prefetch= delete= trash= commit= mark_seen ro allow_other allow_root noatime"
declare -gA _outlookfs_values=(
    [host]="imap-mail.outlook.com outlook.office365.com"
    [port]="993 143"
    [tls]="implicit starttls none"
    [compress]="yes no"
    [auth]="xoauth2 oauthbearer password"
    [provider]="microsoft live generic"
    [tenant]="common consumers organizations"
    [names]="friendly uid"
    [prefetch]="headers recent: all"
    [delete]="trash expunge"
    [commit]="server journal"
)

_outlookfs_accounts() {
    local name rest
    outlookfs accounts 2>/dev/null | while read -r name rest; do
        printf '%q\n' "$name"
    done
}

# Where an outlookfs is mounted; mountinfo writes blanks and backslashes as octal numbers.
_outlookfs_mounts() {
    local before after point
    while read -r _ _ _ _ before after; do
        if [[ $after == *" - fuse.outlookfs "* ]]; then
            printf -v point '%b' "${before//\\/\\0}"
            printf '%q\n' "$point"
        fi
    done 2>/dev/null </proc/self/mountinfo
}

# What waits in the outbox of the mount DIR, as it is typed.
_outlookfs_ids() {
    local dir=${1//\\/} id rest
    outlookfs outbox "${dir/#\~\//$HOME/}" list 2>/dev/null | while read -r id rest; do
        [[ $id == [0-9]* ]] && printf '%s\n' "$id"
    done
}

# _outlookfs_reply LINES: those that begin with $cur. (compgen -W would expand what is in them.)
# _outlookfs_words WORDS: the same for words with blanks between.
_outlookfs_reply() {
    local word
    while IFS= read -r word; do
        [[ -n $word && $word == "$cur"* ]] && COMPREPLY+=("$word")
    done <<<"$1"
}
_outlookfs_words() { _outlookfs_reply "${1//[[:space:]]/$'\n'}"; }

_outlookfs_ltrim() {
    local i breaks=${COMP_WORDBREAKS//[^=:@]/}
    [[ -n $breaks && $cur == *["$breaks"]* ]] || return 0
    local before=${cur%"${cur##*["$breaks"]}"}
    for i in "${!COMPREPLY[@]}"; do
        COMPREPLY[i]=${COMPREPLY[i]#"$before"}
    done
}

# The last one of a list of mount options: its name, or its value after "=".
_outlookfs_mount_options() {
    local whole=$cur before="" name
    [[ $cur == *,* ]] && before=${cur%,*},
    cur=${cur##*,}
    if [[ $cur == *=* ]]; then
        name=${cur%%=*}
        cur=${cur#*=}
        before+=$name=
        case $name in
        cafile | log) _filedir ;;
        cache_dir) _filedir -d ;;
        *) _outlookfs_words "${_outlookfs_values[${name:-none}]}" ;;
        esac
    else
        _outlookfs_words "$_outlookfs_options"
        [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *= ]] && compopt -o nospace
    fi
    COMPREPLY=("${COMPREPLY[@]/#/$before}")
    cur=$whole
}

# Sets `command` and `given`: the words after it that are not options, without the one being typed.
_outlookfs_parse() {
    local i
    command="" given=()
    for ((i = 1; i < cword; i++)); do
        case ${words[i]} in
        -o | --provider | --client-id | --tenant | --authority) ((i++)) ;;
        -*) ;;
        *) [[ -z $command ]] && command=${words[i]} || given+=("${words[i]}") ;;
        esac
    done
    [[ $command == *@* ]] && given=("$command" "${given[@]}") command=mount # outlookfs ACCOUNT DIR
}

# The value of the option before; false where there is none.
_outlookfs_value() {
    case $command:$prev in
    mount:-o | login:-o) _outlookfs_mount_options ;;
    login:--provider) _outlookfs_words "${_outlookfs_values[provider]}" ;;
    login:--tenant) _outlookfs_words "${_outlookfs_values[tenant]}" ;;
    login:--client-id | login:--authority) ;;
    *) return 1 ;;
    esac
    return 0
}

_outlookfs_argument() {
    case $command:${#given[@]} in
    mount:0 | login:0 | logout:0) _outlookfs_reply "$(_outlookfs_accounts)" ;;
    mount:1 | pin:0 | unpin:0) _filedir -d ;;
    umount:0 | status:0 | sync:0 | search:0 | outbox:0) _outlookfs_reply "$(_outlookfs_mounts)" ;;
    search:*)
        compopt -o nospace
        _outlookfs_words "$_outlookfs_query"
        ;;
    outbox:1) _outlookfs_words "list retry drop save" ;;
    outbox:2) [[ ${given[1]} != list ]] && _outlookfs_reply "$(_outlookfs_ids "${given[0]}")" ;;
    outbox:3) [[ ${given[1]} == save ]] && _filedir ;;
    esac
}

_outlookfs() {
    local cur prev words cword command given
    _init_completion -n =:@ || return
    _outlookfs_parse
    if _outlookfs_value; then
        :
    elif [[ $cur == -* ]]; then
        if [[ -z $command ]]; then
            _outlookfs_words "--help --version"
        else
            _outlookfs_words "${_outlookfs_flags[$command]} --help"
        fi
    elif [[ -z $command ]]; then
        _outlookfs_words "$_outlookfs_commands"
    else
        _outlookfs_argument
    fi
    _outlookfs_ltrim
}
complete -F _outlookfs outlookfs
