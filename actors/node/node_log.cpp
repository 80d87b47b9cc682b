#include "actors/node/node_log.h"

#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <memory>
#include <mutex>

#include "actors/node/stderr_file.h"
#include "config/process/control_escaper.h"

namespace stampede::actors {

namespace {

// The text of an event: what others say begins no line and writes on nobody's screen.
class OneLine final : public spdlog::custom_flag_formatter {
 public:
  void format(const spdlog::details::log_msg& message, const std::tm& /*time*/,
              spdlog::memory_buf_t& line) override {
    config::ControlEscaper escaper(config::ControlEscaper::Layout::escaped);
    auto text = escaper.escape({message.payload.data(), message.payload.size()});
    text += escaper.rest();
    line.append(text.data(), text.data() + text.size());
  }

  [[nodiscard]] std::unique_ptr<custom_flag_formatter> clone() const override {
    return std::make_unique<OneLine>();
  }
};

// To stderr, whose file is made again when somebody has removed it.
class LinesSink final : public spdlog::sinks::stderr_sink_mt {
 public:
  void log(const spdlog::details::log_msg& message) override {
    {
      const std::lock_guard lock(look_mutex_);
      lines_.look(StderrFile::Clock::now());
    }
    spdlog::sinks::stderr_sink_mt::log(message);
  }

 private:
  std::mutex look_mutex_;
  StderrFile lines_;
};

}  // namespace

void start_log(const std::string& node) {
  spdlog::drop(node);
  auto logger = std::make_shared<spdlog::logger>(node, std::make_shared<LinesSink>());
  auto formatter = std::make_unique<spdlog::pattern_formatter>(spdlog::pattern_time_type::utc);
  formatter->add_flag<OneLine>('*').set_pattern("%Y-%m-%dT%H:%M:%S.%fZ %l %n %*");
  logger->set_formatter(std::move(formatter));
  spdlog::set_default_logger(std::move(logger));
}

void set_log_level(const std::string& level) {
  spdlog::default_logger()->set_level(spdlog::level::from_str(level));
}

void log_info(const std::string& text) {
  spdlog::info("{}", text);
}
void log_warning(const std::string& text) {
  spdlog::warn("{}", text);
}

void log_audit(const std::string& text) {
  const auto* const logger = spdlog::default_logger_raw();
  const spdlog::details::log_msg line(logger->name(), spdlog::level::info, text);
  for (const auto& sink : logger->sinks()) sink->log(line);
}

void log_critical(const std::string& text) {
  spdlog::critical("{}", text);
  spdlog::default_logger()->flush();
}

}  // namespace stampede::actors
