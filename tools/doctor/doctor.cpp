#include "tools/doctor/doctor.h"

#include <algorithm>
#include <cstdio>

#include "config/process/version.h"
#include "tools/ask/admin_client.h"
#include "tools/ask/configure.h"

namespace stampede::tools {
namespace {

using nlohmann::json;

Finding config_finding(const ToolOptions& options, const std::string& fault) {
  if (!fault.empty())
    return {"config", Verdict::fail, fault, "mend the named place; config/README.md has every key"};
  const auto& origin = options.config.origin;
  if (const auto note = file_note(options.config); !note.empty())
    return {"config", Verdict::warn, note, "stampede config check, config diff, config reload"};
  return {"config",
          Verdict::ok,
          origin.empty() ? "no file: defaults and environment" : origin.string() + " is well",
          {}};
}

void add(Findings& all, Findings&& more) {
  all.insert(all.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
}

Findings look(const ToolOptions& options, const std::string& config_fault) {
  Findings all{{"program", Verdict::ok, "stampede " + std::string(kVersion), {}},
               config_finding(options, config_fault)};
  add(all, check_descriptors());
  const auto& config = options.config;
  if (config.run_dir.empty()) return all;  // it is not to be believed
  const auto status = status_or_null(config);
  add(all, check_run_directory(config));
  add(all, check_nodes(status));
  add(all, check_ports(config, status));
  add(all, check_disk(config));
  add(all, check_clock(config));
  add(all, check_database(config, status));
  return all;
}

json report_of(const Findings& findings, bool ok) {
  json checks = json::array();
  for (const auto& finding : findings)
    checks.push_back({{"check", finding.check},
                      {"verdict", to_text(finding.verdict)},
                      {"text", finding.text},
                      {"advice", finding.advice.empty() ? json(nullptr) : json(finding.advice)}});
  return {{"ok", ok}, {"checks", std::move(checks)}};
}

void print(const Findings& findings) {
  for (const auto& finding : findings) {
    std::printf("%-4s  %-12s %s\n", std::string(to_text(finding.verdict)).c_str(),
                finding.check.c_str(), finding.text.c_str());
    if (!finding.advice.empty()) std::printf("%-19s-> %s\n", "", finding.advice.c_str());
  }
}

}  // namespace

std::string_view to_text(Verdict verdict) {
  switch (verdict) {
    case Verdict::ok:
      return "ok";
    case Verdict::warn:
      return "warn";
    case Verdict::fail:
      break;
  }
  return "fail";
}

int run_doctor(const ToolOptions& options, const std::string& config_fault) {
  const auto findings = look(options, config_fault);
  const bool ok = std::none_of(findings.begin(), findings.end(), [](const auto& finding) {
    return finding.verdict == Verdict::fail;
  });
  if (options.json)
    std::printf(
        "%s\n",
        report_of(findings, ok).dump(-1, ' ', false, json::error_handler_t::replace).c_str());
  else
    print(findings);
  return ok ? kExitDone : kExitViolation;
}

}  // namespace stampede::tools
