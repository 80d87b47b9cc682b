#pragma once

// What the log tools share: which directory is meant, what an error means for the exit code, and
// output in large pieces.

#include <cstdint>
#include <ostream>
#include <string>
#include <string_view>

#include "storage/log/log_reader.h"
#include "storage/log/parked_records.h"
#include "storage/replay/fate_table.h"
#include "storage/result.h"
#include "tools/ask/tool_options.h"
#include "tools/log/log_beginning.h"

namespace stampede::tools {

// The given directory or the configured one. Errc::invalid when it does not exist.
storage::Result<std::string> existing_log_dir(const ToolOptions& options, const std::string& given);

// The same, to be written in; Errc::invalid, too, when another user owns it or may write there.
storage::Result<std::string> own_log_dir(const ToolOptions& options, const std::string& given);

// Prints the error and returns the exit code that it means.
int report_error(std::ostream& err, const storage::Error& error);

// Says from which lsn on a log speaks whose oldest segments are gone.
void say_beginning(std::ostream& err, const LogBeginning& beginning);

// What `verify` and `log verify` say of it.
std::string parked_text(const storage::ParkedRecord& record);

// Adds where a record lies to an error about its payload.
storage::Status in_file(const storage::BatchInfo& batch, storage::Status status);

// Folds a whole log into the fates of its commands.
class FateReader final : public storage::LogVisitor {
 public:
  storage::Status on_record(const storage::BatchInfo& batch,
                            const storage::RecordView& record) override {
    return in_file(batch, table.record(record));
  }
  storage::FateTable table;
};

// Reads the whole log of a directory, from where it begins; tells where that is.
storage::Result<LogBeginning> read_fates(storage::Disk& disk, const std::string& dir,
                                         FateReader& reader);

std::string grouped(std::uint64_t number);  // 300000 -> "300,000"

// Collects text and writes it in pieces of 64 KiB.
class OutBuffer {
 public:
  explicit OutBuffer(std::ostream& out) : out_(out) {}
  ~OutBuffer() { flush(); }
  OutBuffer(const OutBuffer&) = delete;
  OutBuffer& operator=(const OutBuffer&) = delete;

  std::string& text() { return text_; }
  void end_line() {
    text_ += '\n';
    end_piece();
  }
  void end_piece() {
    if (text_.size() >= kPiece) flush();
  }
  void flush();

 private:
  static constexpr std::size_t kPiece = std::size_t{64} << 10;
  std::ostream& out_;
  std::string text_;
};

}  // namespace stampede::tools
