#include "actors/node/node_log.h"

#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <thread>

#include "actors/node/core/repeated_lines.h"
#include "actors/node/stderr_file.h"
#include "config/process/control_escaper.h"

namespace stampede::actors {

namespace {

using spdlog::details::log_msg;
using std::chrono::milliseconds;

std::string_view view_of(const spdlog::string_view_t& text) {
  return {text.data(), text.size()};
}

// The text of an event: what others say begins no line and writes on nobody's screen.
std::string escaped(std::string_view text) {
  config::ControlEscaper escaper(config::ControlEscaper::Layout::escaped);
  auto safe = escaper.escape(text);
  return safe += escaper.rest();
}

void append(spdlog::memory_buf_t& line, const std::string& text) {
  line.append(text.data(), text.data() + text.size());
}

class OneLine final : public spdlog::custom_flag_formatter {
 public:
  void format(const log_msg& message, const std::tm& /*time*/,
              spdlog::memory_buf_t& line) override {
    append(line, escaped(view_of(message.payload)));
  }

  [[nodiscard]] std::unique_ptr<custom_flag_formatter> clone() const override {
    return std::make_unique<OneLine>();
  }
};

// The same as a map of JSON: all of it, for a library that writes JSON knows what to escape.
class JsonText final : public spdlog::custom_flag_formatter {
 public:
  void format(const log_msg& message, const std::tm& /*time*/,
              spdlog::memory_buf_t& line) override {
    const auto level = view_of(spdlog::level::to_string_view(message.level));
    const auto map = nlohmann::ordered_json{{"level", level},
                                            {"node", view_of(message.logger_name)},
                                            {"text", view_of(message.payload)}};
    using nlohmann::ordered_json;
    append(line,
           escaped(map.dump(-1, ' ', false, ordered_json::error_handler_t::replace)).substr(1));
  }

  [[nodiscard]] std::unique_ptr<custom_flag_formatter> clone() const override {
    return std::make_unique<JsonText>();
  }
};

constexpr const char* kTextPattern = "%Y-%m-%dT%H:%M:%S.%fZ %l %n %*";
constexpr const char* kJsonPattern = R"({"time":"%Y-%m-%dT%H:%M:%S.%fZ",%*)";

template <class Flag>
std::unique_ptr<spdlog::formatter> make_formatter(const char* pattern) {
  auto made = std::make_unique<spdlog::pattern_formatter>(spdlog::pattern_time_type::utc, "\n");
  made->add_flag<Flag>('*').set_pattern(pattern);
  return made;
}

std::unique_ptr<spdlog::formatter> formatter_of(const std::string& format) {
  return format == "json" ? make_formatter<JsonText>(kJsonPattern)
                          : make_formatter<OneLine>(kTextPattern);
}

std::int64_t steady_ms() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration_cast<milliseconds>(now).count();
}

std::string told(const RepeatedLine& line) {
  return line.text + " (" + std::to_string(line.more) + " more of this line in " +
         std::to_string(RepeatedLines::kWindowMs / 1'000) + " s)";
}

// To stderr. The thread that tells counts when their time is over begins with the first line that
// is held back, and sleeps while none is.
class LinesSink final : public spdlog::sinks::base_sink<std::mutex> {
 public:
  explicit LinesSink(std::string node) : node_(std::move(node)) { file_.look_now(); }

  ~LinesSink() override {
    {
      const std::lock_guard lock(mutex_);
      ending_ = true;
      tell(repeated_.pop_all());
    }
    held_back_.notify_one();
    if (teller_.joinable()) teller_.join();
  }
  LinesSink(const LinesSink&) = delete;
  LinesSink& operator=(const LinesSink&) = delete;

  void log_always(const log_msg& message) {
    const std::lock_guard lock(mutex_);
    write(message);
  }

  void reopen() {
    const std::lock_guard lock(mutex_);
    file_.look_now();
  }

 protected:
  void sink_it_(const log_msg& message) override {
    const auto now = steady_ms();
    tell(repeated_.pop_over(now));
    if (message.level < spdlog::level::critical &&
        !repeated_.on_line(now, message.level, view_of(message.payload)))
      return tell_later();
    write(message);
  }

  void flush_() override { tell(repeated_.pop_all()); }

 private:
  void write(const log_msg& message) {
    file_.look(StderrFile::Clock::now());
    spdlog::memory_buf_t line;
    formatter_->format(message, line);
    file_.write({line.data(), line.size()});
  }

  void tell(const std::vector<RepeatedLine>& lines) {
    for (const auto& line : lines) {
      const auto text = told(line);
      write({node_, static_cast<spdlog::level::level_enum>(line.level), text});
    }
  }

  void tell_later() {
    if (!teller_.joinable()) teller_ = std::thread([this] { tell_when_over(); });
    held_back_.notify_one();
  }

  void tell_when_over() {
    std::unique_lock lock(mutex_);
    while (!ending_) {
      if (const auto next = repeated_.next_ms())
        held_back_.wait_for(lock, milliseconds(std::max<std::int64_t>(*next - steady_ms(), 1)));
      else
        held_back_.wait(lock);
      tell(repeated_.pop_over(steady_ms()));
    }
  }

  std::string node_;
  StderrFile file_;
  RepeatedLines repeated_;
  std::condition_variable held_back_;
  std::thread teller_;
  bool ending_ = false;
};

std::shared_ptr<LinesSink> sink_of(const spdlog::logger* logger) {
  if (logger == nullptr || logger->sinks().empty()) return nullptr;
  return std::dynamic_pointer_cast<LinesSink>(logger->sinks().front());
}

}  // namespace

void start_log(const std::string& node) {
  spdlog::drop(node);
  auto logger = std::make_shared<spdlog::logger>(node, std::make_shared<LinesSink>(node));
  logger->set_formatter(formatter_of("text"));
  spdlog::set_default_logger(std::move(logger));
}

void set_log_level(const std::string& level) {
  spdlog::default_logger()->set_level(spdlog::level::from_str(level));
}

void set_log_format(const std::string& format) {
  if (const auto sink = sink_of(spdlog::default_logger_raw()))
    sink->set_formatter(formatter_of(format));
}

void reopen_log() {
  if (const auto sink = sink_of(spdlog::default_logger_raw())) sink->reopen();
}

void log_info(const std::string& text) {
  spdlog::info("{}", text);
}
void log_warning(const std::string& text) {
  spdlog::warn("{}", text);
}

void log_audit(const std::string& text) {
  const auto* const logger = spdlog::default_logger_raw();
  const auto sink = sink_of(logger);
  if (sink) sink->log_always({logger->name(), spdlog::level::info, text});
}

void log_critical(const std::string& text) {
  spdlog::critical("{}", text);
  spdlog::default_logger()->flush();
}

}  // namespace stampede::actors
