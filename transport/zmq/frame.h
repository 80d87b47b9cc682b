#pragma once

// One part of a ZeroMQ message. Owns its bytes; movable, not copyable; one thread at a time.
// zmq.hpp stays out of this header so that only transport/ compiles against it.

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace stampede::transport {

// How a process with keys names the peers of its connections.
inline constexpr const char* kTrustedPeer = "trusted";
inline constexpr const char* kKnownPeer = "known";

class Frame {
 public:
  Frame();                                 // empty
  explicit Frame(std::string_view bytes);  // copies
  Frame(Frame&& other) noexcept;
  Frame& operator=(Frame&& other) noexcept;
  ~Frame();

  static Frame adopt(std::string&& bytes);  // takes the buffer over, no copy
  [[nodiscard]] Frame share();              // a second reference to the same bytes (immutable)

  [[nodiscard]] std::string_view bytes() const;
  [[nodiscard]] std::size_t size() const { return bytes().size(); }
  // Of a part that was received: what libzmq tells of the peer it came from, of tcp its address
  // without the port. Empty: nothing. Some hundred instructions; lives as long as the part.
  [[nodiscard]] std::string_view peer_address() const;
  // Of a part that was received, what its peer's key makes of it: kTrustedPeer, kKnownPeer, or of a
  // connection without keys nothing. Some hundred instructions; lives as long as the part.
  [[nodiscard]] std::string_view peer_key() const;
  void* native() { return storage_; }  // zmq_msg_t*, for transport/ only

 private:
  [[nodiscard]] std::string_view metadata(const char* name) const;
  alignas(8) mutable unsigned char storage_[64];  // a zmq_msg_t; its size is asserted in frame.cpp
};

using Message = std::vector<Frame>;  // all parts of one ZeroMQ message

}  // namespace stampede::transport
