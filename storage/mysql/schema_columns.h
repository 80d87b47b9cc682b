#pragma once

// The columns of the tables, as the texts of the migrations say them. Pure.

#include <string>
#include <string_view>
#include <vector>

namespace stampede::storage {

struct SchemaColumn {
  std::string table;
  std::string name;
  std::string definition;  // "VARBINARY(64) NOT NULL UNIQUE", with single spaces

  [[nodiscard]] bool is_key() const;       // of the table: without it a row says nothing
  [[nodiscard]] bool is_computed() const;  // by the server, from others
  [[nodiscard]] bool is_nullable() const;
  [[nodiscard]] std::string type() const;       // "VARBINARY(64)"
  [[nodiscard]] std::string otherwise() const;  // the text behind DEFAULT; empty: there is none
  // The definition without its index, which has a life of its own.
  [[nodiscard]] std::string without_index() const;
};

// Of each `CREATE TABLE IF NOT EXISTS name (` and of each `ALTER TABLE name ADD COLUMN …` in a
// literal, in their order. Of such a form only: the texts are ours.
std::vector<SchemaColumn> columns_made_by(std::string_view sql);

}  // namespace stampede::storage
