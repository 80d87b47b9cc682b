#!/bin/bash -p
# Opens a database client on the system's database.
[[ $- == *p* && $0 == */* && ! -L $0 ]] || exec /bin/bash -p -- "$(/usr/bin/realpath -- "$0")" "$@"
set -euo pipefail
# shellcheck source=scripts/parts/lib.sh
source "${BASH_SOURCE[0]%/*}/parts/lib.sh"

usage() {
  cat <<'TEXT'
Usage: scripts/sql.sh [-e SQL] [ARGUMENT of the mariadb client]...
A client on the database of the system in ${STAMPEDE_RUN_DIR:-run}: as root on the private one, as
the user of db.url on another. For instance:
  scripts/sql.sh -e 'SELECT item_id, COUNT(*), SUM(qty) FROM orders GROUP BY item_id'
Exit: that of the client; 7 when the private database does not run.
TEXT
}

if [[ ${1:-} == --help || ${1:-} == -h ]]; then
  usage
  exit 0
fi
trust_run_dir
# shellcheck source=scripts/parts/private_db.sh
source "$PROJECT/scripts/parts/private_db.sh"

# run_client ARGUMENTS...: the client tells nobody of rows that it could not write; whoever copies
# them does.
run_client() {
  local client
  client=("$(db_program mariadb)" --no-defaults --default-character-set=utf8mb4)
  if [[ -t 1 ]]; then "${client[@]}" "$@"; else "${client[@]}" "$@" | cat; fi
}

setting() { python "$PROJECT/scripts/parts/settings.py" "$RUN/stampede.toml" get "$@"; }

url=$(setting db.url)
if [[ -z $url ]]; then
  # Asked before, a full server might keep no connection for the statement itself.
  run_client --user=root --socket="$DB_SOCKET" "$@" -D "$DB_SCHEMA" && exit
  status=$?
  db_answers ||
    fail 7 "the private database in $DB_DIR does not answer; scripts/start_all.sh starts it"
  exit "$status"
fi

# mysql://USER@HOST[:PORT]/DB[?socket=PATH]
mapfile -t part < <(python - "$url" <<'PYTHON'
import sys
from urllib.parse import unquote, urlsplit
url = urlsplit(sys.argv[1])
socket = unquote(url.query.removeprefix("socket=")) if url.query.startswith("socket=") else ""
for text in (unquote(url.username or ""), url.hostname or "localhost", url.port or 3306,
             unquote(url.path.lstrip("/")), socket):
    print(text)
PYTHON
)
password_file=$(setting db.password_file "$RUN/db.password")
case $password_file in /*) ;; *) password_file=$RUN/$password_file ;; esac
if [[ -r $password_file ]]; then MYSQL_PWD=$(head -n 1 "$password_file"); else MYSQL_PWD=; fi
export MYSQL_PWD
where=(--host="${part[1]}" --port="${part[2]}" --protocol=tcp)
if [[ -n ${part[4]} ]]; then where=(--socket="${part[4]}"); fi
run_client --user="${part[0]}" "${where[@]}" "$@" -D "${part[3]}"
