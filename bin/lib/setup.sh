# shellcheck shell=bash
# Sourced by the commands in bin/: makes .venv, keeps it in step with the lock files, adds missing Debian packages.
# Sets `root`, the project's folder. What it says goes to stderr, what pip and apt say to .cache/setup.log.

readonly PYTHON_OLDEST=3.11
readonly APT_LOCK_SECONDS=300 # another apt-get, such as the nightly one, is waited for this long

root=$(cd -P -- "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/../.." && pwd)
readonly root log="$root/.cache/setup.log"
child="" # the pid that a stop of this script ends too

# What a node needs to run: .venv with requirements.lock and the project itself, so that .venv/bin/tntn is there.
setup_node() {
  _setup requirements.lock
}

# What tests and checks need: requirements-dev.lock, which holds all of requirements.lock.
setup_tests() {
  _setup requirements-dev.lock
}

# need_command COMMAND PACKAGE WHY: a command that Debian's package brings.
need_command() {
  command -v "$1" >/dev/null 2>&1 && return
  _install_debian "$2" "$3"
  command -v "$1" >/dev/null 2>&1 || _fail "Debian's $2 is installed, and still there is no command $1."
}

_setup() {
  _is_installed "$1" && return
  trap '_stopped 130' INT
  trap '_stopped 143' TERM HUP
  [[ -w $root ]] || _fail "$root can't be written to. Run this as the user that it belongs to."
  mkdir -p -- "$root/.cache"
  exec 9>"$root/.cache/setup.flock"
  if ! flock --nonblock 9; then
    _say "Another start is setting up; waiting for it."
    _run flock 9
  fi
  _is_installed "$1" || _install "$1"
  exec 9>&-
  trap - INT TERM HUP
}

_is_installed() {
  [[ -x $root/.venv/bin/tntn && ! -e $root/.venv/unfinished \
    && $(cat -- "$root/.venv/installed-$1" 2>/dev/null) == "$(_stamp "$1")" ]]
}

# A line that differs whenever an install is due: lock, project, Python and place.
_stamp() {
  (cd -- "$root" && sha256sum "$1" pyproject.toml && readlink -f .venv/bin/python && pwd) | tr '\n' ' '
}

_install() {
  local started=$SECONDS
  : >"$log"
  _make_venv
  : >"$root/.venv/unfinished"
  _say "Installing the packages of $1; this once it needs the internet ..."
  _pip --require-hashes --requirement "$root/$1" \
    || _fail_logged "The Python packages could not be installed. Is there a connection to the internet?"
  _pip --no-build-isolation --no-deps --editable "$root" || _fail_logged "TNTN itself could not be installed."
  _stamp requirements.lock >"$root/.venv/installed-requirements.lock"
  _stamp "$1" >"$root/.venv/installed-$1"
  rm -- "$root/.venv/unfinished"
  _say "Installed in $((SECONDS - started)) s."
}

# A .venv that was left half-made, was moved here, or lost its Python is made anew.
_make_venv() {
  local venv=$root/.venv python
  [[ ! -e $venv/unfinished && $(cat -- "$venv/made-for" 2>/dev/null || echo "$root") == "$root" ]] \
    && "$venv/bin/python" -m pip --version >/dev/null 2>&1 && return
  rm -rf -- "$venv"
  if ! python=$(_find_python); then
    _install_debian python3-venv "TNTN needs Python $PYTHON_OLDEST or later with its venv module"
    python=$(_find_python) || _fail "TNTN needs Python $PYTHON_OLDEST or later; this machine's is older."
  fi
  _say "Making .venv with $("$python" --version) ..."
  mkdir -- "$venv"
  : >"$venv/unfinished"
  _run "$python" -m venv "$venv" || _fail_logged "Python could not make $venv."
  printf '%s\n' "$root" >"$venv/made-for"
}

_find_python() {
  local candidate
  for candidate in python3 python3.14 python3.13 python3.12 python3.11 /usr/bin/python3; do
    if "$candidate" -c "import sys, ensurepip, venv; sys.exit(sys.version_info < (${PYTHON_OLDEST/./, }))" 2>/dev/null
    then
      echo "$candidate"
      return
    fi
  done
  return 1
}

_pip() {
  _run "$root/.venv/bin/python" -m pip install --quiet --no-input --disable-pip-version-check "$@"
}

# _install_debian PACKAGE WHY: root gets it installed, anybody else is told the one command that does it.
_install_debian() {
  local install="apt-get install -y --no-install-recommends $1"
  if [[ $(id -u) -ne 0 ]] || ! command -v apt-get >/dev/null 2>&1; then
    _fail "$2. On Debian and Raspberry Pi OS, this installs it:
  sudo $install"
  fi
  mkdir -p -- "$root/.cache"
  _say "Installing Debian's $1 ..."
  _apt install "$1" || { _apt update && _apt install "$1"; } \
    || _fail_logged "$2, and this did not work: $install"
}

# A stop of this script lets apt-get finish: packages that are half set up would be worse.
_apt() {
  local code=0
  local -a command=(apt-get -y -o "DPkg::Lock::Timeout=$APT_LOCK_SECONDS")
  [[ $1 == update ]] || command+=(--no-install-recommends)
  DEBIAN_FRONTEND=noninteractive "${command[@]}" "$@" </dev/null >>"$log" 2>&1 9>&- &
  wait $! || code=$?
  return "$code"
}

# Runs a command with its words in the log, so that INT and TERM to this script end both at once.
_run() {
  local code=0
  "$@" </dev/null >>"$log" 2>&1 &
  child=$!
  wait "$child" || code=$?
  child=""
  return "$code"
}

_stopped() {
  [[ -z $child ]] || kill -TERM "$child" 2>/dev/null || true
  _say "Stopped. The next start goes on from here."
  exit "$1"
}

_fail_logged() {
  tail -n 12 -- "$log" >&2
  _fail "$* (The whole of it is in $log)"
}

_fail() {
  _say "$*"
  exit 1
}

_say() {
  printf '%s\n' "$*" >&2
}
