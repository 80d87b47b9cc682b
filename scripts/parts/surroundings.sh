# What a script may not take from its caller's shell; sourced first, never run.
# shellcheck shell=bash
#
# Each script begins with
# #!/bin/bash -p
#[[ $- == *p* && $0 == */* && ! -L $0 ]] || exec /bin/bash -p -- "$(/usr/bin/realpath -- "$0")" "$@"
# Links to a script lead to its parts, too. In this mode bash reads no BASH_ENV, takes no functions
# and no SHELLOPTS, BASHOPTS, CDPATH or GLOBIGNORE from the environment. The rest, for it and for
# the programs that it starts, is here.

unset CDPATH GLOBIGNORE ENV BASH_ENV BASH_COMPAT BASH_XTRACEFD EXECIGNORE FUNCNEST TMOUT PS4
unset GREP_OPTIONS GREP_COLOR GREP_COLORS TAR_OPTIONS COLUMNS
unset AWKPATH AWKLIBPATH BLOCK_SIZE BLOCKSIZE DF_BLOCK_SIZE DU_BLOCK_SIZE TIME_STYLE QUOTING_STYLE
unset POSIXLY_CORRECT
set +o posix

# Settings of programs: of git in a hook, of Python, of the database's client, of make and ctest.
unset "${!GIT_@}" "${!PYTHON@}" "${!PERL@}" "${!MYSQL_@}" "${!MARIADB_@}" "${!LUA_@}"
unset NODE_OPTIONS NODE_PATH NODE_DEBUG NODE_TEST_CONTEXT
unset MAKEFLAGS MFLAGS MAKELEVEL "${!CTEST_@}" "${!CMAKE_@}"

# Words and numbers in one form, whatever the caller reads.
unset LANG LANGUAGE "${!LC_@}"
export LC_ALL=C.UTF-8

# A directory that is named relatively is another one wherever the caller stands.
absolute_path() {
  local place places kept=
  IFS=: read -r -a places <<<"${PATH:-}"
  for place in "${places[@]}" /usr/local/sbin /usr/local/bin /usr/sbin /usr/bin /sbin /bin; do
    if [[ $place == /* && :$kept: != *:"$place":* ]]; then kept+=${kept:+:}$place; fi
  done
  export PATH=$kept
}
absolute_path

# python FILE…, python -c CODE, python -: nothing of PYTHON* and of the caller's own packages;
# modules beside FILE, none of the working directory.
python() {
  case ${1:-} in
    -*) /usr/bin/python3 -I "$@" ;;
    *) /usr/bin/python3 -Es "$@" ;;
  esac
}
