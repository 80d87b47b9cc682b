#pragma once

// Rows as texts that can be compared, for row_check.cpp and sale_check.cpp. Pure.

#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "storage/mysql/row_check.h"
#include "storage/mysql/sql_text.h"

namespace stampede::storage {

// The fields behind the key as one text, so that a difference can be compared and shown at once.
// Client texts appear as SQL literals: they cannot break a line of the log.
class Content {
 public:
  Content& number(std::string_view name, std::int64_t value) {
    begin(name);
    append_number(text_, value);
    return *this;
  }
  Content& number(std::string_view name, std::uint64_t value) {
    begin(name);
    append_number(text_, value);
    return *this;
  }
  Content& bytes(std::string_view name, std::string_view value) {
    begin(name);
    append_literal(text_, value);
    return *this;
  }
  Content& bytes_unless(std::string_view name, std::string_view value, std::string_view otherwise) {
    return value == otherwise ? *this : bytes(name, value);
  }
  std::string take() { return std::move(text_); }

 private:
  void begin(std::string_view name) {
    if (!text_.empty()) text_ += ' ';
    text_ += name;
    text_ += '=';
  }
  std::string text_;
};

struct Stored {
  Lsn guard = 0;
  std::string content;
};
using StoredRows = std::unordered_map<std::uint64_t, Stored>;

// What a select of rows with a guard finds: key, guard, and of the rest what `content` makes.
template <class MakeContent>
SqlOutcome read_stored(SqlSession& session, StoredRows& stored, MakeContent content) {
  return session.query([&](const SqlRow& row) { stored[row.u64(0)] = {row.u64(1), content(row)}; });
}

// Of the batch, as it is compared with what is stored under its key.
struct SentRow {
  RowKind kind;
  std::size_t index;
  std::uint64_t key;
  Lsn guard;  // 0: the content never changes
  std::string content;
};

struct IfMissing {
  unsigned errnum;
  std::string_view what;
};

inline RowFailure conflict(const LaneBatch& batch, const SentRow& sent, unsigned errnum,
                           const std::string& what) {
  return {sent.kind, sent.index, errnum,
          "ALARM: " + row_name(batch, sent.kind, sent.index) + ": " + what + "; sent " +
              sent.content + ". Nothing was changed; " +
              (errnum == kErrnumNoRow ? "put the row back: `stampede log replay --all` writes it"
                                        " where the log has it, else it is in a backup"
                                      : "find out who else writes to this database")};
}

// A stored guard above the row's means that a newer command was here.
inline void check_guarded(const LaneBatch& batch, const SentRow& sent, const StoredRows& stored,
                          const IfMissing& if_missing, std::vector<RowFailure>& failures) {
  const auto found = stored.find(sent.key);
  if (found == stored.end()) {
    failures.push_back(conflict(batch, sent, if_missing.errnum, std::string(if_missing.what)));
    return;
  }
  const auto& there = found->second;
  if (there.guard > sent.guard) return;
  if (there.guard == sent.guard && there.content == sent.content) return;
  failures.push_back(conflict(
      batch, sent, kErrnumDuplicate,
      "the row holds other content under lsn " + to_text(there.guard) + ": " + there.content));
}

}  // namespace stampede::storage
