# The private MariaDB of one system: sourced after lib.sh, never run.
# shellcheck shell=bash
#
# Everything lies in $RUN/db: data directory, unix socket, server log. It listens on no network.
# root@localhost has no password: the directory's mode 0700 keeps others from the socket. The nodes'
# account `stampede` may SELECT, INSERT and UPDATE only; its password is in $RUN/db.password.

DB_DIR=$RUN/db
DB_SOCKET=$DB_DIR/mysql.sock
DB_SCHEMA=stampede
DB_LAUNCHED=false  # by this script
# Its own: in /tmp the temporary tables of two servers can have the same name.
DB_TMP=$DB_DIR/tmp

# db_program NAME: Debian keeps the server in a directory that is not in every PATH.
db_program() {
  PATH=$PATH:/usr/sbin:/sbin command -v "$1" ||
    fail 1 "$1 not found. Either: scripts/install_deps.sh   or: scripts/start_all.sh --db URL"
}

db_pid() { found_process database "$DB_DIR/server.pid"; }

# db_admin: runs the SQL of its input as the database's root.
db_admin() { "$(db_program mariadb)" --no-defaults --user=root --socket="$DB_SOCKET"; }

db_answers() {
  "$(db_program mariadb-admin)" --no-defaults --user=root --socket="$DB_SOCKET" \
    --connect-timeout=2 ping >/dev/null 2>&1
}

# db_user_options: the server refuses to run as root unless told to.
db_user_options() { if ((EUID == 0)); then echo "--user=root"; fi; }

# db_create: makes the data directory; a half made one of an earlier try is thrown away. The
# directory is given relatively: the installer does not bear spaces in its path.
db_create() {
  local user installer
  user=$(db_user_options)
  installer=$(db_program mariadb-install-db)
  rm -rf "$DB_DIR/data.new"
  (cd "$DB_DIR" && TMPDIR=$DB_TMP "$installer" --no-defaults ${user:+"$user"} --datadir=./data.new \
    --auth-root-authentication-method=normal --skip-test-db) >"$DB_DIR/install.log" 2>&1 ||
    fail 1 "mariadb-install-db failed (is the disk full?); see $DB_DIR/install.log"
  mv "$DB_DIR/data.new" "$DB_DIR/data"
}

# db_launch: in a session of its own, so that it outlives this script and its terminal.
db_launch() {
  local user
  user=$(db_user_options)
  TMPDIR=$DB_TMP setsid "$(db_program mariadbd)" --no-defaults ${user:+"$user"} \
    --datadir="$DB_DIR/data" --socket="$DB_SOCKET" --pid-file="$DB_DIR/mariadbd.pid" \
    --log-error="$DB_DIR/server.log" --skip-networking --skip-name-resolve --skip-log-bin \
    --performance-schema=OFF --character-set-server=utf8mb4 \
    --sql-mode=STRICT_ALL_TABLES,STRICT_TRANS_TABLES,ERROR_FOR_DIVISION_BY_ZERO \
    --transaction-isolation=READ-COMMITTED --innodb-buffer-pool-size=256M \
    --innodb-log-file-size=256M --innodb-flush-method=O_DIRECT \
    --innodb-flush-log-at-trx-commit=1 </dev/null >>"$DB_DIR/server.out" 2>&1 9>&- &
  remember_process "$DB_DIR/server.pid" $!
  disown
}

# The password goes through a pipe: a command line can be read by everybody.
db_accounts() {
  local password_file=$RUN/db.password
  if [[ ! -s $password_file ]]; then
    (umask 077 && od -An -N16 -tx1 /dev/urandom | tr -d ' \n' >"$password_file.new")
    mv "$password_file.new" "$password_file"
  fi
  db_admin <<SQL || fail 1 "the private database refused its accounts; see $DB_DIR/server.log"
CREATE DATABASE IF NOT EXISTS $DB_SCHEMA CHARACTER SET utf8mb4;
CREATE USER IF NOT EXISTS 'stampede'@'localhost';
ALTER USER 'stampede'@'localhost' IDENTIFIED BY '$(cat "$password_file")';
GRANT SELECT, INSERT, UPDATE ON $DB_SCHEMA.* TO 'stampede'@'localhost';
SQL
}

# db_start: returns when the database answers and its accounts are there.
db_start() {
  local until=$((SECONDS + 60)) launched=false
  ((${#DB_SOCKET} <= 100)) ||
    fail 1 "the path $RUN is too long for sockets; choose a shorter one: STAMPEDE_RUN_DIR=~/run"
  (umask 077 && mkdir -p "$DB_DIR" "$DB_TMP")
  [[ -d $DB_DIR/data ]] || db_create
  until db_answers; do
    # A server that was killed a moment ago may still be ending: only ours counts as a failure.
    if [[ -z $(db_pid) ]]; then
      if $launched; then
        if [[ -r $DB_DIR/server.log ]]; then tail -n 5 "$DB_DIR/server.log" >&2; fi
        fail 1 "the private database ended at its start; see $DB_DIR/server.log (is the disk full?)"
      fi
      db_launch
      launched=true
      # shellcheck disable=SC2034
      DB_LAUNCHED=true
    fi
    ((SECONDS < until)) || fail 5 "the private database does not answer; see $DB_DIR/server.log"
    sleep 0.05
  done
  db_accounts
}

# db_stop: a clean end; after a minute the hard one, which the database repairs at its next start.
db_stop() {
  local pid started
  pid=$(db_pid)
  if [[ -n $pid ]]; then
    started=$(start_time "$pid")
    end_process TERM "$pid" "$started"
    if ! wait_for_end 60 "$pid" "$started"; then
      say "the private database did not end within a minute; killing it"
      end_process KILL "$pid" "$started"
      wait_for_end 10 "$pid" "$started" || fail 5 "process $pid of the database does not end"
    fi
  fi
  rm -f "$DB_DIR/server.pid"
}
