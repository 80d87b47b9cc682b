#pragma once

// CURVE: who may connect over tcp, and whom we trust there. One key pair per system, which all its
// nodes share; every client has its own, and the system an allow-list of the clients' public keys.
// A key on the allow-list opens the client ports of the webapps, never a socket between nodes; one
// that is followed there by the word `trusted` is of a caller that may speak for every user.
// Unix sockets (ipc) are guarded by their directory's mode instead.
//
// Thread-safe: no state. Reading and writing files blocks; meant for a process's start.

#include <cstddef>
#include <filesystem>
#include <string>
#include <variant>
#include <vector>

#include "config/settings/config.h"

namespace stampede::transport {

inline constexpr std::size_t kKeyBytes = 32;
inline constexpr std::size_t kKeyText = 40;            // characters of a key in Z85
inline constexpr std::size_t kKeyFileBytesMax = 4096;  // larger ones are refused
inline constexpr std::size_t kAllowFileBytesMax = 1 << 24;

struct KeyPair {
  std::string public_key;  // Z85
  std::string secret_key;  // Z85; never printed, logged or given as an argument
};

// What a process is to ZeroMQ. Empty: no CURVE.
struct CurveOptions {
  KeyPair own;                       // a node: the system's; a client: its own
  std::string server_key;            // the system's public key, of whom we connect to
  std::vector<std::string> clients;  // public keys that may use the client ports
  std::vector<std::string> trusted;  // of these, those that may speak for every user

  [[nodiscard]] bool on() const { return !own.public_key.empty(); }
};

// The error names the configuration key, its value and what to do. A key file that its group or
// others may read, or that belongs to another user, is refused.
std::variant<CurveOptions, std::string> read_curve(const config::Curve& files);

// Makes a key pair and writes it to a new file, mode 0600, in the form of ZeroMQ's certificates
// (which pyzmq's zmq.auth.load_certificate reads). Durable on return. An existing file is kept:
// that is an error. Returns the pair or what went wrong.
std::variant<KeyPair, std::string> make_key_file(const std::filesystem::path& file);

// The 32 bytes behind 40 characters of Z85; empty when the text is no key.
std::string key_bytes(const std::string& text);

}  // namespace stampede::transport
