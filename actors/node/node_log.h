#pragma once

// The node's own lines on stderr: one line per event, UTC time, level, node id, text; as text or as
// a map of JSON. The supervisor sends a node's stderr to <run>/log/<node>.log, which is rotated
// here (stderr_file.h). A line that comes again and again is written a few times, then counted, and
// the count is written (core/repeated_lines.h): what lies in the counts of a process that is killed
// goes with it. Thread-safe; blocks on the file; spdlog stays out of this header.

#include <string>

namespace stampede::actors {

void start_log(const std::string& node);  // once, before the first line
// "info", "warning" or "critical": from now on lines below it are not written, but log_audit's.
void set_log_level(const std::string& level);
// "text": `2026-11-29T12:00:00.123456Z warning webapp-1 what is so`; "json": the same as
// {"time":…,"level":…,"node":…,"text":…}. From the next line on.
void set_log_format(const std::string& format);
// Goes on in the file of the old name, at once: that is what SIGHUP means to whoever rotates.
void reopen_log();
void log_info(const std::string& text);
void log_warning(const std::string& text);
void log_critical(const std::string& text);  // with all counts; written on return
void log_audit(const std::string& text);  // who asked for what: whatever the level, however often

}  // namespace stampede::actors
