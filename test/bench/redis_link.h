#pragma once

// A pipelining connection to Redis over its unix socket (RESP2), as lean as a client can be, so
// that the peer is measured and not its client. One thread; every call blocks; a lost connection or
// an error reply throws std::runtime_error.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace stampede::bench {

// Appends one command in RESP form to `out`.
void append_command(std::string& out, const std::vector<std::string_view>& words);

class RedisLink {
 public:
  // One value of a reply; an array is followed by its elements.
  struct Value {
    char type = 0;             // : number, $ and + text, * array
    std::int64_t number = -1;  // of ':'; elements of '*'; -1: nil
    std::size_t at = 0;        // of a text, see text()
    std::size_t size = 0;
  };

  explicit RedisLink(const std::string& socket_path);
  ~RedisLink();
  RedisLink(const RedisLink&) = delete;
  RedisLink& operator=(const RedisLink&) = delete;

  void send(std::string_view commands);
  // The next reply, flattened; valid until the next call.
  const std::vector<Value>& receive();
  [[nodiscard]] std::string_view text(const Value& value) const;
  const std::vector<Value>& ask(const std::vector<std::string_view>& words);

 private:
  bool take_value(std::size_t& open);
  void fill();

  int fd_;
  std::string buffer_;
  std::size_t from_ = 0;  // what lies before was read
  std::size_t end_ = 0;   // of what came
  std::vector<Value> values_;
};

}  // namespace stampede::bench
