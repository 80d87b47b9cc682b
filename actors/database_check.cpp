#include "actors/database_check.h"

#include <chrono>

#include "storage/log_segment.h"

namespace stampede::actors {

using storage::Errc;
using storage::Error;
using storage::Status;

int exit_code_of(Errc code) {
  switch (code) {
    case Errc::corrupt:
      return kExitCorrupt;
    case Errc::locked:
    case Errc::fenced:
      return kExitOtherWriter;
    case Errc::version:
    case Errc::invalid:
      return kExitConfig;
    case Errc::io:
      return kExitIo;
    case Errc::unavailable:
    case Errc::not_found:
      break;
  }
  return 0;
}

Status check_database(storage::Database& database, const ClaimStart& start) {
  const auto uuid = database.log_uuid();
  if (!uuid) return uuid.error();
  if (*uuid && **uuid != start.log_uuid)
    return Error{Errc::corrupt, "the database belongs to log " + storage::to_text(**uuid) +
                                    ", this log is " + storage::to_text(start.log_uuid) +
                                    "; nothing was changed. Point log.dir or db.url at the pair"
                                    " that belongs together"};
  const auto witness = database.witness();
  if (!witness) return witness.error();
  if (*witness > start.last_lsn)
    return Error{Errc::corrupt, "the database holds lsn " + storage::to_text(*witness) +
                                    " but the log ends at " + storage::to_text(start.last_lsn) +
                                    ": the log has lost decisions; nothing was changed. Restore"
                                    " the log directory"};
  if (*witness < start.max_executed)
    return Error{Errc::corrupt,
                 "the log calls lsn " + storage::to_text(start.max_executed) +
                     " executed but the database ends at " + storage::to_text(*witness) +
                     ": it was restored or replaced; nothing was changed. Stop the nodes and run"
                     " `stampede log replay --all` to write every command of the log again"};
  return storage::Done{};
}

Status claim_database(const ClaimStart& start) {
  auto database = storage::Database::open(start.database);
  if (!database) return database.error();
  if (auto fits = check_database(*database, start); !fits) return fits;
  const auto now_us = std::chrono::duration_cast<std::chrono::microseconds>(
                          std::chrono::system_clock::now().time_since_epoch())
                          .count();
  if (auto adopted = database->adopt(start.log_uuid, now_us); !adopted) return adopted;
  return database->claim(start.epoch, start.database.lanes);
}

}  // namespace stampede::actors
