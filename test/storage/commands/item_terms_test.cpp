#include "storage/commands/item_terms.h"

#include <doctest/doctest.h>

#include <set>
#include <string>
#include <vector>

namespace stampede::storage {
namespace {

// An item with two terms that older programs did not know.
struct GrownTerms {
  std::string_view name;
  std::uint32_t weight = 0;
  std::string_view color;
};
constexpr Term kWeight{.name = "weight", .added = true};
constexpr Term kColor{.name = "color", .added = true};

template <class Fn>
constexpr void each_term(Fn&& fn, const GrownTerms& terms) {
  fn(kNameTerm, terms.name);
  fn(kWeight, terms.weight);
  fn(kColor, terms.color);
}

std::string written(const GrownTerms& terms) {
  std::string names;
  const auto add = [&](const Term& term, const auto&) { (names += ' ') += term.name; };
  each_first_term(add, terms);
  each_added_term(added_terms(terms), add, terms);
  return names;
}

}  // namespace

TEST_CASE("terms: those that were added are written up to the last that says something") {
  CHECK(written({"a", 0, ""}) == " name");
  CHECK(written({"a", 5, ""}) == " name weight");
  CHECK(written({"a", 5, "red"}) == " name weight color");
  CHECK(written({"a", 0, "red"}) == " name weight color");
}

TEST_CASE("terms: the list names each once, and what was added at its end") {
  std::set<std::string_view> names;
  bool added = false;
  std::size_t terms = 0;
  each_term([&](const Term& term) {
    CAPTURE(term.name);
    names.insert(term.name);
    CHECK((term.added || !added));
    CHECK_FALSE((term.added && term.required));
    added = term.added;
    ++terms;
    CHECK(term.min <= term.max);
    CHECK(term.flag_max <= term.max);
    CHECK((term.required || term.otherwise <= term.max));
    CHECK_FALSE(term.help.empty());
  });
  CHECK(names.size() == terms);
}

TEST_CASE("terms: a copy owns its texts, and a view of it is equal to what was copied") {
  std::string name = "Phone";
  const ItemTerms terms{name, 1, 2, 3, 4};
  const OwnedItemTerms copy = copy_of(terms);
  CHECK(view_of(copy) == terms);
  name[0] = 'p';
  CHECK(copy.name == "Phone");
  CHECK_FALSE(view_of(copy) == terms);
}

}  // namespace stampede::storage
