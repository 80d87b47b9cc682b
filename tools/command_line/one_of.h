#pragma once

// The check of a flag that takes one of a few words, as CLI11 wants it: what is wrong is said in
// the form of the other flags.

#include <algorithm>
#include <string>
#include <vector>

namespace stampede::tools {

// Empty: it is one of them.
[[nodiscard]] inline std::string none_of(const std::string& text,
                                         const std::vector<std::string>& words) {
  if (std::find(words.begin(), words.end(), text) != words.end()) return {};
  std::string list;
  for (const auto& word : words) list += (list.empty() ? "" : ", ") + word;
  return "\"" + text + "\" is none of " + list;
}

[[nodiscard]] inline auto one_of(std::vector<std::string> words) {
  return [words = std::move(words)](const std::string& text) { return none_of(text, words); };
}

// The same where the value is the word's number among them; for CLI::Validator.
[[nodiscard]] inline auto number_of_one_of(std::vector<std::string> words) {
  return [words = std::move(words)](std::string& text) {
    auto wrong = none_of(text, words);
    if (wrong.empty())
      text = std::to_string(std::find(words.begin(), words.end(), text) - words.begin());
    return wrong;
  };
}

}  // namespace stampede::tools
