#include "transport/port/caught_error.h"

#include <caf/all.hpp>
#include <exception>
#include <new>
#include <string>

#include "transport/zmq/socket_error.h"

namespace stampede::transport {

caf::error caught_error(const std::function<void()>& body) {
  try {
    body();
    return {};
  } catch (const SocketError& error) {
    return caf::make_error(
        error.address_taken ? caf::sec::cannot_open_port : caf::sec::runtime_error,
        std::string(error.what()));
  } catch (const std::bad_alloc&) {
    return caf::make_error(
        caf::sec::runtime_error,
        std::string("memory ran out: the container, ulimit -v or the machine gives no more"));
  } catch (const std::exception& error) {
    return caf::make_error(caf::sec::runtime_error, std::string(error.what()));
  } catch (...) {
    return caf::make_error(caf::sec::runtime_error, std::string("an unknown exception"));
  }
}

}  // namespace stampede::transport
