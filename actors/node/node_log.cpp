#include "actors/node/node_log.h"

#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <string_view>

namespace stampede::actors {

namespace {

using Line = spdlog::memory_buf_t;

void append(Line& line, std::string_view text) {
  line.append(text.data(), text.data() + text.size());
}

void append_escape(Line& line, unsigned code) {
  static constexpr std::string_view kDigits = "0123456789abcdef";
  append(line, "\\u00");
  append(line, kDigits.substr(code >> 4U, 1));
  append(line, kDigits.substr(code & 15U, 1));
}

// The text of an event. Control characters of UTF-8, a line feed among them, are written as \u000a:
// what others say, a database server for instance, begins no line and writes on nobody's screen.
class OneLine final : public spdlog::custom_flag_formatter {
 public:
  void format(const spdlog::details::log_msg& message, const std::tm& /*time*/,
              Line& line) override {
    const std::string_view text(message.payload.data(), message.payload.size());
    for (std::size_t i = 0; i < text.size(); ++i) {
      const auto byte = static_cast<unsigned char>(text[i]);
      const unsigned next = i + 1 < text.size() ? static_cast<unsigned char>(text[i + 1]) : 0U;
      if (byte == 0xC2 && next >= 0x80 && next < 0xA0)
        append_escape(line, next), ++i;
      else if (byte < 0x20 || byte == 0x7F)
        append_escape(line, byte);
      else
        append(line, text.substr(i, 1));
    }
  }

  [[nodiscard]] std::unique_ptr<custom_flag_formatter> clone() const override {
    return std::make_unique<OneLine>();
  }
};

}  // namespace

void start_log(const std::string& node) {
  spdlog::drop(node);
  auto logger = spdlog::stderr_logger_mt(node);
  auto formatter = std::make_unique<spdlog::pattern_formatter>(spdlog::pattern_time_type::utc);
  formatter->add_flag<OneLine>('*').set_pattern("%Y-%m-%dT%H:%M:%S.%fZ %l %n %*");
  logger->set_formatter(std::move(formatter));
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
