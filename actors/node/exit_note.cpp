#include "actors/node/exit_note.h"

#include <fstream>
#include <nlohmann/json.hpp>

#include "actors/node/small_file.h"

namespace stampede::actors {
namespace {

std::filesystem::path note_file(const std::filesystem::path& run_dir, const std::string& node) {
  return run_dir / (node + ".exit");
}

}  // namespace

void write_exit_note(const std::filesystem::path& run_dir, const std::string& node,
                     const ExitNote& note) {
  const nlohmann::json json = {{"code", note.code}, {"reason", note.reason}, {"pid", note.pid}};
  const std::string text =
      json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
  replace_file(note_file(run_dir, node), text);
}

std::optional<ExitNote> read_exit_note(const std::filesystem::path& run_dir,
                                       const std::string& node) {
  std::ifstream in(note_file(run_dir, node));
  const auto json = nlohmann::json::parse(in, nullptr, false);
  const bool whole = json.is_object() && json.contains("code") && json.contains("reason") &&
                     json.contains("pid") && json.at("code").is_number_integer() &&
                     json.at("reason").is_string() && json.at("pid").is_number_integer();
  if (!whole) return std::nullopt;
  return ExitNote{json.at("code").get<int>(), json.at("reason").get<std::string>(),
                  json.at("pid").get<pid_t>()};
}

void remove_exit_note(const std::filesystem::path& run_dir, const std::string& node) {
  std::error_code ignored;
  std::filesystem::remove(note_file(run_dir, node), ignored);
}

}  // namespace stampede::actors
