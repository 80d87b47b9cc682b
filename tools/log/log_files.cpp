#include "tools/log/log_files.h"

#include <filesystem>
#include <system_error>

#include "config/settings/trusted_place.h"

namespace stampede::tools {

using storage::Errc;
using storage::Error;

storage::Result<std::string> existing_log_dir(const ToolOptions& options,
                                              const std::string& given) {
  const std::string dir = given.empty() ? options.config.log.dir.string() : given;
  std::error_code ignored;
  if (std::filesystem::is_directory(dir, ignored)) return dir;
  return Error{Errc::invalid, given.empty()
                                  ? "there is no log yet: " + dir +
                                        " does not exist (it is made at a backend's first start)"
                                  : dir + " is no directory; name the one that holds the segments"};
}

storage::Result<std::string> own_log_dir(const ToolOptions& options, const std::string& given) {
  auto dir = existing_log_dir(options, given);
  if (!dir) return dir;
  std::error_code lost;
  const auto absolute = std::filesystem::absolute(*dir, lost);
  if (lost) return Error{Errc::invalid, *dir + ": the working directory is gone"};
  const auto why = config::distrust(absolute, config::PlaceKind::directory);
  if (!why.empty()) return Error{Errc::invalid, why};
  return dir;
}

int report_error(std::ostream& err, const Error& error) {
  err << "stampede: " << error.message << '\n';
  switch (error.code) {
    case Errc::corrupt:
      return kExitViolation;
    case Errc::locked:
    case Errc::fenced:
      return kExitRefused;
    case Errc::version:
    case Errc::invalid:
      return kExitWrongUse;
    case Errc::unavailable:
      return kExitNoConnection;
    case Errc::io:
    case Errc::full:
    case Errc::not_found:
      break;
  }
  return kExitFailure;
}

void say_beginning(std::ostream& err, const LogBeginning& beginning) {
  if (beginning.is_start()) return;
  err << "the log speaks from lsn " << storage::to_text(beginning.speaks_from()) << " (segment "
      << beginning.position.seg_no << ") on; for what was before stands " << beginning.snapshot
      << '\n';
}

std::string parked_text(const storage::ParkedRecord& record) {
  const auto lsn = storage::to_text(record.lsn);
  return "lsn " + lsn + " is parked (" + record.why +
         "): its item is closed; `stampede log retry " + lsn + "` tries it again";
}

storage::Status in_file(const storage::BatchInfo& batch, storage::Status status) {
  if (status) return status;
  return Error{status.error().code, std::string(batch.file) + ", batch at offset " +
                                        std::to_string(batch.offset) + ": " +
                                        status.error().message};
}

storage::Result<LogBeginning> read_fates(storage::Disk& disk, const std::string& dir,
                                         FateReader& reader) {
  auto beginning = log_beginning(disk, dir);
  if (!beginning) return beginning.error();
  while (true) {
    reader.table = {};
    reader.table.speaks_from(beginning->speaks_from());
    const auto end = storage::read_log(disk, dir, reader, beginning->position);
    if (end) return beginning;
    if (!begins_later_now(disk, dir, *beginning)) return end.error();
  }
}

std::string grouped(std::uint64_t number) {
  std::string digits = std::to_string(number);
  for (std::size_t at = digits.size(); at > 3; at -= 3) digits.insert(at - 3, ",");
  return digits;
}

void OutBuffer::flush() {
  out_.write(text_.data(), static_cast<std::streamsize>(text_.size()));
  out_.flush();
  text_.clear();
}

}  // namespace stampede::tools
