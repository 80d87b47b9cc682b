#pragma once

#include <stdexcept>
#include <string>

namespace stampede::transport {

// Thrown where a socket is made: the address is taken (bind) or unusable. what() says what to do.
struct SocketError : std::runtime_error {
  SocketError(const std::string& text, bool taken)
      : std::runtime_error(text), address_taken(taken) {}
  bool address_taken;
};

}  // namespace stampede::transport
