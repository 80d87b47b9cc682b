#pragma once

// What a thread's work threw, as the error with which its actor ends. Any thread.

#include <caf/error.hpp>
#include <functional>

namespace stampede::transport {

// Runs the body here. No error, or what it threw: a taken address as sec::cannot_open_port, all
// else as sec::runtime_error, with the exception's text; of memory that ran out, a better one.
caf::error caught_error(const std::function<void()>& body);

}  // namespace stampede::transport
