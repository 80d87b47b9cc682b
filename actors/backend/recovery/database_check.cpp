#include "actors/backend/recovery/database_check.h"

#include "storage/log/log_segment.h"

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
    case Errc::full:
      return kExitIo;
    case Errc::unavailable:
    case Errc::not_found:
      break;
  }
  return 0;
}

Status refuse_wiped_log(storage::Database& database, const std::string& log_dir) {
  const auto uuid = database.log_uuid();
  if (!uuid) return uuid.error();
  if (!*uuid) return storage::Done{};
  return Error{Errc::corrupt, "the log directory " + log_dir +
                                  " is empty but the database belongs to log " +
                                  storage::to_text(**uuid) +
                                  ": the log was wiped or log.dir is wrong; nothing was changed."
                                  " Restore the log directory, or use an empty database"};
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
                     ": it was restored or replaced; nothing was changed. Run `scripts/stop_all.sh"
                     " --keep-db`, then `stampede log replay --all`: it writes all of it again"};
  return storage::Done{};
}

storage::Result<std::vector<storage::ItemRow>> fit_database(
    storage::Result<storage::Database>& database, const ClaimStart& start,
    const BackendCore& core) {
  if (!database) return database.error();
  if (auto fits = check_database(*database, start); !fits) return fits.error();
  const auto uuid = database->log_uuid();
  if (!uuid) return uuid.error();
  std::vector<storage::ItemRow> missing;
  if (*uuid) return missing;
  auto items = database->items();
  if (!items) return items.error();
  for (auto& item : *items)
    if (!core.book().item(item.id)) missing.push_back(std::move(item));
  return missing;
}

Status claim_database(const ClaimStart& start, std::int64_t now_us) {
  auto database = storage::Database::open(start.database);
  if (!database) return database.error();
  if (auto fits = check_database(*database, start); !fits) return fits;
  if (auto adopted = database->adopt(start.log_uuid, now_us); !adopted) return adopted;
  return database->claim(start.epoch, start.database.lanes);
}

}  // namespace stampede::actors
