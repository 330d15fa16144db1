# install: the Debian packages that PrismGuard is built, run and tested with. Sourced by deploy/local and tests/run.
#
#   install_packages GROUP...     groups: build run test bench; installs only what is missing

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo --preserve-env=DEBIAN_FRONTEND "$@"
    else
        echo "needs root to install packages, and there is no sudo: run as root once: deploy/local install" >&2
        return 1
    fi
}

debian_version() {
    # shellcheck disable=SC1091
    (. /etc/os-release 2>/dev/null && [ "${ID:-}" = debian ] && echo "${VERSION_ID%%.*}")
}

# The names of a group's packages on this Debian.
packages_of() {
    local msgpack=libmsgpack-c-dev sanitizers=libclang-rt-dev
    [ "$(debian_version)" = 12 ] && msgpack=libmsgpack-dev sanitizers=libclang-rt-14-dev
    case $1 in
        build) echo gcc libc6-dev cmake ninja-build pkg-config ccache libuv1-dev libllhttp-dev libcurl4-openssl-dev libczmq-dev \
                    libzmq3-dev "$msgpack" libpq-dev libvectorscan-dev libicu-dev libyaml-dev libsodium-dev libseccomp-dev \
                    zlib1g-dev libbrotli-dev libsqlite3-dev ;;
        run) echo postgresql postgresql-client python3 curl ca-certificates ;;
        test) echo libcmocka-dev libyyjson-dev python3-venv clang "$sanitizers" binutils procps git ;;
        bench) echo nginx-light haproxy wrk fasttext ;;
        *) echo "install: no group '$1'" >&2; return 2 ;;
    esac
}

missing_packages() {
    local package
    for package; do
        [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || echo "$package"
    done
}

# Debian 12 has no libllhttp-dev and no libyyjson-dev: those, and nothing else, come from Debian 13, from the same mirror
# that the machine already uses.
pin_debian_13() {
    local sources=/etc/apt/sources.list.d/debian-13-two.sources preferences=/etc/apt/preferences.d/debian-13-two uri
    [ "$(debian_version)" = 12 ] || return 0
    if [ -e "$sources" ] && [ -e "$preferences" ]; then return 0; fi
    uri=$(apt-get indextargets --format '$(REPO_URI) $(ORIGIN) $(CODENAME)' 'Created-By: Packages' |
          awk '$2 == "Debian" && $3 == "bookworm" { print $1; exit }')
    [ -n "$uri" ] || { echo "install: this machine's apt knows no Debian 12 archive" >&2; return 1; }
    printf 'Types: deb\nURIs: %s\nSuites: trixie\nComponents: main\nSigned-By: %s\n' "$uri" \
        /usr/share/keyrings/debian-archive-keyring.gpg | as_root tee "$sources" >/dev/null
    printf 'Package: *\nPin: release n=trixie\nPin-Priority: -1\n\n%s\nPin: release n=trixie\nPin-Priority: 500\n' \
        'Package: libyyjson-dev libyyjson0 libllhttp-dev libllhttp9.*' | as_root tee "$preferences" >/dev/null
    as_root apt-get update -qq
}

# Packages that bring a server must not start one: we run private ones. Undone afterwards.
forbid_services() {
    local policy=/usr/sbin/policy-rc.d cluster=/etc/postgresql-common/createcluster.conf
    if [ ! -e $policy ]; then
        printf '#!/bin/sh\nexit 101\n' | as_root tee $policy >/dev/null
        as_root chmod 755 $policy
        policy_is_ours=yes
    fi
    if [ ! -e $cluster ]; then
        as_root mkdir -p "${cluster%/*}"
        printf '# A cluster is made when one is asked for, not when the package is installed.\ncreate_main_cluster = false\n' |
            as_root tee $cluster >/dev/null
    fi
}

allow_services() {
    if [ "${policy_is_ours:-}" = yes ]; then as_root rm -f /usr/sbin/policy-rc.d; fi
    policy_is_ours=
}

install_packages() {
    local group wanted=() missing
    for group; do
        # shellcheck disable=SC2207
        wanted+=($(packages_of "$group")) || return 2
    done
    missing=$(missing_packages "${wanted[@]}")
    [ -n "$missing" ] || return 0
    case $(debian_version) in
        12|13) ;;
        *) echo "install: made for Debian 12 and 13; install these yourself:" $missing >&2; return 1 ;;
    esac
    echo "install:" $missing
    export DEBIAN_FRONTEND=noninteractive
    as_root apt-get update -qq || return 1
    pin_debian_13 || return 1
    forbid_services || return 1
    # shellcheck disable=SC2086
    as_root apt-get install -y -qq --no-install-recommends -o Dpkg::Options::=--force-confold -o Dpkg::Use-Pty=0 $missing \
        >"${INSTALL_LOG:-/dev/null}" 2>&1 || { allow_services; echo "install: apt-get failed; see ${INSTALL_LOG:-its output}" >&2; return 1; }
    allow_services
}
