#include "tools/ask/flag_names.h"

#include <algorithm>

#include "storage/commands/promo_terms.h"
#include "storage/commands/sale_terms.h"

namespace stampede::tools {
namespace {

constexpr std::string_view kNameLetters = "abcdefghijklmnopqrstuvwxyz_0123456789.";

// Empty: no flag says it.
std::string flag_named(std::string_view name) {
  if (name == "starts_in_ms") return flag_of(storage::kPromoStartsTerm);
  if (name == "ends_in_ms") return flag_of(storage::kPromoEndsTerm);
  std::string flag;
  const auto look = [&](const storage::Term& term) {
    if (term.name == name) flag = flag_of(term);
  };
  storage::each_term(look);
  storage::each_sale_term(look);
  storage::each_promo_term(look);
  return flag;
}

}  // namespace

std::string flag_of(const storage::Term& term) {
  if (!term.flag.empty()) return std::string(term.flag);
  std::string flag = "--" + std::string(term.name);
  std::replace(flag.begin(), flag.end(), '_', '-');
  return flag;
}

std::string in_flags(std::string_view refusal) {
  std::string text;
  while (!refusal.empty()) {
    const auto word = refusal.substr(0, refusal.find_first_not_of(kNameLetters));
    const auto flag = word.find('_') != word.npos ? flag_named(word) : std::string{};
    text += flag.empty() ? word : flag;
    refusal.remove_prefix(word.size());
    const auto between = refusal.substr(0, refusal.find_first_of(kNameLetters));
    text += between;
    refusal.remove_prefix(between.size());
  }
  return text;
}

}  // namespace stampede::tools
