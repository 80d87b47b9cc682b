#include "actors/node/node_log.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

namespace stampede::actors {

void start_log(const std::string& node) {
  spdlog::drop(node);
  auto logger = spdlog::stderr_logger_mt(node);
  logger->set_pattern("%Y-%m-%dT%H:%M:%S.%fZ %l %n %v", spdlog::pattern_time_type::utc);
  spdlog::set_default_logger(std::move(logger));
}

void log_info(const std::string& text) {
  spdlog::info("{}", text);
}
void log_warning(const std::string& text) {
  spdlog::warn("{}", text);
}

void log_critical(const std::string& text) {
  spdlog::critical("{}", text);
  spdlog::default_logger()->flush();
}

}  // namespace stampede::actors
