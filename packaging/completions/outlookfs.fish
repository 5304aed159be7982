# fish completion for outlookfs(1). tests/e2e/test_completion.py compares commands, options and their
# values with what the program's --help prints.

# The words on the line that are neither options nor their values: the command, then its arguments.
function __outlookfs_words
    set -l skip no
    set -l words (commandline -opc)
    for word in $words[2..-1]
        if test $skip = yes
            set skip no
        else if contains -- $word -o --provider --client-id --tenant --authority
            set skip yes
        else if not string match -q -- '-*' $word
            echo $word
        end
    end
end

# __outlookfs_at COUNT COMMAND...: whether one of these commands has COUNT arguments already.
# An account in the command's place is mount's (outlookfs ACCOUNT DIR).
function __outlookfs_at
    set -l words (__outlookfs_words)
    if string match -q -- '*@*' "$words[1]"
        set -p words mount
    end
    contains -- "$words[1]" $argv[2..-1]; and test (count $words) -eq (math $argv[1] + 1)
end

function __outlookfs_in
    set -l words (__outlookfs_words)
    if string match -q -- '*@*' "$words[1]"
        set -p words mount
    end
    contains -- "$words[1]" $argv
end

# __outlookfs_word N WORD: whether that is the Nth.
function __outlookfs_word
    set -l words (__outlookfs_words)
    test "$words[$argv[1]]" = $argv[2]
end

function __outlookfs_accounts
    outlookfs accounts 2>/dev/null | string replace -r '\s.*' ''
end

# Where an outlookfs is mounted; mountinfo writes blanks and backslashes as octal numbers.
function __outlookfs_mounts
    string match -r '^(?:\S+ ){4}\S+ .* - fuse\.outlookfs ' </proc/self/mountinfo 2>/dev/null |
        string split -f 5 ' ' | string unescape
end

# What waits in the outbox of the mount that stands first.
function __outlookfs_ids
    set -l words (__outlookfs_words)
    outlookfs outbox (string replace -r '^~/' "$HOME/" -- $words[2]) list 2>/dev/null | string match -r '^\d+'
end

# Mount options, as "name<tab>what it is"; "=" where a value follows.
function __outlookfs_options
    printf '%s\t%s\n' \
        host= 'the IMAP server' \
        port= 'its port' \
        tls= 'how the connection is protected' \
        cafile= 'trust these roots (PEM) too' \
        compress= 'compress where the server can' \
        auth= 'how to sign in' \
        username= 'the name to sign in with' \
        token_command= 'its first line of output is an access token' \
        password_command= 'its first line of output is a password' \
        provider= 'who signs in' \
        tenant= 'whose accounts' \
        client_id= 'the app\'s ID' \
        authority= 'address of the sign-in service' \
        cache_dir= 'the cache' \
        cache_size= 'room for message bodies' \
        connections= 'connections to the server' \
        timeout= 'longest wait without progress' \
        subscribed 'subscribed mailboxes only' \
        names= 'what files are called' \
        fsname= 'what mount and df show as the source' \
        log= 'log to this file' \
        debug 'log more' \
        poll= 'seconds between looks at mailboxes' \
        prefetch= 'what to fetch ahead' \
        delete= 'what rm does' \
        trash= 'the mailbox that rm moves to' \
        commit= 'when a change counts' \
        mark_seen 'reading sets the Seen flag' \
        ro 'read-only' \
        allow_other 'let other users reach the mount' \
        allow_root 'let root reach the mount' \
        noatime 'as in mount(8)'
end

function __outlookfs_values
    switch $argv[1]
        case host
            printf '%s\n' imap-mail.outlook.com outlook.office365.com
        case port
            printf '%s\n' 993 143
        case tls
            printf '%s\n' implicit starttls none
        case compress
            printf '%s\n' yes no
        case auth
            printf '%s\n' xoauth2 oauthbearer password
        case provider
            printf '%s\n' microsoft live generic
        case tenant
            printf '%s\n' common consumers organizations
        case names
            printf '%s\n' friendly uid
        case prefetch
            printf '%s\n' headers recent: all
        case delete
            printf '%s\n' trash expunge
        case commit
            printf '%s\n' server journal
        case cafile log
            __fish_complete_path $argv[2]
        case cache_dir
            __fish_complete_directories $argv[2]
    end
