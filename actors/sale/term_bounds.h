#pragma once

// Whether the terms of an item or a promo are what an operator may say. Pure.

#include <cstdint>
#include <string_view>

#include "actors/sale/request.h"
#include "storage/commands/item_terms.h"

namespace stampede::actors {

// For each_term() and its like: leaves the name of the first term that is out of bounds in `wrong`.
struct TermBounds {
  std::string_view& wrong;

  void operator()(const storage::Term& term, std::string_view value) const {
    note(term,
         value.empty() ? term.min == 0 : valid_text(value, static_cast<std::size_t>(term.max)));
  }
  template <class Number>
  void operator()(const storage::Term& term, const Number& value) const {
    const auto number = static_cast<std::int64_t>(value);  // below 0: an unsigned one beyond it
    note(term, number >= term.min && number <= term.max);
  }

 private:
  void note(const storage::Term& term, bool good) const {
    if (wrong.empty() && !good) wrong = term.name;
  }
};

}  // namespace stampede::actors
