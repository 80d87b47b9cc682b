#pragma once

// Every command of a log with its fate, for reports: what storage/replay/replay folds into numbers,
// this lists one by one. Memory: 24 bytes per command of the whole log.
//
// Thread-compatible: one thread. No I/O. Commands are numbered from 0 in log order.

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "storage/commands/command.h"
#include "storage/log/log_format.h"
#include "storage/result.h"

namespace stampede::storage {

enum class Fate : std::uint8_t {
  pending = 1,
  failed,
  superseded,
  executed
};  // storage/replay/replay.h
std::string_view to_text(Fate fate);

class FateTable {
 public:
  using Index = std::uint32_t;

  // The log that follows begins at this lsn: outcomes of earlier ones are no strays.
  void speaks_from(Lsn lsn) { speaks_from_ = lsn; }

  // Takes the next record, of any type. Errc::corrupt when its payload is not what its type says,
  // Errc::version for a type of a newer program, or for what its segment's level does not have.
  Status record(const RecordView& record);

  [[nodiscard]] std::size_t size() const { return commands_.size(); }
  [[nodiscard]] Lsn lsn(Index command) const { return commands_[command].lsn; }
  [[nodiscard]] std::uint32_t position(Index command) const { return commands_[command].position; }
  [[nodiscard]] CommandKind kind(Index command) const { return commands_[command].kind; }
  // What others of its kind must have in common with it to stand in for it: the item, the promo,
  // the order. Of an OrderInsert or a StockChange, for which none does, the item.
  [[nodiscard]] std::uint64_t key(Index command) const { return commands_[command].key; }
  [[nodiscard]] std::string id(Index command) const;  // its own text, else <lsn>.<position>
  [[nodiscard]] Fate fate(Index command) const;

  // The command at a place of a set, if the log has emitted it.
  [[nodiscard]] std::optional<Index> find(Lsn lsn, std::uint32_t position) const;
  // The newest executed later command of the same type and key: what supersedes this one.
  [[nodiscard]] std::optional<Index> superseded_by(Index command) const;
  // What recovery settles this command by: what superseded it, or the newest owed one of its key.
  // Nothing when it is executed itself, or is to be applied itself.
  [[nodiscard]] std::optional<Index> skipped_for(Index command) const;
  // Recovery applies it.
  [[nodiscard]] bool would_apply(Index command) const;

  // Calls fn(command, what) for every command that an outcome record of this type names.
  struct Named {
    std::uint64_t number = 0;  // the errno of a FAIL, the superseding lsn of an OPTM, 0 for EXEC
    std::uint64_t tries = 0;   // of a FAIL, 0 where it does not say
  };
  using OnNamed = std::function<void(Index, const Named&)>;
  void each_named(RecordType type, const Outcome& outcome, const OnNamed& fn) const;

  // Outcomes that name a command the log never emitted (before them): such a log is not sound.
  [[nodiscard]] std::uint64_t strays() const { return strays_; }
  [[nodiscard]] const std::string& first_stray() const { return first_stray_; }

 private:
  static constexpr Index kNone = std::numeric_limits<Index>::max();

  struct Entry {
    Lsn lsn;
    std::uint64_t key;
    Index older;  // the command before it of the same type and key, where there may be one
    std::uint16_t position;
    CommandKind kind;
    bool executed : 1;
    bool failed : 1;
  };
  static_assert(sizeof(Entry) == 24);
  struct Key {  // what is known of a key's commands of one type
    Index newest = kNone;
    Index newest_executed = kNone;
  };
  using Keys = std::unordered_map<std::uint64_t, Key>;

  Status emit(const RecordView& record);
  Status outcome(const RecordView& record);
  void add(Lsn lsn, std::uint16_t position, const Command& command);
  void executed(Index command);
  void stray(RecordType type, const Outcome& outcome, std::uint64_t lsn);
  [[nodiscard]] Index first_at(Lsn lsn) const;
  [[nodiscard]] const Keys* keys(CommandKind kind) const;  // nullptr: each stands alone
  Keys& keys_of(CommandKind kind);
  [[nodiscard]] const Key* same_as(Index command) const;
  bool each_in_range(const Outcome& outcome, Lsn from, Lsn to, const Named& named,
                     const OnNamed& fn) const;
  bool each_left_out(const Outcome& outcome, std::uint64_t key, Lsn from, Lsn by,
                     const OnNamed& fn) const;

  std::vector<Entry> commands_;  // ascending by lsn, position
  std::array<Keys, std::size_t{static_cast<std::uint8_t>(kCommandKindLast)} + 1> keys_;  // by kind
  std::unordered_map<Index, std::string> own_ids_;
  Lsn last_lsn_ = 0;
  Lsn speaks_from_ = 0;
  std::uint64_t strays_ = 0;
  std::string first_stray_;
  CommandDecoder decoder_;
  std::vector<Command> set_;  // kept for their memory
  Outcome outcome_;
};

}  // namespace stampede::storage