end

# The last one of a list with commas, behind those that are there.
function __outlookfs_mount_options
    set -l token (commandline -ct)
    set -l before (string match -r '^.*,' -- $token)
    set -l last (string replace -r '^.*,' '' -- $token)
    if string match -q '*=*' -- $last
        set -l parts (string split -m 1 = -- $last)
        __outlookfs_values $parts | string replace -r '^' -- "$before$parts[1]="
    else
        __outlookfs_options | string replace -r '^' -- "$before"
    end
end

complete -c outlookfs -f
complete -c outlookfs -n 'not __outlookfs_words | string length -q' -l version -d 'show the version'
complete -c outlookfs -l help -d 'show help'

function __outlookfs_command
    complete -c outlookfs -n 'not __outlookfs_words | string length -q' -a $argv[1] -d $argv[2]
end
__outlookfs_command login 'sign in to an account'
__outlookfs_command logout 'forget an account\'s tokens'
__outlookfs_command accounts 'list the accounts'
__outlookfs_command mount 'show a mailbox as files'
__outlookfs_command umount 'unmount and wait until it is done'
__outlookfs_command status 'tell how a mount is doing'
__outlookfs_command sync 'wait until changes are on the server'
__outlookfs_command search 'find messages'
__outlookfs_command outbox 'changes that the server does not have'
__outlookfs_command pin 'keep a mailbox in the cache'
__outlookfs_command unpin 'keep it no longer'

complete -c outlookfs -n '__outlookfs_at 0 mount login logout' -a '(__outlookfs_accounts)' -d account
complete -c outlookfs -n '__outlookfs_at 1 mount; or __outlookfs_at 0 pin unpin' \
    -a '(__fish_complete_directories (commandline -ct))'
complete -c outlookfs -n '__outlookfs_at 0 umount status sync search outbox' -a '(__outlookfs_mounts)' -d mount
complete -c outlookfs -n '__outlookfs_at 1 search; or __outlookfs_at 2 search; or __outlookfs_at 3 search' \
    -a 'from: to: cc: subject: body: text: since: before: on: larger: smaller: header: in:
        unread read flagged answered draft attachment'
complete -c outlookfs -n '__outlookfs_at 1 outbox' -a 'list retry drop save'
complete -c outlookfs -n '__outlookfs_at 2 outbox; and not __outlookfs_word 3 list' -a '(__outlookfs_ids)' -d ID
complete -c outlookfs -n '__outlookfs_at 3 outbox' -F
complete -c outlookfs -n '__outlookfs_in outbox' -l json -d 'JSON, an object a line'

complete -c outlookfs -n '__outlookfs_in mount' -s f -d 'stay in the foreground'
complete -c outlookfs -n '__outlookfs_in mount login' -s o -x -a '(__outlookfs_mount_options)' -d 'mount options'
complete -c outlookfs -n '__outlookfs_in login' -l provider -x -a 'microsoft live generic' -d 'who signs in'
complete -c outlookfs -n '__outlookfs_in login' -l client-id -x -d 'the app\'s ID'
complete -c outlookfs -n '__outlookfs_in login' -l tenant -x -a 'common consumers organizations' -d 'whose accounts'
complete -c outlookfs -n '__outlookfs_in login' -l authority -x -d 'address of the sign-in service'
complete -c outlookfs -n '__outlookfs_in login' -l device -d 'with a code, in any browser'
complete -c outlookfs -n '__outlookfs_in login' -l browser -d 'in the browser of this machine'
complete -c outlookfs -n '__outlookfs_in status' -l json -d 'JSON, an object a line'
complete -c outlookfs -n '__outlookfs_in status' -l watch -d 'again every second'
complete -c outlookfs -n '__outlookfs_in search' -s 0 -d 'end names with NUL'
complete -c outlookfs -n '__outlookfs_in search' -l explain -d 'show what the server is asked'
