#pragma once

// How storage reports operating errors: a value the caller must look at. Broken invariants are not
// reported, they end the process (config/process/invariant.h).

#include <string>
#include <utility>
#include <variant>

#include "config/process/invariant.h"

namespace stampede::storage {

enum class Errc {
  io = 1,       // the disk or the file system said no: a node ends with 74
  corrupt,      // the log is damaged, or log and database do not fit: 65
  locked,       // another writer owns the log or the database: 75
  version,      // a format this program does not read: 78
  invalid,      // wrong use or unreadable input: 2 for a tool, 78 for configuration
  unavailable,  // the database cannot be reached now; try again
  fenced,       // a higher epoch owns the database: 75
  not_found,    // what was asked for is not there
  full,         // the disk has no room for a new file; nothing was changed: try again
};

struct [[nodiscard]] Error {
  Errc code{};
  std::string message;      // names file, offset or id, and what to do
  unsigned sql_number = 0;  // of the database server or its client library; 0: of neither
};

// Either a T or an Error. Single-threaded value type.
template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}      // NOLINT: implicit
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}  // NOLINT: implicit

  explicit operator bool() const { return state_.index() == 0; }
  T& operator*() { return value(); }
  const T& operator*() const { return const_cast<Result*>(this)->value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &const_cast<Result*>(this)->value(); }
  [[nodiscard]] const Error& error() const {
    STAMPEDE_ASSERT(state_.index() == 1, "no error in a result that holds a value");
    return std::get<1>(state_);
  }

 private:
  T& value() {
    STAMPEDE_ASSERT(state_.index() == 0, "value taken from a result that holds an error");
    return std::get<0>(state_);
  }
  std::variant<T, Error> state_;
};

struct Done {};  // the value of a call that returns nothing else
using Status = Result<Done>;

}  // namespace stampede::storage
