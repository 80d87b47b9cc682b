#include "tools/command_line/advice.h"

#include <algorithm>
#include <numeric>

#include "tools/command_line/command_tree.h"

namespace stampede::tools {
namespace {

// Damerau and Levenshtein's, neighbours swapped at most once.
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::vector<std::size_t>> d(a.size() + 1, std::vector<std::size_t>(b.size() + 1));
  for (std::size_t i = 0; i <= a.size(); ++i) d[i][0] = i;
  std::iota(d[0].begin(), d[0].end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t other = a[i - 1] == b[j - 1] ? 0 : 1;
      d[i][j] = std::min({d[i - 1][j] + 1, d[i][j - 1] + 1, d[i - 1][j - 1] + other});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        d[i][j] = std::min(d[i][j], d[i - 2][j - 2] + 1);
    }
  }
  return d[a.size()][b.size()];
}

void add_flags(const CLI::App& command, std::vector<std::string>& words) {
  for (const auto* option : options_of(command))
    for (const auto& name : option->get_lnames()) words.push_back("--" + name);
  if (command.get_parent() != nullptr) add_flags(*command.get_parent(), words);
}

std::vector<std::string> candidates(const CLI::App& at, bool flag) {
  std::vector<std::string> words;
  if (flag) {
    add_flags(at, words);
  } else {
    for (const auto* command : subcommands_of(at)) words.push_back(command->get_name());
  }
  return words;
}

}  // namespace

std::string nearest(std::string_view typed, const std::vector<std::string>& words) {
  std::string best;
  std::size_t least = std::max<std::size_t>(1, typed.size() / 3) + 1;
  for (const auto& word : words) {
    const bool begins = typed.size() >= 3 && word.starts_with(typed);
    const auto far = begins ? 1 : distance(typed, word);
    if (far >= least) continue;
    least = far;
    best = word;
  }
  return best;
}

std::string advice(const CLI::App& app) {
  const CLI::App& at = typed_command(app);
  std::string text;
  for (const auto& whole : app.remaining(true)) {
    const bool flag = whole.starts_with("--") && whole.size() > 2;
    if (!flag && !text.empty()) continue;  // what was meant for the word before it
    const auto word = flag ? whole.substr(0, whole.find('=')) : whole;
    const auto path = path_of(at);
    text += "stampede" + (path.empty() ? "" : " " + path) + ": there is no " + word + " here";
    const auto near = nearest(word, candidates(at, flag));
    text += near.empty() ? "\n" : "; did you mean " + near + "?\n";
  }
  return text;
}

}  // namespace stampede::tools
