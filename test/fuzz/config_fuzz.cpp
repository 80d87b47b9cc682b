// A configuration file and environment variables: TOML up to the first NUL, then lines NAME=VALUE.
// Checked: what is accepted keeps every bound, gives the same again, and is refused as a whole when
// one value is not; an error names its place and says something; a refused database address, which
// may hold a password, is not repeated.

#include <sys/mman.h>
#include <unistd.h>

#include <string>

#include "config/settings/config.h"
#include "test/fuzz/fuzz.h"

namespace {

using namespace stampede::config;

// A file in memory with a path, so that nothing is written to a disk.
class MemoryFile {
 public:
  MemoryFile() : fd_(::memfd_create("stampede.toml", MFD_CLOEXEC)) { FUZZ_CHECK(fd_ >= 0); }
  std::string hold(std::string_view text) const {
    FUZZ_CHECK(::ftruncate(fd_, 0) == 0);
    FUZZ_CHECK(::pwrite(fd_, text.data(), text.size(), 0) == static_cast<ssize_t>(text.size()));
    return "/proc/self/fd/" + std::to_string(fd_);
  }

 private:
  int fd_;
};

Environment environment_of(std::string_view text) {
  Environment env;
  while (!text.empty()) {
    const auto end = std::min(text.find('\n'), text.size());
    const auto line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    const auto equals = line.find('=');
    if (equals == std::string_view::npos) continue;
    env.emplace("STAMPEDE_" + std::string(line.substr(0, equals)), line.substr(equals + 1));
  }
  return env;
}

// A refused URL may hold a password. What is no text, and of the wrong type for that, may be shown.
bool shows_no_text(std::string_view message) {
  if (message.starts_with("this value")) return true;
  const auto shown = message.substr(0, message.find("has the wrong type; give "));
  return shown.size() < message.size() && shown.find_first_of("\"':/@") == message.npos;
}

void check_accepted(const Config& config) {
  FUZZ_CHECK(config.net.port_base >= 1024 && config.net.port_base <= 65000);
  FUZZ_CHECK(config.net.mode == "ipc" || config.net.mode == "tcp");
  const bool loopback = config.net.bind.starts_with("127.");
  FUZZ_CHECK(loopback || !config.curve.key_file.empty());
  FUZZ_CHECK(loopback || !config.curve.allow_file.empty());
  FUZZ_CHECK(config.webapp.http.starts_with("127."));
  FUZZ_CHECK(config.webapp.waiting_max >= 1 && config.broker.inflight_max >= 16384);
  FUZZ_CHECK(config.db.lanes >= 1 && config.db.lanes <= 64 && config.db.batch_rows_max <= 9000);
  FUZZ_CHECK(config.log.segment_bytes >= 256 * 1024 && config.log.dir.is_absolute());
  FUZZ_CHECK(config.db.url.starts_with("mysql://") && config.db.password_file.is_absolute());
  FUZZ_CHECK(config.supervisor.stall_ms >= 2 * config.supervisor.heartbeat_ms);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const MemoryFile file;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const auto end = std::min(input.find('\0'), input.size());
  LoadOptions options;
  options.file = file.hold(input.substr(0, end));
  options.run_dir = "/nowhere";
  options.env = environment_of(input.substr(std::min(end + 1, input.size())));
  const auto loaded = load(options);
  if (const auto* error = std::get_if<ConfigError>(&loaded)) {
    FUZZ_CHECK(!error->message.empty() && !error->file.empty());
    FUZZ_CHECK(describe(*error).find(error->message) != std::string::npos);
    if (error->key == "db.url") FUZZ_CHECK(shows_no_text(error->message));
    return 0;
  }
  const auto& config = std::get<Config>(loaded);
  check_accepted(config);
  const auto again = load(options);
  FUZZ_CHECK(std::holds_alternative<Config>(again));
  FUZZ_CHECK(std::get<Config>(again).db.url == config.db.url);
  FUZZ_CHECK(std::get<Config>(again).webapp.http == config.webapp.http);
  return 0;
}
