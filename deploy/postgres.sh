# postgres: a private PostgreSQL cluster in a folder, on a unix socket only, run by an unprivileged user. Sourced by deploy/local;
# the system tests use the same functions.
#
#   postgres_start FOLDER [NICE]   makes the cluster when there is none, starts it, makes the database `prismguard`
#   postgres_stop FOLDER           stops it (fast mode)
#   postgres_running FOLDER
#   postgres_url FOLDER            the connection URL, for database.url

postgres_programs() {
    local folder
    folder=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -n 1)
    [ -n "$folder" ] || { echo "postgres: no PostgreSQL server is installed; run: deploy/local install" >&2; return 1; }
    echo "$folder"
}

# PostgreSQL refuses to run as root: the user of sudo, else `postgres`.
postgres_user() {
    if [ "$(id -u)" != 0 ]; then id -un
    elif [ -n "${SUDO_USER:-}" ] && [ "$SUDO_USER" != root ]; then echo "$SUDO_USER"
    else echo postgres; fi
}

as_postgres() {
    if [ "$(id -u)" = 0 ]; then (cd / && runuser -u "$(postgres_user)" -- "$@"); else (cd / && "$@"); fi
}

# The folder itself, or, where that user cannot reach it (a checkout below /root), one that it can; FOLDER/home says which.
postgres_home() {
    local folder=$1 home
    if [ -e "$folder/home" ]; then cat "$folder/home"; return; fi
    mkdir -p "$folder"
    if [ "$(id -u)" = 0 ]; then chown "$(postgres_user)" "$folder"; fi
    # A socket's path has 107 bytes at most.
    if [ ${#folder} -le 80 ] && as_postgres test -w "$folder" 2>/dev/null; then home=$folder
    else
        home=$(as_postgres mktemp -d /var/tmp/prismguard-postgres.XXXXXX) || return 1
    fi
    as_postgres chmod 700 "$home"
    echo "$home" >"$folder/home"
    echo "$home"
}

postgres_running() {
    local home programs
    [ -e "$1/home" ] || return 1
    home=$(cat "$1/home")
    programs=$(postgres_programs) || return 1
    as_postgres "$programs/pg_ctl" -D "$home/data" status >/dev/null 2>&1
}

postgres_make() {
    local home=$1 programs=$2 user
    user=$(postgres_user)
    as_postgres "$programs/initdb" -D "$home/data" -U "$user" --auth=peer --encoding=UTF8 --locale=C.UTF-8 >/dev/null || return 1
    # Only its owner and root, who start the services, may log in.
    as_postgres sh -c "printf 'local all %s peer\nlocal prismguard prismguard peer map=services\n' '$user' >'$home/data/pg_hba.conf'
        printf 'services %s prismguard\n' root '$user' >'$home/data/pg_ident.conf'
        printf \"listen_addresses = ''\nunix_socket_directories = '%s'\nfsync = on\nlog_min_messages = warning\n\" '$home' >>'$home/data/postgresql.conf'"
}

# Where the kernel weighs sessions (sched(7), autogroup) being nice inside of its own means nothing to others.
postgres_give_way() {
    as_postgres sh -c "echo $2 >/proc/\$(head -n 1 '$1/data/postmaster.pid')/autogroup" 2>/dev/null || true
}

postgres_start() {
    local folder=$1 nice=${2:-0} home programs
    programs=$(postgres_programs) || return 1
    home=$(postgres_home "$folder") || return 1
    [ -e "$home/data/PG_VERSION" ] || postgres_make "$home" "$programs" || return 1
    if ! postgres_running "$folder"; then
        as_postgres nice -n "$nice" "$programs/pg_ctl" -D "$home/data" -l "$home/postgres.log" -w -t 60 start >/dev/null ||
            { echo "postgres: did not start; see $home/postgres.log" >&2; return 1; }
        [ "$nice" = 0 ] || postgres_give_way "$home" "$nice"
    fi
    if [ "$(as_postgres "$programs/psql" -h "$home" -d postgres -Atc "select 1 from pg_database where datname = 'prismguard'")" != 1 ]; then
        as_postgres "$programs/psql" -q -h "$home" -d postgres -c "create role prismguard login" \
            -c "create database prismguard owner prismguard" || return 1
    fi
}

postgres_stop() {
    local home
    postgres_running "$1" || return 0
    home=$(cat "$1/home")
    as_postgres "$(postgres_programs)/pg_ctl" -D "$home/data" -w -m fast stop >/dev/null
}

postgres_url() {
    echo "postgresql:///prismguard?host=$(cat "$1/home")&user=prismguard"
}
