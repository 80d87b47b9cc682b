#pragma once

// The node's own lines on stderr: one line per event, UTC time, level, node id. The supervisor
// sends a node's stderr to <run>/log/<node>.log. Thread-safe; spdlog stays out of this header.

#include <string>

namespace stampede::actors {

void start_log(const std::string& node);  // once, before the first line
// "info", "warning" or "critical": from now on lines below it are not written, but log_audit's.
void set_log_level(const std::string& level);
void log_info(const std::string& text);
void log_warning(const std::string& text);
void log_critical(const std::string& text);  // flushed on return
void log_audit(const std::string& text);     // who asked for what: written whatever the level is

}  // namespace stampede::actors
