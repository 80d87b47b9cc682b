#include "storage/mysql/sql_advice.h"

#include "storage/mysql/database.h"

namespace stampede::storage {
namespace {

constexpr unsigned kFirstOfClient = 2000;
constexpr unsigned kLastOfClient = 2999;

}  // namespace

bool database_answered(unsigned sql_number) {
  switch (sql_number) {
    case 0:
      return false;
    case 2007:  // another protocol
    case 2012:  // error in the handshake
    case 2026:  // TLS
    case 2049:  // an old way to log in
    case 2059:  // a way to log in that the client does not know
    case 2061:  // logging in that way failed
      return true;
    default:
      return sql_number < kFirstOfClient || sql_number > kLastOfClient;
  }
}

std::string_view sql_advice(unsigned sql_number) {
  switch (sql_number) {
    case 1044:  // no right to this database
    case 1045:  // wrong user or password
    case 1130:  // not from this host
    case 1698:  // the user may not log in this way
    case 1820:
    case 1862:  // the password is too old
    case 2049:
    case 2059:
    case 2061:
    case 3118:  // locked, MySQL
    case 4151:  // locked, MariaDB
      return "check the user in db.url, the password in db.password_file (a node reads it when it "
             "starts), and the user's grants";
    case 1049:
      return "check the database name in db.url, or create it with `stampede migrate up` as a user "
             "who may";
    case 1040:
    case 1203:
      return "raise max_connections of the server, or end some of its other clients";
    case 1226:
      return "raise the limits of the user in db.url (MAX_USER_CONNECTIONS and the like)";
    case 1129:
      return "run FLUSH HOSTS on the server";
    case 1053:
      return "the server is being stopped; start it again";
    case 2026:
      return "the server wants TLS, or another kind of it: let the user in db.url in without";
    case 2007:
    case 2012:
      return "does db.url name a MySQL or MariaDB server?";
    case 1153:
      return "raise max_allowed_packet of the server";
    case 1205:
      return "another client of the database holds the rows: see SHOW PROCESSLIST";
    case 1364:
      return "give the column a default value";
    case 1021:
    case 1026:
    case 1030:  // an error of the storage engine: mostly 28, no space
    case 1114:
      return "make room on the database's disk";
    case 1142:
    case 1143:
      return "grant SELECT, INSERT, UPDATE to the user in db.url";
    case 1032:  // kErrnumNoRow
      return kHowToMendHalf;
    case 1054:
    case 1146:
      return "if tables are being restored, wait for their end; else run `scripts/stop_all.sh "
             "--keep-db`, then `scripts/start_all.sh`, or `stampede migrate up` as a user who may "
             "create tables";
    case 1184:
      return "the server ends new sessions: see init_connect and its error log";
    case 1290:
      return "the server runs with an option that forbids it, see its words: if they say "
             "read-only, "
             "point db.url at the primary, or set read_only=0";
    case 1665:
      return "the server logs statements: set binlog_format to ROW or MIXED";
    case 1792:  // in a read-only transaction
    case 1836:  // read-only mode, MySQL
      return "the server is read-only: point db.url at the primary, or set read_only=0";
    default:
      return database_answered(sql_number)
                 ? std::string_view{}
                 : "is the server running, and does db.url name its socket or host and port?";
  }
}

}  // namespace stampede::storage
