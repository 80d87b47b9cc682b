#include "test/bench/redis_link.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <stdexcept>

namespace stampede::bench {

namespace {

constexpr std::size_t kReadBytes = 256 * 1024;

void append_number(std::string& out, char head, std::uint64_t number) {
  char digits[24];
  const auto end = std::to_chars(digits, digits + sizeof digits, number).ptr;
  out.push_back(head);
  out.append(digits, end);
  out.append("\r\n");
}

}  // namespace

void append_command(std::string& out, const std::vector<std::string_view>& words) {
  append_number(out, '*', words.size());
  for (const auto word : words) {
    append_number(out, '$', word.size());
    out.append(word);
    out.append("\r\n");
  }
}

RedisLink::RedisLink(const std::string& socket_path)
    : fd_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)), buffer_(kReadBytes, '\0') {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (socket_path.size() >= sizeof address.sun_path) throw std::runtime_error("path too long");
  std::memcpy(address.sun_path, socket_path.data(), socket_path.size());
  if (::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    throw std::runtime_error("cannot connect to Redis at " + socket_path);
}

RedisLink::~RedisLink() {
  ::close(fd_);
}

void RedisLink::send(std::string_view commands) {
  while (!commands.empty()) {
    const auto sent = ::send(fd_, commands.data(), commands.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent <= 0) throw std::runtime_error("the connection to Redis is gone");
    commands.remove_prefix(static_cast<std::size_t>(sent));
  }
}

const std::vector<RedisLink::Value>& RedisLink::receive() {
  values_.clear();
  if (from_ == end_) from_ = end_ = 0;
  std::size_t open = 1;
  while (open > 0)
    if (!take_value(open)) fill();
  if (values_[0].type == '-') throw std::runtime_error("Redis: " + std::string(text(values_[0])));
  return values_;
}

std::string_view RedisLink::text(const Value& value) const {
  return std::string_view(buffer_).substr(value.at, value.size);
}

const std::vector<RedisLink::Value>& RedisLink::ask(const std::vector<std::string_view>& words) {
  std::string command;
  append_command(command, words);
  send(command);
  return receive();
}

// One value, if it is there whole; `open` counts the values that are still to come.
bool RedisLink::take_value(std::size_t& open) {
  const auto bytes = std::string_view(buffer_).substr(from_, end_ - from_);
  const auto line_end = bytes.find("\r\n");
  if (line_end == std::string_view::npos) return false;
  Value value;
  value.type = bytes[0];
  const auto line = bytes.substr(1, line_end - 1);
  std::size_t size = line_end + 2;
  if (value.type == '+' || value.type == '-') {
    value.at = from_ + 1;
    value.size = line.size();
  } else {
    std::from_chars(line.data(), line.data() + line.size(), value.number);
  }
  if (value.type == '$' && value.number >= 0) {
    value.at = from_ + size;
    value.size = static_cast<std::size_t>(value.number);
    size += value.size + 2;
    if (bytes.size() < size) return false;
  }
  if (value.type == '*' && value.number > 0) open += static_cast<std::size_t>(value.number);
  from_ += size;
  values_.push_back(value);
  --open;
  return true;
}

// Text of a reply that is being read stays where it is.
void RedisLink::fill() {
  if (buffer_.size() - end_ < kReadBytes / 2) buffer_.resize(buffer_.size() * 2);
  const auto got = ::recv(fd_, buffer_.data() + end_, buffer_.size() - end_, 0);
  if (got < 0 && errno == EINTR) return;
  if (got <= 0) throw std::runtime_error("the connection to Redis is gone");
  end_ += static_cast<std::size_t>(got);
}

}  // namespace stampede::bench
